//! Methods of texts. The template engine's own, which know less, are called for those that are not here.

use std::sync::Arc;

use minijinja::value::{Tuple, Value, ValueKind};
use minijinja::{Error, State};

use super::super::python::is_space;
use super::super::{MAX_WRITTEN_BYTES, collected, items_of};
use super::{invalid, missing, positional};

/// The widest that a text is padded to.
pub(super) const MAX_WIDTH: usize = 1 << 16;

/// A method that the template engine lacks or has in another form; nothing for others.
pub(super) fn text_method(
    state: &State<'_, '_>,
    text: &str,
    method: &str,
    arguments: &[Value],
) -> Result<Option<Value>, Error> {
    let value = match method {
        "strip" | "lstrip" | "rstrip" => strip(text, method, arguments)?.into(),
        "split" | "rsplit" => split(state, text, method == "rsplit", arguments)?,
        "partition" | "rpartition" => partition(text, method == "rpartition", arguments)?,
        "splitlines" => split_lines(state, text, arguments)?,
        "startswith" | "endswith" => affix(state, text, method == "endswith", arguments)?.into(),
        "find" | "rfind" | "index" | "rindex" | "count" => search(text, method, arguments)?,
        "removeprefix" | "removesuffix" => {
            let [affix] = positional(["affix"], arguments)?;
            let affix = text_argument(affix, "affix")?;
            let rest = if method == "removeprefix" {
                text.strip_prefix(&*affix)
            } else {
                text.strip_suffix(&*affix)
            };
            rest.unwrap_or(text).into()
        }
        "center" | "ljust" | "rjust" | "zfill" => pad(text, method, arguments)?.into(),
        "replace" => replace(text, arguments)?.into(),
        "join" => join(state, text, arguments)?.into(),
        "title" => title(text).into(),
        "swapcase" => text.chars().flat_map(swapped).collect::<String>().into(),
        "isspace" => (!text.is_empty() && text.chars().all(is_space)).into(),
        "isdigit" => (!text.is_empty() && text.chars().all(is_digit)).into(),
        _ => return Ok(None),
    };
    Ok(Some(value))
}

fn text_argument(value: Option<Value>, name: &str) -> Result<Arc<str>, Error> {
    let value = value.ok_or_else(|| missing(name))?;
    let text = value.as_str();
    text.map(Arc::from)
        .ok_or_else(|| invalid(format!("`{name}` must be a text, found {}", value.kind())))
}

fn given(value: Option<Value>) -> Option<Value> {
    value.filter(|value| !value.is_none())
}

fn strip<'t>(text: &'t str, method: &str, arguments: &[Value]) -> Result<&'t str, Error> {
    let [characters] = positional(["chars"], arguments)?;
    let characters = given(characters)
        .map(|value| text_argument(Some(value), "chars"))
        .transpose()?;
    let strips = |character: char| match &characters {
        Some(characters) => characters.contains(character),
        None => is_space(character),
    };
    Ok(match method {
        "lstrip" => text.trim_start_matches(strips),
        "rstrip" => text.trim_end_matches(strips),
        _ => text.trim_matches(strips),
    })
}

fn split(
    state: &State<'_, '_>,
    text: &str,
    from_end: bool,
    arguments: &[Value],
) -> Result<Value, Error> {
    let [separator, most] = positional(["sep", "maxsplit"], arguments)?;
    let most = most.map_or(Ok(-1), i64::try_from)?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let Some(separator) = given(separator) else {
        let parts = split_at_blanks(text, from_end, most);
        return Ok(collected(state, parts.into_iter().map(Value::from))?.into());
    };
    let separator = text_argument(Some(separator), "sep")?;
    if separator.is_empty() {
        return Err(invalid("`sep` must not be empty"));
    }
    let pieces = most.saturating_add(1);
    let mut parts: Vec<&str> = match from_end {
        true => text.rsplitn(pieces, &*separator).collect(),
        false => text.splitn(pieces, &*separator).collect(),
    };
    if from_end {
        parts.reverse();
    }
    Ok(collected(state, parts.into_iter().map(Value::from))?.into())
}

fn split_at_blanks(text: &str, from_end: bool, most: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text.trim_matches(is_space);
    while !rest.is_empty() {
        let cut = match from_end {
            _ if parts.len() == most => None,
            true => rest.rfind(is_space).map(|at| {
                let blank = rest[at..].chars().next().map_or(0, char::len_utf8);
                (&rest[at + blank..], rest[..at].trim_end_matches(is_space))
            }),
            false => rest
                .find(is_space)
                .map(|at| (&rest[..at], rest[at..].trim_start_matches(is_space))),
        };
        let (part, others) = cut.unwrap_or((rest, ""));
        parts.push(part);
        rest = others;
    }
    if from_end {
        parts.reverse();
    }
    parts
}

fn partition(text: &str, from_end: bool, arguments: &[Value]) -> Result<Value, Error> {
    let [separator] = positional(["sep"], arguments)?;
    let separator = text_argument(separator, "sep")?;
    if separator.is_empty() {
        return Err(invalid("`sep` must not be empty"));
    }
    let found = if from_end {
        text.rsplit_once(&*separator)
    } else {
        text.split_once(&*separator)
    };
    let parts = match found {
        Some((before, behind)) => [before, &*separator, behind],
        None if from_end => ["", "", text],
        None => [text, "", ""],
    };
    Ok(Tuple::from(parts.map(Value::from)).into())
}

fn split_lines(state: &State<'_, '_>, text: &str, arguments: &[Value]) -> Result<Value, Error> {
    let [keep] = positional(["keepends"], arguments)?;
    let keep = keep.is_some_and(|keep| keep.is_true());
    let lines = lines(text).map(|(line, end)| {
        if keep {
            format!("{line}{end}")
        } else {
            line.to_owned()
        }
    });
    Ok(collected(state, lines.map(Value::from))?.into())
}

/// The lines of a text and what ends them, which is more than a line feed.
pub(in super::super) fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    const ENDS: &[char] = &[
        '\n', '\r', '\x0b', '\x0c', '\x1c', '\x1d', '\x1e', '\u{85}', '\u{2028}', '\u{2029}',
    ];
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let at = rest.find(ENDS).unwrap_or(rest.len());
        let (line, behind) = rest.split_at(at);
        let end = match behind.strip_prefix("\r\n") {
            Some(_) => 2,
            None => behind.chars().next().map_or(0, char::len_utf8),
        };
        let (end, others) = behind.split_at(end);
        rest = others;
        Some((line, end))
    })
}

/// The part of a text between two bounds in characters, and how many are before it; nothing where it begins behind the end.
fn part(
    text: &str,
    start: Option<Value>,
    end: Option<Value>,
) -> Result<Option<(&str, usize)>, Error> {
    let length = text.chars().count() as i64;
    let bound = |value: Option<Value>, otherwise| {
        let bound = given(value).map_or(Ok(otherwise), i64::try_from)?;
        Ok::<_, Error>(if bound < 0 {
            (bound + length).max(0)
        } else {
            bound
        })
    };
    let (start, end) = (bound(start, 0)?, bound(end, length)?.min(length));
    if start > end {
        return Ok(None);
    }
    let offset = |at: i64| {
        text.char_indices()
            .nth(at as usize)
            .map_or(text.len(), |(offset, _)| offset)
    };
    Ok(Some((&text[offset(start)..offset(end)], start as usize)))
}

fn affix(
    state: &State<'_, '_>,
    text: &str,
    at_end: bool,
    arguments: &[Value],
) -> Result<bool, Error> {
    let [wanted, start, end] = positional(["prefix", "start", "end"], arguments)?;
    let wanted = wanted.ok_or_else(|| missing("prefix"))?;
    let wanted: Vec<Value> = match wanted.is_tuple() {
        true => items_of(state, &wanted)?,
        false => vec![wanted],
    };
    let part = part(text, start, end)?;
    for wanted in wanted {
        let wanted = text_argument(Some(wanted), "prefix")?;
        let found = part.is_some_and(|(part, _)| match at_end {
            true => part.ends_with(&*wanted),
            false => part.starts_with(&*wanted),
        });
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

fn search(text: &str, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    let [wanted, start, end] = positional(["sub", "start", "end"], arguments)?;
    let wanted = text_argument(wanted, "sub")?;
    let part = part(text, start, end)?;
    if method == "count" {
        return Ok(part
            .map_or(0, |(part, _)| part.matches(&*wanted).count())
            .into());
    }
    let found = part.and_then(|(part, before)| {
        let at = if method.starts_with('r') {
            part.rfind(&*wanted)
        } else {
            part.find(&*wanted)
        };
        at.map(|at| before + part[..at].chars().count())
    });
    match found {
        Some(at) => Ok(at.into()),
        None if method.ends_with("find") => Ok((-1).into()),
        None => Err(invalid("the text is not found")),
    }
}

fn pad(text: &str, method: &str, arguments: &[Value]) -> Result<String, Error> {
    let [width, fill] = positional(["width", "fillchar"], arguments)?;
    let width = i64::try_from(width.ok_or_else(|| missing("width"))?)?;
    let width = usize::try_from(width).unwrap_or(0);
    if width > MAX_WIDTH {
        return Err(invalid(format!(
            "`width` must be at most {MAX_WIDTH}, found {width}"
        )));
    }
    let fill = fill.map_or(Ok(Arc::from(" ")), |fill| {
        text_argument(Some(fill), "fillchar")
    })?;
    if fill.chars().count() != 1 {
        return Err(invalid("`fillchar` must be one character"));
    }
    let length = text.chars().count();
    let missing = width.saturating_sub(length);
    let (before, behind) = match method {
        "ljust" => (0, missing),
        "rjust" => (missing, 0),
        "zfill" => {
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['+', '-'])));
            return Ok(format!("{sign}{}{digits}", "0".repeat(missing)));
        }
        // Where it is uneven, Python decides by the width.
        _ => {
            let before = missing / 2 + (missing & width & 1);
            (before, missing - before)
        }
    };
    Ok(format!(
        "{}{text}{}",
        fill.repeat(before),
        fill.repeat(behind)
    ))
}

fn replace(text: &str, arguments: &[Value]) -> Result<String, Error> {
    let [old, new, count] = positional(["old", "new", "count"], arguments)?;
    let (old, new) = (text_argument(old, "old")?, text_argument(new, "new")?);
    let count = count.map_or(Ok(-1), i64::try_from)?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let places = (text.len() / old.len().max(1) + 1).min(count);
    if places.saturating_mul(new.len()) > MAX_WRITTEN_BYTES {
        return Err(invalid(format!(
            "`replace` writes at most {MAX_WRITTEN_BYTES} bytes"
        )));
    }
    Ok(text.replacen(&*old, &new, count))
}

fn join(state: &State<'_, '_>, separator: &str, arguments: &[Value]) -> Result<String, Error> {
    let [items] = positional(["iterable"], arguments)?;
    let items = items.ok_or_else(|| missing("iterable"))?;
    if matches!(items.kind(), ValueKind::None) {
        return Err(invalid("`join` takes no none"));
    }
    let mut joined = String::new();
    for (at, item) in items_of(state, &items)?.iter().enumerate() {
        if item.as_str().is_none() {
            return Err(invalid(format!(
                "`join` takes texts, found {}",
                item.kind()
            )));
        }
        let separator = if at > 0 { separator } else { "" };
        let item = item.as_str().unwrap_or_default();
        if joined.len() + separator.len() + item.len() > MAX_WRITTEN_BYTES {
            return Err(invalid(format!(
                "`join` writes at most {MAX_WRITTEN_BYTES} bytes"
            )));
        }
        joined.push_str(separator);
        joined.push_str(item);
    }
    Ok(joined)
}

/// A capital behind everything that is no letter, also within a word.
fn title(text: &str) -> String {
    let mut titled = String::with_capacity(text.len());
    let mut in_word = false;
    for character in text.chars() {
        match in_word {
            true => titled.extend(character.to_lowercase()),
            false => titled.extend(character.to_uppercase()),
        }
        in_word = character.is_lowercase() || character.is_uppercase();
    }
    titled
}

fn swapped(character: char) -> Vec<char> {
    match character.is_uppercase() {
        true => character.to_lowercase().collect(),
        false => character.to_uppercase().collect(),
    }
}

/// What is numeric but for fractions and the numbers of the Romans.
fn is_digit(character: char) -> bool {
    let fraction_or_roman = matches!(character, '\u{bc}'..='\u{be}' | '\u{2150}'..='\u{218b}');
    character.is_numeric() && !fraction_or_roman
}
