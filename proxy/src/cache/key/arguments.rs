//! Which arguments of a query count, as a route's policy says, and in which order.
//!
//! Owns the query as it stands in keys and as fills send it, which are the same: what nobody tells apart must not reach
//! an origin whose answer everybody gets. Arguments are parted by `&` alone and kept as sent, byte for byte; only their
//! names are decoded, to be compared (WHATWG URL section 5.1). An origin that parts by `;` too gets the whole argument or
//! nothing of it, so that nothing hides in one.

use std::borrow::Cow;

use tidegate_config::model::{KeyRules, QueryRule};

/// The argument that carries CMCD (CTA-5004 section 2): about the player, not about what is asked for.
const CMCD: &[u8] = b"CMCD";

/// Arguments by which players of low-latency HLS say which version of a playlist they want (RFC 8216bis section 6.2.5). Of
/// others that begin like these nothing is known: a server ignores what it does not understand, so whether an origin gets
/// them is the rule's to say, as of any argument.
const DIRECTIVES: [&[u8]; 3] = [b"_HLS_msn", b"_HLS_part", b"_HLS_skip"];

/// Names of playlists where these always count. By name, as nothing is known yet of what will come.
const HLS_SUFFIX: &str = ".m3u8";

/// Whether the arguments of low-latency HLS have a meaning to this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directives {
    /// They count in requests for playlists, whatever the rule says of others.
    Count,
    /// They are ordinary arguments.
    Ordinary,
}

impl Directives {
    /// What holds for a path where blocking reloads are on or off.
    #[must_use]
    pub fn of(blocking_reload: bool, path: &str) -> Self {
        let counts = blocking_reload && path.ends_with(HLS_SUFFIX);
        if counts { Self::Count } else { Self::Ordinary }
    }
}

/// The part of a query (without `?`) that counts; `None` when nothing is left. Allocates only where it differs from what
/// was sent.
#[must_use]
pub fn counting<'q>(rules: &KeyRules, directives: Directives, query: Option<&'q [u8]>) -> Option<Cow<'q, [u8]>> {
    let query = query?;
    let counts = |argument: &[u8]| {
        let name = name_of(argument);
        let is_directive = directives == Directives::Count && DIRECTIVES.contains(&name);
        !is_name(name, CMCD) && (is_directive || is_taken(&rules.query, name))
    };
    // As sent, also where it is odd: the origin may answer `/a?` and `/a?&` in ways of its own.
    if rules.query == QueryRule::Keep && !rules.sort_query && arguments(query).all(&counts) {
        return Some(Cow::Borrowed(query));
    }
    let named = |argument: &&[u8]| !argument.is_empty();
    let mut kept: Vec<&[u8]> = arguments(query).filter(named).filter(|argument| counts(argument)).collect();
    if rules.sort_query {
        // Stable: of arguments with one name the order usually has a meaning.
        kept.sort_by(|left, right| decoded(name_of(left)).cmp(decoded(name_of(right))));
    }
    if kept.is_empty() { None } else { Some(Cow::Owned(kept.join(&b'&'))) }
}

/// A target in origin form with no other arguments than those that count; `None` where it is so already.
#[must_use]
pub fn counting_target(rules: &KeyRules, directives: Directives, target: &[u8]) -> Option<Vec<u8>> {
    let mark = target.iter().position(|byte| *byte == b'?')?;
    let (path, query) = (&target[..mark], &target[mark + 1..]);
    match counting(rules, directives, Some(query)) {
        Some(Cow::Borrowed(_)) => None,
        Some(Cow::Owned(query)) => Some([path, b"?", &query].concat()),
        None => Some(path.to_vec()),
    }
}

fn is_taken(rule: &QueryRule, name: &[u8]) -> bool {
    match rule {
        QueryRule::Keep => true,
        QueryRule::Drop => false,
        QueryRule::Only(names) => names.iter().any(|taken| is_name(name, taken.as_bytes())),
        QueryRule::Except(patterns) => !patterns.iter().any(|pattern| fits(name, pattern.as_bytes())),
    }
}

fn arguments(query: &[u8]) -> impl Iterator<Item = &[u8]> {
    query.split(|byte| *byte == b'&')
}

/// What stands before the first `=`; an argument without one is all name.
fn name_of(argument: &[u8]) -> &[u8] {
    argument.split(|byte| *byte == b'=').next().unwrap_or_default()
}

fn is_name(name: &[u8], expected: &[u8]) -> bool {
    decoded(name).eq(expected.iter().copied())
}

/// A pattern may end in `*`, which stands for any rest.
fn fits(name: &[u8], pattern: &[u8]) -> bool {
    match pattern.strip_suffix(b"*") {
        Some(start) => {
            let mut name = decoded(name);
            start.iter().all(|byte| name.next() == Some(*byte))
        }
        None => is_name(name, pattern),
    }
}

/// Decodes once, as an origin does: `+` is a space, `%` and two digits are a byte, any other `%` is itself.
fn decoded(name: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let (first, after) = rest.split_first()?;
        rest = after;
        match (first, after) {
            (b'+', _) => Some(b' '),
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                match (digit(high), digit(low)) {
                    (Some(high), Some(low)) => {
                        rest = after;
                        Some(high << 4 | low)
                    }
                    _ => Some(b'%'),
                }
            }
            (byte, _) => Some(*byte),
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn rules(query: QueryRule) -> KeyRules {
        let mut rules = KeyRules::default();
        rules.query = query;
        rules
    }

    #[track_caller]
    fn check(rules: &KeyRules, query: &str, expected: Option<&str>) {
        let found = counting(rules, Directives::Ordinary, Some(query.as_bytes()));
        assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{query}");
        let target = format!("/a%20b?{query}");
        let found = counting_target(rules, Directives::Ordinary, target.as_bytes()).unwrap_or(target.into_bytes());
        let expected = expected.map_or("/a%20b".to_owned(), |query| format!("/a%20b?{query}"));
        assert_eq!(found, expected.as_bytes(), "a fill sends what counts, and no more");
    }

    #[test]
    fn whole_query_counts_as_sent_but_for_cmcd() {
        let keep = rules(QueryRule::Keep);
        for query in ["", "&", "a", "a=", "=b", "a=1&a=2", "a;b=1", "b=1&a=2&&", "%zz=%", "cmcd=1", "CMCDX=1", "XCMCD"]
        {
            check(&keep, query, Some(query));
        }
        check(&keep, "CMCD=bl%3D3", None);
        check(&keep, "a=1&CMCD=x&b=2", Some("a=1&b=2"));
        check(&keep, "%43MC%44=x&b", Some("b"));
        check(&keep, "CMCD", None);
    }

    #[test]
    fn only_the_named_arguments_count() {
        let only = rules(QueryRule::Only(names(&["v", "a b", "é"])));
        check(&only, "v=1&w=2", Some("v=1"));
        check(&only, "w=2", None);
        check(&only, "", None);
        check(&only, "v=1&v=2", Some("v=1&v=2"));
        check(&only, "%76=1&V=2&vv=3&=4&&v", Some("%76=1&v"));
        check(&only, "a+b=1&a%20b=2&a b=3&ab=4", Some("a+b=1&a%20b=2&a b=3"));
        check(&only, "%C3%A9=1&%c3%a9", Some("%C3%A9=1&%c3%a9"));
        check(&only, "w=2;v=1", None);
        check(&only, "v=1;w=2", Some("v=1;w=2"));
        check(&only, "%2576=1&v%=1", None);
    }

    #[test]
    fn all_but_the_named_arguments_count() {
        let except = rules(QueryRule::Except(names(&["utm_*", "session"])));
        check(&except, "utm_source=a&v=1&utm_=b&session=c&sessions=d", Some("v=1&sessions=d"));
        check(&except, "u%74m_x;v=1&=e&&w", Some("=e&w"));
        check(&except, "utm=1", Some("utm=1"));
        check(&except, "CMCD=1", None);
        check(&rules(QueryRule::Except(names(&["*"]))), "a=1&=", None);
        check(&rules(QueryRule::Drop), "a=1", None);
    }

    #[test]
    fn order_of_arguments_is_that_of_their_names_where_it_is_asked_for() {
        let mut sorted = rules(QueryRule::Keep);
        sorted.sort_query = true;
        check(&sorted, "b=1&a=2&b=0&c", Some("a=2&b=1&b=0&c"));
        check(&sorted, "b&%61=1&a=0", Some("%61=1&a=0&b"));
        check(&sorted, "&&", None);
    }

    #[test]
    fn directives_of_low_latency_hls_count_in_requests_for_playlists() {
        let count = |path| Directives::of(true, path);
        let dropped = rules(QueryRule::Drop);
        let found = |path| counting(&dropped, count(path), Some(b"_HLS_msn=4&x=1&_HLS_part=2"));
        assert_eq!(found("/live.m3u8").as_deref(), Some(&b"_HLS_msn=4&_HLS_part=2"[..]));
        assert_eq!(found("/live.ts"), None);
        // Whatever else begins so is for the rule to judge, as any argument: else anybody could make keys of it.
        let unknown: &[u8] = b"_HLS_msn=4&_HLS_new=7&_HLS_skip=YES&_HLS_primary_id=a3f&_HLS_MSN=9&_HLS_msnx=1&x=1";
        let check = |rule: QueryRule, expected: &[u8]| {
            let rules = rules(rule);
            let found = counting(&rules, count("/live.m3u8"), Some(unknown));
            assert_eq!(found.as_deref(), Some(expected), "{:?}", rules.query);
        };
        check(QueryRule::Drop, b"_HLS_msn=4&_HLS_skip=YES");
        check(QueryRule::Only(names(&["_HLS_new"])), b"_HLS_msn=4&_HLS_new=7&_HLS_skip=YES");
        check(QueryRule::Except(names(&["_HLS_*", "x"])), b"_HLS_msn=4&_HLS_skip=YES");
        check(QueryRule::Keep, unknown);
        assert_eq!(Directives::of(false, "/live.m3u8"), Directives::Ordinary);
    }

    proptest! {
        /// What counts is the same of what counts, so that a fill's own target makes the key it is for.
        #[test]
        fn what_counts_of_what_counts_is_all_of_it(
            query in "[abv%67+&=;C-D_]{0,40}",
            which in 0..4_usize,
            sort_query: bool,
        ) {
            let taken = names(&["a", "v"]);
            let rule = [QueryRule::Keep, QueryRule::Drop, QueryRule::Only(taken.clone()), QueryRule::Except(taken)];
            let mut rules = rules(rule[which].clone());
            rules.sort_query = sort_query;
            let first = counting(&rules, Directives::Ordinary, Some(query.as_bytes()));
            let again = counting(&rules, Directives::Ordinary, first.as_deref());
            prop_assert_eq!(&first, &again);
        }
    }
}
