//! Letting go of everything at once, durably: what a device needs that missed more removals than were noted for it.

use std::io;

use super::stream::Stream;
use super::{StateError, Volume};

impl Volume {
    /// Every segment becomes free. One thing is made durable, which says that nothing of what there was is there any more:
    /// with as many segments as a large device has, doing so for each of them would take minutes. After an error everything
    /// is as it was.
    pub(super) fn clear_all(&self) -> io::Result<()> {
        let mut writer = self.writer.lock();
        self.void_everything().map_err(|error| match error {
            StateError::Io { source, .. } => source,
            other => io::Error::other(other),
        })?;
        for stream in Stream::ALL {
            writer.close(stream);
        }
        let full: Vec<u32> = writer.full().map(|full| full.segment).collect();
        for segment in full {
            self.index.forget_segment(segment, &mut |_| {});
            match self.segments.empty(segment) {
                Ok(()) => {
                    self.segments.end(segment);
                    self.release(&mut writer, segment);
                }
                // Whatever it says does not count any more.
                Err(_) => writer.refused(segment),
            }
        }
        self.count_free(&writer);
        Ok(())
    }
}
