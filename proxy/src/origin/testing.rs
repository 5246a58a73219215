//! What the tests of this folder share.

use tidegate_config::model::Origin;

/// An origin as validated from documents; `more` are further fields of it, each with a comma in front.
///
/// # Panics
/// When they are not valid.
pub(crate) fn origin(url: &str, more: &str) -> Origin {
    let text = format!(
        "kind: node\nname: a\npop: a\nlisteners:\n  - {{address: \"127.0.0.1:0\", protocol: http}}\n---\n\
         kind: region\nname: eu\n---\nkind: pop\nname: a\nregion: eu\n---\n\
         kind: origin_pool\nname: p\norigins:\n  - {{name: o, url: \"{url}\", region: eu{more}}}\n"
    );
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("edge.yaml");
    std::fs::write(&path, text).unwrap();
    let model = tidegate_config::load_files(&[path]).unwrap();
    model.origin_pools.values().next().unwrap().origins[0].clone()
}
