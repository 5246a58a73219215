//! Nothing that stands in a file makes loading panic or run away: the example, damaged in many ways.

use std::path::PathBuf;

use proptest::prelude::*;

const EXAMPLE: &str = include_str!("../examples/edge.yaml");

/// Pieces that mean something to YAML or to our documents.
const PIECES: [&str; 32] = [
    "---\n",
    "...\n",
    "- ",
    ": ",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "!t ",
    "|\n",
    ">-\n",
    "\"",
    "'",
    "#",
    "? ",
    "<<: *a",
    "null",
    "true",
    "-1",
    "1e999",
    "0x",
    "99999999999999999999",
    "\t",
    "\u{feff}",
    "\u{0}",
    "é",
    "kind: node\n",
    "name: eu\n",
    "%YAML 1.1\n",
    "\r",
];

#[derive(Debug, Clone)]
enum Damage {
    Insert(usize, usize),
    Remove(usize, usize),
    Duplicate(usize, usize),
    SwapLines(usize, usize),
    ReplaceValue(usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = 0..EXAMPLE.len();
    prop_oneof![
        (at.clone(), 0..PIECES.len()).prop_map(|(at, piece)| Damage::Insert(at, piece)),
        (at.clone(), 1..40_usize).prop_map(|(at, length)| Damage::Remove(at, length)),
        (at.clone(), 1..400_usize).prop_map(|(at, length)| Damage::Duplicate(at, length)),
        (at.clone(), at.clone()).prop_map(|(left, right)| Damage::SwapLines(left, right)),
        (at, 0..PIECES.len()).prop_map(|(at, piece)| Damage::ReplaceValue(at, piece)),
    ]
}

fn apply(text: &mut String, damage: &Damage) {
    let boundary = |text: &str, at: usize| text.floor_char_boundary(at.min(text.len()));
    match *damage {
        Damage::Insert(at, piece) => text.insert_str(boundary(text, at), PIECES[piece]),
        Damage::Remove(at, length) => text.replace_range(boundary(text, at)..boundary(text, at + length), ""),
        Damage::Duplicate(at, length) => {
            let (start, end) = (boundary(text, at), boundary(text, at + length));
            let piece = text[start..end].to_owned();
            text.insert_str(end, &piece);
        }
        Damage::SwapLines(left, right) => {
            let mut lines: Vec<&str> = text.split('\n').collect();
            let count = lines.len();
            lines.swap(left % count, right % count);
            *text = lines.join("\n");
        }
        Damage::ReplaceValue(at, piece) => {
            let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
            let index = at % lines.len();
            if let Some((key, _)) = lines[index].split_once(": ") {
                lines[index] = format!("{key}: {}", PIECES[piece].trim_end());
            }
            *text = lines.join("\n");
        }
    }
}

fn load(text: String) -> Result<(), TestCaseError> {
    let lines = text.matches(['\n', '\r']).count() + 1; // YAML 1.2.2 section 5.4
    if let Err(problems) = tidegate_config::load_texts(&[(PathBuf::from("edge.yaml"), text)]) {
        prop_assert!(!problems.as_slice().is_empty(), "refused without a reason");
        for problem in problems.as_slice() {
            prop_assert!((1..=lines).contains(&problem.line), "{problem}");
            prop_assert!(!problem.to_string().contains(char::is_control), "one printable line each: {problem:?}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_example_is_refused_with_reasons_or_loads(damages in prop::collection::vec(damage(), 1..12)) {
        let mut text = EXAMPLE.to_owned();
        damages.iter().for_each(|damage| apply(&mut text, damage));
        load(text)?;
    }

    #[test]
    fn arbitrary_text_is_refused_with_reasons_or_loads(pieces in prop::collection::vec(0..PIECES.len(), 0..60)) {
        load(pieces.into_iter().map(|piece| PIECES[piece]).collect())?;
    }
}
