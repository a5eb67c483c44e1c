//! Reading files: tensors by name and the model's shape, from GGUF files and folders of the Hugging Face hub.

pub(crate) mod checkpoint;
pub(crate) mod config;
mod hex;
pub(crate) mod json;
mod lfs;
pub(crate) mod positioned;
pub(crate) mod regular;
pub(crate) mod safetensors;

pub(crate) use hex::hex;
