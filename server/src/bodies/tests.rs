use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::IntoResponse;
use futures::stream;
use serde_json::{Value, json};

use super::*;
use crate::test_support::client::text;

mod coded;

fn request(bytes: usize) -> Request<Body> {
    let request = Request::post("/").header(CONTENT_LENGTH, bytes);
    request.body(Body::from(vec![b'x'; bytes])).unwrap()
}

/// A body that never ends, of which so many bytes come.
fn endless(bytes: usize) -> Request<Body> {
    let first = stream::iter([Ok::<_, std::io::Error>(vec![b'x'; bytes])]);
    Request::new(Body::from_stream(first.chain(stream::pending())))
}

#[tokio::test(start_paused = true)]
async fn large_bodies_take_places_until_they_are_dropped_and_small_ones_need_none() {
    let bodies = Bodies::default();
    let large = SMALL + 1;
    let mut held = Vec::new();
    for _ in 0..AT_ONCE {
        held.push(bodies.read(request(large), large).await.ok().unwrap());
    }
    assert!(held.iter().all(|held| held.bytes.len() == large));
    let refused = bodies.read(request(large), large).await.err();
    assert_eq!(refused, Some(Unread::Busy));
    assert!(bodies.read(request(SMALL), large).await.is_ok());
    held.pop();
    assert!(bodies.read(request(large), large).await.is_ok());
}

#[tokio::test]
async fn clients_are_told_of_taken_places_as_of_any_limit() {
    let response = ApiError::from(Unread::Busy).into_response();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(response.headers().contains_key(RETRY_AFTER));
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    let error = &body["error"];
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("rate_limit_error"), &json!("rate_limit_exceeded"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_large_body_without_its_length_takes_a_place_when_it_turns_out_to_be_one() {
    let bodies = Bodies::default();
    let read = |bytes: usize| {
        let pieces = [0; 4].map(|_| Ok::<_, std::io::Error>(vec![b'x'; bytes / 4]));
        let body = Body::from_stream(stream::iter(pieces));
        bodies.read(Request::new(body), 4 * SMALL)
    };
    let held = read(2 * SMALL).await.ok().unwrap();
    assert_eq!(held.bytes.len(), 2 * SMALL);
    assert_eq!(bodies.places.available_permits(), AT_ONCE - 1);
    assert_eq!(
        read(8 * SMALL).await.err(),
        Some(Unread::TooLarge(4 * SMALL))
    );
}

#[tokio::test(start_paused = true)]
async fn a_large_body_that_does_not_arrive_gives_its_place_back() {
    let bodies = Bodies::default();
    let late = bodies.read(endless(2 * SMALL), 4 * SMALL).await.err();
    assert_eq!(late, Some(Unread::Late));
    assert_eq!(bodies.places.available_permits(), AT_ONCE);
}

#[tokio::test]
async fn a_body_that_is_announced_as_too_long_is_not_waited_for() {
    let request = Request::post("/").header(CONTENT_LENGTH, "1000000000000000");
    let request = request.body(Body::from_stream(
        stream::pending::<std::io::Result<Vec<u8>>>(),
    ));
    let refused = Bodies::default().read(request.unwrap(), SMALL).await.err();
    assert_eq!(refused, Some(Unread::TooLarge(SMALL)));
}

/// A form with a field and a file of so many bytes.
fn upload(bytes: usize) -> Request<Body> {
    let field = |head: &str, body: &str| {
        format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n")
    };
    let form = [
        field("name=\"note\"", "not this"),
        field("name=\"file\"; filename=\"a.json\"", &"x".repeat(bytes)),
        field("name=\"file\"; filename=\"b.json\"", "nor this"),
        "--b--\r\n".to_owned(),
    ];
    let request = Request::post("/").header(CONTENT_TYPE, "multipart/form-data; boundary=b");
    request.body(Body::from(form.concat())).unwrap()
}

#[tokio::test]
async fn the_first_file_of_a_form_is_read_up_to_its_limit() {
    let bodies = Bodies::new(1);
    let held = bodies.file(upload(1000), 2000).await.ok().unwrap();
    assert!(held.bytes.iter().all(|byte| *byte == b'x'));
    assert_eq!(held.bytes.len(), 1000);
    drop(held);
    let refused = bodies.file(upload(5000), 2000).await.err();
    assert_eq!(refused, Some(Unread::TooLarge(2000)));
    let plain = bodies.file(request(10), 2000).await.err();
    assert_eq!(plain, Some(Unread::Broken));
    assert_eq!(bodies.places.available_permits(), 1);
}

#[tokio::test(start_paused = true)]
async fn files_wait_for_their_place() {
    let bodies = Bodies::new(1);
    let held = bodies.file(upload(10), 2000).await.ok().unwrap();
    assert_eq!(
        bodies.file(upload(10), 2000).await.err(),
        Some(Unread::Busy)
    );
    drop(held);
    assert!(bodies.file(upload(10), 2000).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn forms_with_files_take_places_as_other_bodies_do() {
    let bodies = Bodies::new(1);
    let form = async |request: Request<Body>| {
        let boundary = form::boundary(request.headers()).unwrap();
        bodies.form(request, boundary, 4 * SMALL).await
    };
    let held = form(upload(SMALL)).await.ok().unwrap();
    assert_eq!(&held.fields[..], b"note=not+this");
    let names: Vec<_> = held.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["a.json", "b.json"]);
    assert_eq!(form(upload(1)).await.err(), Some(Unread::Busy));
    let mut small = upload(1);
    small.headers_mut().insert(CONTENT_LENGTH, 300.into());
    assert!(form(small).await.is_ok());
    drop(held);
    let cut = form(upload(8 * SMALL)).await.ok().unwrap();
    assert!(cut.is_cut && cut.files.is_empty());
    assert_eq!(&cut.fields[..], b"note=not+this");
}

#[tokio::test(start_paused = true)]
async fn a_form_that_does_not_arrive_gives_its_place_back() {
    let bodies = Bodies::default();
    let late = bodies.form(endless(10), "b".to_owned(), SMALL).await.err();
    assert_eq!(late, Some(Unread::Late));
    assert_eq!(bodies.places.available_permits(), AT_ONCE);
}
