//! Methods of Python's texts, lists and dicts, as far as chat templates have use for them; others are an error by name.

mod format;
mod text;

use std::sync::Arc;

use minijinja::value::{Kwargs, Object, ObjectRepr, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};
use minijinja_contrib::pycompat;

pub(super) use self::format::check_format;
pub(super) use self::text::lines;
use self::text::text_method;
use super::items_of;
use super::lazy::Lazy;
use super::operators::item;
use super::weight::weigh;

const OF_TEXT: &str = "capitalize center count endswith find format index isalnum isalpha isascii isdigit islower isnumeric \
    isspace isupper join ljust lower lstrip partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit \
    rstrip split splitlines startswith strip swapcase title upper zfill";
const OF_LIST: &str = "copy count index";
const OF_TUPLE: &str = "count index";
const OF_DICT: &str = "copy get items keys values";
/// Would change a dict, so that jinja2 has nothing under their names, not even an item.
const MUTATING: &str = "clear pop popitem setdefault update";

/// The names of functions that look methods up which are not called at once.
pub(super) const LOOKUPS: &str = ".capitalize .center .clear .copy .count .endswith .find .format .get .index .isdigit .items \
    .join .keys .lower .lstrip .pop .popitem .replace .rstrip .setdefault .split .startswith .strip .title .update .upper \
    .values";

/// Whether Python has a method of this name for the value.
fn is_method(value: &Value, name: &str) -> bool {
    let names = match value.kind() {
        ValueKind::String => OF_TEXT,
        ValueKind::Seq if value.is_tuple() => OF_TUPLE,
        ValueKind::Seq => OF_LIST,
        ValueKind::Map if is_dict(value) => OF_DICT,
        _ => "",
    };
    names.split(' ').any(|method| method == name)
}

/// What stands behind a dot under the name of one of Python's methods: the method comes before an item of that name.
pub(super) fn attribute_of(value: &Value, name: &str) -> Result<Value, Error> {
    match is_method(value, name) {
        true => Ok(Value::from_object(BoundMethod::new(value, name))),
        false if is_dict(value) && MUTATING.split(' ').any(|method| method == name) => {
            Ok(Value::UNDEFINED)
        }
        false => value.get_attr(name),
    }
}

/// Not so a namespace, a macro or a loop, whose attributes are their own.
pub(super) fn is_dict(value: &Value) -> bool {
    let own = ["Namespace", "Macro", "Loop"];
    let object = value.as_object();
    let is_own =
        object.is_some_and(|object| own.iter().any(|name| object.type_name().ends_with(name)));
    value.kind() == ValueKind::Map && !is_own
}

/// A method and what it is of: `call.items`, without a call.
#[derive(Debug)]
pub(super) struct BoundMethod {
    pub(super) of: Value,
    name: String,
}

impl BoundMethod {
    fn new(of: &Value, name: &str) -> Self {
        Self {
            of: of.clone(),
            name: name.to_owned(),
        }
    }
}

impl Object for BoundMethod {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        arguments: &[Value],
    ) -> Result<Value, Error> {
        weigh(state, &self.of)?;
        python_method(state, &self.of, &self.name, arguments)
    }
}

/// Calls a method; fuel is charged for its result, too late for one that multiplies.
pub(super) fn python_method(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    if method == "format" {
        check_format(state, '{', value, arguments)?;
    }
    if let Some(text) = value.as_str()
        && let Some(result) = text_method(state, text, method, arguments)?
    {
        return Ok(result);
    }
    match (value.kind(), method) {
        (ValueKind::Seq | ValueKind::Iterable, "index") => {
            let [wanted] = positional(["value"], arguments)?;
            let wanted = wanted.ok_or_else(|| missing("value"))?;
            weigh(state, value)?;
            let found = value.try_iter()?.position(|item| item == wanted);
            found
                .map(Value::from)
                .ok_or_else(|| invalid("the value is not in the list"))
        }
        (ValueKind::Seq, "count") => {
            weigh(state, value)?;
            pycompat::unknown_method_callback(state, value, method, arguments)
        }
        (ValueKind::Seq, "copy") if !value.is_tuple() => Ok(value.clone()),
        (ValueKind::Map, "copy") if is_dict(value) => Ok(value.clone()),
        (ValueKind::Map, "keys" | "values" | "items") if is_dict(value) => {
            let [] = positional([], arguments)?;
            let view = pycompat::unknown_method_callback(state, value, method, &[])?;
            let name = match method {
                "keys" => "dict_keys",
                "values" => "dict_values",
                _ => "dict_items",
            };
            Lazy::view(state, name, items_of(state, &view)?)
        }
        (ValueKind::Map, "get") if is_dict(value) => {
            let [key, default] = positional(["key", "default"], arguments)?;
            let found = item(state, value, &key.ok_or_else(|| missing("key"))?)?;
            Ok(if found.is_undefined() {
                default.unwrap_or_else(|| ().into())
            } else {
                found
            })
        }
        _ => pycompat::unknown_method_callback(state, value, method, arguments),
    }
}

fn invalid(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason.into())
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::MissingArgument, format!("`{name}` is missing"))
}

/// Arguments by their places, also those that were given by name.
pub(super) fn positional<const N: usize>(
    names: [&str; N],
    arguments: &[Value],
) -> Result<[Option<Value>; N], Error> {
    let (named, placed) = match arguments.split_last() {
        Some((last, rest)) if last.is_kwargs() => (Some(Kwargs::try_from(last.clone())?), rest),
        _ => (None, arguments),
    };
    if placed.len() > N {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    let mut found = [const { None }; N];
    for (at, name) in names.into_iter().enumerate() {
        found[at] = match (placed.get(at), &named) {
            (Some(value), _) => Some(value.clone()),
            (None, Some(named)) => named.get::<Option<Value>>(name)?,
            (None, None) => None,
        };
    }
    named.map_or(Ok(()), |named| named.assert_all_used())?;
    Ok(found)
}
