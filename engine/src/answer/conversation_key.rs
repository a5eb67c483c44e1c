//! Which conversation a request belongs to, as far as that can be told, so that nothing of one is used in another.
//!
//! The caller is always a part of it: whoever shares a key or an address counts as one, unless requests say for whom they are.

use std::hash::{BuildHasher, RandomState};

use crate::answer::policy::Caller;
use crate::answer::request::{Prompt, Request};
use crate::text::conversation::{Conversation, Message, Role, Turn};

/// The conversation of a request. What its answers say is kept for a while to guess from in answers of the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConversationKey {
    /// The one that its caller calls so, and no other.
    Name(String),
    /// The one that begins with the same instructions and the same first question, and of which requests say all of this
    /// besides. A prompt that is not a conversation belongs to none.
    Beginning(Vec<String>),
    /// None: nothing of it is kept.
    Unkept,
}

impl Default for ConversationKey {
    fn default() -> Self {
        Self::Beginning(Vec::new())
    }
}

/// Stands for one conversation of one caller while the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConversationId {
    caller: Caller,
    /// By keys that nobody knows, so that nobody finds another conversation with the same.
    digest: u64,
}

impl ConversationId {
    /// The conversation of a request, where it belongs to one; what is measured belongs to none.
    pub(crate) fn of(request: &Request, keys: &RandomState) -> Option<Self> {
        if request.fresh {
            return None;
        }
        let digest = match &request.conversation {
            ConversationKey::Unkept => return None,
            ConversationKey::Name(name) => keys.hash_one(("name", name)),
            ConversationKey::Beginning(besides) => {
                keys.hash_one(("beginning", besides, beginning(&request.prompt)?))
            }
        };
        Some(Self {
            caller: request.caller,
            digest,
        })
    }

    #[cfg(test)]
    pub(crate) fn numbered(caller: Caller, digest: u64) -> Self {
        Self { caller, digest }
    }
}

/// What is said up to the first question.
fn beginning(prompt: &Prompt) -> Option<Vec<&str>> {
    let Prompt::Chat(Conversation { turns, .. }) = prompt else {
        return None;
    };
    let is_question =
        |turn: &Turn| matches!(turn, Turn::Said(message) if message.role == Role::User);
    let first = turns.iter().position(is_question)?;
    let said = turns[..=first].iter().filter_map(|turn| match turn {
        Turn::Said(Message { content, .. }) => Some(content.as_str()),
        Turn::Answered { .. } | Turn::Returned { .. } => None,
    });
    Some(said.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(said: &[(Role, &str)]) -> Request {
        let said = said.iter().map(|(role, content)| Message {
            role: *role,
            content: (*content).to_owned(),
        });
        Request {
            prompt: Prompt::Chat(said.collect::<Vec<_>>().into()),
            ..Request::default()
        }
    }

    #[test]
    fn a_conversation_is_known_by_its_beginning_and_its_caller() {
        let keys = RandomState::new();
        let of = |request: &Request| ConversationId::of(request, &keys);
        let first = asked(&[(Role::System, "Be brief."), (Role::User, "Why?")]);
        let next = asked(&[
            (Role::System, "Be brief."),
            (Role::User, "Why?"),
            (Role::Assistant, "So."),
            (Role::User, "And?"),
        ]);
        assert!(of(&first).is_some() && of(&first) == of(&next));
        let others = [
            asked(&[(Role::System, "Be long."), (Role::User, "Why?")]),
            asked(&[(Role::System, "Be brief."), (Role::User, "How?")]),
            Request {
                caller: Caller(7),
                ..first.clone()
            },
            Request {
                conversation: ConversationKey::Beginning(vec!["user \"ann\"".into()]),
                ..first.clone()
            },
            Request {
                conversation: ConversationKey::Name("a".into()),
                ..first.clone()
            },
        ];
        for other in &others {
            assert!(of(other).is_some() && of(other) != of(&first), "{other:?}");
        }
    }

    #[test]
    fn one_that_has_a_name_is_known_by_that_however_it_begins() {
        let keys = RandomState::new();
        let named = |question, name: &str, caller| {
            let request = Request {
                conversation: ConversationKey::Name(name.to_owned()),
                caller: Caller(caller),
                ..asked(&[(Role::User, question)])
            };
            ConversationId::of(&request, &keys)
        };
        assert_eq!(named("Why?", "a", 1), named("How?", "a", 1));
        assert_ne!(named("Why?", "a", 1), named("Why?", "b", 1));
        assert_ne!(named("Why?", "a", 1), named("Why?", "a", 2));
    }

    #[test]
    fn what_is_no_conversation_or_is_not_to_be_kept_belongs_to_none() {
        let question = asked(&[(Role::User, "Why?")]);
        for none in [
            Request::default(),
            asked(&[(Role::System, "Be brief.")]),
            Request {
                conversation: ConversationKey::Unkept,
                ..question.clone()
            },
            Request {
                fresh: true,
                ..question
            },
        ] {
            assert_eq!(ConversationId::of(&none, &RandomState::new()), None);
        }
    }
}
