//! Fields that are read in stages, each of which takes those that it knows and leaves the others to the next.
//!
//! What an endpoint reads is a list of types, from which both follow: how a body is read, and what `/openapi.json` says of it.

use std::mem::take;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::body;
use super::openapi::Schemas;
use crate::error::ApiError;

/// The fields of one stage; [`stage`] makes a type one.
pub(super) trait Stage: DeserializeOwned + ToSchema {
    /// Those that it does not know.
    fn others(&mut self) -> &mut Map<String, Value>;
}

/// Makes a [`Stage`] of a type that flattens what it does not know into `others`.
macro_rules! stage {
    ($fields:ty) => {
        impl $crate::api::stages::Stage for $fields {
            fn others(&mut self) -> &mut serde_json::Map<String, serde_json::Value> {
                &mut self.others
            }
        }
    };
}
pub(super) use stage;

/// Stages in their order, with what none of them knows.
pub(super) trait Stages: Sized {
    /// Those of a body that is `what`, such as "a chat completion request".
    ///
    /// # Errors
    /// As [`body::read`].
    fn read(body: &[u8], what: &str) -> Result<(Self, Map<String, Value>), ApiError>;

    /// Those of an object.
    ///
    /// # Errors
    /// As [`body::read`].
    fn of(fields: Map<String, Value>) -> Result<(Self, Map<String, Value>), ApiError>;

    /// What they read.
    fn schema(schemas: &mut Schemas) -> Value;
}

macro_rules! stages {
    ($first:ident $($next:ident)+) => {
        impl<$first: Stage, $($next: Stage),+> Stages for ($first, $($next),+) {
            fn read(body: &[u8], what: &str) -> Result<(Self, Map<String, Value>), ApiError> {
                let mut first: $first = body::read(body, what)?;
                let mut others = take(first.others());
                Ok(((first, $(next::<$next>(&mut others)?),+), others))
            }

            fn of(fields: Map<String, Value>) -> Result<(Self, Map<String, Value>), ApiError> {
                let mut others = fields;
                let stages = (next::<$first>(&mut others)?, $(next::<$next>(&mut others)?),+);
                Ok((stages, others))
            }

            fn schema(schemas: &mut Schemas) -> Value {
                json!({ "allOf": [schemas.of::<$first>(), $(schemas.of::<$next>()),+] })
            }
        }
    };
}

stages!(A B);
stages!(A B C);
stages!(A B C D);
stages!(A B C D E);

/// Takes those of `fields` that a stage knows.
fn next<S: Stage>(fields: &mut Map<String, Value>) -> Result<S, ApiError> {
    let mut stage: S = body::rest(take(fields))?;
    *fields = take(stage.others());
    Ok(stage)
}
