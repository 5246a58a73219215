//! The closed loop against a scripted server on loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::Parser;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, SendStream, ServerConfig, VarInt};
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;

use crate::arguments::{Arguments, Command};

/// `:status: 200`, then five bytes.
const WHOLE: &[u8] = &[0x01, 0x03, 0, 0, 0xd9, 0x00, 0x05, 1, 2, 3, 4, 5];
const NOT_FOUND: &[u8] = &[0x01, 0x03, 0, 0, 0xdb, 0x00, 0x05, 1, 2, 3, 4, 5];
const SETTINGS: &[u8] = &[0x00, 0x04, 0x00];
const GOAWAY: &[u8] = &[0x07, 0x01, 0x00];

/// What the server does with its third and every later request; the first two it answers.
#[derive(Clone, Copy)]
enum Script {
    Answer,
    OtherStatus,
    ShortBody,
    CutFrame,
    Reset,
    Silence,
    CloseConnection,
    /// Answers, and says GOAWAY with every tenth request of a connection.
    GoAway,
}

/// Runs the client against a server with that script; the answer is its report.
async fn load(script: Script, more: &[&str]) -> Value {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let private = PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)
        .unwrap();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
    let endpoint = Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
    let port = endpoint.local_addr().unwrap().port();
    let server = tokio::spawn(serve(endpoint, script));

    let url = format!("https://localhost:{port}/");
    let connect = format!("127.0.0.1:{port}");
    let line = ["loadtest", "h3", "--url", &url, "--connect", &connect, "--insecure", "--connections", "1"];
    let command = Arguments::try_parse_from(line.iter().chain(more)).unwrap().command;
    let Command::H3(options) = command else { panic!("another load") };
    let report = super::run(&options).await.unwrap();
    server.abort();
    serde_json::to_value(report).unwrap()
}

async fn serve(endpoint: Endpoint, script: Script) {
    let requests = Arc::new(AtomicUsize::new(0));
    while let Some(incoming) = endpoint.accept().await {
        let requests = Arc::clone(&requests);
        tokio::spawn(async move {
            let connection = incoming.await.unwrap();
            let mut control = connection.open_uni().await.unwrap();
            control.write_all(SETTINGS).await.unwrap();
            let mut here = 0;
            while let Ok((send, mut receive)) = connection.accept_bi().await {
                receive.read_to_end(16 * 1024).await.unwrap();
                here += 1;
                if matches!(script, Script::GoAway) && here == 10 {
                    control.write_all(GOAWAY).await.unwrap();
                }
                if requests.fetch_add(1, Ordering::Relaxed) < 2 {
                    answer(send, WHOLE).await;
                } else {
                    follow(script, send, &connection).await;
                }
            }
        });
    }
}

async fn follow(script: Script, mut send: SendStream, connection: &quinn::Connection) {
    match script {
        Script::Answer | Script::GoAway => answer(send, WHOLE).await,
        Script::OtherStatus => answer(send, NOT_FOUND).await,
        Script::ShortBody => answer(send, &[0x01, 0x03, 0, 0, 0xd9, 0x00, 0x01, 1]).await,
        Script::CutFrame => answer(send, &WHOLE[..WHOLE.len() - 1]).await,
        Script::Reset => send.reset(VarInt::from_u32(0x102)).unwrap(),
        Script::Silence => {
            // Kept open for as long as the connection: dropping it would end the stream.
            tokio::spawn({
                let connection = connection.clone();
                async move {
                    connection.closed().await;
                    drop(send);
                }
            });
        }
        Script::CloseConnection => connection.close(VarInt::from_u32(0x102), b""),
    }
}

async fn answer(mut send: SendStream, response: &[u8]) {
    // The client may have gone: what came of it is the test's question, not the server's.
    if send.write_all(response).await.is_ok() {
        send.finish().ok();
    }
}

/// The first request stands before the clock, the second succeeds, the third meets the script.
async fn check_failure(script: Script, kind: &str) {
    let report = load(script, &["--streams", "1", "--requests", "2", "--grace", "200ms", "--duration", "300ms"]).await;
    assert_eq!(report["requests"], 1, "{report}");
    assert_eq!(report["failed"], 1, "{report}");
    assert_eq!(report["failures"][kind], 1, "{report}");
    assert!(report["first_failure"].is_string());
}

#[tokio::test]
async fn every_kind_of_failure_is_counted_as_what_it_is() {
    check_failure(Script::OtherStatus, "status").await;
    check_failure(Script::ShortBody, "length").await;
    check_failure(Script::CutFrame, "protocol").await;
    check_failure(Script::Reset, "reset").await;
    check_failure(Script::Silence, "timeout").await;
    check_failure(Script::CloseConnection, "connection_lost").await;
}

#[tokio::test]
async fn a_budget_of_requests_is_spent_exactly() {
    let report = load(Script::Answer, &["--streams", "7", "--requests", "500"]).await;
    assert_eq!((&report["requests"], &report["failed"]), (&500.into(), &0.into()), "{report}");
    assert_eq!(report["body_bytes"], 2500);
    assert_eq!(report["first_response"]["fields"], serde_json::json!([[":status", "200"]]));
}

#[tokio::test]
async fn the_duration_ends_a_run() {
    let begun = std::time::Instant::now();
    let report = load(Script::Answer, &["--streams", "2", "--duration", "200ms"]).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{report}");
    assert_eq!(report["failed"], 0, "{report}");
    assert!(report["requests"].as_u64() > Some(0), "{report}");
}

#[tokio::test]
async fn a_connection_that_the_server_ends_in_good_order_is_replaced_without_a_failure() {
    let report = load(Script::GoAway, &["--streams", "4", "--requests", "200"]).await;
    assert_eq!((&report["requests"], &report["failed"]), (&200.into(), &0.into()), "{report}");
    assert!(report["reconnections"].as_u64() > Some(5), "{report}");
}
