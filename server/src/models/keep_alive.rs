//! How long a model stays in memory when nobody asks it, in the words of Ollama's `keep_alive`.

use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

/// More is for ever.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// How long a model stays in memory after its last answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    /// Until the server ends, or another model needs its memory.
    Always,
    /// So long; nothing is at once.
    For(Duration),
}

impl KeepAlive {
    fn seconds(seconds: f64) -> Self {
        // Also where it is no number.
        if seconds < 0.0 || seconds.is_nan() {
            return Self::Always;
        }
        match Duration::try_from_secs_f64(seconds) {
            Ok(time) if time < LONGEST => Self::For(time),
            _ => Self::Always,
        }
    }

    /// As a request says it: a number of seconds, or a duration in words.
    ///
    /// # Errors
    /// What it should be.
    pub(crate) fn of(value: &Value) -> Result<Self, String> {
        match value {
            Value::Number(seconds) => Ok(Self::seconds(seconds.as_f64().unwrap_or(-1.0))),
            Value::String(words) => words.parse(),
            other => Err(refusal(&other.to_string())),
        }
    }
}

impl FromStr for KeepAlive {
    type Err = String;

    /// Seconds, or parts such as `1h30m`; what is below zero, and `never`, is for ever.
    fn from_str(words: &str) -> Result<Self, String> {
        let refused = || refusal(words);
        if words == "never" {
            return Ok(Self::Always);
        }
        if let Ok(seconds) = words.parse() {
            return Ok(Self::seconds(seconds));
        }
        let (sign, mut rest) = match words.strip_prefix('-') {
            Some(rest) => (-1.0, rest),
            None => (1.0, words),
        };
        let mut seconds = 0.0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
            let (number, behind) = rest.split_at(digits.ok_or_else(refused)?);
            let unit = behind.find(|c: char| c.is_ascii_digit() || c == '.');
            let (unit, behind) = behind.split_at(unit.unwrap_or(behind.len()));
            let unit = match unit {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return Err(refused()),
            };
            let number: f64 = number.parse().map_err(|_| refused())?;
            seconds += number * unit;
            rest = behind;
        }
        match words.is_empty() {
            true => Err(refused()),
            false => Ok(Self::seconds(sign * seconds)),
        }
    }
}

fn refusal(found: &str) -> String {
    let found: String = found.chars().take(40).collect();
    format!("must be seconds, a duration such as `5m`, or below zero for ever, found `{found}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_that_clients_of_ollama_write() {
        let minutes = |minutes: u64| KeepAlive::For(Duration::from_secs(60 * minutes));
        for (words, expected) in [
            ("0", minutes(0)),
            ("300", minutes(5)),
            ("5m", minutes(5)),
            ("1h30m", minutes(90)),
            ("60000ms", minutes(1)),
            ("-1", KeepAlive::Always),
            ("-1m", KeepAlive::Always),
            ("never", KeepAlive::Always),
            ("1e30", KeepAlive::Always),
        ] {
            assert_eq!(words.parse(), Ok(expected), "{words}");
        }
        for words in ["", "m", "5 m", "5x", "five"] {
            let refused = words.parse::<KeepAlive>().unwrap_err();
            assert!(refused.contains(&format!("found `{words}`")), "{refused}");
        }
        assert_eq!(KeepAlive::of(&0.into()), Ok(minutes(0)));
        assert_eq!(KeepAlive::of(&(-1).into()), Ok(KeepAlive::Always));
        assert!(KeepAlive::of(&Value::Bool(true)).is_err());
    }
}
