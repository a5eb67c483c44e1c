//! Rounding weights to int4: the scale, and minimum, that give a group of weights the smallest squared error.
//!
//! A group is some weights of a row that share a scale. Many scales are tried, both ways round, since there is one more
//! level below zero than above. What each makes of the weights is also the start of a fit by least squares: the best scale
//! for these levels. Every error is that of the numbers as they are stored, with scale and minimum in f16, and the plain
//! rule is among the candidates: no group comes out worse than by rounding to nearest within its range.
//!
//! Scales that cut off a group's largest weights, moving them by more than the half step that rounding moves any, are
//! tried only where it is known what the columns count. Without that the squared error falls and perplexity rises, most
//! where a whole row shares a scale: large weights are few, and stand where activations are large.

use half::f16;

use crate::compute::block::{BLOCK, Block};

/// Adding this to a small float rounds it to an integer.
const MAGIC: f32 = 12_582_912.0;
const LANES: usize = 8;

/// How weights become four bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Int4 {
    /// Weights that share a scale.
    pub group: GroupSize,
    /// Whether they have a minimum too: half a bit more for each weight, and less error.
    pub min: bool,
}

/// Weights of a row that share a scale. Where a row ends in between, its last group is shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupSize {
    /// 32.
    Of32,
    /// 64.
    Of64,
    /// 128.
    Of128,
    /// The whole row.
    Channel,
}

impl GroupSize {
    fn weights(self, row: usize) -> usize {
        match self {
            Self::Of32 => 32,
            Self::Of64 => 64,
            Self::Of128 => 128,
            Self::Channel => row.max(BLOCK),
        }
    }
}

impl Int4 {
    /// Rounds a row of finite weights. The error of a weight counts times the `importance` of its column, if there is any.
    pub(crate) fn round(self, row: &[f32], importance: Option<&[f32]>, blocks: &mut [Block]) {
        let len = self.group.weights(row.len());
        let groups = row.chunks(len).zip(blocks.chunks_mut(len / BLOCK));
        for (index, (weights, blocks)) in groups.enumerate() {
            let columns = index * len..index * len + weights.len();
            let importance = importance.map(|importance| importance[columns].as_chunks().0);
            let group = Weights::new(weights.as_chunks().0, importance);
            let levels = if self.min {
                group.with_min()
            } else {
                group.symmetric()
            };
            for (weights, block) in weights.as_chunks().0.iter().zip(blocks) {
                *block = levels.block(weights);
            }
        }
    }
}

/// The numbers that the sixteen levels of a group stand for: `scale * q + min`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Levels {
    scale: f16,
    min: f16,
}

impl Levels {
    fn new(scale: f32, min: f32) -> Self {
        Self {
            scale: f16::from_f32(scale),
            min: f16::from_f32(min),
        }
    }

    /// Levels around zero.
    fn symmetric(scale: f32) -> Self {
        let scale = f16::from_f32(scale);
        Self {
            scale,
            min: f16::from_f32(-8.0 * scale.to_f32()),
        }
    }

    fn block(self, weights: &[f32; BLOCK]) -> Block {
        let (min, inverse) = (self.min.to_f32(), self.inverse());
        Block {
            scale: self.scale,
            min: self.min,
            quants: weights.map(|w| level((w - min) * inverse) as i8),
            ..Block::ZERO
        }
    }

    /// Whether no number of a range is moved by more than half a step.
    fn reach(self, [low, high]: [f32; 2]) -> bool {
        let (scale, min) = (self.scale.to_f32(), self.min.to_f32());
        let steps = [low, high].map(|number| (number - min) / scale);
        let levels = -0.5..=15.5;
        steps.iter().all(|steps| levels.contains(steps))
    }

    /// All weights are the minimum where the scale is too small for an f16.
    fn inverse(self) -> f32 {
        if self.scale == f16::ZERO {
            0.0
        } else {
            1.0 / self.scale.to_f32()
        }
    }
}

/// The level nearest to a number of steps above the minimum.
#[inline(always)]
fn level(steps: f32) -> f32 {
    // Unlike `clamp` this is two instructions, whatever the numbers are.
    let steps = if steps > 0.0 { steps } else { 0.0 };
    let steps = if steps < 15.0 { steps } else { 15.0 };
    steps + MAGIC - MAGIC
}

/// A group of weights, and what their errors count.
#[derive(Clone, Copy)]
struct Weights<'a> {
    numbers: &'a [[f32; LANES]],
    importance: Option<&'a [[f32; LANES]]>,
    /// The lowest and the highest weight.
    range: [f32; 2],
}

/// The best levels so far, and their error.
#[derive(Clone, Copy)]
struct Best {
    levels: Levels,
    error: f32,
}

/// How often the best levels are fitted again.
const FITS: usize = 3;

impl<'a> Weights<'a> {
    fn new(numbers: &'a [[f32; LANES]], importance: Option<&'a [[f32; LANES]]>) -> Self {
        let none = [f32::INFINITY, f32::NEG_INFINITY];
        let weights = numbers.as_flattened().iter();
        Self {
            numbers,
            importance,
            range: weights.fold(none, |[low, high], w| [low.min(*w), high.max(*w)]),
        }
    }

    /// The best levels around zero.
    fn symmetric(self) -> Levels {
        let [low, high] = self.range;
        let extreme = if high > -low { high } else { low };
        // The plain rule: the largest weight gets the lowest level, of which there is one more.
        let mut best = self.judged(Levels::symmetric(extreme / -8.0));
        for divisor in divisors(8.0) {
            for scale in [extreme / divisor, -extreme / divisor] {
                if best.error == 0.0 {
                    return best.levels;
                }
                self.offer(&mut best, Levels::symmetric(scale));
            }
        }
        for _ in 0..FITS {
            let Sums { qq, qw, .. } = self.sums(best.levels, 8.0, 0.0);
            if qq > 0.0 {
                self.offer(&mut best, Levels::symmetric(qw / qq));
            }
        }
        best.levels
    }

    /// The best levels with a minimum.
    fn with_min(self) -> Levels {
        let [low, high] = self.range;
        // The plain rule: the levels span the range.
        let mut best = self.judged(Levels::new((high - low) / 15.0, low));
        // In wide groups few weights lie far out, and levels that span them all are a bad start.
        if self.numbers.len() * LANES > BLOCK {
            self.offer(&mut best, self.symmetric());
        }
        for divisor in divisors(15.0) {
            if best.error == 0.0 {
                return best.levels;
            }
            let scale = (high - low) / divisor;
            // With more steps than levels, as much is cut off at either end.
            let cut = (divisor - 15.0).max(0.0) / 2.0;
            self.offer(&mut best, Levels::new(scale, low + cut * scale));
        }
        for _ in 0..FITS {
            let Sums { h, q, qq, w, qw } = self.sums(best.levels, 0.0, low);
            let determinant = h * qq - q * q;
            if determinant > 0.0 {
                let scale = (h * qw - q * w) / determinant;
                self.offer(&mut best, Levels::new(scale, low + (w - scale * q) / h));
            }
        }
        best.levels
    }

    fn judged(self, levels: Levels) -> Best {
        let error = self.error(levels);
        Best { levels, error }
    }

    fn offer(self, best: &mut Best, levels: Levels) {
        if self.importance.is_none() && !levels.reach(self.range) {
            return;
        }
        let offered = self.judged(levels);
        if offered.error < best.error {
            *best = offered;
        }
    }

    /// The squared error that levels make; no number where the scale is too large for an f16.
    fn error(self, levels: Levels) -> f32 {
        let (scale, min, inverse) = (levels.scale.to_f32(), levels.min.to_f32(), levels.inverse());
        let mut sums = [0.0; LANES];
        for (index, numbers) in self.numbers.iter().enumerate() {
            let importance = self.importance.map_or(&[1.0; LANES], |all| &all[index]);
            for lane in 0..LANES {
                let number = numbers[lane];
                let error = number - (level((number - min) * inverse) * scale + min);
                sums[lane] += importance[lane] * error * error;
            }
        }
        sums.iter().sum()
    }

    /// The sums of a fit by least squares to the levels that weights have now: these count from `zero`, and weights from
    /// `origin`.
    fn sums(self, levels: Levels, zero: f32, origin: f32) -> Sums {
        let (min, inverse) = (levels.min.to_f32(), levels.inverse());
        let mut sums = Sums::default();
        let numbers = self.numbers.as_flattened().iter();
        let importance = self.importance.map(<[_]>::as_flattened);
        for (index, number) in numbers.enumerate() {
            let h = importance.map_or(1.0, |importance| importance[index]);
            let (q, w) = (level((number - min) * inverse) - zero, number - origin);
            sums.h += h;
            sums.q += h * q;
            sums.qq += h * q * q;
            sums.w += h * w;
            sums.qw += h * q * w;
        }
        sums
    }
}

/// Of the importance `h`, the level `q` and the number `w` of each weight.
#[derive(Default)]
struct Sums {
    h: f32,
    q: f32,
    qq: f32,
    w: f32,
    qw: f32,
}

/// By what the reach of a group is divided for a scale: every whole number of steps up to `steps`, at which nothing is
/// cut off, as groups may have that were rounded before, and finer from there to where more than half is cut off.
fn divisors(steps: f32) -> impl Iterator<Item = f32> {
    let whole = (1u8..16).map(f32::from).take_while(move |n| *n < steps);
    let fine = (-3i8..=15).map(move |n| steps * (f32::from(n) / 12.0).exp2());
    whole.chain(fine)
}

#[cfg(test)]
mod tests;
