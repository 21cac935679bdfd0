//! The program `semper` as a process: how it is started, what it prints, how it ends.
//!
//! Nothing here sleeps: what is waited for is a line, the end of a stream, or a deadline that fails the test.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;

/// How long anything may take that takes a second on an idle machine. Only a hanging program meets it.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// The program under test: `SEMPER_BIN`, else the one that was built together with this test.
///
/// # Panics
/// There is none.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(path) = env::var_os("SEMPER_BIN").filter(|path| !path.is_empty()) {
        return path.into();
    }
    // target/release/deps/<test> → target/release/semper
    let test = env::current_exe().expect("a test knows its own path");
    let path = test.ancestors().nth(2).expect("tests lie in a folder below the binary's").join("semper");
    assert!(path.is_file(), "{} is missing: run make build", path.display());
    path
}

/// The program with arguments and nothing of the caller's own settings in its environment.
#[must_use]
pub fn command<A: AsRef<OsStr>>(args: &[A]) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("SEMPER_") {
            command.env_remove(name);
        }
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// How a program ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// # Panics
    /// It did not end with this exit code.
    pub fn expect(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

/// Runs a command that ends by itself.
///
/// # Panics
/// It does not end before [`DEADLINE`].
#[must_use]
pub fn run<A: AsRef<OsStr>>(args: &[A]) -> Finished {
    run_command(command(args))
}

/// As [`run`] for a command with more than arguments: its standard streams are collected.
///
/// # Panics
/// It does not end before [`DEADLINE`].
#[must_use]
pub fn run_command(command: Command) -> Finished {
    Process::spawn(command).expect_end()
}

/// Kills a command that ends by itself, `after` this span. Says whether it was in time.
#[must_use]
pub fn run_and_kill<A: AsRef<OsStr>>(args: &[A], after: Duration) -> bool {
    let mut process = Process::spawn(command(args));
    let in_time = process.next(after) == Err(RecvTimeoutError::Timeout);
    let _ = process.child.kill(); // fails only if it has ended
    process.end();
    in_time
}

/// Where a server says that it listens.
pub(crate) struct Listening {
    pub(crate) http: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// A witness, and a service without a certificate for it, has none.
    pub(crate) https: Option<SocketAddr>,
}

/// A child whose streams are collected. Dropping it kills it, by its own pid.
pub(crate) struct Process {
    pub(crate) child: Child,
    // Behind a lock only so that many threads may look at one server.
    lines: Mutex<Receiver<String>>,
    stdout: String,
    log: NamedTempFile,
}

impl Process {
    pub(crate) fn spawn(mut command: Command) -> Self {
        let log = NamedTempFile::with_prefix("semper-log-").expect("a temporary file");
        let stderr = log.reopen().expect("the temporary file is there");
        let spawned = command.stdout(Stdio::piped()).stderr(stderr).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().expect("it is piped");
        let (send, lines) = channel();
        // Ends with the stream; an unread pipe would stop a talkative child.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines: Mutex::new(lines), stdout: String::new(), log }
    }

    pub(crate) fn stderr(&self) -> String {
        // Read anew by its path: the child's descriptor shares its position with ours.
        fs::read(self.log.path()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    pub(crate) fn next(&mut self, within: Duration) -> Result<String, RecvTimeoutError> {
        self.lines.get_mut().unwrap_or_else(PoisonError::into_inner).recv_timeout(within)
    }

    /// The next line of standard output; `None` at its end.
    pub(crate) fn line(&mut self, deadline: Instant) -> Option<String> {
        match self.next(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                self.stdout += &line;
                self.stdout.push('\n');
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                let _ = self.child.kill();
                panic!("the program did not come so far in time: {}\n{}", self.stdout, self.stderr());
            }
        }
    }

    pub(crate) fn expect_end(mut self) -> Finished {
        self.end()
    }

    /// Waits for the end of its output, which is its own end: it has no children to hand it to.
    pub(crate) fn end(&mut self) -> Finished {
        let deadline = Instant::now() + DEADLINE;
        while self.line(deadline).is_some() {}
        let status = self.child.wait().expect("it is our child");
        Finished { code: status.code(), signal: status.signal(), stdout: self.stdout.clone(), stderr: self.stderr() }
    }

    /// Waits for the line `listening http=… admin=… https=…`; gives the addresses, or how the program ended before it.
    pub(crate) fn listening(&mut self) -> Result<Listening, Finished> {
        let deadline = Instant::now() + DEADLINE;
        while let Some(line) = self.line(deadline) {
            let Some(addresses) = line.strip_prefix("listening ") else { continue };
            let found = |name: &str| -> Option<SocketAddr> {
                let found = addresses.split(' ').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))?;
                Some(found.parse().unwrap_or_else(|error| panic!("{name}: {error}: {line}")))
            };
            let address = |name| found(name).unwrap_or_else(|| panic!("no {name} address in: {line}"));
            return Ok(Listening { http: address("http"), admin: address("admin"), https: found("https") });
        }
        Err(self.end())
    }

    /// Asks it to end (SIGTERM); returns at once.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a pid");
        // Not waited for yet, so the number is still its own.
        kill_process(pid, signal).expect("the program runs");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
