//! gzip (RFC 1952) of many small bodies.
//!
//! A compressor's tables are much larger than what it compresses here, an entry bundle of some kilobytes: to make them anew for
//! each costs as much as to compress. So they are kept. Out of scope: reading ([`crate::log_source`]).

use std::{
    io::Write as _,
    sync::{Mutex, PoisonError},
};

use flate2::{Compression, Crc, write::DeflateEncoder};

/// Compressors that nobody uses now.
static IDLE: Mutex<Vec<DeflateEncoder<Vec<u8>>>> = Mutex::new(Vec::new());
/// So many are kept, some 300 KB each.
const IDLE_MAX: usize = 8;

/// RFC 1952 §2.3: deflate, no flags, no time, made on nobody says which system.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// The bytes as one member. Hashes do not compress; what is gained lies between them, and the fast level finds it.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 64);
    out.extend_from_slice(&HEAD);
    let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut encoder = idle.unwrap_or_else(|| DeflateEncoder::new(Vec::new(), Compression::fast()));
    let compress = || {
        encoder.reset(out)?;
        encoder.write_all(bytes)?;
        encoder.try_finish()?;
        Ok::<_, std::io::Error>(std::mem::take(encoder.get_mut()))
    };
    let mut out = compress().expect("writing to memory cannot fail");
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    if idle.len() < IDLE_MAX {
        idle.push(encoder);
    }
    drop(idle);
    let mut sum = Crc::new();
    sum.update(bytes);
    out.extend_from_slice(&sum.sum().to_le_bytes());
    out.extend_from_slice(&sum.amount().to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    fn unzip(bytes: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        GzDecoder::new(bytes).read_to_end(&mut plain).expect("one member, whole");
        plain
    }

    #[test]
    fn a_kept_compressor_knows_nothing_of_what_it_compressed() {
        let text: Vec<u8> = (0..20_000_u32).flat_map(|n| (n / 7).to_be_bytes()).collect();
        let first = gzip(&text);
        assert!(first.len() < text.len() / 2);
        for bytes in [&b""[..], b"a", &text[..5_000], &text] {
            assert_eq!(unzip(&gzip(bytes)), bytes);
        }
        assert_eq!(gzip(&text), first, "the same bytes for everybody, whoever came before");
    }

    #[test]
    fn many_at_once() {
        std::thread::scope(|scope| {
            for n in 0..2 * IDLE_MAX as u8 {
                scope.spawn(move || {
                    let bytes = vec![n; 3_000 + usize::from(n)];
                    (0..50).for_each(|_| assert_eq!(unzip(&gzip(&bytes)), bytes));
                });
            }
        });
        assert!(IDLE.lock().unwrap().len() <= IDLE_MAX);
    }
}
