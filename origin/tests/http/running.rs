//! An origin that runs for one test, and a client that shows answers as they came.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    net::SocketAddr,
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
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz";

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), OriginError>>,
}

impl Running {
    pub(crate) async fn start(root: Root, options: OriginOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move { drop(stopped.await) };
        let task = tokio::spawn(serve(listener, root, options, shutdown));
        Self { address, stop, task }
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap();
    }

    /// One request on a connection of its own; `lines` are further fields.
    pub(crate) async fn ask(&self, method: &str, target: &str, lines: &[&str]) -> Answer {
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
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
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

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub(crate) fn options() -> OriginOptions {
    OriginOptions::new("eu-origin".parse().unwrap())
}

pub(crate) fn write(directory: &Path, name: &str, content: &str) {
    fs::write(directory.join(name), content).unwrap();
}

/// A directory with an old `alphabet.mp4`, so that its date counts as a strong validator.
pub(crate) fn alphabet() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "alphabet.mp4", ALPHABET);
    let file = fs::File::options().write(true).open(directory.path().join("alphabet.mp4")).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    directory
}

pub(crate) async fn serving(directory: &TempDir) -> Running {
    Running::start(Root::Directory(directory.path().to_owned()), options()).await
}
