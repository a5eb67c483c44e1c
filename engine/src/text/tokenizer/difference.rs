//! Whether two models mean the same by their tokens, so that one can guess what the other says.

use super::Tokenizer;

/// Vocabularies may differ by so many tokens at their ends: files of one tokenizer have more or less padding there, 271 tokens
/// in those of Qwen 2.5, and now and then a control token more.
const MOST_MORE: usize = 512;

impl Tokenizer {
    /// How the vocabulary of another model differs from this one's; nothing where tokens mean the same.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        let sizes = [self, other].map(Self::vocabulary);
        let common = sizes[0].min(sizes[1]);
        let differs = |id: &u32| {
            self.spelt_bytes(&[*id]) != other.spelt_bytes(&[*id])
                || self.is_control(*id) != other.is_control(*id)
        };
        if let Some(id) = (0..common as u32).find(differs) {
            let [one, two] = [self, other].map(|tokenizer| tokenizer.described(id));
            return Some(format!("token {id} is {one} there and {two} here"));
        }
        (sizes[0].abs_diff(sizes[1]) > MOST_MORE).then(|| {
            let [one, two] = sizes;
            format!(
                "there are {one} tokens there and {two} here, and they may differ by {MOST_MORE}"
            )
        })
    }

    fn described(&self, id: u32) -> String {
        let text = self.spelt(&[id]);
        match self.is_control(id) {
            true => format!("the control token {text:?}"),
            false => format!("{text:?}"),
        }
    }
}
