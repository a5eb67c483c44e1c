//! The lanes of a comparison, from loading an engine to the figures of its rounds.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use nibble_app::chat::Stage;
use nibble_app::domain::Lane;
use nibble_engine::{
    Error, Event, Message, Prompt, Request, Role, Sampling, Speculation, Thinking,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, sleep};

use super::{Others, Run};
use crate::chat::{metrics, reason};
use crate::generator::Generator;
use crate::lanes::Lanes;
use crate::models::{Offer, Reserved};
use crate::served::Served;

/// Tokens that a lane puts out before its first round, so that no round finds memory that was never touched.
const WARM_TOKENS: usize = 4;

/// When a request is tried again for which there was no place.
const AGAIN: Duration = Duration::from_millis(200);

/// What measures one comparison.
pub(super) struct Bench<'a> {
    pub(super) run: &'a Arc<Run>,
    pub(super) lanes: Arc<dyn Lanes>,
    pub(super) models: &'a Served,
    pub(super) others: &'a Others,
    pub(super) place: &'a Arc<Semaphore>,
}

/// An engine of a lane, and what is free when it is gone. Nobody waits for its end but the one that is loaded next.
struct LaneEngine(Option<(Arc<dyn Generator>, Reserved, OwnedSemaphorePermit)>);

impl LaneEngine {
    fn generator(&self) -> Option<Arc<dyn Generator>> {
        self.0.as_ref().map(|(engine, ..)| Arc::clone(engine))
    }
}

impl Drop for LaneEngine {
    fn drop(&mut self) {
        // A step may have to end first, for which no async thread is to wait.
        let held = self.0.take();
        let thread = std::thread::Builder::new().name("lane".into());
        // Where there is no thread for it, it ends here.
        let _ = thread.spawn(move || drop(held));
    }
}

impl Bench<'_> {
    /// All lanes; those that cannot be measured say why.
    pub(super) async fn measure(&self) {
        for lane in &self.run.comparison().plan.lanes {
            self.run.begin(lane.clone());
            if let Err(error) = self.lane(lane).await {
                let why = in_words(&error);
                self.run.change(|lane| lane.trouble = Some(why));
            }
        }
    }

    async fn lane(&self, lane: &Lane) -> Result<(), Error> {
        self.until_idle().await;
        let held = self.loaded(lane).await?;
        let engine = held.generator().ok_or(Error::Stopped)?;
        let info = engine.info();
        let (quantization, weight_bytes) = (info.quantization.clone(), info.weight_bytes);
        self.run.change(|lane| {
            lane.quantization = quantization;
            lane.weight_bytes = weight_bytes;
        });
        let mut is_warm = false;
        for round in 1..=self.run.comparison().plan.rounds {
            loop {
                self.until_idle().await;
                self.run.stage(Stage::Measuring { round });
                let began = Instant::now();
                if !is_warm {
                    let mut warming = self.request(&engine);
                    warming.max_tokens = WARM_TOKENS;
                    warming.prompt = Prompt::Raw("Hello".to_owned());
                    is_warm = self.answered(&engine, warming, false).await?;
                    if !is_warm {
                        self.run.lose(began.elapsed());
                    }
                } else if self.answered(&engine, self.request(&engine), true).await? {
                    break;
                } else {
                    self.run.lose(began.elapsed());
                    self.run.change(|lane| lane.given_up += 1);
                }
            }
        }
        Ok(())
    }

    /// Waits until nobody else is answered, and nothing is fetched.
    async fn until_idle(&self) {
        if !self.others.are_idle() {
            self.run.stage(Stage::Waiting);
            let _waiting = self.run.wait();
            self.others.all_ended().await;
        }
    }

    /// Loads an engine on a thread of its own, which goes on where nobody waits for it any more; the next waits for its end.
    async fn loaded(&self, lane: &Lane) -> Result<LaneEngine, Error> {
        self.run.stage(Stage::Loading { done: 0, total: 0 });
        let place = Arc::clone(self.place).acquire_owned().await;
        let place = place.map_err(|_| Error::Stopped)?;
        let (run, lanes, lane) = (Arc::clone(self.run), Arc::clone(&self.lanes), lane.clone());
        let (first, model) = (self.models.first().clone(), self.model(&lane)?);
        let (done, outcome) = oneshot::channel();
        let load = move || {
            let progress = |done, total| run.stage(Stage::Loading { done, total });
            let loaded = lanes.plan(&lane, &model).and_then(|plan| {
                let reserved = first.reserve(plan.bytes, plan.context)?;
                let engine = (plan.load)(&progress)?;
                Ok(LaneEngine(Some((engine, reserved, place))))
            });
            // Whoever has gone away does not hear it.
            let _ = done.send(loaded);
        };
        let thread = std::thread::Builder::new().name("lane".into());
        thread.spawn(load).map_err(Error::NoThread)?;
        outcome.await.map_err(|_| Error::Broken)?
    }

    /// The model of a lane as it is served now.
    fn model(&self, lane: &Lane) -> Result<Arc<Offer>, Error> {
        let model = match &*lane.model {
            "" => Some(self.models.first().clone()),
            id => self.models.named(id),
        };
        let gone = || Error::Option("the model is not served any more".to_owned());
        let model = model.ok_or_else(gone)?;
        Ok(Arc::clone(model.offer()))
    }

    fn request(&self, engine: &Arc<dyn Generator>) -> Request {
        let plan = self.run.comparison().plan;
        let message = Message {
            role: Role::User,
            content: plan.prompt,
        };
        let sampling = match plan.seed {
            None => Sampling::default(),
            seed => Sampling {
                seed,
                ..engine.info().sampling
            },
        };
        Request {
            prompt: Prompt::Chat(vec![message].into()),
            sampling,
            max_tokens: plan.max_tokens,
            thinking: Thinking {
                enabled: Some(false),
                budget: None,
            },
            usd_per_hour: plan.usd_per_hour,
            fresh: true,
            // How many guesses pay is found out anew by each engine; lanes are to compute the same.
            speculation: Some(Speculation::Off),
            ..Request::default()
        }
    }

    /// Has a request answered to its end, and keeps what that took where it counts. False when somebody asked or fetched
    /// something meanwhile.
    async fn answered(
        &self,
        engine: &Arc<dyn Generator>,
        request: Request,
        counts: bool,
    ) -> Result<bool, Error> {
        let mut answer = loop {
            let (engine, request) = (Arc::clone(engine), request.clone());
            let submitted = self
                .models
                .first()
                .prepared(request.caller, move || engine.submit(request))
                .await;
            match submitted {
                Err(Error::Busy { .. }) | Ok(Err(Error::Busy { .. })) => sleep(AGAIN).await,
                submitted => break submitted??,
            }
        };
        let mut disturbed = pin!(self.others.begin());
        let mut text = String::new();
        loop {
            let event = tokio::select! {
                biased;
                () = &mut disturbed => return Ok(false),
                event = answer.next() => event,
            };
            match event {
                Some(Event::Text(piece)) if counts => {
                    text.push_str(&piece);
                    // A round that was given up may have come further.
                    self.run.change(|lane| {
                        if lane.rounds.is_empty() && text.len() > lane.text.len() {
                            lane.text.clone_from(&text);
                        }
                    });
                }
                Some(Event::Finished(mut completion)) => {
                    if counts {
                        let tokens = std::mem::take(&mut completion.token_ids);
                        let metrics = metrics(completion);
                        self.run.change(|lane| {
                            if lane.rounds.is_empty() {
                                lane.tokens = tokens;
                            }
                            lane.rounds.push(metrics);
                        });
                    }
                    return Ok(true);
                }
                Some(Event::Failed(error)) => return Err(error),
                Some(_) => {}
                None => return Err(Error::Stopped),
            }
        }
    }
}

/// What a person may read of it, beside the name of the lane: that it does not fit, or is not known here, stands with its
/// numbers.
fn in_words(error: &Error) -> String {
    match error {
        Error::Memory { .. } | Error::Option(_) => error.to_string(),
        _ => reason(error).to_string(),
    }
}
