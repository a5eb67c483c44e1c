//! A model on the disk: a GGUF file or a folder in the layout of the Hugging Face hub.

use std::path::Path;

use crate::files::checkpoint::ModelFile;
use crate::files::config::ModelConfig;
use crate::model::weights::{GgufModel, HfModel, TensorSource};
use crate::text::prompt::ChatTemplate;
use crate::text::tokenizer::{HfText, Tokenizer};
use crate::{Error, Sampling};

/// Characters of a licence's name; some files have its text there.
const MAX_LICENCE: usize = 60;

/// An open model.
#[derive(Debug)]
pub(crate) enum ModelSource {
    Gguf(Box<GgufModel>),
    Folder(Box<HfModel>, Box<HfText>),
}

impl ModelSource {
    /// Opens and checks everything but the sizes of the tensors.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        if path.is_dir() {
            let model = HfModel::open(path)?;
            let text = HfText::read(&model.folder)?;
            return Ok(Self::Folder(Box::new(model), Box::new(text)));
        }
        let model = GgufModel::open(path)?;
        Ok(Self::Gguf(Box::new(model)))
    }

    pub(crate) fn config(&self) -> &ModelConfig {
        match self {
            Self::Gguf(model) => &model.config.model,
            Self::Folder(model, _) => &model.config.model,
        }
    }

    /// The licence that a GGUF file names; a folder says none.
    pub(crate) fn licence(&self) -> String {
        let named = match self {
            Self::Gguf(model) => model.file.text("general.license").ok().flatten(),
            Self::Folder(..) => None,
        };
        let named = named.unwrap_or_default().trim();
        named.chars().take(MAX_LICENCE).collect()
    }

    /// The tokenizer of a model that has one.
    pub(crate) fn tokenizer(&self) -> Result<Tokenizer, Error> {
        match self {
            Self::Gguf(model) => Tokenizer::from_gguf(&model.file)?.ok_or_else(|| {
                let file = &model.file;
                file.error("it has no vocabulary, so it can neither read nor write text")
            }),
            Self::Folder(model, text) => Tokenizer::from_folder(&model.folder, &model.config, text),
        }
    }

    pub(crate) fn template(&self, tokenizer: &Tokenizer) -> Result<ChatTemplate, Error> {
        let source = match self {
            Self::Gguf(model) => model.file.text("tokenizer.chat_template")?,
            Self::Folder(_, text) => text.template.as_deref(),
        };
        ChatTemplate::new(source, tokenizer)
    }

    pub(crate) fn tensors(&self) -> &dyn TensorSource {
        match self {
            Self::Gguf(model) => model.as_ref(),
            Self::Folder(model, _) => model.as_ref(),
        }
    }

    /// What the authors advise, over what is known of a model of this name.
    pub(crate) fn sampling(&self, name: &str) -> Sampling {
        let advised = Sampling::advised_for(name);
        match self {
            Self::Gguf(_) => advised,
            Self::Folder(_, text) => text.generation.over(advised),
        }
    }

    /// Where the model is: a file, or a folder.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Gguf(model) => model.file.path(),
            Self::Folder(model, _) => model.folder.path(),
        }
    }

    /// The files of the weights.
    pub(crate) fn files(&self) -> Box<dyn Iterator<Item = &ModelFile> + '_> {
        match self {
            Self::Gguf(model) => Box::new(model.file.files()),
            Self::Folder(model, _) => Box::new(model.folder.files()),
        }
    }
}
