//! What a plain (unquoted) scalar means: YAML 1.2.2 section 10.3.2, the core schema, and nothing of YAML 1.1.

use super::Content;

/// Resolves a plain scalar. Integers beyond 64 bits stay numbers, as floats, so that a message can say "number".
pub(super) fn resolve_plain(text: &str) -> Content {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Content::Null,
        "true" | "True" | "TRUE" => return Content::Bool(true),
        "false" | "False" | "FALSE" => return Content::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Content::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Content::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Content::Float(f64::NAN),
        _ => {}
    }
    integer(text)
        .map(Content::Integer)
        .or_else(|| float(text).map(Content::Float))
        .unwrap_or_else(|| Content::Text(text.to_owned()))
}

fn integer(text: &str) -> Option<i64> {
    let all = |digits: &str, radix: u32| !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    if let Some(digits) = text.strip_prefix("0x") {
        return all(digits, 16).then(|| i64::from_str_radix(digits, 16).ok()).flatten();
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return all(digits, 8).then(|| i64::from_str_radix(digits, 8).ok()).flatten();
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    all(digits, 10).then(|| text.parse().ok()).flatten()
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let starts_well = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let characters_fit = unsigned.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    (starts_well && characters_fit).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        let check = |text: &str, expected: Content| assert_eq!(resolve_plain(text), expected, "{text}");
        check("~", Content::Null);
        check("true", Content::Bool(true));
        check("12", Content::Integer(12));
        check("-7", Content::Integer(-7));
        check("0x1f", Content::Integer(31));
        check("0o17", Content::Integer(15));
        check("1.5", Content::Float(1.5));
        check("1e3", Content::Float(1000.0));
        check("99999999999999999999", Content::Float(1e20));
        for text in ["no", "off", "yes", "1_000", "1.2.3.4", "0x", "30s", "12:30", "-", "1.1.1.1:80", "e5", "nan"] {
            check(text, Content::Text(text.to_owned()));
        }
    }
}
