//! What is said of wrong files: each `golden/NAME.yaml` with the messages in `golden/NAME.txt`.
//! `TIDEGATE_UPDATE_GOLDEN=1` writes the messages anew; read the difference before you commit it.

use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn inputs() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).expect("the folder of golden files");
    let mut inputs: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    inputs.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    inputs.sort();
    inputs
}

/// Under its bare name, so that messages do not depend on where the repository lies.
fn messages(input: &Path) -> String {
    let name = PathBuf::from(input.file_name().expect("a file"));
    let text = fs::read_to_string(input).expect("a golden input");
    match tidegate_config::load_texts(&[(name, text)]) {
        Ok(_) => "valid\n".to_owned(),
        Err(problems) => format!("{problems}\n"),
    }
}

#[test]
fn wrong_files_get_the_messages_on_record() {
    let is_update = std::env::var_os("TIDEGATE_UPDATE_GOLDEN").is_some_and(|value| value == "1");
    let inputs = inputs();
    assert!(inputs.len() >= 15, "golden files are missing");
    let mut differing = Vec::new();
    for input in &inputs {
        let record = input.with_extension("txt");
        let found = messages(input);
        if is_update {
            fs::write(&record, &found).expect("a writable record");
        } else if fs::read_to_string(&record).unwrap_or_default() != found {
            differing.push(format!("{}:\n{found}", record.display()));
        }
    }
    assert!(differing.is_empty(), "messages differ from those on record\n{}", differing.join("\n"));
}

#[test]
fn every_message_names_a_line_of_the_file() {
    for input in inputs() {
        let text = fs::read_to_string(&input).expect("a golden input");
        let lines = text.lines().count().max(1);
        if let Err(problems) = tidegate_config::load_texts(&[(input.clone(), text)]) {
            assert!(!problems.as_slice().is_empty(), "{}", input.display());
            for problem in problems.as_slice() {
                assert!((1..=lines + 1).contains(&problem.line), "{problem}");
                assert!(problem.column >= 1, "{problem}");
                assert!(!problem.to_string().contains('\n'), "one line each: {problem}");
            }
        }
    }
}
