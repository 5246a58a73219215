//! Texts with variables, and where they may stand.

use std::sync::Arc;

use super::header_field::is_field_text;
use super::path_pattern::check_path;
use crate::model::{Template, TemplatePart, Variable};
use crate::suggestion::{did_you_mean, list};

/// Of one template: a field or a target beyond this is refused by most servers.
const MAX_LENGTH: usize = 4096;
/// Variables of one template, some of which are up to 8 KiB long.
const MAX_VARIABLES: usize = 16;

/// Reads the value of a field.
pub(super) fn field_value(text: &str) -> Result<Template, String> {
    let template = parse(text)?;
    let texts_fit = texts(&template).all(is_field_text);
    if texts_fit && text.trim() == text {
        Ok(template)
    } else {
        Err("printable ASCII without white space at its ends".to_owned())
    }
}

/// Reads the target of a redirect (RFC 9110 section 10.2.2).
pub(super) fn location(text: &str) -> Result<Template, String> {
    let template = parse(text)?;
    let is_url = ["http://", "https://", "${scheme}://"].iter().any(|start| text.starts_with(start));
    // What begins with two slashes names another host, which a client could choose by its path.
    let is_path = text.starts_with('/') && !text.starts_with("//") && !text.starts_with("/${");
    if !is_url && !is_path {
        return Err("a path that starts with one `/` and a text, or a URL of http or https".to_owned());
    }
    let is_visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if texts(&template).all(is_visible) {
        Ok(template)
    } else {
        Err("visible ASCII, other bytes as escapes such as %20".to_owned())
    }
}

/// Reads the path that an origin gets.
pub(super) fn path(text: &str) -> Result<Template, String> {
    let template = parse(text)?;
    if !text.starts_with('/') {
        return Err("a path that starts with `/`".to_owned());
    }
    let has_query = template.0.contains(&TemplatePart::Variable(Variable::Query));
    if has_query {
        return Err("a path without ${query}, which stays behind it by itself".to_owned());
    }
    texts(&template).try_for_each(check_path)?;
    Ok(template)
}

fn texts(template: &Template) -> impl Iterator<Item = &str> {
    template.0.iter().filter_map(|part| match part {
        TemplatePart::Text(text) => Some(text.as_str()),
        TemplatePart::Variable(_) => None,
    })
}

fn parse(text: &str) -> Result<Template, String> {
    if text.len() > MAX_LENGTH {
        return Err(format!("at most {MAX_LENGTH} bytes"));
    }
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, variable) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            plain.push_str(before);
            plain.push_str("${");
            rest = &variable[2..];
            continue;
        }
        plain.push_str(before);
        if !plain.is_empty() {
            parts.push(TemplatePart::Text(std::mem::take(&mut plain)));
        }
        let (name, after) = variable[2..].split_once('}').ok_or("`}` after each `${`")?;
        parts.push(TemplatePart::Variable(variable_named(name)?));
        rest = after;
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(TemplatePart::Text(plain));
    }
    let variables = parts.iter().filter(|part| matches!(part, TemplatePart::Variable(_))).count();
    if variables > MAX_VARIABLES {
        return Err(format!("at most {MAX_VARIABLES} variables"));
    }
    Ok(Template(Arc::from(parts)))
}

fn variable_named(name: &str) -> Result<Variable, String> {
    let known = || Variable::ALL.iter().map(|(name, _)| *name);
    if let Some((_, variable)) = Variable::ALL.iter().find(|(known, _)| *known == name) {
        return Ok(*variable);
    }
    match did_you_mean(name, known()) {
        Some(likely) => Err(format!("a known variable (did you mean ${{{likely}}}?)")),
        None => Err(format!("a known variable: one of {}", list(known()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> TemplatePart {
        TemplatePart::Text(text.to_owned())
    }

    #[test]
    fn templates_are_texts_and_variables_in_turn() {
        let check = |written: &str, expected: &[TemplatePart]| {
            assert_eq!(parse(written).expect(written).0.as_ref(), expected, "{written}");
        };
        check("", &[]);
        check("plain $5 {a}", &[text("plain $5 {a}")]);
        check("${host}", &[TemplatePart::Variable(Variable::Host)]);
        check(
            "a${client.asn}${edge}b",
            &[
                text("a"),
                TemplatePart::Variable(Variable::ClientAsn),
                TemplatePart::Variable(Variable::Edge),
                text("b"),
            ],
        );
        check("a$${host}", &[text("a${host}")]);
        check("$$${host}", &[text("$${host}")]);
        check("é$${é${path}", &[text("é${é"), TemplatePart::Variable(Variable::Path)]);
    }

    #[test]
    fn what_cannot_stand_in_its_place_is_refused() {
        let check = |result: Result<Template, String>, expected: &str| {
            let error = result.expect_err(expected);
            assert!(error.contains(expected), "{error}");
        };
        check(parse("${"), "`}`");
        check(parse("${host"), "`}`");
        check(parse("${}"), "one of host");
        check(parse("${hots}"), "did you mean ${host}?");
        check(parse(&"${host}".repeat(17)), "at most 16 variables");
        check(parse(&"a".repeat(5000)), "at most 4096 bytes");
        check(field_value("a\r\nb: c"), "printable ASCII");
        check(field_value(" a"), "white space at its ends");
        check(field_value("é"), "printable ASCII");
        check(location("example.org"), "one `/`");
        check(location("//example.org"), "one `/`");
        check(location("/${path}"), "one `/`");
        check(location("${path}"), "one `/`");
        check(location("ftp://a"), "one `/`");
        check(location("/a b"), "visible ASCII");
        check(location("/a\n"), "visible ASCII");
        check(path("a"), "starts with `/`");
        check(path("/a?b"), "without query");
        check(path("/a${query}"), "without ${query}");
        check(path("/é"), "%C3");
        check(path("/a/../b"), "`..`");
    }

    #[test]
    fn what_can_stand_in_its_place_is_taken() {
        for text in ["", "a b", "${client.country}", "max-age=5; a=\"b\""] {
            field_value(text).expect(text);
        }
        for text in ["/", "/a${path}", "https://www.example${path}${query}", "${scheme}://b.example/", "http://[::1]/a"]
        {
            location(text).expect(text);
        }
        for text in ["/", "/a${path}", "/${host}/index.html", "/a%20b"] {
            path(text).expect(text);
        }
    }
}
