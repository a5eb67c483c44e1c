//! A comparison as comma-separated values: a line for each round of each lane; names of columns are those of the API.

use std::fmt::Write;

use crate::domain::Comparison;
use crate::speed::csv::quoted;

const HEAD: &str = "lane,kernel,threads,weights,model,quantization,weight_bytes,round,prompt_tokens,completion_tokens,\
time_to_first_token_s,prefill_tokens_per_second,decode_tokens_per_second,total_s,usd_total";

/// All rounds in their order.
#[must_use]
pub fn comparison_csv(comparison: &Comparison) -> String {
    let mut csv = format!("{HEAD}\r\n");
    for (number, lane) in comparison.lanes.iter().enumerate() {
        for (round, metrics) in lane.rounds.iter().enumerate() {
            let optional = |value: Option<f64>| value.map(|value| value.to_string());
            let _ = write!(
                csv,
                "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\r\n",
                number + 1,
                quoted(&lane.lane.kernel),
                lane.lane.threads,
                lane.lane.weights.name(),
                model(&lane.lane.model),
                quoted(&lane.quantization),
                lane.weight_bytes,
                round + 1,
                metrics.prompt_tokens,
                metrics.output_tokens,
                optional(metrics.time_to_first_token_s).unwrap_or_default(),
                optional(metrics.prefill_tokens_per_second).unwrap_or_default(),
                optional(metrics.decode_tokens_per_second).unwrap_or_default(),
                metrics.total_s,
                metrics.usd_total,
            );
        }
    }
    csv
}

/// Nothing where a server has one model.
fn model(id: &str) -> String {
    match id {
        "" => String::new(),
        id => quoted(id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::compared::{comparison, lane};

    #[test]
    fn a_line_is_a_round() {
        let mut lanes = vec![lane("scalar", &[10.0, 20.0], &[]), lane("=x", &[40.0], &[])];
        lanes[1].lane.model = "tiny".to_owned();
        let csv = comparison_csv(&comparison(lanes));
        let lines: Vec<_> = csv.split("\r\n").collect();
        assert_eq!(lines[0].split(',').count(), lines[1].split(',').count());
        assert_eq!(
            lines[2],
            "1,\"scalar\",2,served,,\"int4\",98000000,2,40,20,0.5,80,20,1.5,0.005"
        );
        assert!(
            lines[3].starts_with("2,\"'=x\",2,served,\"tiny\","),
            "{}",
            lines[3]
        );
        assert_eq!((lines.len(), lines[4]), (5, ""));
    }
}
