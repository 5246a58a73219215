//! `Via` (RFC 9110 section 7.6.3): the protocol in which a message was received, and the name of this CDN.

use http::{HeaderValue, Version};

/// The value for each version, made once.
#[derive(Debug, Clone)]
pub(super) struct Via([HeaderValue; 4]);

impl Via {
    pub(super) fn new(cdn_id: &str) -> Self {
        Self(["1.0", "1.1", "2", "3"].map(|version| {
            // The name of HTTP is left out, as it may be.
            let text = format!("{version} {cdn_id}");
            HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("1.1 tidegate"))
        }))
    }

    /// For a message that was received in this version.
    pub(super) fn received(&self, version: Version) -> &HeaderValue {
        let [http10, http11, http2, http3] = &self.0;
        match version {
            Version::HTTP_09 | Version::HTTP_10 => http10,
            Version::HTTP_2 => http2,
            Version::HTTP_3 => http3,
            _ => http11,
        }
    }
}
