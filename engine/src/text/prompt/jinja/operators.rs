//! Operators, slices and attributes as Python has them.
//!
//! The template engine computes them itself, so its instructions are replaced by calls of functions under names that no
//! template can write.

use std::cmp::Ordering;

use minijinja::machinery::{Instruction, Instructions};
use minijinja::value::{Rest, Tuple, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State};

use super::lazy::Lazy;
use super::methods::{LOOKUPS, attribute_of};
use super::python::text_of;
use super::weight::{HELD, KEPT, charge, keep, weigh};
use super::{MAX_WRITTEN_BYTES, collected, items_of};

/// Functions for [`in_pythons_way`].
pub(super) fn add_operators(environment: &mut Environment<'_>) {
    environment.add_function("%", remainder);
    environment.add_function("~", concatenation);
    environment.add_function(" in", contained);
    environment.add_function(" for", gone_through);
    environment.add_function("[]", item);
    environment.add_function("[:]", slice);
    environment.add_function("*", repeated);
    for (function, method) in [(".changed()", "changed"), (".cycle()", "cycle")] {
        let called = move |state: &mut State<'_, '_>, arguments: Rest<ValueOrKwargs>| {
            of_loop(state, method, &arguments.into_values())
        };
        environment.add_function(function, called);
    }
    environment.add_function("<", |state: &State<'_, '_>, a: &Value, b: &Value| {
        Ok::<_, Error>(order(state, a, b)?.is_lt())
    });
    environment.add_function("<=", |state: &State<'_, '_>, a: &Value, b: &Value| {
        Ok::<_, Error>(order(state, a, b)?.is_le())
    });
    environment.add_function(">", |state: &State<'_, '_>, a: &Value, b: &Value| {
        Ok::<_, Error>(order(state, a, b)?.is_gt())
    });
    environment.add_function(">=", |state: &State<'_, '_>, a: &Value, b: &Value| {
        Ok::<_, Error>(order(state, a, b)?.is_ge())
    });
    for lookup in LOOKUPS.split(' ') {
        environment.add_function(lookup, move |value: &Value| {
            attribute_of(value, &lookup[1..])
        });
    }
}

/// The same instructions with calls of [`add_operators`]' functions instead of operators, and before and behind some.
pub(super) fn in_pythons_way<'s>(instructions: &Instructions<'s>) -> Instructions<'s> {
    let read = |at: u32| instructions.get(at);
    let all = || (0..).map_while(read);
    // Where each instruction will stand, or what is put before it, and where the end will be.
    let places: Vec<u32> = std::iter::once(0)
        .chain(all().scan(0, |place, instruction| {
            *place += 1 + (before(instruction).len() + behind(instruction).len()) as u32;
            Some(*place)
        }))
        .collect();
    let mut rewritten = Instructions::new(instructions.name(), instructions.source());
    for (at, instruction) in (0..).zip(all()) {
        let line = instructions.get_line(at).unwrap_or_default();
        let line = u16::try_from(line).unwrap_or(u16::MAX);
        let mut add = |instruction| rewritten.add_with_line(instruction, line);
        for instruction in before(instruction) {
            add(instruction.clone());
        }
        let mut moved = instruction.clone();
        match &mut moved {
            Instruction::Iterate(target)
            | Instruction::Jump(target)
            | Instruction::JumpIfFalse(target)
            | Instruction::JumpIfFalseOrPop(target)
            | Instruction::JumpIfTrueOrPop(target)
            | Instruction::BuildMacro(_, target, _) => *target = places[*target as usize],
            other => {
                if let Some((name, operands)) = function_of(other) {
                    *other = Instruction::CallFunction(name, operands);
                }
            }
        }
        add(moved);
        for instruction in behind(instruction) {
            add(instruction.clone());
        }
    }
    rewritten
}

/// Has the template engine look a test up each time.
const NOT_CACHED: u8 = u8::MAX;
const GO_THROUGH: [Instruction<'static>; 1] = [Instruction::CallFunction(" for", Some(1))];
/// The topmost value stays.
const WEIGH: [Instruction<'static>; 3] = [
    Instruction::DupTop,
    Instruction::PerformTest(HELD, Some(1), NOT_CACHED),
    Instruction::DiscardTop,
];
/// The namespace is on top, and what it is to keep below.
const KEEP: [Instruction<'static>; 5] = [
    Instruction::Swap,
    Instruction::DupTop,
    Instruction::PerformTest(KEPT, Some(1), NOT_CACHED),
    Instruction::DiscardTop,
    Instruction::Swap,
];
const REPEAT: [Instruction<'static>; 1] = [Instruction::CallFunction("*", Some(1))];

/// What comes before an instruction that goes through the topmost value, keeps it, or compares with it.
fn before(instruction: &Instruction<'_>) -> &'static [Instruction<'static>] {
    match instruction {
        Instruction::PushLoop(_) | Instruction::UnpackList(_) => &GO_THROUGH,
        Instruction::StoreLocal(_)
        | Instruction::Eq
        | Instruction::Ne
        | Instruction::CompareAndPreserve(_) => &WEIGH,
        Instruction::SetAttr(_) => &KEEP,
        _ => &[],
    }
}

/// What comes behind an instruction that makes a list or a dict of others.
fn behind(instruction: &Instruction<'_>) -> &'static [Instruction<'static>] {
    match instruction {
        Instruction::Mul => &REPEAT,
        // Its keys were hashed.
        Instruction::BuildMap(_) => &WEIGH,
        _ => &[],
    }
}

/// The function that does what an instruction does, and of how many values.
fn function_of(instruction: &Instruction<'_>) -> Option<(&'static str, Option<u16>)> {
    let (name, operands) = match instruction {
        Instruction::Rem => ("%", 2),
        Instruction::StringConcat => ("~", 2),
        Instruction::In => (" in", 2),
        Instruction::Lt => ("<", 2),
        Instruction::Lte => ("<=", 2),
        Instruction::Gt => (">", 2),
        Instruction::Gte => (">=", 2),
        Instruction::GetItem => ("[]", 2),
        Instruction::Slice => ("[:]", 4),
        Instruction::CallMethod("changed", operands) => return Some((".changed()", *operands)),
        Instruction::CallMethod("cycle", operands) => return Some((".cycle()", *operands)),
        Instruction::GetAttr(name) => {
            let mut lookups = LOOKUPS.split(' ');
            (lookups.find(|lookup| lookup[1..] == **name)?, 1)
        }
        _ => return None,
    };
    Some((name, Some(operands)))
}

fn invalid(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason.into())
}

fn unsupported(operator: &str, left: &Value, right: &Value) -> Error {
    let (left, right) = (left.kind(), right.kind());
    invalid(format!("`{operator}` takes no {left} and {right}"))
}

/// How values compare that Python compares; others are an error, as there.
pub(super) fn order(state: &State<'_, '_>, left: &Value, right: &Value) -> Result<Ordering, Error> {
    weigh(state, right)?;
    let rank = |value: &Value| match value.kind() {
        ValueKind::Bool | ValueKind::Number => Some(0),
        ValueKind::String => Some(1),
        ValueKind::Seq if value.is_tuple() => Some(2),
        ValueKind::Seq | ValueKind::Iterable => Some(3),
        _ => None,
    };
    match (rank(left), rank(right)) {
        (Some(a), Some(b)) if a == b => Ok(left.cmp(right)),
        _ => Err(unsupported("<", left, right)),
    }
}

fn integer(value: &Value) -> Option<i128> {
    let is_integer = value.is_integer() || value.kind() == ValueKind::Bool;
    is_integer.then(|| i128::try_from(value.clone()).ok())?
}

fn remainder(state: &mut State<'_, '_>, left: &Value, right: &Value) -> Result<Value, Error> {
    match left.as_str() {
        Some(_) => printf(state, left, right),
        None => remainder_of_numbers(left, right),
    }
}

pub(super) fn remainder_of_numbers(left: &Value, right: &Value) -> Result<Value, Error> {
    let zero = || invalid("modulo by zero");
    if let (Some(a), Some(b)) = (integer(left), integer(right)) {
        let remainder = a.checked_rem(b).ok_or_else(zero)?;
        let remainder = if remainder != 0 && (remainder < 0) != (b < 0) {
            remainder + b
        } else {
            remainder
        };
        return Ok(i64::try_from(remainder).map_or_else(|_| remainder.into(), Value::from));
    }
    let float = |value: &Value| match value.kind() {
        ValueKind::Bool => Ok(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => f64::try_from(value.clone()),
        _ => Err(unsupported("%", left, right)),
    };
    let (a, b) = (float(left)?, float(right)?);
    if b == 0.0 {
        return Err(zero());
    }
    let remainder = a % b;
    Ok(Value::from(match remainder {
        0.0 => 0.0_f64.copysign(b),
        _ if (remainder < 0.0) != (b < 0.0) => remainder + b,
        _ => remainder,
    }))
}

/// Text with its places for values filled in, by the filter that does the same.
fn printf(state: &mut State<'_, '_>, format: &Value, values: &Value) -> Result<Value, Error> {
    let mut arguments = vec![format.clone()];
    match values.is_tuple() {
        true => arguments.extend(items_of(state, values)?),
        false => arguments.push(values.clone()),
    }
    let kinds = [ValueKind::Map, ValueKind::Seq, ValueKind::Undefined];
    let may_be_left = kinds.contains(&values.kind()) && !values.is_tuple();
    if !may_be_left && arguments.len() - 1 > conversions(format.as_str().unwrap_or_default()) {
        return Err(invalid("`%` has more values than places for them"));
    }
    state.apply_filter("format", &arguments)
}

/// How many values a format has places for.
fn conversions(format: &str) -> usize {
    let mut behind = format.split('%').skip(1).peekable();
    let mut found = 0;
    while let Some(conversion) = behind.next() {
        // A doubled sign is one of the text.
        match conversion.is_empty() && behind.peek().is_some() {
            true => drop(behind.next()),
            false => found += 1,
        }
    }
    found
}

fn concatenation(state: &State<'_, '_>, left: &Value, right: &Value) -> Result<Value, Error> {
    let (mut text, right) = (text_of(state, left)?, text_of(state, right)?);
    if text.len() + right.len() > MAX_WRITTEN_BYTES {
        return Err(invalid(format!(
            "a text has at most {MAX_WRITTEN_BYTES} bytes"
        )));
    }
    text.push_str(&right);
    Ok(text.into())
}

fn contained(state: &State<'_, '_>, value: &Value, container: &Value) -> Result<bool, Error> {
    match container.kind() {
        ValueKind::String if value.as_str().is_none() => Err(unsupported("in", value, container)),
        ValueKind::Map if is_unhashable(value) => Err(unsupported("in", value, container)),
        ValueKind::None | ValueKind::Bool | ValueKind::Number | ValueKind::Plain => {
            Err(unsupported("in", value, container))
        }
        _ => {
            // A dict looks a key up.
            weigh(
                state,
                if container.kind() == ValueKind::Map {
                    value
                } else {
                    container
                },
            )?;
            minijinja::tests::is_in(state, value, container)
        }
    }
}

fn is_unhashable(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Map | ValueKind::Iterable)
        || value.kind() == ValueKind::Seq && !value.is_tuple()
}

/// What a loop goes through: the characters of a text are a list, whose end is known, and none is nothing of the kind.
fn gone_through(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    match value.as_str() {
        Some(text) => Ok(collected(state, text.chars().map(Value::from))?.into()),
        None if value.is_none() => Err(invalid("none is not iterable")),
        None => Ok(value.clone()),
    }
}

/// Of a list only by an integer, and none of what is not in memory.
pub(super) fn item(state: &State<'_, '_>, value: &Value, key: &Value) -> Result<Value, Error> {
    let by_float = key.kind() == ValueKind::Number && !key.is_integer();
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable | ValueKind::String if by_float => {
            return Ok(Value::UNDEFINED);
        }
        ValueKind::Iterable if Lazy::is_one(value) => return Ok(Value::UNDEFINED),
        ValueKind::Map if is_unhashable(key) => return Ok(Value::UNDEFINED),
        ValueKind::Map => weigh(state, key)?,
        ValueKind::String => charge(state, value.as_str().map_or(0, str::len))?,
        ValueKind::Iterable => charge(state, value.len().unwrap_or(0))?,
        _ => {}
    }
    value.get_item(key)
}

/// The template engine repeats a list by going through it again; here it is in memory, as in Python, and charged for.
fn repeated(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Iterable => Ok(items_of(state, value)?.into()),
        _ => Ok(value.clone()),
    }
}

/// Methods of loops: `changed`, which keeps what it is given, and `cycle`.
fn of_loop(state: &mut State<'_, '_>, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let [of, values @ ..] = arguments else {
        return Err(Error::from(ErrorKind::MissingArgument));
    };
    if values.is_empty() {
        return Err(invalid(format!("`{name}` takes values, found none")));
    }
    for value in values {
        keep(state, value)?;
    }
    of.call_method(state, name, values)
}

fn slice(
    state: &State<'_, '_>,
    value: &Value,
    start: &Value,
    stop: &Value,
    step: &Value,
) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::String => {
            charge(state, value.as_str().map_or(0, |text| 4 * text.len()))?;
            let characters: Vec<char> = value.as_str().unwrap_or_default().chars().collect();
            let places = places(start, stop, step, characters.len())?;
            return Ok(places.map(|at| characters[at]).collect::<String>().into());
        }
        ValueKind::Seq | ValueKind::Iterable => {}
        _ => return Err(invalid(format!("no slices of {}", value.kind()))),
    }
    let items = items_of(state, value)?;
    let places = places(start, stop, step, items.len())?;
    let items: Vec<Value> = places.map(|at| items[at].clone()).collect();
    Ok(match value.is_tuple() {
        true => Tuple::from(items).into(),
        false => items.into(),
    })
}

/// The places that a slice of so many items has.
fn places(
    start: &Value,
    stop: &Value,
    step: &Value,
    len: usize,
) -> Result<impl Iterator<Item = usize>, Error> {
    let given = |bound: &Value| match (bound.is_none(), integer(bound)) {
        (true, _) => Ok(None),
        (_, Some(bound)) => Ok(Some(
            bound.clamp(i128::from(i64::MIN), i128::from(i64::MAX)),
        )),
        _ => Err(invalid("the bounds of a slice are integers")),
    };
    let step = given(step)?.unwrap_or(1);
    if step == 0 {
        return Err(invalid("the step of a slice is not 0"));
    }
    let len = len as i128;
    let (lowest, highest) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let within = |bound: i128| (if bound < 0 { bound + len } else { bound }).clamp(lowest, highest);
    let first = if step > 0 { lowest } else { highest };
    let last = if step > 0 { highest } else { lowest };
    let (start, stop) = (
        given(start)?.map_or(first, within),
        given(stop)?.map_or(last, within),
    );
    let towards = move |at: &i128| if step > 0 { *at < stop } else { *at > stop };
    let places = std::iter::successors(Some(start), move |at| Some(at + step)).take_while(towards);
    Ok(places.map(|at| at as usize))
}
