//! Lists the demonstration clip (`media/`) and page (`page/`) as a table of `include_bytes!`, with a hash of each file
//! as its entity tag. The files are compiled in, so that the program needs nothing beside itself.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use sha2::{Digest, Sha256};

/// The clip lies three directories deep; more would be a loop of links.
const MAX_DEPTH: usize = 8;

/// An entity tag of 64 bits tells the handful of versions apart that ever meet.
const ENTITY_TAG_BYTES: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let package = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let mut files = Vec::new();
    for directory in ["media", "page"] {
        let root = package.join(directory);
        println!("cargo:rerun-if-changed={}", root.display());
        list(&root, &root, 0, &mut files)?;
    }
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    files.sort();

    let mut table = String::from("static FILES: &[EmbeddedFile] = &[\n");
    for (path, file) in &files {
        let entity_tag = entity_tag(&fs::read(file)?);
        let modified = modified(file)?;
        writeln!(
            table,
            "    EmbeddedFile {{ path: {path:?}, bytes: include_bytes!({file:?}), entity_tag: {entity_tag:?}, \
             modified: {modified} }},"
        )?;
    }
    table.push_str("];\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("embedded_files.rs"), table)?;
    Ok(())
}

/// Collects what is served, as (path below the root, file). Scripts that make the files stay out.
fn list(root: &Path, directory: &Path, depth: usize, files: &mut Vec<(String, PathBuf)>) -> Result<(), Box<dyn Error>> {
    if depth > MAX_DEPTH {
        return Err(format!("{} is nested too deeply", directory.display()).into());
    }
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            list(root, &path, depth + 1, files)?;
        } else if path.extension().is_none_or(|extension| extension != "sh") {
            let name = path.strip_prefix(root)?.to_str().ok_or("a file name is not UTF-8")?.to_owned();
            files.push((name, path));
        }
    }
    Ok(())
}

/// A strong entity tag with its quotes: equal bytes, equal tag, in every build.
fn entity_tag(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let hex: String = digest.iter().take(ENTITY_TAG_BYTES).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

/// Seconds since 1970. `SOURCE_DATE_EPOCH` overrides the file's own date for builds that must be reproducible.
fn modified(file: &Path) -> Result<u64, Box<dyn Error>> {
    if let Ok(epoch) = env::var("SOURCE_DATE_EPOCH") {
        return Ok(epoch.parse()?);
    }
    Ok(fs::metadata(file)?.modified()?.duration_since(UNIX_EPOCH)?.as_secs())
}
