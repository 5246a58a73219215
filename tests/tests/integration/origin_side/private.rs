//! Private origins: signatures are verified here by code of our own, from the description of the algorithm.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sha2::{Digest, Sha256};
use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, OriginEntry};
use tidegate_tests::origin::{Origin, Recorded, Script};
use tidegate_tests::within;

use crate::assert_whole;

const SECRET: &str = "an example of a secret key";
const TOKEN: &str = "an-example-of-a-session-token";

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

async fn edge_with_keys(origin: &Origin, directory: &Path) -> Edge {
    write(&directory.join("id"), "EXAMPLEKEY1\n");
    write(&directory.join("secret"), &format!("{SECRET}\n"));
    write(&directory.join("token"), TOKEN);
    let file = |name: &str| directory.join(name).display().to_string();
    let entry = OriginEntry::new("eu", &format!("{}/bucket", origin.url())).yaml(&format!(
        "credentials:\n  s3:\n    region: eu-test-1\n    access_key_file: \"{}\"\n    secret_key_file: \"{}\"\n    \
         session_token_file: \"{}\"",
        file("id"),
        file("secret"),
        file("token")
    ));
    Edge::start(&EdgeConfig::with_origins(vec![entry]).pool_yaml("host: origin")).await
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks the signature of a request as it arrived. Its path is taken as sent; its query holds what needs no encoding.
#[track_caller]
fn verify(request: &Recorded) {
    let field = |name: &str| request.field(name).unwrap_or_else(|| panic!("no {name}: {request:?}"));
    let (date, authorization) = (field("x-amz-date"), field("authorization"));
    let part = |name: &str| {
        let start = authorization.find(name).unwrap_or_else(|| panic!("no {name} in {authorization}")) + name.len();
        authorization[start..].split(',').next().unwrap().trim().to_owned()
    };
    let scope = format!("{}/eu-test-1/s3/aws4_request", &date[..8]);
    assert_eq!(part("Credential=").split_once('/').unwrap().1, scope);
    let signed = part("SignedHeaders=");
    let fields: String = signed.split(';').map(|name| format!("{name}:{}\n", field(name))).collect();
    for (name, _) in request.fields.iter().filter(|(name, _)| name.to_lowercase().starts_with("x-amz-")) {
        assert!(signed.split(';').any(|signed| signed == name.to_lowercase()), "{name} is not signed");
    }
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let mut parameters: Vec<String> = query.split('&').filter(|part| !part.is_empty()).map(with_value).collect();
    parameters.sort();
    let canonical = format!(
        "{}\n{path}\n{}\n{fields}\n{signed}\n{}",
        request.method,
        parameters.join("&"),
        field("x-amz-content-sha256")
    );
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(&canonical)));
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for step in [&date[..8], "eu-test-1", "s3", "aws4_request"] {
        key = hmac(&key, step);
    }
    assert_eq!(part("Signature="), hex(&hmac(&key, &text)), "{canonical}");
}

fn with_value(parameter: &str) -> String {
    if parameter.contains('=') { parameter.to_owned() } else { format!("{parameter}=") }
}

#[tokio::test]
async fn what_a_private_bucket_gives_is_signed_for_and_cached_for_all() {
    let origin = Origin::start().await;
    for path in ["/bucket/film.mp4", "/bucket/a%20%281%29.mp4"] {
        origin.on(path, Script::cacheable(1000));
    }
    let directory = tempfile::tempdir().unwrap();
    let edge = edge_with_keys(&origin, directory.path()).await;
    for protocol in Protocol::SECURE {
        let client = edge.client(protocol).await;
        for target in ["/film.mp4?versionId=2&part", "/a%20(1).mp4"] {
            let answer = within("an answer", client.get(target)).await.unwrap();
            assert_whole(&answer, 1000, target);
            assert!(answer.fields.iter().all(|(name, _)| !name.starts_with("x-amz-")), "{answer:?}");
        }
        let part = Request::get("/film.mp4?versionId=2&part").field("range", "bytes=0-9");
        assert_eq!(within("a part", client.request(part)).await.unwrap().status, 206);
    }
    let (plain, odd) = (origin.requests("/bucket/film.mp4"), origin.requests("/bucket/a%20%281%29.mp4"));
    assert_eq!((plain.len(), odd.len()), (1, 1), "one fill for everyone");
    for request in plain.iter().chain(&odd) {
        verify(request);
        assert_eq!(request.host(), origin.address().to_string());
        assert_eq!(request.field("x-amz-security-token"), Some(TOKEN));
    }
}

#[tokio::test]
async fn clients_add_nothing_to_a_signature_and_uploads_are_signed_without_their_body() {
    let origin = Origin::start().await;
    origin.on("/bucket/up", Script::status(200));
    let directory = tempfile::tempdir().unwrap();
    let edge = edge_with_keys(&origin, directory.path()).await;
    for protocol in Protocol::SECURE {
        let upload = Request::new("PUT", "/up")
            .field("authorization", "AWS4-HMAC-SHA256 Credential=mine")
            .field("x-amz-acl", "public-read-write")
            .field("x-amz-security-token", "mine")
            .body("some bytes");
        let client = edge.client(protocol).await;
        assert_eq!(within("an answer", client.request(upload)).await.unwrap().status, 200);
    }
    let asked = origin.requests("/bucket/up");
    assert_eq!(asked.len(), 3);
    for request in &asked {
        verify(request);
        assert_eq!(request.field("x-amz-acl"), None);
        assert_eq!(request.field("x-amz-content-sha256"), Some("UNSIGNED-PAYLOAD"));
    }
}

#[tokio::test]
async fn new_keys_are_used_soon_and_secrets_show_nowhere() {
    let origin = Origin::start().await;
    origin.on("/bucket/a", Script::status(200));
    let directory = tempfile::tempdir().unwrap();
    let edge = edge_with_keys(&origin, directory.path()).await;
    let client = edge.client(Protocol::Http2).await;
    write(&directory.path().join("id"), "EXAMPLEKEY2");
    let changed = async {
        loop {
            within("an answer", client.request(Request::new("DELETE", "/a"))).await.unwrap();
            let last = origin.requests("/bucket/a").pop().unwrap();
            if last.field("authorization").is_some_and(|value| value.contains("Credential=EXAMPLEKEY2/")) {
                return verify(&last);
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    within("the new key to be used", changed).await;
    let told = [edge.stderr(), edge.metrics().await, std::fs::read_to_string(edge.file("access.log")).unwrap()];
    for text in told {
        assert!(!text.contains(SECRET) && !text.contains(TOKEN) && !text.contains("Signature="), "{text}");
    }
}

#[tokio::test]
async fn a_secret_field_goes_with_every_request_and_replaces_the_clients() {
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(100));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    write(&path, "only-the-edge-knows\n");
    let fields = format!("credentials: {{fields: [{{name: X-Edge-Key, value_file: \"{}\"}}]}}", path.display());
    let entry = OriginEntry::new("eu", &origin.url()).yaml(&fields);
    let edge = Edge::start(&EdgeConfig::with_origins(vec![entry])).await;
    for protocol in Protocol::SECURE {
        let client = edge.client(protocol).await;
        within("a fill", client.get(&format!("/a?{protocol:?}"))).await.unwrap();
        let passed = Request::new("POST", "/a").field("x-edge-key", "a-guess").body("x");
        within("a passed answer", client.request(passed)).await.unwrap();
    }
    let asked = origin.requests("/a");
    assert_eq!(asked.len(), 6);
    for request in asked {
        let shown: Vec<_> = request.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-edge-key")).collect();
        assert!(matches!(shown[..], [(_, value)] if value == "only-the-edge-knows"), "{shown:?}");
    }
}
