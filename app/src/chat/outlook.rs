//! What is known of a message before it is sent.

use async_trait::async_trait;

use crate::complaint::Complaint;
use crate::domain::{Attachment, Foreseen};
use crate::figures::{duration, grouped, usd};
use crate::language::Language;
use crate::settings::MessageForm;
use crate::visitor::Visitor;

/// What a message comes to with its conversation, and what its answer may take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outlook {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Those of them that need no computing.
    pub cached_tokens: usize,
    /// The most that the model can read.
    pub context: usize,
    /// Answers that are computed or wait now.
    pub beside: usize,
    /// Whether the model is to be loaded first, which is then all that is known.
    pub is_out: bool,
    /// Nothing before anything was measured here.
    pub foreseen: Option<Foreseen>,
}

/// What foresees.
#[async_trait]
pub trait Outlooks {
    /// What a message would come to if it were sent now. `more` are tokens of files that are not sent with it.
    ///
    /// # Errors
    /// When a field is out of range, or too many ask.
    async fn outlook(
        &self,
        visitor: Visitor,
        form: &MessageForm,
        attachments: Vec<Attachment>,
        more: usize,
    ) -> Result<Outlook, Complaint>;
}

impl Outlook {
    /// In words.
    #[must_use]
    pub fn told(&self, t: Language) -> String {
        if self.is_out {
            return t.model_is_out().to_owned();
        }
        let (prompt, cached) = (grouped(self.prompt_tokens), grouped(self.cached_tokens));
        if self.prompt_tokens >= self.context {
            return t.outlook_too_long(prompt, grouped(self.context));
        }
        let prompt = t.outlook_prompt(prompt, cached);
        let Some(foreseen) = self.foreseen else {
            return [prompt.as_str(), t.outlook_unmeasured()].join(" · ");
        };
        let mut parts = vec![
            prompt,
            t.outlook_first(duration(t, foreseen.first_s)),
            t.outlook_all(
                duration(t, foreseen.total_s),
                grouped(foreseen.output_tokens),
            ),
            match self.beside {
                0 => usd(foreseen.usd),
                // Others share the machine's time.
                _ => t.outlook_at_most(usd(foreseen.usd)),
            },
        ];
        parts.extend(foreseen.usual_tokens.map(|half| {
            let [least, most] = half.map(|tokens| duration(t, foreseen.total_s_of(tokens)));
            let [fewest, longest] = half.map(grouped);
            t.outlook_half(fewest, longest, least, most)
        }));
        if self.beside > 0 {
            parts.push(t.outlook_beside(self.beside));
        }
        parts.join(" · ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlook_is_told_as_far_as_it_reaches() {
        let t = Language::English;
        let outlook = Outlook {
            prompt_tokens: 1200,
            cached_tokens: 1000,
            context: 2048,
            ..Outlook::default()
        };
        let told = outlook.told(t);
        assert!(
            told.starts_with("Prompt: 1,200 tokens, 1,000 cached · "),
            "{told}"
        );
        let foreseen = Some(Foreseen {
            first_s: 0.5,
            total_s: 4.0,
            usd: 0.001,
            output_tokens: 90,
            usual_tokens: Some([46, 179]),
        });
        let whole = Outlook {
            foreseen,
            beside: 1,
            ..outlook
        };
        let told = whole.told(t);
        for part in [
            "first token",
            "90 tokens",
            "at most $0.001",
            "1 answer",
            "46 to 179 tokens: 2.27 s to 7.50 s",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        let long = Outlook {
            prompt_tokens: 3000,
            ..whole
        };
        assert!(long.told(t).contains("2,048"));
    }
}
