//! What clients are shown, and what operators are told, with certificates from files.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, NamedGroup, RootCertStore, ServerConfig,
    ServerConnection, SignatureScheme, SupportedProtocolVersion,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};
use x509_parser::parse_x509_certificate;

use crate::{
    CertificateFiles, CertificateWarning, DevelopmentCa, SessionTickets, SniResolver, Transport, public_key_sha256,
    server_config,
};

/// A folder with an authority and certificates.
struct Folder {
    path: TempDir,
    ca: DevelopmentCa,
}

impl Folder {
    fn new() -> Self {
        let path = tempfile::tempdir().unwrap();
        let ca = DevelopmentCa::load_or_create(path.path()).unwrap();
        Self { path, ca }
    }

    fn files(&self, name: &str) -> CertificateFiles {
        CertificateFiles {
            name: name.to_owned(),
            chain_file: self.path.path().join(format!("{name}.pem")),
            key_file: self.path.path().join(format!("{name}.key")),
            default: false,
        }
    }

    fn issue(&self, name: &str, dns_names: &[&str]) -> CertificateFiles {
        let files = self.files(name);
        self.ca.issue(dns_names, &[]).unwrap().write(&files.chain_file, &files.key_file).unwrap();
        files
    }

    /// Self-signed, valid until `not_after`.
    fn self_signed(&self, name: &str, dns_name: &str, key: &KeyPair, not_after: OffsetDateTime) -> CertificateFiles {
        let files = self.files(name);
        let mut params = CertificateParams::new(vec![dns_name.to_owned()]).unwrap();
        params.not_after = not_after;
        fs::write(&files.chain_file, params.self_signed(key).unwrap().pem()).unwrap();
        fs::write(&files.key_file, key.serialize_pem()).unwrap();
        files
    }

    fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.ca.certificate_pem().as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        Arc::new(builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots).with_no_client_auth())
    }
}

fn server(files: &[CertificateFiles]) -> Arc<ServerConfig> {
    server_with(files, &SessionTickets::new().unwrap())
}

fn server_with(files: &[CertificateFiles], tickets: &SessionTickets) -> Arc<ServerConfig> {
    server_config(SniResolver::load(files).unwrap().resolver, Transport::Tcp, tickets).unwrap()
}

/// A handshake without a network, and the tickets that follow it.
fn shake_hands(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
    name: ServerName<'static>,
) -> Result<ClientConnection, rustls::Error> {
    let mut client = ClientConnection::new(Arc::clone(client), name)?;
    let mut server = ServerConnection::new(Arc::clone(server))?;
    for _round in 0..8 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        client.read_tls(&mut bytes.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking(), "handshake did not end");
    Ok(client)
}

fn name(text: &'static str) -> ServerName<'static> {
    ServerName::try_from(text).unwrap()
}

/// The DNS names of the certificate that a client is shown which accepts any.
fn shown(server: &Arc<ServerConfig>, schemes: &[SignatureScheme], asked: ServerName<'static>) -> Vec<String> {
    let verifier = Arc::new(AnyCertificate { schemes: schemes.to_vec() });
    let mut client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    client.enable_sni = true;
    let connection = shake_hands(&Arc::new(client), server, asked).unwrap();
    let certificate = connection.peer_certificates().unwrap()[0].clone();
    let (_rest, parsed) = parse_x509_certificate(&certificate).unwrap();
    let names = parsed.subject_alternative_name().unwrap().unwrap().value.general_names.iter();
    let algorithm = parsed.public_key().algorithm.algorithm.to_string();
    names.map(|name| format!("{name}")).chain([algorithm]).collect()
}

#[derive(Debug)]
struct AnyCertificate {
    schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

fn all_schemes() -> Vec<SignatureScheme> {
    aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
}

#[test]
fn certificate_is_chosen_by_server_name() {
    let folder = Folder::new();
    let mut fallback = folder.issue("fallback", &["fallback.test"]);
    fallback.default = true;
    let files =
        [folder.issue("exact", &["media.tidegate.test"]), folder.issue("wildcard", &["*.tidegate.test"]), fallback];
    let server = server(&files);
    let check = |asked: ServerName<'static>, expected: &str| {
        let names = shown(&server, &all_schemes(), asked.clone());
        assert_eq!(names[0], format!("DNSName({expected})"), "asked for {asked:?}");
    };
    check(name("media.tidegate.test"), "media.tidegate.test");
    check(name("MEDIA.Tidegate.TEST"), "media.tidegate.test");
    check(name("other.tidegate.test"), "*.tidegate.test");
    check(name("two.labels.tidegate.test"), "fallback.test");
    check(name("tidegate.test"), "fallback.test");
    check(name("unknown.example"), "fallback.test");
    // A client that goes to an address sends no server name.
    check(ServerName::IpAddress(IpAddr::from([127, 0, 11, 1]).into()), "fallback.test");
}

#[test]
fn first_certificate_is_the_default_when_none_says_so() {
    let folder = Folder::new();
    let server = server(&[folder.issue("one", &["one.test"]), folder.issue("two", &["two.test"])]);
    assert_eq!(shown(&server, &all_schemes(), name("three.test"))[0], "DNSName(one.test)");
}

#[test]
fn ecdsa_is_shown_before_rsa_to_clients_that_know_it() {
    const ECDSA: &str = "1.2.840.10045.2.1";
    const RSA: &str = "1.2.840.113549.1.1.1";
    let folder = Folder::new();
    let rsa_key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let later = OffsetDateTime::now_utc() + Duration::days(10);
    let files = [folder.self_signed("rsa", "both.test", &rsa_key, later), folder.issue("ecdsa", &["both.test"])];
    let server = server(&files);
    let check = |schemes: &[SignatureScheme], asked, expected: &str| {
        assert_eq!(shown(&server, schemes, name(asked))[1], expected, "{schemes:?}");
    };
    check(&all_schemes(), "both.test", ECDSA);
    check(&[SignatureScheme::RSA_PSS_SHA256], "both.test", RSA);
    check(&[SignatureScheme::RSA_PSS_SHA256], "unknown.test", RSA);
}

#[test]
fn tls_1_2_and_1_3_are_spoken_with_a_post_quantum_key_exchange() {
    let folder = Folder::new();
    let server = server(&[folder.issue("site", &["media.tidegate.test"])]);
    let connection =
        shake_hands(&folder.client(&[&rustls::version::TLS13]), &server, name("media.tidegate.test")).unwrap();
    assert_eq!(connection.negotiated_key_exchange_group().unwrap().name(), NamedGroup::X25519MLKEM768);
    let connection =
        shake_hands(&folder.client(&[&rustls::version::TLS12]), &server, name("media.tidegate.test")).unwrap();
    assert_eq!(connection.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));
}

#[test]
fn sessions_resume_across_a_reload_and_never_with_early_data() {
    let folder = Folder::new();
    let files = [folder.issue("site", &["media.tidegate.test"])];
    let tickets = SessionTickets::new().unwrap();
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let client = folder.client(&[version]);
        let first = server_with(&files, &tickets);
        assert_eq!(first.max_early_data_size, 0);
        let connection = shake_hands(&client, &first, name("media.tidegate.test")).unwrap();
        assert_eq!(connection.handshake_kind(), Some(HandshakeKind::Full));
        let reloaded = server_with(&files, &tickets);
        let connection = shake_hands(&client, &reloaded, name("media.tidegate.test")).unwrap();
        assert_eq!(connection.handshake_kind(), Some(HandshakeKind::Resumed), "{version:?}");
    }
}

#[test]
fn quic_speaks_tls_1_3_and_http_3_only() {
    let folder = Folder::new();
    let loaded = SniResolver::load(&[folder.issue("site", &["media.tidegate.test"])]).unwrap();
    let config = server_config(loaded.resolver, Transport::Quic, &SessionTickets::new().unwrap()).unwrap();
    assert_eq!(config.alpn_protocols, [b"h3".to_vec()]);
    let client = folder.client(&[&rustls::version::TLS12]);
    assert!(shake_hands(&client, &config, name("media.tidegate.test")).is_err());
}

#[test]
fn every_unusable_file_is_named_with_what_was_expected() {
    let folder = Folder::new();
    let other = folder.issue("other", &["other.test"]);
    let good = folder.issue("good", &["good.test"]);
    let write = |name: &str, content: &str| {
        let path = folder.path.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old_encrypted =
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIB\n-----END RSA PRIVATE KEY-----\n";
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cases = [
        (write("empty.pem", ""), good.key_file.clone(), "empty.pem: no certificate in it; expected PEM sections"),
        (good.key_file.clone(), good.key_file.clone(), "good.key: no certificate in it"),
        (good.chain_file.clone(), good.chain_file.clone(), "good.pem: no private key in it; expected a PEM section"),
        (good.chain_file.clone(), other.key_file.clone(), "other.key: the key does not match the first certificate of"),
        (good.chain_file.clone(), write("enc.key", encrypted), "enc.key: the private key is encrypted"),
        (good.chain_file.clone(), write("old.key", old_encrypted), "old.key: the private key is encrypted"),
        (write("bad.pem", nonsense), good.key_file.clone(), "bad.pem: the first certificate cannot be parsed"),
        (folder.path.path().join("none.pem"), good.key_file.clone(), "none.pem: cannot be read: No such file"),
        (write("huge.pem", &"x".repeat(2 << 20)), good.key_file.clone(), "huge.pem: larger than 1048576 bytes"),
    ];
    let files: Vec<_> = cases
        .iter()
        .map(|(chain_file, key_file, _expected)| CertificateFiles {
            name: "case".to_owned(),
            chain_file: chain_file.clone(),
            key_file: key_file.clone(),
            default: false,
        })
        .collect();
    let errors = SniResolver::load(&files).unwrap_err();
    assert_eq!(errors.len(), cases.len(), "{errors:?}");
    for (error, (_chain, _key, expected)) in errors.iter().zip(&cases) {
        assert!(error.to_string().contains(expected), "{error} lacks {expected}");
    }
    assert!(SniResolver::load(&[]).unwrap_err()[0].to_string().contains("expected at least one"));
}

#[test]
fn expired_and_shadowed_certificates_are_warned_of_and_still_used() {
    let folder = Folder::new();
    let key = KeyPair::generate().unwrap();
    let earlier = OffsetDateTime::now_utc() - Duration::days(1);
    let files =
        [folder.self_signed("old", "media.test", &key, earlier), folder.issue("new", &["media.test", "else.test"])];
    let loaded = SniResolver::load(&files).unwrap();
    let shadowed = CertificateWarning::Shadowed {
        name: "new".to_owned(),
        server_name: "media.test".to_owned(),
        other: "old".to_owned(),
    };
    assert!(matches!(&loaded.warnings[0], CertificateWarning::Expired { name, .. } if name == "old"));
    assert_eq!(loaded.warnings[1..], [shadowed]);
}

#[test]
fn development_authority_is_kept_and_its_key_is_secret() {
    let folder = tempfile::tempdir().unwrap();
    let first = DevelopmentCa::load_or_create(folder.path()).unwrap();
    let again = DevelopmentCa::load_or_create(folder.path()).unwrap();
    assert_eq!(first.certificate_pem(), again.certificate_pem());
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("ca.key"), 0o600);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "nothing half-written is left: {names:?}");
}

#[test]
fn development_authority_with_a_foreign_key_is_refused() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(DevelopmentCa::load_or_create(one.path()).unwrap());
    drop(DevelopmentCa::load_or_create(two.path()).unwrap());
    fs::copy(two.path().join("ca.key"), one.path().join("ca.key")).unwrap();
    let error = DevelopmentCa::load_or_create(one.path()).err().unwrap();
    assert!(error.to_string().contains("ca.key: the key does not match"), "{error}");
}

#[test]
fn leaves_satisfy_browsers() {
    let folder = Folder::new();
    let addresses = [IpAddr::from([127, 0, 11, 1]), "::1".parse().unwrap()];
    let issued = folder.ca.issue(&["media.tidegate.test", "localhost"], &addresses).unwrap();
    let chain: Vec<_> = CertificateDer::pem_slice_iter(issued.chain_pem.as_bytes()).collect::<Result<_, _>>().unwrap();
    assert_eq!(chain.len(), 2);
    assert_eq!(public_key_sha256(&chain[0]).unwrap(), issued.public_key_sha256);
    assert_eq!(issued.public_key_sha256.len(), 44);
    let (_rest, leaf) = parse_x509_certificate(&chain[0]).unwrap();
    let days = (leaf.validity().not_after.timestamp() - leaf.validity().not_before.timestamp()) / 86_400;
    assert!(days <= 398, "{days} days");
    assert!(leaf.extended_key_usage().unwrap().unwrap().value.server_auth);
    assert!(leaf.key_usage().unwrap().unwrap().value.digital_signature());
    assert!(!leaf.is_ca());
    assert_eq!(leaf.subject_alternative_name().unwrap().unwrap().value.general_names.len(), 4);
    let (_rest, authority) = parse_x509_certificate(&chain[1]).unwrap();
    assert!(authority.is_ca());
    let again = folder.ca.issue(&["media.tidegate.test"], &[]).unwrap();
    let chain = CertificateDer::from_pem_slice(again.chain_pem.as_bytes()).unwrap();
    assert_ne!(parse_x509_certificate(&chain).unwrap().1.raw_serial(), leaf.raw_serial());
    assert!(folder.ca.certificate_file().is_file());
}
