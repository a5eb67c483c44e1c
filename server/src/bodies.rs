//! Bodies of requests on their way into memory: small ones as they come, of large ones a few at a time.
//!
//! A large body is read when it has a place, which it keeps until it is dropped; one that waits lies with its sender. So
//! what all bodies take is bounded, however many are sent at once.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, Request, StatusCode};
use futures::StreamExt;
use multer::Multipart;
use nibble_app::language::Language;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use self::inflate::{Coding, Inflate};
use crate::error::ApiError;

pub(crate) mod form;
mod inflate;

/// A body up to this length needs no place.
const SMALL: usize = 64 << 10;
/// Large bodies in memory.
const AT_ONCE: usize = 12;
/// How long one waits for a place, unread: less than [`BODY_PAUSE`].
const WAIT: Duration = Duration::from_secs(10);
/// How long a large body may keep its place before all of it has come.
const ARRIVAL: Duration = Duration::from_secs(60);
/// How long a connection waits between two pieces of a body, large or small,
pub(crate) const BODY_PAUSE: Duration = Duration::from_secs(15);
/// and for a whole one: 2 MiB come in half of this at 256 kbit/s.
pub(crate) const BODY_IN_ALL: Duration = Duration::from_secs(120);

/// The places of large bodies.
pub(crate) struct Bodies {
    places: Arc<Semaphore>,
}

impl Default for Bodies {
    fn default() -> Self {
        Self::new(AT_ONCE)
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
    /// It is written in a way that is not read.
    Coded,
    /// It is not the gzip that it should be.
    NoGzip,
    /// Its sender left, or sent what is no body.
    Broken,
}

impl Unread {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Late | Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Coded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NoGzip | Self::Broken => StatusCode::BAD_REQUEST,
        }
    }

    pub(crate) fn reason(self, t: Language) -> String {
        match self {
            Self::TooLarge(limit) => t.body_too_large(limit >> 20),
            Self::Busy => t.bodies_busy(AT_ONCE, SMALL >> 10),
            Self::Late => t.body_late(ARRIVAL.as_secs()),
            Self::Slow => t.body_slow(BODY_PAUSE.as_secs(), BODY_IN_ALL.as_secs()),
            Self::Coded => t.body_coded().to_owned(),
            Self::NoGzip => t.body_no_gzip().to_owned(),
            Self::Broken => t.body_broken().to_owned(),
        }
    }
}

impl From<Unread> for ApiError {
    fn from(unread: Unread) -> Self {
        let reason = unread.reason(Language::English);
        match unread {
            Unread::Busy => Self::over_limit(reason, None),
            _ => Self::refused(unread.status(), reason),
        }
    }
}

impl Bodies {
    /// Places for so many large bodies.
    pub(crate) fn new(at_once: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(at_once)),
        }
    }

    /// The body of a request, which may have so many bytes.
    ///
    /// # Errors
    /// Why it was not read.
    pub(crate) async fn read(&self, request: Request<Body>, limit: usize) -> Result<Held, Unread> {
        let promised = promised(request.headers());
        if promised > limit {
            return Err(Unread::TooLarge(limit));
        }
        if Coding::of(request.headers())? == Coding::Gzip {
            return self.inflated(request, limit).await;
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
        let place = self.place().await?;
        bytes.reserve(promised.saturating_sub(bytes.len()));
        let rest = append(&mut stream, &mut bytes, limit, limit);
        timeout(ARRIVAL, rest).await.map_err(|_| Unread::Late)??;
        Ok(Held {
            bytes: bytes.into(),
            _place: Some(place),
        })
    }

    /// A body in gzip, which takes a place however small it comes.
    async fn inflated(&self, request: Request<Body>, limit: usize) -> Result<Held, Unread> {
        let place = self.place().await?;
        let mut stream = request.into_body().into_data_stream();
        let whole = async {
            let mut inflate = Inflate::new(limit);
            while let Some(piece) = stream.next().await {
                inflate.add(&piece.map_err(|error| why_unread(&error))?)?;
            }
            inflate.finish()
        };
        let bytes = timeout(ARRIVAL, whole).await.map_err(|_| Unread::Late)??;
        Ok(Held {
            bytes: bytes.into(),
            _place: Some(place),
        })
    }

    /// The first file of a form, which may have so many bytes and takes a place however small it is.
    ///
    /// # Errors
    /// Why it was not read.
    pub(crate) async fn file(&self, request: Request<Body>, limit: usize) -> Result<Held, Unread> {
        let boundary = form::boundary(request.headers()).ok_or(Unread::Broken)?;
        let place = self.place().await?;
        let mut bytes = Vec::with_capacity(promised(request.headers()).min(limit));
        let (mut form, read) = form::parts(request, boundary, limit);
        let outcome = first_file(&mut form, &mut bytes).await;
        if read.load(Ordering::Relaxed) > limit {
            return Err(Unread::TooLarge(limit));
        }
        outcome.map_err(|error| why_unread(&error))?;
        Ok(Held {
            bytes: bytes.into(),
            _place: Some(place),
        })
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, Unread> {
        let place = timeout(WAIT, Arc::clone(&self.places).acquire_owned()).await;
        place.map_err(|_| Unread::Busy)?.map_err(|_| Unread::Busy)
    }
}

/// Appends the first file of a form, to the form's end.
async fn first_file(form: &mut Multipart<'_>, bytes: &mut Vec<u8>) -> Result<(), multer::Error> {
    let mut is_first = true;
    while let Some(mut field) = form.next_field().await? {
        let wanted = is_first && field.file_name().is_some();
        is_first &= !wanted;
        while let Some(piece) = field.chunk().await? {
            if wanted {
                bytes.extend_from_slice(&piece);
            }
        }
    }
    Ok(())
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
mod tests;
