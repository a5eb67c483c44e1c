//! Where the program runs: the machine, looked at now and then, and the models on its disk.

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nibble_app::chat::{Facts, ModelHere, ModelKnown, Models};
use nibble_app::doctor::Machine;
use nibble_engine::available_memory;
use nibble_engine::bench::Limits;
use nibble_engine::survey::Survey;

use super::ChatService;
use crate::hub::{self, KNOWN_MODELS, KnownModel};
use crate::machine::machine;
use crate::store::now;

/// A machine is looked at again after so long.
const FRESH: Duration = Duration::from_secs(10);

/// Its limits are measured again after so long.
const MEASURED_FOR: i64 = 60_000;

/// Bytes that are read to measure memory: more than caches hold, and a small part of what is left.
const BYTES: u64 = 256 << 20;

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

    async fn models(&self) -> Models {
        let models = tokio::task::spawn_blocking(models).await;
        models.unwrap_or_default()
    }
}

fn models() -> Models {
    let cached = hub::cached().inspect_err(|error| {
        tracing::warn!("the models on this disk cannot be listed: {error}");
    });
    let is_unreadable = cached.is_err();
    let here = cached.map(|cached| cached.models).unwrap_or_default();
    let here = here.into_iter().map(|model| ModelHere {
        packed_bytes: model.packed_bytes(),
        is_whole: model.path.is_some(),
        name: model.name,
        bytes: model.bytes,
    });
    Models {
        here: here.collect(),
        is_unreadable,
        known: KNOWN_MODELS.iter().map(known).collect(),
        memory: available_memory(),
    }
}

fn known(model: &KnownModel) -> ModelKnown {
    ModelKnown {
        name: model.name.to_owned(),
        repository: model.repository.to_owned(),
        parameters: u64::from(model.millions) * 1_000_000,
        download_bytes: u64::from(model.megabytes) * 1_000_000,
        memory_bytes: model.memory_bytes(),
        licence: model.licence.to_owned(),
        gated: model.gated,
        is_here: hub::find(Path::new(model.name)).is_ok(),
    }
}
