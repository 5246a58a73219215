//! Whether an edge node says that it is ready.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Between two questions: there is no event of another process's readiness to wait for.
const PAUSE: Duration = Duration::from_millis(50);

/// For one answer.
const ANSWER: Duration = Duration::from_secs(1);

/// An answer's head and the reason in its body, which readiness keeps within 5,120 bytes.
const MAX_ANSWER_BYTES: u64 = 8 * 1024;

/// Asks until it says so. The last answer is kept in `answer` for whoever gives up waiting.
pub(super) async fn until_ready(address: SocketAddr, answer: &mut String) {
    loop {
        *answer = match timeout(ANSWER, ask(address)).await {
            Ok(Ok(text)) if is_ready(&text) => return,
            Ok(Ok(text)) => text.lines().next().unwrap_or("an empty answer").to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        sleep(PAUSE).await;
    }
}

fn is_ready(answer: &str) -> bool {
    answer.strip_prefix("HTTP/1.1 ").is_some_and(|rest| rest.starts_with("200"))
}

async fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /.well-known/tidegate/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
