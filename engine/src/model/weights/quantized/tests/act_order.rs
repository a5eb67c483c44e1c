//! Groups whose columns do not lie side by side.

use super::*;
use crate::model::weights;

/// Two ways to have them.
fn in_act_order() -> [Quantized; 2] {
    [(Method::Gptq, true), (Method::PackedBytes, false)].map(|(method, symmetric)| Quantized {
        method,
        group: Some(32),
        symmetric,
        act_order: true,
    })
}

#[test]
fn columns_in_act_order_are_multiplied_with_their_own_activations() {
    for how in in_act_order() {
        let apart = |how: Quantized| {
            let folder = write(&config(Some(how)), &pair(&config(None), how)[0]);
            let [exact, rounded] = ["none", "g32"].map(|name| logits(folder.path(), name));
            let norm = |numbers: &mut dyn Iterator<Item = f32>| {
                numbers.map(|number| number * number).sum::<f32>().sqrt()
            };
            let errors = &mut exact.iter().zip(&rounded).map(|(a, b)| a - b);
            norm(errors) / norm(&mut exact.iter().copied())
        };
        // Activations are rounded in other blocks, and no worse.
        let plain = Quantized {
            act_order: false,
            ..how
        };
        for how in [how, plain] {
            let error = apart(how);
            assert!(error < 0.02, "{how:?}: {error}");
        }
    }
}

#[test]
fn groups_that_are_not_whole_or_not_there_are_refused() {
    for (how, part) in in_act_order().into_iter().zip(["g_idx", "weight_g_idx"]) {
        assert_eq!(refusal(how, |_| {}), "nothing");
        for (group, words) in [
            (3, "32 columns in group "),
            (4, "groups from 0 to 3, found 4 for column 40"),
            (-2, "groups from 0 to 3, found -2 for column 40"),
        ] {
            let message = refusal(how, |tensors| {
                let bytes: [u8; 4] = i32::to_le_bytes(group);
                find(tensors, part).3[4 * 40..][..4].copy_from_slice(&bytes);
            });
            let words = format!("`{Q_PROJ}.{part}` must have {words}");
            assert!(message.contains(&words), "no `{words}` in: {message}");
        }
    }
    let [how, _] = in_act_order();
    let how = Quantized {
        act_order: false,
        ..how
    };
    let without = refusal(how, |tensors| {
        tensors.retain(|tensor| !tensor.0.ends_with("g_idx"));
    });
    assert_eq!(without, "nothing");
}

#[test]
fn groups_that_compressed_tensors_did_not_set_are_in_order() {
    let [gptq, packed] = in_act_order();
    let not_set =
        |how: Quantized, part: &str| refusal(how, |tensors| find(tensors, part).3.fill(0xff));
    assert_eq!(not_set(packed, "weight_g_idx"), "nothing");
    assert!(not_set(gptq, "g_idx").contains("found -1 for column 0"));
}

/// What planning a model of changed tensors says.
fn plan_refusal(how: Quantized, change: impl Fn(&mut Vec<Written>)) -> String {
    let [mut quantized, _] = pair(&config(None), how);
    change(&mut quantized);
    let folder = write(&config(Some(how)), &quantized);
    let model = HfModel::open(folder.path()).unwrap();
    let scalar = kernel::choose(Some("scalar")).unwrap();
    let planned = weights::plan(&model, &model.config.model, Rounding::default(), scalar);
    planned.map_or_else(|error| error.to_string(), |_| "nothing".into())
}

#[test]
fn matrices_that_meet_the_same_activations_must_have_one_order() {
    let [how, _] = in_act_order();
    assert_eq!(plan_refusal(how, |_| {}), "nothing");
    let up = "model.layers.0.mlp.up_proj";
    let message = plan_refusal(how, |tensors| {
        tensors.retain(|tensor| tensor.0 != format!("{up}.g_idx"));
    });
    let words = format!("`model.layers.0.mlp.gate_proj` and `{up}` are multiplied with the same");
    assert!(message.contains(&words), "{message}");
}

#[test]
fn an_embedding_in_act_order_is_refused() {
    let [how, _] = in_act_order();
    let message = plan_refusal(how, |tensors| {
        let (k, embedding) = ("model.layers.0.self_attn.k_proj", "model.embed_tokens");
        tensors.retain(|tensor| !tensor.0.starts_with(embedding));
        for (name, ..) in tensors {
            *name = name.replace(k, embedding);
        }
    });
    let words = "`model.embed_tokens` must have groups of neighbouring columns";
    assert!(message.contains(words), "{message}");
}
