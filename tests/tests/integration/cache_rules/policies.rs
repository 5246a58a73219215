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
}

impl Policy {
    pub(super) const ALL: [Self; 6] =
        [Self::Plain, Self::Deaf, Self::Heuristic, Self::Media, Self::Targeted, Self::Disabled];

    /// Its name in paths and documents.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Deaf => "deaf",
            Self::Heuristic => "heuristic",
            Self::Media => "media",
            Self::Targeted => "targeted",
            Self::Disabled => "disabled",
        }
    }

    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &["media: null", "heuristic: false", "honour_request_directives: true"],
            Self::Deaf => &["media: null", "heuristic: false"],
            Self::Heuristic => &["media: null", "heuristic: true", "honour_request_directives: true"],
            Self::Media => &["heuristic: false", "honour_request_directives: true"],
            Self::Targeted => &["media: null", "heuristic: false", "targeted_fields: [Surrogate-Rules, CDN-Cache-Control]"],
            Self::Disabled => &["enabled: false"],
        }
    }

    fn document(self, name: &str, more: &[&str]) -> String {
        let mut text = format!("---\nkind: cache_policy\nname: {name}\n");
        for line in self.fields().iter().chain(more) {
            writeln!(text, "{line}").expect("writing to a string cannot fail");
        }
        text
    }
}

/// Lines of every policy whose route stores in slices.
const SLICES: &[&str] = &[];

/// Routes of all policies: items of a list.
pub(super) fn routes() -> String {
    let route = |name: &str| format!("- name: {name}\n  path: /{name}/*\n  origin_pool: origins\n  cache_policy: {name}\n");
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
