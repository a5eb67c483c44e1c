//! Bounds of formats, in Python's both forms: what they are filled with, and how wide, must not be more than may be written.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, State};

use super::super::MAX_WRITTEN_BYTES;
use super::super::python::text_of;
use super::invalid;
use super::text::MAX_WIDTH;

/// Before a format is filled whose places begin with `opening`.
///
/// # Errors
/// When a width or precision is too large, or all places with the longest of the values would be.
pub(in super::super) fn check_format(
    state: &State<'_, '_>,
    opening: char,
    format: &Value,
    values: &[Value],
) -> Result<(), Error> {
    let format = format.as_str().unwrap_or_default();
    let (mut places, mut width) = (0_usize, 0_usize);
    for place in format.split(opening).skip(1) {
        let numbers = numbers_of(opening, place);
        if let Some(number) = numbers.iter().find(|&&number| number > MAX_WIDTH) {
            return Err(invalid(format!(
                "a width in a format must be at most {MAX_WIDTH}, found {number}"
            )));
        }
        places += 1;
        width += numbers.iter().sum::<usize>();
    }
    let mut longest = 0;
    for value in values {
        // A value that is filled in is never longer than all of what it is a part of.
        let length = match value.kind() {
            ValueKind::Number | ValueKind::Bool | ValueKind::None => 64,
            _ => text_of(state, value)?.len(),
        };
        longest = longest.max(length);
    }
    let bytes = places.saturating_mul(longest).saturating_add(width);
    match bytes > MAX_WRITTEN_BYTES {
        true => Err(invalid(format!(
            "a format writes at most {MAX_WRITTEN_BYTES} bytes, found {places} places for values of up to {longest}"
        ))),
        false => Ok(()),
    }
}

/// The width and the precision of a place, behind its opening.
fn numbers_of(opening: char, place: &str) -> Vec<usize> {
    let within = match opening {
        '{' => place.split('}').next().unwrap_or_default(),
        _ => {
            let place = match place.strip_prefix('(') {
                Some(named) => named.split_once(')').map_or("", |(_, behind)| behind),
                None => place,
            };
            let is_spec = |character: char| "#0-+ .*123456789".contains(character);
            &place[..place.len() - place.trim_start_matches(is_spec).len()]
        }
    };
    let numbers = within.split(|character: char| !character.is_ascii_digit());
    let numbers = numbers.filter(|digits| !digits.is_empty());
    // One that is too long for an integer is too large for anything else.
    numbers
        .map(|digits| digits.parse().unwrap_or(usize::MAX))
        .collect()
}
