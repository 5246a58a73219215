//! Generated connections, as another implementation writes and reads them.

use httlib_hpack::Encoder;
use proptest::collection::vec;
use proptest::prelude::*;

use super::encoding::read_by_other;
use super::*;

/// One field or size update, as an encoder is told to write it.
#[derive(Debug, Clone)]
enum Step {
    Field { name: &'static str, value: String, flags: u8 },
    Block { size: Option<usize> },
}

/// Few names and values, so that they come again, and any values, so that all codes come.
fn step() -> impl Strategy<Value = Step> {
    let name =
        prop::sample::select(vec!["accept", "cookie", "x-player", "user-agent", "a", "te", ":path", ":authority"]);
    let value = prop_oneof![
        prop::sample::select(vec!["", "1", "gzip, deflate", "/", "/live/low/segment-000042.m4s"])
            .prop_map(String::from),
        "[!-~]([ -~]{0,300}[!-~])?",
        "[¡-ÿĀ-ſ]{1,20}",
    ];
    // Huffman coding of name and value, entered, never entered, the shortest form.
    let flags = prop::sample::select(vec![0x00, 0x03, 0x07, 0x04, 0x08, 0x0b, 0x10, 0x13, 0x14, 0x16, 0x17]);
    let size = prop::option::of(prop::sample::select(vec![0, 33, 34, 64, 100, 700, 4095, 4096]));
    prop_oneof![
        6 => (name, value, flags).prop_map(|(name, value, flags)| Step::Field { name, value, flags }),
        1 => size.prop_map(|size| Step::Block { size }),
    ]
}

proptest! {
    #[test]
    fn what_another_implementation_writes_is_read(steps in vec(step(), 1..120)) {
        let (mut encoder, mut decoder) = (Encoder::with_dynamic_size(4096), Decoder::new(4096));
        let (mut block, mut expected) = (Vec::new(), Vec::new());
        for step in steps.into_iter().chain([Step::Block { size: None }]) {
            match step {
                Step::Field { name, value, flags } => {
                    expected.push(format!("{name}: {}", value.as_bytes().escape_ascii()));
                    encoder.encode((name.as_bytes().to_vec(), value.into_bytes(), flags), &mut block).unwrap();
                }
                Step::Block { size } => {
                    prop_assert_eq!(decode(&mut decoder, &block).unwrap(), std::mem::take(&mut expected));
                    block.clear();
                    if let Some(size) = size {
                        encoder.update_max_dynamic_size(size as u32, &mut block).unwrap();
                    }
                }
            }
        }
    }

    #[test]
    fn what_we_write_another_implementation_reads(
        fields in vec(("[!#$%&'*+.^_`|~0-9a-z-]{1,80}", vec(0x20..=0xff_u8, 0..300), 0..3_usize), 1..30)
    ) {
        let mut block = Vec::new();
        for (name, value, way) in &fields {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            match way {
                0 => write_field(&mut block, &name, value),
                1 => write_field_compressed(&mut block, &name, value),
                _ => write_field_with(&mut block, &name, |out| out.extend_from_slice(value)),
            }
        }
        let expected: Vec<_> = fields.into_iter().map(|(name, value, _)| (name.into_bytes(), value)).collect();
        prop_assert_eq!(read_by_other(&block), expected);
    }

    #[test]
    fn strings_come_back_from_their_code(plain in vec(any::<u8>(), 0..200)) {
        let (mut coded, mut again) = (Vec::new(), Vec::new());
        huffman::encode(&plain, &mut coded);
        prop_assert_eq!(coded.len(), huffman::coded_length(&plain));
        prop_assert_eq!(huffman::decode(&coded, &mut again), Ok(&plain[..]));
    }

    #[test]
    fn integers_come_back_in_every_prefix(value in 0_usize..1 << 28, prefix in 4..=7_u32) {
        let mut coded = Vec::new();
        integer::write(&mut coded, 0, prefix, value);
        let mut rest = &coded[1..];
        prop_assert_eq!(integer::read(coded[0], prefix, &mut rest), Ok(value));
        prop_assert!(rest.is_empty());
    }
}
