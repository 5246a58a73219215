//! The cache: the rules of HTTP caching ([`rules`], pure) and the engine that applies them.

pub mod compression;
pub mod disk;
pub mod engine;
pub mod key;
pub mod purge;
pub mod rules;
