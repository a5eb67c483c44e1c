use std::net::SocketAddr;
use std::sync::Arc;

use nibble_engine::metrics::Metrics;
use nibble_engine::{AnswerSender, Completion, Event, FinishReason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::generator::Generator;
use crate::state::Settings;
use crate::test_support::browser::store;
use crate::test_support::held::{Held, is_left};
use crate::test_support::stopped::Stopped;

mod framing;
mod http2;
mod limits;

const GRACE: Duration = Duration::from_secs(20);

struct Running {
    generator: Arc<Held>,
    address: SocketAddr,
    shutdown: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

/// Connections at a time; three quarters of them may be ours.
const CONNECTIONS: usize = 16;

fn settings() -> Settings {
    Settings {
        usd_per_hour: 1.0,
        allowed_hosts: Vec::new(),
        grace: GRACE,
        default_max_tokens: 4096,
        connections: CONNECTIONS,
        h2c: false,
    }
}

async fn start() -> Running {
    start_as(settings()).await
}

async fn start_as(settings: Settings) -> Running {
    let generator = Arc::new(Held::default());
    let (address, shutdown, server) = start_of(generator.clone(), settings).await;
    Running {
        generator,
        address,
        shutdown,
        server,
    }
}

async fn start_with(
    generator: Arc<dyn Generator>,
) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<io::Result<()>>) {
    start_of(generator, settings()).await
}

async fn start_of(
    generator: Arc<dyn Generator>,
    settings: Settings,
) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<io::Result<()>>) {
    let state = AppState::new(generator, settings, store(), None);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (shutdown, asked) = oneshot::channel();
    let server = tokio::spawn(serve(listener, state, async {
        let _ = asked.await;
    }));
    (address, shutdown, server)
}

impl Running {
    async fn ask(&self, fields: &str) -> (TcpStream, AnswerSender) {
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        let body = format!(r#"{{"messages": [{{"role": "user", "content": "Hi"}}]{fields}}}"#);
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        loop {
            if let Some((_, sender)) = self.generator.take() {
                return (connection, sender);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn becomes_abandoned(sender: &AnswerSender) -> bool {
    for _ in 0..1000 {
        if is_left(sender) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}

#[tokio::test]
async fn a_closed_connection_cancels_its_answer_streamed_or_not() {
    let running = start().await;
    for fields in ["", r#", "stream": true"#] {
        let (connection, sender) = running.ask(fields).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!sender.is_abandoned());
        drop(connection);
        assert!(becomes_abandoned(&sender).await, "fields `{fields}`");
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_answer_holds_the_end_up_only_for_the_grace() {
    let running = start().await;
    let (mut connection, _sender) = running.ask(r#", "stream": true"#).await;
    let mut start = [0; 12];
    connection.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    let asked = tokio::time::Instant::now();
    running.shutdown.send(()).unwrap();
    running.server.await.unwrap().unwrap();
    assert!(asked.elapsed() >= GRACE && asked.elapsed() < GRACE * 2);
}

fn finish(sender: AnswerSender, finish_reason: FinishReason) {
    sender.send(Event::Finished(Completion {
        finish_reason,
        prompt_tokens: 1,
        cached_tokens: 0,
        token_ids: vec![1],
        metrics: Metrics::default(),
    }));
}

async fn rest(mut connection: TcpStream) -> String {
    let mut text = String::new();
    connection.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn an_open_answer_may_become_complete_before_the_end() {
    let running = start().await;
    let (connection, sender) = running.ask(r#", "stream": true"#).await;
    running.shutdown.send(()).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!sender.is_stopped());
    sender.send(Event::Text("whole".into()));
    finish(sender, FinishReason::Stop);
    let text = rest(connection).await;
    assert!(text.contains("whole") && text.contains("[DONE]"), "{text}");
    running.server.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_outlasts_the_grace_is_cut_off_and_says_so() {
    let running = start().await;
    let (connection, sender) = running.ask(r#", "stream": true"#).await;
    running.shutdown.send(()).unwrap();
    while !sender.is_stopped() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    finish(sender, FinishReason::Cancelled);
    let text = rest(connection).await;
    assert!(text.contains("before it was complete"), "{text}");
    assert!(!text.contains("[DONE]"), "{text}");
    running.server.await.unwrap().unwrap();
}

impl Running {
    /// The answer to a request on a connection of its own, with its status line and headers.
    async fn answer(&self, request: &str) -> String {
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        rest(connection).await
    }
}

#[tokio::test]
async fn whoever_comes_while_the_server_ends_is_told_so() {
    let mut running = start().await;
    let (open, sender) = running.ask(r#", "stream": true"#).await;
    let (shutdown, _) = oneshot::channel();
    std::mem::replace(&mut running.shutdown, shutdown)
        .send(())
        .unwrap();
    let health = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    // It is heard of by another task.
    let ending = async {
        while !running.answer(health).await.starts_with("HTTP/1.1 503") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let heard = tokio::time::timeout(Duration::from_secs(30), ending).await;
    heard.expect("readiness that fails");
    let body = r#"{"messages": [{"role": "user", "content": "Hi"}]}"#;
    let chat = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    for request in [chat.as_str(), health] {
        let text = running.answer(request).await;
        assert!(text.starts_with("HTTP/1.1 503"), "{text}");
        assert!(text.contains("retry-after: 5"), "{text}");
        assert!(text.contains("the server is ending"), "{text}");
    }
    finish(sender, FinishReason::Stop);
    assert!(rest(open).await.contains("[DONE]"));
    running.server.await.unwrap().unwrap();
}

impl Running {
    /// Sends a message as the page does; the name of its run and the cookie of who sent it. From then on the clock stands
    /// still but for what is waited for: a database does not work at its pace.
    async fn send_message(&self) -> (String, String) {
        let fields = "message=Hi&temperature=0&max_tokens=10&system_prompt=&usd_per_hour=1";
        let request = format!(
            "POST /api/send HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost\r\n\
             accept: application/json\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n{fields}",
            fields.len()
        );
        let text = self.answer(&request).await;
        let after = |mark: &str, end: char| {
            let rest = text.split(mark).nth(1).expect(&text);
            rest.split(end).next().unwrap().to_owned()
        };
        tokio::time::pause();
        (after("\"run\":\"", '"'), after("set-cookie: ", ';'))
    }
}

#[tokio::test]
async fn an_answer_that_waits_gives_its_place_up_when_its_page_was_closed_for_a_while() {
    let running = start().await;
    let (run, cookie) = running.send_message().await;
    let (_, sender) = running.generator.take().unwrap();
    let mut page = TcpStream::connect(running.address).await.unwrap();
    let events =
        format!("GET /runs/{run}/events HTTP/1.1\r\nhost: localhost\r\ncookie: {cookie}\r\n\r\n");
    page.write_all(events.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    page.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!sender.is_abandoned());
    drop(page);
    let closed = tokio::time::Instant::now();
    while !sender.is_abandoned() {
        assert!(closed.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(closed.elapsed() > Duration::from_secs(5));
}

#[tokio::test]
async fn an_answer_that_is_written_goes_on_when_its_page_is_closed() {
    let running = start().await;
    running.send_message().await;
    let (_, sender) = running.generator.take().unwrap();
    sender.send(Event::Prefill { done: 1, total: 2 });
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!sender.is_abandoned());
}

#[tokio::test(start_paused = true)]
async fn a_model_that_has_stopped_ends_the_server_with_an_error() {
    let stopped = Arc::new(Stopped::default());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let state = AppState::new(stopped, settings(), store(), None);
    let ended = serve(listener, state, std::future::pending()).await;
    assert!(
        ended
            .unwrap_err()
            .to_string()
            .contains("the model has stopped")
    );
}

#[tokio::test]
async fn without_open_answers_the_end_comes_at_once() {
    let running = start().await;
    running.shutdown.send(()).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(2), running.server).await;
    ended.unwrap().unwrap().unwrap();
}
