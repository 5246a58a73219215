//! Probes and passive ejection.

use http::Method;

use super::origin_pool::check_host_and_port;
use super::range::{check_duration, check_number, check_percent, check_statuses};
use crate::document::{DurationText, HealthFields, HttpProbeFields, OutlierFields, ProbeField};
use crate::model::{HealthCheck, HttpProbe, OutlierEjection, Probe};
use crate::source::{Place, Report};

/// Successes or failures in a row: at the default interval more would take longer than 8 minutes.
const MAX_IN_A_ROW: u32 = 100;
/// Gateway errors in a row: more mean never, which is written 0.
const MAX_CONSECUTIVE_FAILURES: u32 = 1000;
/// Of a probe's target; RFC 9110 section 4.1 asks servers for 8,000 bytes.
const MAX_TARGET_LENGTH: usize = 8000;
/// Text looked for in a body.
const MAX_BODY_TEXT: usize = 1024;

/// Probes of a pool.
pub(super) fn health(fields: &HealthFields, place: &Place<'_>, report: &mut Report) -> HealthCheck {
    let most = DurationText::hours(1);
    let interval = check_duration(fields.interval, DurationText::millis(100)..=most, &place.field("interval"), report);
    let timeout = match fields.timeout {
        Some(timeout) => {
            if timeout.0 < DurationText::millis(10).0 || timeout.0 >= fields.interval.0 {
                let expected = format!("10ms and more, less than interval, which is {}", fields.interval.to_text());
                report.found(&place.field("timeout"), timeout.to_text(), expected);
            }
            timeout.0
        }
        None => HealthCheck::default().timeout.min(interval / 2),
    };
    let slow_start = DurationText::millis(0)..=DurationText::hours(24);
    HealthCheck {
        probe: probe(&fields.probe, &place.field("probe"), report),
        interval,
        timeout,
        fall: check_number(fields.fall, 1..=MAX_IN_A_ROW, &place.field("fall"), report),
        rise: check_number(fields.rise, 1..=MAX_IN_A_ROW, &place.field("rise"), report),
        slow_start: check_duration(fields.slow_start, slow_start, &place.field("slow_start"), report),
        panic_threshold: fields.panic_threshold.0,
    }
}

fn probe(field: &ProbeField, place: &Place<'_>, report: &mut Report) -> Probe {
    match field {
        ProbeField::Off => Probe::Off,
        ProbeField::Tcp => Probe::Tcp,
        ProbeField::Http(fields) => Probe::Http(http_probe(fields, &place.field("http"), report)),
    }
}

fn http_probe(fields: &HttpProbeFields, place: &Place<'_>, report: &mut Report) -> HttpProbe {
    let is_visible = fields.path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if !fields.path.starts_with('/') || !is_visible || fields.path.len() > MAX_TARGET_LENGTH {
        report.at(&place.field("path"), "a path that starts with `/`, with or without a query, in visible ASCII");
    }
    let method = match fields.method.as_str() {
        "GET" => Method::GET,
        "HEAD" => Method::HEAD,
        _ => {
            report.at(&place.field("method"), "GET or HEAD");
            Method::GET
        }
    };
    if let Some(Err(expected)) = fields.host.as_deref().map(check_host_and_port) {
        report.at(&place.field("host"), expected);
    }
    if let Some(text) = &fields.body_contains {
        let place = place.field("body_contains");
        if method == Method::HEAD {
            report.at(&place, "nothing, as the answer to HEAD has no body");
        } else if text.is_empty() || text.len() > MAX_BODY_TEXT {
            report.found(&place, format!("a text of {} bytes", text.len()), format!("1 to {MAX_BODY_TEXT} bytes"));
        }
    }
    HttpProbe {
        path: fields.path.clone(),
        method,
        host: fields.host.clone(),
        statuses: check_statuses(&fields.statuses, 200..=599, &place.field("statuses"), report),
        body_contains: fields.body_contains.clone(),
    }
}

/// Passive ejection of a pool.
pub(super) fn outlier(fields: &OutlierFields, place: &Place<'_>, report: &mut Report) -> OutlierEjection {
    let day = DurationText::hours(24);
    let ejection = check_duration(fields.ejection, DurationText::millis(100)..=day, &place.field("ejection"), report);
    let ejection_max = match fields.ejection_max {
        Some(most) => check_duration(most, fields.ejection..=day, &place.field("ejection_max"), report),
        None => OutlierEjection::default().ejection_max.max(ejection),
    };
    let failures = place.field("consecutive_failures");
    OutlierEjection {
        consecutive_failures: check_number(
            fields.consecutive_failures,
            0..=MAX_CONSECUTIVE_FAILURES,
            &failures,
            report,
        ),
        ejection,
        ejection_max,
        max_ejected: check_percent(fields.max_ejected, 0..=100, &place.field("max_ejected"), report),
    }
}
