//! Reading and writing dates of header fields (RFC 9110 section 5.6.7).
//!
//! Reading is our own: `httpdate` knows neither dates before 1970 nor leap seconds, and takes a date whose day of the
//! week is wrong, or whose letters are of the other case, for none (caches should not mind it: RFC 9111 section 4.2).
//! Writing is `httpdate`'s.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};

/// 9999-12-31T23:59:59Z: the last second that the four-digit year of an HTTP date can express.
const LAST_SECOND: u64 = 253_402_300_799;

/// The last two-digit year that is of this century. RFC 9110 section 5.6.7 has years that seem more than fifty years
/// away lie in the past; only RFC 850 dates have such years, and nobody writes any that far ahead, so that it does not
/// matter that this line does not move with the years.
const LAST_SHORT_YEAR: i64 = 76;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const LONG_DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

const SECONDS_OF_DAY: i64 = 86_400;

/// The date in a field value, in any of the three formats; nothing when it is none. The day of the week must be one,
/// but need not be the right one: it adds nothing to the date.
pub(super) fn parse(value: &HeaderValue) -> Option<SystemTime> {
    let text = value.to_str().ok()?.trim();
    let seconds = imf_fixdate(text).or_else(|| rfc850(text)).or_else(|| asctime(text))?;
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, as seconds since 1970.
fn imf_fixdate(text: &str) -> Option<i64> {
    let (day_name, rest) = text.split_once(", ")?;
    let [day, month, year, time, zone] = words(rest)?;
    if !zone.eq_ignore_ascii_case("GMT") {
        return None;
    }
    known(day_name, &DAYS).and(seconds(digits(year, 4)?, month, digits(day, 2)?, time))
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`.
fn rfc850(text: &str) -> Option<i64> {
    let (day_name, rest) = text.split_once(", ")?;
    let [date, time, zone] = words(rest)?;
    if !zone.eq_ignore_ascii_case("GMT") {
        return None;
    }
    let mut parts = date.split('-');
    let (Some(day), Some(month), Some(year), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    let short = digits(year, 2)?;
    let year = if short > LAST_SHORT_YEAR { 1900 + short } else { 2000 + short };
    known(day_name, &LONG_DAYS).and(seconds(year, month, digits(day, 2)?, time))
}

/// `Sun Nov  6 08:49:37 1994`: a day below ten has a second space in front.
fn asctime(text: &str) -> Option<i64> {
    let (day_name, rest) = text.split_at_checked(3)?;
    let (month, rest) = rest.strip_prefix(' ')?.split_at_checked(3)?;
    let (day, rest) = rest.strip_prefix(' ')?.split_at_checked(2)?;
    let [time, year] = words(rest.strip_prefix(' ')?)?;
    let day = match day.strip_prefix(' ') {
        Some(one) => digits(one, 1)?,
        None => digits(day, 2)?,
    };
    known(day_name, &DAYS).and(seconds(digits(year, 4)?, month, day, time))
}

/// Exactly so many words with one space between them.
fn words<const COUNT: usize>(text: &str) -> Option<[&str; COUNT]> {
    let mut found = [""; COUNT];
    let mut parts = text.split(' ');
    for word in &mut found {
        *word = parts.next()?;
    }
    parts.next().is_none().then_some(found)
}

/// The place of a name in a list of names.
fn known(name: &str, names: &[&str]) -> Option<usize> {
    names.iter().position(|known| known.eq_ignore_ascii_case(name))
}

/// Exactly so many digits.
fn digits(text: &str, count: usize) -> Option<i64> {
    let right = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if right { text.parse().ok() } else { None }
}

/// Seconds since 1970 of a date and a time of day.
fn seconds(year: i64, month: &str, day: i64, time: &str) -> Option<i64> {
    let month = i64::try_from(known(month, &MONTHS)?).ok()? + 1;
    if !(1..=days_of_month(year, month)).contains(&day) {
        return None;
    }
    let mut parts = time.split(':');
    let (Some(hour), Some(minute), Some(second), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let (hour, minute, second) = (digits(hour, 2)?, digits(minute, 2)?, digits(second, 2)?);
    // A leap second is the sixtieth, and as good as the first of the next minute.
    let valid = hour < 24 && minute < 60 && second <= 60;
    valid.then(|| days_since_1970(year, month, day) * SECONDS_OF_DAY + hour * 3600 + minute * 60 + second)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar, also before it. Years are counted from March, so that the day that
/// comes and goes is the last one.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    /// From March of the year 0 to 1970-01-01.
    const DAYS_TO_1970: i64 = 719_468;
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // Months of 31, 30, 31, 30, 31 days from March on: 153 days each five.
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - DAYS_TO_1970
}

/// The date in the first line of a field. Further lines are ignored (RFC 9111 section 4.2.1).
pub(super) fn first(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    headers.get(name).and_then(parse)
}

/// The date in a field that must have exactly one line to count (RFC 9110 section 13.1.3).
pub(super) fn only(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?;
    if lines.next().is_some() { None } else { parse(first) }
}

/// A time as a field value; times outside the calendar are clamped into it.
pub(super) fn format(time: SystemTime) -> HeaderValue {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().min(LAST_SECOND);
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

/// Cuts the fraction of a second off, as dates of header fields have none.
pub(super) fn whole_seconds(time: SystemTime) -> SystemTime {
    time.duration_since(UNIX_EPOCH).map_or(time, |since| UNIX_EPOCH + Duration::from_secs(since.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<i64> {
        let time = parse(&HeaderValue::from_str(text).unwrap())?;
        Some(match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_secs()).unwrap(),
            Err(before) => -i64::try_from(before.duration().as_secs()).unwrap(),
        })
    }

    #[test]
    fn all_three_formats_of_rfc_9110_section_5_6_7_are_read() {
        let check = |text: &str, expected: Option<i64>| assert_eq!(read(text), expected, "{text}");
        let example = Some(784_111_777);
        check("Sun, 06 Nov 1994 08:49:37 GMT", example);
        check("Sunday, 06-Nov-94 08:49:37 GMT", example);
        check("Sun Nov  6 08:49:37 1994", example);
        check(" Sun, 06 Nov 1994 08:49:37 GMT ", example);
        check("Wed, 06 Nov 1994 08:49:37 GMT", example); // it was a Sunday
        check("sun, 06 NOV 1994 08:49:37 gmt", example); // RFC 9111 section 4.2
        check("SUNDAY, 06-nov-94 08:49:37 Gmt", example);
        check("sun nov  6 08:49:37 1994", example);
        check("Wed Nov 16 08:49:37 1994", Some(784_975_777));
        check("Sat, 31 Dec 2016 23:59:60 GMT", Some(1_483_228_800)); // a leap second
        check("Thu, 29 Feb 2024 00:00:00 GMT", Some(1_709_164_800));
        check("Fri, 31 Dec 9999 23:59:59 GMT", Some(253_402_300_799));
        check("Thursday, 01-Jan-70 00:00:00 GMT", Some(3_155_760_000)); // of 2070: less than fifty years away
        check("Friday, 01-Jan-77 00:00:00 GMT", Some(220_924_800));
    }

    #[test]
    fn dates_before_1970_are_dates() {
        let check = |text: &str, expected: i64| assert_eq!(read(text), Some(expected), "{text}");
        check("Wed, 31 Dec 1969 23:59:59 GMT", -1);
        check("Thu, 01 Jan 1970 00:00:00 GMT", 0);
        check("Mon, 01 Jan 1900 00:00:00 GMT", -2_208_988_800);
        check("Sat, 01 Jan 0000 00:00:00 GMT", -62_167_219_200);
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "0",
            "-1",
            "now",
            "1699999999",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun,  06 Nov 1994 08:49:37 GMT",
            "Xyz, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:37 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Wed, 29 Feb 2023 00:00:00 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sun Nov 6 08:49:37 1994",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same_second(seconds in 0..=LAST_SECOND) {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            prop_assert_eq!(parse(&format(time)), Some(time));
            prop_assert_eq!(httpdate::parse_http_date(format(time).to_str().unwrap()).ok(), parse(&format(time)));
        }
    }
}
