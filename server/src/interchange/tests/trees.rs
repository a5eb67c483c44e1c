//! Conversations of any shape.

use nibble_app::domain::{
    Attachment, Conversation, End, EndReason, Id, Message, Metrics, Origin, Said,
};
use proptest::prelude::*;

use super::*;

/// A figure that JSON holds exactly, whichever way it is read.
fn figure() -> impl Strategy<Value = f64> {
    (0_u32..1 << 20).prop_map(|number| f64::from(number) / 1024.0)
}

fn settings() -> impl Strategy<Value = Settings> {
    (0.0..=1.0_f32, 10_usize..=1000, "[a-z \n]{0,20}", figure()).prop_map(
        |(temperature, max_tokens, system_prompt, usd_per_hour)| Settings {
            temperature,
            max_tokens,
            system_prompt: system_prompt.trim().to_owned(),
            usd_per_hour,
            seed: Some(u64::from(max_tokens as u32)),
            stop: vec!["END".to_owned()],
            ..Settings::default()
        },
    )
}

fn end() -> impl Strategy<Value = End> {
    let reason = prop_oneof![
        Just(EndReason::Complete),
        Just(EndReason::MaxTokens),
        Just(EndReason::Context),
        Just(EndReason::Repetition),
        Just(EndReason::Stopped),
        Just(EndReason::CutOff),
        Just(EndReason::Interrupted),
        any::<String>().prop_map(|reason| EndReason::Failed(reason.replace('\0', ""))),
    ];
    let metrics = (figure(), proptest::option::of(figure()), 0_usize..9000);
    let metrics = metrics.prop_map(|(seconds, speed, tokens)| Metrics {
        total_s: seconds,
        usd_share: seconds,
        decode_tokens_per_second: speed,
        output_tokens: tokens,
        ..Metrics::default()
    });
    (reason, proptest::option::of(metrics)).prop_map(|(reason, metrics)| End { reason, metrics })
}

fn said(text: String, is_answer: bool, seed: u64, end: End, settings: Settings) -> Said {
    let text = text.replace('\0', "");
    if !is_answer {
        let files = text.chars().filter(|character| *character == 'a').take(3);
        let attachments = files.map(|_| Attachment::new("a b.txt", &text)).collect();
        return Said::Question {
            text,
            attachments,
            begins_memory: false,
        };
    }
    let origin = Origin {
        settings,
        seed,
        model: "Tiny".to_owned(),
        ..Origin::default()
    };
    Said::Answer {
        thought: text.chars().rev().collect(),
        text,
        end: Some(end),
        origin,
    }
}

prop_compose! {
    /// Trees: each question follows an earlier answer or none, and each has its answers.
    pub(crate) fn transcript()(
        turns in proptest::collection::vec((any::<prop::sample::Index>(), 1_usize..4, 0..NOW), 1..12),
        texts in proptest::collection::vec(any::<String>(), 48),
        ends in proptest::collection::vec(end(), 48),
        settings in settings(),
        title in "[a-zé天]{1,60}",
        (created, since, seed, usd, pinned) in (0..NOW / 2, 0..NOW / 2, 0..1_u64 << 53, figure(), any::<bool>()),
        shown in any::<prop::sample::Index>(),
    ) -> Transcript {
        let mut messages: Vec<Message> = Vec::new();
        let mut answers: Vec<Id> = Vec::new();
        for (place, count, created) in turns {
            let parent = match place.index(answers.len() + 1) {
                0 => None,
                after => Some(answers[after - 1]),
            };
            let question = Id(messages.len() as u128 + 1);
            for n in 0..=count {
                let (id, is_answer) = (Id(messages.len() as u128 + 1), n > 0);
                let parent = if is_answer { Some(question) } else { parent };
                let (text, end) = (texts[messages.len()].clone(), ends[messages.len()].clone());
                let mut said = said(text, is_answer, seed, end, settings.clone());
                if let Said::Question { begins_memory, .. } = &mut said {
                    *begins_memory = parent.is_some() && created % 3 == 0;
                }
                messages.push(Message { id, parent, created, said });
                answers.extend(is_answer.then_some(id));
            }
        }
        let conversation = Conversation {
            id: Id(0),
            title,
            created,
            updated: created + since,
            pinned,
            shared: false,
            settings,
            tip: Some(answers[shown.index(answers.len())]),
            usd,
        };
        Transcript { conversation, messages }
    }
}
