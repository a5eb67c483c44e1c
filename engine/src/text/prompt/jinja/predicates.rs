//! What stands behind `is`, as jinja2 has it.

use std::cmp::Ordering;

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State};

use super::lazy::Lazy;
use super::operators::{order, remainder_of_numbers};
use super::python::text_of;
use super::weight::weigh;

pub(super) fn add_tests(environment: &mut Environment<'_>) {
    for name in ["endingwith", "int", "safe", "startingwith"] {
        environment.remove_test(name);
    }
    environment.add_test("iterable", |value: &Value| {
        !matches!(kind(value), Kind::Single)
    });
    environment.add_test("sequence", |value: &Value| {
        matches!(kind(value), Kind::Sized)
    });
    environment.add_test("callable", |value: &Value| {
        let object = value.as_object();
        let is_macro = object.is_some_and(|object| object.type_name().ends_with("Macro"));
        is_macro || matches!(value.kind(), ValueKind::Plain | ValueKind::Undefined)
    });
    for (names, holds) in [
        ("lt lessthan <", Ordering::is_lt as fn(Ordering) -> bool),
        ("le <=", Ordering::is_le),
        ("gt greaterthan >", Ordering::is_gt),
        ("ge >=", Ordering::is_ge),
    ] {
        for name in names.split(' ') {
            environment.add_test(name, move |state: &State<'_, '_>, a: &Value, b: &Value| {
                order(state, a, b).map(holds)
            });
        }
    }
    for (names, expected) in [("eq equalto ==", true), ("ne !=", false)] {
        for name in names.split(' ') {
            environment.add_test(name, move |state: &State<'_, '_>, a: &Value, b: &Value| {
                weigh(state, b)?;
                Ok::<_, Error>((a == b) == expected)
            });
        }
    }
    environment.add_test("in", |state: &State<'_, '_>, a: &Value, b: &Value| {
        weigh(state, b)?;
        minijinja::tests::is_in(state, a, b)
    });
    environment.add_test("lower", |state: &State<'_, '_>, value: &Value| {
        let text = text_of(state, value)?;
        Ok::<_, Error>(
            text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase),
        )
    });
    environment.add_test("upper", |state: &State<'_, '_>, value: &Value| {
        let text = text_of(state, value)?;
        Ok::<_, Error>(
            text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase),
        )
    });
    environment.add_test("divisibleby", |value: &Value, by: &Value| {
        Ok::<_, Error>(!remainder_of_numbers(&number(value)?, &number(by)?)?.is_true())
    });
    for (name, expected) in [("odd", 1), ("even", 0)] {
        environment.add_test(name, move |value: &Value| {
            Ok::<_, Error>(remainder_of_numbers(&number(value)?, &2.into())? == expected.into())
        });
    }
}

fn number(value: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Number => Ok(value.clone()),
        ValueKind::Bool => Ok(i64::from(value.is_true()).into()),
        kind => Err(refused(format!("expected a number, found {kind}"))),
    }
}

/// What can be gone through, and what has a length and places.
enum Kind {
    Single,
    Lazy,
    Sized,
}

fn kind(value: &Value) -> Kind {
    match value.kind() {
        ValueKind::String | ValueKind::Seq | ValueKind::Map | ValueKind::Undefined => Kind::Sized,
        ValueKind::Iterable if !Lazy::is_one(value) => Kind::Sized,
        ValueKind::Iterable => Kind::Lazy,
        _ => Kind::Single,
    }
}

fn refused(reason: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason)
}
