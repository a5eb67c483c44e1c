//! Bodies in gzip.

use std::io::Write;

use axum::http::header::CONTENT_ENCODING;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const LIMIT: usize = 4 * SMALL;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn read(coding: &str, pieces: Vec<Vec<u8>>) -> Result<Vec<u8>, Unread> {
    let pieces = stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
    let request = Request::post("/").header(CONTENT_ENCODING, coding);
    let request = request.body(Body::from_stream(pieces)).unwrap();
    let held = Bodies::default().read(request, LIMIT).await?;
    Ok(held.bytes.to_vec())
}

#[tokio::test]
async fn gzip_is_read_in_whatever_pieces_it_comes() {
    let text = "Why is the sky blue? ".repeat(1000).into_bytes();
    let packed = gzip(&text);
    for (coding, size) in [("gzip", packed.len()), ("X-Gzip", 1), (" gzip ", 7)] {
        let pieces = packed.chunks(size).map(<[u8]>::to_vec).collect();
        assert_eq!(
            read(coding, pieces).await,
            Ok(text.clone()),
            "{coding} {size}"
        );
    }
    // One behind another is one, as programs join them.
    let two = vec![gzip(b"Hello, "), gzip(b"world")];
    assert_eq!(read("gzip", two).await, Ok(b"Hello, world".to_vec()));
    let plain = read("identity", vec![b"{}".to_vec()]).await;
    assert_eq!(plain, Ok(b"{}".to_vec()));
}

#[tokio::test]
async fn a_bomb_is_refused_at_the_limit() {
    let most = gzip(&vec![b'x'; LIMIT]);
    assert_eq!(
        read("gzip", vec![most]).await.map(|bytes| bytes.len()),
        Ok(LIMIT)
    );
    let bomb = gzip(&vec![b'x'; 64 << 20]);
    assert!(bomb.len() < LIMIT, "{}", bomb.len());
    assert_eq!(read("gzip", vec![bomb]).await, Err(Unread::TooLarge(LIMIT)));
    // Members without content.
    let nothing = gzip(b"").repeat(LIMIT / 16);
    assert_eq!(
        read("gzip", vec![nothing]).await,
        Err(Unread::TooLarge(LIMIT))
    );
}

#[tokio::test]
async fn what_is_no_gzip_or_not_all_of_it_is_refused() {
    let packed = gzip(b"Why is the sky blue?");
    let mut wrong = packed.clone();
    let middle = wrong.len() / 2;
    wrong[middle] ^= 0xff;
    for broken in [
        b"{}".to_vec(),
        packed[..packed.len() - 3].to_vec(),
        packed[..5].to_vec(),
        [packed.clone(), b"tail".to_vec()].concat(),
        wrong,
    ] {
        assert_eq!(read("gzip", vec![broken]).await, Err(Unread::NoGzip));
    }
}

#[tokio::test]
async fn other_codings_are_named_as_not_supported() {
    for coding in ["deflate", "zstd", "br", "gzip, gzip", "gzip, identity"] {
        let refused = read(coding, vec![b"{}".to_vec()]).await.err().unwrap();
        assert_eq!(refused, Unread::Coded, "{coding}");
        assert_eq!(refused.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let twice = Request::post("/")
        .header(CONTENT_ENCODING, "gzip")
        .header(CONTENT_ENCODING, "gzip");
    let twice = twice.body(Body::empty()).unwrap();
    let refused = Bodies::default().read(twice, LIMIT).await.err();
    assert_eq!(refused, Some(Unread::Coded));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_unfolds_takes_a_place_however_small_it_comes() {
    let bodies = Bodies::default();
    let request = || {
        let request = Request::post("/").header(CONTENT_ENCODING, "gzip");
        request.body(Body::from(gzip(b"{}"))).unwrap()
    };
    let mut held = Vec::new();
    for _ in 0..AT_ONCE {
        held.push(bodies.read(request(), LIMIT).await.ok().unwrap());
    }
    let refused = bodies.read(request(), LIMIT).await.err();
    assert_eq!(refused, Some(Unread::Busy));
}
