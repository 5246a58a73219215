//! Redirects and maintenance.

use tidegate_tests::client::Request;
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::origin::{Origin, Script};

use super::{ALL, ask};

#[tokio::test]
async fn redirect_is_made_of_its_template_and_stays_one_field() {
    let origin = Origin::start().await;
    let config = EdgeConfig::to(&origin).routes_yaml(
        "
        - name: moved
          path: /old/*
          redirect: {status: 307, location: 'https://www.example${path}${query}'}
        - name: away
          path: /away
          redirect: {location: '${scheme}://${host}/new?from=${path}'}
        ",
    );
    let edge = Edge::start(&config).await;
    for protocol in ALL {
        let scheme = if protocol == tidegate_tests::client::Protocol::PlainHttp1 { "http" } else { "https" };
        let away = format!("{scheme}://{HOST}/new?from=/away");
        for (target, status, location) in [
            ("/old/a?b=c", 307, "https://www.example/old/a?b=c"),
            ("/old/a%20b?%0D%0Aset-cookie:%20a=b", 307, "https://www.example/old/a%20b?%0D%0Aset-cookie:%20a=b"),
            ("/away?x", 308, away.as_str()),
        ] {
            for method in ["GET", "HEAD", "POST"] {
                let answer = ask(&edge, protocol, Request::new(method, target)).await;
                assert_eq!(
                    (answer.status, answer.field("location")),
                    (status, Some(location)),
                    "{protocol:?} {method}"
                );
                assert_eq!(answer.field("set-cookie"), None, "{protocol:?} {target}");
            }
        }
    }
}

#[tokio::test]
async fn redirect_that_is_of_one_client_is_kept_by_no_cache() {
    let origin = Origin::start().await;
    let route = |name: &str, location: &str, more: &str| {
        format!("- {{name: {name}, path: /{name}, redirect: {{location: '{location}'}}{more}}}\n")
    };
    let routes = [
        route("plain", "https://www.example${path}${query}", ""),
        route("country", "https://www.example/${client.country}", ""),
        route("continent", "https://www.example/${client.continent}", ""),
        route("asn", "https://www.example/?${client.asn}", ""),
        route("address", "https://www.example/?${client.address}", ""),
        route("request", "https://www.example/?${request_id}", ""),
        route("some", "https://www.example/", ", clients: {countries: [DE]}"),
    ];
    let places = "kind: geo\nname: places\noverrides: [{networks: [127.0.0.0/8], country: DE}]";
    let config = EdgeConfig::to(&origin).routes_yaml(&routes.concat()).extra_documents(places);
    let edge = Edge::start(&config).await;
    for protocol in ALL {
        let everyone = ask(&edge, protocol, Request::get("/plain")).await;
        assert_eq!((everyone.status, everyone.field("cache-control")), (308, None), "{protocol:?}");
        for path in ["/country", "/continent", "/asn", "/address", "/request", "/some"] {
            let answer = ask(&edge, protocol, Request::get(path)).await;
            assert_eq!((answer.status, answer.field("cache-control")), (308, Some("no-store")), "{protocol:?} {path}");
        }
    }
}

#[tokio::test]
async fn route_under_maintenance_answers_503_and_serves_nothing_stored() {
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(10));
    let mut config = EdgeConfig::to(&origin);
    let edge = Edge::start(&config).await;
    for protocol in ALL {
        assert_eq!(ask(&edge, protocol, Request::get("/a")).await.status, 200);
    }
    config = config.destination_yaml("maintenance: true");
    edge.rewrite(&config);
    edge.sighup();
    let reloaded = async {
        while edge.metric("tidegate_snapshot_generation", &[]).await < 2.0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tidegate_tests::within("the reload", reloaded).await;
    for protocol in ALL {
        let answer = ask(&edge, protocol, Request::get("/a")).await;
        assert_eq!(answer.status, 503, "{protocol:?}");
        assert!(answer.field("retry-after").is_some(), "{protocol:?}");
    }
}
