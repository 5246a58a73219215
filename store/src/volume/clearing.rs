//! Letting go of everything at once, durably: what a device needs that missed more removals than were noted for it.

use std::io;

use super::Volume;
use super::stream::Stream;

impl Volume {
    /// Every segment becomes free; what its index said is gone from the device too. After an error some records may come
    /// back with a restart, and none is found until then.
    pub(super) fn clear_all(&self) -> io::Result<()> {
        let mut writer = self.writer.lock();
        for stream in Stream::ALL {
            writer.close(stream);
        }
        let mut cleared = Ok(());
        let full: Vec<u32> = writer.full().map(|full| full.segment).collect();
        for segment in full {
            self.index.forget_segment(segment, &mut |_| {});
            match self.segments.end(segment).and_then(|()| self.segments.sync(segment)) {
                Ok(()) => self.release(&mut writer, segment),
                Err(error) => {
                    writer.trouble(segment);
                    cleared = Err(error);
                }
            }
        }
        self.count_free(&writer);
        cleared
    }
}
