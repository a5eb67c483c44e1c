//! What a model thinks, in a terminal: beside the text, and dimmed.

use std::io::{self, IsTerminal, Write};

/// Written to stderr as it comes, so that stdout has the answer alone.
pub(super) struct Thought {
    stderr: Option<io::Stderr>,
    text: String,
    has_ended: bool,
}

impl Thought {
    /// One that is shown.
    pub(super) fn shown() -> Self {
        Self {
            stderr: Some(io::stderr()),
            ..Self::hidden()
        }
    }

    /// One that is kept alone.
    pub(super) fn hidden() -> Self {
        Self {
            stderr: None,
            text: String::new(),
            has_ended: false,
        }
    }

    /// Shows the next piece.
    pub(super) fn push(&mut self, piece: &str) -> io::Result<()> {
        self.text.push_str(piece);
        match &mut self.stderr {
            // Each by itself, so that nothing stays dim however the program ends.
            Some(stderr) if stderr.is_terminal() => write!(stderr, "\x1b[2m{piece}\x1b[22m"),
            Some(stderr) => write!(stderr, "{piece}"),
            None => Ok(()),
        }
    }

    /// Sets what follows apart, once; where nothing was thought, nothing is to be.
    pub(super) fn end(&mut self) -> io::Result<()> {
        let has_ended = std::mem::replace(&mut self.has_ended, true);
        match &mut self.stderr {
            Some(stderr) if !has_ended && !self.text.is_empty() => write!(stderr, "\n\n"),
            _ => Ok(()),
        }
    }

    /// All of it.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}
