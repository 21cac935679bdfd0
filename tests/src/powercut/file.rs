//! One file's bytes: the backing file holds what callers see now, and here is what the disk would still hold instead.
//!
//! ```text
//! page not in `pages`   on disk as in the backing file (zeros beyond the durable size)
//! page in `pages`       changed since the last sync; `base` is what the disk holds, `None` for zeros
//! ```
//!
//! A page is the unit in which the kernel writes back (4 KiB), a sector the unit that a disk writes whole (512 B).

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::CutMode;
use super::dice::Dice;
use super::journal::Moment;

pub(super) const PAGE: usize = 4096;
pub(super) const SECTOR: usize = 512;
const PAGE_LEN: u64 = PAGE as u64;

type Image = [u8; PAGE];

struct Page {
    base: Option<Box<Image>>,
    /// The journal's next number at the last change: the change came after every operation with a lower one.
    written: u64,
    /// A sync of this page failed. Linux then takes it for clean, so that no later sync writes it (unless it is written
    /// again), although readers still see the new bytes.
    lost: bool,
}

/// A truncation of this file that was not durable at the cut, and whether the cut kept it.
pub(super) struct Resize {
    pub(super) seq: u64,
    pub(super) size: u64,
    pub(super) kept: bool,
}

/// What the cut did to the pages of one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) unsynced: u64,
    pub(super) kept: u64,
    pub(super) torn: u64,
}

pub(super) struct FileData {
    /// The size that callers see.
    size: u64,
    /// The size on disk, as long as no operation of the journal says otherwise.
    durable_size: u64,
    pages: BTreeMap<u64, Page>,
    /// The transaction of the journal that carries the time of the last write.
    written_in: Option<u64>,
    /// Where writes since the last sync moved the end to: the disk may hold any of these sizes.
    ends: Vec<u64>,
}

impl FileData {
    /// A file that is wholly on disk (of size 0: a new one).
    pub(super) fn durable(size: u64) -> Self {
        Self { size, durable_size: size, pages: BTreeMap::new(), written_in: None, ends: Vec::new() }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn has_unsynced_pages(&self) -> bool {
        !self.pages.is_empty()
    }

    pub(super) fn has_unsynced_size(&self) -> bool {
        self.size != self.durable_size
    }

    pub(super) fn was_written_in(&self, transaction: u64) -> bool {
        self.written_in == Some(transaction)
    }

    pub(super) fn unsynced_pages(&self) -> u64 {
        self.pages.len() as u64
    }

    /// Writes through, keeping the bytes on disk first.
    pub(super) fn write(&mut self, file: &File, offset: u64, data: &[u8], now: Moment) -> io::Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let end = offset + data.len() as u64;
        for number in offset / PAGE_LEN..=(end - 1) / PAGE_LEN {
            self.touch(file, number, now.seq)?;
        }
        file.write_all_at(data, offset)?;
        self.written_in = Some(now.transaction);
        if end > self.size {
            self.size = end;
            self.ends.push(end);
        }
        Ok(())
    }

    /// Moves the end; `seq` is the number of the journal's operation for it.
    pub(super) fn resize(&mut self, file: &File, size: u64, seq: u64) -> io::Result<()> {
        if size < self.size {
            // Pages that lose bytes: what they hold from now on exists only if the truncation does.
            for number in size / PAGE_LEN..self.durable_size.div_ceil(PAGE_LEN) {
                self.touch(file, number, seq + 1)?;
            }
            for page in self.pages.range_mut(size / PAGE_LEN..).map(|(_, page)| page) {
                page.written = seq + 1;
            }
        }
        file.set_len(size)?;
        self.size = size;
        self.ends.clear();
        Ok(())
    }

    /// A truncation of this file is now on disk, by a commit of the journal that did not write our pages.
    pub(super) fn resize_committed(&mut self, size: u64) {
        self.durable_size = size;
        for (number, page) in &mut self.pages {
            cut_off(&mut page.base, *number, size);
        }
    }

    /// fsync or fdatasync of the whole file, after the journal's operations on it were committed.
    pub(super) fn synced(&mut self) {
        self.pages.retain(|_, page| page.lost);
        self.durable_size = self.size;
        self.written_in = None;
        self.ends.clear();
    }

    /// A sync that failed: none of the pages may be on disk, and no later sync will write them.
    pub(super) fn sync_failed(&mut self) {
        for page in self.pages.values_mut() {
            page.lost = true;
        }
    }

    /// Makes the backing file what the disk holds after the cut.
    pub(super) fn settle(&self, file: &File, resizes: &[Resize], mode: CutMode, dice: &mut Dice) -> io::Result<Tally> {
        let size = self.settled_size(resizes, mode, dice);
        let mut tally = Tally { unsynced: self.unsynced_pages(), ..Tally::default() };
        for (number, page) in &self.pages {
            let start = number * PAGE_LEN;
            let mut base = page.base.clone();
            for resize in resizes.iter().filter(|resize| resize.kept) {
                cut_off(&mut base, *number, resize.size);
            }
            let base = base.map_or([0; PAGE], |image| *image);
            // Bytes written behind a truncation that is lost lie in blocks that nothing refers to.
            let orphaned = resizes
                .iter()
                .any(|resize| !resize.kept && resize.seq < page.written && resize.size < start + PAGE_LEN);
            let mask = if orphaned { 0 } else { sectors_kept(mode, dice) };
            let now = read_page(file, *number, self.size)?;
            let settled = mix(&base, &now, mask);
            if start < size {
                if mask == u8::MAX {
                    tally.kept += 1;
                } else if settled != base && settled != now {
                    tally.torn += 1;
                }
            }
            file.write_all_at(&settled, start)?;
        }
        file.set_len(size)?;
        Ok(tally)
    }

    /// The size on disk: what the kept truncations say, and behind it as much of the later growth as the dice allow.
    fn settled_size(&self, resizes: &[Resize], mode: CutMode, dice: &mut Dice) -> u64 {
        let on_disk = resizes.iter().rfind(|resize| resize.kept).map_or(self.durable_size, |resize| resize.size);
        let growth = self.size.saturating_sub(on_disk);
        if mode == CutMode::LoseAll || growth == 0 || resizes.iter().any(|resize| !resize.kept) {
            return on_disk;
        }
        let step = if mode == CutMode::Torn { SECTOR as u64 } else { PAGE_LEN };
        match dice.below(4) {
            0 => on_disk,
            1 => self.size,
            2 if !self.ends.is_empty() => {
                let pick = usize::try_from(dice.below(self.ends.len() as u64)).unwrap_or(0);
                self.ends[pick].clamp(on_disk, self.size)
            }
            _ => ((on_disk + dice.below(growth)) / step * step).max(on_disk),
        }
    }

    /// Notes that a page changes now, with what the disk holds of it if it was clean until now.
    fn touch(&mut self, file: &File, number: u64, seq: u64) -> io::Result<()> {
        if let Some(page) = self.pages.get_mut(&number) {
            page.written = seq;
            page.lost = false;
            return Ok(());
        }
        let base = if number * PAGE_LEN < self.durable_size {
            Some(Box::new(read_page(file, number, self.durable_size)?))
        } else {
            None
        };
        self.pages.insert(number, Page { base, written: seq, lost: false });
        Ok(())
    }
}

/// A page's bytes below `end`, zeros behind.
fn read_page(file: &File, number: u64, end: u64) -> io::Result<Image> {
    let mut image = [0; PAGE];
    let start = number * PAGE_LEN;
    let wanted = usize::try_from(end.saturating_sub(start)).unwrap_or(PAGE).min(PAGE);
    let mut filled = 0;
    while filled < wanted {
        match file.read_at(&mut image[filled..wanted], start + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(image)
}

/// Zeros the bytes of a page that a truncation to `size` takes away.
fn cut_off(base: &mut Option<Box<Image>>, number: u64, size: u64) {
    let left = usize::try_from(size.saturating_sub(number * PAGE_LEN)).unwrap_or(PAGE);
    match base {
        Some(_) if left == 0 => *base = None,
        Some(image) if left < PAGE => image[left..].fill(0),
        _ => {}
    }
}

/// Which of a page's eight sectors the disk took: all, none, or in `Torn` some.
fn sectors_kept(mode: CutMode, dice: &mut Dice) -> u8 {
    match mode {
        CutMode::LoseAll => 0,
        CutMode::LoseRandom => [0, u8::MAX][usize::from(dice.below(2) == 1)],
        CutMode::Torn => match dice.below(3) {
            0 => 0,
            1 => u8::MAX,
            // 1..=254: neither none nor all.
            _ => u8::try_from(1 + dice.below(254)).unwrap_or(1),
        },
    }
}

fn mix(base: &Image, now: &Image, mask: u8) -> Image {
    let mut image = *base;
    for (index, sector) in image.chunks_exact_mut(SECTOR).enumerate() {
        if mask & (1 << index) != 0 {
            sector.copy_from_slice(&now[index * SECTOR..][..SECTOR]);
        }
    }
    image
}
