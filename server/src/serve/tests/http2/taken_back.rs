//! Streams that are opened and reset, again and again.

use super::raw::{END_HEADERS, END_STREAM, Raw, head, reset};
use super::*;

/// RFC 9113, 7.
const NO_ERROR: u32 = 0;
const ENHANCE_YOUR_CALM: u32 = 11;

#[tokio::test]
async fn who_takes_back_too_much_opens_no_more_and_answers_beside_it_go_on() {
    let running = start_h2c().await;
    let mut client = running.client().await;
    let stays = running.ask_on(&mut client, STREAMED).await;
    for _ in 0..10 {
        let mut ten = Vec::new();
        for _ in 0..10 {
            // Each has reached the engine.
            ten.push(running.ask_on(&mut client, STREAMED).await);
        }
        for asking in &mut ten {
            asking.body.send_reset(Reason::CANCEL);
        }
        for asking in &ten {
            assert!(becomes_abandoned(&asking.sender).await);
        }
    }
    let told = async {
        while client.requests.clone().ready().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(30), told).await;
    told.expect("no more streams");
    assert!(!stays.sender.is_abandoned());
    finish(stays.sender, FinishReason::Stop);
    assert!(read(stays.response).await.2.contains("[DONE]"));
    client.connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_goes_on_is_told_to_go_and_nobody_else() {
    const AT_ONCE: usize = 10;
    let running = start_h2c().await;
    let mut raw = Raw::connect(&running).await;
    let streams: Vec<u32> = (0..400).map(|count| 2 * count + 1).collect();
    for ids in streams.chunks(AT_ONCE) {
        let heads = ids.iter().flat_map(|id| head(END_HEADERS, *id, None));
        let resets: Vec<u8> = ids.iter().flat_map(|id| reset(*id)).collect();
        if raw.0.write_all(&heads.collect::<Vec<u8>>()).await.is_err() {
            break;
        }
        // They reach the routes, and wait for their bodies.
        tokio::time::sleep(Duration::from_millis(5)).await;
        if raw.0.write_all(&resets).await.is_err() {
            break;
        }
    }
    let codes = raw.went_away().await;
    // By h2 itself where they were taken back before they were looked at.
    let is_told = matches!(codes.last(), Some(&NO_ERROR | &ENHANCE_YOUR_CALM));
    assert!(is_told, "{codes:?}");
    let mut other = running.client().await;
    assert_eq!(other.status(get("/health")).await, 200);
}

#[tokio::test]
async fn a_flood_in_one_write_is_cut_off_before_it_is_looked_at() {
    let running = start_h2c().await;
    let mut raw = Raw::connect(&running).await;
    let flood = (0..1000)
        .map(|count| 2 * count + 1)
        .flat_map(|id| [head(END_HEADERS | END_STREAM, id, None), reset(id)].concat());
    let _ = raw.0.write_all(&flood.collect::<Vec<u8>>()).await;
    let codes = raw.went_away().await;
    // Or its system has thrown that away with what it did not read.
    assert!(
        codes.is_empty() || codes.contains(&ENHANCE_YOUR_CALM),
        "{codes:?}"
    );
    assert!(running.generator.take().is_none());
}
