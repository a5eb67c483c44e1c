//! Heads that say one thing to one reader and another to the next, and what is too large.

use std::sync::atomic::{AtomicBool, Ordering};

use nibble_engine::{Answer, Error, ModelInfo, Request};

use super::*;

/// The whole reply to bytes that are not closed after: the server has to know by itself that there is nothing to wait for.
async fn reply(address: SocketAddr, request: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut reply = vec![0; 4096];
    let read = tokio::time::timeout(Duration::from_secs(5), connection.read(&mut reply));
    let read = read.await.expect("a reply").unwrap();
    String::from_utf8_lossy(&reply[..read]).into_owned()
}

fn head(lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("{lines}\r\n")
}

#[tokio::test]
async fn heads_of_two_meanings_are_refused() {
    let running = start().await;
    let (local, chat) = ("host: localhost", "POST /v1/chat/completions HTTP/1.1");
    let accept = "accept: application/json";
    for (status, lines) in [
        (400, &["GET / HTTP/1.1", local, local][..]),
        (400, &["GET / HTTP/1.1", "host: evil.example", local]),
        (400, &["GET / HTTP/1.1"]),
        (421, &["GET http://evil.example/ HTTP/1.1", local]),
        (421, &["GET http://localhost@evil.example/ HTTP/1.1", local]),
        (
            421,
            &["GET http://localhost/ HTTP/1.1", "host: evil.example"],
        ),
        (200, &["GET http://localhost/health HTTP/1.1", local]),
        (200, &["GET http://127.0.0.1:80/health HTTP/1.1", local]),
        (400, &[chat, local, "transfer-encoding: identity, chunked"]),
        (
            400,
            &[
                chat,
                local,
                "transfer-encoding: gzip",
                "transfer-encoding: chunked",
            ],
        ),
        (400, &[chat, local, "transfer-encoding: chunked, chunked"]),
        (400, &["OPTIONS * HTTP/1.1", local]),
        (400, &["OPTIONS * HTTP/1.1", local, accept]),
        (400, &["CONNECT localhost:80 HTTP/1.1", local]),
        (413, &[chat, local, "content-length: 1000000000000000"]),
        (
            413,
            &[
                "POST /api/send HTTP/1.1",
                local,
                "content-length: 1000000000000000",
            ],
        ),
        (
            413,
            &[
                chat,
                local,
                "content-length: 2097153",
                "expect: 100-continue",
            ],
        ),
    ] {
        let text = reply(running.address, &head(lines)).await;
        let expected = format!("HTTP/1.1 {status}");
        assert!(text.starts_with(&expected), "{lines:?}: {text}");
    }
}

#[tokio::test]
async fn a_head_over_the_limits_is_refused_in_words_and_one_far_over_them_by_its_status() {
    let running = start().await;
    let filled = |count: usize, bytes: usize| {
        let rest = format!("x: {}\r\n", "x".repeat(bytes)).repeat(count);
        format!("GET /v1/models HTTP/1.1\r\nhost: localhost\r\n{rest}\r\n")
    };
    for (count, bytes, said) in [
        (
            100,
            10,
            "the request has 101 headers, and may have at most 100",
        ),
        (3, 6000, "bytes, and may have at most 16384"),
        (300, 10, ""),
        (1, 200_000, ""),
    ] {
        let text = reply(running.address, &filled(count, bytes)).await;
        assert!(text.starts_with("HTTP/1.1 431"), "{text}");
        assert!(text.contains(said), "{text}");
        assert_eq!(text.contains("\"error\""), !said.is_empty(), "{text}");
    }
    let address = "x".repeat(9000);
    let long = head(&[&format!("GET /{address} HTTP/1.1"), "host: localhost"]);
    let text = reply(running.address, &long).await;
    assert!(text.starts_with("HTTP/1.1 414"), "{text}");
    assert!(
        text.contains("9001 bytes, and may have at most 8192"),
        "{text}"
    );
    let text = reply(running.address, &filled(90, 100)).await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

fn chat() -> String {
    let ask = r#"{"messages": [{"role": "user", "content": "Hi"}]}"#;
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{ask}",
        ask.len()
    )
}

/// A generator that has bugs, once a server has begun with it.
#[derive(Default)]
struct Buggy {
    held: Held,
    has_begun: AtomicBool,
}

impl Generator for Buggy {
    fn info(&self) -> &ModelInfo {
        self.held.info()
    }

    fn load(&self) -> nibble_engine::Load {
        assert!(!self.has_begun.swap(true, Ordering::Relaxed), "a bug");
        nibble_engine::Load::default()
    }

    fn submit(&self, _: Request) -> Result<Answer, Error> {
        panic!("a bug");
    }
}

#[tokio::test]
async fn a_panic_ends_its_request_and_no_other() {
    let (address, _shutdown, _server) = start_with(Arc::new(Buggy::default())).await;
    let local = "host: localhost";
    for (status, request) in [
        (500, chat()),
        (500, head(&["GET /metrics HTTP/1.1", local])),
        (200, head(&["GET /health HTTP/1.1", local])),
    ] {
        let text = reply(address, &request).await;
        let expected = format!("HTTP/1.1 {status}");
        assert!(text.starts_with(&expected), "{request}: {text}");
    }
}

/// A generator on a machine that has no thread left.
struct Starved(Held);

impl Generator for Starved {
    fn info(&self) -> &ModelInfo {
        self.0.info()
    }

    fn submit(&self, _: Request) -> Result<Answer, Error> {
        Err(Error::NoThread(io::ErrorKind::WouldBlock.into()))
    }
}

#[tokio::test]
async fn a_lack_of_threads_is_not_the_clients_fault() {
    let starved = Arc::new(Starved(Held::default()));
    let (address, _shutdown, _server) = start_with(starved).await;
    let text = reply(address, &chat()).await;
    assert!(text.starts_with("HTTP/1.1 503"), "{text}");
    assert!(text.contains("retry-after: 5"), "{text}");
    assert!(text.contains("no thread"), "{text}");
}

/// A client that would send more could not know where its next request begins.
#[tokio::test]
async fn who_is_refused_before_its_body_has_come_is_told_that_the_connection_ends() {
    let running = start().await;
    let (local, chat) = ("host: localhost", "POST /v1/chat/completions HTTP/1.1");
    let many = "content-length: 3000000";
    let foreign = "host: evil.example";
    let (some, coded) = ("content-length: 100", "content-encoding: zstd");
    for (status, lines) in [
        (413, &[chat, local, many][..]),
        (421, &[chat, foreign, some]),
        (415, &[chat, local, some, coded]),
        (404, &["POST /v1/nowhere HTTP/1.1", local, some]),
        (
            405,
            &[
                "POST /v1/models HTTP/1.1",
                local,
                "transfer-encoding: chunked",
            ],
        ),
    ] {
        let text = reply(running.address, &head(lines)).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{text}");
        assert!(text.contains("\r\nconnection: close\r\n"), "{text}");
    }
    for lines in [
        &["GET /health HTTP/1.1", local][..],
        &["GET /v1/nowhere HTTP/1.1", local],
        &["POST /v1/nowhere HTTP/1.1", local, "content-length: 0"],
    ] {
        let text = reply(running.address, &head(lines)).await;
        assert!(!text.contains("connection: close"), "{text}");
    }
}

#[tokio::test]
async fn the_preface_of_http_2_ends_its_connection_and_no_other() {
    let running = start().await;
    let text = reply(running.address, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(!text.starts_with("HTTP/1.1 200"), "{text}");
    let health = head(&["GET /health HTTP/1.1", "host: localhost"]);
    let text = reply(running.address, &health).await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}
