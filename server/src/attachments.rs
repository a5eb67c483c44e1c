//! Files that come beside a question become text here, before anything else sees them. What is text is told by its content,
//! whatever its name says.
//!
//! A PDF is refused by name. Libraries that read them unpack what a file asks for: the best-kept of them took 4.3 GB for one of
//! 7 kB, in a process that must not end.

use nibble_app::complaint::{Complaint, ComplaintKind};
use nibble_app::domain::{Attachment, FILES, check_attachments};
use nibble_app::language::{Language, Told};
use nibble_engine::{Caller, Error};

use crate::bodies::form::{File, Form};
use crate::preparation::Preparation;

mod text;

/// The longest form with files.
pub(crate) const BODY_BYTES: usize = 9 << 20;

/// Files that are read at once, and those that may wait for it.
const AT_ONCE: usize = 2;
const WAITING: usize = 32;

/// What reads files.
pub(crate) struct Attachments {
    reading: Preparation,
}

impl Default for Attachments {
    fn default() -> Self {
        Self {
            reading: Preparation::new(AT_ONCE, WAITING),
        }
    }
}

impl Attachments {
    /// The files of a form.
    ///
    /// # Errors
    /// A [`Complaint`] that names the first file that cannot be taken, and why.
    pub(crate) async fn of(
        &self,
        caller: Caller,
        form: Form,
    ) -> Result<Vec<Attachment>, Complaint> {
        check_form(&form)?;
        let read = self.each(caller, form, |attachment| attachment).await?;
        let attachments: Vec<_> = read
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(refused)?;
        check_attachments(&attachments).map_err(refused)?;
        Ok(attachments)
    }

    /// What `look` finds in each file of a form, or why it cannot be taken.
    ///
    /// # Errors
    /// A [`Complaint`] about all of them.
    pub(crate) async fn each<T: Send + 'static>(
        &self,
        caller: Caller,
        form: Form,
        look: impl Fn(Attachment) -> T + Send + 'static,
    ) -> Result<Vec<Result<T, Told>>, Complaint> {
        check_form(&form)?;
        let read = move || {
            let files = form.files.iter();
            files.map(|file| read(file).map(&look)).collect()
        };
        self.reading
            .run(caller, read)
            .await
            .map_err(|error| unread(&error))
    }
}

/// What can be said of files before they are read.
fn check_form(form: &Form) -> Result<(), Complaint> {
    let found = form.files.len();
    if form.is_cut {
        let limit = BODY_BYTES >> 20;
        return Err(refused(Told::new(|t| t.message_and_files_at_most(limit))));
    }
    if found > FILES {
        return Err(refused(Told::new(|t| t.most_files(FILES, found))));
    }
    Ok(())
}

fn read(file: &File) -> Result<Attachment, Told> {
    let named = |text: &str| Attachment::new(&file.name, text);
    let name = named("").name;
    if file.bytes.trim_ascii_start().starts_with(b"%PDF-") {
        return Err(Told::new(|t| t.file_is_pdf(&name)));
    }
    let text = text::decoded(&file.bytes).ok_or_else(|| Told::new(|t| t.file_is_no_text(&name)))?;
    let attachment = named(&text);
    if attachment.text.trim().is_empty() {
        return Err(Told::new(|t| t.file_has_no_text(&name)));
    }
    check_attachments(std::slice::from_ref(&attachment))?;
    Ok(attachment)
}

fn refused(reason: Told) -> Complaint {
    Complaint {
        reason,
        kind: ComplaintKind::Field("files"),
    }
}

fn unread(error: &Error) -> Complaint {
    tracing::error!("files cannot be read: {error}");
    Complaint {
        reason: Told::new(Language::files_unreadable_now),
        kind: ComplaintKind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(name: &str, bytes: &[u8]) -> Result<Attachment, String> {
        read(&File {
            name: name.to_owned(),
            bytes: bytes.to_vec(),
        })
        .map_err(|refused| refused.to_string())
    }

    #[test]
    fn a_text_is_taken_whatever_it_is_called() {
        let read = reading("../a.exe", "é\r\nb".as_bytes()).unwrap();
        assert_eq!(read, Attachment::new("a.exe", "é\nb"));
    }

    #[test]
    fn what_is_no_text_is_refused_by_name() {
        for bytes in [&b"\x89PNG\r\n\x1a\n\0\0"[..], b"a\0b", b"caf\xe9"] {
            assert_eq!(
                reading("x/photo.txt", bytes).unwrap_err(),
                "`photo.txt` is not text: a file must be in UTF-8, or in UTF-16 with its mark"
            );
        }
        for bytes in [&b"%PDF-1.7\n1 0 obj"[..], b"\n\n%PDF-1.4\0"] {
            let refused = reading("a.txt", bytes).unwrap_err();
            assert!(refused.starts_with("`a.txt` is a PDF"), "{refused}");
        }
        for bytes in [&b""[..], b"\xef\xbb\xbf \n"] {
            assert_eq!(reading("a", bytes).unwrap_err(), "`a` has no text");
        }
    }
}
