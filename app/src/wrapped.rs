//! Lines of a text within a picture, where nothing breaks them by itself. How wide a character is depends on a font that nobody
//! knows here, so each counts as wide as it is in the widest of usual ones.

/// The text in lines of at most so many times its size. They break at spaces, and within a word that is longer than a line.
pub(crate) fn wrapped(text: &str, size_times: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0.0;
    for word in text.split_inclusive(' ') {
        let fits = used + width(word.trim_end()) <= size_times;
        if !fits && used > 0.0 {
            begin(&mut lines, &mut used);
        }
        for character in word.chars() {
            let wide = width_of(character);
            // A space may reach beyond the end, where it is not seen.
            if used + wide > size_times && used > 0.0 && character != ' ' {
                begin(&mut lines, &mut used);
            }
            if let Some(line) = lines.last_mut() {
                line.push(character);
            }
            used += wide;
        }
    }
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

fn begin(lines: &mut Vec<String>, used: &mut f64) {
    lines.push(String::new());
    *used = 0.0;
}

fn width(text: &str) -> f64 {
    text.chars().map(width_of).sum()
}

fn width_of(character: char) -> f64 {
    match character {
        ' ' | '.' | ',' | ':' | ';' | '!' | '|' | '\'' | '·' | 'i' | 'j' | 'l' => 0.33,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.95,
        'A'..='Z' => 0.75,
        // Those of East Asia, and pictures.
        '\u{1100}'.. => 1.0,
        _ => 0.6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str =
        "llama-3.2-1b-instruct-q4_k_m · avx512_vnni · 2 threads · as served, head in four bits";

    #[test]
    fn lines_break_at_spaces_and_hold_all_of_it() {
        let lines = wrapped(LONG, 36.0);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines.iter().all(|line| width(line) <= 36.0), "{lines:?}");
        assert_eq!(lines.join(" "), LONG);
        assert_eq!(wrapped("avx2 · 2 threads", 36.0), ["avx2 · 2 threads"]);
        assert_eq!(wrapped("", 36.0), [""]);
    }

    #[test]
    fn a_word_longer_than_a_line_breaks_within() {
        for text in ["n".repeat(70), "两条通道".repeat(20)] {
            let lines = wrapped(&text, 36.0);
            assert!(lines.len() > 1, "{lines:?}");
            assert!(lines.iter().all(|line| width(line) <= 36.0), "{lines:?}");
            assert_eq!(lines.concat(), text);
        }
        assert_eq!(wrapped("ab", 0.1), ["a", "b"]);
    }
}
