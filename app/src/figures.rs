//! How figures are written for people: digits, points and commas alike in each language, words and units in that of the
//! reader.

use crate::language::Language;

/// What norms and the like add is within the hundredths.
const FOUR_BITS_AND_SCALES: f64 = 4.55;

/// A duration: milliseconds below a second, then seconds, then minutes.
pub(crate) fn duration(t: Language, seconds: f64) -> String {
    if seconds < 0.001 {
        t.under_a_millisecond().to_owned()
    } else if seconds < 0.9995 {
        t.milliseconds(format!("{:.0}", seconds * 1000.0))
    } else if seconds < 9.995 {
        t.seconds(format!("{seconds:.2}"))
    } else if seconds < 59.95 {
        t.seconds(format!("{seconds:.1}"))
    } else {
        let whole = seconds.round();
        let (minutes, seconds) = ((whole / 60.0).floor(), whole % 60.0);
        t.minutes(format!("{minutes:.0}"), format!("{seconds:02.0}"))
    }
}

/// A speed in tokens a second, with three digits that mean something.
pub(crate) fn tokens_per_second(t: Language, speed: f64) -> String {
    t.tokens_per_second(three_digits(speed))
}

/// Milliseconds, with three digits that mean something.
pub(crate) fn milliseconds(t: Language, time: f64) -> String {
    if time < 0.01 {
        t.under_hundredth_millisecond().to_owned()
    } else {
        t.milliseconds(three_digits(time))
    }
}

/// How many times as much: one digit after the point while that tells something.
pub(crate) fn times(times: f64) -> String {
    format!("{}×", ratio(times))
}

/// The same without a sign, for a sentence.
pub(crate) fn ratio(times: f64) -> String {
    let decimals = usize::from(times < 9.95);
    group(&format!("{times:.decimals$}"))
}

/// What a weight takes in memory, in words. Four bits are those that also have a scale of 16 bits for each 32 weights.
pub(crate) fn bits_a_weight(t: Language, weight_bytes: u64, parameters: u64) -> String {
    #[allow(
        clippy::cast_precision_loss,
        reason = "one digit after the point is shown"
    )]
    let bits = weight_bytes as f64 * 8.0 / parameters.max(1) as f64;
    if (4.0..=FOUR_BITS_AND_SCALES).contains(&bits) {
        t.four_bits().to_owned()
    } else {
        t.bits(format!("{bits:.1}"))
    }
}

/// A whole number with a comma before each three digits.
pub(crate) fn grouped(number: usize) -> String {
    group(&number.to_string())
}

/// An amount of dollars: cents when there are any, else the first three digits that are not zero.
pub(crate) fn usd(dollars: f64) -> String {
    // Zero has no sign.
    let dollars = dollars + 0.0;
    if dollars >= 0.995 || dollars == 0.0 {
        format!("${}", group(&format!("{dollars:.2}")))
    } else {
        format!("${}", three_digits(dollars))
    }
}

/// A count with a unit for thousands, millions and billions.
pub(crate) fn count(count: u64) -> String {
    // Rounding to a float is harmless for three digits.
    #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
    let value = count as f64;
    for (unit, size) in [("B", 1e9), ("M", 1e6), ("K", 1e3)] {
        if value >= size * 0.9995 {
            return format!("{} {unit}", three_digits(value / size));
        }
    }
    count.to_string()
}

/// Bytes of memory, in decimal units.
pub(crate) fn bytes(bytes: u64) -> String {
    let amount = count(bytes).replace("B", "G").replace("K", "k");
    let space = if amount.contains(' ') { "" } else { " " };
    format!("{amount}{space}B")
}

/// Bytes a second.
pub(crate) fn rate_of_bytes(t: Language, rate: f64) -> String {
    t.bytes_per_second(bytes(whole(rate)))
}

/// Multiply-accumulates a second.
pub(crate) fn rate_of_products(t: Language, rate: f64) -> String {
    t.products_per_second(count(whole(rate)))
}

/// As it is counted, for three digits of it.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "three digits are shown"
)]
pub(crate) fn whole(rate: f64) -> u64 {
    rate.max(0.0) as u64
}

fn three_digits(value: f64) -> String {
    if value <= 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    let magnitude = value.log10().floor();
    #[allow(clippy::cast_possible_truncation, reason = "clamped to 0..=12")]
    #[allow(clippy::cast_sign_loss, reason = "clamped to 0..=12")]
    let decimals = (2.0 - magnitude).clamp(0.0, 12.0) as usize;
    group(&format!("{value:.decimals$}"))
}

/// A number's digits with a comma before each three of those ahead of the point.
pub(crate) fn group(digits: &str) -> String {
    let whole = digits.find('.').unwrap_or(digits.len());
    let mut grouped = String::with_capacity(digits.len() + whole / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && at < whole && (whole - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language::{Chinese, English};

    #[test]
    fn durations_take_the_unit_that_fits() {
        let shown = [0.25, 0.9999, 1.254, 12.34, 59.96, 125.0].map(|time| duration(English, time));
        assert_eq!(
            shown,
            [
                "250 ms",
                "1.00 s",
                "1.25 s",
                "12.3 s",
                "1 min 00 s",
                "2 min 05 s"
            ]
        );
    }

    #[test]
    fn no_time_is_written_as_nothing() {
        let shown = [0.0, 0.0009, 0.001].map(|time| duration(English, time));
        assert_eq!(shown, ["under 1 ms", "under 1 ms", "1 ms"]);
        let shown = [0.0, 0.003_55, 0.0355, 6.41, 123.4].map(|time| milliseconds(English, time));
        assert_eq!(
            shown,
            [
                "under 0.01 ms",
                "under 0.01 ms",
                "0.0355 ms",
                "6.41 ms",
                "123 ms"
            ]
        );
    }

    #[test]
    fn ratios_lose_digits_that_tell_nothing() {
        let shown = [0.36, 4.13, 9.96, 15.6, 12_345.0].map(times);
        assert_eq!(shown, ["0.4×", "4.1×", "10×", "16×", "12,345×"]);
    }

    #[test]
    fn four_bits_are_said_only_where_they_are_four() {
        let shown =
            [4, 5, 16].map(|bits| bits_a_weight(English, bits * 125_000_000, 1_000_000_000));
        assert_eq!(
            shown,
            [
                "four bits a weight",
                "5.0 bits a weight",
                "16.0 bits a weight"
            ]
        );
        assert_eq!(bits_a_weight(English, 9, 16), "four bits a weight");
        assert_eq!(
            bits_a_weight(English, 98_362_432, 134_515_008),
            "5.8 bits a weight"
        );
    }

    #[test]
    fn small_amounts_keep_three_digits() {
        let shown = [6.5456, 0.000_327_3, 0.5, 0.0, 12_345.678].map(usd);
        assert_eq!(
            shown,
            ["$6.55", "$0.000327", "$0.500", "$0.00", "$12,345.68"]
        );
    }

    #[test]
    fn counts_take_the_unit_that_fits() {
        let shown = [999, 1_500, 134_515_008, 8_030_261_248].map(count);
        assert_eq!(shown, ["999", "1.50 K", "135 M", "8.03 B"]);
    }

    #[test]
    fn whole_numbers_are_grouped_by_three() {
        let shown = [0, 999, 1_000, 12_345, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }

    #[test]
    fn bytes_are_decimal() {
        assert_eq!(bytes(98_362_432), "98.4 MB");
        assert_eq!(bytes(4_700_000_000), "4.70 GB");
        assert_eq!(bytes(12), "12 B");
    }

    #[test]
    fn speeds_keep_three_digits() {
        let shown = [9.876, 41.26, 1234.5].map(|speed| tokens_per_second(English, speed));
        assert_eq!(shown, ["9.88 tokens/s", "41.3 tokens/s", "1,234 tokens/s"]);
    }

    #[test]
    fn chinese_has_its_own_units_and_the_same_digits() {
        let shown = [0.0, 0.25, 1.254, 125.0].map(|time| duration(Chinese, time));
        assert_eq!(shown, ["不到 1 毫秒", "250 毫秒", "1.25 秒", "2 分 05 秒"]);
        assert_eq!(tokens_per_second(Chinese, 1234.5), "1,234 token/秒");
        assert_eq!(bits_a_weight(Chinese, 9, 16), "每个权重 4 比特");
    }
}
