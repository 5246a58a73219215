//! HTTP/2 on a listener.

use std::time::Duration;

use bytes::Bytes;
use futures::future::{join_all, try_join_all};
use h2::Reason;
use h2::client::{ResponseFuture, SendRequest};
use http::Request;
use rustls::version::TLS13;
use tidegate_config::units::ByteSize;
use tokio::task::JoinHandle;

use super::{HOST, Server, limits, tls, within};

/// A client connection; the task ends with it.
struct Client {
    requests: SendRequest<Bytes>,
    driving: JoinHandle<Result<(), h2::Error>>,
}

impl Client {
    async fn connect(server: &Server) -> Self {
        let stream = tls::connect(server, &[&TLS13], &["h2", "http/1.1"]).await;
        let (requests, connection) = within(h2::client::handshake(stream)).await.unwrap();
        Self { requests, driving: tokio::spawn(connection) }
    }

    fn start(&mut self, path: &str) -> Result<ResponseFuture, h2::Error> {
        let request = Request::get(format!("https://{HOST}{path}")).body(()).unwrap();
        self.requests.send_request(request, true).map(|(response, _body)| response)
    }

    async fn get(&mut self, path: &str) -> Result<(u16, Vec<u8>), h2::Error> {
        self.requests = within(self.requests.clone().ready()).await?;
        let response = self.start(path)?;
        within(finish(response)).await
    }

    /// Waits for the end of the connection.
    async fn ended(self) -> Result<(), h2::Error> {
        let Self { requests, driving } = self;
        drop(requests);
        within(driving).await.unwrap()
    }
}

async fn finish(response: ResponseFuture) -> Result<(u16, Vec<u8>), h2::Error> {
    let (head, mut body) = response.await?.into_parts();
    let mut all = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        all.extend_from_slice(&piece);
    }
    Ok((head.status.as_u16(), all))
}

#[tokio::test]
async fn many_streams_share_a_connection() {
    let server = Server::tls(limits()).await;
    let mut client = Client::connect(&server).await;
    assert_eq!(client.get("/").await.unwrap().1, format!("h2 TLSv1.3 {HOST} / 0").as_bytes());
    for _ in 0..5 {
        let responses: Vec<_> = (0..100).map(|number| client.start(&format!("/{number}")).unwrap()).collect();
        let answers = within(try_join_all(responses.into_iter().map(finish))).await.unwrap();
        for (number, (status, body)) in answers.into_iter().enumerate() {
            assert_eq!(status, 200);
            assert_eq!(body, format!("h2 TLSv1.3 {HOST} /{number} 0").as_bytes());
        }
    }
    assert_eq!(server.observed.count("opened h2"), 1);
}

#[tokio::test]
async fn what_is_ready_is_answered_next_to_what_is_not() {
    let server = Server::tls(limits()).await;
    let mut client = Client::connect(&server).await;
    for _ in 0..5 {
        let paths = ["/ready", "/other", "/ready-large", "/ready"];
        let responses: Vec<_> = (0..100).map(|number| client.start(paths[number % 4]).unwrap()).collect();
        let answers = within(try_join_all(responses.into_iter().map(finish))).await.unwrap();
        for (number, (status, body)) in answers.into_iter().enumerate() {
            assert_eq!(status, 200);
            match paths[number % 4] {
                "/ready" => assert_eq!(body, b"ready"),
                "/ready-large" => assert_eq!(body.len(), 1 << 20),
                _ => assert!(body.ends_with(b"/other 0")),
            }
        }
    }
    assert_eq!(server.observed.count("opened h2"), 1);
}

#[tokio::test]
async fn large_bodies_arrive_whole_next_to_small_ones() {
    let server = Server::tls(limits()).await;
    let mut client = Client::connect(&server).await;
    let responses: Vec<_> =
        (0..20).map(|number| client.start(if number % 2 == 0 { "/large" } else { "/small" }).unwrap()).collect();
    let answers = within(try_join_all(responses.into_iter().map(finish))).await.unwrap();
    assert!(answers.iter().step_by(2).all(|(_status, body)| body.len() == 1 << 20));
    assert!(answers.iter().skip(1).step_by(2).all(|(_status, body)| body.ends_with(b"/small 0")));
}

#[tokio::test]
async fn upload_of_more_than_the_windows_is_read() {
    let server = Server::tls(limits()).await;
    let mut client = Client::connect(&server).await;
    let request = Request::post(format!("https://{HOST}/up")).body(()).unwrap();
    let (response, mut body) = client.requests.send_request(request, false).unwrap();
    within(async {
        for _ in 0..50 {
            body.reserve_capacity(100_000);
            let mut left = 100_000;
            while left > 0 {
                let granted = std::future::poll_fn(|context| body.poll_capacity(context)).await.unwrap().unwrap();
                let piece = granted.min(left);
                body.send_data(Bytes::from(vec![0; piece]), false).unwrap();
                left -= piece;
            }
        }
        body.send_data(Bytes::new(), true).unwrap();
    })
    .await;
    assert!(within(finish(response)).await.unwrap().1.ends_with(b"/up 5000000"));
}

#[tokio::test]
async fn drain_sends_goaway_and_finishes_what_is_in_flight() {
    let server = Server::tls(limits()).await;
    let mut client = Client::connect(&server).await;
    let waiting = client.start("/wait").unwrap();
    server.entered().await;
    server.drain.send_replace(true);
    // GOAWAY has come once the client may open no more streams.
    within(async { while client.get("/").await.is_ok() {} }).await;
    server.release(1);
    assert!(within(finish(waiting)).await.unwrap().1.ends_with(b"/wait 0"));
    client.ended().await.unwrap();
    let mut new = Client::connect(&server).await;
    assert_eq!(new.get("/").await.unwrap().0, 200);
    new.ended().await.unwrap();
}

/// What was answered without a task is in flight until the client has taken it, however slow it is.
#[tokio::test]
async fn drain_waits_for_a_client_that_takes_what_is_answered_little_by_little() {
    let server = Server::tls(limits()).await;
    let stream = tls::connect(&server, &[&TLS13], &["h2"]).await;
    let greeting = h2::client::Builder::new().initial_window_size(2).handshake(stream);
    let (requests, connection) = within(greeting).await.unwrap();
    let mut client = Client { requests, driving: tokio::spawn(connection) };
    let mut body = within(client.start("/ready").unwrap()).await.unwrap().into_body();
    let mut taken = within(body.data()).await.unwrap().unwrap().to_vec();
    server.drain.send_replace(true);
    within(async {
        while client.start("/other").is_ok() {
            tokio::task::yield_now().await
        }
    })
    .await;
    // Longer than a connection with nothing in flight is waited for.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    while taken.len() < 5 {
        body.flow_control().release_capacity(2).unwrap();
        taken.extend_from_slice(&within(body.data()).await.expect("it was cut").expect("it was cut"));
    }
    assert_eq!(taken, b"ready");
}

#[tokio::test]
async fn stop_ends_only_after_the_streams_in_flight() {
    let server = Server::tls(limits()).await;
    let mut client = Client::connect(&server).await;
    let waiting: Vec<_> = (0..3).map(|_| client.start("/wait").unwrap()).collect();
    for _ in 0..3 {
        server.entered().await;
    }
    server.stop.send_replace(true);
    within(async { while client.get("/").await.is_ok() {} }).await;
    assert!(!server.serving.is_finished());
    server.release(3);
    for answer in within(join_all(waiting.into_iter().map(finish))).await {
        assert_eq!(answer.unwrap().0, 200);
    }
    client.ended().await.unwrap();
    server.ended().await;
}

#[tokio::test]
async fn idle_connection_is_closed_and_a_busy_one_is_not() {
    let mut limits = limits();
    limits.idle_timeout = Duration::from_millis(200);
    let server = Server::tls(limits).await;
    let mut busy = Client::connect(&server).await;
    let waiting = busy.start("/wait").unwrap();
    server.entered().await;
    let mut idle = Client::connect(&server).await;
    assert_eq!(idle.get("/").await.unwrap().0, 200);
    let keep = idle.requests.clone();
    within(idle.driving).await.unwrap().unwrap();
    drop(keep);
    server.release(1);
    assert_eq!(within(finish(waiting)).await.unwrap().0, 200);
}

#[tokio::test]
async fn idle_connection_ends_after_its_lifetime() {
    let mut limits = limits();
    limits.connection_lifetime = Duration::from_millis(200);
    let server = Server::tls(limits).await;
    let mut client = Client::connect(&server).await;
    assert_eq!(client.get("/").await.unwrap().0, 200);
    let keep = client.requests.clone();
    within(client.driving).await.unwrap().unwrap();
    drop(keep);
}

#[tokio::test]
async fn requests_beyond_a_limit_are_refused_one_by_one() {
    let mut limits = limits();
    limits.target_bytes = ByteSize(300);
    limits.header_bytes = ByteSize(1000);
    limits.header_count = 10;
    let server = Server::tls(limits).await;
    let mut client = Client::connect(&server).await;
    assert_eq!(client.get(&format!("/{}", "a".repeat(300))).await.unwrap().0, 414);
    let with_fields = |count: usize, length: usize| {
        let mut request = Request::get(format!("https://{HOST}/"));
        for number in 0..count {
            request = request.header(format!("x-{number}"), "a".repeat(length));
        }
        request.body(()).unwrap()
    };
    for (count, length, expected) in [(10, 1, 200), (11, 1, 431), (2, 2000, 431)] {
        let (response, _body) = client.requests.send_request(with_fields(count, length), true).unwrap();
        assert_eq!(within(finish(response)).await.unwrap().0, expected, "{count} fields of {length} bytes");
    }
    assert_eq!(client.get("/").await.unwrap().0, 200);
}

#[tokio::test]
async fn streams_reset_at_once_end_the_connection() {
    let server = Server::tls(limits()).await;
    let mut client = Client::connect(&server).await;
    let outcome = within(async {
        for _ in 0..10_000 {
            client.requests = client.requests.clone().ready().await?;
            let request = Request::get(format!("https://{HOST}/")).body(()).unwrap();
            let (_response, mut stream) = client.requests.send_request(request, false)?;
            stream.send_reset(Reason::CANCEL);
            tokio::task::yield_now().await;
        }
        Ok::<_, h2::Error>(())
    })
    .await;
    // The client may see GOAWAY, or only that writing fails.
    assert!(outcome.is_err());
}

#[tokio::test]
async fn requests_left_behind_by_resets_are_bounded() {
    let mut limits = limits();
    limits.streams = 10;
    let server = Server::tls(limits).await;
    let mut client = Client::connect(&server).await;
    let mut begun = 0;
    // Each request goes on in the application after the client has forgotten it.
    let refused = loop {
        let mut response = client.start("/wait").unwrap();
        tokio::select! {
            () = server.entered() => begun += 1,
            refused = &mut response => break refused.expect_err("nothing is answered"),
        }
        assert!(begun <= 20, "{begun} requests run");
    };
    assert_eq!(begun, 20, "honest cancellation is not punished");
    assert_eq!(refused.reason(), Some(Reason::REFUSED_STREAM));
    // Once they are over there is room again, on the same connection.
    server.release(20);
    within(async {
        while client.get("/").await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // Whoever goes on all the same is at the end of its credit before long.
    let mut waiting = Vec::new();
    let ended = within(async {
        for request in 0..20_000 {
            client.requests = client.requests.clone().ready().await?;
            waiting.push(client.start("/wait")?);
            if request % 5 == 0 {
                waiting.clear();
            }
            tokio::task::yield_now().await;
        }
        Ok::<_, h2::Error>(())
    })
    .await;
    assert!(ended.is_err(), "it went on without end");
}

#[tokio::test]
async fn connection_ends_after_its_last_request() {
    let mut limits = limits();
    limits.requests_per_connection = 3;
    let server = Server::tls(limits).await;
    let mut client = Client::connect(&server).await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.unwrap().0, 200);
    }
    within(client.driving).await.unwrap().unwrap();
}
