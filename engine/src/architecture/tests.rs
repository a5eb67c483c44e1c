use super::*;

#[test]
fn every_tensor_of_every_family_is_found_by_its_name_in_either_dialect() {
    for row in Architecture::ALL {
        let in_layers = row.layer_tensors();
        let tensors = in_layers.map(|(tensor, _)| ModelTensor::Layer(31, *tensor));
        for tensor in tensors.chain(BESIDE_LAYERS.map(|(tensor, _)| tensor)) {
            for dialect in [Dialect::Gguf, Dialect::HuggingFace] {
                let name = row.tensor_name(dialect, tensor);
                assert_eq!(row.tensor(dialect, &name, 32), Some(tensor), "{name}");
                let in_layer = matches!(tensor, ModelTensor::Layer(..));
                assert_eq!(row.tensor(dialect, &name, 31).is_none(), in_layer, "{name}");
            }
        }
    }
}

#[test]
fn names_are_those_of_files_and_of_no_other_family() {
    let norm = ModelTensor::Layer(7, QNorm);
    let (gguf, folder) = ("blk.7.attn_q_norm", "model.layers.7.self_attn.q_norm");
    assert_eq!(QWEN3.tensor_name(Dialect::Gguf, norm), gguf);
    assert_eq!(QWEN3.tensor_name(Dialect::HuggingFace, norm), folder);
    assert_eq!(QWEN3.tensor(Dialect::Gguf, folder, 8), None);
    assert_eq!(LLAMA.tensor(Dialect::Gguf, gguf, 8), None);
    assert_eq!(LLAMA.tensor(Dialect::Gguf, "blk.x.attn_q", 8), None);
    assert!(QWEN3.has(QNorm) && !LLAMA.has(QNorm));
}

#[test]
fn a_file_named_llama_is_of_llamas_row_and_a_folder_of_mistrals_of_its_own() {
    let windows = |dialect, name| Architecture::named(dialect, name).map(|row| row.windows);
    assert_eq!(windows(Dialect::Gguf, "llama"), Some(Windows::NoLayer));
    let mistral = windows(Dialect::HuggingFace, "MistralForCausalLM");
    assert_eq!(mistral, Some(Windows::EveryLayer));
    assert_eq!(windows(Dialect::HuggingFace, "llama"), None);
    assert_eq!(
        Architecture::all_names(Dialect::Gguf),
        ["llama", "qwen2", "qwen3"]
    );
}
