//! Days in words, in the time zone of the server.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::language::Language;

/// The day of a time in milliseconds since 1970.
pub(crate) fn day(t: Language, milliseconds: i64) -> String {
    let zone = TimeZone::system();
    let date = |time: Timestamp| time.to_zoned(zone.clone()).date();
    let Ok(time) = Timestamp::from_millisecond(milliseconds) else {
        return String::new();
    };
    in_words(t, date(time), date(Timestamp::now()))
}

/// The same as it is written in what is kept: by its date.
pub(crate) fn date(t: Language, milliseconds: i64) -> String {
    let Ok(time) = Timestamp::from_millisecond(milliseconds) else {
        return String::new();
    };
    time.to_zoned(TimeZone::system())
        .strftime(t.date_format())
        .to_string()
}

/// The time zone of the server: by its name, else by how far it is from UTC now.
pub(crate) fn zone() -> String {
    let zone = TimeZone::system();
    match zone.iana_name() {
        Some(name) => name.to_owned(),
        None => format!("UTC{}", zone.to_offset(Timestamp::now())),
    }
}

fn in_words(t: Language, date: Date, today: Date) -> String {
    let yesterday = today.checked_sub(1.day()).unwrap_or(today);
    if date == today {
        t.today().to_owned()
    } else if date == yesterday {
        t.yesterday().to_owned()
    } else if date.year() == today.year() {
        date.strftime(t.day_format()).to_string()
    } else {
        date.strftime(t.date_format()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_day_has_a_word_or_as_much_of_its_date_as_is_needed() {
        let today = date(2026, 3, 1);
        for (day, english, chinese) in [
            (today, "Today", "今天"),
            (date(2026, 2, 28), "Yesterday", "昨天"),
            (date(2026, 2, 7), "7 February", "2月7日"),
            (date(2025, 12, 31), "31 December 2025", "2025年12月31日"),
        ] {
            assert_eq!(in_words(Language::English, day, today), english);
            assert_eq!(in_words(Language::Chinese, day, today), chinese);
        }
    }

    #[test]
    fn a_time_that_no_calendar_has_is_no_day() {
        assert_eq!(day(Language::English, i64::MAX), "");
    }
}
