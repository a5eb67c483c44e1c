//! Names of files that browsers save, made of titles that anybody may have written.

use std::fmt::Write;

/// What file systems refuse or read as something else, apart from what has no shape.
const RESERVED: &[char] = &['/', '\\', ':', '*', '?', '"', '<', '>', '|'];

/// The value of `Content-Disposition` for a file named by a title: in ASCII for old clients, and whole as RFC 6266 and RFC
/// 8187 have it.
pub(super) fn attachment(title: &str, ending: &str) -> String {
    let name = safe(title, ending);
    let plain: String = name
        .chars()
        .map(|letter| if letter.is_ascii() { letter } else { '_' })
        .collect();
    format!(
        "attachment; filename=\"{plain}\"; filename*=UTF-8''{}",
        escaped(&name)
    )
}

/// The program's name before it keeps away from names that are devices or hidden, and from none at all.
fn safe(title: &str, ending: &str) -> String {
    let kept: String = title
        .chars()
        .filter(|letter| !letter.is_control() && !turns(*letter))
        .map(|letter| {
            if RESERVED.contains(&letter) {
                '_'
            } else {
                letter
            }
        })
        .collect();
    format!("Nibble - {}.{ending}", kept.trim_matches([' ', '.']))
}

/// Marks that turn the direction of what follows can make one ending look like another.
fn turns(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// All but RFC 8187's `attr-char` by their bytes.
fn escaped(name: &str) -> String {
    let mut escaped = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_in_any_language_names_a_file() {
        assert_eq!(
            attachment("Why is the sky blue?", "md"),
            "attachment; filename=\"Nibble - Why is the sky blue_.md\"; \
             filename*=UTF-8''Nibble%20-%20Why%20is%20the%20sky%20blue_.md"
        );
        assert_eq!(
            attachment("天空", "json"),
            "attachment; filename=\"Nibble - __.json\"; filename*=UTF-8''Nibble%20-%20%E5%A4%A9%E7%A9%BA.json"
        );
    }

    #[test]
    fn no_title_leads_to_another_folder_or_header_or_looks_like_another_kind() {
        for (title, name) in [
            ("../../etc/passwd", "Nibble - _.._etc_passwd.md"),
            (
                "a\"; filename=x\r\nSet-Cookie: y",
                "Nibble - a_; filename=xSet-Cookie_ y.md",
            ),
            ("photo\u{202e}gpj.exe", "Nibble - photogpj.exe.md"),
            ("C:\\nul", "Nibble - C__nul.md"),
            (" .. ", "Nibble - .md"),
        ] {
            assert_eq!(safe(title, "md"), name);
            assert!(
                attachment(title, "md")
                    .bytes()
                    .all(|byte| (0x20..0x7f).contains(&byte))
            );
        }
    }
}
