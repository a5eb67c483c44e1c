//! The metrics of an answer in one line for a terminal.

use nibble_engine::Completion;

/// What the answer took and cost; what could not be measured is left out.
pub(super) fn line(completion: &Completion) -> String {
    let metrics = &completion.metrics;
    let figures = [
        Some(format!(
            "{} + {} tokens",
            completion.prompt_tokens,
            completion.token_ids.len()
        )),
        metrics
            .time_to_first_token_s
            .map(|seconds| format!("first token {seconds:.2} s")),
        metrics.thought_s.map(|seconds| {
            format!(
                "thought {} tokens in {seconds:.2} s",
                metrics.thought_tokens
            )
        }),
        metrics
            .prefill_tokens_per_second
            .map(|speed| format!("prefill {speed:.1} tokens/s")),
        metrics
            .decode_tokens_per_second
            .map(|speed| format!("decode {speed:.1} tokens/s")),
        (metrics.drafted_tokens > 0).then(|| {
            format!(
                "{} of {} guesses right",
                metrics.accepted_tokens, metrics.drafted_tokens
            )
        }),
        metrics
            .usd_per_million_tokens
            .map(|usd| format!("${usd:.2} per million tokens")),
        Some(format!("total {:.2} s", metrics.total_s)),
        Some(format!("${:.6}", metrics.usd_total)),
    ];
    let figures: Vec<String> = figures.into_iter().flatten().collect();
    figures.join(" · ")
}

#[cfg(test)]
mod tests {
    use nibble_engine::FinishReason;
    use nibble_engine::metrics::Metrics;

    use super::*;

    #[test]
    fn a_figure_that_was_not_measured_is_absent() {
        let mut completion = Completion {
            finish_reason: FinishReason::Stop,
            prompt_tokens: 20,
            cached_tokens: 0,
            token_ids: vec![1, 2],
            metrics: Metrics {
                time_to_first_token_s: Some(0.25),
                total_s: 1.5,
                usd_total: 0.000_123_4,
                ..Metrics::default()
            },
        };
        assert_eq!(
            line(&completion),
            "20 + 2 tokens · first token 0.25 s · total 1.50 s · $0.000123"
        );
        completion.metrics.thought_tokens = 70;
        completion.metrics.thought_s = Some(2.5);
        assert!(line(&completion).contains(" · thought 70 tokens in 2.50 s · "));
        completion.metrics.decode_tokens_per_second = Some(41.26);
        assert!(line(&completion).contains("decode 41.3 tokens/s"));
    }
}
