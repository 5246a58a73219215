//! `--origin REGION=URL`: an origin of the user's own.

use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;

use super::plan::Region;

/// An origin of the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnOrigin {
    pub(super) region: Region,
    /// Scheme, host and port, without a path.
    pub(super) url: String,
    /// Which Host field it gets.
    pub(super) host: OwnHost,
}

/// Which Host field an origin gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwnHost {
    /// What the client asked for: an origin on this machine answers to any name.
    Client,
    /// Its own: an origin found by a name is one of many at its address.
    Origin,
}

/// What is wrong with the option's value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum OwnOriginError {
    #[error("expected REGION=URL, such as eu=http://127.0.0.1:3000")]
    Form,
    #[error("region {0:?} is not one of this fleet's: eu, us")]
    Region(String),
    #[error("{0:?} is not http://HOST[:PORT] or https://HOST[:PORT], without path, query and user")]
    Url(String),
}

impl FromStr for OwnOrigin {
    type Err = OwnOriginError;

    fn from_str(text: &str) -> Result<Self, OwnOriginError> {
        let (region, url) = text.split_once('=').ok_or(OwnOriginError::Form)?;
        let region = Region::ALL.into_iter().find(|known| known.name() == region);
        let region =
            region.ok_or_else(|| OwnOriginError::Region(text.split('=').next().unwrap_or_default().to_owned()))?;
        let refused = || OwnOriginError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_invalid| refused())?;
        let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(refused());
        };
        if authority.as_str().contains('@') || uri.path() != "/" || uri.query().is_some() || url.contains('#') {
            return Err(refused());
        }
        let host = if is_local(authority.host()) { OwnHost::Client } else { OwnHost::Origin };
        Ok(Self { region, url: format!("{scheme}://{authority}").to_ascii_lowercase(), host })
    }
}

fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_and_a_url_make_an_origin() {
        let check = |text: &str, region: Region, url: &str, host: OwnHost| {
            assert_eq!(text.parse(), Ok(OwnOrigin { region, url: url.to_owned(), host }), "{text}");
        };
        check("eu=http://127.0.0.1:3000", Region::Eu, "http://127.0.0.1:3000", OwnHost::Client);
        check("us=http://localhost:3000/", Region::Us, "http://localhost:3000", OwnHost::Client);
        check("eu=http://[::1]:80", Region::Eu, "http://[::1]:80", OwnHost::Client);
        check("eu=https://Media.Example", Region::Eu, "https://media.example", OwnHost::Origin);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |text: &str, expected: OwnOriginError| {
            assert_eq!(text.parse::<OwnOrigin>(), Err(expected), "{text}");
        };
        check("http://127.0.0.1:3000", OwnOriginError::Form);
        check("asia=http://127.0.0.1", OwnOriginError::Region("asia".to_owned()));
        for url in ["", "127.0.0.1:3000", "ftp://a", "http://a/b", "http://a?q", "http://u@a", "http://", "http://a#f"]
        {
            check(&format!("eu={url}"), OwnOriginError::Url(url.to_owned()));
        }
    }
}
