//! Figures of connections, told by the listeners.

use prometheus::{IntCounter, IntCounterVec, IntGauge};

use super::Metrics;
use super::family::Families;
use super::site::{PROTOCOLS, protocol_index};
use crate::listener::proxy_protocol::ProxyProtocolError;
use crate::listener::{ConnectionObserver, HandshakeOutcome, Protocol, Refusal};

const TRANSPORTS: [&str; 2] = ["tcp", "quic"];
const OUTCOMES: [&str; 3] = ["completed", "failed", "timed_out"];
/// Statuses that a listener answers with itself, as a rule: their series are there from the start, so that the first
/// refusal is a step and not the beginning of a series.
const REFUSING: [&str; 6] = ["400", "408", "414", "431", "501", "505"];
const REFUSALS: [&str; 2] = ["connections", "connections_per_address"];

pub(super) struct ConnectionMetrics {
    open: [IntGauge; PROTOCOLS.len()],
    total: [IntCounter; PROTOCOLS.len()],
    handshakes: [[IntCounter; OUTCOMES.len()]; TRANSPORTS.len()],
    refused: [IntCounter; REFUSALS.len()],
    /// By protocol and status; a listener knows a handful of them.
    requests_refused: IntCounterVec,
    proxy_protocol_errors: [IntCounter; ProxyProtocolError::ALL.len()],
}

impl ConnectionMetrics {
    pub(super) fn register(families: &Families<'_>) -> Self {
        let open = families.gauges("tidegate_connections_open", "Open client connections.", &["protocol"]);
        let total = families.counters("tidegate_connections_total", "Client connections opened.", &["protocol"]);
        let handshakes = families.counters(
            "tidegate_handshakes_total",
            "TLS and QUIC handshakes with clients.",
            &["transport", "outcome"],
        );
        let refused = families.counters(
            "tidegate_connections_refused_total",
            "Client connections closed at once, by the limit that was reached.",
            &["reason"],
        );
        let proxy_protocol_errors = families.counters(
            "tidegate_proxy_protocol_errors_total",
            "Connections closed because of their PROXY protocol header or for want of one, by what was wrong.",
            &["reason"],
        );
        let requests_refused = families.counters(
            "tidegate_requests_refused_total",
            "Requests that a listener answered itself or broke off, because they are malformed or exceed a limit.",
            &["protocol", "status"],
        );
        for protocol in PROTOCOLS {
            REFUSING.iter().for_each(|status| drop(requests_refused.with_label_values(&[protocol.label(), status])));
        }
        Self {
            requests_refused,
            open: PROTOCOLS.map(|protocol| open.with_label_values(&[protocol.label()])),
            total: PROTOCOLS.map(|protocol| total.with_label_values(&[protocol.label()])),
            handshakes: TRANSPORTS
                .map(|transport| OUTCOMES.map(|outcome| handshakes.with_label_values(&[transport, outcome]))),
            refused: REFUSALS.map(|reason| refused.with_label_values(&[reason])),
            proxy_protocol_errors: ProxyProtocolError::ALL
                .map(|error| proxy_protocol_errors.with_label_values(&[error.label()])),
        }
    }

    pub(super) fn open(&self) -> [(&'static str, i64); 3] {
        PROTOCOLS.map(|protocol| (protocol.label(), self.open[protocol_index(protocol)].get()))
    }
}

impl ConnectionObserver for Metrics {
    fn opened(&self, protocol: Protocol) {
        let index = protocol_index(protocol);
        self.connections.open[index].inc();
        self.connections.total[index].inc();
    }

    fn closed(&self, protocol: Protocol) {
        self.connections.open[protocol_index(protocol)].dec();
    }

    fn handshake(&self, quic: bool, outcome: HandshakeOutcome) {
        let outcome = match outcome {
            HandshakeOutcome::Completed => 0,
            HandshakeOutcome::Failed => 1,
            HandshakeOutcome::TimedOut => 2,
        };
        self.connections.handshakes[usize::from(quic)][outcome].inc();
    }

    fn refused(&self, reason: Refusal) {
        let reason = match reason {
            Refusal::Connections => 0,
            Refusal::ConnectionsPerAddress => 1,
        };
        self.connections.refused[reason].inc();
    }

    fn rejected(&self, protocol: Protocol, status: u16) {
        let labels = [protocol.label(), &status.to_string()];
        self.connections.requests_refused.with_label_values(&labels).inc();
    }

    fn proxy_protocol_failed(&self, error: ProxyProtocolError) {
        self.connections.proxy_protocol_errors[error as usize].inc();
    }
}
