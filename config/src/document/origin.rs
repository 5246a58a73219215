//! Origins: where they are, how they are spoken to, and what they want to see.

use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// One origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OriginFields {
    /// Its name, unique in the pool.
    pub name: String,
    /// `http://host:port/path` or `https://host:port/path`. Without a port: 80 and 443. The path, if any, is put in front
    /// of every request's; it ends without a slash.
    pub url: String,
    /// The region it stands in.
    pub region: String,
    /// Its share among origins of the same region, 0 to 65535; with 0 it gets requests only when no other can. Default:
    /// 100, so that finer shares need no change of the others.
    #[serde(default = "weight")]
    pub weight: u16,
    /// `true` takes it out for maintenance: requests in flight end there, new ones go to the others of the pool, also when
    /// those fail; only where all of a pool are drained they are used all the same. It is still probed, and a kill switch
    /// can still pin it. Default: `false`.
    #[serde(default)]
    pub drain: bool,
    /// TLS towards it; only with an `https` URL. Default: its own host as the name, checked against the system's
    /// authorities.
    #[serde(default)]
    pub tls: Option<OriginTlsFields>,
    /// HTTP version spoken to it: `1`, `2`, or `auto` for HTTP/2 where TLS offers it. Default: `1`, which every origin
    /// speaks and where a slow response holds up no other.
    #[serde(default)]
    pub http_version: HttpVersionField,
    /// How its addresses are found: `address` (A and AAAA records of the host, or the address itself) or `srv` (SRV
    /// records under the host, such as `_http._tcp.origin.example`, which name hosts and ports). Default: `address`.
    #[serde(default)]
    pub discovery: DiscoveryField,
    /// What a private origin wants to see: `{s3: {…}}` or `{fields: […]}`. Default: nothing.
    #[serde(default)]
    pub credentials: Option<CredentialsField>,
    /// PROXY protocol header at the start of each connection: `v1` or `v2`. Such a connection serves one client alone,
    /// so it needs HTTP version 1. Default: none.
    #[serde(default)]
    pub proxy_protocol: Option<ProxyProtocolVersionField>,
}

/// TLS towards an origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OriginTlsFields {
    /// Name sent as SNI and checked against the certificate: a host, or `{from: host_field}` for that of the Host field
    /// which the origin gets. Default: the host of the URL.
    pub server_name: Option<ServerNameField>,
    /// PEM bundle of the authorities trusted instead of the system's. A relative path starts at this file's folder.
    /// Default: the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether the certificate is checked. Default: `true`; without, anyone on the way can pose as the origin.
    pub verify: bool,
    /// Certificate shown to the origin when it asks for one. Default: none.
    pub client_certificate: Option<ClientCertificateFields>,
}

/// A chain and its key, read again when they change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificateFields {
    /// PEM file: the leaf first, then the intermediates. A relative path starts at this file's folder.
    pub chain_file: PathBuf,
    /// PEM file: the private key. A relative path starts at this file's folder.
    pub key_file: PathBuf,
}

/// How the addresses of an origin are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiscoveryField {
    /// A and AAAA records.
    #[default]
    Address,
    /// SRV records (RFC 2782).
    Srv,
}

/// Version of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyProtocolVersionField {
    /// Text.
    V1,
    /// Binary.
    V2,
}

/// What a private origin wants to see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialsField {
    /// A signature (version 4), as S3 and what speaks like it want.
    S3(S3Fields),
    /// Fields with secrets, 1 to 16.
    Fields(Vec<SecretFieldFields>),
}

/// Keys of an S3-compatible store. Files are read again when they change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct S3Fields {
    /// Region of the signature, such as `eu-central-1`.
    pub region: String,
    /// File with the access key id. A relative path starts at this file's folder.
    pub access_key_file: PathBuf,
    /// File with the secret access key. A relative path starts at this file's folder.
    pub secret_key_file: PathBuf,
    /// File with the session token of temporary keys. Default: none.
    #[serde(default)]
    pub session_token_file: Option<PathBuf>,
}

/// A field whose value is a secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretFieldFields {
    /// Its name.
    pub name: String,
    /// File with its value; white space at the end is not part of it. A relative path starts at this file's folder.
    pub value_file: PathBuf,
}

impl Default for OriginTlsFields {
    fn default() -> Self {
        Self { server_name: None, ca_file: None, verify: true, client_certificate: None }
    }
}

/// HTTP version spoken to an origin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HttpVersionField {
    /// Written `1`: HTTP/1.1.
    #[default]
    One,
    /// Written `2`: HTTP/2, with prior knowledge in plaintext.
    Two,
    /// Written `auto`: HTTP/2 where ALPN offers it, else HTTP/1.1.
    Auto,
}

impl<'de> Deserialize<'de> for HttpVersionField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HttpVersionVisitor)
    }
}

struct HttpVersionVisitor;

impl de::Visitor<'_> for HttpVersionVisitor {
    type Value = HttpVersionField;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("one of 1, 2, auto")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<HttpVersionField, E> {
        match value {
            1 => Ok(HttpVersionField::One),
            2 => Ok(HttpVersionField::Two),
            _ => Err(E::invalid_value(de::Unexpected::Unsigned(value), &self)),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<HttpVersionField, E> {
        match text {
            "1" => Ok(HttpVersionField::One),
            "2" => Ok(HttpVersionField::Two),
            "auto" => Ok(HttpVersionField::Auto),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}

impl Serialize for HttpVersionField {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One => serializer.serialize_u8(1),
            Self::Two => serializer.serialize_u8(2),
            Self::Auto => serializer.serialize_str("auto"),
        }
    }
}

impl JsonSchema for HttpVersionField {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HttpVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": [1, 2, "auto"] })
    }
}

/// Which name is sent as SNI and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerNameField {
    /// Written as a text: this one.
    Name(String),
    /// Written `{from: host_field}`; without a value it could not be read.
    From(Option<NameSourceField>),
}

/// Where a server name comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NameSourceField {
    /// The Host field that the origin gets, without its port.
    HostField,
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct ServerNameFrom {
    /// `host_field`: the Host field that the origin gets, without its port.
    from: Option<NameSourceField>,
}

impl<'de> Deserialize<'de> for ServerNameField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ServerNameVisitor)
    }
}

struct ServerNameVisitor;

impl<'de> de::Visitor<'de> for ServerNameVisitor {
    type Value = ServerNameField;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a host name, or {from: host_field}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ServerNameField, E> {
        Ok(ServerNameField::Name(text.to_owned()))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<ServerNameField, A::Error> {
        let written = ServerNameFrom::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(ServerNameField::From(written.from))
    }
}

impl Serialize for ServerNameField {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Name(name) => serializer.serialize_str(name),
            Self::From(from) => ServerNameFrom { from: *from }.serialize(serializer),
        }
    }
}

impl JsonSchema for ServerNameField {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ServerName".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, generator.subschema_for::<ServerNameFrom>()] })
    }
}

fn weight() -> u16 {
    100
}
