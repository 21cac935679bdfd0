//! The ledger of a service that is not running, for what its operator does at the machine itself.

use std::path::Path;
use std::sync::Arc;

use semper_ledger::ledger::Ledger;
use semper_ledger::reader::Reader;
use semper_ledger::sequencer::Commit;
use semper_ttp::digest::Digest;
use semper_ttp::evidence::{Aggregate, Fact, Recorded};
use semper_ttp::time::Timestamp;

use crate::clock::{Kernel, Readings as _, SystemReadings};
use crate::commands::running::Failed;
use crate::commands::stopped::{self, judge_clock};
use crate::config::Config;
use crate::data::{Custody, DataFolder, keep_promises, read_genesis};
use crate::exit::Exit;

/// It, locked while this lives.
pub(super) struct Stopped {
    pub(super) folder: DataFolder,
    pub(super) custody: Custody,
    config: Config,
    ledger: Ledger,
    readings: Arc<SystemReadings>,
}

impl Stopped {
    /// Locks the folder and judges all of it, as a start does.
    ///
    /// # Errors
    /// It is for reading only, a server runs, something in it is wrong; the clock is in doubt, and an entry would bind every later
    /// one.
    pub(super) fn open(data: &Path, config: Option<&Path>) -> Result<Self, Failed> {
        let folder = DataFolder::open(data)?;
        if let Some(mark) = folder.read_only()? {
            return Err(Failed::usage(&format!("{} is for reading only: {mark}", data.display())));
        }
        let mut config = folder.config(config)?;
        config.verify().map_err(|error| Failed::usage(&error))?;
        judge_clock(&config, &mut Kernel)
            .map_err(|why| Failed(Exit::Busy, format!("the kernel does not vouch for the clock ({why})")))?;
        let custody = Custody::new(&folder, &config.keys)?;
        let loaded = folder.load_judged(&config, &custody, |_| Ok(()))?;
        let genesis = read_genesis(&*loaded.store).map_err(|fault| Failed::fault(&fault))?;
        keep_promises(&mut config, &genesis)?;
        let readings = Arc::new(SystemReadings::new());
        let place = (loaded.store as _, loaded.anchor);
        let ledger = stopped::open(&folder, &config, place, loaded.log_keys, readings.clone())?;
        Ok(Self { folder, custody, config, ledger, readings })
    }

    pub(super) fn reader(&self) -> &Reader {
        self.ledger.reader()
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.readings.read().wall_ms())
    }

    /// A fact of now, ready to be stored.
    ///
    /// # Errors
    /// No randomness.
    pub(super) fn fact(
        &self,
        fact: impl Recorded,
        history: (Aggregate, u64),
        event_digest: Digest,
        now: Timestamp,
    ) -> Result<Fact, Failed> {
        stopped::fact(fact, &self.config, history, event_digest, now)
    }

    /// Appends, and waits until it is durable. Gives the first entry.
    ///
    /// # Errors
    /// The ledger's refusal.
    pub(super) fn append(&self, commit: Commit) -> Result<u64, Failed> {
        self.ledger.append(commit).map(|appended| appended.first).map_err(|refused| Failed::fault(&refused))
    }
}
