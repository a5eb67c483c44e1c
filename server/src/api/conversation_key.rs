//! Which conversation a request belongs to, by what its fields say of that.
//!
//! Programs ask for many people with one key, and some give all their requests the same `prompt_cache_key`. So names only tell
//! conversations apart that begin alike; none makes two of one.

use nibble_engine::ConversationKey;
use serde_json::{Map, Value};

/// Fields that say of whom or of what a request is.
const NAMES: [&str; 4] = [
    "prompt_cache_key",
    "safety_identifier",
    "session_id",
    "user",
];

/// The conversation of a request with these fields among its others; none where nothing is to be stored.
pub(super) fn conversation_key(others: &Map<String, Value>) -> ConversationKey {
    if others.get("store") == Some(&Value::Bool(false)) {
        return ConversationKey::Unkept;
    }
    let named = NAMES.map(|name| (name, others.get(name)));
    // Anthropic's field for the person.
    let metadata = others.get("metadata");
    let user_id = metadata.and_then(|metadata| metadata.get("user_id"));
    let named = named.into_iter().chain([("user_id", user_id)]);
    let said = named.filter_map(|(name, value)| Some(format!("{name} {}", value?)));
    ConversationKey::Beginning(said.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_names_a_person_or_a_conversation_tells_it_from_others() {
        let of = |fields: Value| conversation_key(fields.as_object().unwrap());
        let beginning = |said: &[&str]| {
            ConversationKey::Beginning(said.iter().map(ToString::to_string).collect())
        };
        assert_eq!(
            of(json!({ "metadata": { "a": "b" }, "store": true })),
            beginning(&[])
        );
        let fields =
            json!({ "user": "ann", "prompt_cache_key": "k", "metadata": { "user_id": 7 } });
        let said = ["prompt_cache_key \"k\"", "user \"ann\"", "user_id 7"];
        assert_eq!(of(fields), beginning(&said));
        assert_ne!(of(json!({ "user": "a" })), of(json!({ "session_id": "a" })));
        let unstored = json!({ "user": "ann", "store": false });
        assert_eq!(of(unstored), ConversationKey::Unkept);
    }
}
