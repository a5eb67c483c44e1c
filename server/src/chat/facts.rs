//! Where the program runs: the machine, looked at now and then, and the models on its disk.

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nibble_app::chat::{Facts, Leave, ModelHere, ModelKnown, Models, WorkDone};
use nibble_app::doctor::Machine;
use nibble_app::visitor::Visitor;
use nibble_engine::survey::Survey;
use nibble_engine::{ModelInfo, available_memory};

use super::ChatService;
use super::idle::Idle;
use crate::hub::{self, CachedModel, HubName, KNOWN_MODELS, KnownModel, Shelf};
use crate::machine::machine;
use crate::management::Planned;
use crate::metered::Metered;
use crate::served::Served;

/// A machine is looked at again after so long.
const FRESH: Duration = Duration::from_secs(10);

/// The machine as it was found last.
#[derive(Default)]
pub(super) struct Surveyed(Mutex<Option<(Instant, Survey)>>, tokio::sync::Mutex<()>);

impl Surveyed {
    /// However long ago that was.
    fn last(&self) -> Option<Survey> {
        let last = self.0.lock().ok()?;
        last.as_ref().map(|(_, survey)| survey.clone())
    }

    fn fresh(&self) -> Option<Survey> {
        let last = self.0.lock().ok()?;
        let (at, survey) = last.as_ref()?;
        (at.elapsed() < FRESH).then(|| survey.clone())
    }

    /// What keeps it busy is told where that were no answers, no lanes of a comparison, and no fetch.
    async fn now(&self, idle: impl Fn() -> Option<Idle>) -> Survey {
        // Who comes meanwhile is told the same.
        let _turn = self.1.lock().await;
        if let Some(survey) = self.fresh() {
            return survey;
        }
        let idle = idle();
        let survey = tokio::task::spawn_blocking(Survey::take).await;
        let mut survey = survey.unwrap_or_default();
        if idle.is_none_or(|idle| !idle.lasts()) {
            survey.busy = None;
        }
        if let Ok(mut last) = self.0.lock() {
            *last = Some((Instant::now(), survey.clone()));
        }
        survey
    }
}

impl ChatService {
    /// The machine as it was found a moment ago.
    pub(super) async fn survey(&self) -> Survey {
        self.surveyed.now(|| self.idle()).await
    }

    /// The machine by what was found of it.
    fn machine_by(&self, survey: Survey) -> Machine {
        let first = self.writer.models.first();
        let info = first.info();
        let measured = self.limits_on(&survey);
        let limits = measured.map(|(_, limits)| limits);
        let mut machine = machine(survey, info.kernel.clone(), info.threads, limits);
        machine.measured = measured.map(|(at, _)| at);
        let is_out = first.loaded().is_none();
        machine.needed = is_out.then(|| (info.name.clone(), first.bytes()));
        machine
    }
}

#[async_trait]
impl Facts for ChatService {
    async fn machine(&self) -> Machine {
        self.machine_by(self.survey().await)
    }

    async fn known_machine(&self) -> Machine {
        let survey = match self.surveyed.last() {
            Some(survey) => survey,
            None => {
                let survey = tokio::task::spawn_blocking(Survey::at_once).await;
                survey.unwrap_or_default()
            }
        };
        self.machine_by(survey)
    }

    async fn work_done(&self, model: &str) -> WorkDone {
        self.work_of_last(model).await
    }

    async fn models(&self, visitor: Visitor) -> Models {
        let management = self.management.get().cloned();
        let served = self.writer.models.clone();
        let found = tokio::task::spawn_blocking(move || {
            let (mut models, plans) = match &management {
                Some(management) => {
                    let plan = |file: &Path| management.planned(file);
                    on_shelf(Ok(management.shelf().clone()), &served, &plan)
                }
                None => on_shelf(Shelf::from_env(), &served, &|_| None),
            };
            if let Some(management) = management {
                models.leave = management.leave(visitor);
                models.fetching = management.fetching();
                if models.leave == Leave::Granted {
                    models.removed = management.removed();
                } else {
                    // Why a fetch failed may name folders of this machine.
                    models.fetching = models.fetching.filter(|fetching| fetching.end.is_none());
                }
            }
            (models, plans)
        });
        let (mut models, plans) = found.await.unwrap_or_default();
        for (model, info) in models.here.iter_mut().zip(plans) {
            if let Some(info) = info {
                model.tokens_per_second = self.decode_speed(&info).await;
            }
        }
        models
    }
}

/// The models, and what each of those on the disk is where it is loaded.
fn on_shelf(
    shelf: Result<Shelf, hub::Error>,
    served: &Served,
    plan: &dyn Fn(&Path) -> Option<Planned>,
) -> (Models, Vec<Option<ModelInfo>>) {
    let shelf = shelf.inspect_err(|error| {
        tracing::warn!("the models on this disk cannot be listed: {error}");
    });
    let here = shelf.as_ref().map(|shelf| shelf.contents().models);
    let here = here.unwrap_or_default().into_iter();
    let shelf = shelf.ok();
    let known: Vec<_> = KNOWN_MODELS
        .iter()
        .map(|model| known(model, shelf.as_ref(), &served.first().info().kv))
        .collect();
    let (here, plans) = here
        .map(|model| here_of(model, served, &known, plan))
        .unzip();
    let models = Models {
        here,
        is_unreadable: shelf.is_none(),
        known,
        memory: available_memory(),
        ..Models::default()
    };
    (models, plans)
}

/// What a model's files say of it counts, and of a short name what its table says.
fn here_of(
    model: CachedModel,
    served: &Served,
    known: &[ModelKnown],
    plan: &dyn Fn(&Path) -> Option<Planned>,
) -> (ModelHere, Option<ModelInfo>) {
    let packed_bytes = model.packed_bytes();
    let file = model
        .path
        .as_ref()
        .and_then(|path| path.canonicalize().ok());
    let is_it = |served: &Metered| {
        let of_served = served.file().and_then(|file| file.canonicalize().ok());
        file.is_some() && of_served == file
    };
    let served = served.iter().find(is_it);
    let planned = model.path.as_deref().and_then(plan);
    let known = known.iter().find(|known| known.name == model.name);
    let served = served.map(|served| served.info().clone());
    let memory_bytes = planned.as_ref().map(|planned| planned.bytes);
    let info = served.clone().or(planned.and_then(|planned| planned.info));
    let licence = match known {
        Some(known) => known.licence.clone(),
        None => info
            .as_ref()
            .map(|info| info.licence.clone())
            .unwrap_or_default(),
    };
    let here = ModelHere {
        packed_bytes,
        is_whole: model.path.is_some(),
        bytes: model.bytes,
        served: served.map(|served| served.id),
        parameters: (info.as_ref().map(|info| info.parameters))
            .or(known.map(|known| known.parameters)),
        memory_bytes: memory_bytes.or(known.map(|known| known.memory_bytes)),
        licence,
        repository: known.map_or_else(|| repository(&model.name), |known| known.repository.clone()),
        name: model.name,
        tokens_per_second: None,
    };
    (here, info)
}

/// That of a name as it is typed: without a revision, and without a file.
fn repository(name: &str) -> String {
    let end = name.find(['@', ':']).unwrap_or(name.len());
    name[..end].to_owned()
}

/// With keys and values held as those of the first model are.
fn known(model: &KnownModel, shelf: Option<&Shelf>, kv: &str) -> ModelKnown {
    let name = HubName::parse(model.name).ok();
    ModelKnown {
        name: model.name.to_owned(),
        repository: model.repository.to_owned(),
        parameters: u64::from(model.millions) * 1_000_000,
        download_bytes: u64::from(model.megabytes) * 1_000_000,
        memory_bytes: model.memory_bytes_by(kv),
        licence: model.licence.to_owned(),
        gated: model.gated,
        is_here: shelf
            .zip(name)
            .is_some_and(|(shelf, name)| shelf.find(&name).is_some()),
    }
}
