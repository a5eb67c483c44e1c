//! Bodies of requests on their way into memory: small ones as they come, of large ones a few at a time.
//!
//! A large body is read when it has a place, which it keeps until it is dropped; one that waits lies with its sender. So
//! what all bodies take is bounded, however many are sent at once.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, Request, StatusCode};
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::ApiError;
use crate::serve::{BODY_IN_ALL, BODY_PAUSE};

/// A body up to this length needs no place.
const SMALL: usize = 64 << 10;
/// Large bodies in memory.
const AT_ONCE: usize = 12;
/// How long one waits for a place, unread, which is less than the pause that its connection allows; and how long it may
/// then take to arrive.
const WAIT: Duration = Duration::from_secs(10);
const ARRIVAL: Duration = Duration::from_secs(60);

/// The places of large bodies.
pub(crate) struct Bodies {
    places: Arc<Semaphore>,
}

impl Default for Bodies {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

/// A body, and the place that it takes.
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    _place: Option<OwnedSemaphorePermit>,
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It has more bytes than this.
    TooLarge(usize),
    /// Others take all places.
    Busy,
    /// It did not arrive in time.
    Late,
    /// Its connection waited too long for it.
    Slow,
    /// Its sender left, or sent what is no body.
    Broken,
}

impl Unread {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Late | Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }

    pub(crate) fn reason(self) -> String {
        match self {
            Self::TooLarge(limit) => format!("the body may have at most {} MiB", limit >> 20),
            Self::Busy => format!(
                "{AT_ONCE} bodies of more than {} KiB are being read, as many as there is room for",
                SMALL >> 10
            ),
            Self::Late => format!("the body must arrive within {} s", ARRIVAL.as_secs()),
            Self::Slow => format!(
                "the body came too slowly: it may pause for {} s, and take {} s in all",
                BODY_PAUSE.as_secs(),
                BODY_IN_ALL.as_secs()
            ),
            Self::Broken => "the body did not arrive whole".to_owned(),
        }
    }
}

impl From<Unread> for ApiError {
    fn from(unread: Unread) -> Self {
        Self::refused(unread.status(), unread.reason())
    }
}

impl Bodies {
    /// The body of a request, which may have so many bytes.
    ///
    /// # Errors
    /// Why it was not read.
    pub(crate) async fn read(&self, request: Request<Body>, limit: usize) -> Result<Held, Unread> {
        let promised = promised(request.headers());
        if promised > limit {
            return Err(Unread::TooLarge(limit));
        }
        let mut stream = request.into_body().into_data_stream();
        let mut bytes = Vec::new();
        if promised <= SMALL {
            append(&mut stream, &mut bytes, SMALL, limit).await?;
            if bytes.len() <= SMALL {
                return Ok(Held {
                    bytes: bytes.into(),
                    _place: None,
                });
            }
        }
        let place = timeout(WAIT, Arc::clone(&self.places).acquire_owned()).await;
        let place = place.map_err(|_| Unread::Busy)?.map_err(|_| Unread::Busy)?;
        bytes.reserve(promised.saturating_sub(bytes.len()));
        let rest = append(&mut stream, &mut bytes, limit, limit);
        timeout(ARRIVAL, rest).await.map_err(|_| Unread::Late)??;
        Ok(Held {
            bytes: bytes.into(),
            _place: Some(place),
        })
    }
}

/// The length that the headers name; 0 where they name none.
fn promised(headers: &HeaderMap) -> usize {
    let length = headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    length.unwrap_or(0)
}

/// Appends what comes until there are more than `enough` bytes, or no more come.
async fn append(
    stream: &mut BodyDataStream,
    bytes: &mut Vec<u8>,
    enough: usize,
    limit: usize,
) -> Result<(), Unread> {
    while bytes.len() <= enough
        && let Some(piece) = stream.next().await
    {
        let piece = piece.map_err(|error| why_unread(&error))?;
        if bytes.len() + piece.len() > limit {
            return Err(Unread::TooLarge(limit));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(())
}

/// What an error of reading was: the connection's deadline, or anything else.
fn why_unread(error: &(dyn Error + 'static)) -> Unread {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    let late = causes.any(|error| {
        let error = error.downcast_ref::<io::Error>();
        error.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
    });
    if late { Unread::Slow } else { Unread::Broken }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

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
}
