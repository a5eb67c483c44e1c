//! Reading messages: the places of all, the contents of those that are shown.

use std::collections::HashMap;

use nibble_app::domain::{Answer, Id, Question, Tree, Turn};
use sqlx::AssertSqlSafe;

use super::{SqlStore, rows};
use crate::store::{Part, StoreError, Window};

/// Messages that one statement names.
const AT_ONCE: usize = 500;

/// The messages of a conversation that are not hidden, oldest first.
pub(super) const PLACES: &str =
    "SELECT id, parent, memory FROM messages WHERE conversation = $1 AND hidden IS NULL ORDER BY n";

impl SqlStore {
    pub(super) async fn places(&self, conversation: Id) -> Result<Tree, StoreError> {
        let select = sqlx::query(PLACES).bind(conversation.to_string());
        let nodes = self.told(select.fetch_all(&self.pool).await)?;
        Ok(Tree::new(&self.read(nodes, rows::node)?))
    }

    pub(super) async fn part_of_branch(
        &self,
        conversation: Id,
        tip: Option<Id>,
        part: Part,
    ) -> Result<Window, StoreError> {
        let tree = self.places(conversation).await?;
        let path = tip.map_or_else(Vec::new, |tip| tree.path(tip));
        let turns: Vec<_> = path.as_chunks::<2>().0.to_vec();
        let end = match part {
            Part::Before(question, _) => turns.iter().position(|[id, _]| *id == question),
            _ => None,
        };
        let end = end.unwrap_or(turns.len());
        let start = match part {
            Part::Whole => 0,
            Part::Last(most) | Part::Before(_, most) => end.saturating_sub(most),
        };
        let shown = &turns[start..end];
        let (mut questions, mut answers) = self.contents(shown.as_flattened()).await?;
        let turns_read = shown.iter().filter_map(|[question, answer]| {
            let mut turn = Turn {
                question: questions.remove(question)?,
                answer: answers.remove(answer)?,
            };
            turn.question.siblings = tree.siblings(*question).to_vec();
            turn.answer.siblings = tree.siblings(*answer).to_vec();
            turn.answer.is_told_alone = tree.is_told_alone(*answer);
            Some(turn)
        });
        Ok(Window {
            turns: turns_read.collect(),
            earlier: start > 0,
            later: end < turns.len(),
            memory: tree.memory(&path),
        })
    }

    /// The contents of these messages; of one that is gone meanwhile nothing.
    async fn contents(
        &self,
        ids: &[Id],
    ) -> Result<(HashMap<Id, Question>, HashMap<Id, Answer>), StoreError> {
        let (mut questions, mut answers) = (HashMap::new(), HashMap::new());
        for ids in ids.chunks(AT_ONCE) {
            let names: Vec<_> = (1..=ids.len()).map(|n| format!("${n}")).collect();
            let sql = format!(
                "SELECT id, role, thought, text, attachments, state, reason, origin, metrics FROM messages WHERE id IN ({})",
                names.join(", ")
            );
            let mut select = sqlx::query(AssertSqlSafe(sql));
            for id in ids {
                select = select.bind(id.to_string());
            }
            for row in self.told(select.fetch_all(&self.pool).await)? {
                let role: String = self.told(sqlx::Row::try_get(&row, "role"))?;
                if role == "question" {
                    let question = self.told(rows::question(&row))?;
                    questions.insert(question.id, question);
                } else {
                    let answer = self.told(rows::answer(&row))?;
                    answers.insert(answer.id, answer);
                }
            }
        }
        Ok((questions, answers))
    }

    pub(super) async fn one_answer(&self, id: Id) -> Result<Option<Answer>, StoreError> {
        let select = sqlx::query(
            "SELECT id, thought, text, state, reason, origin, metrics
             FROM messages WHERE id = $1 AND role = 'answer'",
        )
        .bind(id.to_string());
        let row = self.told(select.fetch_optional(&self.pool).await)?;
        self.told(row.map(|row| rows::answer(&row)).transpose())
    }

    pub(super) async fn place_of(&self, message: Id) -> Result<Option<Id>, StoreError> {
        let select = sqlx::query("SELECT conversation FROM messages WHERE id = $1")
            .bind(message.to_string());
        let row = self.told(select.fetch_optional(&self.pool).await)?;
        self.told(row.map(|row| rows::id(&row, "conversation")).transpose())
    }
}
