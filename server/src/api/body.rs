//! Bodies of requests; what is wrong is said of its place.

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::{Map, Number, Value};
use utoipa::ToSchema;

use super::shape::Shape;
use crate::error::ApiError;

/// A whole number, also one that is written as a float.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[schema(value_type = i64)]
#[serde(try_from = "Number")]
pub(super) struct Integer(pub(super) i128);

impl TryFrom<Number> for Integer {
    type Error = String;

    fn try_from(number: Number) -> Result<Self, String> {
        let float = number.as_f64().unwrap_or(f64::NAN);
        let integer = number.as_i128();
        // A cast of a float that is too large gives the largest, which no field takes.
        let whole = (float.fract() == 0.0).then_some(float as i128);
        let found = integer.or(whole).map(Self);
        found.ok_or_else(|| format!("expected a whole number, found {number}"))
    }
}

/// The fields of a body that is `what`, such as "a chat completion request".
///
/// # Errors
/// Status 400 that names the field, or the place where it is no JSON.
pub(super) fn read<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, ApiError> {
    let mut shape = Shape::default();
    shape.add(body);
    shape.check("body")?;
    let mut json = serde_json::Deserializer::from_slice(body);
    let fields = placed(&mut json, what)?;
    json.end().map_err(|error| {
        ApiError::invalid(format!("the body goes on after its object: {error}"))
    })?;
    Ok(fields)
}

/// Those of an object that `T` knows.
///
/// # Errors
/// As [`read`].
pub(super) fn rest<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, ApiError> {
    placed(Value::Object(fields), "a request")
}

fn placed<'a, T: Deserialize<'a>>(
    json: impl Deserializer<'a, Error = serde_json::Error>,
    what: &str,
) -> Result<T, ApiError> {
    serde_path_to_error::deserialize(json).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.inner();
        // Fields that are missing at the top, and broken syntax, have no path.
        if path == "." || !reason.is_data() {
            ApiError::invalid(format!("the body is not {what}: {reason}"))
        } else {
            ApiError::invalid_field(&path, format!("`{path}`: {reason}"))
        }
    })
}
