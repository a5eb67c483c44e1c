//! One prompt answered several times, each in a lane of its own: by a kernel, on so many threads, with weights held in some
//! way, of a model. What was wanted, what each lane took, and what follows from that.

use serde::{Deserialize, Serialize};

use super::metrics::{ENOUGH_TOKENS, Metrics};
use super::{Id, Timestamp};

/// The most lanes, and the fewest.
pub const LANES: usize = 4;
/// See [`LANES`].
pub const FEWEST_LANES: usize = 2;

/// Comparisons that one owner may keep.
pub const COMPARISONS: usize = 50;

/// How the weights of a lane are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// As those that the chats are answered with.
    #[default]
    Served,
    /// Floats in four bits, groups of 32.
    Group32,
    /// Everything in four bits, one scale for a whole row.
    Channel,
    /// Floats, whatever the file has.
    Float,
    /// As served, and the output head in four bits.
    Head4,
}

impl Weights {
    /// All of them, in the order in which the page offers them.
    pub const ALL: [Self; 5] = [
        Self::Served,
        Self::Group32,
        Self::Channel,
        Self::Float,
        Self::Head4,
    ];

    /// As forms and files name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Group32 => "g32",
            Self::Channel => "channel",
            Self::Float => "float",
            Self::Head4 => "head4",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|weights| weights.name() == name)
    }
}

/// What answers the prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// The matrix kernel.
    pub kernel: String,
    /// Threads that compute.
    pub threads: usize,
    /// How the weights are held.
    pub weights: Weights,
    /// The model's name in requests; empty where the server has one model, which is then meant.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
}

/// What is to be compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What every lane is asked.
    pub prompt: String,
    /// The most tokens of an answer.
    pub max_tokens: usize,
    /// How often each lane answers; medians count.
    pub rounds: usize,
    /// What tokens are drawn with; nothing takes the likeliest each time.
    pub seed: Option<u64>,
    /// The lanes, of which the first is what the others are compared with.
    pub lanes: Vec<Lane>,
    /// The price of the machine.
    pub usd_per_hour: f64,
}

/// What a lane came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Measurement {
    /// What answered.
    pub lane: Lane,
    /// How its weights are held, in the engine's words.
    pub quantization: String,
    /// Bytes of its weights in memory.
    pub weight_bytes: u64,
    /// What each round took.
    pub rounds: Vec<Metrics>,
    /// Rounds that were given up because somebody chatted or fetched a model, and measured again.
    pub given_up: usize,
    /// The tokens of the first round.
    pub tokens: Vec<u32>,
    /// Their text.
    pub text: String,
    /// Why there is no more of it, in the engine's words.
    pub trouble: Option<String>,
}

/// Lanes that were measured, or are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Its unguessable name.
    pub id: Id,
    /// When it began.
    pub created: Timestamp,
    /// What was wanted.
    pub plan: Plan,
    /// The models of its lanes, by their names for people.
    pub model: String,
    /// What computes, where the system says.
    pub cpu: Option<String>,
    /// The version of the program.
    pub version: String,
    /// What came of the lanes so far, in their order.
    pub lanes: Vec<Measurement>,
    /// How it ended; nothing while it goes on.
    pub end: Option<ComparisonEnd>,
}

/// How a comparison ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparisonEnd {
    /// Every lane was measured, or could not be.
    Complete,
    /// Its owner ended it.
    Stopped,
    /// It took too long.
    TooLong,
    /// It waited too long for chats and fetches.
    NoTime,
    /// The program ended.
    CutOff,
}

/// Where the tokens of a lane are others than those of the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Nowhere: so many are the same.
    Same(usize),
    /// From this token on, counted from 1.
    From(usize),
}

impl Plan {
    /// Whether its lanes differ in their models.
    #[must_use]
    pub fn has_several_models(&self) -> bool {
        let mut pairs = self.lanes.windows(2);
        pairs.any(|pair| pair[0].model != pair[1].model)
    }
}

impl Measurement {
    /// Seconds to the first token: the median of the rounds.
    #[must_use]
    pub fn first_token_s(&self) -> Option<f64> {
        self.median(|round| round.time_to_first_token_s)
    }

    /// Tokens of the prompt read a second, likewise.
    #[must_use]
    pub fn prefill(&self) -> Option<f64> {
        self.median(|round| {
            let enough = round.prompt_tokens >= ENOUGH_TOKENS;
            round.prefill_tokens_per_second.filter(|_| enough)
        })
    }

    /// Tokens a second after the first, likewise; of as many as make a rate.
    #[must_use]
    pub fn decode(&self) -> Option<f64> {
        self.median(|round| {
            let enough = round.output_tokens > ENOUGH_TOKENS;
            round.decode_tokens_per_second.filter(|_| enough)
        })
    }

    /// Dollars for one answer, likewise.
    #[must_use]
    pub fn usd(&self) -> Option<f64> {
        self.median(|round| Some(round.usd_total))
    }

    /// The median of a figure of the rounds that have it.
    pub(crate) fn median(&self, of: impl Fn(&Metrics) -> Option<f64>) -> Option<f64> {
        let mut values: Vec<_> = self.rounds.iter().filter_map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len().checked_sub(1)? / 2).copied()
    }

    /// Whether its tokens are those of another lane of the same model.
    #[must_use]
    pub fn agreement(&self, with: &Self) -> Agreement {
        let pairs = self.tokens.iter().zip(&with.tokens);
        let same = pairs.take_while(|(own, other)| own == other).count();
        match same == self.tokens.len() && same == with.tokens.len() {
            true => Agreement::Same(same),
            false => Agreement::From(same + 1),
        }
    }
}

impl Comparison {
    /// Lanes of which there is something to compare.
    pub fn measured(&self) -> impl Iterator<Item = &Measurement> {
        self.lanes.iter().filter(|lane| !lane.rounds.is_empty())
    }

    /// Lanes with which nothing is wrong, and of which it ended before there was a round.
    pub fn unmeasured(&self) -> impl Iterator<Item = &Lane> {
        let is_unmeasured = |lane: &&Measurement| lane.rounds.is_empty() && lane.trouble.is_none();
        let begun = self.lanes.iter().filter(is_unmeasured);
        let begun = begun.map(|lane| &lane.lane);
        begun.chain(self.plan.lanes.iter().skip(self.lanes.len()))
    }

    /// The fewest and the most rounds of lanes that have some.
    #[must_use]
    pub fn rounds(&self) -> Option<[usize; 2]> {
        let rounds = || self.measured().map(|lane| lane.rounds.len());
        Some([rounds().min()?, rounds().max()?])
    }

    /// The lane that decodes fastest.
    #[must_use]
    pub fn fastest(&self) -> Option<&Measurement> {
        let speed = |lane: &&Measurement| lane.decode().unwrap_or_default();
        let measured = self.measured().filter(|lane| lane.decode().is_some());
        measured.max_by(|one, other| speed(one).total_cmp(&speed(other)))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A lane with rounds of 20 tokens at these speeds.
    pub(crate) fn lane(kernel: &str, speeds: &[f64], tokens: &[u32]) -> Measurement {
        let rounds = speeds.iter().map(|speed| Metrics {
            time_to_first_token_s: Some(10.0 / speed),
            prefill_tokens_per_second: Some(speed * 4.0),
            decode_tokens_per_second: Some(*speed),
            total_s: 30.0 / speed,
            usd_total: 0.1 / speed,
            prompt_tokens: 40,
            output_tokens: 20,
            ..Metrics::default()
        });
        Measurement {
            lane: Lane {
                kernel: kernel.to_owned(),
                threads: 2,
                weights: Weights::Served,
                model: String::new(),
            },
            rounds: rounds.collect(),
            tokens: tokens.to_vec(),
            text: "Hello".to_owned(),
            quantization: "int4".to_owned(),
            weight_bytes: 98_000_000,
            ..Measurement::default()
        }
    }

    pub(crate) fn comparison(lanes: Vec<Measurement>) -> Comparison {
        Comparison {
            id: Id(7),
            created: 1_700_000_000_000,
            plan: Plan {
                prompt: "Why?".to_owned(),
                max_tokens: 20,
                rounds: 1,
                seed: None,
                lanes: lanes.iter().map(|lane| lane.lane.clone()).collect(),
                usd_per_hour: 3.6,
            },
            model: "Tiny".to_owned(),
            cpu: None,
            version: "0.1.0".to_owned(),
            lanes,
            end: Some(ComparisonEnd::Complete),
        }
    }

    #[test]
    fn figures_are_medians_that_were_measured() {
        let lane = lane("avx2", &[30.0, 10.0, 20.0], &[]);
        assert_eq!(lane.decode(), Some(20.0));
        assert_eq!(lane.first_token_s(), Some(0.5));
        let two = super::tests::lane("avx2", &[30.0, 10.0], &[]);
        assert_eq!(two.decode(), Some(10.0));
        assert_eq!(Measurement::default().decode(), None);
    }

    #[test]
    fn few_tokens_make_no_rate() {
        let mut lane = lane("avx2", &[30.0], &[]);
        lane.rounds[0].output_tokens = 16;
        lane.rounds[0].prompt_tokens = 15;
        assert_eq!((lane.decode(), lane.prefill()), (None, None));
        assert!(lane.first_token_s().is_some());
        assert!(comparison(vec![lane]).fastest().is_none());
    }

    #[test]
    fn tokens_agree_or_differ_from_one_on() {
        let agreement = |one: &[u32], other: &[u32]| {
            lane("a", &[1.0], one).agreement(&lane("b", &[1.0], other))
        };
        assert_eq!(agreement(&[1, 2, 3], &[1, 2, 3]), Agreement::Same(3));
        assert_eq!(agreement(&[1, 2, 3], &[1, 2, 4]), Agreement::From(3));
        assert_eq!(agreement(&[1, 2], &[1, 2, 4]), Agreement::From(3));
        assert_eq!(agreement(&[], &[]), Agreement::Same(0));
    }

    #[test]
    fn a_lane_that_was_kept_without_a_model_is_read_as_one_of_the_first() {
        let kept = r#"{"kernel":"avx2","threads":2,"weights":"served"}"#;
        let lane: Lane = serde_json::from_str(kept).unwrap();
        assert_eq!(lane.model, "");
        assert_eq!(serde_json::to_string(&lane).unwrap(), kept);
        let other = Lane {
            model: "tiny".to_owned(),
            ..lane.clone()
        };
        let plan = |lanes: [&Lane; 2]| Plan {
            lanes: lanes.map(Lane::clone).into(),
            ..Plan::default()
        };
        assert!(plan([&lane, &other]).has_several_models());
        assert!(!plan([&other, &other]).has_several_models());
    }

    #[test]
    fn what_was_not_measured_is_known_beside_what_was() {
        let mut comparison = comparison(vec![
            lane("a", &[1.0, 2.0], &[]),
            lane("b", &[1.0], &[]),
            lane("c", &[], &[]),
            lane("d", &[], &[]),
            lane("e", &[], &[]),
        ]);
        assert_eq!(comparison.rounds(), Some([1, 2]));
        comparison.lanes[2].trouble = Some("too large".to_owned());
        comparison.lanes.pop();
        let unmeasured: Vec<_> = comparison.unmeasured().collect();
        let kernels: Vec<_> = unmeasured.iter().map(|lane| &*lane.kernel).collect();
        assert_eq!(kernels, ["d", "e"]);
        comparison.lanes.clear();
        assert_eq!(
            (comparison.rounds(), comparison.unmeasured().count()),
            (None, 5)
        );
    }

    #[test]
    fn the_fastest_lane_is_that_of_the_highest_decode() {
        let lanes = vec![lane("a", &[1.0], &[]), lane("b", &[9.0], &[])];
        let comparison = comparison(lanes);
        assert_eq!(comparison.fastest().unwrap().lane.kernel, "b");
        let json = serde_json::to_string(&comparison).unwrap();
        assert_eq!(
            serde_json::from_str::<Comparison>(&json).unwrap(),
            comparison
        );
    }
}
