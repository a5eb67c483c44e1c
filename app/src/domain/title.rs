//! What tells a conversation from others, until its owner calls it something else.

/// Tabs show less, lists of bookmarks about as much.
pub const TITLE_CHARACTERS: usize = 60;

/// A question on one line, shortened between words, or within one that is too long.
#[must_use]
pub fn title(question: &str) -> String {
    let mut title = String::new();
    for word in question.split_whitespace() {
        let room = TITLE_CHARACTERS.saturating_sub(title.chars().count() + 1);
        if word.chars().count() > room {
            if title.is_empty() {
                title.extend(word.chars().take(room));
            }
            title.push('…');
            break;
        }
        if !title.is_empty() {
            title.push(' ');
        }
        title.push_str(word);
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_first_question_on_one_line() {
        assert_eq!(title("Why is\n\nthe sky  blue?"), "Why is the sky blue?");
    }

    #[test]
    fn a_long_title_ends_between_words_and_a_long_word_within() {
        let words = title(&"four ".repeat(40));
        assert!(words.ends_with("four four…"), "{words}");
        assert!(words.chars().count() <= TITLE_CHARACTERS, "{words}");
        let word = title(&"é".repeat(500));
        assert_eq!(word.chars().count(), TITLE_CHARACTERS);
        assert!(word.ends_with("é…"), "{word}");
    }
}
