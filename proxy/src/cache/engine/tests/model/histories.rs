//! Random histories: what clients ask, what the origin will answer, how time passes.

use proptest::prelude::*;

/// What an origin writes into a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    Text(&'static str),
    /// The date so many seconds from when it answers.
    At(i64),
}

/// What an origin will answer.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) reachable: bool,
    /// Whether it confirms what it is asked about.
    pub(super) confirms: bool,
    pub(super) status: u16,
    pub(super) directives: Vec<&'static str>,
    pub(super) fields: Vec<(&'static str, Value)>,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Wait(i64),
    Ask { method: &'static str, fields: Vec<(&'static str, &'static str)>, directives: Vec<&'static str>, reply: Reply },
}

const DIRECTIVES: [&str; 20] = [
    "max-age=0",
    "max-age=5",
    "max-age=30",
    "max-age=\"30\"",
    "max-age=x",
    "s-maxage=0",
    "s-maxage=20",
    "no-store",
    "no-cache",
    "private",
    "public",
    "must-revalidate",
    "proxy-revalidate",
    "must-understand",
    "immutable",
    "stale-while-revalidate=10",
    "stale-if-error=20",
    "private=\"x-user\"",
    "no-cache=\"x-user\"",
    "x-unknown=\"a, no-store\"",
];

const WISHES: [&str; 9] = [
    "no-cache",
    "no-store",
    "max-age=0",
    "max-age=10",
    "max-stale",
    "max-stale=10",
    "min-fresh=5",
    "only-if-cached",
    "stale-if-error=5",
];

fn one_of(values: Vec<Option<Value>>, name: &'static str) -> impl Strategy<Value = Option<(&'static str, Value)>> {
    prop::sample::select(values).prop_map(move |value| value.map(|value| (name, value)))
}

fn reply() -> impl Strategy<Value = Reply> {
    use Value::{At, Text};
    let fields = (
        one_of(vec![None, None, None, Some(At(40)), Some(At(0)), Some(At(-10)), Some(Text("0"))], "expires"),
        one_of(vec![None, Some(At(0)), Some(At(0)), Some(At(-20)), Some(At(20))], "date"),
        one_of(vec![None, None, None, Some(Text("3")), Some(Text("9223372036854775808")), Some(Text("x"))], "age"),
        one_of(vec![None, Some(Text("\"a\"")), Some(Text("\"b\"")), Some(Text("W/\"a\""))], "etag"),
        one_of(vec![None, None, Some(At(-1000))], "last-modified"),
        one_of(vec![None, None, Some(Text("x-v")), Some(Text("x-v, x-w")), Some(Text("*"))], "vary"),
        one_of(vec![None, Some(Text("one client"))], "x-user"),
        one_of(vec![None, None, None, None, Some(Text("max-age=15")), Some(Text("no-store"))], "cdn-cache-control"),
    );
    let status = prop::sample::select(vec![200, 200, 200, 200, 200, 301, 302, 403, 404, 410, 429, 500, 503, 299]);
    let directives = prop::sample::subsequence(DIRECTIVES.to_vec(), 0..4);
    (prop::bool::weighted(0.85), any::<bool>(), status, directives, fields).prop_map(
        |(reachable, confirms, status, directives, fields)| {
            let (a, b, c, d, e, f, g, h) = fields;
            let fields = [a, b, c, d, e, f, g, h].into_iter().flatten().collect();
            Reply { reachable, confirms, status, directives, fields }
        },
    )
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let method = prop::sample::select(vec!["GET", "GET", "GET", "GET", "GET", "GET", "HEAD", "POST", "FROB"]);
    let selecting = prop::sample::subsequence(vec![("x-v", "1"), ("x-w", "1")], 0..3);
    let authorized = prop::bool::weighted(0.15);
    let wishes = prop_oneof![3 => Just(Vec::new()), 1 => prop::sample::subsequence(WISHES.to_vec(), 1..3)];
    let ask = (method, selecting, authorized, wishes, reply()).prop_map(
        |(method, mut fields, authorized, directives, reply)| {
            if authorized {
                fields.push(("authorization", "Bearer x"));
            }
            Step::Ask { method, fields, directives, reply }
        },
    );
    prop_oneof![2 => ask, 1 => (-15_i64..45).prop_map(Step::Wait)]
}
