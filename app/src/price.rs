//! What a machine costs an hour, and whose price a number is.

use std::fs;
use std::sync::LazyLock;

use crate::language::Language;

/// Amazon's list prices by the hour, Linux on demand in us-east-1, as they were in [`AS_OF`]. All have 16 vCPUs. The
/// first is the default of `--usd-per-hour`.
pub(crate) const KNOWN: [(&str, f64); 5] = [
    ("r8g.4xlarge", 0.942_56),
    ("c8g.4xlarge", 0.638_08),
    ("m8g.4xlarge", 0.718_08),
    ("r7g.4xlarge", 0.856_8),
    ("c7i.4xlarge", 0.714),
];
/// When prices were as in [`KNOWN`].
pub(crate) const AS_OF: &str = "2025";

/// Prices that differ by less are one: what an answer cost gives the price back with the error of its rounding.
const SAME: f64 = 1e-6;

/// Clouds put the name of the machine's kind where makers put the model of theirs.
const PRODUCT: &str = "/sys/devices/virtual/dmi/id/product_name";

/// The machine of the table that costs this much, and its price there.
pub(crate) fn known(usd_per_hour: f64) -> Option<(&'static str, f64)> {
    let is_it = |price: f64| (price - usd_per_hour).abs() < SAME;
    KNOWN.into_iter().find(|(_, price)| is_it(*price))
}

/// What the system calls the machine that this runs on, where it says.
pub(crate) fn this_machine() -> Option<&'static str> {
    static NAME: LazyLock<Option<String>> = LazyLock::new(|| {
        let name = fs::read_to_string(PRODUCT).ok()?;
        Some(name.trim().to_owned()).filter(|name| !name.is_empty())
    });
    NAME.as_deref()
}

/// Whose price this is, for whoever sets it.
pub(crate) fn origin(t: Language, usd_per_hour: f64, this: Option<&str>) -> String {
    let Some((name, _)) = known(usd_per_hour) else {
        return t.own_price().to_owned();
    };
    match this {
        Some(this) if this == name => t.price_is_this(name, AS_OF),
        Some(_) => t.price_is_another(name, AS_OF),
        None => t.price_may_be_another(name, AS_OF),
    }
}

/// The price in the figures of an answer: how much, and whose.
pub(crate) fn stated(t: Language, usd_per_hour: f64, this: Option<&str>) -> String {
    match known(usd_per_hour) {
        Some((name, price)) if this == Some(name) => t.stated_this(price, name),
        Some((name, price)) if this.is_some() => t.stated_another(price, name),
        Some((name, price)) => t.stated_perhaps_another(price, name),
        None => {
            let price = format!("{usd_per_hour:.5}");
            let price = price.trim_end_matches('0').trim_end_matches('.');
            t.stated_own(price)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_price_names_its_machine_and_says_when_this_is_another() {
        assert_eq!(
            origin(Language::English, 0.94256, Some("r8g.4xlarge")),
            "The price of r8g.4xlarge on demand in us-east-1 in 2025, which this machine is."
        );
        assert!(origin(Language::English, 0.714, Some("r8g.4xlarge")).contains("c7i.4xlarge"));
        assert!(
            origin(Language::English, 0.714, Some("r8g.4xlarge"))
                .ends_with("is another: set what it costs you.")
        );
        assert!(origin(Language::English, 0.714, None).contains("This machine may be another"));
        assert_eq!(
            origin(Language::English, 0.7, None),
            "Your own price for this machine."
        );
    }

    #[test]
    fn an_answers_price_is_found_in_spite_of_rounding() {
        let again = 0.94256 / 3600.0 * 1.7 / 1.7 * 3600.0;
        assert_eq!(
            stated(Language::English, again, Some("KVM")),
            "$0.94256 an hour, r8g.4xlarge, not this machine"
        );
        assert_eq!(
            stated(Language::English, again, Some("r8g.4xlarge")),
            "$0.94256 an hour, r8g.4xlarge"
        );
        assert!(stated(Language::English, again, None).ends_with("perhaps not this machine"));
        assert_eq!(
            stated(Language::English, 3.6, None),
            "$3.6 an hour, your own"
        );
        assert_eq!(
            stated(Language::English, 10.0, None),
            "$10 an hour, your own"
        );
        assert_eq!(stated(Language::English, 0.0, None), "$0 an hour, your own");
    }
}
