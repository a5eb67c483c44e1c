//! Conversations on their way out: what a conversation shows, and all that is in some of them as a stream of JSON.

use std::collections::HashSet;
use std::mem;
use std::sync::Arc;

use axum::body::Bytes;
use futures::SinkExt;
use futures::channel::mpsc::{Receiver, Sender, channel};
use nibble_app::complaint::Complaint;
use nibble_app::domain::{Conversation, Id, Turn};
use nibble_app::visitor::Visitor;
use serde::Serialize;

use super::ChatService;
use super::complaints::unstored;
use crate::interchange::VERSION;
use crate::store::{Part, Place, Store, StoreError};

/// Messages that are in memory at a time.
const AT_ONCE: usize = 64;

impl ChatService {
    /// The branch that a conversation shows, where the visitor may read it.
    pub(crate) async fn shown(
        &self,
        visitor: Visitor,
        id: Id,
    ) -> Result<Option<(Conversation, Vec<Turn>)>, Complaint> {
        let found = self.readable(visitor, id).await.map_err(unstored)?;
        let Some((conversation, _)) = found else {
            return Ok(None);
        };
        let window = self.writer.window(id, conversation.tip, Part::Whole);
        let turns = window.await.map_err(unstored)?.turns;
        Ok(Some((conversation, turns)))
    }

    /// A conversation as our JSON with its title, where the visitor may read it. Whoever reads what another shares gets
    /// the branch that is shown.
    pub(crate) async fn json(
        &self,
        visitor: Visitor,
        id: Id,
    ) -> Result<Option<(String, Receiver<Piece>)>, Complaint> {
        let found = self.readable(visitor, id).await.map_err(unstored)?;
        let Some((conversation, own)) = found else {
            return Ok(None);
        };
        let mut only = None;
        if !own {
            let tree = self.writer.store.tree(id).await.map_err(unstored)?;
            let path = conversation.tip.map(|tip| tree.path(tip));
            only = Some(path.unwrap_or_default().into_iter().collect());
        }
        let title = conversation.title;
        Ok(Some((title, self.streamed(vec![id], only))))
    }

    /// All conversations of a visitor as our JSON.
    pub(crate) async fn all_json(&self, visitor: Visitor) -> Result<Receiver<Piece>, Complaint> {
        let names = self.writer.store.names(visitor.owner).await;
        Ok(self.streamed(names.map_err(unstored)?, None))
    }

    fn streamed(&self, names: Vec<Id>, only: Option<HashSet<Id>>) -> Receiver<Piece> {
        let store = Arc::clone(&self.writer.store);
        let (sender, pieces) = channel(1);
        tokio::spawn(async move {
            let mut out = Out {
                sender,
                piece: Vec::new(),
            };
            if let Err(Ended::Failed(error)) = out.write(&*store, &names, only.as_ref()).await {
                tracing::error!("an export breaks off: {error}");
                // The connection breaks, so that nobody takes the file for whole.
                let _ = out.sender.send(Err(error)).await;
            }
        });
        pieces
    }
}

/// Some bytes of a file.
pub(crate) type Piece = Result<Bytes, StoreError>;

/// Why no more is written.
enum Ended {
    /// Nobody reads it.
    Left,
    Failed(StoreError),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// A file that is read while it is written.
struct Out {
    sender: Sender<Piece>,
    piece: Vec<u8>,
}

impl Out {
    async fn write(
        &mut self,
        store: &dyn Store,
        names: &[Id],
        only: Option<&HashSet<Id>>,
    ) -> Result<(), Ended> {
        self.text(&format!("{{\"nibble_chats\":{VERSION},\"chats\":["));
        let mut between = "\n";
        for name in names {
            // What was deleted meanwhile is left out.
            if let Some((mut conversation, _)) = store.conversation(*name).await? {
                if only.is_some() {
                    conversation.settings.system_prompt.clear();
                }
                self.text(between);
                between = ",\n";
                self.conversation(store, &conversation, only).await?;
            }
        }
        self.text("\n]}\n");
        self.flush().await
    }

    async fn conversation(
        &mut self,
        store: &dyn Store,
        conversation: &Conversation,
        only: Option<&HashSet<Id>>,
    ) -> Result<(), Ended> {
        self.text("{\"conversation\":");
        self.json(conversation)?;
        self.text(",\"messages\":[");
        let mut between = "\n";
        let mut place = Place::default();
        loop {
            let messages = store.messages(conversation.id, place, AT_ONCE).await?;
            let next = match messages.last() {
                Some((last, _)) if messages.len() == AT_ONCE => Some(*last),
                _ => None,
            };
            for (_, mut message) in messages {
                match only {
                    Some(only) if !only.contains(&message.id) => continue,
                    // What its owner tells the model is not shared.
                    Some(_) => message.for_others(),
                    None => {}
                }
                self.text(between);
                between = ",\n";
                self.json(&message)?;
            }
            self.flush().await?;
            match next {
                Some(next) => place = next,
                None => break,
            }
        }
        self.text("]}");
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.piece.extend_from_slice(text.as_bytes());
    }

    fn json(&mut self, value: &impl Serialize) -> Result<(), Ended> {
        serde_json::to_writer(&mut self.piece, value)
            .map_err(|error| Ended::Failed(StoreError::Failed(error.to_string())))
    }

    async fn flush(&mut self) -> Result<(), Ended> {
        let piece = mem::take(&mut self.piece);
        let sent = self.sender.send(Ok(piece.into())).await;
        sent.map_err(|_| Ended::Left)
    }
}
