//! The examples that the README shows are valid.

use std::path::PathBuf;

#[test]
fn example_of_an_edge_node_loads() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/edge.yaml");
    let model = tidegate_config::load_files(&[file]).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(model.node.region.as_str(), "eu");
    assert_eq!(model.regions.len(), 2);
    assert_eq!(model.node.listeners.len(), 6);
    assert!(model.certificates[0].chain_file.ends_with("examples/tls/media.example.pem"));
    for pool in model.origin_pools.values().filter(|pool| pool.origins.len() > 1) {
        assert!(pool.timeouts.read < pool.retry.deadline, "{}: nobody is asked after an origin that hangs", pool.name);
    }
    assert_eq!(model.cache_policies.len(), 3, "the built-in policy stands beside those written");
}
