//! A side of an exchange that listens: `semper exchange listen` as a process.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::Value;

use crate::process::{DEADLINE, Finished, Process, command};

/// One that runs. Dropping it kills it.
pub struct Listener {
    process: Process,
    address: SocketAddr,
}

impl Listener {
    /// Starts it with these arguments, `--json` among them, and waits until it listens.
    ///
    /// # Panics
    /// It does not.
    #[must_use]
    pub fn start(args: &[String]) -> Self {
        let mut process = Process::spawn(command(args));
        let deadline = Instant::now() + DEADLINE;
        while let Some(line) = process.line(deadline) {
            let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if let Some(address) = said["listening"]["http"].as_str() {
                let address = address.parse().expect("an address");
                return Self { process, address };
            }
        }
        panic!("it does not listen: {:?}", process.end());
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until it says this.
    ///
    /// # Panics
    /// It ends before.
    pub fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + DEADLINE;
        while let Some(line) = self.process.line(deadline) {
            if line.contains(text) {
                return;
            }
        }
        panic!("it never said {text}: {:?}", self.process.end());
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Panics
    /// It ends in another way than it should.
    pub fn stop(mut self) -> Finished {
        self.process.terminate();
        let done = self.process.end();
        done.expect(0);
        done
    }
}
