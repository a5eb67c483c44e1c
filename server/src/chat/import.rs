//! Conversations on their way in: a file is read on a thread that may block, and what it holds written down meanwhile.

use nibble_app::chat::{Chat, Imported, LeftOut};
use nibble_app::domain::TITLE_CHARACTERS;
use nibble_app::visitor::Visitor;
use nibble_engine::Caller;
use tokio::sync::mpsc::channel;

use super::ChatService;
use super::complaints::unstored;
use crate::bodies::Held;
use crate::interchange::{Found, Reading, read};
use crate::preparation::Preparation;
use crate::store::{StoreError, now};

/// Conversations that are read and not yet written down.
const AHEAD: usize = 2;
/// Those that are left out by name.
const NAMED: usize = 20;

impl ChatService {
    /// Takes the conversations of a file in, each as a whole.
    pub(crate) async fn import(
        &self,
        visitor: Visitor,
        file: Held,
        filing: &Preparation,
    ) -> Imported {
        let t = visitor.language;
        let reading = Reading {
            defaults: self.defaults(),
            now: now(),
            language: t,
        };
        let (sender, mut parts) = channel(AHEAD);
        let reader = filing.run(Caller(visitor.caller), move || {
            let take = |found| sender.blocking_send(found).is_ok();
            read(&file.bytes, &reading, take)
        });
        let writer = async {
            let mut imported = Imported::default();
            while let Some(found) = parts.recv().await {
                if let Err(error) = self.keep(visitor, found, &mut imported).await {
                    imported.trouble = Some(unstored(error).reason.told(t).to_owned());
                    // The reader hears that no more is taken.
                    parts.close();
                    break;
                }
            }
            imported
        };
        let (outcome, mut imported) = tokio::join!(reader, writer);
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => imported.trouble = Some(reason),
            Err(error) => imported.trouble = Some(t.file_unreadable(error)),
        }
        imported
    }

    async fn keep(
        &self,
        visitor: Visitor,
        found: Found,
        imported: &mut Imported,
    ) -> Result<(), StoreError> {
        match found.transcript {
            Ok(mut transcript) => {
                let settings = std::mem::take(&mut transcript.conversation.settings);
                transcript.conversation.settings = self.with_usable_model(visitor, settings);
                self.writer.store.import(visitor.owner, &transcript).await?;
                imported.chats += 1;
                imported.skipped += found.skipped;
            }
            Err(reason) => {
                imported.left_out_in_all += 1;
                if imported.left_out.len() < NAMED {
                    let title = found.title.chars().take(TITLE_CHARACTERS).collect();
                    imported.left_out.push(LeftOut { title, reason });
                }
            }
        }
        Ok(())
    }
}
