//! Fields by which a request says something of its origin that only this node may say.

use http::HeaderName;

/// What applications take for the client's address, certificate, scheme, host or path. Whoever sends them to this node means itself, or
/// is a trusted proxy whose word was taken before; origins get only what this node has found out.
pub const CLAIMS: [HeaderName; 36] = [
    http::header::FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-forwarded-scheme"),
    HeaderName::from_static("x-forwarded-ssl"),
    HeaderName::from_static("x-forwarded-by"),
    HeaderName::from_static("x-forwarded"),
    HeaderName::from_static("forwarded-for"),
    HeaderName::from_static("x-original-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("x-cluster-client-ip"),
    HeaderName::from_static("true-client-ip"),
    HeaderName::from_static("cf-connecting-ip"),
    HeaderName::from_static("fastly-client-ip"),
    HeaderName::from_static("x-host"),
    HeaderName::from_static("front-end-https"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-forwarded-path"),
    HeaderName::from_static("x-forwarded-uri"),
    HeaderName::from_static("x-forwarded-client-cert"),
    HeaderName::from_static("x-original-host"),
    HeaderName::from_static("x-originating-ip"),
    HeaderName::from_static("x-remote-addr"),
    HeaderName::from_static("x-remote-ip"),
    HeaderName::from_static("client-ip"),
    HeaderName::from_static("proxy-client-ip"),
    HeaderName::from_static("wl-proxy-client-ip"),
    HeaderName::from_static("cf-connecting-ipv6"),
    HeaderName::from_static("fly-client-ip"),
    HeaderName::from_static("x-appengine-user-ip"),
    HeaderName::from_static("x-azure-clientip"),
    HeaderName::from_static("x-envoy-external-address"),
];

/// What makes some applications answer for another path or method than the request's. A fill is stored under its
/// target, so that with one of these a client could choose what everybody else gets.
pub const OVERRIDES: [HeaderName; 5] = [
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];
