//! Files and folders: which are read, how far, and what relative paths in them mean.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tidegate_config::{MAX_FILE_BYTES, Problems, load_files};

const NODE: &str = "kind: node\nname: eu-1\npop: eu-a\n";
const PLACES: &str = "kind: region\nname: eu\n---\nkind: pop\nname: eu-a\nregion: eu\n";

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, content).expect("a file");
    }
    folder
}

fn problems(paths: &[PathBuf]) -> Problems {
    load_files(paths).expect_err("wrong files")
}

#[track_caller]
fn check_refused(path: &Path, expected: &str) {
    let problems = problems(&[path.to_owned()]);
    let messages = problems.to_string();
    assert_eq!(problems.as_slice().len(), 1, "{messages}");
    assert!(messages.contains(expected), "{messages}");
}

#[test]
fn documents_of_several_files_make_one_configuration() {
    let folder = folder(&[("a.yaml", NODE.as_bytes()), ("b.yaml", PLACES.as_bytes())]);
    let model = load_files(&[folder.path().join("b.yaml"), folder.path().join("a.yaml")]).expect("valid files");
    assert_eq!(model.node.name.as_str(), "eu-1");
}

#[test]
fn a_folder_stands_for_its_yaml_files_in_order() {
    let folder = folder(&[
        ("2.yaml", b"kind: x"),
        ("1.yml", b"kind: y"),
        ("notes.txt", b"kind: z"),
        ("below/3.yaml", b"kind: z"),
        ("10.yaml", NODE.as_bytes()),
    ]);
    let problems = problems(&[folder.path().to_owned()]);
    let names: Vec<&str> =
        problems.as_slice().iter().filter_map(|problem| problem.file.file_name()?.to_str()).collect();
    assert_eq!(names, ["1.yml", "2.yaml"]);
}

#[test]
fn relative_paths_start_at_the_folder_of_their_file() {
    let certificate = "kind: certificate\nname: c\nchain_file: tls/c.pem\nkey_file: /etc/c.key\n";
    let node = format!("{NODE}access_log: {{file: access.log}}\n");
    let folder = folder(&[
        ("node.yaml", node.as_bytes()),
        ("places.yaml", PLACES.as_bytes()),
        ("certificates/c.yaml", certificate.as_bytes()),
    ]);
    let files = ["node.yaml", "places.yaml", "certificates/c.yaml"].map(|name| folder.path().join(name));
    let model = load_files(&files).expect("valid files");
    assert_eq!(model.certificates[0].chain_file, folder.path().join("certificates/tls/c.pem"));
    assert_eq!(model.certificates[0].key_file, Path::new("/etc/c.key"));
    assert!(model.certificates[0].default, "the only certificate is the default");
    let log = tidegate_config::model::AccessLog::File(folder.path().join("access.log"));
    assert_eq!(model.node.access_log, log);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let large = vec![b'#'; usize::try_from(MAX_FILE_BYTES).expect("a size") + 1];
    let folder = folder(&[("large.yaml", &large), ("latin.yaml", b"kind: \xe9"), ("empty/a.txt", b"")]);
    check_refused(&folder.path().join("absent.yaml"), "expected a file that can be read");
    check_refused(&folder.path().join("large.yaml"), "expected at most 16 MiB");
    check_refused(&folder.path().join("latin.yaml"), "expected a text in UTF-8");
    check_refused(&folder.path().join("empty"), "expected a folder with *.yaml or *.yml files");
    assert!(problems(&[]).to_string().contains("no node document"));
}

#[test]
fn more_documents_than_the_bound_are_refused() {
    let many = "---\nkind: region\nname: eu\n".repeat(10_001);
    let folder = folder(&[("many.yaml", many.as_bytes())]);
    let problems = problems(&[folder.path().join("many.yaml")]);
    assert!(problems.to_string().contains("at most 10000 documents"), "the bound is named");
    assert_eq!(problems.as_slice().len(), 1001, "messages are bounded");
    assert!(problems.to_string().ends_with("expected those before to be mended first"), "and say so");
}

#[test]
fn more_values_than_the_bound_are_refused() {
    let many = format!("kind: region\nname: eu\nfailover: [{}]\n", "1,".repeat(1_000_000));
    let folder = folder(&[("many.yaml", many.as_bytes())]);
    check_refused(&folder.path().join("many.yaml"), "at most 1000000 values");
}

#[test]
fn problems_are_data_too() {
    let folder = folder(&[("a.yaml", b"kind: region\nname: eu\nzone: 1\n")]);
    let problems = problems(&[folder.path().join("a.yaml")]);
    let json = serde_json::to_value(&problems).expect("JSON");
    let zone = json.as_array().and_then(|list| list.iter().find(|problem| problem["line"] == 3)).expect("line 3");
    assert_eq!(zone["path"], "region.eu.zone");
    assert_eq!(zone["column"], 1);
    assert_eq!(zone["found"], "an unknown field");
    assert_eq!(zone["expected"], "one of name, coordinates, failover");
}
