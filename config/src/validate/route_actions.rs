//! What a route does beside its destination.

use super::Surroundings;
use super::cors::cors;
use super::header_field::{Direction, field_name};
use super::path_pattern::check_path;
use super::range::{check_duration, check_length};
use super::route::check_share;
use super::template;
use crate::document::{
    ByteSizeText, DurationText, FieldActionFields, FieldValueFields, MirrorFields, RewriteField, RouteFields,
    RouteTimeoutFields,
};
use crate::ids::PoolName;
use crate::model::{FieldActions, HttpVersion, Mirror, PathPattern, Rewrite, RouteActions, RouteTimeouts, Template};
use crate::source::{Place, Report};
use crate::units::ByteSize;

/// Fields of each kind of change: every request and response of the route is looked through for each.
const MAX_FIELDS: usize = 64;

/// The actions of a route as written.
pub(super) fn route_actions(
    fields: &RouteFields,
    path: Option<&PathPattern>,
    place: &Place<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> RouteActions {
    if fields.origin_pool.is_none() && (fields.redirect.is_some() || fields.maintenance) {
        check_needs_no_origin(fields, place, report);
    }
    if fields.websocket {
        check_takes_websocket(fields, &place.field("websocket"), surroundings, report);
    }
    let rewrite = fields.rewrite.as_ref();
    let mirror = fields.mirror.as_ref();
    RouteActions {
        rewrite: rewrite.and_then(|field| self::rewrite(field, path, &place.field("rewrite"), report)),
        request_fields: field_actions(
            &fields.request_fields,
            Direction::Request,
            &place.field("request_fields"),
            report,
        ),
        response_fields: field_actions(
            &fields.response_fields,
            Direction::Response,
            &place.field("response_fields"),
            report,
        ),
        mirror: mirror.and_then(|mirror| self::mirror(mirror, fields, &place.field("mirror"), surroundings, report)),
        timeouts: timeouts(&fields.timeouts, &place.field("timeouts"), report),
        body_bytes: fields.body_bytes.map(|size| body_bytes(size, &place.field("body_bytes"), surroundings, report)),
        websocket: fields.websocket,
        cors: fields.cors.as_ref().map(|cors| self::cors(cors, &place.field("cors"), report)),
    }
}

/// What is done on the way to an origin has no sense where none is asked.
fn check_needs_no_origin(fields: &RouteFields, place: &Place<'_>, report: &mut Report) {
    let written = [
        ("split", fields.split.is_some()),
        ("rewrite", fields.rewrite.is_some()),
        ("request_fields", fields.request_fields != FieldActionFields::default()),
        ("mirror", fields.mirror.is_some()),
        ("timeouts", fields.timeouts != RouteTimeoutFields::default()),
        ("websocket", fields.websocket),
    ];
    for (name, is_written) in written {
        if is_written {
            report.at(&place.field(name), "nothing, as the route asks no origin");
        }
    }
}

fn rewrite(
    field: &RewriteField,
    path: Option<&PathPattern>,
    place: &Place<'_>,
    report: &mut Report,
) -> Option<Rewrite> {
    match field {
        RewriteField::Prefix(prefix) => {
            let is_folder = matches!(path, Some(PathPattern::Prefix(_)));
            let expected = if !prefix.starts_with('/') {
                Some("a path that starts with `/`".to_owned())
            } else if is_folder && !prefix.ends_with('/') {
                Some(format!("`/` at the end, as the route's pattern has one: {prefix}/"))
            } else {
                check_path(prefix).err()
            };
            match expected {
                Some(expected) => report.at(&place.field("prefix"), expected),
                None => return Some(Rewrite::Prefix(prefix.clone())),
            }
            None
        }
        RewriteField::Path(text) => {
            let path = template::path(text).map_err(|expected| report.at(&place.field("path"), expected));
            path.ok().map(Rewrite::Path)
        }
    }
}

fn field_actions(
    fields: &FieldActionFields,
    direction: Direction,
    place: &Place<'_>,
    report: &mut Report,
) -> FieldActions {
    let mut actions = FieldActions::default();
    let list = place.field("remove");
    if check_length(fields.remove.len(), MAX_FIELDS, &list, report) {
        let names = fields.remove.iter().enumerate();
        actions.remove =
            names.filter_map(|(index, name)| field_name(name, direction, &list.element(index), report)).collect();
    }
    actions.set = field_values(&fields.set, direction, &place.field("set"), report);
    for (index, (name, _)) in actions.set.iter().enumerate() {
        if actions.set[..index].iter().any(|(earlier, _)| earlier == name) {
            let list = place.field("set");
            report.at(&list.element(index).field("name"), "each field once; `add` makes further lines");
        }
    }
    actions.add = field_values(&fields.add, direction, &place.field("add"), report);
    actions
}

fn field_values(
    fields: &[FieldValueFields],
    direction: Direction,
    list: &Place<'_>,
    report: &mut Report,
) -> Vec<(http::HeaderName, Template)> {
    if !check_length(fields.len(), MAX_FIELDS, list, report) {
        return Vec::new();
    }
    let mut values = Vec::new();
    for (index, FieldValueFields { name, value }) in fields.iter().enumerate() {
        let place = list.element(index);
        let name = field_name(name, direction, &place.field("name"), report);
        match (name, template::field_value(value)) {
            (Some(name), Ok(value)) => values.push((name, value)),
            (_, Err(expected)) => report.at(&place.field("value"), expected),
            (None, Ok(_)) => {}
        }
    }
    values
}

/// The pools that a route's requests go to.
fn pools_of(route: &RouteFields) -> impl Iterator<Item = &str> {
    let parts = route.split.iter().flat_map(|split| &split.parts).map(|part| part.origin_pool.as_str());
    route.origin_pool.as_deref().into_iter().chain(parts)
}

/// A WebSocket begins with a handshake of HTTP/1.1 (RFC 6455 section 4.1).
fn check_takes_websocket(
    fields: &RouteFields,
    place: &Place<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) {
    let speaks_http2_alone = |name: &&str| {
        let pool = PoolName::parse(name).ok().and_then(|name| surroundings.origin_pools.get(&name));
        pool.is_some_and(|pool| {
            !pool.origins.is_empty() && pool.origins.iter().all(|origin| origin.version == HttpVersion::Http2)
        })
    };
    if let Some(pool) = pools_of(fields).find(speaks_http2_alone) {
        let expected =
            format!("false, as all origins of pool {pool} have http_version 2 and WebSocket needs 1 or auto");
        report.at(place, expected);
    }
}

fn mirror(
    fields: &MirrorFields,
    route: &RouteFields,
    place: &Place<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Option<Mirror> {
    surroundings.names.check_reference("origin_pool", &fields.origin_pool, &place.field("origin_pool"), report);
    if pools_of(route).any(|pool| pool == fields.origin_pool) {
        report.at(&place.field("origin_pool"), "another pool than the route's own, which would get everything twice");
    }
    let share = check_share(fields.share, &place.field("share"), report);
    Some(Mirror { pool: PoolName::parse(&fields.origin_pool).ok()?, share })
}

fn timeouts(fields: &RouteTimeoutFields, place: &Place<'_>, report: &mut Report) -> RouteTimeouts {
    let range = || DurationText::millis(10)..=DurationText::hours(1);
    let mut time = |value: Option<DurationText>, name| {
        value.map(|value| check_duration(value, range(), &place.field(name), report))
    };
    RouteTimeouts { response: time(fields.response, "response"), read: time(fields.read, "read") }
}

fn body_bytes(size: ByteSizeText, place: &Place<'_>, surroundings: &Surroundings<'_>, report: &mut Report) -> ByteSize {
    if let Some(most) = surroundings.body_bytes.filter(|most| size.0 > *most) {
        report.at(place, format!("at most {most}, the node's limits.body_bytes"));
    }
    size.0
}
