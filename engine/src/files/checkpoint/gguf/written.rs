//! GGUF files written in memory, for tests that need one that is small, wrong or hostile.

use super::Gguf;
use crate::Error;

/// Bytes of a file in the making.
#[derive(Clone, Default)]
pub(crate) struct Written {
    metadata: Vec<u8>,
    metadata_count: u64,
    tensors: Vec<u8>,
    tensor_count: u64,
    data: Vec<u8>,
}

impl Written {
    /// The keys and the embedding of a model of one small layer; `changes` replace its numbers.
    pub(crate) fn model(architecture: &str, changes: &[(&str, u32)]) -> Self {
        let keys = Self::keys(architecture, changes);
        keys.zeros("token_embd.weight", &[10, 64], 1, 10 * 64 * 2)
    }

    /// The keys alone.
    pub(crate) fn keys(architecture: &str, changes: &[(&str, u32)]) -> Self {
        let numbers = [
            ("block_count", 1),
            ("embedding_length", 64),
            ("feed_forward_length", 96),
            ("attention.head_count", 4),
            ("attention.head_count_kv", 2),
            ("context_length", 128),
        ];
        let numbers = numbers.map(|(key, number)| (format!("{architecture}.{key}"), number));
        let mut file = Self::default()
            .text("general.architecture", architecture)
            .float(
                &format!("{architecture}.attention.layer_norm_rms_epsilon"),
                1e-5,
            );
        for (key, number) in &numbers {
            if !changes.iter().any(|(changed, _)| changed == key) {
                file = file.integer(key, *number);
            }
        }
        changes
            .iter()
            .fold(file, |file, (key, number)| file.integer(key, *number))
    }

    pub(crate) fn value(mut self, key: &str, kind: u32, bytes: &[u8]) -> Self {
        self.metadata.extend(text_bytes(key));
        self.metadata.extend(kind.to_le_bytes());
        self.metadata.extend(bytes);
        self.metadata_count += 1;
        self
    }

    pub(crate) fn integer(self, key: &str, value: u32) -> Self {
        self.value(key, 4, &value.to_le_bytes())
    }

    pub(crate) fn float(self, key: &str, value: f32) -> Self {
        self.value(key, 6, &value.to_le_bytes())
    }

    pub(crate) fn flag(self, key: &str, value: bool) -> Self {
        self.value(key, 7, &[u8::from(value)])
    }

    pub(crate) fn text(self, key: &str, value: &str) -> Self {
        self.value(key, 8, &text_bytes(value))
    }

    pub(crate) fn texts<T: AsRef<str>>(self, key: &str, values: &[T]) -> Self {
        let mut bytes = array_head(8, values.len());
        bytes.extend(values.iter().flat_map(|text| text_bytes(text.as_ref())));
        self.value(key, 9, &bytes)
    }

    pub(crate) fn integers(self, key: &str, values: &[i32]) -> Self {
        let mut bytes = array_head(5, values.len());
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        self.value(key, 9, &bytes)
    }

    pub(crate) fn floats(self, key: &str, values: &[f32]) -> Self {
        let mut bytes = array_head(6, values.len());
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        self.value(key, 9, &bytes)
    }

    /// A tensor of zeros; `shape` outermost first, `kind` GGML's number, `length` in bytes.
    pub(crate) fn zeros(self, name: &str, shape: &[u64], kind: u32, length: usize) -> Self {
        self.tensor(name, shape, kind, &vec![0; length])
    }

    /// A tensor of these bytes.
    pub(crate) fn tensor(mut self, name: &str, shape: &[u64], kind: u32, bytes: &[u8]) -> Self {
        let offset = self.data.len();
        self.data.extend(bytes);
        self.data.resize(self.data.len().next_multiple_of(32), 0);
        self.tensor_at(name, shape, kind, offset as u64)
    }

    /// Only the header's entry of a tensor.
    pub(crate) fn tensor_at(mut self, name: &str, shape: &[u64], kind: u32, offset: u64) -> Self {
        self.tensors.extend(text_bytes(name));
        self.tensors.extend((shape.len() as u32).to_le_bytes());
        let innermost_first = shape.iter().rev();
        self.tensors
            .extend(innermost_first.flat_map(|length| length.to_le_bytes()));
        self.tensors.extend(kind.to_le_bytes());
        self.tensors.extend(offset.to_le_bytes());
        self.tensor_count += 1;
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        file.extend(3u32.to_le_bytes());
        file.extend(self.tensor_count.to_le_bytes());
        file.extend(self.metadata_count.to_le_bytes());
        file.extend(&self.metadata);
        file.extend(&self.tensors);
        file.resize(file.len().next_multiple_of(32), 0);
        file.extend(&self.data);
        file
    }

    pub(crate) fn open(&self) -> Result<Gguf, Error> {
        Gguf::from_bytes(&self.bytes())
    }
}

pub(crate) fn text_bytes(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

pub(crate) fn array_head(kind: u32, count: usize) -> Vec<u8> {
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend((count as u64).to_le_bytes());
    bytes
}
