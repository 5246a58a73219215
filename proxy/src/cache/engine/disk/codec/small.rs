//! Records that have no body: how a key varies, and which queries of a path are the same.

use http::{HeaderMap, HeaderName, header};

use super::bytes::{Source, put_number, put_section};
use super::{FORMAT, LARGEST};
use crate::cache::rules::no_vary_search::NO_VARY_SEARCH;
use crate::cache::rules::vary::VaryRule;

/// How a key varies, and the generation of its variants.
pub(in super::super) fn encode_rule(rule: &VaryRule, generation: u64) -> Option<Vec<u8>> {
    let VaryRule::Names(names) = rule else { return None };
    let mut bytes = vec![FORMAT];
    put_number(&mut bytes, generation);
    let fields: HeaderMap = names.iter().filter_map(|name| Some((header::VARY, name.as_str().parse().ok()?))).collect();
    put_section(&mut bytes, &fields);
    (bytes.len() <= LARGEST).then_some(bytes)
}

/// Reads what [`encode_rule`] wrote.
pub(in super::super) fn decode_rule(bytes: &[u8]) -> Option<(VaryRule, u64)> {
    let mut source = Source::new(bytes);
    if source.byte()? != FORMAT {
        return None;
    }
    let generation = source.number()?;
    let fields = source.section()?;
    let rule = VaryRule::from_headers(&fields);
    (source.at_end() && matches!(rule, VaryRule::Names(_))).then_some((rule, generation))
}

/// What a path's responses have said last of its queries (`No-Vary-Search`): the field itself.
pub(in super::super) fn encode_search(fields: &HeaderMap) -> Option<Vec<u8>> {
    let mut bytes = vec![FORMAT];
    put_section(&mut bytes, &only(fields, &NO_VARY_SEARCH));
    (bytes.len() <= LARGEST).then_some(bytes)
}

/// Reads what [`encode_search`] wrote.
pub(in super::super) fn decode_search(bytes: &[u8]) -> Option<HeaderMap> {
    let mut source = Source::new(bytes);
    if source.byte()? != FORMAT {
        return None;
    }
    let fields = source.section()?;
    source.at_end().then_some(fields)
}

fn only(fields: &HeaderMap, name: &HeaderName) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for value in fields.get_all(name) {
        kept.append(name, value.clone());
    }
    kept
}
