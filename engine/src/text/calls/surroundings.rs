//! Whether a call would stand in what the model says, or in what it thinks or quotes.

const OPENS_THOUGHTS: &[u8] = b"<think>";
const CLOSES_THOUGHTS: &[u8] = b"</think>";

/// What the text so far leads to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Surroundings {
    thinking: bool,
    /// Bytes of the next tag that the text ends with.
    tag: usize,
    /// Backticks that opened the code of this line, 0 outside. Code does not go on in the next line.
    code: usize,
    /// Backticks that the text ends with.
    backticks: usize,
}

impl Surroundings {
    /// What the model says after its prompt has opened its thoughts.
    pub(super) fn thoughts() -> Self {
        Self {
            thinking: true,
            ..Self::default()
        }
    }

    /// Those behind more text.
    pub(super) fn followed_by(self, text: &str) -> Self {
        text.bytes().fold(self, Self::behind)
    }

    /// Whether what follows is said.
    pub(super) fn are_prose(self) -> bool {
        !self.thinking && self.behind_backticks().code == 0
    }

    fn behind(mut self, byte: u8) -> Self {
        if byte == b'`' && !self.thinking {
            self.backticks += 1;
            self.tag = 0;
            return self;
        }
        self = self.behind_backticks();
        if byte == b'\n' {
            self.code = 0;
        }
        if self.code == 0 {
            self = self.behind_byte_of_tag(byte);
        }
        self
    }

    /// As many backticks as opened code close it; others stand in it.
    fn behind_backticks(mut self) -> Self {
        match (self.code, self.backticks) {
            (_, 0) => {}
            (0, opening) => self.code = opening,
            (open, closing) if open == closing => self.code = 0,
            _ => {}
        }
        self.backticks = 0;
        self
    }

    fn behind_byte_of_tag(mut self, byte: u8) -> Self {
        let tag = if self.thinking {
            CLOSES_THOUGHTS
        } else {
            OPENS_THOUGHTS
        };
        self.tag = match byte == tag[self.tag] {
            true => self.tag + 1,
            false => usize::from(byte == tag[0]),
        };
        if self.tag == tag.len() {
            self.thinking = !self.thinking;
            self.tag = 0;
        }
        self
    }
}
