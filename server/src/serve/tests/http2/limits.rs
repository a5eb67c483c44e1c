//! Streams that say too little or take nothing, beside others that are well.

use tokio::time::Instant;

use super::raw::{END_HEADERS, Raw, data, head};
use super::*;
use crate::bodies::{BODY_IN_ALL, BODY_PAUSE};
use crate::serve::pulse::{HEAD, IDLE, STALL};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_stream_without_a_window_is_reset_and_its_answer_cancelled() {
    let running = start_h2c().await;
    let mut client = running.client_with_window(0).await;
    let began = Instant::now();
    let asking = running.ask_on(&mut client, STREAMED).await;
    asking.sender.send(Event::Text("nobody takes this".into()));
    let mut body = asking.response.await.unwrap().into_body();
    // What needs no window is answered all the same.
    let head = || Request::head("http://localhost/health");
    while !is_left(&asking.sender) {
        assert!(began.elapsed() < 2 * STALL);
        assert_eq!(client.status(head()).await, 200);
        tokio::time::sleep(SECOND).await;
    }
    assert!(began.elapsed() >= STALL, "{:?}", began.elapsed());
    let end = rest_of(&mut body).await.unwrap_err();
    assert_eq!(end.reason(), Some(Reason::CANCEL));
    assert_eq!(client.status(head()).await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stops_is_cut_off_and_the_one_beside_it_reads_on() {
    let running = start_h2c().await;
    let mut client = running.client().await;
    let stops = running.ask_on(&mut client, STREAMED).await;
    let goes_on = running.ask_on(&mut client, STREAMED).await;
    let mut body = goes_on.response.await.unwrap().into_body();
    let began = Instant::now();
    let reading = tokio::spawn(async move { rest_of(&mut body).await });
    while !is_left(&stops.sender) {
        assert!(began.elapsed() < 2 * STALL);
        for sender in [&stops.sender, &goes_on.sender] {
            sender.send(Event::Text("x".repeat(4096)));
        }
        tokio::time::sleep(SECOND).await;
    }
    assert!(began.elapsed() >= STALL, "{:?}", began.elapsed());
    assert!(!is_left(&goes_on.sender));
    finish(goes_on.sender, FinishReason::Stop);
    let text = reading.await.unwrap().unwrap();
    assert!(text.contains("[DONE]"));
}

/// The last piece of an answer is no exception, though all of it is made.
#[tokio::test(start_paused = true)]
async fn the_end_of_an_answer_waits_no_longer_than_the_rest() {
    let running = start_h2c().await;
    let mut client = running.client_with_window(1).await;
    let asking = running.ask_on(&mut client, CHAT).await;
    asking.sender.send(Event::Text("whole".into()));
    finish(asking.sender, FinishReason::Stop);
    let mut body = asking.response.await.unwrap().into_body();
    let began = Instant::now();
    assert_eq!(body.data().await.unwrap().unwrap(), "{");
    let end = body.data().await.unwrap().unwrap_err();
    assert_eq!(end.reason(), Some(Reason::CANCEL));
    let took = began.elapsed();
    assert!(took >= STALL && took < STALL + SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_pauses_or_takes_too_long_is_refused_beside_an_answer_that_goes_on() {
    let running = start_h2c().await;
    let mut client = running.client().await;
    let answered = running.ask_on(&mut client, STREAMED).await;
    for (pause, limit) in [(40 * SECOND, BODY_PAUSE), (SECOND, BODY_IN_ALL)] {
        let began = Instant::now();
        let mut requests = client.requests.clone().ready().await.unwrap();
        let head = post().body(()).unwrap();
        let (response, mut body) = requests.send_request(head, false).unwrap();
        let drip = tokio::spawn(async move {
            while body.send_data(" ".into(), false).is_ok() {
                tokio::time::sleep(pause).await;
            }
        });
        let (status, _, text) = read(response).await;
        drip.abort();
        assert_eq!(status, 408, "{text}");
        assert!(text.contains("15 s") && text.contains("120 s"), "{text}");
        let took = began.elapsed();
        assert!(took >= limit && took < limit + 5 * SECOND, "{took:?}");
    }
    assert!(!answered.sender.is_abandoned());
    finish(answered.sender, FinishReason::Stop);
    assert!(read(answered.response).await.2.contains("[DONE]"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_takes_as_long_as_it_takes_and_its_connection_idles_after() {
    let running = start_h2c().await;
    let mut client = running.client().await;
    let asking = running.ask_on(&mut client, STREAMED).await;
    tokio::time::sleep(600 * SECOND).await;
    finish(asking.sender, FinishReason::Stop);
    assert!(read(asking.response).await.2.contains("[DONE]"));
    let began = Instant::now();
    // It was told, which is no error.
    client.connection.await.unwrap().unwrap();
    let took = began.elapsed();
    assert!(took >= IDLE && took < IDLE + SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn half_a_preface_is_given_up() {
    let running = start_h2c().await;
    for begin in [&raw::PREFACE[..3], &raw::PREFACE[..20]] {
        let began = Instant::now();
        let mut connection = TcpStream::connect(running.address).await.unwrap();
        connection.write_all(begin).await.unwrap();
        let mut end = Vec::new();
        let _ = connection.read_to_end(&mut end).await;
        let took = began.elapsed();
        assert!(took >= HEAD && took < HEAD + SECOND, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_in_drops_is_given_up_though_an_answer_is_made_beside_it() {
    let running = start_h2c().await;
    let mut raw = Raw::connect(&running).await;
    raw.send(&head(END_HEADERS, 1, None)).await;
    raw.send(&data(1, CHAT)).await;
    let sender = running.asked().await;
    let began = Instant::now();
    raw.send(&head(0, 3, None)).await;
    raw.went_away().await;
    let took = began.elapsed();
    assert!(took >= STALL && took < STALL + 20 * SECOND, "{took:?}");
    assert!(becomes_abandoned(&sender).await);
}
