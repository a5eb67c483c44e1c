//! Where tokens stand in a text that comes piece by piece: the same numbers however it is cut.
//!
//! Tokens are read as the text was made of them: bytes become characters, and those that can become none U+FFFD. A token may be
//! told before all of its text is there: what ends within a character waits for the next token, and what may begin a stop text
//! is held back. Such a rest is expected at the beginning of what comes.

/// Where the next token stands.
#[derive(Default)]
pub(in crate::api::openai) struct Place {
    text: String,
    /// Bytes of the text behind which the next token begins.
    bytes: usize,
    /// What tokens so far spell behind the end of the text.
    ahead: String,
    /// The character that tokens so far have begun and not ended.
    begun: Vec<u8>,
    /// Those that they have ended.
    characters: usize,
    /// Whether nothing more comes.
    ended: bool,
}

impl Place {
    /// The text goes on.
    pub(in crate::api::openai) fn extend(&mut self, text: &str) {
        self.text.push_str(text);
        self.ended = false;
        let rest = &self.text[self.bytes..];
        if rest.starts_with(&self.ahead) {
            self.bytes += self.ahead.len();
            self.ahead.clear();
        } else if let Some(left) = self.ahead.strip_prefix(rest) {
            self.bytes += rest.len();
            self.ahead = left.to_owned();
        } else {
            // It was none of this text.
            self.forget_ahead();
        }
    }

    /// This was all of the text, or of a part of it behind which no token goes on.
    pub(in crate::api::openai) fn end(&mut self) {
        self.ended = true;
        self.forget_ahead();
        let cut = char::REPLACEMENT_CHARACTER;
        if !self.begun.is_empty() && self.text[self.bytes..].starts_with(cut) {
            self.begun.clear();
            self.bytes += cut.len_utf8();
            self.characters += 1;
        }
    }

    /// Where a token begins that spells these bytes, in characters. One of which nothing is in the text, such as a control
    /// token, stands where the next does.
    pub(super) fn of(&mut self, token: &[u8]) -> usize {
        let rest = &self.text[self.bytes..];
        let has_more = !self.ended || !rest.is_empty();
        let found = self.characters + usize::from(has_more && !self.begun.is_empty());
        let (spelt, begun) = read([&self.begun, token].concat());
        // Of a prompt the space in front of the first word is not always written.
        let is_first = self.ended && self.characters == 0 && self.begun.is_empty();
        let unspaced = spelt.strip_prefix(' ').filter(|_| is_first);
        let spellings = || [Some(&*spelt), unspaced].into_iter().flatten();
        let here = self.ahead.is_empty();
        let whole = spellings().find(|spelt| here && rest.starts_with(spelt));
        let in_part = || spellings().find_map(|spelt| Some((spelt, spelt.strip_prefix(rest)?)));
        if let Some(spelt) = whole {
            self.bytes += spelt.len();
            self.characters += spelt.chars().count();
        } else if let Some((spelt, left)) = in_part() {
            let shown = if self.ended { rest } else { spelt };
            self.characters += shown.chars().count();
            self.bytes += rest.len();
            if !self.ended {
                self.ahead.push_str(left);
            }
        } else {
            return found;
        }
        self.begun = begun;
        found
    }

    fn forget_ahead(&mut self) {
        self.characters -= self.ahead.chars().count();
        self.ahead.clear();
    }
}

/// The text of bytes, and those at its end that are the beginning of a character.
fn read(mut bytes: Vec<u8>) -> (String, Vec<u8>) {
    let mut text = String::new();
    loop {
        let (valid, invalid) = match str::from_utf8(&bytes) {
            Ok(valid) => {
                text.push_str(valid);
                return (text, Vec::new());
            }
            Err(error) => (error.valid_up_to(), error.error_len()),
        };
        text.push_str(&String::from_utf8_lossy(&bytes[..valid]));
        let Some(invalid) = invalid else {
            return (text, bytes.split_off(valid));
        };
        text.push(char::REPLACEMENT_CHARACTER);
        bytes.drain(..valid + invalid);
    }
}

#[cfg(test)]
mod tests;
