//! Forms with files, as browsers send them: the fields as a form without files has them, and the files beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Request};
use form_urlencoded::Serializer;
use futures::StreamExt;
use multer::Multipart;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::{ARRIVAL, Bodies, SMALL, Unread, promised, why_unread};

/// A form, and the place that it takes.
pub(crate) struct Form {
    /// Percent-encoded.
    pub(crate) fields: Bytes,
    /// In the order of the form, without those that no file was chosen for.
    pub(crate) files: Vec<File>,
    /// Whether it was longer than it may be: what came after that is missing.
    pub(crate) is_cut: bool,
    _place: Option<OwnedSemaphorePermit>,
}

/// A file, as its sender calls it.
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// The boundary of a form that may have files, if that is what a request says it is.
pub(crate) fn boundary(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(CONTENT_TYPE)?;
    multer::parse_boundary(kind.to_str().ok()?).ok()
}

/// The parts of a form, of which no more than `limit` bytes are kept, and how many came. The rest is read and dropped, as long
/// as its connection allows: a browser that is answered before shows an error of its own.
pub(super) fn parts(
    request: Request<Body>,
    boundary: String,
    limit: usize,
) -> (Multipart<'static>, Arc<AtomicUsize>) {
    let read = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&read);
    let bounded = request.into_body().into_data_stream().map(move |piece| {
        let piece = piece?;
        let before = counted.fetch_add(piece.len(), Ordering::Relaxed);
        let room = limit.saturating_sub(before).min(piece.len());
        Ok::<_, axum::Error>(piece.slice(..room))
    });
    (Multipart::new(bounded, boundary), read)
}

impl Bodies {
    /// A form with files, which may have so many bytes in all. Of a longer one there is what came first.
    ///
    /// # Errors
    /// Why it was not read.
    pub(crate) async fn form(
        &self,
        request: Request<Body>,
        boundary: String,
        limit: usize,
    ) -> Result<Form, Unread> {
        let promised = promised(request.headers());
        let place = match promised {
            1..=SMALL => None,
            _ => Some(self.place().await?),
        };
        let (mut parts, read) = parts(request, boundary, limit);
        let (mut fields, mut files) = (Vec::new(), Vec::new());
        let collected = collect(&mut parts, &mut fields, &mut files);
        let outcome = timeout(ARRIVAL, collected).await;
        let outcome = outcome.map_err(|_| Unread::Late)?;
        let is_cut = read.load(Ordering::Relaxed) > limit;
        if let Err(error) = outcome
            && !is_cut
        {
            return Err(why_unread(&error));
        }
        Ok(Form {
            fields: Serializer::new(String::new())
                .extend_pairs(fields)
                .finish()
                .into(),
            files,
            is_cut,
            _place: place,
        })
    }
}

async fn collect(
    parts: &mut Multipart<'_>,
    fields: &mut Vec<(String, String)>,
    files: &mut Vec<File>,
) -> Result<(), multer::Error> {
    while let Some(part) = parts.next_field().await? {
        let name = part.name().unwrap_or_default().to_owned();
        let file = part.file_name().map(str::to_owned);
        let bytes = part.bytes().await?;
        match file {
            None => fields.push((name, String::from_utf8_lossy(&bytes).into_owned())),
            // What a browser sends where no file was chosen.
            Some(name) if name.is_empty() && bytes.is_empty() => {}
            Some(name) => files.push(File {
                name: unescaped(&name),
                bytes: bytes.into(),
            }),
        }
    }
    Ok(())
}

/// A file's name without what browsers write for the characters that end it.
fn unescaped(name: &str) -> String {
    let name = name.replace("%22", "\"");
    name.replace("%0D", " ").replace("%0A", " ")
}
