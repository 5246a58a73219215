//! Behaviour of the engine with a scripted fetcher.
