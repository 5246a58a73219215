//! Files of a directory: ranges, conditions, and what is out of reach.

use std::{fs, os::unix::fs::symlink};

use tidegate_origin::Root;

use crate::running::{ALPHABET, Running, alphabet, options, serving, write};

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
