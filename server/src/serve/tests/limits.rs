//! Clients who say nothing, too little or only half of it.

use tokio::time::Instant;

use super::*;
use crate::bodies::{BODY_IN_ALL, BODY_PAUSE};
use crate::serve::pulse::{HEAD, IDLE};

const SECOND: Duration = Duration::from_secs(1);
const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
const ALIVE: &str = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
const CHAT: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n";

impl Running {
    async fn connect(&self, begin: &str) -> TcpStream {
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        connection.write_all(begin.as_bytes()).await.unwrap();
        connection
    }

    /// A request whose client has nothing more to say.
    async fn ask_and_half_close(&self, fields: &str) -> (TcpStream, AnswerSender) {
        let (mut connection, sender) = self.ask(fields).await;
        connection.shutdown().await.unwrap();
        (connection, sender)
    }
}

/// Whether it was closed, and with what said before. A reset is as good as an end.
async fn last_words(connection: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let _ = connection.read_to_end(&mut text).await;
    String::from_utf8(text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_idles_is_closed_before_and_after_a_request() {
    let running = start().await;
    for begin in ["", ALIVE] {
        let began = Instant::now();
        let mut connection = running.connect(begin).await;
        let text = last_words(&mut connection).await;
        assert_eq!(text.starts_with("HTTP/1.1 200"), !begin.is_empty());
        let took = began.elapsed();
        assert!(took >= IDLE && took < IDLE + SECOND, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_byte_by_byte_is_given_up() {
    let running = start().await;
    let began = Instant::now();
    let mut connection = running.connect("GET / HTTP/1.1\r\nx: ").await;
    let drip = async {
        loop {
            tokio::time::sleep(SECOND).await;
            if connection.write_all(b"x").await.is_err() {
                break;
            }
        }
    };
    drip.await;
    let took = began.elapsed();
    assert!(took >= HEAD && took < HEAD + 5 * SECOND, "{took:?}");
}

/// What a client hears, and after how long, that sends a byte of its body now and then.
async fn slow_body(pause: Duration) -> (String, Duration) {
    let running = start().await;
    let began = Instant::now();
    let head = format!("{CHAT}content-length: 1000\r\n\r\n");
    let connection = running.connect(&head).await;
    let (mut hears, mut says) = connection.into_split();
    let drip = tokio::spawn(async move {
        while says.write_all(b" ").await.is_ok() {
            tokio::time::sleep(pause).await;
        }
    });
    let mut text = String::new();
    let _ = hears.read_to_string(&mut text).await;
    drip.abort();
    (text, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_body_that_pauses_or_takes_too_long_is_refused_with_the_limits() {
    for (pause, limit) in [(40 * SECOND, BODY_PAUSE), (5 * SECOND, BODY_IN_ALL)] {
        let (text, took) = slow_body(pause).await;
        assert!(text.starts_with("HTTP/1.1 408"), "{text}");
        assert!(text.contains("15 s") && text.contains("120 s"), "{text}");
        // The refusal is there by then, and what the client still sends is waited for.
        assert!(took >= limit && took < limit + 5 * SECOND, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_takes_as_long_as_it_takes() {
    for fields in ["", r#", "stream": true"#] {
        let running = start().await;
        let (connection, sender) = running.ask(fields).await;
        tokio::time::sleep(3600 * SECOND).await;
        sender.send(Event::Text("whole".into()));
        tokio::time::sleep(3600 * SECOND).await;
        finish(sender, FinishReason::Stop);
        running.shutdown.send(()).unwrap();
        let text = rest(connection).await;
        assert!(text.contains("whole"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_is_given_up() {
    let running = start().await;
    let (_connection, sender) = running.ask(r#", "stream": true"#).await;
    // More than the system keeps for a reader.
    for _ in 0..400 {
        sender.send(Event::Text("x".repeat(64 * 1024)));
    }
    let began = Instant::now();
    while !is_left(&sender) {
        assert!(began.elapsed() < 90 * SECOND);
        tokio::time::sleep(SECOND).await;
    }
    assert!(began.elapsed() >= 60 * SECOND, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_client_that_has_said_all_gets_its_answer() {
    let running = start().await;
    for fields in ["", r#", "stream": true"#] {
        let (connection, sender) = running.ask_and_half_close(fields).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert!(!sender.is_abandoned(), "fields `{fields}`");
        sender.send(Event::Text("whole".into()));
        finish(sender, FinishReason::Stop);
        let text = rest(connection).await;
        assert!(text.contains("whole"), "{text}");
        assert_eq!(text.contains("[DONE]"), !fields.is_empty(), "{text}");
    }
    let mut quick = running.connect(HEALTH).await;
    quick.shutdown().await.unwrap();
    let text = rest(quick).await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

#[tokio::test]
async fn a_client_that_leaves_after_it_has_said_all_cancels_its_answer() {
    let running = start().await;
    for fields in ["", r#", "stream": true"#] {
        let (connection, sender) = running.ask_and_half_close(fields).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(connection);
        assert!(becomes_abandoned(&sender).await, "fields `{fields}`");
    }
}

#[tokio::test]
async fn silent_clients_make_room_for_whoever_asks() {
    let running = start().await;
    let mut silent = Vec::new();
    for _ in 0..3 * CONNECTIONS {
        silent.push(running.connect("").await);
        silent.push(running.connect("GET / HTTP/1.1\r\n").await);
        silent.push(running.connect(CHAT).await);
    }
    for _ in 0..3 {
        let text = running.answer(HEALTH).await;
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    }
    // The first were sent away, the last are still there.
    assert_eq!(last_words(&mut silent[0]).await, "");
    let last = silent.last_mut().unwrap();
    let waits = tokio::time::timeout(Duration::from_millis(50), last_words(last)).await;
    assert!(waits.is_err());
}

#[tokio::test]
async fn whoever_comes_when_all_wait_for_answers_is_told_at_once_and_they_stay() {
    let running = start().await;
    let mut asking = Vec::new();
    for _ in 0..CONNECTIONS * 3 / 4 {
        asking.push(running.ask(r#", "stream": true"#).await);
    }
    let text = running.answer(HEALTH).await;
    assert!(text.starts_with("HTTP/1.1 503"), "{text}");
    assert!(text.contains("retry-after: 5"), "{text}");
    assert!(text.contains("all connections"), "{text}");
    let (connection, sender) = asking.pop().unwrap();
    finish(sender, FinishReason::Stop);
    drop(connection);
    for (_, sender) in &asking {
        assert!(!sender.is_abandoned());
    }
    let again = async {
        while !running.answer(HEALTH).await.starts_with("HTTP/1.1 200") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let again = tokio::time::timeout(Duration::from_secs(30), again).await;
    again.expect("a place");
}

#[tokio::test]
async fn connections_without_a_request_do_not_hold_the_end_up() {
    let slow_body = format!("{CHAT}content-length: 1000\r\n\r\n{{");
    let mut open = Vec::new();
    for (begin, limit) in [
        ("", SECOND),
        ("GET / HTTP/1.1\r\nx: ", SECOND),
        (ALIVE, SECOND),
        // Who has asked may still say the rest, and is told.
        (&slow_body, 3 * SECOND),
    ] {
        let running = start().await;
        open.push(running.connect(begin).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
        running.shutdown.send(()).unwrap();
        let ended = tokio::time::timeout(limit, running.server).await;
        ended.unwrap().unwrap().unwrap();
    }
}
