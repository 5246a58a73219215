//! Which kind of device asks, as far as it says so itself.
//!
//! Four kinds, as these differ in what is made for them; finer ones would multiply what is stored. What cannot be told
//! is a desktop, which gets what everybody gets.

use http::{HeaderMap, HeaderName, header};

/// How much of a User-Agent is looked at. The marks of real ones stand well before.
const MAX_USER_AGENT: usize = 512;

const FORM_FACTORS: HeaderName = HeaderName::from_static("sec-ch-ua-form-factors");
const MOBILE: HeaderName = HeaderName::from_static("sec-ch-ua-mobile");

/// Marks of televisions, set-top boxes, sticks and consoles, in lower case.
const TELEVISIONS: [&str; 22] = [
    "smart-tv",
    "smarttv",
    "smart tv",
    "hbbtv",
    "appletv",
    "apple tv",
    "tvos",
    "googletv",
    "google tv",
    "android tv",
    "androidtv",
    "crkey",
    "bravia",
    "roku",
    "web0s",
    "netcast",
    "viera",
    "aftt",
    "afts",
    "aftm",
    "playstation",
    "xbox",
];

/// Marks of tablets.
const TABLETS: [&str; 5] = ["ipad", "tablet", "kindle", "silk/", "playbook"];

/// Marks of phones.
const PHONES: [&str; 6] = ["iphone", "ipod", "mobile", "windows phone", "blackberry", "opera mini"];

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// A phone.
    Phone,
    /// A tablet.
    Tablet,
    /// A television, or what is plugged into one.
    Television,
    /// Everything else.
    Desktop,
}

impl Device {
    /// What a request's fields say: client hints (their form factors first), then User-Agent.
    #[must_use]
    pub fn of(fields: &HeaderMap) -> Self {
        let hinted = fields.get(FORM_FACTORS).and_then(|value| value.to_str().ok());
        if let Some(form_factors) = hinted.map(str::to_ascii_lowercase) {
            let known = [("tablet", Self::Tablet), ("mobile", Self::Phone), ("desktop", Self::Desktop)];
            let found = known.into_iter().find(|(name, _)| form_factors.contains(&format!("\"{name}\"")));
            if let Some((_, device)) = found {
                return device;
            }
        }
        let device = Self::of_user_agent(fields.get(header::USER_AGENT).map_or(&[], |value| value.as_bytes()));
        let is_mobile = fields.get(MOBILE).is_some_and(|value| value.as_bytes() == b"?1");
        if is_mobile && device == Self::Desktop { Self::Phone } else { device }
    }

    fn of_user_agent(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(&text[..text.len().min(MAX_USER_AGENT)]).to_ascii_lowercase();
        let has = |marks: &[&str]| marks.iter().any(|mark| text.contains(mark));
        // Televisions first: many of them say what else they could be taken for. Samsung's say Tizen, as its watches and
        // phones do, and no Mobile.
        if has(&TELEVISIONS) || (text.contains("tizen") && !text.contains("mobile")) {
            Self::Television
        } else if has(&TABLETS) || (text.contains("android") && !text.contains("mobile")) {
            Self::Tablet
        } else if has(&PHONES) {
            Self::Phone
        } else {
            Self::Desktop
        }
    }

    /// Its name in keys and towards origins.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Tablet => "tablet",
            Self::Television => "television",
            Self::Desktop => "desktop",
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(fields: &[(HeaderName, &'static str)], expected: Device) {
        let fields: HeaderMap =
            fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        assert_eq!(Device::of(&fields), expected, "{fields:?}");
    }

    #[test]
    fn devices_are_known_by_what_they_say() {
        let agent = |text| [(header::USER_AGENT, text)];
        check(&[], Device::Desktop);
        check(&agent("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0 Safari/537.36"), Device::Desktop);
        check(&agent("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148"), Device::Phone);
        check(&agent("Mozilla/5.0 (Linux; Android 15; Pixel 9) Chrome/140.0 Mobile Safari/537.36"), Device::Phone);
        check(&agent("Mozilla/5.0 (Linux; Android 14; SM-X200) Chrome/140.0 Safari/537.36"), Device::Tablet);
        check(&agent("Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X) Mobile/15E148"), Device::Tablet);
        check(&agent("Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.5) TV Safari/537.36"), Device::Television);
        check(&agent("Mozilla/5.0 (Web0S; Linux/SmartTV) Chrome/94.0"), Device::Television);
        check(&agent("Mozilla/5.0 (Linux; Android 12; BRAVIA 4K) Chrome/120.0 Mobile"), Device::Television);
        check(&agent("AppleCoreMedia/1.0.0 (Apple TV; U; CPU OS 18_0 like Mac OS X)"), Device::Television);
    }

    #[test]
    fn client_hints_go_before_user_agent() {
        let desktop = "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0";
        check(&[(MOBILE, "?1"), (header::USER_AGENT, desktop)], Device::Phone);
        check(&[(MOBILE, "?0"), (header::USER_AGENT, desktop)], Device::Desktop);
        check(&[(FORM_FACTORS, "\"Tablet\", \"Mobile\""), (MOBILE, "?1")], Device::Tablet);
        check(&[(FORM_FACTORS, "\"Watch\""), (MOBILE, "?1")], Device::Phone);
    }
}
