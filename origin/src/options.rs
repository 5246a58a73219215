//! What the caller chooses: what is served, under which name, and within which bounds.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use crate::OriginError;

/// Where the files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// The demonstration clip and page inside this program: `/`, `/vod/demo/master.m3u8` and so on.
    Embedded,
    /// A directory. Files outside it are out of reach, also through symbolic links; dot files are not served.
    Directory(PathBuf),
}

/// The name an origin answers with, in `X-Tidegate-Origin` and `Server-Timing`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginName(String);

impl OriginName {
    /// Host names have labels of at most 63 characters (RFC 1035, section 2.3.4); names of origins fit there too.
    pub(crate) const MAX_LENGTH: usize = 63;

    /// The name as text: visible ASCII without quotes or spaces.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OriginName {
    type Err = OriginError;

    fn from_str(name: &str) -> Result<Self, OriginError> {
        let usable = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
        if name.is_empty() || name.len() > Self::MAX_LENGTH || !name.chars().all(usable) {
            return Err(OriginError::unusable_name(name));
        }
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for OriginName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The name of the origin and the bounds it keeps.
#[derive(Debug, Clone)]
pub struct OriginOptions {
    /// Which origin this is.
    pub name: OriginName,
    /// Connections served at once; more wait in the listener's queue. The default of 1024 leaves room below the
    /// usual limit of open files, as each connection may hold one file open too.
    pub max_connections: usize,
    /// How long a client may take to send one request's header, and how long an idle connection is kept. The
    /// default of 60 s outlives the idle time-out of the usual proxies, so that they close first.
    pub header_timeout: Duration,
    /// How long a client may refuse to take any more bytes before its connection is closed; default 120 s.
    pub write_timeout: Duration,
    /// How long running responses may go on after the shutdown was asked for; default 10 s.
    pub shutdown_grace: Duration,
}

impl OriginOptions {
    /// The defaults under this name.
    pub fn new(name: OriginName) -> Self {
        Self {
            name,
            max_connections: 1024,
            header_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(120),
            shutdown_grace: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_fit_a_response_field_are_accepted() {
        let check = |name: &str, accepted: bool| assert_eq!(name.parse::<OriginName>().is_ok(), accepted, "{name:?}");
        check("eu-origin", true);
        check("origin_1.example", true);
        check(&"a".repeat(63), true);
        check(&"a".repeat(64), false);
        check("", false);
        check("with space", false);
        check("quote\"", false);
        check("line\r\nbreak", false);
        check("ü", false);
    }
}
