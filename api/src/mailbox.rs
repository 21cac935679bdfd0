//! Messages of exchanges for parties that are not there now: kept for a while, handed out to their recipient alone, and forgotten when it
//! says so.
//!
//! ```text
//! mail/<recipient>/<received>-<sender>-<digest>.json       one file for each message, durable before the sender is answered
//! ```
//!
//! What lies here is on its way, no evidence: nothing of it is an entry, none of it is in a backup, and whoever loses it sends it again,
//! the octets that it has. A message lies sealed by nobody but its sender's protocol: the operator could read a contract's text, and a
//! delivery's content not.
//!
//! Bounded: messages for one party, from one sender to it, octets altogether, days. Times and limits are given; no clock here.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use semper_ledger::disk::{self, DiskFault};
use semper_ttp::client::message::MESSAGE_BYTES_MAX;
use semper_ttp::digest::Digest;
use semper_ttp::id::PartyId;
use semper_ttp::time::Timestamp;

/// Messages that wait for one party, at most.
pub const MESSAGES_MAX: usize = 256;

/// Those of one sender among them, at most: an exchange has two messages of each side, so these are some that wait.
pub const MESSAGES_OF_SENDER_MAX: usize = 32;

/// Where mail is kept, and how much of it.
#[derive(Clone, Debug)]
pub struct MailboxParts {
    /// The folder.
    pub folder: PathBuf,
    /// All messages together, octets at most.
    pub bytes_max: u64,
    /// How long one is kept, milliseconds.
    pub keep_ms: u64,
}

/// A message that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Its SHA-256, which is its name.
    pub digest: Digest,
    /// Who left it.
    pub from: PartyId,
    /// When.
    pub received: Timestamp,
    /// How long it is, octets.
    pub octets: u64,
}

/// Why a message is not kept.
#[derive(Debug, thiserror::Error)]
pub enum MailFault {
    /// There is no room: for this recipient, for this sender, or at all.
    #[error("{0}")]
    Full(&'static str),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskFault),
}

/// The mail of all parties.
#[derive(Debug)]
pub struct Mailbox {
    parts: MailboxParts,
    /// Octets of all messages: held while one comes or goes.
    octets: Mutex<u64>,
}

/// A file of a message: its path and what its name says.
struct Kept {
    path: PathBuf,
    mail: Mail,
}

impl Mailbox {
    /// Opens the folder, and makes it where it is not there.
    ///
    /// # Errors
    /// [`DiskFault`].
    pub fn open(parts: MailboxParts) -> Result<Self, DiskFault> {
        disk::make_folder(&parts.folder)?;
        let mailbox = Self { parts, octets: Mutex::new(0) };
        let octets = mailbox.all()?.iter().map(|kept| kept.mail.octets).sum();
        *mailbox.octets.lock().unwrap_or_else(PoisonError::into_inner) = octets;
        Ok(mailbox)
    }

    /// Octets that are taken, and that are free.
    #[must_use]
    pub fn room(&self) -> (u64, u64) {
        let taken = *self.octets.lock().unwrap_or_else(PoisonError::into_inner);
        (taken, self.parts.bytes_max.saturating_sub(taken))
    }

    /// Keeps a message for a party; durable on return. The same one again is the one that is there.
    ///
    /// # Errors
    /// [`MailFault`].
    pub fn leave(&self, to: PartyId, from: PartyId, bytes: &[u8], now: Timestamp) -> Result<Digest, MailFault> {
        let digest = Digest::of(bytes);
        let mut octets = self.octets.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.folder_of(to);
        let there = self.kept_in(&folder)?;
        if there.iter().any(|kept| kept.mail.digest == digest) {
            return Ok(digest);
        }
        let added = *octets + bytes.len() as u64;
        let of_sender = there.iter().filter(|kept| kept.mail.from == from).count();
        let full = match () {
            () if there.len() >= MESSAGES_MAX => Some("the recipient's mailbox is full"),
            () if of_sender >= MESSAGES_OF_SENDER_MAX => Some("the recipient has not taken what you left there before"),
            () if added > self.parts.bytes_max => Some("the service keeps no more messages now"),
            () => None,
        };
        if let Some(why) = full {
            return Err(MailFault::Full(why));
        }
        disk::make_folder(&folder)?;
        let name = format!("{:013}-{}-{digest}.json", now.millis(), hex::encode(from.octets()));
        disk::replace(&folder.join(name), bytes)?;
        *octets = added;
        Ok(digest)
    }

    /// What waits for a party, oldest first.
    ///
    /// # Errors
    /// [`DiskFault`].
    pub fn waiting(&self, party: PartyId) -> Result<Vec<Mail>, DiskFault> {
        Ok(self.kept_in(&self.folder_of(party))?.into_iter().map(|kept| kept.mail).collect())
    }

    /// A message, to the octet, for its recipient.
    ///
    /// # Errors
    /// [`DiskFault`].
    pub fn read(&self, party: PartyId, digest: &Digest) -> Result<Option<Vec<u8>>, DiskFault> {
        match self.find(party, digest)? {
            Some(kept) => disk::read_at_most(&kept.path, MESSAGE_BYTES_MAX),
            None => Ok(None),
        }
    }

    /// Forgets a message that its recipient has; whether it was there.
    ///
    /// # Errors
    /// [`DiskFault`].
    pub fn forget(&self, party: PartyId, digest: &Digest) -> Result<bool, DiskFault> {
        let mut octets = self.octets.lock().unwrap_or_else(PoisonError::into_inner);
        match self.find(party, digest)? {
            Some(kept) => remove(&kept, &mut octets).map(|()| true),
            None => Ok(false),
        }
    }

    /// Forgets what was kept for too long; how many messages.
    ///
    /// # Errors
    /// [`DiskFault`].
    pub fn purge(&self, now: Timestamp) -> Result<usize, DiskFault> {
        let mut octets = self.octets.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |kept: &Kept| now.millis().saturating_sub(kept.mail.received.millis()) > self.parts.keep_ms;
        let old: Vec<_> = self.all()?.into_iter().filter(is_old).collect();
        old.iter().try_for_each(|kept| remove(kept, &mut octets))?;
        Ok(old.len())
    }

    fn find(&self, party: PartyId, digest: &Digest) -> Result<Option<Kept>, DiskFault> {
        Ok(self.kept_in(&self.folder_of(party))?.into_iter().find(|kept| kept.mail.digest == *digest))
    }

    fn folder_of(&self, party: PartyId) -> PathBuf {
        self.parts.folder.join(hex::encode(party.octets()))
    }

    fn all(&self) -> Result<Vec<Kept>, DiskFault> {
        let mut all = Vec::new();
        for entry in entries(&self.parts.folder)? {
            all.append(&mut self.kept_in(&entry)?);
        }
        Ok(all)
    }

    fn kept_in(&self, folder: &Path) -> Result<Vec<Kept>, DiskFault> {
        let mut kept: Vec<_> = entries(folder)?.into_iter().filter_map(read_name).collect();
        kept.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(kept)
    }
}

fn remove(kept: &Kept, octets: &mut u64) -> Result<(), DiskFault> {
    fs::remove_file(&kept.path).map_err(disk::fault("removing", &kept.path))?;
    *octets = octets.saturating_sub(kept.mail.octets);
    Ok(())
}

/// What lies in a folder; nothing, where there is none.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DiskFault> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(disk::fault("listing", folder))?,
    };
    let paths = listed.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    paths.map_err(disk::fault("listing", folder))
}

/// What a file's name says; `None` for one that is no message, such as one whose writing a crash has cut off.
fn read_name(path: PathBuf) -> Option<Kept> {
    let name = path.file_name()?.to_str()?.strip_suffix(".json")?;
    let mut parts = name.splitn(3, '-');
    let received = Timestamp::from_millis(parts.next()?.parse().ok()?);
    let from: [u8; 16] = hex::decode(parts.next()?).ok()?.try_into().ok()?;
    let digest = parts.next()?.parse().ok()?;
    let octets = fs::metadata(&path).ok()?.len();
    Some(Kept { mail: Mail { digest, from: from.into(), received, octets }, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 86_400_000;

    fn party(octet: u8) -> PartyId {
        PartyId::from([octet; 16])
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + millis)
    }

    fn open(folder: &Path, bytes_max: u64) -> Mailbox {
        Mailbox::open(MailboxParts { folder: folder.join("mail"), bytes_max, keep_ms: DAY_MS }).unwrap()
    }

    #[test]
    fn a_message_waits_for_its_recipient_alone_until_that_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let mailbox = open(dir.path(), 1_000);
        let first = mailbox.leave(party(1), party(2), b"first", at(0)).unwrap();
        let second = mailbox.leave(party(1), party(3), b"second", at(5)).unwrap();
        // Sent again, it is the same.
        assert_eq!(mailbox.leave(party(1), party(2), b"first", at(9)).unwrap(), first);
        // As the next process finds it.
        let mailbox = open(dir.path(), 1_000);
        let waiting = mailbox.waiting(party(1)).unwrap();
        let expected = [
            Mail { digest: first, from: party(2), received: at(0), octets: 5 },
            Mail { digest: second, from: party(3), received: at(5), octets: 6 },
        ];
        assert_eq!(waiting, expected);
        assert_eq!(mailbox.read(party(1), &first).unwrap().as_deref(), Some(&b"first"[..]));
        assert_eq!(mailbox.read(party(2), &first).unwrap(), None);
        assert!(!mailbox.forget(party(2), &first).unwrap());
        assert!(mailbox.forget(party(1), &first).unwrap() && !mailbox.forget(party(1), &first).unwrap());
        assert_eq!(mailbox.waiting(party(1)).unwrap(), expected[1..]);
        assert_eq!(mailbox.waiting(party(9)).unwrap(), []);
    }

    #[test]
    fn there_is_an_end_to_everything() {
        let dir = tempfile::tempdir().unwrap();
        let mailbox = open(dir.path(), 1_000);
        let full = |left: Result<Digest, MailFault>| matches!(left, Err(MailFault::Full(_)));
        for number in 0..MESSAGES_OF_SENDER_MAX {
            mailbox.leave(party(1), party(2), number.to_string().as_bytes(), at(0)).unwrap();
        }
        assert!(full(mailbox.leave(party(1), party(2), b"more", at(0))), "of one sender");
        mailbox.leave(party(1), party(3), b"of another", at(0)).unwrap();
        assert!(full(mailbox.leave(party(4), party(3), &[0; 1_000], at(0))), "altogether");
        // What is taken makes room.
        let old = mailbox.leave(party(4), party(3), &[0; 900], at(DAY_MS)).unwrap();
        assert!(full(mailbox.leave(party(5), party(3), &[1; 900], at(DAY_MS))));
        assert!(mailbox.forget(party(4), &old).unwrap());
        mailbox.leave(party(5), party(3), &[1; 900], at(DAY_MS)).unwrap();
        // And so does time.
        assert_eq!(mailbox.purge(at(DAY_MS)).unwrap(), 0);
        assert_eq!(mailbox.purge(at(DAY_MS + 1)).unwrap(), MESSAGES_OF_SENDER_MAX + 1);
        assert_eq!(mailbox.waiting(party(1)).unwrap(), []);
        assert_eq!(mailbox.waiting(party(5)).unwrap().len(), 1);
        let dir = tempfile::tempdir().unwrap();
        let mailbox = open(dir.path(), 100_000);
        for number in 0..MESSAGES_MAX {
            let sender = party((number / MESSAGES_OF_SENDER_MAX) as u8);
            mailbox.leave(party(99), sender, &number.to_be_bytes(), at(0)).unwrap();
        }
        assert!(full(mailbox.leave(party(99), party(98), b"more", at(0))), "of one recipient");
    }

    #[test]
    fn what_is_no_message_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let mailbox = open(dir.path(), 1_000);
        let first = mailbox.leave(party(1), party(2), b"first", at(0)).unwrap();
        let folder = mailbox.folder_of(party(1));
        for name in ["note.txt", "x.json", "1-2-3.json", &format!("5-zz-{first}.json")] {
            fs::write(folder.join(name), b"?").unwrap();
        }
        assert_eq!(mailbox.waiting(party(1)).unwrap().len(), 1);
    }
}
