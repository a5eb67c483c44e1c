//! Answers as they are now: what the store has of them, and what those have that are being written.
//!
//! A run goes when its answer is written down. So who reads the store and then finds no run may hold what the store had before
//! that: such an answer is read again. It is done here alone, for one answer and for a part of a branch.

use nibble_app::domain::{Answer, Id, Origin};

use super::writing::Writer;
use crate::runs::Run;
use crate::store::{Part, StoreError, Window};

impl Writer {
    /// A part of the branch of a conversation that ends with `tip`.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) async fn window(
        &self,
        conversation: Id,
        tip: Option<Id>,
        part: Part,
    ) -> Result<Window, StoreError> {
        let mut window = self.store.window(conversation, tip, part).await?;
        for turn in &mut window.turns {
            self.bring_up_to_date(&mut turn.answer).await?;
        }
        Ok(window)
    }

    /// One answer. Where it cannot be read, or was withdrawn, there is what its run has.
    pub(super) async fn answer(&self, id: Id) -> Option<Answer> {
        let run = self.runs.get(id);
        let stored = self.stored(id).await.unwrap_or_else(|error| {
            tracing::error!("an answer cannot be read: {error}");
            None
        });
        stored.or_else(|| {
            let run = run?;
            let mut answer = Answer {
                id,
                thought: String::new(),
                text: String::new(),
                end: None,
                siblings: Vec::new(),
                is_told_alone: false,
                origin: Origin::default(),
            };
            follow(&mut answer, &run);
            Some(answer)
        })
    }

    async fn stored(&self, id: Id) -> Result<Option<Answer>, StoreError> {
        let Some(mut answer) = self.store.answer(id).await? else {
            return Ok(None);
        };
        if let Some(conversation) = self.store.conversation_of(id).await? {
            let tree = self.store.tree(conversation).await?;
            answer.siblings = tree.siblings(id).to_vec();
            answer.is_told_alone = tree.is_told_alone(id);
        }
        self.bring_up_to_date(&mut answer).await?;
        Ok(Some(answer))
    }

    /// Brings an answer that was read from the store to where it is now.
    async fn bring_up_to_date(&self, answer: &mut Answer) -> Result<(), StoreError> {
        if let Some(run) = self.runs.get(answer.id) {
            follow(answer, &run);
        } else if answer.end.is_none()
            && let Some(now) = self.store.answer(answer.id).await?
        {
            (answer.thought, answer.text, answer.end) = (now.thought, now.text, now.end);
        }
        Ok(())
    }
}

/// What is not in the store yet is with the run.
fn follow(answer: &mut Answer, run: &Run) {
    (answer.thought, answer.text) = run.written();
    answer.end = run.ended();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nibble_app::domain::{Content, End, EndReason};
    use nibble_app::visitor::Owner;

    use super::*;
    use crate::generator::Generator;
    use crate::metered::Metered;
    use crate::models::Models;
    use crate::served::Served;
    use crate::store::Ask;
    use crate::telemetry::Telemetry;
    use crate::test_support::browser::store;
    use crate::test_support::held::Held;

    fn writer() -> Writer {
        let held = Arc::new(Held::default());
        let telemetry = Telemetry::new(held.info(), 0, 1.0).unwrap();
        let model = Metered::new(Models::only(held), Arc::new(telemetry));
        Writer {
            models: Served::new(model, Vec::new()),
            store: Arc::new(store()),
            runs: Arc::default(),
        }
    }

    /// A conversation with an answer of which nothing is written down, and its run.
    async fn begun(writer: &Writer) -> (Id, Id, Arc<Run>) {
        let question = Content {
            text: "Hi".to_owned(),
            attachments: Vec::new(),
        };
        let (owner, origin) = (Owner::default(), Origin::default());
        let begun = writer.store.begin(owner, Ask::First(question), origin);
        let begun = begun.await.unwrap();
        let id = begun.turn.answer.id;
        let run = writer.runs.begin(id, owner);
        run.append("Hello");
        (begun.conversation.id, id, run)
    }

    fn complete() -> End {
        End {
            reason: EndReason::Complete,
            metrics: None,
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_written_down_behind_the_read_of_it_has_its_text_and_its_end() {
        let writer = writer();
        let (_, id, run) = begun(&writer).await;
        let mut answer = writer.store.answer(id).await.unwrap().unwrap();
        assert_eq!((answer.text.as_str(), &answer.end), ("", &None));
        writer.bring_up_to_date(&mut answer).await.unwrap();
        assert_eq!((answer.text.as_str(), &answer.end), ("Hello", &None));
        let mut answer = writer.store.answer(id).await.unwrap().unwrap();
        writer.end(id, &run, complete()).await;
        writer.bring_up_to_date(&mut answer).await.unwrap();
        assert_eq!(
            (answer.text.as_str(), answer.end),
            ("Hello", Some(complete()))
        );
    }

    #[tokio::test]
    async fn whoever_reads_while_an_answer_is_written_down_misses_nothing_of_it() {
        let writer = writer();
        for _ in 0..50 {
            let (conversation, id, run) = begun(&writer).await;
            let (window, answer, ()) = tokio::join!(
                writer.window(conversation, Some(id), Part::Whole),
                writer.answer(id),
                writer.end(id, &run, complete()),
            );
            assert_eq!(window.unwrap().turns[0].answer.text, "Hello");
            assert_eq!(answer.unwrap().text, "Hello");
        }
    }
}
