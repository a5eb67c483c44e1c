//! Whether a call would stand in what the model says, or in code that it quotes.

/// What the text so far leads to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Surroundings {
    /// Backticks that opened the code of this line, 0 outside. Code does not go on in the next line.
    code: usize,
    /// Backticks that the text ends with.
    backticks: usize,
}

impl Surroundings {
    /// Those behind more text.
    pub(super) fn followed_by(self, text: &str) -> Self {
        text.bytes().fold(self, Self::behind)
    }

    /// Whether what follows is said.
    pub(super) fn are_prose(self) -> bool {
        self.behind_backticks().code == 0
    }

    fn behind(mut self, byte: u8) -> Self {
        if byte == b'`' {
            self.backticks += 1;
            return self;
        }
        self = self.behind_backticks();
        if byte == b'\n' {
            self.code = 0;
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
}
