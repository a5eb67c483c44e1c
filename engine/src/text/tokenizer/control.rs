//! Which tokens are control tokens although their file types them as words.
//!
//! Such a token would be shown instead of ending an answer, or what a user writes would become one.

use super::vocabulary::{TokenKind, Vocabulary};

/// Tokens that end an answer whatever the file's own end token is. Files name one such token at most twice, but models
/// are trained to end a turn with one, a document with another and a file of a repository with a third. llama.cpp
/// stops at the same texts, and takes them for control tokens however they are typed.
const END_TEXTS: [&str; 34] = [
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<|eot|>",
    "<|return|>",
    "<|call|>",
    "<|calls|>",
    "<|flush|>",
    "<|tool_response>",
    "<|fim_pad|>",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<end_of_turn>",
    "<end_of_utterance>",
    "<turn|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "</s>",
    "<eos>",
    "<fim-pad>",
    "<fim_pad>",
    "<fim-repo>",
    "<PAD>",
    "[PAD]",
    "<REPO>",
    "<reponame>",
    "<\u{ff5c}end\u{2581}of\u{2581}sentence\u{ff5c}>",
    "[e~[",
];

/// What a file says of tokens beside their types.
pub(super) struct Named<'f> {
    pub(super) template: Option<&'f str>,
    /// The tokens that start a text or end one.
    pub(super) ids: Vec<u32>,
}

impl Named<'_> {
    /// The kind of a token that the file types like this.
    pub(super) fn kind(&self, id: u32, text: &str, typed: TokenKind) -> TokenKind {
        let named = self.ids.contains(&id) && is_in_brackets(text);
        let in_template = || self.template.is_some_and(|source| source.contains(text));
        let kind = match typed {
            TokenKind::Control | TokenKind::Byte | TokenKind::ShownControl => typed,
            _ if named || END_TEXTS.contains(&text) => TokenKind::Control,
            // Some name what a reader should see, like a call of a tool.
            TokenKind::UserDefined if is_in_bars(text) && in_template() => TokenKind::ShownControl,
            TokenKind::Word if is_in_bars(text) && in_template() => TokenKind::Control,
            TokenKind::Word | TokenKind::UserDefined => typed,
        };
        if kind != typed {
            tracing::warn!(
                "the token {id}, `{text}`, is not typed as a control token: taken as one"
            );
        }
        kind
    }
}

/// The tokens that end an answer: those that are named, and those that are known.
pub(super) fn ends(vocabulary: &Vocabulary, named: impl Iterator<Item = u32>) -> Vec<u32> {
    let known = vocabulary
        .iter()
        .filter(|(_, kind, text)| kind.is_control() && END_TEXTS.contains(text))
        .map(|(id, ..)| id);
    let mut ends: Vec<u32> = named.chain(known).collect();
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// Whether a text looks like a control token; a named end token may also be a line end.
fn is_in_brackets(text: &str) -> bool {
    let inside = |open, close| text.strip_prefix(open)?.strip_suffix(close);
    let inside = inside('<', '>').or_else(|| inside('[', ']'));
    inside.is_some_and(|inside| !inside.is_empty())
}

/// Whether a text looks like nothing but a control token.
fn is_in_bars(text: &str) -> bool {
    let inside = |open, close| text.strip_prefix(open)?.strip_suffix(close);
    let inside = inside("<|", "|>").or_else(|| inside("<\u{ff5c}", "\u{ff5c}>"));
    inside.is_some_and(|inside| !inside.is_empty())
}
