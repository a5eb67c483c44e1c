//! What a measured speed would cost on other machines, by their prices alone: how fast they are is not known here.

use std::ops::RangeInclusive;

use super::decoding_usd_per_million;
use crate::complaint::{Complaint, ComplaintKind};
use crate::language::{Language, Told};
use crate::price::KNOWN;
use crate::settings::{Field, NUMBER, USD_PER_HOUR, within};

/// Names of the fields that are no machine of the table.
pub(crate) const WATTS_FIELD: &str = "watts";
pub(crate) const TARIFF_FIELD: &str = "tariff";
pub(crate) const API_FIELD: &str = "api";

/// Watts of a machine of one's own, dollars for a kilowatt-hour, and dollars for a million tokens of an API.
pub(crate) const WATTS: RangeInclusive<f64> = 0.0..=100_000.0;
pub(crate) const TARIFF: RangeInclusive<f64> = 0.0..=100.0;
pub(crate) const API: RangeInclusive<f64> = 0.0..=100_000.0;

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
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) basis: Basis,
    /// Dollars an hour, where that is how it is paid for.
    pub(crate) usd_per_hour: Option<f64>,
    /// Dollars for a million tokens; nothing where what was typed cannot be used.
    pub(crate) usd_per_million: Option<f64>,
    /// Which fields cannot be used, and why.
    pub(crate) refused: Vec<Complaint>,
}

/// How the cost of a place is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    /// The speed is this machine's, and so is the price.
    Measured,
    /// The speed is this machine's, at the table's price of this one.
    Listed(&'static str),
    /// The speed is this machine's, at the price of this one that the reader typed.
    Typed(&'static str),
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
                WATTS_FIELD => elsewhere.watts = value,
                TARIFF_FIELD => elsewhere.tariff = value,
                API_FIELD => elsewhere.api = value,
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

    /// What decoding a million tokens at this speed costs everywhere that a price is known of, or was typed.
    pub(crate) fn places(&self, usd_per_hour: f64, speed: f64) -> Vec<Place> {
        let hourly = |basis, usd_per_hour| paid_by_hour(basis, usd_per_hour, speed);
        let here = hourly(Basis::Measured, Ok(usd_per_hour));
        let listed = KNOWN.iter().zip(&self.hours);
        let listed = listed.map(|((machine, listed), typed)| {
            let field = Field(machine, Language::the_price, NUMBER);
            let price = number(field, typed, USD_PER_HOUR);
            let basis = match &price {
                Ok(price) if price == listed => Basis::Listed(machine),
                _ => Basis::Typed(machine),
            };
            hourly(basis, price.map_err(|refused| vec![refused]))
        });
        let power = self.power().map(|price| hourly(Basis::Powered, price));
        let api = is_typed(&self.api).then(|| {
            let field = Field(API_FIELD, Language::the_api_price, NUMBER);
            let price = number(field, &self.api, API);
            Place {
                basis: Basis::Entered,
                usd_per_hour: None,
                usd_per_million: price.as_ref().ok().copied(),
                refused: price.err().into_iter().collect(),
            }
        });
        let places = [here].into_iter().chain(listed);
        places.chain(power).chain(api).collect()
    }

    /// Dollars an hour for electricity, where something of it was typed.
    fn power(&self) -> Option<Result<f64, Vec<Complaint>>> {
        if !is_typed(&self.watts) && !is_typed(&self.tariff) {
            return None;
        }
        let watts = Field(WATTS_FIELD, Language::the_watts, NUMBER);
        let tariff = Field(TARIFF_FIELD, Language::the_tariff, NUMBER);
        let factors = [
            factor(watts, &self.watts, WATTS),
            factor(tariff, &self.tariff, TARIFF),
        ];
        Some(match factors {
            [Ok(watts), Ok(tariff)] => Ok(watts / 1000.0 * tariff),
            factors => Err(factors.into_iter().filter_map(Result::err).collect()),
        })
    }
}

fn paid_by_hour(basis: Basis, price: Result<f64, Vec<Complaint>>, speed: f64) -> Place {
    let usd_per_hour = price.as_ref().ok().copied();
    Place {
        basis,
        usd_per_hour,
        usd_per_million: usd_per_hour.map(|price| decoding_usd_per_million(price, speed)),
        refused: price.err().unwrap_or_default(),
    }
}

fn is_typed(typed: &str) -> bool {
    !typed.is_empty()
}

/// A number of two that make a price together.
fn factor(field: Field, typed: &str, range: RangeInclusive<f64>) -> Result<f64, Complaint> {
    match is_typed(typed) {
        true => number(field, typed, range),
        false => Err(Complaint {
            reason: Told::new(Language::power_needs_both),
            kind: ComplaintKind::Field(field.0),
        }),
    }
}

/// A number within its range; zero has no sign.
fn number(field: Field, typed: &str, range: RangeInclusive<f64>) -> Result<f64, Complaint> {
    within(field, typed, range).map(|number| number + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(places: &[Place], basis: Basis) -> &Place {
        let place = places.iter().find(|place| place.basis == basis);
        place.unwrap_or_else(|| panic!("no {basis:?} in {places:?}"))
    }

    fn refusals(place: &Place) -> Vec<(&'static str, String)> {
        let refused = place.refused.iter().map(|refused| match refused.kind {
            ComplaintKind::Field(name) => (name, refused.reason.to_string()),
            other => panic!("{other:?}"),
        });
        refused.collect()
    }

    #[test]
    fn prices_of_the_table_hold_until_others_are_typed() {
        let places = Elsewhere::default().places(3.6, 100.0);
        assert_eq!(places.len(), 1 + KNOWN.len());
        assert_eq!(places[0].basis, Basis::Measured);
        assert!((places[0].usd_per_million.unwrap() - 10.0).abs() < 1e-9);
        let typed = Elsewhere::of("c7i.4xlarge=7.2&watts=250&tariff=0.4&api=+0.5+&other=1");
        assert!(typed.is_changed() && !Elsewhere::of("other=1").is_changed());
        let places = typed.places(3.6, 100.0);
        let costs = |basis, expected: f64| {
            let found = of(&places, basis).usd_per_million.unwrap();
            assert!((found - expected).abs() < 1e-9, "{basis:?}: {found}");
        };
        costs(Basis::Typed("c7i.4xlarge"), 20.0);
        costs(Basis::Powered, 0.1 / 3600.0 / 100.0 * 1e6);
        costs(Basis::Entered, 0.5);
        of(&places, Basis::Listed("r8g.4xlarge"));
        let same = Elsewhere::of("c7i.4xlarge=0.7140").places(3.6, 100.0);
        of(&same, Basis::Listed("c7i.4xlarge"));
    }

    #[test]
    fn what_is_no_price_keeps_its_row_and_is_refused_at_its_field() {
        for wrong in ["-1", "NaN", "10001", "", "inf", "dear"] {
            let typed = Elsewhere::of(&format!("c7i.4xlarge={wrong}"));
            let places = typed.places(3.6, 100.0);
            assert_eq!(places.len(), 1 + KNOWN.len(), "{wrong}");
            let place = of(&places, Basis::Typed("c7i.4xlarge"));
            assert_eq!((place.usd_per_hour, place.usd_per_million), (None, None));
            let told = format!("$ per hour must be a number from 0 to 10,000, found `{wrong}`");
            assert_eq!(refusals(place), [("c7i.4xlarge", told)]);
        }
        let places = Elsewhere::of("api=inf").places(3.6, 100.0);
        let refused = refusals(of(&places, Basis::Entered));
        assert_eq!(refused[0].0, API_FIELD);
        assert!(refused[0].1.contains("100,000") && refused[0].1.contains("`inf`"));
    }

    #[test]
    fn watts_without_their_price_are_asked_for_it() {
        for (query, missing) in [("watts=90", TARIFF_FIELD), ("tariff=0.4", WATTS_FIELD)] {
            let places = Elsewhere::of(query).places(3.6, 100.0);
            let refused = refusals(of(&places, Basis::Powered));
            assert_eq!(refused.len(), 1, "{refused:?}");
            assert_eq!(refused[0].0, missing);
        }
        let places = Elsewhere::of("watts=-1&tariff=x").places(3.6, 100.0);
        assert_eq!(refusals(of(&places, Basis::Powered)).len(), 2);
    }

    #[test]
    fn nothing_costs_less_than_nothing() {
        let places = Elsewhere::of("c7i.4xlarge=-0").places(3.6, 100.0);
        let free = of(&places, Basis::Typed("c7i.4xlarge"));
        assert!(free.usd_per_hour.unwrap().is_sign_positive());
        assert_eq!(crate::figures::usd(-0.0), "$0.00");
    }
}
