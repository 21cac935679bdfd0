//! Joins a party, its folder and the service. Each step has this order: decide and sign in memory, put the new state on the disk, and only
//! then let anything leave. Whatever carries messages, files or HTTP, goes through here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use semper_ttp::b64u::B64u;
use semper_ttp::client::automaton::{Act, Message as Came};
use semper_ttp::client::message::Message;
use semper_ttp::client::party::{Party, Pen, Request, Stays};
use semper_ttp::client::verdict::Given;
use semper_ttp::crypto::SoftKey;
use semper_ttp::digest::Digest;
use semper_ttp::exchange::cd_r::BadContent;
use semper_ttp::statement::Salt;
use semper_ttp::statement::exchange::Outcome;
use semper_ttp::time::Timestamp;

use super::folder::{Folder, is_payment, is_swap};
use super::service;
use super::settings::Settings;
use crate::cli;
use crate::clock::now;
use crate::commands::running::{Failed, random};
use crate::exit::Exit;

/// When an answer that the arbiter has promised is looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How often within one command.
const LOOKS_MAX: usize = 10;

/// A side of a run on this machine.
pub(super) struct Driver {
    pub(super) folder: Folder,
    pub(super) party: Party,
    pub(super) settings: Settings,
}

/// Why a side stays where it is, as a command ends.
pub(super) fn failed(stays: Stays) -> Failed {
    let exit = match &stays {
        Stays::Broken(_)
        | Stays::AnsweredTwice
        | Stays::OtherText
        | Stays::Certificate { .. }
        | Stays::OtherLog(_)
        | Stays::OtherPolicy
        | Stays::Escrow
        | Stays::Given(_)
        | Stays::OtherPromise(_)
        | Stays::OtherItem(_)
        | Stays::Policy(_) => Exit::Falsified,
        Stays::BadContent(bad) if bad.is_cheating() => Exit::Falsified,
        Stays::NotNow { .. }
        | Stays::TooLate
        | Stays::NotDelivered
        | Stays::EndsTooLate(_)
        | Stays::OtherDelivery
        | Stays::NoText
        | Stays::NoEscrow
        | Stays::NoInline
        | Stays::Weak
        | Stays::NotDescribed
        | Stays::TextTooLong
        | Stays::OtherSigner { .. }
        | Stays::OtherParty { .. }
        | Stays::Key(_)
        | Stays::Algorithm => Exit::Usage,
        Stays::BadContent(_)
        | Stays::Lacks(_)
        | Stays::Crypto(_)
        | Stays::Entropy(_)
        | Stays::Statement(_)
        | Stays::Sign(_) => Exit::Fault,
    };
    Failed(exit, stays.to_string())
}

/// What a side signs with at this moment.
pub(super) fn pen(key: &SoftKey) -> Result<Pen<'_>, Failed> {
    Ok(Pen { key, salt: Salt(B64u(random()?)), now: now() })
}

/// Refuses clocks that differ by more than the rule δ leaves for that.
pub(super) fn require_same_time(service: Timestamp, has_end: bool, delta_ms: u64) -> Result<(), Failed> {
    let apart = service.millis().abs_diff(now().millis());
    if has_end && apart > delta_ms / 2 {
        let why =
            format!("this machine's clock and the arbiter's are {} s apart, and the run has an end", apart / 1_000);
        return Err(Failed::usage(&why));
    }
    Ok(())
}

impl Driver {
    /// Goes on with the run in a folder.
    pub(super) fn open(path: &Path, instead: &cli::Instead) -> Result<Self, Failed> {
        if is_swap(path) {
            let why = "this run is a swap through the arbiter: semper exchange status says what is to be done there";
            return Err(Failed::usage(&format!("{}: {why}", path.display())));
        }
        if is_payment(path) {
            let why = "this is a payment: semper payment status says what is to be done there";
            return Err(Failed::usage(&format!("{}: {why}", path.display())));
        }
        let folder = Folder::open(path)?;
        let settings = folder.settings()?.with(instead)?;
        Ok(Self { party: folder.load()?, folder, settings })
    }

    pub(super) fn x(&self) -> Digest {
        self.party.course().run().x
    }

    /// Takes a message of the other side; the new state is on the disk on return.
    pub(super) fn take(&mut self, message: &Message) -> Result<Option<Act>, Failed> {
        if message.x() != self.x() || message.protocol != self.party.dossier().protocol {
            return Err(Failed(Exit::Falsified, "the message belongs to another run".to_owned()));
        }
        let (came, is_known) = match self.party.expects(&message.statement) {
            Err(Stays::AnsweredTwice) => {
                let kept = self.folder.keep_evidence("m2", message.statement.bytes())?;
                let why = Stays::AnsweredTwice;
                return Err(Failed(Exit::Falsified, format!("{why}: it was kept as {}", kept.display())));
            }
            expected => expected.map_err(failed)?,
        };
        if is_known {
            return Ok(self.party.again());
        }
        // Before its commitment is opened, the originator has what keeps a revocation from taking the contract from it.
        let token = match came {
            Came::Answer => Some(self.prove(message)?),
            Came::Opening | Came::Closing => None,
        };
        let (key, _) = self.settings.signer()?;
        let beside = self.folder.beside(&self.party)?;
        match self.party.take(&message.statement, token, &beside, &pen(&key)?) {
            Err(Stays::BadContent(bad)) if bad.is_cheating() => {
                let kept = self.folder.keep_evidence("d3", message.statement.bytes())?;
                let why = Stays::BadContent(bad);
                Err(Failed(
                    Exit::Falsified,
                    format!("{why}; it convicts its sender, and was kept as {}", kept.display()),
                ))
            }
            taken => {
                let act = taken.map_err(failed)?;
                self.folder.store(&self.party)?;
                Ok(act)
            }
        }
    }

    fn prove(&self, message: &Message) -> Result<Vec<u8>, Failed> {
        let remote = self.settings.remote()?;
        let stamped = service::stamp(&remote, message.statement.bytes())?;
        let run = self.party.course().run();
        let side = self.party.side().other();
        // By the chain that this side has of it, not by what came along.
        let chain = self.party.dossier().certificates.of(side);
        service::require_good(&remote, run.participant(side), &chain)?;
        require_same_time(stamped.at, run.t_exp.is_some(), self.party.dossier().delta_ms)?;
        Ok(stamped.token)
    }

    /// What was waited for is overdue, or its user wants no more of it: signs the request that follows, and puts it on the disk.
    pub(super) fn overdue(&mut self) -> Result<Option<Act>, Failed> {
        let (key, _) = self.settings.signer()?;
        let act = self.party.overdue(&pen(&key)?).map_err(failed)?;
        self.folder.store(&self.party)?;
        Ok(act)
    }

    /// Asks the arbiter what was signed, and takes its answer if all of it holds.
    pub(super) fn ask(&mut self) -> Result<Outcome, Failed> {
        let request = self.party.request().ok_or_else(|| Failed::usage(&"there is nothing to be asked in this run"))?;
        let answer = self.answer_to(&request)?;
        self.take_answer(&answer)
    }

    /// Asks without waiting: gives the receipt's file and the time by which there is an answer, unless there was one at once.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(super) fn leave(&mut self) -> Result<Result<Outcome, (PathBuf, Timestamp)>, Failed> {
        let request = self.party.request().ok_or_else(|| Failed::usage(&"there is nothing to be asked in this run"))?;
        let goal = self.party.dossier().goal();
        let answer = service::ask(&self.settings.remote()?, &self.x(), goal, &request, true)?;
        match self.party.promised(&answer) {
            Ok(Some(promised)) => Ok(Err((self.folder.keep_word("receipt", &promised.receipt)?, promised.answer_by))),
            // What is no promise either is judged, and kept, as an answer.
            Ok(None) | Err(_) => self.take_answer(&answer).map(Ok),
        }
    }

    fn take_answer(&mut self, answer: &[u8]) -> Result<Outcome, Failed> {
        let taken = Given::parse(answer).map_err(Stays::Given).and_then(|given| self.party.decided(&given, now()));
        match taken {
            Ok(outcome) => {
                self.folder.store(&self.party)?;
                Ok(outcome)
            }
            Err(stays) => {
                let kept = self.folder.keep_evidence("answer", answer)?;
                let Failed(exit, why) = failed(stays);
                Err(Failed(exit, format!("{why}; the arbiter's answer was kept as {}", kept.display())))
            }
        }
    }

    /// Asks until there is an answer, for a while: an arbiter gives a receipt only to who would rather not wait, and may have it from before.
    fn answer_to(&self, request: &Request) -> Result<Vec<u8>, Failed> {
        let (remote, goal) = (self.settings.remote()?, self.party.dossier().goal());
        let mut looks = 0;
        loop {
            let answer = service::ask(&remote, &self.x(), goal, request, false)?;
            let promised = match self.party.promised(&answer) {
                Ok(Some(promised)) => promised,
                // What is no promise either is judged, and kept, as an answer.
                Ok(None) | Err(_) => return Ok(answer),
            };
            let kept = self.folder.keep_word("receipt", &promised.receipt)?;
            looks += 1;
            if looks == LOOKS_MAX {
                let (by, kept) = (promised.answer_by, kept.display());
                let why = format!(
                    "the arbiter has promised an answer by {by} ({kept}); ask again then. If it has none after that time, receipt and \
                     status --ask may convict it: semper exchange accuse"
                );
                return Err(Failed(Exit::Busy, why));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// What an act sends to the other side.
    pub(super) fn message(&self, act: Act) -> Result<Option<Message>, Failed> {
        Ok(self.party.message(act, &self.folder.beside(&self.party)?))
    }

    /// Why what was delivered is not what was promised, where the key for it came from the arbiter.
    pub(super) fn bad_content(&self) -> Result<Option<BadContent>, Failed> {
        Ok(self.party.delivered(&self.folder.beside(&self.party)?).and_then(Result::err))
    }

    /// Whether what is waited for is overdue.
    pub(super) fn is_overdue(&self) -> bool {
        self.party.overdue_at().is_some_and(|at| now().millis() > at)
    }
}
