//! Coding of bytes, all at once.

use std::io::{self, Write};

use bytes::Bytes;
use tidegate_config::model::Coding;

/// Levels at which a playlist of 100 KB takes about a millisecond: what is coded once is served often, but live playlists
/// are coded anew every few seconds.
const ZSTD_LEVEL: i32 = 6;
const BROTLI_QUALITY: u32 = 5;
const GZIP_LEVEL: u32 = 6;

/// Brotli's window as a power of two: its usual one, and as large as the largest bodies that are coded by default.
const BROTLI_WINDOW: u32 = 22;

/// Window of zstd as a power of two at most: what every decoder must take (RFC 9659).
const ZSTD_WINDOW: u32 = 23;

/// Bytes between the compressor of brotli and what it writes to.
const BROTLI_BUFFER: usize = 16 * 1024;

/// The blocks together in this coding. Blocks the thread for as long as that takes.
///
/// # Errors
/// When the library fails, for which there is no known cause.
pub fn encode(coding: Coding, blocks: &[Bytes]) -> io::Result<Vec<u8>> {
    match coding {
        Coding::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
            let length: usize = blocks.iter().map(Bytes::len).sum();
            encoder.set_pledged_src_size(Some(length as u64))?;
            let window = length.next_power_of_two().trailing_zeros().clamp(10, ZSTD_WINDOW);
            encoder.window_log(window)?;
            write(&mut encoder, blocks)?;
            encoder.finish()
        }
        Coding::Brotli => {
            let mut encoder = brotli::CompressorWriter::new(Vec::new(), BROTLI_BUFFER, BROTLI_QUALITY, BROTLI_WINDOW);
            write(&mut encoder, blocks)?;
            Ok(encoder.into_inner())
        }
        Coding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL));
            write(&mut encoder, blocks)?;
            encoder.finish()
        }
    }
}

fn write(encoder: &mut impl Write, blocks: &[Bytes]) -> io::Result<()> {
    blocks.iter().try_for_each(|block| encoder.write_all(block))
}
