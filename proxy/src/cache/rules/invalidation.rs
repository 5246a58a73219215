//! Which requests make stored responses invalid, and which ones (RFC 9111 section 4.4).

use http::{HeaderMap, HeaderName, Method, StatusCode, header};

/// Safe methods by the IANA registry; all others, unknown ones too, may change things (RFC 9111 section 4.4).
const SAFE_METHODS: [&str; 9] = ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY", "PRI"];

/// Fields that name further resources that the request changed.
const TARGET_FIELDS: [HeaderName; 2] = [header::LOCATION, header::CONTENT_LOCATION];

/// Whether an answered request invalidates what is stored under its URI: a method not known as safe, and an answer
/// that is no error.
#[must_use]
pub fn invalidates(method: &Method, status: StatusCode) -> bool {
    let changed = status.is_success() || status.is_redirection();
    changed && !SAFE_METHODS.contains(&method.as_str())
}

/// Paths with queries of the same origin that Location and Content-Location name, dot segments removed, as written
/// otherwise: bring them into canonical form before looking them up. At most two. Those of other origins are left
/// alone, as else any site could empty another's cache (RFC 9111 section 4.4).
#[must_use]
pub fn further_targets(scheme: &str, authority: &str, path: &str, response: &HeaderMap) -> Vec<String> {
    let values = TARGET_FIELDS.iter().filter_map(|name| response.get(name));
    let references = values.filter_map(|value| value.to_str().ok());
    references.filter_map(|reference| same_origin_path(scheme, authority, path, reference.trim())).collect()
}

/// Resolves a reference against the request's URI (RFC 3986 section 5.2); nothing when it leads elsewhere.
fn same_origin_path(scheme: &str, authority: &str, base: &str, reference: &str) -> Option<String> {
    let reference = reference.split('#').next().unwrap_or_default();
    let rest = match reference.split_once(':') {
        Some((named, rest)) if is_scheme(named) => {
            if !named.eq_ignore_ascii_case(scheme) || !rest.starts_with("//") {
                return None;
            }
            rest
        }
        _ => reference,
    };
    let Some(network) = rest.strip_prefix("//") else {
        return Some(resolve_path(base, rest));
    };
    let end = network.find(['/', '?']).unwrap_or(network.len());
    if !same_authority(scheme, &network[..end], authority) {
        return None;
    }
    Some(resolve_path("/", &network[end..]))
}

fn is_scheme(text: &str) -> bool {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic());
    starts_well && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

fn same_authority(scheme: &str, left: &str, right: &str) -> bool {
    let default_port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    let host = |authority: &str| authority.strip_suffix(default_port).unwrap_or(authority).to_ascii_lowercase();
    host(left) == host(right)
}

fn resolve_path(base: &str, reference: &str) -> String {
    let base_path = base.split('?').next().unwrap_or_default();
    let (path, query) = match reference.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (reference, None),
    };
    let merged = match path {
        "" => base_path.to_owned(),
        absolute if absolute.starts_with('/') => absolute.to_owned(),
        relative => format!("{}/{relative}", base_path.rsplit_once('/').map_or("", |(directory, _)| directory)),
    };
    let resolved = without_dot_segments(&merged);
    match query {
        Some(query) => format!("{resolved}?{query}"),
        // Only an empty reference keeps the base's own query.
        None if reference.is_empty() => {
            base.split_once('?').map_or(resolved.clone(), |(_, q)| format!("{resolved}?{q}"))
        }
        None => resolved,
    }
}

/// RFC 3986 section 5.2.4.
fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut directory = false;
    for segment in path.split('/').skip(1) {
        directory = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let end = if directory && !kept.is_empty() { "/" } else { "" };
    format!("/{}{end}", kept.join("/"))
}

#[cfg(test)]
mod tests;
