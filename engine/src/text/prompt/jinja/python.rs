//! What Python's `str` and `repr` make of a value, for `{{ … }}`, `~` and every filter that takes text.

use std::io::Write;

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

use super::super::json::python_float;
use super::BoundedWriter;
use super::lazy::Lazy;
use super::weight::charge;

/// Python gives up at about as many.
const MAX_DEPTH: usize = 1000;
/// What a byte of written values costs, in bytes of text that are copied.
const WRITTEN_BYTE: usize = 16;

/// `str(value)`; at most as long as a template may write at once.
pub(super) fn text_of(state: &State<'_, '_>, value: &Value) -> Result<String, Error> {
    if let Some(text) = value.as_str() {
        charge(state, text.len())?;
        return Ok(text.to_owned());
    }
    if value.is_undefined() {
        return Ok(String::new());
    }
    let mut text = BoundedWriter::default();
    let failed = |why: &dyn ToString| Error::new(ErrorKind::InvalidOperation, why.to_string());
    write_repr(value, &mut text, 0).map_err(|why| failed(&why))?;
    charge(state, WRITTEN_BYTE * text.0.len())?;
    String::from_utf8(text.0).map_err(|why| failed(&why))
}

fn write_repr(value: &Value, out: &mut BoundedWriter, depth: usize) -> std::io::Result<()> {
    if depth > MAX_DEPTH {
        let reason = format!("lists are written at most {MAX_DEPTH} deep");
        return Err(std::io::Error::other(reason));
    }
    let items = |brackets: [&str; 2], out: &mut BoundedWriter| {
        write!(out, "{}", brackets[0])?;
        for (at, item) in value.try_iter().into_iter().flatten().enumerate() {
            if at > 0 {
                write!(out, ", ")?;
            }
            write_repr(&item, out, depth + 1)?;
            if value.kind() == ValueKind::Map {
                write!(out, ": ")?;
                write_repr(&value.get_item(&item).unwrap_or_default(), out, depth + 1)?;
            }
        }
        write!(out, "{}", brackets[1])
    };
    match value.kind() {
        ValueKind::Undefined => write!(out, "Undefined"),
        ValueKind::None => write!(out, "None"),
        ValueKind::Bool if value.is_true() => write!(out, "True"),
        ValueKind::Bool => write!(out, "False"),
        ValueKind::Number => match f64::try_from(value.clone()) {
            Ok(float) if !value.is_integer() => write!(out, "{}", python_float(float)),
            _ => write!(out, "{value}"),
        },
        ValueKind::String => write_quoted(value.as_str().unwrap_or_default(), out),
        ValueKind::Seq if value.is_tuple() && value.len() == Some(1) => items(["(", ",)"], out),
        ValueKind::Seq if value.is_tuple() || is_group(value) => items(["(", ")"], out),
        ValueKind::Seq | ValueKind::Iterable => match Lazy::view_name(value) {
            Some(name) => {
                write!(out, "{name}(")?;
                items(["[", "]"], out)?;
                write!(out, ")")
            }
            None => items(["[", "]"], out),
        },
        ValueKind::Map => items(["{", "}"], out),
        _ => write!(out, "{value}"),
    }
}

/// What `groupby` gives is a tuple with names.
fn is_group(value: &Value) -> bool {
    let object = value.as_object();
    object.is_some_and(|object| object.type_name().ends_with("GroupTuple"))
}

fn write_quoted(text: &str, out: &mut BoundedWriter) -> std::io::Result<()> {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    write!(out, "{quote}")?;
    for character in text.chars() {
        match (character, u32::from(character)) {
            ('\n', _) => write!(out, "\\n")?,
            ('\r', _) => write!(out, "\\r")?,
            ('\t', _) => write!(out, "\\t")?,
            ('\\', _) => write!(out, "\\\\")?,
            _ if character == quote => write!(out, "\\{quote}")?,
            _ if is_printable(character) => write!(out, "{character}")?,
            (_, code @ ..=0xff) => write!(out, "\\x{code:02x}")?,
            (_, code @ ..=0xffff) => write!(out, "\\u{code:04x}")?,
            (_, code) => write!(out, "\\U{code:08x}")?,
        }
    }
    write!(out, "{quote}")
}

/// As Python has it and, behind another character, Rust: what is no control, format, blank or unassigned character.
pub(super) fn is_printable(character: char) -> bool {
    let escaped = format!("a{character}").escape_debug().count() > 2;
    !escaped || matches!(character, '\'' | '"' | '\\')
}

/// What Python strips and splits at.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}
