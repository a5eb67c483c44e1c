//! `GET /openapi.json`: every endpoint, what it reads and what it answers, for programs that make clients or tests of it.
//!
//! What is read is derived from the types that read it. What is answered is described in [`answers`] and held to what is
//! answered by tests, as the paths are to the route table.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::response::Json;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use self::operations::{OPERATIONS, Operation};

mod answers;
mod operations;
#[cfg(test)]
mod tests;

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// Nothing of it depends on the model or on who asks.
pub(in crate::api) async fn openapi() -> Json<&'static Value> {
    Json(&DOCUMENT)
}

/// Shapes by name, as far as they were asked for.
#[derive(Default)]
pub(in crate::api) struct Schemas(BTreeMap<String, Value>);

impl Schemas {
    /// What a type reads.
    pub(in crate::api) fn of<T: ToSchema>(&mut self) -> Value {
        let mut parts = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut parts);
        for (name, schema) in parts {
            self.add(&name, json!(schema));
        }
        reference(&T::name())
    }

    /// A shape that goes by a name.
    fn named(&mut self, name: &str, schema: Value) -> Value {
        self.add(name, schema);
        reference(name)
    }

    fn add(&mut self, name: &str, schema: Value) {
        let before = self.0.insert(name.to_owned(), schema);
        let after = self.0.get(name);
        debug_assert!(before.is_none() || before.as_ref() == after, "two `{name}`");
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn document() -> Value {
    let mut schemas = Schemas::default();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in OPERATIONS {
        let described = described(operation, &mut schemas);
        let methods = paths.entry(operation.path).or_default();
        methods.insert(operation.method.to_owned(), described);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Nibble",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A model on the CPU, for clients of OpenAI, Anthropic and Ollama. Paths that begin with `/v1` are there \
                without it too, and each with a slash at its end. Keys are asked for where the server has some.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas.0,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "x-api-key": { "type": "apiKey", "in": "header", "name": "x-api-key" },
            },
        },
        "security": [{}, { "bearer": [] }, { "x-api-key": [] }],
    })
}

fn described(operation: &Operation, schemas: &mut Schemas) -> Value {
    let mut content = Map::new();
    if let Some(answers) = operation.answers {
        content.insert(
            operation.kind.to_owned(),
            json!({ "schema": answers(schemas) }),
        );
    }
    if let Some(stream) = operation.stream {
        let text = json!({ "schema": { "type": "string" } });
        content.insert(stream.to_owned(), text);
    }
    let error = json!({ "application/json": { "schema": (operation.errors)(schemas) } });
    let mut responses = Map::new();
    if !content.is_empty() {
        let said = json!({ "description": "What was asked for", "content": content });
        responses.insert("200".to_owned(), said);
    }
    let refused = json!({ "description": "What cannot be done, and why", "content": error });
    responses.insert("default".to_owned(), refused);
    let mut described = json!({
        "summary": operation.summary,
        "tags": [operation.tag],
        "responses": responses,
    });
    if let Some(reads) = operation.reads {
        let schema = reads(schemas);
        described["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": schema } },
        });
    }
    if operation.path.contains("{id}") {
        described["parameters"] = json!([{
            "name": "id",
            "in": "path",
            "required": true,
            "schema": { "type": "string" },
        }]);
    }
    described
}
