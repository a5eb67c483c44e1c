//! A connection with many streams holds no more than many connections would.

use super::*;

const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
/// Of one peer, beside that of the connection.
const STREAMS: usize = CONNECTIONS * 3 / 4 - 1;

#[tokio::test]
async fn streams_take_places_and_one_more_is_told_that_there_is_none() {
    let running = start_h2c().await;
    let mut client = running.client().await;
    let mut asking = Vec::new();
    for _ in 0..STREAMS {
        asking.push(running.ask_on(&mut client, STREAMED).await);
    }
    let (status, headers, text) = client.answer(get("/health"), Bytes::new()).await;
    assert_eq!(status, 503, "{text}");
    assert_eq!(headers["retry-after"], "5");
    assert!(text.contains("all connections"), "{text}");
    let text = running.answer(HEALTH).await;
    assert!(text.starts_with("HTTP/1.1 503"), "{text}");
    let mut first = asking.pop().unwrap();
    first.body.send_reset(Reason::CANCEL);
    let again = async {
        while client.status(get("/health")).await != 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let again = tokio::time::timeout(Duration::from_secs(30), again).await;
    again.expect("a place");
    assert!(asking.iter().all(|asking| !asking.sender.is_abandoned()));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_takes_nothing_makes_room_alone() {
    let running = start_h2c().await;
    let mut client = running.client().await;
    let mut asking = Vec::new();
    for _ in 0..STREAMS {
        asking.push(running.ask_on(&mut client, STREAMED).await);
    }
    // More than its window.
    let stalls = asking.remove(3);
    stalls.sender.send(Event::Text("x".repeat(100_000)));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(!is_left(&stalls.sender));
    let text = running.answer(HEALTH).await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(becomes_abandoned(&stalls.sender).await);
    for asking in asking {
        assert!(!asking.sender.is_abandoned());
        finish(asking.sender, FinishReason::Stop);
        assert!(read(asking.response).await.2.contains("[DONE]"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_stream_makes_room_and_one_with_a_stream_does_not() {
    let running = start_h2c().await;
    let mut busy = running.client().await;
    let asking = running.ask_on(&mut busy, STREAMED).await;
    let mut idle = Vec::new();
    for _ in 0..STREAMS - 1 {
        idle.push(running.client().await);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for _ in 0..3 {
        let text = running.answer(HEALTH).await;
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    }
    let first = idle.remove(0);
    let _ = first.connection.await.unwrap();
    assert!(!idle.last().unwrap().connection.is_finished());
    assert!(!asking.sender.is_abandoned());
}
