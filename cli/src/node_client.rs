//! A client of a node's operator's listener, for commands that ask a running node.
//!
//! Owns the connection and what is said when it fails; what is asked and how answers are shown is for the commands.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::error::CommandError;

/// For one answer: nodes answer from memory.
const ANSWER: Duration = Duration::from_secs(30);

/// Longest answer that is read: a report of every origin of a large fleet has a tenth of it.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// Which node a command asks.
#[derive(Debug, Clone, Args)]
pub(crate) struct NodeOption {
    /// URL of the node's operator's listener, such as http://127.0.0.1:9000.
    #[arg(long, value_name = "URL")]
    node: String,
    /// File with the token of that listener; none is needed on the node's own machine.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl NodeOption {
    /// A client of that node.
    pub(crate) fn client(&self) -> Result<NodeClient, CommandError> {
        NodeClient::new(&self.node, self.token_file.as_deref())
    }
}

/// Asks one node.
#[derive(Clone)]
pub(crate) struct NodeClient {
    authority: String,
    token: Option<String>,
}

impl NodeClient {
    /// A client of the listener at this URL, which shows the token of this file.
    pub(crate) fn new(url: &str, token_file: Option<&Path>) -> Result<Self, CommandError> {
        let uri: Option<Uri> = url.parse().ok();
        let authority = uri.as_ref().filter(|uri| uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/"));
        let authority = authority.and_then(Uri::authority).ok_or_else(|| {
            CommandError::Node(format!(
                "{url:?} is not the URL of an operator's listener, such as http://127.0.0.1:9000"
            ))
        })?;
        let host_and_port =
            if authority.port().is_some() { authority.to_string() } else { format!("{}:80", authority.host()) };
        let read = |path: &Path| {
            let text = fs::read_to_string(path);
            let text = text.map_err(|error| CommandError::Node(format!("cannot read {}: {error}", path.display())));
            text.map(|text| text.trim().to_owned())
        };
        Ok(Self { authority: host_and_port, token: token_file.map(read).transpose()? })
    }

    /// The answer to a GET for this path and query.
    pub(crate) fn get(&self, path: &str) -> Result<Value, CommandError> {
        self.ask("GET", path, Bytes::new())
    }

    /// The answer to a POST of this value to this path and query.
    pub(crate) fn post(&self, path: &str, value: &Value) -> Result<Value, CommandError> {
        self.ask("POST", path, value.to_string().into())
    }

    /// The answer to a DELETE of this path.
    pub(crate) fn delete(&self, path: &str) -> Result<Value, CommandError> {
        self.ask("DELETE", path, Bytes::new())
    }

    fn ask(&self, method: &str, path: &str, body: Bytes) -> Result<Value, CommandError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(CommandError::System)?;
        let answer = runtime.block_on(async { tokio::time::timeout(ANSWER, self.exchange(method, path, body)).await });
        let failed = |why: String| CommandError::Node(format!("no answer of the node at {}: {why}", self.authority));
        let (status, body) = match answer {
            Ok(exchanged) => exchanged.map_err(failed)?,
            Err(_) => return Err(failed(format!("nothing came within {} s", ANSWER.as_secs()))),
        };
        let value: Value = serde_json::from_slice(&body)
            .map_err(|_| failed(format!("{status} without JSON; is that an operator's listener?")))?;
        if status.is_success() {
            return Ok(value);
        }
        let message = value["error"]["message"].as_str().unwrap_or("no reason given");
        let refused = format!("the node at {} answered {status}: {message}", self.authority);
        Err(if status == StatusCode::NOT_FOUND { CommandError::Unknown(refused) } else { CommandError::Node(refused) })
    }

    async fn exchange(&self, method: &str, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), String> {
        let stream = TcpStream::connect(&self.authority).await.map_err(|error| error.to_string())?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
        let connection = tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, &self.authority);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|error| error.to_string())?;
        connection.abort();
        Ok((head.status, body.to_bytes()))
    }
}
