//! The form that asks for a comparison, as typed or as an address says, and the checked plan that it becomes.

use form_urlencoded::{Serializer, byte_serialize};

use crate::chat::Comparing;
use crate::complaint::{Complaint, ComplaintKind};
use crate::domain::{FEWEST_LANES, LANES, Lane, Plan, Weights};
use crate::language::{Language, Told};
use crate::settings::{Field, SEED, WHOLE, at_most, optional, within};

/// The most tokens of an answer: as few as make a rate, or so many that lanes take minutes.
pub const TOKENS: std::ops::RangeInclusive<usize> = 17..=256;

/// How often a lane may answer.
pub(crate) const ROUNDS: [usize; 3] = [1, 3, 5];

/// The longest prompt: the slowest kernel is to read it within seconds.
const PROMPT_BYTES: usize = 4 * 1024;

/// The longest prompt in an address, encoded: servers refuse addresses over 8 KiB, and some refuse shorter ones.
const LINKED_BYTES: usize = 2 * 1024;

const KERNEL: [&str; LANES] = ["kernel_1", "kernel_2", "kernel_3", "kernel_4"];
const THREADS: [&str; LANES] = ["threads_1", "threads_2", "threads_3", "threads_4"];
const WEIGHTS: [&str; LANES] = ["weights_1", "weights_2", "weights_3", "weights_4"];
const MODEL: [&str; LANES] = ["model_1", "model_2", "model_3", "model_4"];

/// The fields, as they were typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompareForm {
    pub(crate) prompt: String,
    pub(crate) max_tokens: String,
    pub(crate) rounds: String,
    pub(crate) seed: String,
    pub(crate) lanes: [LaneForm; LANES],
}

/// The fields of a lane; one without a kernel is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LaneForm {
    pub(crate) kernel: String,
    pub(crate) threads: String,
    pub(crate) weights: String,
    /// Empty for the first.
    pub(crate) model: String,
}

/// A form that was refused.
#[derive(Clone, Debug)]
pub struct CompareRefused {
    /// As it was typed.
    pub form: CompareForm,
    /// Why.
    pub complaint: Complaint,
}

/// Lanes that show something, by one button or link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preset {
    /// The plain kernel against the fastest.
    Kernels,
    /// One thread against all.
    Threads,
    /// Weights as served against floats.
    Weights,
}

impl Preset {
    pub(crate) const ALL: [Self; 3] = [Self::Kernels, Self::Threads, Self::Weights];

    /// As addresses name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kernels => "kernels",
            Self::Threads => "threads",
            Self::Weights => "weights",
        }
    }

    /// The one that the query of an address or the body of a form names.
    pub(crate) fn asked(encoded: &[u8]) -> Option<Self> {
        let mut pairs = form_urlencoded::parse(encoded);
        let (_, name) = pairs.find(|(found, _)| found == "preset")?;
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    fn lanes(self, here: &Comparing) -> [LaneForm; 2] {
        let fastest = here.kernels.last().unwrap_or(&here.kernel);
        let slowest = here.kernels.first().unwrap_or(&here.kernel);
        let lane = |kernel: &str, threads: usize, weights: Weights| LaneForm {
            kernel: kernel.to_owned(),
            threads: threads.to_string(),
            weights: weights.name().to_owned(),
            model: String::new(),
        };
        let threads = here.threads;
        match self {
            Self::Kernels => [
                lane(slowest, threads, Weights::Served),
                lane(fastest, threads, Weights::Served),
            ],
            Self::Threads => [
                lane(fastest, 1, Weights::Served),
                lane(fastest, here.most_threads, Weights::Served),
            ],
            Self::Weights => [
                lane(fastest, threads, Weights::Float),
                lane(fastest, threads, Weights::Served),
            ],
        }
    }
}

impl CompareForm {
    /// As the query of an address or the body of a form says. What has another name is nothing.
    #[must_use]
    pub fn of(encoded: &[u8]) -> Self {
        let mut form = Self::default();
        for (name, value) in form_urlencoded::parse(encoded) {
            let value = value.into_owned();
            match &*name {
                "prompt" => form.prompt = value,
                "max_tokens" => form.max_tokens = value,
                "rounds" => form.rounds = value,
                "seed" => form.seed = value,
                name => {
                    for (place, lane) in form.lanes.iter_mut().enumerate() {
                        let fields = [
                            (KERNEL[place], &mut lane.kernel),
                            (THREADS[place], &mut lane.threads),
                            (WEIGHTS[place], &mut lane.weights),
                            (MODEL[place], &mut lane.model),
                        ];
                        let found = fields.into_iter().find(|(known, _)| *known == name);
                        if let Some((_, field)) = found {
                            field.clone_from(&value);
                        }
                    }
                }
            }
        }
        form
    }

    /// As the body of a form says; one that names a preset is filled in with its lanes.
    #[must_use]
    pub fn sent(encoded: &[u8], t: Language, here: &Comparing) -> Self {
        let form = Self::of(encoded);
        match Preset::asked(encoded) {
            None => form,
            preset => form.filled(t, here, preset),
        }
    }

    /// The form of a plan, to ask for the same again.
    #[must_use]
    pub fn again(plan: &Plan) -> Self {
        let mut form = Self {
            prompt: plan.prompt.clone(),
            max_tokens: plan.max_tokens.to_string(),
            rounds: plan.rounds.to_string(),
            seed: plan.seed.map(|seed| seed.to_string()).unwrap_or_default(),
            lanes: Default::default(),
        };
        for (typed, lane) in form.lanes.iter_mut().zip(&plan.lanes) {
            *typed = LaneForm {
                kernel: lane.kernel.clone(),
                threads: lane.threads.to_string(),
                weights: lane.weights.name().to_owned(),
                model: lane.model.clone(),
            };
        }
        form
    }

    /// The query that [`Self::of`] reads, without a prompt that is too long for an address.
    #[must_use]
    pub(crate) fn query(&self) -> String {
        let mut query = Serializer::new(String::new());
        let mut put = |name, value: &str| {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        };
        let encoded = byte_serialize(self.prompt.as_bytes()).map(str::len);
        if encoded.sum::<usize>() <= LINKED_BYTES {
            put("prompt", &self.prompt);
        }
        put("max_tokens", &self.max_tokens);
        put("rounds", &self.rounds);
        put("seed", &self.seed);
        for (place, lane) in self.lanes.iter().enumerate() {
            put(KERNEL[place], &lane.kernel);
            put(THREADS[place], &lane.threads);
            put(WEIGHTS[place], &lane.weights);
            put(MODEL[place], &lane.model);
        }
        query.finish()
    }

    /// What is left open filled in: the lanes of a preset, which keep the models that are named, the default prompt, and the
    /// smallest of numbers.
    #[must_use]
    pub(crate) fn filled(mut self, t: Language, here: &Comparing, preset: Option<Preset>) -> Self {
        let is_blank = self.lanes.iter().all(|lane| lane.kernel.is_empty());
        if let Some(preset) = preset.or(is_blank.then_some(Preset::Kernels)) {
            let mut lanes = preset.lanes(here).into_iter();
            self.lanes = self.lanes.map(|typed| LaneForm {
                model: typed.model,
                ..lanes.next().unwrap_or_default()
            });
        }
        for lane in &mut self.lanes {
            default(&mut lane.threads, || here.threads.to_string());
            default(&mut lane.weights, || Weights::default().name().to_owned());
        }
        default(&mut self.prompt, || t.compare_default_prompt().to_owned());
        default(&mut self.max_tokens, || "64".to_owned());
        default(&mut self.rounds, || ROUNDS[0].to_string());
        self
    }

    /// Checks every field.
    ///
    /// # Errors
    /// A [`Complaint`] that names the first one that cannot be used, its limits and what was found.
    pub fn plan(&self, here: &Comparing) -> Result<Plan, Complaint> {
        if !here.is_allowed {
            return Err(not_allowed());
        }
        let prompt = self.prompt.replace("\r\n", "\n").replace('\0', "\u{fffd}");
        let prompt = prompt.trim().to_owned();
        if prompt.is_empty() {
            return Err(refused("prompt", Told::new(Language::prompt_empty)));
        }
        at_most("prompt", Language::the_prompt, &prompt, PROMPT_BYTES)?;
        let most = Field("max_tokens", Language::the_compared_tokens, WHOLE);
        let rounds = Field("rounds", Language::the_rounds, WHOLE);
        let rounds_range = ROUNDS[0]..=ROUNDS[ROUNDS.len() - 1];
        Ok(Plan {
            prompt,
            max_tokens: within(most, &self.max_tokens, TOKENS)?,
            rounds: within(rounds, &self.rounds, rounds_range)?,
            seed: optional(Field("seed", Language::the_seed, WHOLE), &self.seed, SEED)?,
            lanes: self.checked_lanes(here)?,
            usd_per_hour: here.usd_per_hour,
        })
    }

    /// Checks the models alone, of which an address may name one that is gone.
    ///
    /// # Errors
    /// A [`Complaint`] that names the first one that is not here, and those that are.
    pub(crate) fn known_models(&self, here: &Comparing) -> Result<(), Complaint> {
        let mut lanes = self.wanted_lanes();
        lanes.try_for_each(|(place, lane)| checked_model(place, lane, here).map(drop))
    }

    /// Lanes that have a kernel, with their places.
    fn wanted_lanes(&self) -> impl Iterator<Item = (usize, &LaneForm)> {
        let typed = self.lanes.iter().enumerate();
        typed.filter(|(_, lane)| !lane.kernel.is_empty())
    }

    fn checked_lanes(&self, here: &Comparing) -> Result<Vec<Lane>, Complaint> {
        let lanes = self.wanted_lanes().map(|(place, lane)| {
            if !here.kernels.contains(&lane.kernel) {
                let found = shortened(&lane.kernel);
                let all = here.kernels.join("`, `");
                let reason = Told::new(|t| t.no_such_kernel(&found, &all));
                return Err(refused(KERNEL[place], reason));
            }
            let threads = Field(THREADS[place], Language::the_threads, WHOLE);
            let weights = Weights::named(&lane.weights);
            let weights = weights.filter(|weights| here.weights.contains(weights));
            let weights = weights.ok_or_else(|| {
                let found = shortened(&lane.weights);
                refused(WEIGHTS[place], Told::new(|t| t.no_such_weights(&found)))
            });
            Ok(Lane {
                kernel: lane.kernel.clone(),
                threads: within(threads, &lane.threads, 1..=here.most_threads)?,
                weights: weights?,
                model: checked_model(place, lane, here)?,
            })
        });
        let lanes = lanes.collect::<Result<Vec<_>, _>>()?;
        if lanes.len() < FEWEST_LANES {
            let found = lanes.len();
            let reason = Told::new(|t| t.too_few_lanes(FEWEST_LANES, found));
            return Err(refused(KERNEL[found.min(1)], reason));
        }
        Ok(lanes)
    }
}

/// The model of a lane, which has none where the server has one.
fn checked_model(place: usize, lane: &LaneForm, here: &Comparing) -> Result<String, Complaint> {
    let ids: Vec<_> = here.models.iter().map(|model| model.id.as_str()).collect();
    match (&*lane.model, &ids[..]) {
        ("", [first, _, ..]) => Ok((*first).to_owned()),
        ("", _) => Ok(String::new()),
        (id, [only]) if id == *only => Ok(String::new()),
        (id, ids) if ids.contains(&id) => Ok(id.to_owned()),
        (id, ids) => {
            let (found, all) = (shortened(id), ids.join("`, `"));
            let reason = Told::new(|t| t.no_such_model(&found, &all));
            Err(refused(MODEL[place], reason))
        }
    }
}

/// What was found, as far as it is told.
fn shortened(found: &str) -> String {
    found.chars().take(40).collect()
}

/// Whoever asks may not compare.
#[must_use]
pub fn not_allowed() -> Complaint {
    Complaint {
        reason: Told::new(Language::compare_not_allowed),
        kind: ComplaintKind::Forbidden,
    }
}

/// The names of a lane's fields.
pub(crate) fn field_names(place: usize) -> [&'static str; 4] {
    [KERNEL[place], THREADS[place], WEIGHTS[place], MODEL[place]]
}

fn default(field: &mut String, value: impl FnOnce() -> String) {
    if field.is_empty() {
        *field = value();
    }
}

fn refused(field: &'static str, reason: Told) -> Complaint {
    Complaint {
        reason,
        kind: ComplaintKind::Field(field),
    }
}

#[cfg(test)]
mod tests;
