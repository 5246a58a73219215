//! Figures of compression.

use prometheus::IntCounter;
use tidegate_config::model::Coding;

use super::family::Families;
use super::labels::CompressionOutcome;

const CODINGS: [&str; 3] = ["zstd", "br", "gzip"];

/// Counters of bodies by coding and by what became of coding them.
pub(super) struct CompressionMetrics([[IntCounter; CompressionOutcome::COUNT]; CODINGS.len()]);

impl CompressionMetrics {
    pub(super) fn register(families: &Families<'_>) -> Self {
        let bodies = families.counters(
            "tidegate_compressions_total",
            "Stored bodies that were to be compressed, by what became of it; each is compressed once in each coding.",
            &["coding", "outcome"],
        );
        let by_outcome =
            |coding| CompressionOutcome::ALL.map(|outcome| bodies.with_label_values(&[coding, outcome.label()]));
        Self(CODINGS.map(by_outcome))
    }

    pub(super) fn compressed(&self, coding: Coding, outcome: CompressionOutcome) {
        let [zstd, brotli, gzip] = &self.0;
        let counters = match coding {
            Coding::Zstd => zstd,
            Coding::Brotli => brotli,
            Coding::Gzip => gzip,
        };
        counters[outcome as usize].inc();
    }
}
