//! `tidegate warm` where there is no node to ask, or a scripted one: how it ends and what it outlasts. What it does with a
//! node is shown by the integration tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::calling::call;

#[test]
fn node_that_cannot_be_asked_is_named() {
    let check = |node: &str, said: &str| {
        let ended = call(&["warm", "https://media.example/a.m3u8", "--node", node]);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
        assert_eq!(ended.stdout, "");
    };
    // Nothing listens on the port of discard on loopback addresses that nobody uses.
    check("http://127.254.254.254:9", "no answer of the node at 127.254.254.254:9");
    check("127.0.0.1:9000", "is not the URL of an operator's listener");
}

/// A node that says what the test has it say, to one request after the other, and knows what was asked.
struct Node {
    address: SocketAddr,
    asked: Receiver<String>,
}

impl Node {
    /// `answers` has status and body for each request line.
    fn start(mut answers: impl FnMut(&str) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, asked) = channel();
        spawn(move || {
            for stream in listener.incoming().take(MAX_REQUESTS) {
                let mut stream = stream.expect("a connection");
                let request = read_request(&stream);
                let (status, body) = answers(&request);
                let length = body.len();
                drop(write!(stream, "HTTP/1.1 {status} -\r\nContent-Length: {length}\r\n\r\n{body}"));
                drop(sender.send(request));
            }
        });
        Self { address, asked }
    }

    /// Waits until so many requests that begin so have come.
    fn wait_for(&self, method: &str, count: usize) {
        for _ in 0..count {
            while !self.asked.recv_timeout(PATIENCE).expect("a further request").starts_with(method) {}
        }
    }

    /// A command that warms by this node, behind what a shell does first.
    fn warm(&self, before: &str) -> Child {
        let program = env!("CARGO_BIN_EXE_tidegate");
        let node = format!("http://{}", self.address);
        let line = format!("{before} exec {program} warm https://media.example/a --node {node} --output json");
        Command::new("sh")
            .args(["-c", &line])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program can be started")
    }
}

/// Requests of one command; more are not answered.
const MAX_REQUESTS: usize = 1000;

const PATIENCE: Duration = Duration::from_secs(30);

/// The first line of a request, of which all has been read.
fn read_request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).expect("a request");
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line).expect("its fields") > 2 {
        let lower = line.to_ascii_lowercase();
        length = lower.strip_prefix("content-length:").map_or(length, |value| value.trim().parse().expect("a length"));
        line.clear();
    }
    reader.take(length).read_to_end(&mut Vec::new()).expect("its body");
    first
}

fn job(state: &str) -> String {
    format!("{{\"id\": \"w1\", \"state\": \"{state}\"}}")
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it runs");
}

/// Its exit code; none where a signal ended it.
fn ended(child: &mut Child) -> Option<i32> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().expect("its state") {
            return status.code();
        }
        sleep(Duration::from_millis(20));
    }
    child.kill().expect("it runs");
    panic!("the command goes on");
}

#[test]
fn command_whose_output_nobody_reads_goes_on_to_follow_its_job_and_ends_by_a_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let more_than_a_pipe =
            format!("{{\"id\": \"w1\", \"state\": \"running\", \"x\": \"{}\"}}", "x".repeat(1 << 20));
        let node = Node::start(move |_| (200, more_than_a_pipe.clone()));
        let mut child = node.warm("");
        node.wait_for("GET", 8);
        send(&child, signal);
        node.wait_for("DELETE", 1);
        assert_eq!(ended(&mut child), Some(1), "{signal:?}");
    }
}

#[test]
fn signals_that_were_ignored_at_the_beginning_stay_ignored() {
    let mut asked = 0;
    let node = Node::start(move |request| {
        asked += usize::from(request.starts_with("GET"));
        assert!(!request.starts_with("DELETE"), "{request}");
        (200, job(if asked < 12 { "running" } else { "done" }))
    });
    let mut child = node.warm("trap '' HUP INT;");
    node.wait_for("GET", 2);
    send(&child, Signal::HUP);
    send(&child, Signal::INT);
    node.wait_for("GET", 4);
    assert_eq!(ended(&mut child), Some(0));
}

#[test]
fn hangup_ends_a_command_that_does_not_ignore_it() {
    let node = Node::start(|_| (200, job("running")));
    let mut child = node.warm("");
    node.wait_for("GET", 1);
    send(&child, Signal::HUP);
    assert_eq!(ended(&mut child), None, "by the signal");
}

#[test]
fn answer_that_fails_is_asked_for_again_and_a_job_that_is_unknown_is_not() {
    let check = |statuses: &'static [u16], code: i32| {
        let mut left = statuses.iter();
        let node = Node::start(move |request| {
            if request.starts_with("POST") {
                return (202, job("running"));
            }
            left.next().map_or_else(|| (200, job("done")), |status| (*status, "{}".to_owned()))
        });
        assert_eq!(ended(&mut node.warm("")), Some(code), "{statuses:?}");
    };
    check(&[503], 0);
    check(&[500, 503, 401], 0);
    check(&[404], 1);
}
