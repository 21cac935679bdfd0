//! Two parties and their arbiter: a service with both registered, the commands of `semper exchange`, and a side that listens as a process.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;

use crate::notary::{Member, World, json};
use crate::process::{DEADLINE, Finished, Process, command, run};
use crate::server::Server;

/// What is signed.
pub const TEXT: &str = "I sell, you buy.\n";

/// A world with an arbiter, a seller and a buyer.
pub struct Stage {
    /// The service.
    pub world: World,
    /// Who offers.
    pub seller: Member,
    /// Who answers.
    pub buyer: Member,
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

impl Stage {
    /// Starts the service, and registers both.
    #[must_use]
    pub fn new() -> Self {
        let world = World::with(&[("exchange.enabled", "true")]);
        let (seller, buyer) = (world.registered("seller"), world.registered("buyer"));
        Self { world, seller, buyer }
    }

    /// A file or folder of this world.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        self.world.path(name)
    }

    /// Runs `semper exchange` with what a signer names.
    #[must_use]
    pub fn signer(&self, who: &Member, args: &[&str]) -> Finished {
        run(&self.signer_args(who, args))
    }

    /// The arguments of such a command.
    #[must_use]
    pub fn signer_args(&self, who: &Member, args: &[&str]) -> Vec<String> {
        let mut line: Vec<String> = ["exchange"].iter().chain(args).map(|arg| (*arg).to_owned()).collect();
        let (with, login) = (who.p12("party-legal"), who.p12("party-auth"));
        for (option, value) in [
            ("--with", with.display().to_string()),
            ("--identity", login.display().to_string()),
            ("--trust", self.world.trust()),
            ("--url", url_of(&self.world.server)),
        ] {
            line.extend([option.to_owned(), value]);
        }
        line.push("--json".to_owned());
        line
    }

    /// The certificate with which the buyer signs.
    #[must_use]
    pub fn to_buyer(&self) -> String {
        self.buyer.p12("party-legal").with_extension("cer.pem").display().to_string()
    }

    /// The seller offers in the folder `place`; gives the message.
    #[must_use]
    pub fn offered(&self, place: &str) -> (String, PathBuf) {
        let text = self.world.file("contract.txt", TEXT.as_bytes());
        let to = self.to_buyer();
        let place = self.path(place);
        let offer =
            ["offer", &text, "--to", &to, "--media-type", "text/plain", "--run", &place, "--patience-secs", "86400"];
        let done = self.signer(&self.seller, &offer);
        (place, sent(&done))
    }

    /// The buyer answers in the folder `place`.
    #[must_use]
    pub fn accepted(&self, message: &Path, place: &str) -> (String, PathBuf) {
        let place = self.path(place);
        let done = self.signer(&self.buyer, &["accept", shown(message), "--yes", "--run", &place]);
        (place, sent(&done))
    }

    /// A message as somebody on its way has changed it.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    pub fn changed(&self, message: &Path, change: &dyn Fn(&mut Value)) -> String {
        let mut document: Value = serde_json::from_slice(&fs::read(message).expect("a message")).expect("JSON");
        change(&mut document);
        self.world.file("changed.json", document.to_string().as_bytes())
    }

    /// The buyer does not answer a message, says why, and begins no run.
    ///
    /// # Panics
    /// It does, or says something else.
    pub fn not_accepted(&self, file: &str, code: i32, why: &str) {
        let run = self.path("buyer.run");
        let done = self.signer(&self.buyer, &["accept", file, "--yes", "--run", &run]);
        assert!(done.expect(code).stdout.contains(why), "{done:?}");
        assert!(!Path::new(&run).exists());
    }

    /// The buyer listens in a folder of its own, and answers what the seller offers.
    ///
    /// # Panics
    /// It does not.
    #[must_use]
    pub fn listening(&self, runs: &str, more: &[&str]) -> Listener {
        let runs = self.path(runs);
        fs::create_dir_all(&runs).expect("a folder");
        let words = [&["listen", "--bind", "127.0.0.1:0", "--runs", &runs], more].concat();
        Listener::start(&self.signer_args(&self.buyer, &words))
    }
}

fn url_of(server: &Server) -> String {
    format!("https://{}", server.https())
}

/// A path as an argument.
///
/// # Panics
/// It is not UTF-8.
#[must_use]
pub fn shown(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Where the message lies that a command has made ready.
///
/// # Panics
/// It has made none.
#[must_use]
pub fn sent(done: &Finished) -> PathBuf {
    let told = json(done.expect(0));
    told["send"].as_str().unwrap_or_else(|| panic!("nothing to send: {told}")).into()
}

/// A command of a run that goes on.
#[must_use]
pub fn go_on(args: &[&str], place: &str) -> Finished {
    run(&[&["exchange"], args, &["--run", place, "--json"]].concat())
}

/// Where the run stands, as a command says.
#[must_use]
pub fn state(done: &Finished) -> Value {
    json(done)["state"].clone()
}

/// One that looks into its mailbox. Dropping it kills it.
pub struct Mailed {
    process: Process,
}

impl Mailed {
    /// Starts it with these arguments, `--json` among them, and waits until it looks.
    ///
    /// # Panics
    /// It does not.
    #[must_use]
    pub fn start(args: &[String]) -> Self {
        let mut one = Self { process: Process::spawn(command(args)) };
        one.wait_for("\"mailbox\":true");
        one
    }

    /// Waits until it says this.
    ///
    /// # Panics
    /// It ends before.
    pub fn wait_for(&mut self, text: &str) {
        wait_for(&mut self.process, text);
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Panics
    /// It ends in another way than it should.
    pub fn stop(self) {
        let _said = stop(self.process);
    }
}

fn wait_for(process: &mut Process, text: &str) {
    let deadline = Instant::now() + DEADLINE;
    while let Some(line) = process.line(deadline) {
        if line.contains(text) {
            return;
        }
    }
    panic!("it never said {text}: {:?}", process.end());
}

fn stop(mut process: Process) -> Finished {
    process.terminate();
    let done = process.end();
    done.expect(0);
    done
}

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
        wait_for(&mut self.process, text);
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Panics
    /// It ends in another way than it should.
    pub fn stop(self) -> Finished {
        stop(self.process)
    }
}
