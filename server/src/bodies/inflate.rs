//! Bodies that were made smaller on their way, by gzip. The limits are those of what they unfold to, so a small body that
//! would unfold to much is refused as soon as it does.

use std::io::{self, ErrorKind, Write};

use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use flate2::write::MultiGzDecoder;

use super::Unread;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Plain,
    Gzip,
}

impl Coding {
    /// As the headers say.
    ///
    /// # Errors
    /// [`Unread::Coded`] for what is not read, or more than one.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Unread> {
        let mut named = headers.get_all(CONTENT_ENCODING).iter();
        let Some(coding) = named.next() else {
            return Ok(Self::Plain);
        };
        let coding = coding.as_bytes().trim_ascii().to_ascii_lowercase();
        match &*coding {
            _ if named.next().is_some() => Err(Unread::Coded),
            b"" | b"identity" => Ok(Self::Plain),
            b"gzip" | b"x-gzip" => Ok(Self::Gzip),
            _ => Err(Unread::Coded),
        }
    }
}

/// What a body has unfolded to so far.
pub(super) struct Inflate {
    decoder: MultiGzDecoder<Bounded>,
    came: usize,
}

/// Takes so many bytes and no more.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
}

impl Write for Bounded {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + piece.len() > self.limit {
            return Err(ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Inflate {
    /// Up to so many bytes, of as many at the most.
    pub(super) fn new(limit: usize) -> Self {
        let bytes = Vec::new();
        Self {
            decoder: MultiGzDecoder::new(Bounded { bytes, limit }),
            came: 0,
        }
    }

    /// Unfolds what has come.
    ///
    /// # Errors
    /// When that is too much, or no gzip.
    pub(super) fn add(&mut self, piece: &[u8]) -> Result<(), Unread> {
        self.came += piece.len();
        let limit = self.decoder.get_ref().limit;
        // Gzip may go on for ever without ever unfolding to anything.
        if self.came > limit {
            return Err(Unread::TooLarge(limit));
        }
        let added = self.decoder.write_all(piece);
        added.map_err(|error| why(&error, limit))
    }

    /// All of it.
    ///
    /// # Errors
    /// As [`Self::add`], and when its end is missing.
    pub(super) fn finish(self) -> Result<Vec<u8>, Unread> {
        let limit = self.decoder.get_ref().limit;
        let finished = self.decoder.finish();
        finished
            .map(|bounded| bounded.bytes)
            .map_err(|error| why(&error, limit))
    }
}

fn why(error: &io::Error, limit: usize) -> Unread {
    match error.kind() {
        ErrorKind::FileTooLarge => Unread::TooLarge(limit),
        _ => Unread::NoGzip,
    }
}
