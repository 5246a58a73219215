//! `CDN-Loop` (RFC 8586): which CDNs a request has been through, so that it ends when it goes round.
//!
//! Our member is `ID; node=NAME`. The parameter, which the RFC leaves to each CDN, tells two things apart that the id
//! alone does not: a request that passes two tiers of ours, as it may, and one that comes back to where it was.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The field.
pub(super) const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");

/// How often our id may stand in a request that arrives: nodes of two tiers of ours before this one.
const MOST_PASSES: usize = 2;

/// Members that are looked at. Each is a CDN that the request went through; the largest chains in use have three or
/// four, so that more are a loop of others that do not see it, or meant to keep this node busy.
const MOST_MEMBERS: usize = 16;

/// Our part in it.
#[derive(Debug, Clone)]
pub(super) struct CdnLoop {
    id: String,
    node: String,
    member: HeaderValue,
}

impl CdnLoop {
    pub(super) fn new(id: &str, node: &str) -> Self {
        let member = HeaderValue::from_str(&format!("{id};node={node}"));
        let member = member.unwrap_or(HeaderValue::from_static("tidegate"));
        Self { id: id.to_owned(), node: node.to_owned(), member }
    }

    /// What this node adds.
    pub(super) fn member(&self) -> &HeaderValue {
        &self.member
    }

    /// Whether a request with these fields goes round. What cannot be parsed is searched for our id all the same: a
    /// damaged member is no way out of a loop.
    pub(super) fn goes_round(&self, fields: &HeaderMap) -> bool {
        // A look at the names there are costs less than hashing one that hardly any request has.
        if !fields.keys().any(|name| *name == CDN_LOOP) {
            return false;
        }
        let (mut members, mut passes) = (0, 0);
        for line in fields.get_all(CDN_LOOP) {
            for member in line.as_bytes().split(|byte| *byte == b',').filter(|member| !member.trim_ascii().is_empty()) {
                members += 1;
                match self.read(member) {
                    Member::ThisNode => return true,
                    Member::OtherNode => passes += 1,
                    Member::Other => {}
                }
                if passes > MOST_PASSES || members > MOST_MEMBERS {
                    return true;
                }
            }
        }
        false
    }

    /// A comma within a quoted parameter would split it in two; neither half can then hide our id or make one up that
    /// does not begin a member.
    fn read(&self, member: &[u8]) -> Member {
        let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        if !parts.next().is_some_and(|id| id.eq_ignore_ascii_case(self.id.as_bytes())) {
            return Member::Other;
        }
        let names_this_node = |parameter: &[u8]| {
            let mut sides = parameter.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
            let name = sides.next().unwrap_or_default();
            let value = sides.next().unwrap_or_default();
            let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
            name.eq_ignore_ascii_case(b"node") && value.eq_ignore_ascii_case(self.node.as_bytes())
        };
        if parts.any(names_this_node) { Member::ThisNode } else { Member::OtherNode }
    }
}

/// A member of the list.
enum Member {
    /// Ours, added by this very node.
    ThisNode,
    /// Ours, added by another node, or by one that is not named.
    OtherNode,
    /// Of another CDN.
    Other,
}
