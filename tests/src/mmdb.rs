//! Writes databases in MaxMind's format (MaxMind DB File Format Specification, version 2.0), so that tests need none
//! of anybody's data. IPv6 trees with IPv4 below `::/96`, records of 32 bits, equal records stored once.

use std::collections::HashMap;
use std::net::IpAddr;

/// A value of a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// UTF-8 text.
    Text(String),
    /// A floating-point number.
    Double(f64),
    /// A whole number.
    Number(u32),
    /// Truth.
    Boolean(bool),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name.
    Map(Vec<(&'static str, Value)>),
}

/// Text.
#[must_use]
pub fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

#[derive(Debug, Clone, Copy)]
enum Record {
    Empty,
    Node(u32),
    Data(u32),
}

/// A database in the making.
#[derive(Debug)]
pub struct Mmdb {
    database_type: String,
    build_epoch: u64,
    nodes: Vec<[Record; 2]>,
    data: Vec<u8>,
    offsets: HashMap<Vec<u8>, u32>,
}

/// Appends a value.
type Append<'a> = dyn Fn(&mut Vec<u8>) + 'a;

const SEPARATOR: [u8; 16] = [0; 16];
const METADATA_MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

impl Mmdb {
    /// An empty one of this type, such as `GeoLite2-City`, built at this second of Unix time.
    #[must_use]
    pub fn new(database_type: &str, build_epoch: u64) -> Self {
        Self {
            database_type: database_type.to_owned(),
            build_epoch,
            nodes: vec![[Record::Empty; 2]],
            data: Vec::new(),
            offsets: HashMap::new(),
        }
    }

    /// Adds what is known of a network. A network inside another comes after it.
    ///
    /// # Panics
    /// When the database grows beyond what the format can address.
    pub fn insert(&mut self, address: IpAddr, prefix: u8, record: &Value) {
        let (bits, length) = match address {
            IpAddr::V4(address) => (u128::from(u32::from(address)), prefix + 96),
            IpAddr::V6(address) => (u128::from(address), prefix),
        };
        let data = Record::Data(self.store(record));
        let mut node = 0;
        for depth in 0..length - 1 {
            node = self.child(node, bit(bits, depth));
        }
        self.nodes[node][bit(bits, length - 1)] = data;
    }

    /// The node below, made when there is none; what was known of the whole is known of both its halves.
    fn child(&mut self, node: usize, side: usize) -> usize {
        let inherited = match self.nodes[node][side] {
            Record::Node(child) => return child as usize,
            other => other,
        };
        let child = self.nodes.len();
        self.nodes.push([inherited; 2]);
        self.nodes[node][side] = Record::Node(u32::try_from(child).expect("the tree fits 32 bits"));
        child
    }

    fn store(&mut self, record: &Value) -> u32 {
        let mut bytes = Vec::new();
        append(&mut bytes, record);
        let next = u32::try_from(self.data.len()).expect("the data fits 32 bits");
        let data = &mut self.data;
        *self.offsets.entry(bytes).or_insert_with_key(|bytes| {
            data.extend_from_slice(bytes);
            next
        })
    }

    /// The file.
    ///
    /// # Panics
    /// When the database has grown beyond what the format can address.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let count = u32::try_from(self.nodes.len()).expect("the tree fits 32 bits");
        let mut file = Vec::with_capacity(self.nodes.len() * 8 + self.data.len() + 1_024);
        for record in self.nodes.iter().flatten() {
            let value = match *record {
                Record::Empty => count,
                Record::Node(node) => node,
                Record::Data(offset) => count + 16 + offset,
            };
            file.extend_from_slice(&value.to_be_bytes());
        }
        file.extend_from_slice(&SEPARATOR);
        file.extend_from_slice(&self.data);
        file.extend_from_slice(METADATA_MARKER);
        self.append_metadata(&mut file, count);
        file
    }

    fn append_metadata(&self, file: &mut Vec<u8>, count: u32) {
        append_control(file, 7, 9); // a map of nine
        let unsigned16 = |file: &mut Vec<u8>, value: u8| file.extend_from_slice(&[5 << 5 | 1, value]);
        let fields: [(&str, &Append<'_>); 9] = [
            ("binary_format_major_version", &|file| unsigned16(file, 2)),
            ("binary_format_minor_version", &|file| unsigned16(file, 0)),
            ("build_epoch", &|file| {
                append_control(file, 9, 8);
                file.extend_from_slice(&self.build_epoch.to_be_bytes());
            }),
            ("database_type", &|file| append(file, &text(&self.database_type))),
            ("description", &|file| append(file, &Value::Map(vec![("en", text("made by a test"))]))),
            ("ip_version", &|file| unsigned16(file, 6)),
            ("languages", &|file| append(file, &Value::List(vec![text("en")]))),
            ("node_count", &|file| append(file, &Value::Number(count))),
            ("record_size", &|file| unsigned16(file, 32)),
        ];
        for (name, value) in fields {
            append(file, &text(name));
            value(file);
        }
    }
}

fn bit(bits: u128, depth: u8) -> usize {
    usize::from(bits >> (127 - depth) & 1 == 1)
}

fn append(bytes: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Text(text) => {
            append_control(bytes, 2, text.len());
            bytes.extend_from_slice(text.as_bytes());
        }
        Value::Double(number) => {
            append_control(bytes, 3, 8);
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        Value::Number(number) => {
            append_control(bytes, 6, 4);
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        Value::Boolean(truth) => append_control(bytes, 14, usize::from(*truth)),
        Value::List(values) => {
            append_control(bytes, 11, values.len());
            values.iter().for_each(|value| append(bytes, value));
        }
        Value::Map(fields) => {
            append_control(bytes, 7, fields.len());
            for (name, value) in fields {
                append(bytes, &text(name));
                append(bytes, value);
            }
        }
    }
}

/// Type and size in front of a value; types above 7 take a byte more, sizes above 28 one or two more.
fn append_control(bytes: &mut Vec<u8>, kind: u8, size: usize) {
    let (low, more): (u8, Vec<u8>) = match size {
        0..29 => (size as u8, Vec::new()),
        29..285 => (29, vec![(size - 29) as u8]),
        _ => (30, u16::try_from(size - 285).expect("values of tests are short").to_be_bytes().to_vec()),
    };
    if kind <= 7 {
        bytes.push(kind << 5 | low);
    } else {
        bytes.extend_from_slice(&[low, kind - 7]);
    }
    bytes.extend_from_slice(&more);
}
