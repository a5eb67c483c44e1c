//! The ways in which models write calls.

/// How a model writes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallFormat {
    /// `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, anywhere and any number of times.
    Tagged,
    /// `[TOOL_CALLS][{"name": …, "arguments": {…}}, …]`, anywhere.
    Listed,
    /// `{"name": …, "parameters": {…}}` as the whole answer, also behind `<|python_tag|>`.
    Bare,
}

impl CallFormat {
    /// What begins a call.
    pub(crate) fn opening(self) -> &'static str {
        match self {
            Self::Tagged => "<tool_call>",
            Self::Listed => "[TOOL_CALLS]",
            Self::Bare => "<|python_tag|>",
        }
    }

    /// What may end one.
    pub(crate) fn closing(self) -> Option<&'static str> {
        match self {
            Self::Tagged => Some("</tool_call>"),
            Self::Listed | Self::Bare => None,
        }
    }

    /// Texts to be seen in an answer also where the vocabulary has them as control tokens.
    pub(crate) fn marks(self) -> impl Iterator<Item = &'static str> {
        [self.opening()].into_iter().chain(self.closing())
    }
}
