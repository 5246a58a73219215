//! Certificates both ways.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
    SerialNumber,
};
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tidegate_tests::client::{Client, Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST, OriginEntry};
use tidegate_tests::within;

use super::connection_origin::{ConnectionOrigin, Preface};

/// An authority for servers and clients of one test.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pem: String,
}

struct Leaf {
    der: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let (der, pem) = (certificate.der().clone(), certificate.pem());
        Self { issuer: Issuer::new(params, key), der, pem }
    }

    /// All leaves have the same serial number, by which Pingora tells client certificates apart.
    fn leaf(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> Leaf {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        params.serial_number = Some(SerialNumber::from(7_u64));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf { der: certificate.der().clone(), pem: certificate.pem(), key }
    }

    /// A server under this name that wants certificates of this authority.
    fn server(&self, name: &str) -> ServerConfig {
        let leaf = self.leaf(name, ExtendedKeyUsagePurpose::ServerAuth);
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        // Named, as the crates of the workspace together bring two.
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let verifier = verifier.allow_unauthenticated().build().unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(leaf.key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        config.with_client_cert_verifier(verifier).with_single_cert(vec![leaf.der], key).unwrap()
    }
}

impl Leaf {
    fn write(&self, directory: &Path, name: &str) -> String {
        let (chain, key) = (directory.join(format!("{name}.pem")), directory.join(format!("{name}.key")));
        std::fs::write(&chain, &self.pem).unwrap();
        std::fs::write(&key, self.key.serialize_pem()).unwrap();
        format!("client_certificate: {{chain_file: \"{}\", key_file: \"{}\"}}", chain.display(), key.display())
    }
}

async fn pass(client: &Client, target: &str) -> u16 {
    within("an answer", client.request(Request::new("DELETE", target))).await.unwrap().status
}

#[tokio::test]
async fn origins_at_one_address_with_different_client_certificates_share_no_connection() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, &authority.pem).unwrap();
    let origin = ConnectionOrigin::start(Preface::None, Some(authority.server("origin.test"))).await;
    let leaves = ["one", "two"].map(|name| authority.leaf(name, ExtendedKeyUsagePurpose::ClientAuth));
    let tls =
        |certificate: &str| format!("tls: {{server_name: origin.test, ca_file: \"{}\"{certificate}}}", ca.display());
    let [one, two] = [0, 1].map(|number| {
        let certificate = leaves[number].write(directory.path(), &number.to_string());
        tls(&format!(", {certificate}"))
    });
    let url = format!("https://{}", origin.address);
    let config = EdgeConfig::with_origins(vec![OriginEntry::new("eu", &url).yaml(&one)])
        .pool_yaml("health: {probe: off}")
        .extra_documents(&pool("second", &url, &two))
        .extra_documents(&pool("third", &url, &tls("")))
        .routes_yaml(&format!("{}{}", route("second"), route("third")));
    let edge = Edge::start(&config).await;
    let client = edge.client(Protocol::Http2).await;
    for _ in 0..5 {
        for target in ["/first/a", "/second/a", "/third/a"] {
            assert_eq!(pass(&client, target).await, 200, "{target}");
        }
    }
    let asked = origin.asked();
    let shown = |target: &str, expected: Option<&Leaf>| {
        let requests = asked.iter().filter(|asked| asked.target == target);
        for request in requests.clone() {
            assert_eq!(request.certificate.as_deref(), expected.map(|leaf| leaf.der.as_ref()), "{target}");
        }
        requests.map(|request| request.connection).collect::<HashSet<_>>()
    };
    let first = shown("/first/a", Some(&leaves[0]));
    let second = shown("/second/a", Some(&leaves[1]));
    let third = shown("/third/a", None);
    assert!(first.is_disjoint(&second) && second.is_disjoint(&third) && first.is_disjoint(&third));
    assert!(first.len() < 5, "connections are kept");
}

fn pool(name: &str, url: &str, tls: &str) -> String {
    format!(
        "kind: origin_pool\nname: {name}\nhealth: {{probe: off}}\norigins:\n  - name: {name}\n    url: {url}\n    \
         region: eu\n    {tls}\n"
    )
}

fn route(name: &str) -> String {
    format!("- name: {name}\n  path: /{name}/*\n  cache_policy: tested\n  origin_pool: {name}\n")
}

#[tokio::test]
async fn the_name_of_the_host_field_is_sent_and_checked() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, &authority.pem).unwrap();
    let name = format!("right.{HOST}");
    let origin = ConnectionOrigin::start(Preface::None, Some(authority.server(&name))).await;
    let entry = OriginEntry::new("eu", &format!("https://{}", origin.address));
    let entry = entry.yaml(&format!("tls: {{server_name: {{from: host_field}}, ca_file: \"{}\"}}", ca.display()));
    let edge = Edge::start(&EdgeConfig::with_origins(vec![entry]).pool_yaml("health: {probe: off}")).await;
    let client = edge.client(Protocol::Http3).await;
    let right = Request::new("DELETE", "/a").authority(&name);
    assert_eq!(within("an answer", client.request(right)).await.unwrap().status, 200);
    assert_eq!(origin.asked()[0].server_name.as_deref(), Some(name.as_str()));
    let wrong = Request::new("DELETE", "/a").authority(&format!("wrong.{HOST}"));
    assert_eq!(within("an answer", client.request(wrong)).await.unwrap().status, 502);
    edge.stderr_with("invalid peer certificate").await;
    let asked = origin.asked();
    assert_eq!(asked.len(), 1, "nothing is sent to an origin with another name: {asked:?}");
}
