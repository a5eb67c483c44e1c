//! What the engine is doing, under our names and under vLLM's, so that boards and autoscalers made for it work unchanged.

use nibble_engine::{KV_BLOCK, Load, ModelInfo};
use prometheus::{Counter, Gauge, Opts};

use super::raise;
use super::register::Register;

/// Reads a figure out of what the engine says.
type Read = fn(&Load) -> f64;

/// The share of the memory for keys and values that running answers have.
fn kv_usage(load: &Load) -> f64 {
    let held = load.kv_blocks_used.saturating_sub(load.kv_blocks_cached);
    held as f64 / load.kv_blocks.max(1) as f64
}

/// Figures that go up and down: our name, vLLM's names, what they are.
const GAUGES: &[(&str, &[&str], &str, Read)] = &[
    (
        "nibble_answers_running",
        &["vllm:num_requests_running"],
        "Answers that are computed together now.",
        |load| load.running as f64,
    ),
    (
        "nibble_answers_waiting",
        &[],
        "Requests that wait for their first step.",
        |load| load.waiting as f64,
    ),
    (
        "nibble_answers_paused",
        &[],
        "Answers that wait for memory to go on with.",
        |load| load.paused as f64,
    ),
    (
        "nibble_kv_usage_ratio",
        &["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"],
        "Share of the memory for keys and values that running answers have, 0 to 1.",
        kv_usage,
    ),
    (
        "nibble_kv_blocks_used",
        &[],
        "Blocks of keys and values that hold something.",
        |load| load.kv_blocks_used as f64,
    ),
    (
        "nibble_kv_blocks_cached",
        &[],
        "Those of them that are kept for prompts to come alone.",
        |load| load.kv_blocks_cached as f64,
    ),
    (
        "nibble_kv_blocks",
        &[],
        "Blocks of keys and values that there may be.",
        |load| load.kv_blocks as f64,
    ),
    (
        "nibble_prefix_disk_bytes",
        &[],
        "Bytes of keys and values of the models in memory that are kept on the disk.",
        |load| load.prefix_disk_bytes as f64,
    ),
];

/// Figures of vLLM that are none of ours. Its scheduler puts an answer that it pauses back among those that wait.
const VLLM_GAUGES: &[(&str, &str, Read)] = &[(
    "vllm:num_requests_waiting",
    "Requests that wait for their first step, or for memory to go on with.",
    |load| (load.waiting + load.paused) as f64,
)];

/// Figures that only go up.
const COUNTERS: &[(&str, &[&str], &str, Read)] = &[
    (
        "nibble_prefix_queries_total",
        &[
            "vllm:prefix_cache_queries_total",
            "vllm:gpu_prefix_cache_queries_total",
        ],
        "Prompt tokens that were looked for among what is kept.",
        |load| load.prefix_queries as f64,
    ),
    (
        "nibble_prefix_hits_total",
        &[
            "vllm:prefix_cache_hits_total",
            "vllm:gpu_prefix_cache_hits_total",
        ],
        "Prompt tokens that were found there.",
        |load| load.prefix_hits as f64,
    ),
    (
        "nibble_prefix_disk_hits_total",
        &[],
        "Those of them that were read from the disk.",
        |load| load.prefix_disk_hits as f64,
    ),
    (
        "nibble_engine_prompt_tokens_total",
        &["vllm:prompt_tokens_total"],
        "Tokens of all prompts that were read, also of answers that run still and of embeddings.",
        |load| load.prompt_tokens as f64,
    ),
    (
        "nibble_engine_output_tokens_total",
        &["vllm:generation_tokens_total"],
        "Tokens put out, also by answers that run still.",
        |load| load.output_tokens as f64,
    ),
    (
        "nibble_drafted_tokens_total",
        &["vllm:spec_decode_num_draft_tokens_total"],
        "Tokens that were guessed ahead and computed.",
        |load| load.drafted_tokens as f64,
    ),
    (
        "nibble_accepted_tokens_total",
        &["vllm:spec_decode_num_accepted_tokens_total"],
        "Guesses that were right, and so were put out.",
        |load| load.accepted_tokens as f64,
    ),
    (
        "nibble_draft_model_drafted_tokens_total",
        &[],
        "Tokens guessed ahead by a draft model; the other guesses are from texts.",
        |load| load.drafted_by_model as f64,
    ),
    (
        "nibble_draft_model_accepted_tokens_total",
        &[],
        "Guesses of a draft model that were right.",
        |load| load.accepted_by_model as f64,
    ),
    (
        "nibble_preemptions_total",
        &["vllm:num_preemptions_total"],
        "How often an answer was paused, for want of memory or for a caller who had none.",
        |load| load.preemptions as f64,
    ),
    (
        "nibble_step_panics_total",
        &[],
        "Steps of the model that failed.",
        |load| load.panics as f64,
    ),
    (
        "nibble_engine_busy_seconds_total",
        &[],
        "Time that steps of the model took, one after the other.",
        |load| load.busy.as_secs_f64(),
    ),
];

/// The figures, brought up to date for every scrape.
pub(super) struct EngineLoad {
    /// Those of one model, under vLLM's names.
    model: Shown,
    /// Those of all models together, under ours; only the first has them.
    all: Shown,
}

/// Figures, and what each is of.
#[derive(Default)]
struct Shown {
    gauges: Vec<(Gauge, Read)>,
    counters: Vec<(Counter, Read)>,
}

impl Shown {
    fn show(&self, load: &Load) {
        for (gauge, read) in &self.gauges {
            gauge.set(read(load));
        }
        for (counter, read) in &self.counters {
            raise(counter, read(load));
        }
    }
}

impl EngineLoad {
    /// Figures of a server whose first model is this, with so many blocks in its memory.
    pub(super) fn new(
        register: &Register,
        model: &ModelInfo,
        kv_blocks: usize,
    ) -> prometheus::Result<Self> {
        let mut all = Shown::default();
        for (name, _, help, read) in GAUGES {
            let gauge = Gauge::with_opts(Opts::new(*name, *help))?;
            all.gauges.push((register.add(gauge)?, *read));
        }
        for (name, _, help, read) in COUNTERS {
            let counter = Counter::with_opts(Opts::new(*name, *help))?;
            all.counters.push((register.add(counter)?, *read));
        }
        Ok(Self {
            all,
            ..Self::of_another(register, model, kv_blocks)?
        })
    }

    /// Those of one more model.
    pub(super) fn of_another(
        register: &Register,
        model: &ModelInfo,
        kv_blocks: usize,
    ) -> prometheus::Result<Self> {
        let mut of_model = Shown::default();
        for (_, aliases, help, read) in GAUGES {
            for options in options(aliases, help, model) {
                let gauge = register.add(Gauge::with_opts(options)?)?;
                of_model.gauges.push((gauge, *read));
            }
        }
        for (name, help, read) in VLLM_GAUGES {
            for options in options(&[name], help, model) {
                let gauge = register.add(Gauge::with_opts(options)?)?;
                of_model.gauges.push((gauge, *read));
            }
        }
        for (_, aliases, help, read) in COUNTERS {
            for options in options(aliases, help, model) {
                let counter = register.add(Counter::with_opts(options)?)?;
                of_model.counters.push((counter, *read));
            }
        }
        let help = "Tokens of a block of keys and values, and blocks that there may be.";
        let cache = Opts::new("vllm:cache_config_info", help)
            .const_label("block_size", KV_BLOCK.to_string())
            .const_label("num_gpu_blocks", kv_blocks.to_string())
            .const_label("model_name", &model.id);
        register.add(Gauge::with_opts(cache)?)?.set(1.0);
        Ok(Self {
            model: of_model,
            all: Shown::default(),
        })
    }

    pub(super) fn show(&self, load: &Load) {
        self.model.show(load);
    }

    pub(super) fn show_all(&self, load: &Load) {
        self.all.show(load);
    }
}

/// Of vLLM's names, with its label.
fn options<'a>(
    aliases: &'a [&'a str],
    help: &'a str,
    model: &'a ModelInfo,
) -> impl Iterator<Item = Opts> + 'a {
    let aliases = aliases.iter();
    aliases.map(move |alias| Opts::new(*alias, help).const_label("model_name", &model.id))
}
