//! What a visitor wants of the model, and what becomes of it where the context has no room.

/// What a visitor wanted of the model that it did not take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// An answer to the message of the form.
    #[default]
    Answer,
    /// Another answer beside this one.
    Again(String),
    /// An answer to the message in the place of this question.
    Instead(String),
    /// More of this answer.
    More(String),
}

/// What becomes of a question or of more of an answer for which the model's context has no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// It is refused with [`ComplaintKind::Full`](crate::complaint::ComplaintKind::Full), so that a person can choose.
    #[default]
    Refuse,
    /// It goes into a conversation of its own, whether there is room or not.
    NewChat,
    /// The model is told no more of the oldest turns, now and later on.
    Forget,
}

impl WhenFull {
    /// As forms name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refuse => "",
            Self::NewChat => "new-chat",
            Self::Forget => "forget",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let named = [Self::NewChat, Self::Forget].into_iter();
        let mut found = named.filter(|when_full| when_full.name() == name);
        found.next().unwrap_or_default()
    }
}
