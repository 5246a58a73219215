//! Origins: their URLs, TLS and credentials.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use http::Uri;
use http::uri::Scheme;

use super::certificate::file;
use super::header_field::{Direction, field_name};
use super::host_pattern::check_host;
use super::names::{Names, parse_name};
use super::path_pattern::check_path;
use super::range::check_length;
use crate::document::{
    CredentialsField, DiscoveryField, HttpVersionField, NameSourceField, OriginFields, OriginTlsFields,
    ProxyProtocolVersionField, SecretFieldFields, ServerNameField,
};
use crate::field::is_token;
use crate::ids::{OriginName, RegionName};
use crate::model::{
    Credentials, Discovery, HttpVersion, Origin, OriginDuty, OriginTls, ProxyProtocolVersion, ServerNamePolicy,
};
use crate::source::{Place, Report};
use crate::units::Weight;

/// Fields with secrets of one origin.
const MAX_SECRET_FIELDS: usize = 16;
/// A path in front of every request's; targets are bounded at some 8 KiB.
const MAX_PATH_PREFIX: usize = 1024;
/// Of the region of a signature.
const MAX_SIGNATURE_REGION: usize = 63;

/// An origin as written.
pub(super) fn origin(
    fields: &OriginFields,
    place: &Place<'_>,
    names: &Names<'_>,
    report: &mut Report,
) -> Option<Origin> {
    let name = parse_name(&fields.name, OriginName::parse, &place.field("name"), report);
    let url = parse_url(&fields.url).map_err(|expected| report.at(&place.field("url"), expected)).ok();
    names.check_reference("region", &fields.region, &place.field("region"), report);
    let tls = tls(fields, url.as_ref(), &place.field("tls"), report);
    let discovery = discovery(fields, url.as_ref(), place, report);
    let credentials = &fields.credentials;
    let credentials =
        credentials.as_ref().and_then(|field| self::credentials(field, &place.field("credentials"), report));
    let proxy_protocol = proxy_protocol(fields, place, report);
    let url = url?;
    Some(Origin {
        name: name?,
        host: url.host,
        port: url.port,
        region: RegionName::parse(&fields.region).ok()?,
        weight: Weight(fields.weight),
        duty: if fields.drain { OriginDuty::Drained } else { OriginDuty::Active },
        tls,
        version: match fields.http_version {
            HttpVersionField::One => HttpVersion::Http1,
            HttpVersionField::Two => HttpVersion::Http2,
            HttpVersionField::Auto => HttpVersion::Auto,
        },
        path_prefix: url.path,
        discovery,
        credentials,
        proxy_protocol,
    })
}

struct OriginUrl {
    host: String,
    port: u16,
    has_port: bool,
    is_https: bool,
    path: String,
}

fn parse_url(text: &str) -> Result<OriginUrl, String> {
    const SHAPE: &str = "http://host:port or https://host:port, with or without a path";
    let uri: Uri = text.parse().map_err(|_| SHAPE.to_owned())?;
    let is_https = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        _ => return Err(SHAPE.to_owned()),
    };
    let authority = uri.authority().ok_or(SHAPE)?;
    if authority.as_str().contains('@') {
        return Err("a URL without user and password".to_owned());
    }
    if text.contains(['?', '#']) {
        return Err("a URL without query or fragment: origins get those of the request".to_owned());
    }
    if text.ends_with('/') {
        return Err("no `/` at the end: paths of requests begin with one".to_owned());
    }
    check_host(authority.host())?;
    let has_port = authority.as_str().len() > authority.host().len();
    let port = match has_port {
        false => Ok(if is_https { 443 } else { 80 }),
        true => authority.port_u16().filter(|port| *port != 0).ok_or("a port from 1 to 65535"),
    }?;
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    let path = if uri.path() == "/" { String::new() } else { uri.path().to_owned() };
    check_path(&path)?;
    if path.len() > MAX_PATH_PREFIX {
        return Err(format!("a path of at most {MAX_PATH_PREFIX} bytes"));
    }
    Ok(OriginUrl { host, port, has_port, is_https, path })
}

fn discovery(fields: &OriginFields, url: Option<&OriginUrl>, place: &Place<'_>, report: &mut Report) -> Discovery {
    if fields.discovery == DiscoveryField::Address {
        return Discovery::Address;
    }
    if let Some(url) = url {
        if url.has_port {
            report.at(&place.field("url"), "no port, as SRV records name it");
        } else if url.host.parse::<IpAddr>().is_ok() {
            report.at(&place.field("url"), "a name with SRV records, not an address");
        }
        let has_name = fields.tls.as_ref().is_some_and(|tls| tls.server_name.is_some());
        if url.is_https && !has_name {
            // Anyone who can answer DNS could otherwise name a host of his own (RFC 6125 section 1.7.2).
            let place = place.field("tls");
            report.at(&place.field("server_name"), "a name to check, as those of SRV records cannot be trusted");
        }
    }
    Discovery::Srv
}

fn tls(fields: &OriginFields, url: Option<&OriginUrl>, place: &Place<'_>, report: &mut Report) -> Option<OriginTls> {
    let defaults = OriginTlsFields::default();
    let written = fields.tls.as_ref().unwrap_or(&defaults);
    let ca_file = written.ca_file.as_ref().map(|path| file(path, &place.field("ca_file"), report));
    if let Some(ServerNameField::Name(name)) = &written.server_name
        && let Err(expected) = check_host(name)
    {
        report.at(&place.field("server_name"), expected);
    }
    let client_certificate = written.client_certificate.as_ref().map(|fields| {
        let place = place.field("client_certificate");
        let chain = file(&fields.chain_file, &place.field("chain_file"), report);
        (chain, file(&fields.key_file, &place.field("key_file"), report))
    });
    let url = url?;
    if !url.is_https {
        if fields.tls.is_some() {
            report.found(place, "TLS for a URL with http", "an https URL, or no tls");
        }
        return None;
    }
    let server_name = match &written.server_name {
        None => ServerNamePolicy::Name(url.host.clone()),
        Some(ServerNameField::Name(name)) => ServerNamePolicy::Name(name.clone()),
        Some(ServerNameField::From(from)) => {
            if *from != Some(NameSourceField::HostField) {
                let place = place.field("server_name");
                report.at(&place.field("from"), "host_field");
            }
            ServerNamePolicy::HostField
        }
    };
    Some(OriginTls { server_name, ca_file, verify: written.verify, client_certificate })
}

fn proxy_protocol(fields: &OriginFields, place: &Place<'_>, report: &mut Report) -> Option<ProxyProtocolVersion> {
    let version = fields.proxy_protocol?;
    if fields.http_version != HttpVersionField::One {
        report.at(&place.field("http_version"), "1, as a connection with a PROXY protocol header serves one client");
    }
    Some(match version {
        ProxyProtocolVersionField::V1 => ProxyProtocolVersion::V1,
        ProxyProtocolVersionField::V2 => ProxyProtocolVersion::V2,
    })
}

fn credentials(field: &CredentialsField, place: &Place<'_>, report: &mut Report) -> Option<Credentials> {
    match field {
        CredentialsField::S3(fields) => {
            let place = place.field("s3");
            if !is_token(fields.region.as_bytes()) || fields.region.len() > MAX_SIGNATURE_REGION {
                report.at(&place.field("region"), "a region such as eu-central-1");
            }
            let mut secret = |path: &Path, name| file(path, &place.field(name), report);
            Some(Credentials::S3 {
                region: fields.region.clone(),
                access_key_file: secret(&fields.access_key_file, "access_key_file"),
                secret_key_file: secret(&fields.secret_key_file, "secret_key_file"),
                session_token_file: fields.session_token_file.as_ref().map(|path| secret(path, "session_token_file")),
            })
        }
        CredentialsField::Fields(fields) => secret_fields(fields, &place.field("fields"), report),
    }
}

fn secret_fields(fields: &[SecretFieldFields], list: &Place<'_>, report: &mut Report) -> Option<Credentials> {
    if fields.is_empty() {
        report.at(list, "at least one field");
    }
    if !check_length(fields.len(), MAX_SECRET_FIELDS, list, report) {
        return None;
    }
    let mut secrets: Vec<(http::HeaderName, PathBuf)> = Vec::new();
    for (index, SecretFieldFields { name, value_file }) in fields.iter().enumerate() {
        let place = list.element(index);
        let path = file(value_file, &place.field("value_file"), report);
        let place = place.field("name");
        match field_name(name, Direction::Request, &place, report) {
            Some(name) if secrets.iter().any(|(other, _)| *other == name) => report.at(&place, "each field once"),
            Some(name) => secrets.push((name, path)),
            None => {}
        }
    }
    Some(Credentials::Fields(secrets))
}
