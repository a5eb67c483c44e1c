//! A generator for tests of the context's length: a prompt has as many tokens as words and turns.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nibble_engine::metrics::Metrics;
use nibble_engine::{
    Answer, Completion, Error, Event, FinishReason, ModelInfo, Prompt, Request, Turn,
};

use crate::generator::Generator;
use crate::test_support::scripted::Scripted;

/// Gives every request an answer of so many words, or of fewer where the context is full.
pub(crate) struct Reading {
    info: ModelInfo,
    words: usize,
    pause: Duration,
    asked: Mutex<Vec<Request>>,
    counted: AtomicUsize,
}

impl Reading {
    pub(crate) fn new(context: usize, words: usize) -> Self {
        let info = Scripted::new(&[], Duration::ZERO).info().clone();
        Self {
            info: ModelInfo { context, ..info },
            words,
            pause: Duration::ZERO,
            asked: Mutex::default(),
            counted: AtomicUsize::new(0),
        }
    }

    /// The same, whose answers take so long.
    pub(crate) fn taking(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// What the model was told of the last request that it took.
    pub(crate) fn told(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        texts(asked.last().unwrap())
    }

    /// How many prompts were counted, beside those that were asked.
    pub(crate) fn counted(&self) -> usize {
        self.counted.load(Ordering::Relaxed)
    }
}

impl Generator for Reading {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn prompt_length(&self, request: Request) -> Result<usize, Error> {
        self.counted.fetch_add(1, Ordering::Relaxed);
        Ok(tokens(&request))
    }

    fn submit(&self, request: Request) -> Result<Answer, Error> {
        request.check()?;
        let (prompt_tokens, context) = (tokens(&request), self.info.context);
        if prompt_tokens >= context {
            return Err(Error::TooLong {
                field: "messages",
                tokens: prompt_tokens,
                is_exact: true,
                context,
            });
        }
        let room = context - prompt_tokens;
        let (words, finish_reason) = match self.words <= room {
            true => (self.words, FinishReason::Stop),
            false => (room, FinishReason::Context),
        };
        self.asked.lock().unwrap().push(request);
        let (sender, answer) = Answer::channel();
        sender.send(Event::Text("word ".repeat(words)));
        let completion = Completion {
            finish_reason,
            prompt_tokens,
            cached_tokens: 0,
            token_ids: vec![1; words],
            metrics: Metrics {
                completion_tokens: words,
                total_s: 1.0,
                ..Metrics::default()
            },
        };
        let pause = self.pause;
        thread::spawn(move || {
            thread::sleep(pause);
            sender.send(Event::Finished(completion));
        });
        Ok(answer)
    }
}

fn tokens(request: &Request) -> usize {
    let texts = texts(request).into_iter();
    texts.map(|text| 1 + text.split_whitespace().count()).sum()
}

fn texts(request: &Request) -> Vec<String> {
    let Prompt::Chat(conversation) = &request.prompt else {
        panic!("a chat");
    };
    let said = conversation.turns.iter().map(|turn| match turn {
        Turn::Said(message) => message.content.clone(),
        Turn::Answered { content, .. } => content.clone(),
        Turn::Returned { .. } => panic!("the page has no tools"),
    });
    said.collect()
}
