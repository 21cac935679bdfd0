//! Joins a side of a swap, its folder and the service. Each step has this order: decide and sign in memory, put the new state on the disk,
//! and only then let anything leave. What is collected is on the disk before the state says so.

use std::path::Path;

use semper_ttp::client::message::Message;
use semper_ttp::client::party::Stays;
use semper_ttp::client::swap::dossier::{Piece, SWAP_BYTES_MAX, SwapDossier};
use semper_ttp::client::swap::given::Given;
use semper_ttp::client::swap::side::{Asks, Swap};
use semper_ttp::client::swap::{Act, At, Decided};
use semper_ttp::digest::Digest;
use semper_ttp::id::PartyId;
use semper_ttp::statement::exchange::Side;
use semper_ttp::time::Timestamp;

use super::super::driver::{failed, pen};
use super::super::folder::Folder;
use super::super::service;
use super::super::settings::Settings;
use crate::cli;
use crate::commands::remote::Remote;
use crate::commands::running::Failed;
use crate::exit::Exit;

/// What is left at the arbiter: the item, or its ciphertext.
const GIVEN: &str = "given";
/// What came of the other side.
pub(super) const RECEIVED: &str = "received";
/// What came back.
pub(super) const RETURNED: &str = "returned";

/// As the service says that both items are there and nothing is decided.
pub(in super::super) const BOTH: &str = "both";

/// A side of a swap on this machine.
pub(in super::super) struct Swapper {
    pub(in super::super) folder: Folder,
    pub(in super::super) swap: Swap,
    pub(in super::super) settings: Settings,
}

impl Swapper {
    /// A new one, with everything in its folder before that has its name.
    pub(super) fn create(place: &Path, swap: Swap, settings: Settings, beside: &[u8]) -> Result<Self, Failed> {
        let folder = Folder::make(place, &settings, (GIVEN, beside), |folder| store(folder, &swap))?;
        Ok(Self { folder, swap, settings })
    }

    /// Goes on with the run in a folder.
    pub(in super::super) fn open(path: &Path, instead: &cli::Instead) -> Result<Self, Failed> {
        let folder = Folder::open(path)?;
        let settings = folder.settings()?.with(instead)?;
        let refused = |why: &dyn std::fmt::Display| Failed::usage(&format!("{}: {why}", path.display()));
        let dossier = SwapDossier::parse(&folder.state(SWAP_BYTES_MAX)?).map_err(|fault| refused(&fault))?;
        let swap = Swap::open(dossier).map_err(|stays| refused(&stays))?;
        // Copies that a crash has kept from being written.
        copy(&folder, &swap)?;
        Ok(Self { folder, swap, settings })
    }

    pub(in super::super) fn x(&self) -> Digest {
        self.swap.proposed().run.x
    }

    /// The other side.
    pub(in super::super) fn peer(&self) -> PartyId {
        self.swap.proposed().run.participant(self.swap.side().other()).id
    }

    /// What the other side is to have from this one: the proposal until it has agreed, the agreement until the end.
    pub(in super::super) fn to_send(&self) -> Option<Message> {
        let waits = match self.swap.side() {
            Side::Originator => self.swap.at() == At::Proposed,
            Side::Responder => self.swap.end().is_none(),
        };
        self.swap.message().filter(|_| waits)
    }

    /// Whether nothing goes on before this side's user has said something.
    pub(in super::super) fn waits_for_people(&self) -> bool {
        self.swap.at() == At::Deposited && self.swap.is_for_people()
    }

    /// The next moment after which the arbiter decides by itself, milliseconds since 1970.
    pub(in super::super) fn next_end(&self, now: Timestamp) -> Option<u64> {
        let proposal = &self.swap.proposed().proposal;
        let ends = [proposal.t_dep.get(), proposal.t_exp.get()];
        ends.into_iter().find(|end| *end >= now.millis()).map(|end| end.saturating_add(1))
    }

    /// Takes a message of the other side; the new state is on the disk on return.
    pub(in super::super) fn take(&mut self, message: &Message) -> Result<(), Failed> {
        if message.x() != self.x() {
            return Err(Failed(Exit::Falsified, "the message belongs to another run".to_owned()));
        }
        let (key, _) = self.settings.signer()?;
        self.swap.take(&message.statement, &pen(&key)?).map_err(failed)?;
        store(&self.folder, &self.swap)
    }

    /// Its user wants no more of it; the new state is on the disk on return.
    pub(in super::super) fn cancel(&mut self) -> Result<(), Failed> {
        let (key, _) = self.settings.signer()?;
        self.swap.cancel(&pen(&key)?).map_err(failed)?;
        store(&self.folder, &self.swap)
    }

    /// Its user takes both items as they are; the new state is on the disk on return.
    pub(super) fn waive(&mut self, other: Digest) -> Result<(), Failed> {
        let (key, _) = self.settings.signer()?;
        self.swap.waive(other, &pen(&key)?).map_err(failed)?;
        store(&self.folder, &self.swap)
    }

    /// Asks the arbiter what is next, and takes its answer if all of it holds; gives how far it says that the exchange has come.
    pub(in super::super) fn ask(&mut self, remote: &Remote) -> Result<String, Failed> {
        let nothing = || Failed::usage(&"there is nothing to be asked in this run: see semper exchange status");
        let x = self.x();
        let answer = match self.swap.asks().ok_or_else(nothing)? {
            Asks::Register { i1, i2 } => service::register(remote, i1, i2)?,
            Asks::Deposit(statement) => {
                service::deposit(remote, &x, statement, &self.folder.read(GIVEN, super::ITEM_BYTES_MAX + 1_024)?)?
            }
            Asks::State(statement) => match service::state(remote, &x, statement)? {
                Ok(answer) => answer,
                Err(_) if self.swap.at() == At::Collecting(Decided::Returned) => return self.has_its_own(),
                Err(refused) => return Err(refused.into()),
            },
        };
        let (key, _) = self.settings.signer()?;
        let pen = pen(&key)?;
        let given = match Given::parse(&answer).map_err(Stays::Given) {
            Ok(given) => given,
            Err(stays) => return Err(self.refused(&answer, stays)),
        };
        if self.swap.act() == Some(Act::Collect) {
            let item = match self.swap.collected(&given) {
                Ok((item, _)) => item,
                Err(stays) => return Err(self.refused(&answer, stays)),
            };
            let name = match self.swap.at() {
                At::Collecting(Decided::Returned) => RETURNED,
                _ => RECEIVED,
            };
            self.folder.write(name, &item)?;
            self.swap.has_collected(&pen).map_err(failed)?;
        } else if let Err(stays) = self.swap.answered(&given, &pen) {
            return Err(self.refused(&answer, stays));
        }
        store(&self.folder, &self.swap)?;
        Ok(given.phase)
    }

    /// The item was handed out before, and that answer was lost: its owner never gave more than a copy away.
    fn has_its_own(&mut self) -> Result<String, Failed> {
        let (key, _) = self.settings.signer()?;
        self.swap.nothing_to_collect(&pen(&key)?).map_err(failed)?;
        store(&self.folder, &self.swap)?;
        Ok("returned".to_owned())
    }

    /// What counts for nothing is kept: by the arbiter's own signature it may convict it.
    fn refused(&self, answer: &[u8], stays: Stays) -> Failed {
        let Failed(exit, why) = failed(stays);
        match self.folder.keep_evidence("answer", answer) {
            Ok(kept) => Failed(exit, format!("{why}; the arbiter's answer was kept as {}", kept.display())),
            Err(failed) => failed,
        }
    }
}

/// The step: on return the new state is on the disk, and what follows from it may leave.
fn store(folder: &Folder, swap: &Swap) -> Result<(), Failed> {
    folder.replace_state(&swap.dossier().to_bytes())?;
    copy(folder, swap)
}

/// Files for people and judges; what is right is in the state.
fn copy(folder: &Folder, swap: &Swap) -> Result<(), Failed> {
    let dossier = swap.dossier();
    for piece in Piece::ALL {
        let Some(statement) = dossier.statement(piece) else { continue };
        folder.write(&format!("{}.jws", piece.name()), statement.as_bytes())?;
        if let Some(proof) = dossier.proof(piece) {
            folder.write(&format!("{}.jws.tlog-proof", piece.name()), proof.as_bytes())?;
        }
    }
    for (number, (fact, proof)) in (1..).zip(dossier.outages()) {
        folder.write(&format!("outage-{number}.fact"), fact)?;
        folder.write(&format!("outage-{number}.fact.tlog-proof"), proof.as_bytes())?;
    }
    folder.copy_certificates(&dossier.certificates)
}
