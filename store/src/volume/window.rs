//! Reading many records of a segment one after another: those that stand close together come with one read.

use std::io;

use super::Place;
use crate::segments::Segments;

/// Bytes read at once at most, unless a record is larger.
const WINDOW: u64 = 256 * 1024;
/// Fewer records than this in a window are read one by one: a long read of what is not in memory costs as much as some short
/// ones.
const WORTH_A_WINDOW: usize = 4;

/// A stretch of a segment's data.
#[derive(Default)]
pub(super) struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// The bytes of the first of these records, which are of one segment and in its order.
    pub(super) fn read(&mut self, segments: &Segments, places: &[Place]) -> io::Result<Vec<u8>> {
        let Some(place) = places.first() else { return Err(io::ErrorKind::InvalidInput.into()) };
        if let Some(bytes) = self.part(place) {
            return Ok(bytes.to_vec());
        }
        let near = places.iter().take_while(|other| end(other) <= place.offset() + WINDOW);
        let (count, reach) = near.fold((0, 0), |(count, _), other| (count + 1, end(other)));
        if count >= WORTH_A_WINDOW
            && self.fill(segments, place, reach).is_ok()
            && let Some(bytes) = self.part(place)
        {
            return Ok(bytes.to_vec());
        }
        let mut bytes = vec![0; place.length as usize];
        segments.read(place.segment, place.offset(), &mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, segments: &Segments, place: &Place, reach: u64) -> io::Result<()> {
        self.start = place.offset();
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.resize(usize::try_from(reach - self.start).unwrap_or_default(), 0);
        segments.read(place.segment, self.start, &mut bytes)?;
        self.bytes = bytes;
        Ok(())
    }

    fn part(&self, place: &Place) -> Option<&[u8]> {
        let start = usize::try_from(place.offset().checked_sub(self.start)?).ok()?;
        self.bytes.get(start..start + place.length as usize)
    }
}

fn end(place: &Place) -> u64 {
    place.offset() + u64::from(place.length)
}
