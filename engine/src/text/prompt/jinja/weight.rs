//! What values weigh: how deep they hold each other, and how long it takes to go through all of them.
//!
//! A list may hold another one twice, that one a third one twice, and so on, so that a short template makes one that nobody
//! comes to the end of. Values are weighed where a template keeps them and before what compares them; what is weighed
//! costs fuel.

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State};

use super::FUEL;
use super::methods::BoundMethod;

/// How deep values hold each other. Requests come in JSON, which is read at most 128 deep.
pub(super) const MAX_DEPTH: usize = 200;
/// The heaviest value, in parts: one for each value in it, and for each [`PART_BYTES`] of text.
const MAX_PARTS: u64 = FUEL;
const PART_BYTES: usize = 64;
/// Parts that are gone through for one step's fuel.
const PARTS_PER_FUEL: u64 = 16;

/// Tests under names that no template can write; a test costs no fuel for its value, as a function does.
pub(super) const HELD: &str = "=held";
pub(super) const KEPT: &str = "=kept";

pub(super) fn add_weighing(environment: &mut Environment<'_>) {
    environment.add_test(HELD, |state: &State<'_, '_>, value: &Value| {
        weigh(state, value).map(|()| true)
    });
    environment.add_test(KEPT, |state: &State<'_, '_>, value: &Value| {
        keep(state, value).map(|()| true)
    });
}

/// [`weigh`] for what a namespace or a loop is to keep.
pub(super) fn keep(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    refuse_changing(value)?;
    weigh(state, value)
}

/// Charges for a value and all that it holds.
///
/// # Errors
/// When it is too heavy or too deep, or holds what changes, which could come to hold itself.
pub(super) fn weigh(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    let mut parts = 0;
    add(value, 0, &mut parts)?;
    state.consume_fuel(parts / PARTS_PER_FUEL)
}

/// Charges for so many bytes that are made or read.
pub(super) fn charge(state: &State<'_, '_>, bytes: usize) -> Result<(), Error> {
    state.consume_fuel((bytes / PART_BYTES) as u64)
}

fn add(value: &Value, depth: usize, parts: &mut u64) -> Result<(), Error> {
    let text = value.as_str().map_or(0, str::len);
    *parts += 1 + (text / PART_BYTES) as u64;
    if *parts > MAX_PARTS {
        return Err(refused(format!(
            "a value has at most {MAX_PARTS} parts, found more"
        )));
    }
    if depth > MAX_DEPTH {
        return Err(refused(format!(
            "values hold each other at most {MAX_DEPTH} deep, found {depth}"
        )));
    }
    if depth > 0 {
        refuse_changing(value)?;
    }
    if let Some(method) = value.downcast_object_ref::<BoundMethod>() {
        return add(&method.of, depth + 1, parts);
    }
    let Some(object) = value.as_object().filter(|_| !is_a(value, "Loop")) else {
        return Ok(());
    };
    if value.kind() == ValueKind::Map {
        for (key, item) in object.try_iter_pairs().into_iter().flatten() {
            add(&key, depth + 1, parts)?;
            add(&item, depth + 1, parts)?;
        }
        return Ok(());
    }
    if let Some(items) = object.downcast_ref::<Vec<Value>>() {
        return items
            .iter()
            .try_for_each(|item| add(item, depth + 1, parts));
    }
    let mut items = object.try_iter().into_iter().flatten();
    items.try_for_each(|item| add(&item, depth + 1, parts))
}

/// A namespace changes, and a loop goes on: whatever holds one could come to be held by it, and never be freed.
fn refuse_changing(value: &Value) -> Result<(), Error> {
    for name in ["Namespace", "Loop"] {
        if is_a(value, name) {
            let name = name.to_lowercase();
            return Err(refused(format!("no value holds a {name}")));
        }
    }
    Ok(())
}

/// Whether a value is of this type of the template engine, which it keeps to itself.
pub(super) fn is_a(value: &Value, name: &str) -> bool {
    let object = value.as_object();
    object.is_some_and(|object| object.type_name().rsplit("::").next() == Some(name))
}

fn refused(reason: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason)
}
