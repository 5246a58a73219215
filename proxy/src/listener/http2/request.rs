//! From the fields of a section to a request, and the checks on the way (RFC 9113 section 8.3).

use bytes::Bytes;
use http::header::{COOKIE, HOST, TE};
use http::{HeaderMap, HeaderValue, Method};
use tidegate_config::field::HOP_BY_HOP;
use tidegate_config::model::Limits;

use super::hpack::Field;
use crate::listener::ready_response::StreamRequest;
use crate::listener::request_head::{Malformed, checked_host, content_length, is_plain_target, join_cookies};

/// Room for fields at once: browsers send some twenty.
const USUAL_FIELDS: usize = 24;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is malformed (RFC 9113 section 8.1.1).
    Reset,
    /// It is answered with the status of this.
    Answered(Malformed),
}

/// A request as it came, field by field.
#[derive(Debug)]
pub(super) struct Section {
    method: Option<Method>,
    scheme: Option<Bytes>,
    authority: Option<HeaderValue>,
    path: Option<Bytes>,
    fields: HeaderMap,
    most_fields: usize,
    /// Fields that are none of the pseudo-headers have begun.
    regular: bool,
    malformed: bool,
    too_many: bool,
    crumbs: usize,
}

/// A request that was checked.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) request: StreamRequest,
    pub(super) content_length: Option<u64>,
}

/// The authority that was checked last on a connection: nearly always the next one, too.
#[derive(Debug, Default)]
pub(super) struct KnownAuthority(Option<HeaderValue>);

impl KnownAuthority {
    fn check(&mut self, authority: HeaderValue) -> Result<HeaderValue, Malformed> {
        if self.0.as_ref() == Some(&authority) {
            return Ok(authority);
        }
        let host = checked_host(&authority)?;
        self.0 = Some(host.clone());
        Ok(host)
    }
}

impl Section {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            method: None,
            scheme: None,
            authority: None,
            path: None,
            fields: HeaderMap::with_capacity(USUAL_FIELDS),
            most_fields: limits.header_count,
            regular: false,
            malformed: false,
            too_many: false,
            crumbs: 0,
        }
    }

    /// Adds the field that comes next.
    pub(super) fn add(&mut self, field: Field) {
        let regular = self.regular;
        // Each stands once, and before all other fields (RFC 9113 section 8.3).
        let first = match field {
            Field::Regular(name, value) => {
                self.regular = true;
                self.crumbs += usize::from(name == COOKIE);
                if HOP_BY_HOP.contains(&name) && !(name == TE && value.as_bytes().eq_ignore_ascii_case(b"trailers")) {
                    self.malformed = true;
                } else if self.fields.len() >= self.most_fields {
                    self.too_many = true;
                } else {
                    self.fields.append(name, value);
                }
                return;
            }
            Field::Method(method) => self.method.replace(method).is_none(),
            Field::Scheme(scheme) => self.scheme.replace(scheme).is_none(),
            Field::Authority(authority) => self.authority.replace(authority).is_none(),
            Field::Path(path) => self.path.replace(path).is_none(),
            Field::Malformed(_) => false,
        };
        self.malformed |= regular || !first;
    }

    /// Whether it can be the end of a body: no pseudo-headers, and nothing malformed (RFC 9113 section 8.1).
    pub(super) fn is_trailers(&self) -> bool {
        let pseudo = self.method.is_some() || self.scheme.is_some() || self.authority.is_some() || self.path.is_some();
        !self.malformed && !pseudo
    }

    /// The request that it is.
    pub(super) fn finish(mut self, limits: &Limits, known: &mut KnownAuthority) -> Result<Checked, Refused> {
        if self.malformed {
            return Err(Refused::Reset);
        }
        if self.too_many {
            return Err(Refused::Answered(Malformed::TooManyFields));
        }
        let method = self.method.take().ok_or(Refused::Reset)?;
        let target = self.target(&method, limits)?;
        let content_length = content_length(&self.fields).map_err(Refused::Answered)?;
        self.set_host(known).map_err(Refused::Answered)?;
        if self.crumbs > 1 {
            join_cookies(&mut self.fields);
        }
        Ok(Checked { request: StreamRequest { method, target, fields: self.fields }, content_length })
    }

    /// The target, in the form that its method has: of CONNECT only the authority is sent (RFC 9113 section 8.5).
    fn target(&mut self, method: &Method, limits: &Limits) -> Result<Bytes, Refused> {
        let (scheme, path) = (self.scheme.take(), self.path.take());
        if *method == Method::CONNECT {
            return match (scheme, path) {
                (None, None) => Ok(Bytes::new()),
                _ => Err(Refused::Answered(Malformed::Target)),
            };
        }
        let (Some(scheme), Some(path)) = (scheme, path) else { return Err(Refused::Reset) };
        match &*scheme {
            b"https" => {}
            b"http" => return Err(Refused::Answered(Malformed::Misdirected)),
            _ => return Err(Refused::Answered(Malformed::Scheme)),
        }
        if path.len() > limits.target_bytes.as_usize() {
            return Err(Refused::Answered(Malformed::TargetTooLong));
        }
        if !is_plain_target(method, &path) {
            return Err(Refused::Answered(Malformed::Target));
        }
        Ok(path)
    }

    /// Makes the authority the one Host (RFC 9113 section 8.3.1).
    fn set_host(&mut self, known: &mut KnownAuthority) -> Result<(), Malformed> {
        let given = self.fields.get(HOST);
        let Some(authority) = self.authority.take().or_else(|| given.cloned()) else {
            return Err(Malformed::Authority);
        };
        let host = known.check(authority)?;
        if given.is_none() {
            self.fields.insert(HOST, host);
            return Ok(());
        }
        let mut given = self.fields.get_all(HOST).iter();
        let same = given.next().is_some_and(|given| given.as_bytes().eq_ignore_ascii_case(host.as_bytes()));
        if same && given.next().is_none() { Ok(()) } else { Err(Malformed::Authority) }
    }
}
