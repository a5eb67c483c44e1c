//! Blocks of a template that the template engine does not know, or must not leave by `break` and `continue`.

use minijinja::machinery::{Span, Token, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Error, ErrorKind};

/// What `break` and `continue` may stand in.
#[derive(PartialEq)]
enum Block {
    Loop,
    Other,
}

/// Makes a scope of each `{% generation %}` block, which marks what the assistant wrote, for training: its text is that of
/// its body, and what is set in it is not set behind it.
///
/// # Errors
/// When `break` or `continue` would leave a block that is no loop: the template engine then panics or loses text.
pub(super) fn with_scopes(source: String, syntax: SyntaxConfig) -> Result<String, Error> {
    let tokens = tokenize(&source, false, syntax).map_while(Result::ok);
    let tokens: Vec<_> = tokens.collect();
    let mut scoped = source.clone();
    let mut open = Vec::new();
    for (at, tag) in tokens.windows(3).enumerate() {
        let [(Token::BlockStart, _), (Token::Ident(name), place), next] = tag else {
            continue;
        };
        let bare = matches!(next, (Token::BlockEnd, _));
        let renamed = match *name {
            "generation" if bare => "with",
            "endgeneration" if bare => "endwith",
            name => name,
        };
        match renamed {
            "endfor" | "endwith" | "endset" | "endfilter" => drop(open.pop()),
            "break" | "continue" if open.last() == Some(&Block::Other) => {
                let line = place.start_line;
                let reason = format!("`{name}` in line {line} leaves a block that is no loop");
                return Err(Error::new(ErrorKind::SyntaxError, reason));
            }
            name => open.extend(opened(name, &tokens[at + 2..])),
        }
        if renamed != *name {
            // Of the same length, so that errors keep their places.
            let place = place.start_offset as usize..place.end_offset as usize;
            let length = name.len();
            scoped.replace_range(place, &format!("{renamed:length$}"));
        }
    }
    Ok(scoped)
}

/// What a tag of this name and the tokens behind it opens.
fn opened(name: &str, rest: &[(Token<'_>, Span)]) -> Option<Block> {
    let tokens = rest.iter().map(|(token, _)| token);
    match name {
        "for" => Some(Block::Loop),
        "with" | "filter" => Some(Block::Other),
        "set" if opens_a_scope(tokens) => Some(Block::Other),
        _ => None,
    }
}

/// Whether a `set` with these tokens behind it takes what follows up to its end, as it assigns nothing itself.
pub(super) fn opens_a_scope<'t>(tokens: impl IntoIterator<Item = &'t Token<'t>>) -> bool {
    let tokens = tokens.into_iter();
    let mut target = tokens.take_while(|token| !matches!(token, Token::BlockEnd | Token::Pipe));
    !target.any(|token| matches!(token, Token::Assign))
}
