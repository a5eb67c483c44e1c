//! The thread that owns the model, and the queue in front of it.
//!
//! Requests are checked and tokenised on the caller's thread, so a bad one is refused at once and costs the model
//! nothing. They take turns: one answer at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::answer::generate::{self, Job, Resident};
use crate::answer::metrics::Clock;
use crate::compute::kernel;
use crate::compute::kv::Precision;
use crate::files::config::ModelConfig;
use crate::machine::threads::{self, Pool};
use crate::model::calibration::{self, Calibration};
use crate::model::capacity::{self, Need};
use crate::model::forward::Model;
use crate::model::packed::{PackedCache, PackedFile};
use crate::model::source::ModelSource;
use crate::model::weights::{self, Recipe, Rounding};
use crate::text::calls::CallReader;
use crate::text::prompt::ChatTemplate;
use crate::text::tokenizer::Tokenizer;
use crate::{Answer, Error, Event, ModelInfo, Prompt, Request, Sampling};

/// How to load a model; `None` leaves the choice to the engine.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// A GGUF file, or a folder in the layout of the Hugging Face hub.
    pub model: PathBuf,
    /// Threads that compute; by default what affinity and the cgroup quota allow.
    pub threads: Option<usize>,
    /// Whether each of these threads stays on a CPU of its own.
    pub pin: bool,
    /// Matrix kernel by name; by default the fastest that this CPU runs.
    pub kernel: Option<String>,
    /// What weights are rounded to.
    pub rounding: Rounding,
    /// A text by which the error of rounding is weighed.
    pub calibration: Option<Calibration>,
    /// Where packed weights are kept.
    pub packed: PackedCache,
    /// The longest sequence, in tokens; by default the model's own, at most [`DEFAULT_CONTEXT`] and what memory allows.
    pub context: Option<usize>,
    /// Requests that may wait; by default [`DEFAULT_QUEUE`].
    pub queue: Option<usize>,
}

/// The longest sequence unless asked for more: keys and values of 128 k tokens would fill the memory of most machines.
pub const DEFAULT_CONTEXT: usize = 8192;
/// Requests that may wait unless told otherwise.
pub const DEFAULT_QUEUE: usize = 64;
/// The most threads that can be asked for.
const MAX_THREADS: usize = 1024;

/// A loaded model and the thread that owns it. Dropping it ends the thread after the current step.
#[derive(Debug)]
pub struct Engine {
    info: ModelInfo,
    tokenizer: Arc<Tokenizer>,
    template: ChatTemplate,
    queue: Option<SyncSender<Job>>,
    queue_limit: usize,
    shared: Arc<Shared>,
    owner: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    shutdown: AtomicBool,
}

impl Engine {
    /// Reads the model, packs its weights for this CPU and starts the owner thread.
    ///
    /// # Errors
    /// [`Error::File`] and [`Error::Model`] for the file, [`Error::Option`] for the other options, [`Error::Memory`] when
    /// the model does not fit.
    pub fn load(options: &LoadOptions) -> Result<Self, Error> {
        Self::load_telling(options, &|_, _| {})
    }

    /// [`Self::load`] that tells of the weights it packs: `progress` is given the bytes packed so far, and how many there
    /// will be. It is never called where packed weights are found.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_telling(
        options: &LoadOptions,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Self, Error> {
        let kernel = kernel::choose(options.kernel.as_deref())?;
        let pool = pool(options.threads, options.pin)?;
        let source = ModelSource::open(&options.model)?;
        let config = source.config().clone();
        let tokenizer = source.tokenizer()?;
        let template = source.template(&tokenizer)?;
        let (tensors, rounding) = (source.tensors(), options.rounding);
        let calibration = options.calibration.as_ref();
        let importance = calibration::importance(calibration, &source, rounding, kernel)?;
        let recipe = Recipe {
            rounding,
            importance: importance.as_ref(),
        };
        let packed = PackedFile::of(&options.packed, &source, recipe, kernel)?;
        let packing = weights::plan(tensors, &config, recipe, kernel)?.telling(progress);
        let context = context(options.context, &config, packing.bytes(), rounding.kv())?;
        let model = Model::planned(tensors, config, recipe, packing, pool, packed.as_ref())?;
        let name = name(&options.model);
        let sampling = source.sampling(&name);
        let info = ModelInfo {
            sampling,
            ..info(&model, name, context, options.rounding)
        };
        let queue_limit = options.queue.unwrap_or(DEFAULT_QUEUE);
        let (queue, jobs) = mpsc::sync_channel(queue_limit);
        let (tokenizer, shared) = (Arc::new(tokenizer), Arc::<Shared>::default());
        let owner = {
            let (tokenizer, shared) = (Arc::clone(&tokenizer), Arc::clone(&shared));
            let own = move || own(model, &tokenizer, &jobs, &shared);
            thread::Builder::new()
                .name("nibble-model".into())
                .spawn(own)
                .map_err(no_thread)?
        };
        let (queue, owner) = (Some(queue), Some(owner));
        Ok(Self {
            info,
            tokenizer,
            template,
            queue,
            queue_limit,
            shared,
            owner,
        })
    }

    /// What is loaded.
    #[must_use]
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Puts a request into the queue.
    ///
    /// # Errors
    /// [`Error::Busy`] when the queue is full, [`Error::Request`] for values out of range or a prompt that the
    /// context cannot hold, [`Error::Stopped`] when the engine is ending.
    pub fn submit(&self, request: Request) -> Result<Answer, Error> {
        let clock = Clock::accept(Instant::now());
        request.check()?;
        let calls = self.call_reader(&request.prompt)?;
        let prompt = self.prompt_tokens(&request.prompt)?;
        let (used, context) = (prompt.len(), self.info.context);
        if used == 0 {
            return Err(Error::Request("the prompt is empty".into()));
        }
        if used >= context {
            return Err(Error::Request(format!(
                "the prompt has {used} tokens, and the context of {context} must leave room for an answer"
            )));
        }
        let (sender, answer) = Answer::channel();
        let job = Job {
            prompt,
            sampling: request.sampling,
            max_tokens: request.max_tokens.min(context - used),
            stop: request.stop,
            calls,
            usd_per_hour: request.usd_per_hour,
            clock,
            answer: sender,
        };
        self.enqueue(job)?;
        Ok(answer)
    }

    /// Whether the thread that owns the model runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.owner
            .as_ref()
            .is_some_and(|owner| !owner.is_finished())
    }

    /// The token ids of a text, for `nibble tokenize` and for counting. Control tokens written in the text are
    /// plain text.
    #[must_use]
    pub fn tokenize(&self, text: &str) -> Vec<u32> {
        self.tokenizer.encode(text)
    }

    /// What tells calls of the conversation's tools from text; none where none are offered.
    fn call_reader(&self, prompt: &Prompt) -> Result<Option<CallReader>, Error> {
        let Prompt::Chat(conversation) = prompt else {
            return Ok(None);
        };
        let (tokenizer, model) = (&self.tokenizer, &self.info.id);
        let format = self.template.call_format(conversation, tokenizer, model)?;
        Ok(format.map(|format| CallReader::new(format, conversation, generate::entropy())))
    }

    fn prompt_tokens(&self, prompt: &Prompt) -> Result<Vec<u32>, Error> {
        match prompt {
            Prompt::Raw(text) => Ok(self.tokenizer.encode_raw(text)),
            Prompt::Chat(conversation) => {
                let rendered = self.template.render(conversation, &self.tokenizer)?;
                Ok(self.tokenizer.encode_prompt(&rendered))
            }
        }
    }

    fn enqueue(&self, job: Job) -> Result<(), Error> {
        let queue = self.queue.as_ref().ok_or(Error::Stopped)?;
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        queue.try_send(job).map_err(|refused| {
            let waiting = self.shared.waiting.fetch_sub(1, Ordering::Relaxed) - 1;
            match refused {
                TrySendError::Full(_) => Error::Busy {
                    waiting,
                    limit: self.queue_limit,
                },
                TrySendError::Disconnected(_) => Error::Stopped,
            }
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.shutdown.store(true, Ordering::Relaxed);
        self.queue = None;
        if let Some(owner) = self.owner.take() {
            // A panic of the owner has already failed its answer; there is nobody left to tell.
            let _ = owner.join();
        }
    }
}

/// The owner thread: one job after the other until the queue is closed.
fn own(mut model: Model, tokenizer: &Tokenizer, jobs: &Receiver<Job>, shared: &Shared) {
    model.settle();
    let mut resident = Resident::new(model.new_cache());
    let shutdown = || shared.shutdown.load(Ordering::Relaxed);
    for job in jobs {
        shared.waiting.fetch_sub(1, Ordering::Relaxed);
        if shutdown() {
            job.answer.send(Event::Failed(Error::Stopped));
        } else if !job.answer.is_abandoned() {
            generate::answer(&mut model, tokenizer, &mut resident, job, &shutdown);
        }
    }
}

/// The threads that were asked for.
pub(crate) fn pool(threads: Option<usize>, pin: bool) -> Result<Pool, Error> {
    let threads = threads.unwrap_or_else(threads::available);
    if !(1..=MAX_THREADS).contains(&threads) {
        return Err(Error::Option(format!(
            "`threads` must be from 1 to {MAX_THREADS}, found {threads}"
        )));
    }
    if pin {
        Pool::pinned(threads)
            .map_err(|source| Error::Option(format!("cannot pin threads: {source}")))
    } else {
        Pool::new(threads).map_err(no_thread)
    }
}

fn no_thread(source: std::io::Error) -> Error {
    Error::Option(format!("cannot start a thread: {source}"))
}

/// The context that was asked for, or the default where that fits the memory, else a shorter one.
fn context(
    asked: Option<usize>,
    config: &ModelConfig,
    weights: usize,
    kv: Precision,
) -> Result<usize, Error> {
    let model = config.context;
    let wanted = match asked {
        None => model.min(DEFAULT_CONTEXT),
        Some(asked) if (2..=model).contains(&asked) => asked,
        Some(asked) => {
            return Err(Error::Option(format!(
                "`context` must be from 2 to the model's {model} tokens, found {asked}"
            )));
        }
    };
    Need::of(config, weights as u64, kv).context(wanted, asked.is_some(), capacity::available())
}

fn info(model: &Model, name: String, context: usize, rounding: Rounding) -> ModelInfo {
    let (config, weights) = (model.config(), model.weights());
    let bits = weights.bytes() as f64 * 8.0 / weights.parameters() as f64;
    ModelInfo {
        id: name.to_lowercase(),
        parameters: weights.parameters(),
        weight_bytes: weights.bytes(),
        context,
        vocabulary: config.vocabulary,
        quantization: format!("{}, {bits:.1} bits a weight", rounding.quantize.in_words()),
        kernel: model.kernel().name.to_owned(),
        threads: model.threads(),
        sampling: Sampling::advised_for(&name),
        name,
    }
}

/// The model's name for people: that of its file or folder, without the kind of quantisation. (`general.name` inside a
/// file is often that of a training run.)
pub(crate) fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or("model".as_ref());
    let name = name.to_string_lossy();
    let stem = name.strip_suffix(".gguf").unwrap_or(&name);
    let quantisation = |suffix: &str| {
        let suffix = suffix.to_uppercase();
        ["F16", "F32", "BF16"].contains(&suffix.as_str())
            || suffix
                .trim_start_matches('I')
                .strip_prefix('Q')
                .is_some_and(|rest| rest.starts_with(char::is_numeric))
    };
    match stem.rsplit_once(['.', '-']) {
        Some((name, suffix)) if quantisation(suffix) && !name.is_empty() => name.to_owned(),
        _ => stem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_the_file_without_its_quantisation() {
        for (file, expected) in [
            (
                "models/SmolLM2-135M-Instruct.Q4_1.gguf",
                "SmolLM2-135M-Instruct",
            ),
            ("Llama-3.2-1B-Instruct-IQ4_NL.gguf", "Llama-3.2-1B-Instruct"),
            ("tiny-bf16.gguf", "tiny"),
            ("a.b-c.gguf", "a.b-c"),
            ("Q4_0.gguf", "Q4_0"),
            ("models/Llama-3.2-1B-Instruct/", "Llama-3.2-1B-Instruct"),
            ("..", "model"),
        ] {
            assert_eq!(name(Path::new(file)), expected);
        }
    }
}
