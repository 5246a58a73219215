use http::header;
use tidegate_config::load_texts;
use tidegate_config::model::Model;

use super::*;

const REST: &str = "{kind: node, name: a, pop: p}\n---\n{kind: region, name: eu}\n---\n\
    {kind: pop, name: p, region: eu}\n---\n{kind: origin_pool, name: o, origins: [{name: a, url: 'http://127.0.0.1', \
    region: eu}]}\n---\n";

fn model(site: &str) -> Model {
    let text = format!("{REST}kind: site\nname: s\nhosts: [a.example]\n{site}");
    load_texts(&[("edge.yaml".into(), text)]).unwrap_or_else(|problems| panic!("{problems}"))
}

fn accepting(accept: &str) -> HeaderMap {
    let mut fields = HeaderMap::new();
    if !accept.is_empty() {
        fields.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
    }
    fields
}

const FAILURE: Failure<'static> = Failure { status: StatusCode::BAD_GATEWAY, request_id: "0123abcd" };

#[track_caller]
fn check(accept: &str, page: Option<&ErrorPage>, content_type: &str) {
    let body = error_body(FAILURE, &accepting(accept), page);
    assert_eq!(body.content_type, content_type, "Accept: {accept}");
    let text = String::from_utf8(body.content.to_vec()).unwrap();
    assert!(text.contains("0123abcd"), "{text}");
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";

#[test]
fn clients_that_do_not_care_get_plain_text() {
    for accept in ["", "*/*", "text/*", "*/*;q=0.1", "nonsense", "text/html;q=2", "image/avif,image/webp,*/*;q=0.8"] {
        check(accept, None, TEXT);
    }
}

#[test]
fn clients_get_the_form_they_prefer() {
    check("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", None, HTML);
    check("application/json", None, JSON);
    check("APPLICATION/JSON ; charset=utf-8", None, JSON);
    check("application/json, text/plain, */*", None, JSON);
    check("text/plain, application/json", None, TEXT);
    check("text/html;q=0.5, application/json;q=0.6", None, JSON);
    check("text/html;q=0.5, application/json;Q=0.500", None, HTML);
    check("application/*", None, JSON);
    check("text/plain;q=0, text/*", None, HTML);
    check("text/plain;q=0.1, */*;q=0.2, application/json;q=0", None, HTML);
}

#[test]
fn clients_that_take_nothing_of_ours_get_plain_text_all_the_same() {
    check("video/mp4", None, TEXT);
    check("*/*;q=0", None, TEXT);
    check("text/plain;q=0", None, TEXT);
}

#[test]
fn own_page_comes_first_where_it_is_accepted() {
    let model = model(
        "error_pages: [{statuses: [502], content: '<p>${request_id} ${status} ${reason} ${other} $'}]\n\
         routes: [{name: r, origin_pool: o}]\n",
    );
    let page = page_for(FAILURE.status, None, Some(&model.sites[0])).expect("a page");
    check("", Some(page), HTML);
    check("*/*", Some(page), HTML);
    check("text/html, */*;q=0.1", Some(page), HTML);
    check("application/json", Some(page), JSON);
    check("application/json, text/html;q=0.9", Some(page), JSON);
    check("text/plain, */*;q=0.5", Some(page), TEXT);
    check("text/html;q=0, */*", Some(page), TEXT);
    let body = error_body(FAILURE, &accepting("text/html"), Some(page));
    assert_eq!(body.content, "<p>0123abcd 502 Bad Gateway ${other} $");
}

#[test]
fn pages_of_the_route_go_before_those_of_the_site() {
    let model = model(
        "error_pages: [{statuses: [500-503], content: site}, {statuses: [502], content: never}]\n\
         routes: [{name: r, origin_pool: o, error_pages: [{statuses: [502], content: route}]}]\n",
    );
    let site = &model.sites[0];
    let check = |status: u16, route: Option<&Route>, expected: Option<&str>| {
        let page = page_for(StatusCode::from_u16(status).unwrap(), route, Some(site));
        assert_eq!(page.map(|page| page.content.as_ref()), expected, "{status}");
    };
    check(502, Some(&site.routes[0]), Some("route"));
    check(503, Some(&site.routes[0]), Some("site"));
    check(502, None, Some("site"));
    check(504, Some(&site.routes[0]), None);
}

#[test]
fn bodies_of_origins_are_replaced_only_where_both_sides_want_it() {
    let model = model(
        "error_pages: [{statuses: [502], content: own, replace_origin: true}, {statuses: [503], content: own}]\n\
         routes: [{name: r, origin_pool: o}]\n",
    );
    let check = |status: u16, accept: &str, expected: bool| {
        let failure = Failure { status: StatusCode::from_u16(status).unwrap(), request_id: "1" };
        let page = page_for(failure.status, None, Some(&model.sites[0]));
        assert_eq!(replacement(failure, &accepting(accept), page).is_some(), expected, "{status} {accept}");
    };
    check(502, "", true);
    check(502, "text/html", true);
    check(502, "application/json", false);
    check(503, "", false);
    check(504, "", false);
}

#[test]
fn bodies_are_what_they_say_they_are() {
    let body = error_body(FAILURE, &accepting("application/json"), None);
    let json: serde_json::Value = serde_json::from_slice(&body.content).unwrap();
    assert_eq!(json, serde_json::json!({ "status": 502, "error": "Bad Gateway", "request_id": "0123abcd" }));
    let body = error_body(FAILURE, &accepting(""), None);
    assert_eq!(body.content, "502 Bad Gateway\nrequest 0123abcd\n");
    let body = error_body(FAILURE, &accepting("text/html"), None);
    assert!(body.content.starts_with(b"<!doctype html>"));
}
