//! What answers took as comma-separated values, a line for each; names of columns are those of the API.

use std::fmt::Write;

use jiff::Timestamp;

use crate::domain::Measured;

const HEAD: &str = "created,model,kernel,threads,prompt_tokens,cached_tokens,completion_tokens,queued_s,time_to_first_token_s,\
prefill_tokens_per_second,decode_tokens_per_second,total_s,beside,usd_total,usd_share,\
foreseen_first_s,foreseen_total_s,foreseen_tokens";

/// All of these answers, oldest first.
#[must_use]
pub fn csv(answers: &[&Measured]) -> String {
    let mut answers = answers.to_vec();
    answers.sort_by_key(|answer| answer.created);
    let mut csv = String::with_capacity(answers.len() * 160 + HEAD.len());
    csv.push_str(HEAD);
    csv.push_str("\r\n");
    for answer in answers {
        let created = Timestamp::from_millisecond(answer.created).unwrap_or_default();
        let tokens = answer.expected.and_then(|expected| expected.tokens);
        let optional = |value: Option<f64>| value.map(|value| value.to_string());
        let _ = write!(
            csv,
            "{created},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\r\n",
            quoted(&answer.model),
            quoted(&answer.kernel),
            answer.threads,
            answer.prompt_tokens,
            answer.cached_tokens,
            answer.output_tokens,
            answer.queued_s,
            optional(answer.time_to_first_token_s).unwrap_or_default(),
            optional(answer.prefill_tokens_per_second).unwrap_or_default(),
            optional(answer.decode_tokens_per_second).unwrap_or_default(),
            answer.total_s,
            answer.beside,
            answer.usd_total,
            answer.usd_share,
            optional(answer.expected.map(|expected| expected.first_s)).unwrap_or_default(),
            optional(answer.expected.map(|expected| expected.total_s)).unwrap_or_default(),
            tokens.map(|tokens| tokens.to_string()).unwrap_or_default(),
        );
    }
    csv
}

/// A name between quotes, which no program for tables takes for a formula.
pub(crate) fn quoted(name: &str) -> String {
    let guard = match name.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => "'",
        _ => "",
    };
    format!("\"{guard}{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Expected, measured};

    #[test]
    fn a_line_has_the_columns_of_the_head_and_names_do_no_harm() {
        let mut answers = [measured(1000, "avx2"), measured(0, "scalar")];
        answers[0].model = "=cmd(\"x\"), y".into();
        answers[0].decode_tokens_per_second = None;
        answers[1].expected = Some(Expected {
            first_s: 0.2,
            total_s: 1.5,
            tokens: Some(90),
        });
        let csv = csv(&answers.each_ref());
        let lines: Vec<_> = csv.split("\r\n").collect();
        assert_eq!(lines[0], HEAD);
        assert_eq!(
            lines[1],
            "1970-01-01T00:00:00Z,\"Tiny\",\"scalar\",2,100,10,20,0,0.25,800,40,1.25,0,0.002,0.001,0.2,1.5,90"
        );
        assert_eq!(
            lines[2],
            "1970-01-01T00:00:01Z,\"'=cmd(\"\"x\"\"), y\",\"avx2\",2,100,10,20,0,0.25,800,,1.25,0,0.002,0.001,,,"
        );
        assert_eq!((lines.len(), lines[3]), (4, ""));
    }
}
