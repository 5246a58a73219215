//! What a run asks for: the URL, taken apart once.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, bail, ensure};
use http::Uri;

/// Longest URL. Requests are encoded with a two-byte length, and no server takes much more in a request line.
const LONGEST_URL: usize = 8 * 1024;

/// An `https` URL in the pieces that requests need.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    authority: String,
    host: String,
    port: u16,
    path: String,
}

impl Target {
    /// Takes a URL apart.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        ensure!(url.len() <= LONGEST_URL, "the URL is longer than {LONGEST_URL} bytes");
        let uri: Uri = url.parse().with_context(|| format!("{url:?} is no URL"))?;
        if uri.scheme_str() != Some("https") {
            bail!("{url:?} is no https URL: HTTP/3 is always encrypted");
        }
        let authority = uri.authority().with_context(|| format!("{url:?} names no host"))?;
        ensure!(!authority.as_str().contains('@'), "a URL with user information cannot be requested");
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            authority: authority.to_string(),
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(443),
            path: path.to_owned(),
        })
    }

    /// Host and port as written.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The host without brackets, as TLS names it.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Path and query.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The address to connect to, when nothing else was asked for.
    pub(crate) async fn resolve(&self) -> Result<SocketAddr> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok((address, self.port).into());
        }
        tokio::net::lookup_host((self.host.as_str(), self.port))
            .await
            .with_context(|| format!("cannot resolve {}", self.host))?
            .next()
            .with_context(|| format!("{} has no address", self.host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: Option<(&str, &str, u16, &str)>) {
        let target = Target::parse(url).ok();
        let found = target.as_ref().map(|target| (target.authority(), target.host(), target.port, target.path()));
        assert_eq!(found, expected, "{url}");
    }

    #[test]
    fn urls_are_taken_apart() {
        check("https://a.test/x?y", Some(("a.test", "a.test", 443, "/x?y")));
        check("https://[::1]:8443", Some(("[::1]:8443", "::1", 8443, "/")));
        check("https://127.0.0.1:1/%20", Some(("127.0.0.1:1", "127.0.0.1", 1, "/%20")));
    }

    #[test]
    fn other_urls_are_refused() {
        check("http://a.test/", None);
        check("/path", None);
        check("https://user@a.test/", None);
        check(&format!("https://a/{}", "x".repeat(LONGEST_URL)), None);
    }
}
