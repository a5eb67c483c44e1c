//! How figures are written for people.

/// A duration: milliseconds below a second, then seconds, then minutes.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 0.9995 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 9.995 {
        format!("{seconds:.2} s")
    } else if seconds < 59.95 {
        format!("{seconds:.1} s")
    } else {
        let whole = seconds.round();
        format!("{:.0} min {:02.0} s", (whole / 60.0).floor(), whole % 60.0)
    }
}

/// A speed in tokens a second, with three digits that mean something.
pub(crate) fn tokens_per_second(speed: f64) -> String {
    format!("{} tokens/s", three_digits(speed))
}

/// A whole number with a comma before each three digits.
pub(crate) fn grouped(number: usize) -> String {
    group(&number.to_string())
}

/// An amount of dollars: cents when there are any, else the first three digits that are not zero.
pub(crate) fn usd(dollars: f64) -> String {
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
fn group(digits: &str) -> String {
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

    #[test]
    fn durations_take_the_unit_that_fits() {
        let shown = [0.25, 0.9999, 1.254, 12.34, 59.96, 125.0].map(duration);
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
        let shown = [9.876, 41.26, 1234.5].map(tokens_per_second);
        assert_eq!(shown, ["9.88 tokens/s", "41.3 tokens/s", "1,234 tokens/s"]);
    }
}
