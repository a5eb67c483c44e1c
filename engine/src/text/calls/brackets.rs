//! Where a JSON object or array ends in a text that is still being written.

/// What begins an object or an array.
pub(super) const OPENING: [char; 2] = ['{', '['];

/// How far the first object or array of a text was read. A text that passes need not be JSON; one that does not is none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Brackets {
    depth: usize,
    text: Text,
}

/// Whether brackets count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Text {
    #[default]
    Outside,
    Inside,
    /// Inside, behind a backslash.
    Escaped,
}

/// What a byte does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The object or array goes on, or has not begun.
    More,
    /// This is its last byte.
    Closed,
    /// This byte cannot stand here.
    Broken,
}

impl Brackets {
    /// Takes the next byte.
    pub(super) fn step(&mut self, byte: u8) -> Step {
        match (self.text, byte) {
            (Text::Inside, b'"') => self.text = Text::Outside,
            (Text::Inside, b'\\') => self.text = Text::Escaped,
            (Text::Escaped, _) => self.text = Text::Inside,
            (Text::Inside, _) | (Text::Outside, b' ' | b'\t' | b'\n' | b'\r') => {}
            (Text::Outside, b'{' | b'[') => self.depth += 1,
            _ if self.depth == 0 => return Step::Broken,
            (Text::Outside, b'}' | b']') => {
                self.depth -= 1;
                if self.depth == 0 {
                    return Step::Closed;
                }
            }
            (Text::Outside, b'"') => self.text = Text::Inside,
            (Text::Outside, byte) if is_outside_texts(byte) => {}
            (Text::Outside, _) => return Step::Broken,
        }
        Step::More
    }
}

/// Signs, numbers, and the letters of `true`, `false` and `null`.
fn is_outside_texts(byte: u8) -> bool {
    byte.is_ascii_digit() || b":,.+-eEtrufalsn".contains(&byte)
}
