//! What a measured speed would cost on other machines, by their prices alone: how fast they are is not known here.

use std::ops::RangeInclusive;

use super::usd_per_million;
use crate::price::KNOWN;
use crate::settings::USD_PER_HOUR;

/// Watts of a machine of one's own, dollars for a kilowatt-hour, and dollars for a million tokens of an API.
const WATTS: RangeInclusive<f64> = 0.0..=100_000.0;
const TARIFF: RangeInclusive<f64> = 0.0..=100.0;
const API: RangeInclusive<f64> = 0.0..=100_000.0;

/// Prices as typed, or those of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Elsewhere {
    /// Of each machine of the table, in its order.
    pub(crate) hours: [String; KNOWN.len()],
    pub(crate) watts: String,
    pub(crate) tariff: String,
    pub(crate) api: String,
}

/// Where a million tokens cost something.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) basis: Basis,
    /// Dollars an hour, where that is how it is paid for.
    pub(crate) usd_per_hour: Option<f64>,
    /// Dollars for a million tokens.
    pub(crate) usd_per_million: f64,
}

/// How the cost of a place is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    /// The speed is this machine's, and so is the price.
    Measured,
    /// The speed is this machine's, at the price of this one.
    Priced(&'static str),
    /// The speed is this machine's, for its electricity alone.
    Powered,
    /// An API's price as it was entered.
    Entered,
}

impl Default for Elsewhere {
    fn default() -> Self {
        Self {
            hours: KNOWN.map(|(_, price)| price.to_string()),
            watts: String::new(),
            tariff: String::new(),
            api: String::new(),
        }
    }
}

impl Elsewhere {
    /// As the query of an address says.
    pub(crate) fn of(query: &str) -> Self {
        let mut elsewhere = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value: String = value.trim().chars().take(40).collect();
            match &*name {
                "watts" => elsewhere.watts = value,
                "tariff" => elsewhere.tariff = value,
                "api" => elsewhere.api = value,
                name => {
                    let place = KNOWN.iter().position(|(machine, _)| *machine == name);
                    if let Some(place) = place {
                        elsewhere.hours[place] = value;
                    }
                }
            }
        }
        elsewhere
    }

    /// Whether some price is another than the table's.
    pub(crate) fn is_changed(&self) -> bool {
        *self != Self::default()
    }

    /// What a million tokens at this speed cost everywhere that a price is known of; what cannot be read is left out.
    pub(crate) fn places(&self, usd_per_hour: f64, speed: f64) -> Vec<Place> {
        let hourly = |basis, usd_per_hour: f64| Place {
            basis,
            usd_per_hour: Some(usd_per_hour),
            usd_per_million: usd_per_million(usd_per_hour, speed),
        };
        let mut places = vec![hourly(Basis::Measured, usd_per_hour)];
        for ((machine, _), typed) in KNOWN.iter().zip(&self.hours) {
            let price = read(typed, &USD_PER_HOUR);
            places.extend(price.map(|price| hourly(Basis::Priced(machine), price)));
        }
        let power = read(&self.watts, &WATTS).zip(read(&self.tariff, &TARIFF));
        places.extend(power.map(|(watts, tariff)| hourly(Basis::Powered, watts / 1000.0 * tariff)));
        places.extend(read(&self.api, &API).map(|price| Place {
            basis: Basis::Entered,
            usd_per_hour: None,
            usd_per_million: price,
        }));
        places
    }
}

/// A number within its range.
fn read(typed: &str, range: &RangeInclusive<f64>) -> Option<f64> {
    // `contains` is false for NaN.
    let value = typed.parse().ok()?;
    range.contains(&value).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_of_the_table_hold_until_others_are_typed() {
        let places = Elsewhere::default().places(3.6, 100.0);
        assert_eq!(places.len(), 1 + KNOWN.len());
        assert_eq!(places[0].basis, Basis::Measured);
        assert!((places[0].usd_per_million - 10.0).abs() < 1e-9);
        let typed = Elsewhere::of("c7i.4xlarge=7.2&watts=250&tariff=0.4&api=+0.5+&other=1");
        assert!(typed.is_changed() && !Elsewhere::of("other=1").is_changed());
        let places = typed.places(3.6, 100.0);
        let of = |basis| {
            let place = places.iter().find(|place| place.basis == basis);
            place.unwrap().usd_per_million
        };
        assert!((of(Basis::Priced("c7i.4xlarge")) - 20.0).abs() < 1e-9);
        assert!((of(Basis::Powered) - 0.1 / 3600.0 / 100.0 * 1e6).abs() < 1e-9);
        assert!((of(Basis::Entered) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn what_is_no_price_is_left_out() {
        let typed = Elsewhere::of("c7i.4xlarge=NaN&watts=-1&tariff=1&api=inf");
        let places = typed.places(3.6, 100.0);
        assert_eq!(places.len(), KNOWN.len());
        let is_left_out = |place: &Place| place.basis != Basis::Priced("c7i.4xlarge");
        assert!(places.iter().all(is_left_out));
    }
}
