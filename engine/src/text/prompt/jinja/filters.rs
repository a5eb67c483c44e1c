//! Filters as jinja2 has them, where the template engine's own differ or are none of jinja2's.

use minijinja::value::{Kwargs, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, filters};

use super::lazy::Lazy;
use super::methods::{attribute_of, check_format, is_dict, lines, positional, python_method};
use super::operators::order;
use super::python::{is_space, text_of};
use super::weight::weigh;
use super::{MAX_WRITTEN_BYTES, items_of};

/// The widest indentation and the like.
const MAX_WIDTH: usize = 1 << 16;

pub(super) fn add_filters(environment: &mut Environment<'_>) {
    for name in ["bool", "chain", "lines", "pprint", "split", "zip"] {
        environment.remove_filter(name);
    }
    environment.remove_global("debug");
    add_lazy(environment);
    environment.add_filter("builtin sort", filters::sort);
    environment.add_filter("sort", sort);
    environment.add_filter("builtin dictsort", filters::dictsort);
    environment.add_filter(
        "dictsort",
        |state: &mut State<'_, '_>, value: Value, rest: Rest<ValueOrKwargs>| {
            let options = named(["case_sensitive", "by", "reverse"], rest)?;
            weigh(state, &value)?;
            state.apply_filter("builtin dictsort", &[value, options])
        },
    );
    add_weighed(environment);
    environment.add_filter("join", join);
    environment.add_filter("string", text_of);
    environment.add_filter("upper", |state: &State<'_, '_>, value: &Value| {
        Ok::<_, Error>(text_of(state, value)?.to_uppercase())
    });
    environment.add_filter("lower", |state: &State<'_, '_>, value: &Value| {
        Ok::<_, Error>(text_of(state, value)?.to_lowercase())
    });
    environment.add_filter("trim", trim);
    environment.add_filter("list", list);
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("int", int);
    environment.add_filter("float", float);
    environment.add_filter("attr", attribute);
    environment.add_filter("indent", indent);
    environment.add_filter("wordcount", |state: &State<'_, '_>, value: &Value| {
        Ok::<_, Error>(word_count(&text_of(state, value)?))
    });
    environment.add_filter(
        "center",
        |state: &mut State<'_, '_>, value: &Value, width: Option<usize>| {
            let width = width.unwrap_or(80);
            let text = text_of(state, value)?;
            python_method(state, &text.into(), "center", &[width.into()])
        },
    );
    environment.add_filter("truncate", truncate);
    environment.add_filter("escape", escape);
    environment.add_filter("e", escape);
}

fn invalid(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason.into())
}

fn add_lazy(environment: &mut Environment<'_>) {
    environment.add_filter("builtin map", filters::map);
    environment.add_filter("builtin select", filters::select);
    environment.add_filter("builtin reject", filters::reject);
    environment.add_filter("builtin selectattr", filters::selectattr);
    environment.add_filter("builtin rejectattr", filters::rejectattr);
    environment.add_filter("builtin unique", filters::unique);
    environment.add_filter("builtin batch", filters::batch);
    environment.add_filter("builtin slice", filters::slice);
    environment.add_filter("builtin items", filters::items);
    environment.add_filter("builtin reverse", filters::reverse);
    for (name, builtin) in [
        ("map", "builtin map"),
        ("select", "builtin select"),
        ("reject", "builtin reject"),
        ("selectattr", "builtin selectattr"),
        ("rejectattr", "builtin rejectattr"),
        ("unique", "builtin unique"),
        ("batch", "builtin batch"),
        ("slice", "builtin slice"),
        ("items", "builtin items"),
        ("reverse", "builtin reverse"),
    ] {
        let lazy = move |state: &mut State<'_, '_>, value: Value, rest: Rest<ValueOrKwargs>| {
            // The others take everything that is false for nothing.
            match name {
                "unique" | "batch" | "slice" | "items" | "reverse" => refuse_none(name, &value)?,
                _ if !value.is_true() => return Lazy::filtered(state, Vec::new()),
                _ => {}
            }
            if name == "unique" {
                weigh(state, &value)?;
            }
            let arguments: Vec<Value> = std::iter::once(value).chain(rest.into_values()).collect();
            let items = state.apply_filter(builtin, &arguments)?;
            match items.kind() {
                ValueKind::String => Ok(items),
                _ => Lazy::filtered(state, items_of(state, &items)?),
            }
        };
        environment.add_filter(name, lazy);
    }
}

/// The template engine's own, where they compare values.
fn add_weighed(environment: &mut Environment<'_>) {
    environment.add_filter("builtin min", filters::min);
    environment.add_filter("builtin max", filters::max);
    environment.add_filter("builtin groupby", filters::groupby);
    environment.add_filter("builtin format", filters::format);
    for (name, builtin) in [
        ("min", "builtin min"),
        ("max", "builtin max"),
        ("groupby", "builtin groupby"),
        ("format", "builtin format"),
    ] {
        let weighed = move |state: &mut State<'_, '_>, value: Value, rest: Rest<ValueOrKwargs>| {
            let mut arguments = vec![value];
            arguments.extend(rest.into_values());
            match name {
                "format" => check_format(state, '%', &arguments[0], &arguments[1..])?,
                _ => weigh(state, &arguments[0])?,
            }
            state.apply_filter(builtin, &arguments)
        };
        environment.add_filter(name, weighed);
    }
}

fn refuse_none(filter: &str, value: &Value) -> Result<(), Error> {
    match value.is_none() {
        true => Err(invalid(format!("`{filter}` takes no none"))),
        false => Ok(()),
    }
}

/// Options by name, also those that were given by place.
fn named<const N: usize>(names: [&str; N], rest: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let given = positional(names, &rest.into_values())?;
    let given = names
        .into_iter()
        .zip(given)
        .filter_map(|(name, value)| Some((name, value?)));
    Ok(given.collect::<Kwargs>().into())
}

fn sort(
    state: &mut State<'_, '_>,
    value: Value,
    rest: Rest<ValueOrKwargs>,
) -> Result<Value, Error> {
    refuse_none("sort", &value)?;
    weigh(state, &value)?;
    let options = named(["reverse", "case_sensitive", "attribute"], rest)?;
    if options
        .get_attr("attribute")
        .is_ok_and(|attribute| attribute.is_undefined())
    {
        let items = items_of(state, &value)?;
        for pair in items.windows(2) {
            order(state, &pair[0], &pair[1])?;
        }
    }
    state.apply_filter("builtin sort", &[value, options])
}

fn join(
    state: &mut State<'_, '_>,
    value: Value,
    rest: Rest<ValueOrKwargs>,
) -> Result<Value, Error> {
    refuse_none("join", &value)?;
    let [separator, attribute] = positional(["d", "attribute"], &rest.into_values())?;
    let items = match attribute.filter(|attribute| !attribute.is_none()) {
        Some(attribute) => {
            let attribute: Kwargs = [("attribute", attribute)].into_iter().collect();
            state.apply_filter("map", &[value, attribute.into()])?
        }
        None => value,
    };
    let separator = separator.map_or(Ok(String::new()), |separator| text_of(state, &separator))?;
    let mut joined = String::new();
    for (at, item) in items_of(state, &items)?.iter().enumerate() {
        let item = text_of(state, item)?;
        if joined.len() + separator.len() + item.len() > MAX_WRITTEN_BYTES {
            return Err(invalid(format!(
                "`join` writes at most {MAX_WRITTEN_BYTES} bytes"
            )));
        }
        joined.push_str(if at > 0 { &separator } else { "" });
        joined.push_str(&item);
    }
    Ok(joined.into())
}

fn list(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    refuse_none("list", &value)?;
    filters::list(state, value)
}

fn trim(state: &State<'_, '_>, value: &Value, characters: Option<&str>) -> Result<String, Error> {
    let text = text_of(state, value)?;
    let trims = |character: char| {
        characters.map_or_else(|| is_space(character), |all| all.contains(character))
    };
    Ok(text.trim_matches(trims).to_owned())
}

fn default(value: &Value, rest: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let [default, boolean] = positional(["default_value", "boolean"], &rest.into_values())?;
    let boolean = boolean.is_some_and(|boolean| boolean.is_true());
    match value.is_undefined() || boolean && !value.is_true() {
        true => Ok(default.unwrap_or_else(|| "".into())),
        false => Ok(value.clone()),
    }
}

fn int(value: &Value, rest: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let [default, base] = positional(["default", "base"], &rest.into_values())?;
    let base = base.map_or(Ok(10), u32::try_from)?;
    let found = match value.as_str() {
        Some(text) => integer_in(text, base).or_else(|| float_in(text).and_then(truncated)),
        None if value.is_integer() => return Ok(value.clone()),
        None => match value.kind() {
            ValueKind::Bool => Some(i128::from(value.is_true())),
            ValueKind::Number => f64::try_from(value.clone()).ok().and_then(truncated),
            _ => None,
        },
    };
    let small = |integer: i128| i64::try_from(integer).map_or_else(|_| integer.into(), Value::from);
    Ok(found.map_or_else(|| default.unwrap_or_else(|| 0.into()), small))
}

fn integer_in(text: &str, base: u32) -> Option<i128> {
    let text = text.trim_matches(is_space).to_lowercase();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(&text)),
    };
    let prefix = match base {
        2 => "0b",
        8 => "0o",
        16 => "0x",
        10 => "",
        _ => return None,
    };
    let digits = digits.strip_prefix(prefix).unwrap_or(digits);
    let groups = digits
        .split('_')
        .all(|group| !group.is_empty() && group.chars().all(|digit| digit.is_digit(base)));
    let magnitude = groups.then(|| i128::from_str_radix(&digits.replace('_', ""), base).ok())?;
    magnitude.map(|magnitude| sign * magnitude)
}

fn truncated(float: f64) -> Option<i128> {
    // What an integer of 128 bits cannot hold stays out.
    (float.is_finite() && float.abs() < 1e38).then_some(float as i128)
}

fn float_in(text: &str) -> Option<f64> {
    text.trim_matches(is_space).parse().ok()
}

fn float(value: &Value, rest: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let [default] = positional(["default"], &rest.into_values())?;
    let found = match value.kind() {
        ValueKind::String => float_in(value.as_str().unwrap_or_default()),
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        _ => None,
    };
    Ok(found.map_or_else(|| default.unwrap_or_else(|| 0.0.into()), Value::from))
}

/// An attribute, which an item of a dict is not.
fn attribute(value: &Value, name: &str) -> Result<Value, Error> {
    if value.is_undefined() {
        return Ok(Value::UNDEFINED);
    }
    let attribute = attribute_of(value, name)?;
    match is_dict(value) && attribute.kind() != ValueKind::Plain {
        true => Ok(Value::UNDEFINED),
        false => Ok(attribute),
    }
}

fn indent(
    state: &State<'_, '_>,
    value: &Value,
    rest: Rest<ValueOrKwargs>,
) -> Result<String, Error> {
    let [width, first, blank] = positional(["width", "first", "blank"], &rest.into_values())?;
    let given = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let (first, blank) = (given(first), given(blank));
    let indentation = match width {
        Some(width) if width.as_str().is_some() => text_of(state, &width)?,
        width => {
            let width = width.map_or(Ok(4), usize::try_from)?;
            if width > MAX_WIDTH {
                return Err(invalid(format!(
                    "`width` must be at most {MAX_WIDTH}, found {width}"
                )));
            }
            " ".repeat(width)
        }
    };
    let Some(text) = value.as_str() else {
        return Err(invalid(format!(
            "`indent` takes a text, found {}",
            value.kind()
        )));
    };
    // The last line feed is one between lines.
    let text = format!("{text}\n");
    let lines: Vec<&str> = lines(&text).map(|(line, _)| line).collect();
    if lines.len().saturating_mul(indentation.len()) > MAX_WRITTEN_BYTES {
        return Err(invalid(format!(
            "`indent` writes at most {MAX_WRITTEN_BYTES} bytes"
        )));
    }
    let mut indented = String::with_capacity(text.len());
    for (at, line) in lines.into_iter().enumerate() {
        let further = at > 0 && (blank || !line.is_empty());
        indented.push_str(if at > 0 { "\n" } else { "" });
        indented.push_str(if further || at == 0 && first {
            &indentation
        } else {
            ""
        });
        indented.push_str(line);
    }
    Ok(indented)
}

fn word_count(text: &str) -> usize {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    text.split(|character| !is_word(character))
        .filter(|word| !word.is_empty())
        .count()
}

fn truncate(
    state: &State<'_, '_>,
    value: &Value,
    rest: Rest<ValueOrKwargs>,
) -> Result<String, Error> {
    let [length, kill_words, end, leeway] = positional(
        ["length", "killwords", "end", "leeway"],
        &rest.into_values(),
    )?;
    let length = length.map_or(Ok(255), usize::try_from)?;
    let leeway = leeway.map_or(Ok(5), usize::try_from)?;
    let end = end.map_or(Ok("...".to_owned()), |end| text_of(state, &end))?;
    let text = value
        .as_str()
        .ok_or_else(|| invalid(format!("`truncate` takes a text, found {}", value.kind())))?;
    let room = length.checked_sub(end.chars().count());
    let room = room.ok_or_else(|| {
        invalid(format!(
            "`length` must be at least that of `{end}`, found {length}"
        ))
    })?;
    let characters = text.chars().count();
    if characters <= length.saturating_add(leeway) {
        return Ok(text.to_owned());
    }
    let cut: String = text.chars().take(room).collect();
    let kept = match kill_words.is_some_and(|kill| kill.is_true()) {
        true => &cut,
        false => cut.rsplit_once(' ').map_or(&*cut, |(kept, _)| kept),
    };
    Ok(format!("{kept}{end}"))
}

pub(super) fn escape(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    if value.is_safe() {
        return Ok(value.clone());
    }
    let mut escaped = String::new();
    for character in text_of(state, value)?.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    Ok(Value::from_safe_string(escaped))
}
