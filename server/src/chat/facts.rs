//! Where the program runs: the machine, looked at now and then, and the models on its disk.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nibble_app::chat::{Facts, ModelHere, ModelKnown, Models};
use nibble_app::doctor::Machine;
use nibble_app::domain::usual;
use nibble_app::visitor::Visitor;
use nibble_engine::available_memory;
use nibble_engine::bench::Limits;
use nibble_engine::survey::Survey;

use super::ChatService;
use crate::hub::{self, CachedModel, HubName, KNOWN_MODELS, KnownModel, Shelf};
use crate::machine::machine;
use crate::metered::Metered;
use crate::served::Served;
use crate::store::now;

/// A machine is looked at again after so long.
const FRESH: Duration = Duration::from_secs(10);

/// Its limits are measured again after so long.
const MEASURED_FOR: i64 = 60_000;

/// Bytes that are read to measure memory: more than caches hold, and a small part of what is left.
const BYTES: u64 = 256 << 20;

/// Answers of a model whose speed is told.
const LAST: usize = 99;

/// Why limits are not measured.
#[derive(Debug)]
pub(crate) enum Refused {
    /// They were a moment ago, or are now.
    Fresh,
    /// Answers are computed.
    Busy,
    /// It could not be done, for this reason.
    Failed(String),
}

/// The machine's limits as they were measured last, and when, in milliseconds since 1970.
#[derive(Default)]
pub(super) struct Measured(tokio::sync::Mutex<()>, Mutex<Option<(i64, Limits)>>);

impl Measured {
    fn last(&self) -> Option<(i64, Limits)> {
        *self.1.lock().ok()?
    }
}

/// The machine as it was found last.
#[derive(Default)]
pub(super) struct Surveyed(Mutex<Option<(Instant, Survey)>>, tokio::sync::Mutex<()>);

impl Surveyed {
    fn fresh(&self) -> Option<Survey> {
        let last = self.0.lock().ok()?;
        let (at, survey) = last.as_ref()?;
        (at.elapsed() < FRESH).then(|| survey.clone())
    }

    /// What keeps it busy is told where that were no answers.
    async fn now(&self, is_idle: impl Fn() -> bool) -> Survey {
        // Who comes meanwhile is told the same.
        let _turn = self.1.lock().await;
        if let Some(survey) = self.fresh() {
            return survey;
        }
        let was_idle = is_idle();
        let survey = tokio::task::spawn_blocking(Survey::take).await;
        let mut survey = survey.unwrap_or_default();
        if !(was_idle && is_idle()) {
            survey.busy = None;
        }
        if let Ok(mut last) = self.0.lock() {
            *last = Some((Instant::now(), survey.clone()));
        }
        survey
    }
}

impl ChatService {
    /// Measures what the machine can do at best, when nothing is asked of the model, and at most once a minute.
    pub(crate) async fn measure_limits(&self) -> Result<(), Refused> {
        let Ok(_turn) = self.limits.0.try_lock() else {
            return Err(Refused::Fresh);
        };
        let fresh = |(at, _): (i64, Limits)| now() - at < MEASURED_FOR;
        if self.limits.last().is_some_and(fresh) {
            return Err(Refused::Fresh);
        }
        let load = self.writer.models.load();
        if load.running + load.waiting > 0 {
            return Err(Refused::Busy);
        }
        let threads = self.writer.models.first().info().threads;
        let bytes = available_memory().map_or(BYTES, |left| BYTES.min(left / 8));
        let bytes = usize::try_from(bytes).unwrap_or_default();
        let measure = move || Limits::measure(Some(threads), bytes);
        let limits = tokio::task::spawn_blocking(measure).await;
        let limits = limits.map_err(|error| Refused::Failed(error.to_string()))?;
        let limits = limits.map_err(|error| Refused::Failed(error.to_string()))?;
        if let Ok(mut last) = self.limits.1.lock() {
            *last = Some((now(), limits));
        }
        Ok(())
    }
}

#[async_trait]
impl Facts for ChatService {
    async fn machine(&self) -> Machine {
        let is_idle = || {
            let load = self.writer.models.load();
            load.running + load.waiting == 0
        };
        let survey = self.surveyed.now(is_idle).await;
        let info = self.writer.models.first().info();
        let measured = self.limits.last();
        let limits = measured.map(|(_, limits)| limits);
        let mut machine = machine(survey, info.kernel.clone(), info.threads, limits);
        machine.measured = measured.map(|(at, _)| at);
        machine
    }

    async fn models(&self, visitor: Visitor) -> Models {
        let management = self.management.get().cloned();
        let served = self.writer.models.clone();
        let models = tokio::task::spawn_blocking(move || {
            let mut models = match &management {
                Some(management) => on_shelf(Ok(management.shelf().clone()), &served),
                None => on_shelf(Shelf::from_env(), &served),
            };
            if let Some(management) = management {
                models.leave = management.leave(visitor);
                models.fetching = management.fetching();
                models.removed = management.removed();
            }
            models
        });
        let mut models = models.await.unwrap_or_default();
        for model in &mut models.here {
            if let Some(id) = &model.served {
                model.tokens_per_second = self.decode_speed(id).await;
            }
        }
        models
    }
}

impl ChatService {
    /// The median of the last answers of a model, whoever asked.
    async fn decode_speed(&self, id: &str) -> Option<f64> {
        let model = self.writer.models.named(id)?;
        let last = self.writer.store.last_measured(&model.info().name, LAST);
        let (rates, _) = usual(&last.await.ok()?);
        rates.token_s.map(|seconds| 1.0 / seconds)
    }
}

fn on_shelf(shelf: Result<Shelf, hub::Error>, served: &Served) -> Models {
    let shelf = shelf.inspect_err(|error| {
        tracing::warn!("the models on this disk cannot be listed: {error}");
    });
    let here = shelf.as_ref().map(|shelf| shelf.contents().models);
    let here = here.unwrap_or_default().into_iter();
    let shelf = shelf.ok();
    Models {
        here: here.map(|model| here_of(model, served)).collect(),
        is_unreadable: shelf.is_none(),
        known: KNOWN_MODELS
            .iter()
            .map(|model| known(model, shelf.as_ref()))
            .collect(),
        memory: available_memory(),
        ..Models::default()
    }
}

fn here_of(model: CachedModel, served: &Served) -> ModelHere {
    let file = model
        .path
        .as_ref()
        .and_then(|path| path.canonicalize().ok());
    let is_it = |served: &Metered| {
        let of_served = served.file().and_then(|file| file.canonicalize().ok());
        file.is_some() && of_served == file
    };
    let served = served.iter().find(is_it);
    ModelHere {
        packed_bytes: model.packed_bytes(),
        is_whole: model.path.is_some(),
        name: model.name,
        bytes: model.bytes,
        served: served.map(|served| served.info().id.clone()),
        tokens_per_second: None,
    }
}

fn known(model: &KnownModel, shelf: Option<&Shelf>) -> ModelKnown {
    let name = HubName::parse(model.name).ok();
    ModelKnown {
        name: model.name.to_owned(),
        repository: model.repository.to_owned(),
        parameters: u64::from(model.millions) * 1_000_000,
        download_bytes: u64::from(model.megabytes) * 1_000_000,
        memory_bytes: model.memory_bytes(),
        licence: model.licence.to_owned(),
        gated: model.gated,
        is_here: shelf
            .zip(name)
            .is_some_and(|(shelf, name)| shelf.find(&name).is_some()),
    }
}
