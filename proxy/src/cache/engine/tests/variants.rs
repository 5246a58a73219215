//! Vary: who waits for a response of another variant gets its own.

use super::*;

const VARIES: &[&str] = &["cache-control: max-age=60", "vary: accept-language"];

fn speaks(language: &str) -> Ask {
    get_with("/a", &[&format!("accept-language: {language}")])
}

#[tokio::test]
async fn waiter_of_another_variant_goes_on_to_its_own_fill() {
    let rig = Rig::new();
    let (german, french, also_french) =
        (rig.waiting(speaks("de")), rig.waiting(speaks("fr")), rig.waiting(speaks("fr")));
    let first = rig.accept().await;
    first.answer(200, VARIES, "Guten Tag");
    assert_eq!(german.await.object().text().await.as_deref(), Ok("Guten Tag"));
    let french = tokio::spawn(french);
    let also_french = tokio::spawn(also_french);
    let second = rig.accept().await;
    assert_eq!(second.request.get("accept-language").unwrap(), "fr");
    second.answer(200, VARIES, "Bonjour");
    for asking in [french, also_french] {
        assert_eq!(asking.await.unwrap().object().text().await.as_deref(), Ok("Bonjour"));
    }
    rig.idle().await;
    assert_eq!(rig.fetches(), 2);
    for (language, text) in [("de", "Guten Tag"), ("fr", "Bonjour")] {
        let got = rig.ask(speaks(language)).await.object();
        assert_eq!(got.outcome, Outcome::Hit);
        assert_eq!(got.text().await.as_deref(), Ok(text));
    }
}

#[tokio::test]
async fn late_request_finds_the_fill_that_turned_out_its_variant() {
    let rig = Rig::new();
    let first = rig.waiting(speaks("de"));
    let exchange = rig.accept().await;
    exchange.head(200, VARIES);
    exchange.body("Guten ");
    let first = first.await.object();
    let second = rig.ask(speaks("de")).await.object();
    assert!(matches!(second.outcome, Outcome::Miss { collapsed: true, .. }));
    assert_eq!(rig.fetches(), 1);
    exchange.body("Tag");
    exchange.end();
    assert_eq!(first.text().await.as_deref(), Ok("Guten Tag"));
    assert_eq!(second.text().await.as_deref(), Ok("Guten Tag"));
    rig.idle().await;
}

#[tokio::test]
async fn variant_is_matched_also_for_what_is_too_large_to_be_stored() {
    let rig = Rig::new();
    let (german, french) = (rig.waiting(speaks("de")), rig.waiting(speaks("fr")));
    let first = rig.accept().await;
    first.head(200, &["cache-control: max-age=60", "vary: accept-language", "content-length: 999999"]);
    assert!(german.await.object().object.body.is_windowed());
    let french = tokio::spawn(french);
    let second = rig.accept().await;
    second.answer(200, VARIES, "Bonjour");
    assert_eq!(french.await.unwrap().object().text().await.as_deref(), Ok("Bonjour"));
}

#[tokio::test]
async fn starter_gets_its_response_even_if_it_varies_by_a_field_that_fills_leave_out() {
    let rig = Rig::new();
    let asking = rig.waiting(get_with("/a", &["range: bytes=0-1"]));
    rig.accept().await.answer(200, &["cache-control: max-age=60", "vary: range"], "hello");
    assert_eq!(asking.await.object().text().await.as_deref(), Ok("hello"));
    assert_eq!(rig.fetches(), 1);
}

#[tokio::test]
async fn origin_that_varies_by_ever_other_fields_keeps_nobody_waiting_for_ever() {
    let rig = Rig::new();
    let names: Vec<String> = (0..8).map(|number| format!("x-{number}")).collect();
    let mine: Vec<String> = names.iter().map(|name| format!("{name}: mine")).collect();
    let mine: Vec<&str> = mine.iter().map(String::as_str).collect();
    // A fill of somebody else's is in the way each time, and each response varies by another field.
    let mut other = rig.waiting(get("/a"));
    let mut exchange = rig.accept().await;
    let mut asking = rig.waiting(get_with("/a", &mine));
    for name in &names[..MAX_HOPS] {
        let vary = format!("vary: {name}");
        exchange.answer(200, &["cache-control: max-age=60", &vary], "theirs");
        assert_eq!(other.await.object().text().await.as_deref(), Ok("theirs"));
        rig.idle().await;
        rig.engine.invalidate(&key("/a"));
        other = rig.waiting(get("/a"));
        exchange = rig.accept().await;
        if let Some(answer) = asking.as_mut().now_or_never() {
            assert_eq!(answer.passage(), Passage::Unshareable);
            return;
        }
    }
    panic!("it still waits after {MAX_HOPS} fills of others");
}

#[tokio::test]
async fn variants_from_before_a_response_that_did_not_vary_are_out_of_reach() {
    let rig = Rig::new();
    let varies = ["cache-control: max-age=600", "vary: accept-language"];
    let speaks = |language: &str| get_with("/a", &[&format!("accept-language: {language}")]);
    rig.store(speaks("de"), &varies, "older").await;
    rig.store(speaks("fr"), &["cache-control: no-cache", "etag: \"all\""], "for all").await;
    let asking = rig.waiting(speaks("fr"));
    rig.accept().await.answer(200, &varies, "newer");
    asking.await.object();
    rig.idle().await;
    let asking = rig.waiting(speaks("de"));
    rig.accept().await.answer(200, &varies, "newest");
    assert_eq!(asking.await.object().text().await.as_deref(), Ok("newest"));
}
