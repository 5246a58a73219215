//! Every error is told of at once: however many fields of the example are wrong, none is hidden by another.

use std::collections::BTreeSet;
use std::path::PathBuf;

use proptest::prelude::*;

const EXAMPLE: &str = include_str!("../examples/edge.yaml");

/// Wrong for every field of every document: none is a list of mappings that have no fields.
const WRONG: &str = "[{}]";

/// Lines (from 0) with one field whose value stands on the same line. `kind` is not among them: without it nothing
/// can be said of the other fields of its document.
fn fields() -> Vec<usize> {
    let is_field = |line: &str| {
        let line = line.trim_start().trim_start_matches("- ");
        let name = line.split_once(": ").map(|(name, _)| name);
        name.is_some_and(|name| name != "kind" && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    };
    EXAMPLE.lines().enumerate().filter(|(_, line)| is_field(line)).map(|(index, _)| index).collect()
}

fn with_wrong_lines(wrong: &BTreeSet<usize>) -> String {
    let line = |(index, line): (usize, &str)| match line.split_once(": ") {
        Some((name, _)) if wrong.contains(&index) => format!("{name}: {WRONG}\n"),
        _ => format!("{line}\n"),
    };
    EXAMPLE.lines().enumerate().map(line).collect()
}

fn reported_lines(text: String) -> BTreeSet<usize> {
    let problems = tidegate_config::load_texts(&[(PathBuf::from("edge.yaml"), text)]).expect_err("wrong fields");
    problems.as_slice().iter().map(|problem| problem.line - 1).collect()
}

#[test]
fn each_field_alone_is_told_of() {
    let fields = fields();
    assert!(fields.len() > 60, "the example lost its fields");
    for line in fields {
        let wrong = BTreeSet::from([line]);
        assert!(reported_lines(with_wrong_lines(&wrong)).contains(&line), "line {}", line + 1);
    }
}

#[test]
fn all_fields_together_are_told_of() {
    let wrong: BTreeSet<usize> = fields().into_iter().collect();
    let reported = reported_lines(with_wrong_lines(&wrong));
    let hidden: Vec<_> = wrong.difference(&reported).map(|line| line + 1).collect();
    assert!(hidden.is_empty(), "lines {hidden:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_set_of_fields_is_told_of(wrong in prop::sample::subsequence(fields(), 1..=fields().len())) {
        let wrong: BTreeSet<usize> = wrong.into_iter().collect();
        let reported = reported_lines(with_wrong_lines(&wrong));
        let hidden: Vec<_> = wrong.difference(&reported).map(|line| line + 1).collect();
        prop_assert!(hidden.is_empty(), "lines {hidden:?}");
    }
}
