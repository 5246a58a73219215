//! Connections: their bounds, their protocols, and how they end.

use std::{fs, path::Path, time::Duration};

use tidegate_origin::{Root, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::running::{PATIENCE, Running, options, serving};

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_sent_never_ends_cleanly() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large.mp4");
    // More than socket buffers take, so that sending is still under way when the file shrinks.
    fs::File::create(&path).unwrap().set_len(256 * 1024 * 1024).unwrap();
    let origin = serving(&directory).await;
    let mut stream = TcpStream::connect(origin.address).await.unwrap();
    stream.write_all(b"GET /large.mp4 HTTP/1.1\r\nHost: o\r\n\r\n").await.unwrap();
    let mut start = [0; 64];
    timeout(PATIENCE, stream.read_exact(&mut start)).await.unwrap().unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
    assert!(ended.is_err() || rest.len() < 256 * 1024 * 1024, "{} bytes", rest.len());
    origin.stop().await;
}

#[tokio::test]
async fn a_client_that_sends_no_request_is_closed() {
    let check = async |sent: &[u8]| {
        let mut short = options();
        short.header_timeout = Duration::from_millis(200);
        let origin = Running::start(Root::Embedded, short).await;
        let mut stream = TcpStream::connect(origin.address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let mut bytes = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("closed in time").unwrap();
        assert!(bytes.is_empty() || bytes.starts_with(b"HTTP/1.1 408"), "{bytes:?}");
        origin.stop().await;
    };
    check(b"").await;
    check(b"GET / HTTP/1.1\r\nHost: o\r\nX-Slow:").await;
}

#[tokio::test]
async fn connections_above_the_bound_wait_for_their_turn() {
    let mut one = options();
    one.max_connections = 1;
    let origin = Running::start(Root::Embedded, one).await;
    let mut first = TcpStream::connect(origin.address).await.unwrap();
    first.write_all(b"HEAD / HTTP/1.1\r\nHost: o\r\n\r\n").await.unwrap();
    let mut start = [0; 12];
    timeout(PATIENCE, first.read_exact(&mut start)).await.unwrap().unwrap();
    let mut second = Box::pin(origin.ask("HEAD", "/", &[]));
    assert!(timeout(Duration::from_millis(200), &mut second).await.is_err(), "the first connection is still open");
    drop(first);
    assert_eq!(second.as_mut().await.status, 200);
    drop(second);
    origin.stop().await;
}

/// Long enough that nothing but the grace itself takes as long.
const GRACE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_stop_lets_a_running_response_end_and_closes_idle_connections() {
    let directory = tempfile::tempdir().unwrap();
    let length = 64 * 1024 * 1024;
    fs::File::create(directory.path().join("large.mp4")).unwrap().set_len(length).unwrap();
    let mut patient = options();
    patient.shutdown_grace = GRACE;
    let origin = Running::start(Root::Directory(directory.path().to_owned()), patient).await;
    let mut silent = TcpStream::connect(origin.address).await.unwrap();
    let mut idle = TcpStream::connect(origin.address).await.unwrap();
    let mut busy = TcpStream::connect(origin.address).await.unwrap();
    busy.write_all(b"GET /large.mp4 HTTP/1.1\r\nHost: o\r\n\r\n").await.unwrap();
    let mut start = [0; 12];
    timeout(PATIENCE, busy.read_exact(&mut start)).await.unwrap().unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    idle.write_all(b"HEAD / HTTP/1.1\r\nHost: o\r\n\r\n").await.unwrap();
    timeout(PATIENCE, idle.read_exact(&mut start)).await.unwrap().unwrap();

    let stopping = tokio::spawn(origin.stop());
    let mut rest = Vec::new();
    for stream in [&mut idle, &mut silent] {
        // Less than the grace, after which everything is cut anyway.
        timeout(GRACE / 2, stream.read_to_end(&mut rest)).await.expect("closed at once").unwrap();
    }
    rest.clear();
    timeout(PATIENCE, busy.read_to_end(&mut rest)).await.unwrap().unwrap();
    let end = rest.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert_eq!((rest.len() - end) as u64, length);
    stopping.await.unwrap();
}

#[tokio::test]
async fn http2_is_spoken_by_prior_knowledge() {
    let origin = Running::start(Root::Embedded, options()).await;
    let stream = TcpStream::connect(origin.address).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request =
        http::Request::get("http://origin.test/vod/demo/demo.mp3").header("range", "bytes=0-2").body(()).unwrap();
    let (response, _) = sender.send_request(request, true).unwrap();
    let response = timeout(PATIENCE, response).await.unwrap().unwrap();
    assert_eq!(response.status(), 206);
    let mut body = response.into_body();
    assert_eq!(body.data().await.unwrap().unwrap().as_ref(), b"ID3");
    drop(sender);
    origin.stop().await;
    drop(timeout(PATIENCE, connection).await.unwrap());
}

#[tokio::test]
async fn a_root_that_is_no_directory_is_an_error_that_names_it() {
    let check = async |path: &Path| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let failed = serve(listener, Root::Directory(path.to_owned()), options(), std::future::pending()).await;
        let message = failed.unwrap_err().to_string();
        assert!(message.contains(path.to_str().unwrap()), "{message}");
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    check(file.path()).await;
    check(Path::new("/nowhere/at/all")).await;
}
