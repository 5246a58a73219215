//! What of a request makes the key under which a response is stored.

use http::HeaderName;

/// Parts of a key beside method and path. Whatever of the query is no part of the key is not sent to origins either:
/// what nobody tells apart must not change what is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyRules {
    /// Host in the key instead of the requested one, so that aliases share entries (default: the requested host).
    pub host: Option<String>,
    /// Which arguments of the query count (default: all; `CMCD` never does).
    pub query: QueryRule,
    /// Whether arguments are put into the order of their names first (default false: the order sent).
    pub sort_query: bool,
    /// Request fields whose values count.
    pub headers: Vec<HeaderName>,
    /// Cookies whose values count.
    pub cookies: Vec<String>,
    /// Whether the client's country counts.
    pub country: bool,
    /// Whether the kind of device counts: phone, tablet, television, desktop, by User-Agent and client hints.
    pub device: bool,
    /// Whether `No-Vary-Search` of responses is honoured (default true).
    pub no_vary_search: bool,
}

/// Which arguments of the query count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum QueryRule {
    /// All but `CMCD`.
    #[default]
    Keep,
    /// Only these.
    Only(Vec<String>),
    /// All but these and `CMCD`. A name may end in `*`.
    Except(Vec<String>),
    /// None.
    Drop,
}
