//! Settings under names.

use async_trait::async_trait;
use nibble_app::chat::{Change, Chat, Presets};
use nibble_app::complaint::{Complaint, ComplaintKind};
use nibble_app::domain::Id;
use nibble_app::language::Told;
use nibble_app::presets::{Preset, built_in, preset_name};
use nibble_app::settings::{MessageForm, Settings};
use nibble_app::visitor::Visitor;

use super::ChatService;
use super::complaints::unstored;

#[async_trait]
impl Presets for ChatService {
    async fn presets(&self, visitor: Visitor) -> Result<Vec<Preset>, Complaint> {
        let own = self.writer.store.presets(visitor.owner).await;
        let mut presets = own.map_err(unstored)?;
        for preset in built_in(visitor.language, &self.defaults()) {
            if presets.iter().all(|own| own.name != preset.name) {
                presets.push(preset);
            }
        }
        Ok(presets)
    }

    async fn save_preset(
        &self,
        visitor: Visitor,
        form: &MessageForm,
        name: &str,
    ) -> Result<(), Complaint> {
        let preset = Preset {
            name: preset_name(name)?,
            settings: Settings {
                model: String::new(),
                ..Settings::from_form(form)?
            },
            is_built_in: false,
        };
        let saved = self.writer.store.save_preset(visitor.owner, &preset).await;
        saved.map_err(unstored)
    }

    async fn use_preset(
        &self,
        visitor: Visitor,
        form: &MessageForm,
        name: &str,
    ) -> Result<(), Complaint> {
        let presets = self.presets(visitor).await?;
        let found = presets.into_iter().find(|preset| preset.name == name);
        let preset = found.ok_or_else(|| unknown(name))?;
        let (store, owner) = (&self.writer.store, visitor.owner);
        let conversation: Option<Id> = form.conversation.parse().ok();
        let now = match conversation {
            Some(_) => self.settings_of(visitor, &form.conversation).await,
            None => self.last_settings(visitor).await.ok(),
        };
        let now = now.ok_or_else(Complaint::gone)?;
        let settings = Settings {
            usd_per_hour: now.usd_per_hour,
            model: now.model,
            ..preset.settings
        };
        let Some(id) = conversation else {
            let kept = store.keep_settings(owner, &settings).await;
            return kept.map_err(unstored);
        };
        let changed = store.change(owner, id, Change::Settings(settings)).await;
        match changed.map_err(unstored)? {
            true => Ok(()),
            false => Err(Complaint::gone()),
        }
    }

    async fn delete_preset(&self, visitor: Visitor, name: &str) -> Result<(), Complaint> {
        let deleted = self.writer.store.delete_preset(visitor.owner, name).await;
        match deleted.map_err(unstored)? {
            true => Ok(()),
            false => Err(unknown(name)),
        }
    }
}

/// Those that are there from the start cannot be deleted.
fn unknown(name: &str) -> Complaint {
    let shown: String = name.chars().take(40).collect();
    Complaint {
        reason: Told::new(|t| t.no_such_preset(&shown)),
        kind: ComplaintKind::Field("preset"),
    }
}
