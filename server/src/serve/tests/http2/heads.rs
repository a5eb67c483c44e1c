//! Heads that say where they want to go in two ways, or what only HTTP/1.1 may say.

use super::raw::{END_HEADERS, END_STREAM, Raw, head};
use super::*;

#[tokio::test]
async fn a_name_stands_in_one_place_or_is_the_same_in_both() {
    let running = start_h2c().await;
    let mut client = running.client().await;
    let at = |authority: &str| Request::get(format!("http://{authority}/health"));
    for (status, head) in [
        (200, at("localhost")),
        (200, at("localhost").header("host", "localhost")),
        (200, at("localhost").header("host", "LocalHost")),
        (200, Request::get("/health").header("host", "localhost")),
        (400, Request::get("/health")),
        (400, at("localhost").header("host", "127.0.0.1")),
        (400, at("localhost").header("host", "evil.example")),
        (400, at("evil.example").header("host", "localhost")),
        (
            400,
            at("localhost")
                .header("host", "localhost")
                .header("host", "localhost"),
        ),
        (421, at("evil.example")),
        (421, at("localhost@evil.example")),
        (
            400,
            Request::builder()
                .method("CONNECT")
                .uri("http://localhost/"),
        ),
    ] {
        let told = format!("{head:?}");
        assert_eq!(client.status(head).await, status, "{told}");
    }
}

#[tokio::test]
async fn a_post_of_a_page_is_ours_by_the_name_of_its_connection() {
    let running = start_h2c().await;
    let mut client = running.client().await;
    for (status, origin) in [(200, "http://localhost"), (403, "http://evil.example")] {
        let head = Request::post("http://localhost/api/send")
            .header("origin", origin)
            .header("accept", "application/json")
            .header("content-type", "application/x-www-form-urlencoded");
        let fields = "message=Hi&temperature=0&max_tokens=10&system_prompt=&usd_per_hour=1";
        let (told, _, text) = client.answer(head, fields.into()).await;
        assert_eq!(told, status, "{text}");
    }
}

#[tokio::test]
async fn headers_of_a_connection_reset_the_stream_that_has_them() {
    let running = start_h2c().await;
    let mut raw = Raw::connect(&running).await;
    for (stream, name) in [(1, "connection"), (3, "transfer-encoding"), (5, "upgrade")] {
        let flags = END_HEADERS | END_STREAM;
        raw.send(&head(flags, stream, Some((name, "close")))).await;
        assert_eq!(raw.reset_of(stream).await, Some(1), "{name}");
    }
}

#[tokio::test]
async fn heads_over_the_limits_are_refused_in_words_and_far_over_them_by_a_status() {
    let running = start_h2c().await;
    let mut client = running.client().await;
    for (count, bytes, said) in [
        (101, 10, "headers, and may have at most 100"),
        (3, 6000, "bytes, and may have at most 16384"),
        (8, 6000, ""),
    ] {
        let mut head = get("/v1/models");
        for _ in 0..count {
            head = head.header("x", "x".repeat(bytes));
        }
        let (status, _, text) = client.answer(head, Bytes::new()).await;
        assert_eq!(status, 431, "{text}");
        assert!(text.contains(said), "{text}");
        assert_eq!(text.is_empty(), said.is_empty(), "{text}");
    }
    assert_eq!(client.status(get("/health")).await, 200);
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_for_its_body_is_asked_or_refused() {
    let running = start_h2c().await;
    let client = running.client().await;
    for (asked, length) in [(true, CHAT.len()), (false, 3_000_000)] {
        let head = post()
            .header("expect", "100-continue")
            .header("content-length", length);
        let mut requests = client.requests.clone().ready().await.unwrap();
        let sent = requests.send_request(head.body(()).unwrap(), false);
        let (mut response, mut body) = sent.unwrap();
        let interim =
            async { std::future::poll_fn(|context| response.poll_informational(context)).await };
        let interim = tokio::time::timeout(Duration::from_millis(200), interim).await;
        let interim = interim.ok().flatten().map(|head| head.unwrap().status());
        assert_eq!(interim, asked.then_some(StatusCode::CONTINUE));
        if asked {
            body.send_data(CHAT.into(), true).unwrap();
            finish(running.asked().await, FinishReason::Stop);
        }
        let (status, _, text) = read(response).await;
        assert_eq!(status == 200, asked, "{text}");
    }
}
