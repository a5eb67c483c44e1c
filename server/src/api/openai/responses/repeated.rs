//! What a response says of how it was asked for: the settings of its request, and those that were taken where it left them open.
//! The published form demands all of them.

use nibble_engine::Request;
use serde_json::{Map, Value, json};

use super::{Reasoning, Text, Wire, WireTool};

/// The fields of a request that its response repeats.
pub(super) struct Repeated(Map<String, Value>);

impl Repeated {
    /// Those of what was read; `others` are fields that change no answer.
    pub(super) fn of(wire: &Wire, others: &Map<String, Value>) -> Self {
        let kept = |name: &str| others.get(name).cloned().unwrap_or_default();
        let metadata = match kept("metadata") {
            Value::Null => json!({}),
            metadata => metadata,
        };
        let tools = wire.tools.iter().flatten();
        let tools = tools.filter_map(WireTool::repeated);
        let choice = wire.tool_choice.clone().unwrap_or_else(|| "auto".into());
        let fields = json!({
            "background": false,
            "instructions": wire.instructions,
            "max_output_tokens": null,
            "max_tool_calls": null,
            "metadata": metadata,
            "parallel_tool_calls": wire.parallel_tool_calls != Some(false),
            "previous_response_id": null,
            "prompt_cache_key": kept("prompt_cache_key"),
            "reasoning": wire.reasoning.as_ref().map(Reasoning::repeated),
            "safety_identifier": kept("safety_identifier"),
            "service_tier": "default",
            // Its items may be referred to, it cannot be retrieved.
            "store": false,
            "text": wire.text.as_ref().map_or_else(plain_text, Text::repeated),
            "tool_choice": choice,
            "tools": tools.collect::<Vec<_>>(),
            "top_logprobs": 0,
            "truncation": "disabled",
        });
        match fields {
            Value::Object(fields) => Self(fields),
            _ => Self(Map::new()),
        }
    }

    /// With what the model is asked, whose answer may have so many tokens where that was said.
    pub(super) fn with(mut self, request: &Request, max_tokens: Option<usize>) -> Self {
        let (sampling, steering) = (&request.sampling, &request.steering);
        for (name, number) in [
            ("temperature", sampling.temperature),
            ("top_p", sampling.top_p),
            ("presence_penalty", steering.presence_penalty),
            ("frequency_penalty", steering.frequency_penalty),
        ] {
            self.0.insert(name.to_owned(), as_written(number));
        }
        let limit = max_tokens.map(|_| request.max_tokens);
        self.0.insert("max_output_tokens".to_owned(), limit.into());
        self
    }

    /// Adds them to a response.
    pub(super) fn add_to(&self, response: &mut Value) {
        if let Value::Object(response) = response {
            response.extend(self.0.clone());
        }
    }
}

/// A number as short as it was written, which an f64 of the same value would not be.
fn as_written(number: f32) -> Value {
    let short = number.to_string().parse::<f64>();
    short.map_or(Value::Null, Value::from)
}

fn plain_text() -> Value {
    json!({ "format": { "type": "text" } })
}

impl Text {
    fn repeated(&self) -> Value {
        match &self.format {
            Some(format) => json!({ "format": format }),
            None => plain_text(),
        }
    }
}

impl Reasoning {
    fn repeated(&self) -> Value {
        json!({ "effort": self.effort, "summary": null })
    }
}
