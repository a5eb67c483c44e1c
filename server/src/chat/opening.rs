//! A conversation as pages show it: a part of the branch that is shown, with what is written of answers by now.

use nibble_app::chat::{Chat, Thread};
use nibble_app::complaint::Complaint;
use nibble_app::domain::{Id, Turn};
use nibble_app::visitor::Visitor;

use super::complaints::unstored;
use super::{ChatService, TURNS};
use crate::store::{Part, Window};

/// The last turns, of which most often one tells what it took: an answer is written, and one stands before it.
const LAST: usize = 2;

impl ChatService {
    /// A part of a conversation, where the visitor may read it.
    pub(super) async fn thread(
        &self,
        visitor: Visitor,
        id: Id,
        part: Part,
    ) -> Result<Option<Thread>, Complaint> {
        self.branch_of(visitor, id, None, part).await
    }

    /// A page that has this answer, see [`Chat::open_at`].
    pub(super) async fn thread_at(
        &self,
        visitor: Visitor,
        id: Id,
        answer: Id,
    ) -> Result<Option<Thread>, Complaint> {
        let end = self.thread(visitor, id, Part::Last(TURNS)).await?;
        let has_it = |thread: &Thread| thread.turns.iter().any(|turn| turn.answer.id == answer);
        match end {
            Some(thread) if thread.own && !has_it(&thread) => {
                let there = self
                    .branch_of(visitor, id, Some(answer), Part::Last(TURNS))
                    .await?;
                let there = there.filter(has_it);
                // What is asked on this page does not follow it.
                let there = there.map(|there| Thread {
                    later: true,
                    ..there
                });
                Ok(Some(there.unwrap_or(thread)))
            }
            end => Ok(end),
        }
    }

    /// A part of the branch that ends with a message, or of the one that is shown.
    async fn branch_of(
        &self,
        visitor: Visitor,
        id: Id,
        tip: Option<Id>,
        part: Part,
    ) -> Result<Option<Thread>, Complaint> {
        let found = self.readable(visitor, id).await.map_err(unstored)?;
        let Some((conversation, own)) = found else {
            return Ok(None);
        };
        let tip = tip.or(conversation.tip);
        let window = self.writer.window(id, tip, part).await;
        let Window {
            turns,
            earlier,
            later,
            memory,
        } = window.map_err(unstored)?;
        // What its owner tells the model is not shared.
        let settings = match own {
            true => conversation.settings.clone(),
            false => self.last_settings(visitor).await?,
        };
        Ok(Some(Thread {
            settings,
            conversation: Some(conversation),
            earlier: turns
                .first()
                .map(|turn| turn.question.id)
                .filter(|_| earlier),
            turns,
            memory,
            later,
            own,
        }))
    }

    /// The last turns, as far back as a page has them where the very last do not tell what they took.
    pub(super) async fn end_of(
        &self,
        visitor: Visitor,
        id: Id,
    ) -> Result<Option<Thread>, Complaint> {
        let thread = self.thread(visitor, id, Part::Last(LAST)).await?;
        let says =
            |thread: &Thread| thread.earlier.is_none() || thread.turns.iter().any(is_measured);
        match thread {
            Some(thread) if !says(&thread) => self.thread(visitor, id, Part::Last(TURNS)).await,
            _ => Ok(thread),
        }
    }
}

fn is_measured(turn: &Turn) -> bool {
    let end = turn.answer.end.as_ref();
    end.is_some_and(|end| end.metrics.is_some())
}
