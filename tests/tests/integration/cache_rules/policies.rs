//! The policies under which cases run: each has a route of its own, and another with storage in slices.

use std::fmt::Write as _;

/// A policy by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// RFC 9111 alone; request directives are honoured.
    Plain,
    /// As plain, but what clients say of caching is not honoured.
    Deaf,
    /// As plain, with heuristic freshness.
    Heuristic,
    /// The defaults for media.
    Media,
    /// Another list of targeted fields.
    Targeted,
    /// Nothing is stored.
    Disabled,
    /// Media rules with times long enough to be seen.
    SlowMedia,
    /// Errors are kept where the origin is silent.
    Negative,
    /// Stale answers are allowed where the origin is silent.
    Grace,
    /// What has Set-Cookie is not stored.
    NoCookies,
    /// What has Set-Cookie is stored without it.
    StripCookies,
    /// All arguments but some count, in any order.
    SomeArguments,
    /// One argument counts.
    OneArgument,
    /// No argument counts.
    NoArguments,
    /// A field and a cookie count.
    FieldsInKey,
    /// The kind of device counts.
    DeviceInKey,
    /// No-Vary-Search is not listened to.
    AllSearches,
}

impl Policy {
    pub(super) const ALL: [Self; 17] = [
        Self::Plain,
        Self::Deaf,
        Self::Heuristic,
        Self::Media,
        Self::Targeted,
        Self::Disabled,
        Self::SlowMedia,
        Self::Negative,
        Self::Grace,
        Self::NoCookies,
        Self::StripCookies,
        Self::SomeArguments,
        Self::OneArgument,
        Self::NoArguments,
        Self::FieldsInKey,
        Self::DeviceInKey,
        Self::AllSearches,
    ];

    /// Its name in paths and documents.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Deaf => "deaf",
            Self::Heuristic => "heuristic",
            Self::Media => "media",
            Self::Targeted => "targeted",
            Self::Disabled => "disabled",
            Self::SlowMedia => "slow-media",
            Self::Negative => "negative",
            Self::Grace => "grace",
            Self::NoCookies => "no-cookies",
            Self::StripCookies => "strip-cookies",
            Self::SomeArguments => "some-arguments",
            Self::OneArgument => "one-argument",
            Self::NoArguments => "no-arguments",
            Self::FieldsInKey => "fields-in-key",
            Self::DeviceInKey => "device-in-key",
            Self::AllSearches => "all-searches",
        }
    }

    /// Fields of its document beside those of every policy here.
    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &[],
            Self::Deaf => &["honour_request_directives: false"],
            Self::Heuristic => &["heuristic: true"],
            Self::Media => &["media: {}"],
            Self::Targeted => &["targeted_fields: [Surrogate-Rules, CDN-Cache-Control]"],
            Self::Disabled => &["enabled: false"],
            Self::SlowMedia => &[
                "media:",
                "  segment: 2h",
                "  vod_playlist: 15m",
                "  live_playlist_min: 20s",
                "  live_playlist_max: 50s",
                "  missing: 12m",
                "  missing_live: 50s",
            ],
            Self::Negative => &["negative: {404: 1h, 503: 10m}"],
            Self::Grace => &["stale: {while_revalidate: 10m, if_error: 20m}"],
            Self::NoCookies => &["set_cookie: never"],
            Self::StripCookies => &["set_cookie: strip"],
            Self::SomeArguments => &["key: {query: {except: [utm_*, session]}, sort_query: true}"],
            Self::OneArgument => &["key: {query: {only: [v]}}"],
            Self::NoArguments => &["key: {query: drop}"],
            Self::FieldsInKey => &["key: {headers: [X-Kind], cookies: [lang]}"],
            Self::DeviceInKey => &["key: {device: true}"],
            Self::AllSearches => &["key: {no_vary_search: false}"],
        }
    }

    fn document(self, name: &str, more: &[&str]) -> String {
        let mut text = format!("---\nkind: cache_policy\nname: {name}\n");
        let own = self.fields();
        for (field, default) in [("media:", "media: null"), ("heuristic:", "heuristic: false")] {
            if !own.iter().any(|line| line.starts_with(field)) {
                writeln!(text, "{default}").expect("writing to a string cannot fail");
            }
        }
        for line in own.iter().chain(more) {
            writeln!(text, "{line}").expect("writing to a string cannot fail");
        }
        text
    }
}

/// Lines of every policy whose route stores in slices.
const SLICES: &[&str] = &["slices: {threshold: 1MiB, size: 1MiB}"];

/// Routes of all policies: items of a list.
pub(super) fn routes() -> String {
    let route =
        |name: &str| format!("- name: {name}\n  path: /{name}/*\n  origin_pool: origins\n  cache_policy: {name}\n");
    Policy::ALL.iter().map(|policy| route(policy.name()) + &route(&format!("{}-sliced", policy.name()))).collect()
}

/// Documents of all policies.
pub(super) fn documents() -> String {
    let of = |policy: &Policy| {
        let sliced = format!("{}-sliced", policy.name());
        policy.document(policy.name(), &[]) + &policy.document(&sliced, SLICES)
    };
    Policy::ALL.iter().map(of).collect::<String>().trim_start_matches("---\n").to_owned()
}
