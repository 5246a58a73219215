//! Names and numbers that identify things, each a type of its own so that they cannot be confused.

use std::fmt;
use std::sync::Arc;

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Accepts 1 to 63 characters of `a-z 0-9 - _ .`, starting with a letter or digit, so that a name
            /// fits a DNS label, a metric label and a file name alike.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                check_name(text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The name as written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// Name of an edge node, unique in the fleet.
    NodeName
);
name_type!(
    /// Name of a region.
    RegionName
);
name_type!(
    /// Name of a point of presence.
    PopName
);
name_type!(
    /// Name of a site: a set of hosts with their routes.
    SiteName
);
name_type!(
    /// Name of a route, unique within its site.
    RouteName
);
name_type!(
    /// Name of an origin pool.
    PoolName
);
name_type!(
    /// Name of an origin, unique within its pool.
    OriginName
);
name_type!(
    /// Name of a cache policy.
    CachePolicyName
);
name_type!(
    /// Name of a certificate document.
    CertificateName
);

/// Number of the configuration that is in force; rises with every accepted change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {}", self.expected())]
pub struct InvalidName;

impl InvalidName {
    /// What a name is.
    #[must_use]
    pub fn expected(&self) -> &'static str {
        "1 to 63 characters of a-z, 0-9, '-', '_' or '.', starting with a letter or a digit"
    }
}

const MAX_NAME_LENGTH: usize = 63; // a DNS label (RFC 1035 section 2.3.4), so that names can become host names

fn check_name(text: &str) -> Result<(), InvalidName> {
    let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let characters_fit =
        text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'));
    if text.len() <= MAX_NAME_LENGTH && starts_well && characters_fit { Ok(()) } else { Err(InvalidName) }
}
