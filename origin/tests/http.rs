//! The origin over real connections: what a client sees, byte by byte where the protocol matters.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::symlink,
    path::Path,
    time::{Duration, SystemTime},
};

use tempfile::TempDir;
use tidegate_origin::{OriginError, OriginOptions, Root, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

/// Longer than anything here takes on a busy machine; reached only by a failure.
const PATIENCE: Duration = Duration::from_secs(20);

const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz";

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), OriginError>>,
}

impl Running {
    async fn start(root: Root, options: OriginOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move { drop(stopped.await) };
        let task = tokio::spawn(serve(listener, root, options, shutdown));
        Self { address, stop, task }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap();
    }

    /// One request on a connection of its own; `lines` are further fields.
    async fn ask(&self, method: &str, target: &str, lines: &[&str]) -> Answer {
        let fields: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let request = format!("{method} {target} HTTP/1.1\r\nHost: origin.test\r\nConnection: close\r\n{fields}\r\n");
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
        Answer::parse(&bytes)
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole header");
        let header = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = header.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let split = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Self { status, fields: lines.filter_map(split).collect(), body: bytes[end + 4..].to_vec() }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

fn options() -> OriginOptions {
    OriginOptions::new("eu-origin".parse().unwrap())
}

fn write(directory: &Path, name: &str, content: &str) {
    fs::write(directory.join(name), content).unwrap();
}

/// A directory with an old `alphabet.mp4`, so that its date counts as a strong validator.
fn alphabet() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "alphabet.mp4", ALPHABET);
    let file = fs::File::options().write(true).open(directory.path().join("alphabet.mp4")).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    directory
}

async fn serving(directory: &TempDir) -> Running {
    Running::start(Root::Directory(directory.path().to_owned()), options()).await
}

#[tokio::test]
async fn ranges_select_parts_of_a_file() {
    let directory = alphabet();
    let origin = serving(&directory).await;
    let check = async |range: &str, status: u16, content_range: Option<&str>, body: &str| {
        let answer = origin.ask("GET", "/alphabet.mp4", &[&format!("Range: {range}")]).await;
        assert_eq!(answer.status, status, "{range}: {answer:?}");
        assert_eq!(answer.field("content-range"), content_range, "{range}");
        assert_eq!(answer.text(), body, "{range}");
        assert_eq!(answer.field("content-length"), Some(body.len().to_string().as_str()), "{range}");
    };
    check("bytes=0-0", 206, Some("bytes 0-0/26"), "a").await;
    check("bytes=2-5", 206, Some("bytes 2-5/26"), "cdef").await;
    check("bytes=23-", 206, Some("bytes 23-25/26"), "xyz").await;
    check("bytes=-2", 206, Some("bytes 24-25/26"), "yz").await;
    check("bytes=20-900", 206, Some("bytes 20-25/26"), "uvwxyz").await;
    check("bytes=26-", 416, Some("bytes */26"), "416 Range Not Satisfiable: the file has 26 bytes\n").await;
    check("bytes=9-1", 200, None, ALPHABET).await;
    check("lines=1-2", 200, None, ALPHABET).await;
    origin.stop().await;
}

#[tokio::test]
async fn several_ranges_come_as_one_multipart_body() {
    let directory = tempfile::tempdir().unwrap();
    let content: String = ALPHABET.repeat(40);
    write(directory.path(), "long.mp3", &content);
    let origin = serving(&directory).await;
    let answer = origin.ask("GET", "/long.mp3", &["Range: bytes=0-1,520-522,-1"]).await;
    assert_eq!(answer.status, 206);
    let boundary = answer.field("content-type").unwrap().strip_prefix("multipart/byteranges; boundary=").unwrap();
    let part = |range: &str, body: &str| {
        format!("\r\n--{boundary}\r\nContent-Type: audio/mpeg\r\nContent-Range: bytes {range}/1040\r\n\r\n{body}")
    };
    let expected = [part("0-1", "ab"), part("520-522", "abc"), part("1039-1039", "z")].concat();
    assert_eq!(answer.text(), format!("{expected}\r\n--{boundary}--\r\n"));
    assert_eq!(answer.field("content-length"), Some(answer.body.len().to_string().as_str()));
    origin.stop().await;
}

#[tokio::test]
async fn conditions_save_the_body_or_refuse() {
    let directory = alphabet();
    let origin = serving(&directory).await;
    let first = origin.ask("GET", "/alphabet.mp4", &[]).await;
    let tag = first.field("etag").unwrap().to_owned();
    let date = first.field("last-modified").unwrap().to_owned();
    assert!(tag.starts_with('"'), "a strong tag: {tag}");
    let check = async |lines: &[String], status: u16, length: usize| {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let answer = origin.ask("GET", "/alphabet.mp4", &lines).await;
        assert_eq!((answer.status, answer.body.len()), (status, length), "{lines:?}: {answer:?}");
        if status == 304 {
            assert_eq!(answer.field("etag"), Some(tag.as_str()));
            assert_eq!(answer.field("cache-control"), first.field("cache-control"));
        }
    };
    check(&[format!("If-None-Match: {tag}")], 304, 0).await;
    check(&[format!("If-None-Match: \"x\", W/{tag}")], 304, 0).await;
    check(&["If-None-Match: \"x\"".into()], 200, 26).await;
    check(&[format!("If-Modified-Since: {date}")], 304, 0).await;
    check(&[format!("If-Match: {tag}")], 200, 26).await;
    let refused = "412 Precondition Failed: the file is not the version the request is about\n".len();
    check(&["If-Match: \"x\"".into()], 412, refused).await;
    check(&["Range: bytes=0-1".into(), format!("If-Range: {tag}")], 206, 2).await;
    check(&["Range: bytes=0-1".into(), format!("If-Range: {date}")], 206, 2).await;
    check(&["Range: bytes=0-1".into(), "If-Range: \"x\"".into()], 200, 26).await;
    check(&["Range: bytes=0-1".into(), format!("If-None-Match: {tag}")], 304, 0).await;
    origin.stop().await;
}

#[tokio::test]
async fn a_changed_file_has_another_entity_tag() {
    let directory = alphabet();
    let origin = serving(&directory).await;
    let before = origin.ask("HEAD", "/alphabet.mp4", &[]).await;
    write(directory.path(), "alphabet.mp4", &ALPHABET.to_uppercase());
    let after =
        origin.ask("GET", "/alphabet.mp4", &[&format!("If-None-Match: {}", before.field("etag").unwrap())]).await;
    assert_eq!((after.status, after.text()), (200, ALPHABET.to_uppercase().as_str()));
    origin.stop().await;
}

#[tokio::test]
async fn head_says_what_get_would_say_and_ignores_ranges() {
    let directory = alphabet();
    let origin = serving(&directory).await;
    let mut get = origin.ask("GET", "/alphabet.mp4", &[]).await;
    let mut head = origin.ask("HEAD", "/alphabet.mp4", &["Range: bytes=0-1"]).await;
    assert_eq!(head.body, b"");
    for answer in [&mut get, &mut head] {
        answer.fields.retain(|(name, _)| name != "date");
    }
    assert_eq!((get.status, get.fields), (head.status, head.fields));
    origin.stop().await;
}

#[tokio::test]
async fn nothing_outside_the_directory_is_reached() {
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "secret.txt", "secret");
    let inside = outside.path().join("public");
    fs::create_dir_all(inside.join("sub")).unwrap();
    write(&inside, "open.txt", "open");
    write(&inside, ".env", "hidden");
    symlink("../secret.txt", inside.join("relative.txt")).unwrap();
    symlink(outside.path().join("secret.txt"), inside.join("absolute.txt")).unwrap();
    symlink("..", inside.join("up")).unwrap();
    symlink("open.txt", inside.join("alias.txt")).unwrap();
    let origin = Running::start(Root::Directory(inside), options()).await;
    let check = async |target: &str, status: u16| {
        let answer = origin.ask("GET", target, &[]).await;
        assert_eq!(answer.status, status, "{target}: {answer:?}");
        assert!(!answer.text().contains("secret.txt") && answer.text() != "secret", "{target}");
    };
    check("/open.txt", 200).await;
    check("/alias.txt", 200).await;
    check("/sub/../open.txt", 200).await;
    check("//open.txt", 200).await;
    check("/../secret.txt", 400).await;
    check("/%2e%2e/secret.txt", 400).await;
    check("/sub/../../secret.txt", 400).await;
    check("/..%2fsecret.txt", 400).await;
    check("/..%5csecret.txt", 400).await;
    check("/open.txt%00", 400).await;
    check("/relative.txt", 403).await;
    check("/absolute.txt", 403).await;
    check("/up/secret.txt", 403).await;
    check("/.env", 404).await;
    check("/sub/", 404).await;
    check("/sub", 301).await;
    check("/open.txt/more", 404).await;
    check("/absent", 404).await;
    check(&format!("/{}", "n".repeat(300)), 404).await;
    check(&format!("/{}", "n".repeat(5000)), 414).await;
    origin.stop().await;
}

#[tokio::test]
async fn a_directory_answers_with_its_index_and_only_under_its_slash() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("a b")).unwrap();
    write(directory.path(), "a b/index.html", "inside");
    let origin = serving(&directory).await;
    assert_eq!(origin.ask("GET", "/a%20b/", &[]).await.text(), "inside");
    let redirect = origin.ask("GET", "//a%20b", &[]).await;
    assert_eq!((redirect.status, redirect.field("location")), (301, Some("./a%20b/")));
    origin.stop().await;
}

#[tokio::test]
async fn the_demonstration_needs_no_files() {
    let origin = Running::start(Root::Embedded, options()).await;
    let check = async |target: &str, media_type: &str, cache_control: &str| {
        let answer = origin.ask("GET", target, &[]).await;
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.field("content-type"), Some(media_type), "{target}");
        assert_eq!(answer.field("cache-control"), Some(cache_control), "{target}");
        assert_eq!(answer.field("content-length"), Some(answer.body.len().to_string().as_str()), "{target}");
        assert_eq!(answer.field("x-tidegate-origin"), Some("eu-origin"), "{target}");
        assert_eq!(answer.field("server-timing"), Some("origin;desc=\"eu-origin\""), "{target}");
        assert_eq!(answer.field("access-control-allow-origin"), Some("*"), "{target}");
        assert_eq!(answer.field("accept-ranges"), Some("bytes"), "{target}");
        assert!(answer.field("access-control-expose-headers").unwrap().contains("Content-Range"), "{target}");
    };
    check("/", "text/html; charset=utf-8", "no-cache").await;
    check("/player.js", "text/javascript; charset=utf-8", "no-cache").await;
    check("/vod/demo/master.m3u8", "application/vnd.apple.mpegurl", "public, max-age=60").await;
    check("/vod/demo/manifest.mpd", "application/dash+xml", "public, max-age=60").await;
    check("/vod/demo/segment-0-001.m4s", "video/mp4", "public, max-age=3600").await;
    check("/vod/demo/demo.mp4", "video/mp4", "public, max-age=3600").await;
    check("/vod/demo/demo.mp3", "audio/mpeg", "public, max-age=3600").await;
    let part = origin.ask("GET", "/vod/demo/demo.mp4", &["Range: bytes=4-7"]).await;
    assert_eq!((part.status, part.text()), (206, "ftyp"));
    origin.stop().await;
}

#[tokio::test]
async fn every_name_in_a_playlist_leads_to_a_file() {
    let origin = Running::start(Root::Embedded, options()).await;
    let mut playlists = vec!["master.m3u8".to_owned()];
    let mut segments = 0;
    while let Some(playlist) = playlists.pop() {
        let answer = origin.ask("GET", &format!("/vod/demo/{playlist}"), &[]).await;
        for line in answer.text().lines() {
            let in_tag = line.split_once("URI=\"").and_then(|(_, rest)| rest.split('"').next());
            let Some(name) = in_tag.or((!line.starts_with('#') && !line.is_empty()).then_some(line)) else {
                continue;
            };
            assert!(!name.contains('/'), "{name} in {playlist} is relative to it");
            if name.ends_with(".m3u8") {
                playlists.push(name.to_owned());
            } else {
                segments += 1;
                assert_eq!(origin.ask("HEAD", &format!("/vod/demo/{name}"), &[]).await.status, 200, "{name}");
            }
        }
    }
    assert_eq!(segments, 3 * 13, "three renditions of one initialisation and twelve media segments");
    origin.stop().await;
}

#[tokio::test]
async fn only_reading_is_allowed() {
    let origin = Running::start(Root::Embedded, options()).await;
    let check = async |method: &str, target: &str, status: u16, allow: Option<&str>| {
        let answer = origin.ask(method, target, &["Content-Length: 0"]).await;
        assert_eq!((answer.status, answer.field("allow")), (status, allow), "{method} {target}");
    };
    let allowed = Some("GET, HEAD, OPTIONS");
    check("POST", "/", 405, allowed).await;
    check("PUT", "/x", 405, allowed).await;
    check("DELETE", "/index.html", 405, allowed).await;
    check("OPTIONS", "/vod/demo/master.m3u8", 204, allowed).await;
    check("OPTIONS", "*", 204, allowed).await;
    let preflight = ["Origin: https://elsewhere.test", "Access-Control-Request-Method: GET"];
    let answer = origin.ask("OPTIONS", "/vod/demo/demo.mp4", &preflight).await;
    assert!(answer.field("access-control-allow-headers").unwrap().contains("Range"));
    assert_eq!(answer.field("access-control-max-age"), Some("7200"));
    origin.stop().await;
}

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

#[tokio::test]
async fn a_stop_lets_a_running_response_end_and_closes_idle_connections() {
    let directory = tempfile::tempdir().unwrap();
    let length = 64 * 1024 * 1024;
    fs::File::create(directory.path().join("large.mp4")).unwrap().set_len(length).unwrap();
    let origin = serving(&directory).await;
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
    timeout(PATIENCE, idle.read_to_end(&mut rest)).await.expect("idle connections are closed").unwrap();
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
