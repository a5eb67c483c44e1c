//! Tokens that are found in a text as a whole before the rest of it is split into words, by the rules of the
//! `tokenizers` library: the leftmost first, of those the longest.
//!
//! The library's own search cannot be told that only some of a text may hold control tokens.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::ops::Range;
use std::slice;

use aho_corasick::{AhoCorasick, Input, MatchKind};
use regex_syntax::is_word_character;
use tokenizers::normalizer::Range as OffsetRange;
use tokenizers::{NormalizedString, Normalizer, NormalizerWrapper};

/// A token and how it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AddedToken {
    pub(super) id: u32,
    pub(super) text: String,
    /// Whether it is found only where a text may hold control tokens.
    pub(super) control: bool,
    /// Whether it is searched for behind the normalizer, in its own normalized form.
    pub(super) normalized: bool,
    /// Whether no character of a word may stand next to it.
    pub(super) single_word: bool,
    /// Whether it takes the white space before it.
    pub(super) lstrip: bool,
    /// Whether it takes the white space behind it.
    pub(super) rstrip: bool,
}

impl AddedToken {
    /// Whether a mark fits between two characters. Where marks tell who wrote a control token, another is none.
    fn can_be_marked(&self) -> bool {
        self.text.chars().nth(1).is_some()
    }
}

/// Which control tokens that are spelt in a text are control tokens.
#[derive(Clone, Copy, Debug)]
pub(super) enum ControlTokens<'m> {
    /// None: a caller wrote the text.
    None,
    All,
    /// Those without a mark inside. Byte positions, ascending.
    Unmarked(&'m [usize]),
}

/// A stretch of a text.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'t> {
    Token(u32),
    Text(Cow<'t, str>),
}

/// All such tokens of a vocabulary.
#[derive(Debug)]
pub(super) struct AddedTokens {
    verbatim: Search,
    normalized: Search,
    normalizer: Option<NormalizerWrapper>,
}

impl AddedTokens {
    /// Of two that are found by the same text, the first one is.
    pub(super) fn new(
        tokens: Vec<AddedToken>,
        normalizer: Option<NormalizerWrapper>,
    ) -> Result<Self, String> {
        let tokens = tokens.into_iter().filter(|token| !token.text.is_empty());
        let (normalized, verbatim) = tokens.partition(|token| token.normalized);
        Ok(Self {
            verbatim: Search::new(verbatim, None)?,
            normalized: Search::new(normalized, normalizer.as_ref())?,
            normalizer,
        })
    }

    /// Cuts a text at the tokens in it. What is left is normalized.
    pub(super) fn pieces<'t>(&self, text: &'t str, control: ControlTokens<'_>) -> Vec<Piece<'t>> {
        let whole = 0..text.len();
        let spans = match control {
            ControlTokens::None => Vec::new(),
            ControlTokens::All => vec![whole],
            ControlTokens::Unmarked(marks) => {
                let starts = [0].into_iter().chain(marks.iter().copied());
                let ends = marks.iter().copied().chain([text.len()]);
                starts.zip(ends).map(|(start, end)| start..end).collect()
            }
        };
        let mut found = self.verbatim.find(text, &spans);
        if let ControlTokens::Unmarked(_) = control {
            found.retain(|(token, _)| !token.control || token.can_be_marked());
        }
        let stretches = cut(text, found).into_iter();
        let pieces = stretches.flat_map(|(token, at)| match token {
            Some(token) => vec![Piece::Token(token.id)],
            None => self.normalized_pieces(text, at, control),
        });
        pieces.collect()
    }

    /// The pieces of a stretch without verbatim tokens.
    fn normalized_pieces<'t>(
        &self,
        text: &'t str,
        at: Range<usize>,
        control: ControlTokens<'_>,
    ) -> Vec<Piece<'t>> {
        let stretch = &text[at.clone()];
        let normalized = self.normalizer.as_ref().map(|normalizer| {
            let mut normalized = NormalizedString::from(stretch);
            // The library goes on with what there is, too.
            let _ = normalizer.normalize(&mut normalized);
            normalized
        });
        let searched = normalized.as_ref().map_or(stretch, NormalizedString::get);
        let is_meant = |token: &AddedToken, found: Range<usize>| match control {
            ControlTokens::Unmarked(marks) if token.control => {
                let source = match &normalized {
                    None => Some(found),
                    Some(text) => text.convert_offsets(OffsetRange::Normalized(found)),
                };
                let source = source.unwrap_or_default();
                let source = at.start + source.start..at.start + source.end;
                let behind = marks.partition_point(|mark| *mark <= source.start);
                let marked = marks.get(behind).is_some_and(|mark| *mark < source.end);
                // What becomes a token only by normalizing has no marks.
                !marked && token.can_be_marked() && text[source].contains(&token.text)
            }
            _ => true,
        };
        let whole = 0..searched.len();
        let spans = match control {
            ControlTokens::None => Vec::new(),
            ControlTokens::All | ControlTokens::Unmarked(_) => vec![whole],
        };
        let mut found = self.normalized.find(searched, &spans);
        found.retain(|(token, at)| is_meant(token, at.clone()));
        let pieces =
            cut(searched, found)
                .into_iter()
                .map(|(token, at)| match (token, &normalized) {
                    (Some(token), _) => Piece::Token(token.id),
                    (None, None) => Piece::Text(Cow::Borrowed(&stretch[at])),
                    (None, Some(_)) => Piece::Text(Cow::Owned(searched[at].to_owned())),
                });
        pieces.collect()
    }
}

/// A token and where it is, in bytes.
type Found<'s> = (&'s AddedToken, Range<usize>);

/// Tokens that are searched for at the same time.
#[derive(Debug)]
struct Search {
    control: Pass,
    others: Pass,
}

#[derive(Debug)]
struct Pass {
    tokens: Vec<AddedToken>,
    leftmost_longest: AhoCorasick,
}

impl Search {
    fn new(
        tokens: Vec<AddedToken>,
        normalizer: Option<&NormalizerWrapper>,
    ) -> Result<Self, String> {
        let (control, others) = tokens.into_iter().partition(|token| token.control);
        Ok(Self {
            control: Pass::new(control, normalizer)?,
            others: Pass::new(others, normalizer)?,
        })
    }

    /// The tokens in a text, with those control tokens that lie within one of the spans, which ascend.
    fn find(&self, text: &str, spans: &[Range<usize>]) -> Vec<Found<'_>> {
        let whole = 0..text.len();
        let mut control = self.control.over(text, spans);
        let mut others = self.others.over(text, slice::from_ref(&whole));
        let mut found = Vec::new();
        let mut from = 0;
        loop {
            let next = match (control.next(from), others.next(from)) {
                (Some(a), Some(b)) => {
                    let order = |at: &Range<usize>| (at.start, Reverse(at.end));
                    match order(&a.1) <= order(&b.1) {
                        true => a,
                        false => b,
                    }
                }
                (Some(only), None) | (None, Some(only)) => only,
                (None, None) => return found,
            };
            from = next.1.end;
            found.push(next);
        }
    }
}

impl Pass {
    fn new(
        tokens: Vec<AddedToken>,
        normalizer: Option<&NormalizerWrapper>,
    ) -> Result<Self, String> {
        let texts = tokens.into_iter().map(|token| {
            let mut text = NormalizedString::from(token.text.as_str());
            if let Some(normalizer) = normalizer {
                let _ = normalizer.normalize(&mut text);
            }
            (text.get().to_owned(), token)
        });
        let (texts, tokens): (Vec<_>, Vec<_>) = texts.filter(|(text, _)| !text.is_empty()).unzip();
        let leftmost_longest = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(texts)
            .map_err(|why| format!("the added tokens cannot be searched for: {why}"))?;
        Ok(Self {
            tokens,
            leftmost_longest,
        })
    }

    fn over<'s, 't>(&'s self, text: &'t str, spans: &'t [Range<usize>]) -> Cursor<'s, 't> {
        Cursor {
            pass: self,
            text,
            spans,
            next: None,
        }
    }
}

/// Asked from ascending places, it searches each stretch of a text once.
struct Cursor<'s, 't> {
    pass: &'s Pass,
    text: &'t str,
    /// Those that are not searched to the end.
    spans: &'t [Range<usize>],
    /// The last answer.
    next: Option<Found<'s>>,
}

impl<'s> Cursor<'s, '_> {
    /// The first token that starts here or behind.
    fn next(&mut self, from: usize) -> Option<Found<'s>> {
        if self.next.as_ref().is_none_or(|(_, at)| at.start < from) {
            self.next = self.search(from);
        }
        self.next.clone()
    }

    fn search(&mut self, from: usize) -> Option<Found<'s>> {
        while let [span, later @ ..] = self.spans {
            let within = from.max(span.start)..span.end;
            if within.start < within.end {
                let input = Input::new(self.text).span(within);
                if let Some(found) = self.pass.leftmost_longest.find(input) {
                    return Some((&self.pass.tokens[found.pattern()], found.range()));
                }
            }
            self.spans = later;
        }
        None
    }
}

/// A text in the order of its stretches, which tokens widen by white space and drop where a word must stand alone.
fn cut<'s>(text: &str, found: Vec<Found<'s>>) -> Vec<(Option<&'s AddedToken>, Range<usize>)> {
    let mut stretches = Vec::new();
    let mut done = 0;
    for (token, at) in found {
        let (before, behind) = (&text[..at.start], &text[at.end..]);
        let in_word = before.chars().next_back().is_some_and(is_word_character)
            || behind.chars().next().is_some_and(is_word_character);
        if token.single_word && in_word {
            continue;
        }
        let start = match token.lstrip {
            true => before.trim_end().len().max(done),
            false => at.start,
        };
        let end = match token.rstrip {
            true => text.len() - behind.trim_start().len(),
            false => at.end,
        };
        if done < start {
            stretches.push((None, done..start));
        }
        // Where the token before has taken all of this one as white space, nothing is left.
        if start < end {
            stretches.push((Some(token), start..end));
            done = end;
        }
    }
    if done < text.len() {
        stretches.push((None, done..text.len()));
    }
    stretches
}
