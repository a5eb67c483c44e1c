//! Answers that are sent as they come.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, BoxStream, Stream, StreamExt};
use nibble_engine::{Completion, Error, Event};
use serde::Serialize;

use super::more::{Answers, ChoiceEvent};
use super::{Form, Piece};

/// Nothing else is sent while a request waits or its prompt is computed, and proxies close connections that were silent for
/// 30 s, some for 10.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(5);

/// Answers that are being streamed.
struct Open<F> {
    form: F,
    /// By their choices; nothing for one whose engine is gone.
    events: BoxStream<'static, ChoiceEvent>,
    /// Which choices have not ended.
    open: Vec<bool>,
    /// Whose prompts are being read, or were.
    read: Vec<bool>,
}

pub(super) fn frames<F: Form>(
    mut form: F,
    answers: Answers,
) -> impl Stream<Item = F::Frame> + Send + 'static {
    let begin = form.begin();
    let (open, read) = (vec![true; answers.count()], vec![false; answers.count()]);
    let open = Open {
        form,
        events: answers.events(),
        open,
        read,
    };
    let rest = stream::unfold(Some(open), |open| async {
        let mut open = open?;
        let (choice, event) = open.events.next().await?;
        let (frames, goes_on) = open.frames(choice, event);
        Some((stream::iter(frames), goes_on.then_some(open)))
    });
    stream::iter(begin).chain(rest.flatten())
}

impl<F: Form> Open<F> {
    /// What an event comes to, and whether more may follow.
    fn frames(&mut self, choice: usize, event: Option<Event>) -> (Vec<F::Frame>, bool) {
        if !self.open[choice] {
            return (Vec::new(), true);
        }
        let piece = match event {
            Some(Event::Queued { .. }) => return (Vec::new(), true),
            Some(Event::Prefill { done, total }) => {
                let is_new = !std::mem::replace(&mut self.read[choice], true);
                let frames = is_new.then(|| self.form.reads(choice, total, done));
                return (frames.unwrap_or_default(), true);
            }
            Some(Event::Learned(learned)) => return (self.form.learned(choice, learned), true),
            Some(Event::Thought(thought)) => Piece::Thought(thought),
            Some(Event::Text(text)) => Piece::Text(text),
            Some(Event::Called(call)) => Piece::Called(call),
            Some(Event::Finished(completion)) => return self.end(choice, &completion),
            Some(Event::Failed(error)) => return (self.form.failed(&error.into()), false),
            None => return (self.form.failed(&Error::Stopped.into()), false),
        };
        (self.form.piece(choice, piece), true)
    }

    fn end(&mut self, choice: usize, completion: &Completion) -> (Vec<F::Frame>, bool) {
        let mut frames = match self.form.end(choice, completion) {
            Ok(frames) => frames,
            Err(error) => return (self.form.failed(&error), false),
        };
        self.open[choice] = false;
        let goes_on = self.open.contains(&true);
        if !goes_on {
            frames.extend(self.form.done());
        }
        (frames, goes_on)
    }
}

/// A reply of server-sent events.
pub(in crate::api) fn server_sent(
    frames: impl Stream<Item = sse::Event> + Send + 'static,
) -> Response {
    let frames = Sse::new(frames.map(Ok::<_, Infallible>));
    let frames = frames.keep_alive(KeepAlive::new().interval(HEARTBEAT).text("ping"));
    // nginx would otherwise hold the tokens back to fill its buffers.
    ([("x-accel-buffering", "no")], frames).into_response()
}

/// An event whose data is JSON.
pub(in crate::api) fn data(content: &impl Serialize) -> sse::Event {
    json(sse::Event::default(), content)
}

/// The same with a name.
pub(in crate::api) fn named(name: &str, content: &impl Serialize) -> sse::Event {
    json(sse::Event::default().event(name), content)
}

fn json(event: sse::Event, content: &impl Serialize) -> sse::Event {
    event
        .json_data(content)
        .expect("text, numbers and fixed names always make JSON")
}
