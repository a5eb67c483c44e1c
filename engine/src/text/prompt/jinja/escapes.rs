//! Escapes in quoted texts of templates: those of Python, of which the template engine knows some and has one of its own.

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Error, ErrorKind};

/// Writes the quoted texts that Python reads in another way so that the template engine reads them in Python's.
///
/// # Errors
/// For `\N{…}`, which names a character.
pub(super) fn as_python_reads_them(source: String, syntax: SyntaxConfig) -> Result<String, Error> {
    let tokens = tokenize(&source, false, syntax).map_while(Result::ok);
    let quoted = tokens.filter(|(token, _)| matches!(token, Token::Str(_) | Token::String(_)));
    let places = quoted.map(|(_, span)| span.start_offset as usize..span.end_offset as usize);
    // From the back, so that the places before stay true.
    let places: Vec<_> = places
        .filter(|place| source[place.clone()].contains('\\'))
        .collect();
    let mut read = source;
    for place in places.into_iter().rev() {
        let rewritten = rewritten(&read[place.clone()])?;
        read.replace_range(place, &rewritten);
    }
    Ok(read)
}

/// A quoted text with other escapes.
fn rewritten(quoted: &str) -> Result<String, Error> {
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('a') => text.push_str("\\x07"),
            Some('v') => text.push_str("\\x0b"),
            Some('/') => text.push_str("\\\\/"),
            Some('\n') => {}
            Some('U') => {
                let digits: String = characters.by_ref().take(8).collect();
                let code = u32::from_str_radix(&digits, 16)
                    .ok()
                    .and_then(char::from_u32);
                let code = code.filter(|_| digits.len() == 8);
                text.push(code.ok_or_else(|| refused(&format!("`\\U{digits}` is no character")))?);
            }
            Some('N') => return Err(refused("`\\N` with the name of a character is not read")),
            Some(other) => text.extend(['\\', other]),
            None => text.push('\\'),
        }
    }
    Ok(text)
}

fn refused(reason: &str) -> Error {
    Error::new(ErrorKind::SyntaxError, reason.to_owned())
}
