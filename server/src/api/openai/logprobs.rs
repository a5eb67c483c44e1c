//! How likely tokens were, in the forms of OpenAI's chats and completions, and of vLLM's `prompt_logprobs`.
//!
//! They are of the model's own distribution, whatever was asked of the choice. The token that ends an answer and is not shown is
//! told of completions, as vLLM does, and not of chats; those of a stop text, of which nothing is shown, are told.

use nibble_engine::{Logprob, Logprobs, PromptLogprobs};
use serde::{Serialize, Serializer};

mod place;

pub(super) use self::place::Place;

/// What stands for impossible, which JSON has no number for; vLLM's.
const IMPOSSIBLE: f32 = -9999.0;

/// How tokens are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Spelling {
    /// What they spell.
    #[default]
    Text,
    /// By their ids, which tells those apart that are spelt alike.
    Id,
}

impl Spelling {
    fn of(self, likely: &Logprob) -> String {
        self.spell(likely.token, &likely.bytes)
    }

    fn spell(self, token: u32, bytes: &[u8]) -> String {
        match self {
            Self::Text => spelt(bytes),
            Self::Id => format!("token_id:{token}"),
        }
    }
}

/// What is told of each token of a completion.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    /// How many of the likeliest beside it.
    pub(super) most: usize,
    pub(super) spelling: Spelling,
}

/// Of the tokens of a chat's choice.
#[derive(Serialize)]
pub(super) struct ChatLogprobs {
    content: Vec<ChatToken>,
    refusal: Option<()>,
}

#[derive(Serialize)]
struct ChatToken {
    #[serde(flatten)]
    chosen: LikelyToken,
    top_logprobs: Vec<LikelyToken>,
}

#[derive(Serialize)]
struct LikelyToken {
    token: String,
    logprob: f32,
    bytes: Vec<u8>,
}

/// Of the tokens of a completion's choice.
#[derive(Default, Serialize)]
pub(super) struct CompletionLogprobs {
    tokens: Vec<String>,
    /// Nothing for a prompt's first token.
    token_logprobs: Vec<Option<f32>>,
    top_logprobs: Vec<Option<Pairs<String, f32>>>,
    /// Where each begins in the choice's text, in characters.
    text_offset: Vec<usize>,
}

/// An object whose keys come in this order. Its floats are written as short as those beside it, with which clients compare
/// them.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Pairs<K: Serialize, V: Serialize>(
    #[serde(serialize_with = "as_map")] Vec<(K, V)>,
);

fn as_map<K: Serialize, V: Serialize, S: Serializer>(
    pairs: &[(K, V)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}

impl<K: Serialize + PartialEq, V: Serialize> Pairs<K, V> {
    /// Of equal keys the first counts.
    fn first_of(pairs: impl Iterator<Item = (K, V)>) -> Self {
        let mut found: Vec<(K, V)> = Vec::new();
        for (key, value) in pairs {
            if found.iter().all(|(known, _)| *known != key) {
                found.push((key, value));
            }
        }
        Self(found)
    }
}

/// A token of a prompt, or one that might have been, in vLLM's words.
#[derive(Serialize)]
pub(super) struct PromptToken {
    logprob: f32,
    rank: usize,
    decoded_token: String,
}

fn finite(likely: &Logprob) -> f32 {
    likely.logprob.max(IMPOSSIBLE)
}

fn spelt(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl LikelyToken {
    fn new(likely: &Logprob, spelling: Spelling) -> Self {
        Self {
            token: spelling.of(likely),
            logprob: finite(likely),
            bytes: likely.bytes.clone(),
        }
    }
}

impl ChatLogprobs {
    pub(super) fn of(tokens: &[Logprobs], spelling: Spelling) -> Self {
        let likely = |likely: &Logprob| LikelyToken::new(likely, spelling);
        let content = tokens.iter().map(|token| ChatToken {
            chosen: likely(&token.chosen),
            top_logprobs: token.likeliest.iter().map(likely).collect(),
        });
        Self {
            content: content.collect(),
            refusal: None,
        }
    }
}

impl CompletionLogprobs {
    /// Of the tokens of a prompt that is echoed, all of whose text is there.
    pub(super) fn echo(&mut self, prompt: &PromptLogprobs, told: Told, place: &mut Place) {
        place.end();
        let first = told.spelling.spell(prompt.first, &prompt.first_bytes);
        self.tokens.push(first);
        self.token_logprobs.push(None);
        self.top_logprobs.push(None);
        self.text_offset.push(place.of(&prompt.first_bytes));
        self.add(&prompt.rest, told, place);
        // The answer's first token does not go on with the prompt's last character.
        place.end();
    }

    /// Of tokens, with so many of the likeliest of each, and itself.
    pub(super) fn add(&mut self, tokens: &[Logprobs], told: Told, place: &mut Place) {
        let Told { most, spelling } = told;
        for token in tokens {
            let chosen = &token.chosen;
            self.tokens.push(spelling.of(chosen));
            self.token_logprobs.push(Some(finite(chosen)));
            // Of tokens that are spelt alike the likeliest counts.
            let top = token.likeliest.iter().take(most).chain([chosen]);
            let top = top.map(|likely| (spelling.of(likely), finite(likely)));
            self.top_logprobs.push(Some(Pairs::first_of(top)));
            self.text_offset.push(place.of(&chosen.bytes));
        }
    }
}

/// vLLM's `prompt_logprobs`: by the ids of tokens, the prompt's own and so many of the likeliest; nothing for the first.
pub(super) fn prompt(prompt: &PromptLogprobs, most: usize) -> Vec<Option<Pairs<u32, PromptToken>>> {
    let of_token = |token: &Logprobs| {
        let all = token.likeliest.iter().take(most).chain([&token.chosen]);
        Pairs::first_of(all.map(|likely| {
            let token = PromptToken {
                logprob: finite(likely),
                rank: likely.rank,
                decoded_token: spelt(&likely.bytes),
            };
            (likely.token, token)
        }))
    };
    let rest = prompt.rest.iter().map(|token| Some(of_token(token)));
    std::iter::once(None).chain(rest).collect()
}
