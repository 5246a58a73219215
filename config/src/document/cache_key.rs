//! What of a request makes the key under which a response is stored, as written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What makes the key beside method, scheme and path. Arguments that are no part of it are not sent to origins either:
/// what nobody tells apart must not change what is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeyFields {
    /// Host in the key in place of the requested one, so that aliases of a site share what is stored; fills
    /// ask origins for it. Routes of different sites must then have the same origin pool, and mean the same by the same
    /// path. Default: the requested host.
    pub host: Option<String>,
    /// Which arguments of the query count: `keep` (all), `drop` (none), `{only: [v]}` or `{except: [utm_*]}`; names are
    /// compared after percent-decoding, exactly. `CMCD` never counts, and `_HLS_msn`, `_HLS_part` and `_HLS_skip` of
    /// a playlist always do where `blocking_reload` is on. Default: `keep`, as the origin alone knows which of them matter.
    pub query: QueryField,
    /// Whether arguments are put into the order of their names first; those of one name keep theirs. Default: `false`:
    /// the order may mean something to the origin.
    pub sort_query: bool,
    /// Fields of requests whose values count, at most 16. Default: none.
    pub headers: Vec<String>,
    /// Cookies whose values count, at most 16. Default: none.
    pub cookies: Vec<String>,
    /// Whether the client's country counts; one that is unknown is a part of its own. Origins are told it in
    /// `Tidegate-Country`. Default: `false`.
    pub country: bool,
    /// Whether the kind of device counts: `phone`, `tablet`, `television` or `desktop`, by client hints and User-Agent.
    /// Origins are told it in `Tidegate-Device`. Default: `false`.
    pub device: bool,
    /// Whether `No-Vary-Search` of responses is honoured: arguments that it names do not tell responses apart. Default:
    /// `true`, as an origin that sends it knows.
    pub no_vary_search: bool,
}

/// Which arguments of the query count.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueryField {
    /// All but `CMCD`.
    #[default]
    Keep,
    /// None.
    Drop,
    /// Only these, 1 to 64 names.
    Only(Vec<String>),
    /// All but these and `CMCD`, 1 to 64 names. A name may end in `*`, which stands for any rest.
    Except(Vec<String>),
}

impl Default for KeyFields {
    fn default() -> Self {
        Self {
            host: None,
            query: QueryField::Keep,
            sort_query: false,
            headers: Vec::new(),
            cookies: Vec::new(),
            country: false,
            device: false,
            no_vary_search: true,
        }
    }
}
