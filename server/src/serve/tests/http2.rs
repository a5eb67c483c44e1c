//! HTTP/2 as proxies speak it behind TLS: with prior knowledge.

use axum::body::Bytes;
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request, StatusCode};
use h2::client::{self, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};

use super::*;

mod heads;
mod limits;
mod places;
mod raw;
mod taken_back;

const CHAT: &str = r#"{"messages": [{"role": "user", "content": "Hi"}]}"#;
const STREAMED: &str = r#"{"messages": [{"role": "user", "content": "Hi"}], "stream": true}"#;

/// Where the clock is paused it goes in steps that each take a moment, or it could leap to a limit while the system has bytes
/// on their way.
async fn start_h2c() -> Running {
    tokio::spawn(async {
        loop {
            tokio::time::sleep(Duration::from_millis(250)).await;
            std::thread::sleep(Duration::from_micros(500));
        }
    });
    start_as(Settings {
        h2c: true,
        ..settings()
    })
    .await
}

/// A connection, which reads no more of a stream than is asked of it.
struct Client {
    requests: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

/// A stream that has asked.
struct Asking {
    response: ResponseFuture,
    body: SendStream<Bytes>,
    sender: AnswerSender,
}

impl Running {
    async fn client(&self) -> Client {
        self.client_with_window(65_535).await
    }

    async fn client_with_window(&self, window: u32) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let mut builder = client::Builder::new();
        builder
            .initial_window_size(window)
            .initial_connection_window_size(1 << 24);
        let (requests, connection) = builder.handshake(stream).await.unwrap();
        Client {
            requests,
            connection: tokio::spawn(connection),
        }
    }

    /// The answer of the engine to what is asked for.
    async fn asked(&self) -> AnswerSender {
        self.asked_with_request().await.1
    }

    async fn asked_with_request(&self) -> (nibble_engine::Request, AnswerSender) {
        loop {
            if let Some(asked) = self.generator.take() {
                return asked;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn ask_on(&self, client: &mut Client, body: &'static str) -> Asking {
        let (response, body) = client.send(post(), body.into()).await;
        let sender = self.asked().await;
        Asking {
            response,
            body,
            sender,
        }
    }
}

fn get(path: &str) -> Builder {
    Request::get(format!("http://localhost{path}"))
}

fn post() -> Builder {
    Request::post("http://localhost/v1/chat/completions")
}

impl Client {
    /// Begins a request with all of its body, which the server need not take at once.
    async fn send(&mut self, head: Builder, body: Bytes) -> (ResponseFuture, SendStream<Bytes>) {
        let mut requests = self.requests.clone().ready().await.unwrap();
        let is_whole = body.is_empty();
        let sent = requests.send_request(head.body(()).unwrap(), is_whole);
        let (response, mut stream) = sent.unwrap();
        if !is_whole {
            stream.send_data(body, true).unwrap();
        }
        (response, stream)
    }

    async fn answer(&mut self, head: Builder, body: Bytes) -> (StatusCode, HeaderMap, String) {
        let (response, _stream) = self.send(head, body).await;
        read(response).await
    }

    async fn status(&mut self, head: Builder) -> StatusCode {
        self.answer(head, Bytes::new()).await.0
    }
}

async fn read(response: ResponseFuture) -> (StatusCode, HeaderMap, String) {
    let (head, mut body) = response.await.unwrap().into_parts();
    let text = rest_of(&mut body).await.unwrap();
    (head.status, head.headers, text)
}

/// All that still comes, as a reader that takes it.
async fn rest_of(body: &mut RecvStream) -> Result<String, h2::Error> {
    let mut text = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        text.extend_from_slice(&piece);
        body.flow_control().release_capacity(piece.len())?;
    }
    Ok(String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn a_chat_streams_beside_others_on_one_connection() {
    let running = start_h2c().await;
    let mut client = running.client().await;
    let mut first = running.ask_on(&mut client, STREAMED).await;
    let second = running.ask_on(&mut client, CHAT).await;
    let (head, mut body) = (&mut first.response).await.unwrap().into_parts();
    first.sender.send(Event::Text("one".into()));
    let mut begin = String::new();
    while !begin.contains("one") {
        let piece = body.data().await.unwrap().unwrap();
        begin += std::str::from_utf8(&piece).unwrap();
    }
    second.sender.send(Event::Text("two".into()));
    finish(second.sender, FinishReason::Stop);
    let (status, headers, text) = read(second.response).await;
    assert_eq!(status, 200);
    assert!(text.contains("two"), "{text}");
    for headers in [&head.headers, &headers] {
        assert!(headers.contains_key("x-request-id"), "{headers:?}");
        assert!(headers.contains_key("date"), "{headers:?}");
        assert!(!headers.contains_key("connection"), "{headers:?}");
    }
    finish(first.sender, FinishReason::Stop);
    let text = rest_of(&mut body).await.unwrap();
    assert!(text.contains("[DONE]"), "{text}");
}

#[tokio::test]
async fn a_page_comes_whole_and_http_1_is_spoken_on_the_same_port() {
    let running = start_h2c().await;
    let mut client = running.client().await;
    let (status, _, text) = client.answer(get("/about"), Bytes::new()).await;
    assert_eq!(status, 200);
    assert!(text.ends_with("</html>"), "{text}");
    assert_eq!(client.status(get("/v1/nowhere")).await, 404);
    // A client may take its time over the first line, and that of both begins with the same letter.
    let mut slow = TcpStream::connect(running.address).await.unwrap();
    let request = b"POST /v1/nowhere HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    for byte in request {
        slow.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let text = rest(slow).await;
    assert!(text.starts_with("HTTP/1.1 404"), "{text}");
}

#[tokio::test]
async fn a_stream_that_is_taken_back_cancels_its_answer_and_no_other() {
    let running = start_h2c().await;
    let mut client = running.client().await;
    let stays = running.ask_on(&mut client, STREAMED).await;
    for body in [CHAT, STREAMED] {
        let mut asking = running.ask_on(&mut client, body).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!asking.sender.is_abandoned());
        asking.body.send_reset(Reason::CANCEL);
        assert!(becomes_abandoned(&asking.sender).await, "{body}");
    }
    assert!(!stays.sender.is_abandoned());
    client.connection.abort();
    assert!(becomes_abandoned(&stays.sender).await);
}

#[tokio::test]
async fn large_bodies_come_whole_or_are_refused_and_others_go_on() {
    let running = start_h2c().await;
    let mut client = running.client().await;
    let text = "x".repeat(300_000);
    let body = format!(r#"{{"input": "{text}", "model": "none"}}"#);
    let head = || Request::post("http://localhost/v1/embeddings");
    let (status, _, answer) = client.answer(head(), body.into()).await;
    assert_eq!(status, 404, "{answer}");
    for declared in [true, false] {
        let head = match declared {
            true => head().header("content-length", "3000000"),
            false => head(),
        };
        let (response, _body) = client.send(head, vec![b' '; 3_000_000].into()).await;
        let (status, headers, answer) = read(response).await;
        assert_eq!(status, 413, "{answer}");
        assert!(!headers.contains_key("connection"), "{headers:?}");
    }
    assert_eq!(client.status(get("/health")).await, 200);
}

#[tokio::test]
async fn a_coded_body_is_read_and_callers_are_told_apart_behind_a_proxy() {
    use std::io::Write;
    let running = start_h2c().await;
    let mut client = running.client().await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(CHAT.as_bytes()).unwrap();
    let body = Bytes::from(gzip.finish().unwrap());
    let mut callers = Vec::new();
    for from in ["192.0.2.1", "192.0.2.2"] {
        let head = post()
            .header("content-encoding", "gzip")
            .header("x-forwarded-for", from)
            .header("x-request-id", from);
        let (response, _body) = client.send(head, body.clone()).await;
        let (request, sender) = running.asked_with_request().await;
        finish(sender, FinishReason::Stop);
        callers.push(request.caller);
        let (status, headers, text) = read(response).await;
        assert_eq!(status, 200, "{text}");
        assert_eq!(headers["x-request-id"], from);
    }
    assert_ne!(callers[0], callers[1]);
}

#[tokio::test]
async fn open_streams_become_complete_when_the_server_ends_and_no_more_are_taken() {
    let running = start_h2c().await;
    let mut client = running.client().await;
    let idle = running.client().await;
    let asking = running.ask_on(&mut client, STREAMED).await;
    running.shutdown.send(()).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    asking.sender.send(Event::Text("whole".into()));
    finish(asking.sender, FinishReason::Stop);
    let (status, _, text) = read(asking.response).await;
    assert_eq!(status, 200);
    assert!(text.contains("whole") && text.contains("[DONE]"), "{text}");
    running.server.await.unwrap().unwrap();
    for client in [client, idle] {
        // Both were told so: that is no error.
        client.connection.await.unwrap().unwrap();
    }
}
