//! The tokens of `tokenizer.json`: which id each has, what it is for and how it is found.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::added::AddedToken;
use super::super::control::Named;
use super::super::vocabulary::{Spelling, TokenKind, is_byte_of_words, named_byte};

/// An entry of `added_tokens`.
#[derive(Deserialize)]
pub(super) struct ListedToken {
    id: u32,
    content: String,
    #[serde(default)]
    special: bool,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    normalized: Option<bool>,
}

/// All tokens with their ids.
pub(super) struct Tokens {
    by_id: BTreeMap<u32, (String, TokenKind)>,
    listed: Vec<ListedToken>,
}

impl Tokens {
    /// Those of the model, and those that are listed beside it.
    pub(super) fn new(
        model: &Value,
        listed: Vec<ListedToken>,
        spelling: Spelling,
    ) -> Result<Self, String> {
        let words = model["vocab"].as_object();
        let words = words.ok_or("`vocab` of `model` must be an object")?;
        let mut by_id = BTreeMap::new();
        for (text, id) in words {
            let kind = match named_byte(text) {
                Some(_) if spelling == Spelling::SentencePiece => TokenKind::Byte,
                _ => TokenKind::Word,
            };
            by_id.insert(word_id(text, id)?, (text.clone(), kind));
        }
        let listed = assign_ids(words, listed)?;
        for token in &listed {
            let text = &token.content;
            let kind = match token.special {
                _ if words.contains_key(text) && spells(text, spelling) => TokenKind::Word,
                true => TokenKind::Control,
                false => TokenKind::UserDefined,
            };
            by_id.insert(token.id, (text.clone(), kind));
        }
        Ok(Self { by_id, listed })
    }

    pub(super) fn id(&self, text: &str) -> Option<u32> {
        let mut tokens = self.by_id.iter();
        tokens.find(|(_, (of, _))| of == text).map(|(id, _)| *id)
    }

    /// Leaves the listed tokens out that the model has no row for: it can neither read nor write them.
    ///
    /// # Errors
    /// When it has none for a word.
    pub(super) fn bound(&mut self, vocabulary: usize) -> Result<(), String> {
        self.listed.retain(|token| {
            let usable = (token.id as usize) < vocabulary;
            if !usable {
                let ListedToken { id, content, .. } = token;
                tracing::warn!(
                    "`tokenizer.json`: the added token `{content}` is left out, since its id {id} is not below the \
                     `vocab_size` of {vocabulary}"
                );
                self.by_id.remove(id);
            }
            usable
        });
        match self.by_id.last_key_value() {
            Some((id, _)) if *id as usize >= vocabulary => Err(format!(
                "its ids must be below the `vocab_size` of {vocabulary}, found {id}"
            )),
            _ => Ok(()),
        }
    }

    /// Takes those for control tokens that are meant as such.
    pub(super) fn name_control(&mut self, named: &Named<'_>) {
        for (id, (text, kind)) in &mut self.by_id {
            *kind = named.kind(*id, text, *kind);
        }
    }

    /// Removes from the model what no text may spell.
    pub(super) fn keep_words(&self, model: &mut Value, spelling: Spelling) -> Result<(), String> {
        let may_be_spelt = |id: u32| {
            let token = self.by_id.get(&id);
            token.is_some_and(|(_, kind)| !kind.is_control())
        };
        let Some(words) = model["vocab"].as_object_mut() else {
            return Ok(());
        };
        let mut removed = HashSet::new();
        words.retain(|text, id| {
            let keep = word_id(text, id).is_ok_and(may_be_spelt);
            if !keep {
                removed.insert(text.clone());
            }
            keep
        });
        if spelling == Spelling::SentencePiece {
            refuse_missing_bytes(words)?;
        }
        if let Some(merges) = model["merges"].as_array_mut() {
            merges.retain(|merge| {
                let pair = match merge {
                    Value::String(pair) => pair.split_once(' '),
                    pair => pair[0].as_str().zip(pair[1].as_str()),
                };
                // What is none is refused with the model.
                pair.is_none_or(|(left, right)| {
                    let whole = format!("{left}{right}");
                    ![left, right, &whole]
                        .iter()
                        .any(|text| removed.contains(*text))
                })
            });
        }
        Ok(())
    }

    /// How the listed tokens are found, in the order in which the `tokenizers` library looks for them.
    pub(super) fn added(&self) -> Vec<AddedToken> {
        let (special, others): (Vec<_>, Vec<_>) =
            self.listed.iter().partition(|token| token.special);
        let tokens = special.into_iter().chain(others).map(|token| {
            let (_, kind) = &self.by_id[&token.id];
            AddedToken {
                id: token.id,
                text: token.content.clone(),
                control: kind.is_control(),
                normalized: token.normalized.unwrap_or(!token.special),
                single_word: token.single_word,
                lstrip: token.lstrip,
                rstrip: token.rstrip,
            }
        });
        tokens.collect()
    }

    /// Every id up to the last one: one without a token has no text.
    pub(super) fn into_list(mut self) -> Vec<(String, TokenKind)> {
        let count = self.by_id.last_key_value().map_or(0, |(id, _)| id + 1);
        let nothing = || (String::new(), TokenKind::Control);
        let tokens = (0..count).map(|id| self.by_id.remove(&id).unwrap_or_else(nothing));
        tokens.collect()
    }
}

/// Gives the listed tokens the ids that the `tokenizers` library gives them, whatever the file says: those of the
/// model's tokens with the same texts, and to the others the next ones behind the model's. Of those with the same text
/// the last says how it is found.
fn assign_ids(
    words: &Map<String, Value>,
    listed: Vec<ListedToken>,
) -> Result<Vec<ListedToken>, String> {
    let mut next = words.len() as u64;
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut assigned: Vec<ListedToken> = Vec::new();
    for token in listed.into_iter().filter(|token| !token.content.is_empty()) {
        let text = &token.content;
        if let Some(place) = places.get(text) {
            let earlier = &mut assigned[*place];
            let (id, special) = (earlier.id, earlier.special || token.special);
            *earlier = ListedToken {
                id,
                special,
                ..token
            };
            continue;
        }
        let id = match words.get(text) {
            Some(id) => word_id(text, id)?,
            None => {
                next += 1;
                word_id(text, &(next - 1).into())?
            }
        };
        if id != token.id {
            let said = token.id;
            tracing::warn!(
                "`tokenizer.json`: the added token `{text}` gets the id {id}, not {said}"
            );
        }
        places.insert(text.clone(), assigned.len());
        assigned.push(ListedToken { id, ..token });
    }
    Ok(assigned)
}

/// Whether texts are spelt with this token of the model, whatever it is listed as.
fn spells(text: &str, spelling: Spelling) -> bool {
    match spelling {
        Spelling::ByteLevel => is_byte_of_words(text),
        Spelling::SentencePiece => text.chars().nth(1).is_none(),
    }
}

fn word_id(text: &str, id: &Value) -> Result<u32, String> {
    let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| format!("the id of `{text}` must be a whole number"))
}

/// The model itself must have every byte, or it could meet a text that it cannot spell.
fn refuse_missing_bytes(words: &Map<String, Value>) -> Result<(), String> {
    let mut names = (0..=u8::MAX).map(|byte| format!("<0x{byte:02X}>"));
    match names.find(|name| !words.contains_key(name)) {
        None => Ok(()),
        Some(name) => Err(format!(
            "`vocab` of `model` must have a token for each byte that no special token has the text of, found none for \
             `{name}`"
        )),
    }
}
