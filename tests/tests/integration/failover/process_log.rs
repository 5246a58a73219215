//! What failing over leaves on standard error: no query of a client, and no line for each connection that fails.

use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::Edge;
use tidegate_tests::origin::{Script, Step};
use tidegate_tests::within;

use super::{config_to, nobody, pair};

#[tokio::test]
async fn neither_log_holds_the_query_of_a_request_that_origins_failed() {
    let (first, second) = pair().await;
    let cacheable = || Script::status(200).pattern(0, 90_000).field("cache-control", "max-age=60");
    first.on("/closed", Script::status(200).before(Step::Close));
    first.on("/silent", Script::status(200).before(Step::Hang));
    first.on("/unavailable", Script::status(503));
    first.on("/midway", cacheable().then(Step::Send(50_000)).then(Step::Reset));
    second.on("/closed", Script::status(200).text("second"));
    second.on("/silent", Script::status(200).text("second"));
    second.on("/unavailable", Script::status(200).text("second"));
    second.on("/refused", Script::status(200).text("second"));
    let (refused, first, second) = (nobody(), first.url(), second.url());
    for (origins, paths, unreachable) in [
        ([refused.as_str(), second.as_str()], &["/refused"][..], 1),
        ([first.as_str(), second.as_str()], &["/closed", "/unavailable", "/midway", "/silent"][..], 0),
        ([refused.as_str(), refused.as_str()], &["/nowhere"][..], 2),
    ] {
        let mut config = config_to(&origins, "retry: {budget_floor: 1000}\nlimits: {failures: 0%}");
        config.timeouts = vec!["read: 300ms".to_owned()];
        let edge = Edge::start(&config).await;
        let mut asked = 0;
        for path in paths {
            for protocol in Protocol::SECURE {
                let client = edge.client(protocol).await;
                for method in ["GET", "DELETE"] {
                    let request = Request::new(method, &format!("{path}?{}&token=hidden", protocol.label()));
                    // A body that breaks off is an error here; what is told of it elsewhere is the point.
                    drop(within("an answer", client.request(request)).await);
                    asked += 1;
                }
            }
        }
        let lines = edge.access_log(asked, |line| !line["route"].is_null()).await;
        assert!(lines.iter().all(|line| !line.to_string().contains("hidden")), "{lines:?}");
        let told = edge.stderr();
        assert!(!told.contains("hidden"), "{told}");
        // Once for each origin, in the seconds that this takes; `attempts` in the access log tells of each request.
        let lines = told.matches("no connection").count();
        assert!((unreachable..=2 * unreachable).contains(&lines), "{told}");
    }
}
