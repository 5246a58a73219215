//! What is stored, told to operators: by tier, device and site, and object by object.
//!
//! Owns which of all that the engine and the store know is told, and how sites are named; nothing is counted here.

mod listing;
mod stats;

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::admin::{ListingQuestion, ShowsContents};
use crate::cache::disk::DiskStore;
use crate::cache::engine::site_tag;
use crate::edge_proxy::EdgeProxy;

/// Tells operators what is stored.
#[derive(Clone)]
pub(crate) struct Contents {
    /// The node.
    pub(crate) proxy: Arc<EdgeProxy>,
    /// What is on disk, where anything is.
    pub(crate) disk: Option<Arc<DiskStore>>,
}

impl ShowsContents for Contents {
    fn stats(&self) -> BoxFuture<'static, Value> {
        let contents = self.clone();
        async move { stats::of(&contents).await }.boxed()
    }

    fn list(&self, question: &ListingQuestion) -> BoxFuture<'static, Result<Value, String>> {
        let (contents, question) = (self.clone(), question.clone());
        async move { listing::page(&contents, &question).await }.boxed()
    }
}

impl Contents {
    /// The names of sites by what stands for them where things are stored.
    fn site_names(&self) -> HashMap<u32, String> {
        let snapshot = self.proxy.snapshot.load();
        let sites = snapshot.routes.sites().iter();
        sites.map(|site| (site_tag(site.site.name.as_str()), site.site.name.to_string())).collect()
    }
}

/// Sites that the configuration does not have any more.
const FORMER_SITE: &str = "_former";

fn name_of(names: &HashMap<u32, String>, site: u32) -> &str {
    names.get(&site).map_or(FORMER_SITE, String::as_str)
}
