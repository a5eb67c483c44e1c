//! How many threads take part in a decode step of one sequence.
//!
//! Such a step reads all weights and multiplies little. Where some of the threads ask the memory for as much as it gives,
//! the others bring nothing and are waited for; a prefill wants them all. Which it is shows when layers of the model itself
//! are timed. Bits do not depend on it.

use std::cell::RefCell;
use std::panic::resume_unwind;
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use super::forward::{Model, NewTokens};

/// Threads for steps of one token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecodeThreads {
    /// All of them or, where that turns out clearly faster when the model is loaded, half or three quarters. Of one or two
    /// threads nothing is measured.
    #[default]
    Auto,
    /// So many, or all where there are fewer.
    Fixed(usize),
}

impl FromStr for DecodeThreads {
    type Err = String;

    /// `auto` or a number.
    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("auto", _) => Ok(Self::Auto),
            (_, Ok(threads @ 1..=1024)) => Ok(Self::Fixed(threads)),
            _ => Err("must be `auto` or a number from 1 to 1024".to_owned()),
        }
    }
}

/// Threads, and the median time of a layer with them.
type Timed = (usize, Duration);

impl DecodeThreads {
    /// How many of so many threads there will be, unless fewer turn out faster.
    pub(crate) fn at_most(self, threads: usize) -> usize {
        match self {
            Self::Auto => threads,
            Self::Fixed(most) => most.min(threads),
        }
    }

    /// Settles how many threads take part in decode steps of this model. What is measured takes less than 0.3 s.
    pub(crate) fn settle(self, model: &mut Model) {
        let threads = match self {
            Self::Auto if model.threads() > 2 => fastest(&timed(model)),
            _ => self.at_most(model.threads()),
        };
        model.set_decode_threads(threads);
    }
}

/// The number whose layers were fastest, which is the last, all threads, unless another won by more than 3 %.
fn fastest(timed: &[Timed]) -> usize {
    let all = timed[timed.len() - 1];
    let best = timed.iter().min_by_key(|(_, time)| *time).unwrap_or(&all);
    if best.1.mul_f64(1.03) < all.1 {
        best.0
    } else {
        all.0
    }
}

/// Times layers with half, three quarters and all of the threads, some of each in turn.
fn timed(model: &mut Model) -> Vec<Timed> {
    // On a thread of its own, which is pinned where the others are: the caller's is not yet.
    thread::scope(|scope| {
        let timing = scope.spawn(|| {
            model.pin_caller();
            timed_by_caller(model)
        });
        timing.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn timed_by_caller(model: &mut Model) -> Vec<Timed> {
    const ROUNDS: usize = 4;
    let all = model.threads();
    let mut layers = [all / 2, all * 3 / 4, all].map(|threads| (threads, Vec::new()));
    for _ in 0..ROUNDS {
        for (threads, times) in &mut layers {
            model.set_decode_threads(*threads);
            times.extend(layer_times(model));
        }
    }
    let medians = layers.into_iter().map(|(threads, mut times)| {
        times.sort_unstable();
        (threads, times[times.len() / 2])
    });
    medians.collect()
}

/// What layers take one after the other, from the first on, of a step that ends early where the model is large.
fn layer_times(model: &mut Model) -> Vec<Duration> {
    const LONGEST: Duration = Duration::from_millis(20);
    let mut cache = model.new_cache();
    cache.begin(1);
    let starts = RefCell::new(Vec::new());
    let started = Instant::now();
    let before_a_layer = || {
        let mut starts = starts.borrow_mut();
        starts.push(Instant::now());
        // Two layers at least, of which the first is timed.
        starts.len() > 1 && started.elapsed() > LONGEST
    };
    let step = NewTokens {
        tokens: &[0],
        draft: &[],
        cache: &mut cache,
        wants_logits: false,
        reader: None,
    };
    let ended = model.forward(&mut [step], &before_a_layer).is_some();
    let mut starts = starts.into_inner();
    if ended {
        starts.push(Instant::now());
    }
    starts.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::kernel;
    use crate::model::forward::tests::tiny;

    #[test]
    fn fewer_threads_are_taken_only_where_they_are_clearly_faster() {
        let us = Duration::from_micros;
        let timed = |half, most, all| [(8, us(half)), (12, us(most)), (16, us(all))];
        assert_eq!(fastest(&timed(100, 90, 80)), 16);
        assert_eq!(fastest(&timed(100, 98, 100)), 16, "2 % may be chance");
        assert_eq!(fastest(&timed(100, 95, 100)), 12);
        assert_eq!(fastest(&timed(90, 95, 100)), 8);
    }

    #[test]
    fn a_model_is_timed_with_each_number_of_threads_and_settles_for_one() {
        let kernel = kernel::choose(None).unwrap();
        let mut model = tiny(kernel, 4);
        let timed = timed(&mut model);
        assert_eq!(
            timed
                .iter()
                .map(|(threads, _)| *threads)
                .collect::<Vec<_>>(),
            [2, 3, 4]
        );
        let layers = 1..=model.config().layers;
        assert!(layers.contains(&layer_times(&mut model).len()));
        for (threads, asked, settled) in [
            (4, DecodeThreads::Fixed(3), 3..=3),
            (4, DecodeThreads::Fixed(9), 4..=4),
            (4, DecodeThreads::Auto, 2..=4),
            (2, DecodeThreads::Auto, 2..=2),
        ] {
            let mut model = tiny(kernel, threads);
            asked.settle(&mut model);
            assert!(settled.contains(&model.decode_threads()), "{asked:?}");
            assert_eq!(model.threads(), threads);
        }
    }

    #[test]
    fn the_option_is_auto_or_a_number() {
        assert_eq!("auto".parse(), Ok(DecodeThreads::Auto));
        assert_eq!("12".parse(), Ok(DecodeThreads::Fixed(12)));
        for text in ["", "0", "1025", "-1", "all"] {
            assert!(text.parse::<DecodeThreads>().is_err(), "{text}");
        }
    }
}
