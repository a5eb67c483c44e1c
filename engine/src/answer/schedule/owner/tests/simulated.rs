//! A model that is simulated: what it computes depends on every key that it finds, so an answer is right only where all its
//! blocks are its own, and where a window has given back none that is still seen.

use std::cell::Cell;
use std::ops::Range;
use std::path::Path;

use super::*;
use crate::compute::kernel;
use crate::compute::kernel::Kernel;
use crate::compute::kernel::span::KEY_BLOCK;
use crate::compute::kv::{KvCache, KvPrecision, KvShape};
use crate::model::source::ModelSource;
use crate::sampling::MAX_DRAFT;
use crate::{PrefixFolder, Stopper};

pub(super) const VOCABULARY: usize = 64;

/// Layers that see all, and such as see a window besides.
pub(super) const WHOLE: &[Option<usize>] = &[None];
pub(super) const WINDOWS: &[Option<usize>] = &[None, Some(33)];

/// The next token by the sum of all keys that are seen, and by the last token.
pub(super) type Next = fn(f32, u32) -> u32;

/// Keys are digests of a token and its position; the next token follows from the sum of all keys that its layers see.
pub(super) struct Simulated {
    pub(super) now: Cell<Instant>,
    logits: Vec<f32>,
    /// Steps after which one panics.
    pub(super) panics: Vec<usize>,
    pub(super) steps: usize,
    /// How often it still panics when it is asked how long the program was throttled, which is when an answer begins or ends.
    pub(super) breaks: Cell<usize>,
    /// Answers that are stopped in the midst of a step, and of which.
    pub(super) stops: Option<(usize, Vec<Stopper>)>,
    pub(super) most_rows: usize,
    pub(super) next: Next,
    /// How long a step of so many rows takes.
    pub(super) takes: fn(usize) -> Duration,
    /// Tokens from here on are none of its vocabulary.
    pub(super) known: usize,
    /// Of all sequences.
    pub(super) longest: usize,
    windows: &'static [Option<usize>],
}

impl StepModel for Simulated {
    fn forward(
        &mut self,
        batch: &mut [NewTokens<'_>],
        cancelled: &dyn Fn() -> bool,
    ) -> Option<&[f32]> {
        assert!(!batch.is_empty());
        self.steps += 1;
        let rows: usize = batch.iter().map(NewTokens::rows).sum();
        self.most_rows = self.most_rows.max(rows);
        self.now.set(self.now.get() + (self.takes)(rows));
        if let Some((step, stoppers)) = &self.stops
            && *step == self.steps
        {
            stoppers.iter().for_each(Stopper::stop);
        }
        if cancelled() {
            return None;
        }
        self.logits.clear();
        for (index, sequence) in batch.iter_mut().enumerate() {
            let first = sequence.cache.len();
            self.longest = self.longest.max(first + sequence.rows());
            let mut tokens = sequence.tokens.iter();
            assert!(tokens.all(|token| (*token as usize) < self.known));
            self.store(sequence.cache, &[sequence.tokens, sequence.draft].concat());
            if let Some(reader) = &mut sequence.reader {
                for index in 0..sequence.tokens.len() {
                    let logits = self.logits_behind(sequence.cache, first + index + 1);
                    reader.row(index, &logits.collect::<Vec<_>>());
                }
            }
            assert!(
                index > 0 || !self.panics.contains(&self.steps),
                "a step is to panic"
            );
            let len = first + sequence.tokens.len();
            if sequence.wants_logits {
                for len in len..=len + sequence.draft.len() {
                    let logits = self.logits_behind(sequence.cache, len);
                    self.logits.extend(logits.take(self.known));
                }
            }
            sequence.cache.advance(sequence.tokens.len());
        }
        Some(&self.logits)
    }

    fn logits(&self) -> &[f32] {
        &self.logits
    }

    fn vocabulary(&self) -> usize {
        VOCABULARY.min(self.known)
    }

    fn machine(&self) -> (&'static Kernel, usize) {
        (kernel::choose(Some("scalar")).unwrap(), 1)
    }

    fn throttled(&self) -> Option<Duration> {
        if let Some(left) = self.breaks.get().checked_sub(1) {
            self.breaks.set(left);
            panic!("it is to panic outside of a step");
        }
        Some(Duration::from_millis(self.steps as u64))
    }

    /// The clock goes with the threads.
    fn swap_threads(&mut self, other: &mut Self) {
        std::mem::swap(&mut self.now, &mut other.now);
    }

    fn now(&self) -> Instant {
        self.now.get()
    }
}

impl Simulated {
    fn store(&self, cache: &mut KvCache, tokens: &[u32]) {
        let first = cache.len();
        cache.reserve(first + tokens.len()).unwrap();
        for layer in 0..self.windows.len() {
            for mut writer in cache.head_writers(layer) {
                for (position, token) in (first..).zip(tokens) {
                    let key = [key(*token, position); 8];
                    writer.store(position, &key, &key);
                }
            }
        }
    }

    /// Behind so many positions.
    fn logits_behind(&self, cache: &KvCache, len: usize) -> impl Iterator<Item = f32> + use<> {
        let key = |layer: usize, at: usize| {
            let head = cache.layer(layer).head(0);
            head.exact_block(at / KEY_BLOCK).0[at % KEY_BLOCK * 8]
        };
        let layers = self.windows.iter().enumerate();
        let sums = layers.map(|(layer, window)| -> f32 {
            seen(len, *window)
                .map(|position| key(layer, position))
                .sum()
        });
        let last = token(key(0, len - 1), len - 1);
        logits_of((self.next)(sums.sum(), last))
    }
}

/// The positions that the last of so many sees.
fn seen(len: usize, window: Option<usize>) -> Range<usize> {
    window.map_or(0, |window| len.saturating_sub(window))..len
}

pub(super) fn key(token: u32, position: usize) -> f32 {
    ((token as usize * 31 + position * 17) % 251) as f32
}

/// The token of a key.
fn token(key: f32, position: usize) -> u32 {
    // 81 * 31 is 1 more than ten times 251.
    let of_token = (key as usize + 251 * position - 17 * position) % 251;
    (of_token * 81 % 251) as u32
}

/// One token is certain.
pub(super) fn logits_of(next: u32) -> impl Iterator<Item = f32> {
    (0..VOCABULARY as u32).map(move |token| if token == next { 9.0 } else { 0.0 })
}

/// Never the end of an answer, which is token 0 to 2 in the tiny vocabulary.
pub(super) fn next_token(sum: f32, _last: u32) -> u32 {
    10 + (sum as u32) % (VOCABULARY as u32 - 10)
}

/// What the model says behind a prompt, by its definition.
pub(super) fn expected(prompt: &[u32], output: usize) -> Vec<u32> {
    expected_by(next_token, WHOLE, prompt, output)
}

pub(super) fn expected_by(
    next: Next,
    windows: &[Option<usize>],
    prompt: &[u32],
    output: usize,
) -> Vec<u32> {
    let mut tokens = prompt.to_vec();
    for _ in 0..output {
        let keys = |position: usize| key(tokens[position], position);
        let sums = windows.iter().map(|window| -> f32 {
            let positions = seen(tokens.len(), *window);
            positions.map(keys).sum()
        });
        tokens.push(next(sums.sum(), tokens[tokens.len() - 1]));
    }
    tokens.split_off(prompt.len())
}

/// The loop with memory for so many blocks.
pub(super) fn owner(blocks: u64, limits: Limits, panics: Vec<usize>) -> Owner<Simulated> {
    owner_with(WHOLE, blocks, limits, panics)
}

/// The same with layers that see so much.
pub(super) fn owner_with(
    windows: &'static [Option<usize>],
    blocks: u64,
    limits: Limits,
    panics: Vec<usize>,
) -> Owner<Simulated> {
    owner_keeping(windows, blocks, limits, panics, None)
}

/// The same that keeps keys and values in a folder, in so many bytes.
pub(super) fn owner_on_disk(
    windows: &'static [Option<usize>],
    blocks: u64,
    limits: Limits,
    folder: (&Path, u64),
) -> Owner<Simulated> {
    owner_keeping(windows, blocks, limits, Vec::new(), Some(folder))
}

/// Has a second model guess that sees as much, in memory for so many blocks, unless it is changed as quickly as makes no
/// difference and always right.
pub(super) fn drafting(
    mut owner: Owner<Simulated>,
    blocks: u64,
    context: usize,
    change: impl FnOnce(&mut Simulated),
) -> Owner<Simulated> {
    let windows = owner.model.windows;
    let mut model = Simulated {
        next: owner.model.next,
        takes: |rows| Duration::from_micros(100 + 10 * rows as u64),
        ..simulated(windows)
    };
    change(&mut model);
    let memory = memory(shape(windows).seeing_more(MAX_DRAFT), blocks);
    owner.draft_model = Some(DraftModel::new(model, memory, context));
    owner
}

fn simulated(windows: &'static [Option<usize>]) -> Simulated {
    Simulated {
        now: Cell::new(Instant::now()),
        logits: Vec::new(),
        panics: Vec::new(),
        steps: 0,
        breaks: Cell::new(0),
        stops: None,
        most_rows: 0,
        next: next_token,
        takes: |rows| Duration::from_millis(5 + rows as u64),
        known: usize::MAX,
        longest: 0,
        windows,
    }
}

fn shape(windows: &[Option<usize>]) -> KvShape {
    KvShape {
        kv_heads: 1,
        head_dim: 8,
        precision: KvPrecision::F32,
        windows: windows.to_vec(),
    }
}

fn memory(shape: KvShape, blocks: u64) -> KvMemory {
    let bytes = blocks * KEY_BLOCK as u64 * shape.bytes_per_token();
    KvMemory::new(&shape, Some(bytes))
}

fn owner_keeping(
    windows: &'static [Option<usize>],
    blocks: u64,
    limits: Limits,
    panics: Vec<usize>,
    folder: Option<(&Path, u64)>,
) -> Owner<Simulated> {
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny.gguf");
    let source = ModelSource::open(&tiny).unwrap();
    let tokenizer = Arc::new(source.tokenizer().unwrap());
    let rope = Arc::new(Rope::new(8, source.config().rope.clone()));
    let model = Simulated {
        panics,
        ..simulated(windows)
    };
    let memory = memory(shape(windows), blocks);
    let mut shared = Shared::new(limits);
    if let Some((path, bytes)) = folder {
        let path = path.to_owned();
        let folder = PrefixFolder { path, bytes };
        shared
            .keep_in(&folder, "simulated", &rope, &memory)
            .unwrap();
    }
    Owner::new(model, rope, memory, tokenizer, limits, shared)
}
