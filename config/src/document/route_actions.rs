//! What a route does with a request beside sending it to a pool.

use std::path::PathBuf;

use schemars::{JsonSchema, Schema, json_schema};
use serde::{Deserialize, Serialize};

use super::failover::StickyField;
use super::shares::{ShareText, StatusRange, TimeText};
use super::units::DurationText;

/// Whose requests a route takes. A client must fit every list that is not empty; one whose place is unknown fits none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientFields {
    /// Countries by their two letters (ISO 3166-1), such as `[DE, AT]`, at most 250. Default: all.
    pub countries: Vec<String>,
    /// Continents by their two letters: `AF`, `AN`, `AS`, `EU`, `NA`, `OC`, `SA`. Default: all.
    pub continents: Vec<String>,
    /// Numbers of autonomous systems, at most 1000. Default: all.
    pub asns: Vec<u32>,
}

/// A redirect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedirectFields {
    /// 301, 302, 303, 307 or 308. Default: 308, which keeps the method.
    #[serde(default = "redirect_status")]
    pub status: u16,
    /// Where to: a path, or a URL of http or https, with variables such as `https://www.example${path}${query}`.
    pub location: String,
}

/// A division of requests by share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitFields {
    /// What decides, so that the same key gets the same part each time: `path`, `client_address`, `{header: name}` or
    /// `{cookie: name}`; where a request has no value of its own, the client's address decides. Default:
    /// `client_address`.
    #[serde(default = "client_address")]
    pub by: StickyField,
    /// Parts of the requests that go to other pools, at most 16 and 100 % together; the rest goes to the route's.
    pub parts: Vec<SplitPartFields>,
}

/// A part of the requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitPartFields {
    /// How much of all requests, such as `5%` or `0.25%`; above 0.
    pub share: ShareText,
    /// The pool that answers them.
    pub origin_pool: String,
}

/// Another path for the origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RewriteField {
    /// What the route's pattern names is replaced by this path; the rest and the query stay. `/old/*` with
    /// `{prefix: /new/}` makes `/new/a` of `/old/a`.
    Prefix(String),
    /// The whole path, with variables; the query stays.
    Path(String),
}

/// Changes of a header section, in this order: remove, set, add. Fields that frame a message, are for one connection
/// or tell who has passed it on are refused.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FieldActionFields {
    /// Names of fields that are taken away, at most 64. Default: none.
    pub remove: Vec<String>,
    /// Fields that replace what is there, at most 64. Default: none.
    pub set: Vec<FieldValueFields>,
    /// Lines after those that are there, at most 64. Default: none.
    pub add: Vec<FieldValueFields>,
}

/// A field and its value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldValueFields {
    /// Its name.
    pub name: String,
    /// Its value, at most 4096 bytes, with variables: `${host}`, `${path}`, `${query}`, `${scheme}`, `${request_id}`,
    /// `${client.address}`, `${client.country}`, `${client.continent}`, `${client.asn}`, `${edge}`. One that is not
    /// known is empty, as all about the client are in a request of the cache. `$${` stands for `${`.
    pub value: String,
}

/// Copies of requests for another pool, whose answers are thrown away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MirrorFields {
    /// The pool that gets them.
    pub origin_pool: String,
    /// How much of all requests, such as `5%` or `0.25%`; above 0. Default: `100%`.
    #[serde(default = "all")]
    pub share: ShareText,
}

/// Bounds of time of one route.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteTimeoutFields {
    /// From a request's arrival to the head of the response, all attempts and waiting included, `10ms` to `1h`; then
    /// 504. Default: no bound of its own, those of pool and retries count.
    pub response: Option<DurationText>,
    /// Waiting for the next bytes of an origin's response, `10ms` to `1h`. Default: the pool's `timeouts.read`.
    pub read: Option<DurationText>,
}

/// A page in place of the usual one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorPageFields {
    /// Statuses it is for, 400 to 599: numbers and ranges, such as `[404, 500-599]`.
    pub statuses: Vec<StatusRange>,
    /// File with the page: a text in UTF-8 of at most 256 KiB, read with the configuration. `${status}`, `${reason}` and
    /// `${request_id}` in it are replaced. A relative path starts at this file's folder. Either this or `content`.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// The page itself, with the same bound and variables. Either this or `file`.
    #[serde(default)]
    pub content: Option<String>,
    /// Its content type. Default: `text/html; charset=utf-8`.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Whether it also replaces the body of such a response of an origin. Default: `false`, as an origin's own page says
    /// more.
    #[serde(default)]
    pub replace_origin: bool,
}

/// The page of maintenance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaintenancePageFields {
    /// File with the page, as that of an error page. Either this or `content`.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// The page itself. Either this or `file`.
    #[serde(default)]
    pub content: Option<String>,
    /// Its content type. Default: `text/html; charset=utf-8`.
    #[serde(default)]
    pub content_type: Option<String>,
}

/// Something switched on by hand, for a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KillSwitchFields {
    /// What it does: `bypass_cache`, `{pin_origin: {origin_pool, origin}}`, `block`, `{block: {status}}`, or
    /// `maintenance`.
    pub action: KillSwitchActionField,
    /// Names of the routes it is for. Default: all of the site.
    #[serde(default)]
    pub routes: Vec<String>,
    /// When it ends by itself (RFC 3339), such as `2026-11-21T18:00:00Z`, before 2100. One whose time has come does nothing.
    pub until: TimeText,
    /// Why, for logs: 1 to 200 printable characters.
    pub reason: String,
}

/// What a kill switch does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = block_alone)]
pub enum KillSwitchActionField {
    /// Nothing is served from the cache or stored in it.
    BypassCache,
    /// Every request goes to this origin and no other, whatever its health.
    PinOrigin(PinFields),
    /// Every request is refused.
    Block(BlockFields),
    /// Every request gets the maintenance page with 503.
    Maintenance,
}

/// Says that `block` may stand alone, which serde knows nothing of.
fn block_alone(schema: &mut Schema) {
    let alone =
        json_schema!({ "description": "Every request is refused with 403.", "type": "string", "const": "block" });
    if let Some(ways) = schema.get_mut("oneOf").and_then(|ways| ways.as_array_mut()) {
        ways.push(alone.into());
    }
}

/// An origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PinFields {
    /// Its pool.
    pub origin_pool: String,
    /// Its name there.
    pub origin: String,
}

/// How requests are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BlockFields {
    /// Status of the refusals, 400 to 599. Default: 403.
    #[schemars(range(min = 400, max = 599))]
    pub status: u16,
}

impl Default for BlockFields {
    fn default() -> Self {
        Self { status: 403 }
    }
}

fn redirect_status() -> u16 {
    308
}

fn client_address() -> StickyField {
    StickyField::ClientAddress
}

fn all() -> ShareText {
    ShareText(10_000)
}
