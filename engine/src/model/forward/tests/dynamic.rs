//! A rope that grows with the sequence: the same bits however the prefill is cut.

use serde_json::json;

use super::*;
use crate::files::checkpoint::written::{self, Layout};
use crate::model::source::ModelSource;

/// A small model whose rope grows beyond so many tokens.
pub(crate) fn model(trained: usize) -> Model {
    let mut config = written::config(256);
    config["max_position_embeddings"] = trained.into();
    config["rope_scaling"] = json!({ "rope_type": "dynamic", "factor": 4.0 });
    let folder = written::folder(&config, Layout::SINGLE_BF16);
    let source = ModelSource::open(folder.path()).unwrap();
    let (config, rounding) = (source.config().clone(), Rounding::default());
    let (kernel, pool) = (kernel::choose(None).unwrap(), Pool::new(2).unwrap());
    Model::load(source.tensors(), config, rounding, kernel, pool, None).unwrap()
}

#[test]
fn chunks_of_the_prefill_do_not_change_a_bit() {
    let mut model = model(32);
    for length in [20, 32, 33, 100] {
        let tokens = tokens(1, length);
        let expected = prefill(&mut model, &tokens, length);
        for chunk in [1, 7, 32, 33] {
            let found = prefill(&mut model, &tokens, chunk);
            assert_eq!(found, expected, "{length} tokens in chunks of {chunk}");
        }
        // Token after token behind a prompt of one each turns by its own length, which beyond 32 tokens differs.
        let mut cache = model.new_cache();
        cache.begin(1);
        let logits = bits(model.forward_each(&tokens, &mut cache));
        let last = &logits[logits.len() - expected.len()..];
        assert_eq!(last == expected, length <= 32, "{length} tokens");
    }
}
