//! Where an MP4 has its index, `moov` (ISO/IEC 14496-12 section 8.2.1): in front of the media data, or behind it.

/// Boxes that are looked at. `moov` or `mdat` is among the first few; a file may have any number of empty ones.
const MOST_BOXES: usize = 16;

/// Whether what begins like this is an MP4 whose media data comes before its index: every player then reads the end
/// before it can play anything.
pub(super) fn is_behind(front: &[u8]) -> bool {
    let mut offset = 0_usize;
    for number in 0..MOST_BOXES {
        let Some((length, kind)) = header(front.get(offset..).unwrap_or_default()) else { return false };
        match kind {
            b"ftyp" => {}
            _ if number == 0 => return false, // no MP4
            b"mdat" => return true,
            b"moov" | b"moof" => return false,
            _ => {}
        }
        let Some(next) = usize::try_from(length).ok().and_then(|length| offset.checked_add(length)) else {
            return false;
        };
        offset = next;
    }
    false
}

/// Length and kind of a box (ISO/IEC 14496-12 section 4.2). A length of 0 is one up to the end of the file.
fn header(text: &[u8]) -> Option<(u64, &[u8])> {
    let (short, kind) = (text.get(..4)?, text.get(4..8)?);
    let short = u64::from(u32::from_be_bytes(short.try_into().ok()?));
    let length = match short {
        0 => u64::MAX,
        1 => u64::from_be_bytes(text.get(8..16)?.try_into().ok()?),
        short => short,
    };
    (length >= 8).then_some((length, kind))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boxes(list: &[(&[u8; 4], u32)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, length) in list {
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(*kind);
            bytes.resize(bytes.len() + usize::try_from(length.saturating_sub(8).min(64)).unwrap(), 0);
        }
        bytes
    }

    #[test]
    fn index_behind_the_media_data_is_seen() {
        let check =
            |list: &[(&[u8; 4], u32)], expected: bool| assert_eq!(is_behind(&boxes(list)), expected, "{list:?}");
        check(&[(b"ftyp", 24), (b"mdat", 1 << 30)], true);
        check(&[(b"ftyp", 24), (b"free", 8), (b"mdat", 0)], true);
        check(&[(b"ftyp", 24), (b"moov", 64), (b"mdat", 1 << 30)], false);
        check(&[(b"ftyp", 24), (b"moof", 64), (b"mdat", 1 << 30)], false);
        check(&[(b"mdat", 1 << 30)], false);
        check(&[(b"ftyp", 24), (b"free", 3)], false);
        check(&[(b"ftyp", 24)], false);
        check(&[], false);
    }

    proptest! {
        #[test]
        fn nothing_that_comes_breaks_it(mut front in proptest::collection::vec(any::<u8>(), 0..200), mp4: bool) {
            if mp4 && front.len() >= 8 {
                front[..8].copy_from_slice(b"\0\0\0\x08ftyp");
            }
            is_behind(&front);
        }
    }
}
