//! What goes with a request to a private origin, and what never shows.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use http::header;

use super::*;
use crate::origin::testing::origin;

const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const HOST: &str = "examplebucket.s3.amazonaws.com";

/// Friday, 24 May 2013, 00:00:00 UTC: the time of the examples that the storage's documentation gives.
fn example_time() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_369_353_600)
}

fn file(directory: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn load(credentials: &str) -> Result<Credentials, Vec<OriginError>> {
    let origin = origin("http://127.0.0.1:1", &format!(", credentials: {credentials}"));
    Credentials::load(&origin, origin.credentials.as_ref().unwrap())
}

fn s3(token: Option<&str>) -> Credentials {
    let secret = |text: &str| secret::Secret::for_tests(text);
    Credentials::S3(S3Signer::new("us-east-1", &secret(ACCESS_KEY), &secret(SECRET_KEY), token.map(secret)))
}

fn request(method: &str, target: &[u8]) -> RequestHeader {
    let mut request = RequestHeader::build(method, target, None).unwrap();
    request.insert_header(header::HOST, HOST).unwrap();
    request
}

fn field<'a>(request: &'a RequestHeader, name: &str) -> &'a str {
    let values: Vec<_> = request.headers.get_all(name).iter().collect();
    assert_eq!(values.len(), 1, "{name}: {values:?}");
    values[0].to_str().unwrap()
}

fn signature(request: &RequestHeader) -> &str {
    field(request, "authorization").rsplit_once("Signature=").unwrap().1
}

#[test]
fn published_examples_are_signed_as_published() {
    let check = |target: &[u8], expected: &str| {
        let mut request = request("GET", target);
        s3(None).authorise(&mut request, example_time()).unwrap();
        assert_eq!(signature(&request), expected);
        assert_eq!(field(&request, "x-amz-date"), "20130524T000000Z");
        let scope = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
                     SignedHeaders=host;x-amz-content-sha256;x-amz-date, ";
        assert!(field(&request, "authorization").starts_with(scope));
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(field(&request, "x-amz-content-sha256"), empty);
        assert_eq!(request.raw_path(), target);
    };
    check(b"/?lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    check(b"/?max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

#[test]
fn what_a_client_says_under_the_names_of_the_signature_is_removed() {
    let mut plain = request("GET", b"/a");
    s3(None).authorise(&mut plain, example_time()).unwrap();
    let mut smuggled = request("GET", b"/a");
    for (name, value) in [
        ("Authorization", "AWS4-HMAC-SHA256 Credential=other"),
        ("X-Amz-Date", "20200101T000000Z"),
        ("x-amz-security-token", "other"),
        ("x-amz-acl", "public-read"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ] {
        smuggled.append_header(name, value).unwrap();
        smuggled.append_header(name, value).unwrap();
    }
    s3(None).authorise(&mut smuggled, example_time()).unwrap();
    assert_eq!(smuggled.headers, plain.headers);
}

#[test]
fn each_attempt_is_signed_anew_with_its_own_time() {
    let mut request = request("GET", b"/a");
    s3(None).authorise(&mut request, example_time()).unwrap();
    let first = signature(&request).to_owned();
    s3(None).authorise(&mut request, example_time() + Duration::from_secs(3_600)).unwrap();
    assert_ne!(signature(&request), first);
    assert_eq!(field(&request, "x-amz-date"), "20130524T010000Z");
}

#[test]
fn a_session_token_is_sent_and_signed() {
    let mut request = request("GET", b"/a");
    s3(Some("token of a session")).authorise(&mut request, example_time()).unwrap();
    assert_eq!(field(&request, "x-amz-security-token"), "token of a session");
    assert!(field(&request, "authorization").contains("x-amz-date;x-amz-security-token"));
}

#[test]
fn a_body_that_streams_is_not_signed() {
    let mut upload = request("PUT", b"/a");
    upload.insert_header("content-length", "5").unwrap();
    let mut chunked = request("GET", b"/a");
    chunked.insert_header("transfer-encoding", "chunked").unwrap();
    for request in [&mut upload, &mut chunked] {
        s3(None).authorise(request, example_time()).unwrap();
        assert_eq!(field(request, "x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
    }
}

#[test]
fn a_path_is_sent_in_the_form_that_is_signed() {
    let mut request = request("GET", b"/films/a%20(1)+b.mp4?q=a+b&r=x|y");
    s3(None).authorise(&mut request, example_time()).unwrap();
    assert_eq!(request.raw_path(), b"/films/a%20%281%29%2Bb.mp4?q=a+b&r=x%7Cy");
}

#[test]
fn nothing_is_signed_without_a_host() {
    let mut request = RequestHeader::build("GET", b"/a", None).unwrap();
    assert!(matches!(s3(None).authorise(&mut request, example_time()), Err(AuthoriseError::NoHost)));
}

#[test]
fn fields_replace_what_a_client_sent_under_their_names() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(directory.path(), "key", b"the-secret\r\n");
    let credentials = load(&format!("{{fields: [{{name: X-Edge-Key, value_file: \"{}\"}}]}}", path.display())).unwrap();
    let mut request = request("GET", b"/a");
    request.append_header("x-edge-key", "guess").unwrap();
    request.append_header("X-Edge-Key", "another guess").unwrap();
    request.append_header("authorization", "Bearer of-the-client").unwrap();
    credentials.authorise(&mut request, example_time()).unwrap();
    assert_eq!(field(&request, "x-edge-key"), "the-secret");
    assert_eq!(field(&request, "authorization"), "Bearer of-the-client");
}

#[test]
fn a_bad_file_is_named_and_its_content_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let check = |content: &[u8], reason: &str| {
        let path = file(directory.path(), "key", content);
        let error =
            load(&format!("{{fields: [{{name: x-edge-key, value_file: \"{}\"}}]}}", path.display())).err().unwrap()[0]
                .to_string();
        assert!(error.contains(reason) && error.contains("key") && error.contains("credentials.fields"), "{error}");
        assert!(!error.contains("hidden"), "{error}");
    };
    check(b"", "it is empty");
    check(b"\n", "it is empty");
    check(b"hidden\nhidden\n", "several lines");
    check(b" hidden", "white space");
    check(b"hidden\x00", "other characters");
    check(&b"hidden".repeat(10_000), "it is longer");
    let missing = directory.path().join("missing");
    let error =
        load(&format!("{{fields: [{{name: x-edge-key, value_file: \"{}\"}}]}}", missing.display())).err().unwrap()[0]
            .to_string();
    assert!(error.contains("cannot read") && error.contains("missing"), "{error}");
}

#[test]
fn secrets_do_not_show_when_a_request_is_printed() {
    let mut request = request("GET", b"/a");
    s3(Some("hidden-token")).authorise(&mut request, example_time()).unwrap();
    let printed = format!("{request:?}");
    assert!(!printed.contains("hidden-token") && !printed.contains("Signature="), "{printed}");
    assert_eq!(format!("{:?}", secret::Secret::for_tests("hidden")), "Secret(…)");
}
