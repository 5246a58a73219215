//! Which trace contexts are taken over, and what goes on.

use super::*;
use crate::telemetry::RequestIdSource;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn resume(parents: &[&str], states: &[&str]) -> (TraceContext, RequestId) {
    let request = RequestIdSource::from_seed(1, 2).next_id();
    let parents = parents.iter().map(|value| value.as_bytes());
    (TraceContext::resume(parents, states.iter().map(|value| value.as_bytes()), request), request)
}

fn check_state(states: &[&str], expected: Option<&str>) {
    assert_eq!(resume(&[PARENT], states).0.state.as_deref(), expected, "{states:?}");
}

#[test]
fn a_valid_parent_keeps_its_trace_and_gets_a_new_span() {
    let (context, request) = resume(&[PARENT], &["vendor=1"]);
    assert_eq!(context.parent.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
    assert_eq!(context.parent.parent_id, request.span_id());
    assert_ne!(context.parent.parent_id, 0x00f0_67aa_0ba9_02b7);
    assert_eq!(context.parent.flags, 1);
    assert_eq!(context.state.as_deref(), Some("vendor=1"));
}

#[test]
fn without_a_valid_parent_a_new_trace_named_like_the_request_begins() {
    for parents in [&[][..], &["x"], &[PARENT, PARENT]] {
        let (context, request) = resume(parents, &["vendor=1"]);
        let expected = TraceParent { trace_id: request.as_u128(), parent_id: request.span_id(), flags: 0 };
        assert_eq!((context.parent, context.state), (expected, None), "{parents:?}");
    }
}

#[test]
fn parents_are_parsed_strictly() {
    let accepted = [
        PARENT,
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-brings",
    ];
    for value in accepted {
        assert!(TraceParent::parse(value.as_bytes()).is_some(), "{value}");
    }
    let refused = [
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ];
    for value in refused {
        assert_eq!(TraceParent::parse(value.as_bytes()), None, "{value}");
    }
}

#[test]
fn a_parent_is_written_as_it_was_read() {
    assert_eq!(TraceParent::parse(PARENT.as_bytes()).unwrap().to_string(), PARENT);
}

#[test]
fn flags_that_version_00_does_not_know_are_cleared() {
    let (context, _) = resume(&["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff"], &[]);
    assert_eq!(context.parent.flags, SAMPLED);
}

#[test]
fn states_of_several_fields_are_joined_in_order() {
    check_state(&["a=1,b@v=2", " c/d = x y ,, e=3"], None);
    check_state(&["a=1,b@v=2", "\tc/d=x y ,, e=3"], Some("a=1,b@v=2,c/d=x y,e=3"));
    check_state(&[], None);
    check_state(&["", " , "], None);
}

#[test]
fn an_invalid_state_is_dropped_and_the_trace_goes_on() {
    for state in ["a", "=1", "a=", "A=1", "a=1,a=2", "a=b=c", "a=ü", "_a=1", "a=\u{1}"] {
        check_state(&[state], None);
        assert_eq!(resume(&[PARENT], &[state]).0.parent.flags, 1, "{state}");
    }
    let members: Vec<_> = (0..33).map(|number| format!("k{number}=v")).collect();
    check_state(&[&members.join(",")], None);
    check_state(&[&members[..32].join(",")], Some(&members[..32].join(",")));
}

#[test]
fn a_long_state_loses_whole_members_only() {
    let member = |key: &str| format!("{key}={}", "v".repeat(MAX_VALUE_LENGTH));
    let state = [member("a"), member("b"), member("c"), member("d")].join(",");
    let expected = [member("a"), member("b"), member("c")].join(",");
    check_state(&[&state], Some(&expected));
}
