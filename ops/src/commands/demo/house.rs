//! Starts processes and sees to it that every one of them ends.
//!
//! All running children stand in one list. Who kills does it under the list's lock, and who reaps takes the child off the
//! list under the same lock first, so that a recycled process id is never hit. A signal to the demonstration kills the
//! children; the step that waited for them then fails, and the story ends.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::{Teller, quoted};

/// A server that has not said `listening` after so long never will. Far above what the slowest disk needs.
const READY_SECS: u64 = 120;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// A process cannot be started or waited for, a file not be read or written.
    #[error("{what}: {error}")]
    Io {
        /// With what.
        what: String,
        /// What the system said.
        error: io::Error,
    },
    /// A command ended otherwise than it should.
    #[error("{command} ended with {found} instead of {expected}; it said: {said}")]
    Ended {
        /// The command line.
        command: String,
        /// How it ended.
        found: String,
        /// The exit code that was due.
        expected: i32,
        /// The end of its standard error, else of its output.
        said: String,
    },
    /// The server ended, or said something else than `listening …`.
    #[error("the server did not begin to listen; its log is {}", .0.display())]
    NotListening(PathBuf),
    /// A signal came.
    #[error("interrupted")]
    Interrupted,
    /// What a step found is not what it should be.
    #[error("{0}")]
    Wrong(String),
}

impl Trouble {
    pub(super) fn io(what: impl std::fmt::Display) -> impl FnOnce(io::Error) -> Trouble {
        move |error| Trouble::Io { what: what.to_string(), error }
    }
}

/// Processes that run now.
#[derive(Debug, Default)]
struct Running {
    pids: Vec<Pid>,
    /// A signal came: nothing is started any more.
    closed: bool,
}

impl Running {
    fn end_all(&mut self) {
        self.closed = true;
        for pid in &self.pids {
            // It may have ended by itself; it is not reaped yet, so the id is still its own.
            let _ = kill_process(*pid, Signal::KILL);
        }
    }
}

/// Where processes are started.
#[derive(Debug)]
pub(super) struct House {
    running: Arc<Mutex<Running>>,
    program: PathBuf,
    /// How the program is shown in commands.
    shown: String,
    /// Where every process runs, so that the commands shown have short paths.
    folder: PathBuf,
    logs: PathBuf,
    number: AtomicUsize,
    /// Listens for signals as long as the house stands.
    _runtime: Runtime,
}

/// What a command said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) out: String,
    pub(super) err: String,
}

impl House {
    /// All its processes run in `folder`, their logs are in `folder/logs`.
    ///
    /// # Errors
    /// No threads, no signals, or a folder that cannot be made.
    pub(super) fn new(folder: &Path) -> Result<House, Trouble> {
        let program = std::env::current_exe().map_err(Trouble::io("this executable"))?;
        let typed = std::env::args().next().unwrap_or_default();
        // Shown as it was typed if a shell found it, else where it lies.
        let shown = if typed.contains('/') { program.to_string_lossy().into_owned() } else { "semper".to_owned() };
        House::with_program(folder, program, shown)
    }

    pub(super) fn with_program(folder: &Path, program: PathBuf, shown: String) -> Result<House, Trouble> {
        let logs = folder.join("logs");
        std::fs::create_dir_all(&logs).map_err(Trouble::io(logs.display()))?;
        let running = Arc::new(Mutex::new(Running::default()));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(Trouble::io("signals"))?;
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            let _inside = runtime.enter();
            let mut signals = signal(kind).map_err(Trouble::io("signals"))?;
            let running = running.clone();
            runtime.spawn(async move {
                if signals.recv().await.is_some() {
                    lock(&running).end_all();
                }
            });
        }
        Ok(House {
            running,
            program,
            shown,
            folder: folder.to_owned(),
            logs,
            number: AtomicUsize::new(1),
            _runtime: runtime,
        })
    }

    /// The command line of `semper` with these arguments, as a user would type it.
    pub(super) fn shown(&self, args: &[&OsStr]) -> String {
        line(&self.shown, args)
    }

    /// Runs `semper` with these arguments to its end, which must be `code`.
    ///
    /// # Errors
    /// Another end, or [`Trouble::Io`].
    pub(super) fn semper(&self, args: &[&OsStr], code: i32) -> Result<Said, Trouble> {
        self.run(self.program.as_os_str(), &self.shown, args, code)
    }

    /// Runs another program to its end, which must be `code`; `None` if there is no such program.
    ///
    /// # Errors
    /// Another end, or [`Trouble::Io`].
    fn stranger(&self, program: &str, args: &[&OsStr], code: i32) -> Result<Option<Said>, Trouble> {
        match self.run(program.as_ref(), program, args, code) {
            Err(Trouble::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// Shows and runs `openssl`, which must find all as it should be; tells where there is none.
    ///
    /// # Errors
    /// As [`House::stranger`].
    pub(super) fn openssl(&self, teller: &mut Teller, args: &[impl AsRef<OsStr>]) -> Result<Option<Said>, Trouble> {
        let args: Vec<_> = args.iter().map(AsRef::as_ref).collect();
        let line: Vec<_> = args.iter().map(|arg| quoted(&arg.to_string_lossy())).collect();
        teller.command(format!("openssl {}", line.join(" ")));
        let said = self.stranger("openssl", &args, 0)?;
        if said.is_none() {
            teller.result("NOT DONE: there is no openssl command on this machine".to_owned());
        }
        Ok(said)
    }

    fn run(&self, program: &OsStr, shown: &str, args: &[&OsStr], code: i32) -> Result<Said, Trouble> {
        let [out, err] = self.log_files(args);
        // Into files: they are kept for the reader, and a full pipe can stop nobody.
        let file = |path: &Path| File::create(path).map_err(Trouble::io(path.display()));
        let mut command = Command::new(program);
        command.args(args).stdout(file(&out)?).stderr(file(&err)?);
        let status = self.start(&mut command, shown)?.wait()?;
        let text = |path: &Path| {
            let bytes = std::fs::read(path).map_err(Trouble::io(path.display()))?;
            Ok::<_, Trouble>(String::from_utf8_lossy(&bytes).into_owned())
        };
        let said = Said { out: text(&out)?, err: text(&err)? };
        if status.code() == Some(code) {
            return Ok(said);
        }
        if lock(&self.running).closed {
            return Err(Trouble::Interrupted);
        }
        let tail = [&said.err, &said.out].into_iter().find_map(|text| text.trim().lines().last());
        Err(Trouble::Ended {
            command: line(shown, args),
            found: status.to_string(),
            expected: code,
            said: tail.unwrap_or("nothing").to_owned(),
        })
    }

    /// `logs/03-stamp.out` and `.err`.
    fn log_files(&self, args: &[&OsStr]) -> [PathBuf; 2] {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let name = args.first().map(|arg| arg.to_string_lossy()).unwrap_or_default();
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        ["out", "err"].map(|ending| self.logs.join(format!("{number:02}-{name}.{ending}")))
    }

    fn start(&self, command: &mut Command, shown: &str) -> Result<Process, Trouble> {
        // Under the lock, so that a signal between start and entry in the list cannot miss the child.
        let mut running = lock(&self.running);
        if running.closed {
            return Err(Trouble::Interrupted);
        }
        let child = command.current_dir(&self.folder).stdin(Stdio::null()).spawn().map_err(Trouble::io(shown))?;
        let pid = Pid::from_child(&child);
        running.pids.push(pid);
        Ok(Process { running: self.running.clone(), child: Some((child, pid)) })
    }

    /// Starts a server and waits until it says `listening http=… admin=…`.
    ///
    /// # Errors
    /// It ends before, or says something else.
    pub(super) fn serve(&self, args: &[&OsStr]) -> Result<Server, Trouble> {
        let [_, log] = self.log_files(args);
        let log_file = File::create(&log).map_err(Trouble::io(log.display()))?;
        let mut command = Command::new(&self.program);
        command.args(args).stdout(Stdio::piped()).stderr(log_file);
        let mut process = self.start(&mut command, &self.shown)?;
        // Asked for above, so it is there.
        let stdout = process.child.as_mut().and_then(|(child, _)| child.stdout.take()).expect("stdout is a pipe");
        let (first, line) = mpsc::channel();
        // Ends when the server does, which is before this process does.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { return };
                // Only the first is waited for; later ones are read so that the server never writes into a full pipe.
                let _ = first.send(line);
            }
        });
        let line = line.recv_timeout(Duration::from_secs(READY_SECS)).unwrap_or_default();
        match address_in(&line, "http=") {
            Some(address) => {
                let https = address_in(&line, "https=").map(|address| format!("https://{address}"));
                Ok(Server { process, url: format!("http://{address}"), https })
            }
            None if lock(&self.running).closed => Err(Trouble::Interrupted),
            None => Err(Trouble::NotListening(log)),
        }
    }
}

fn line(program: &str, args: &[&OsStr]) -> String {
    let words = args.iter().map(|arg| quoted(&arg.to_string_lossy()));
    [quoted(program)].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

fn lock(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

/// HOST:PORT out of `listening http=HOST:PORT admin=HOST:PORT https=HOST:PORT`.
fn address_in<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let mut words = line.strip_prefix("listening ")?.split(' ');
    words.find_map(|word| word.strip_prefix(name)).filter(|address| !address.is_empty())
}

/// A child. Dropped while it runs, it is killed.
#[derive(Debug)]
struct Process {
    running: Arc<Mutex<Running>>,
    child: Option<(Child, Pid)>,
}

impl Process {
    fn wait(&mut self) -> Result<ExitStatus, Trouble> {
        let Some((mut child, pid)) = self.child.take() else {
            return Err(Trouble::Wrong("the process was waited for twice".to_owned()));
        };
        // First without reaping, so that its id stays its own until it is off the list.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
        lock(&self.running).pids.retain(|running| *running != pid);
        child.wait().map_err(Trouble::io("a process"))
    }

    fn signal(&self, signal: Signal) -> Result<(), Trouble> {
        match &self.child {
            // Not reaped, so the id is its own.
            Some((_, pid)) => kill_process(*pid, signal).map_err(|errno| Trouble::io("a signal")(errno.into())),
            None => Ok(()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.is_some() {
            let _ = self.signal(Signal::KILL);
            let _ = self.wait();
        }
    }
}

/// A server that listens.
#[derive(Debug)]
pub(super) struct Server {
    process: Process,
    pub(super) url: String,
    pub(super) https: Option<String>,
}

impl Server {
    /// Where its HTTPS listener is.
    ///
    /// # Errors
    /// It has none.
    pub(super) fn https(&self) -> Result<&str, Trouble> {
        self.https.as_deref().ok_or_else(|| Trouble::Wrong("the server has no HTTPS".to_owned()))
    }

    /// Its process id, to be told.
    pub(super) fn id(&self) -> u32 {
        self.process.child.as_ref().map_or(0, |(child, _)| child.id())
    }

    /// `kill -9`: it gets no chance to write anything.
    ///
    /// # Errors
    /// [`Trouble`].
    pub(super) fn kill(mut self) -> Result<(), Trouble> {
        self.process.signal(Signal::KILL)?;
        self.process.wait().map(drop)
    }

    /// SIGTERM: it answers what it accepted, and ends with 0.
    ///
    /// # Errors
    /// Another end.
    pub(super) fn stop(mut self) -> Result<(), Trouble> {
        self.process.signal(Signal::TERM)?;
        let status = self.process.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(Trouble::Wrong(format!("the server ended with {status} after SIGTERM")))
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::test_kill_process;

    use super::*;

    /// A house in which `semper` is the shell: `semper -c '…'`.
    fn house() -> (tempfile::TempDir, House) {
        let folder = tempfile::tempdir().unwrap();
        let house = House::with_program(folder.path(), "/bin/sh".into(), "semper".into()).unwrap();
        (folder, house)
    }

    fn script(text: &str) -> [&OsStr; 2] {
        ["-c".as_ref(), text.as_ref()]
    }

    #[test]
    fn a_command_must_end_as_expected() {
        let (folder, house) = house();
        let said = house.semper(&script("echo out; echo err >&2; exit 3"), 3).unwrap();
        assert_eq!((said.out.as_str(), said.err.as_str()), ("out\n", "err\n"));
        let wrong = house.semper(&script("echo first; echo why >&2; exit 1"), 0).unwrap_err().to_string();
        assert_eq!(
            wrong,
            "semper -c 'echo first; echo why >&2; exit 1' ended with exit status: 1 instead of 0; it said: why"
        );
        assert!(folder.path().join("logs/01-c.out").is_file());
        assert!(lock(&house.running).pids.is_empty());
    }

    #[test]
    fn a_stranger_may_be_absent() {
        let (_folder, house) = house();
        assert!(house.stranger("no-such-program-of-ours", &[], 0).unwrap().is_none());
        assert!(house.stranger("sh", &script("exit 0"), 0).unwrap().is_some());
        assert!(house.stranger("sh", &script("exit 1"), 0).is_err());
    }

    /// Says what a server says, then waits for ever on a pipe that nobody writes: no sleep, no end of its own.
    const SERVER: &str = "echo listening http=127.0.0.1:1 admin=127.0.0.1:2; exec cat /proc/self/fd/9 9<>\"$FIFO\"";

    fn server(folder: &Path) -> String {
        let fifo = folder.join("fifo");
        let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        SERVER.replace("$FIFO", &fifo.to_string_lossy())
    }

    #[test]
    fn a_server_is_ready_when_it_says_so_and_dies_when_killed_or_dropped() {
        let (folder, house) = house();
        let text = server(folder.path());
        let server = house.serve(&script(&text)).unwrap();
        assert_eq!(server.url, "http://127.0.0.1:1");
        let pid = Pid::from_child(&server.process.child.as_ref().unwrap().0);
        assert_eq!(server.id(), pid.as_raw_nonzero().get().cast_unsigned());
        test_kill_process(pid).unwrap();
        server.kill().unwrap();
        assert!(test_kill_process(pid).is_err(), "gone and reaped");

        let server = house.serve(&script(&text)).unwrap();
        let pid = Pid::from_child(&server.process.child.as_ref().unwrap().0);
        drop(server);
        assert!(test_kill_process(pid).is_err(), "gone and reaped");
        assert!(lock(&house.running).pids.is_empty());
    }

    #[test]
    fn a_server_that_ends_or_babbles_is_no_server() {
        let (_folder, house) = house();
        for text in ["exit 0", "echo hello", "echo listening admin=x"] {
            assert!(matches!(house.serve(&script(text)), Err(Trouble::NotListening(_))), "{text}");
        }
        assert!(lock(&house.running).pids.is_empty());
    }

    #[test]
    fn a_server_that_does_not_end_well_is_said() {
        let (folder, house) = house();
        let text = server(folder.path());
        let refused = house.serve(&script(&text)).unwrap().stop().unwrap_err().to_string();
        assert!(refused.contains("signal: 15"), "{refused}");
    }

    #[test]
    fn after_a_signal_children_are_dead_and_none_is_started() {
        let (folder, house) = house();
        let text = server(folder.path());
        let mut server = house.serve(&script(&text)).unwrap();
        lock(&house.running).end_all();
        assert!(!server.process.wait().unwrap().success());
        assert!(matches!(house.semper(&script("exit 0"), 0), Err(Trouble::Interrupted)));
        assert!(matches!(house.serve(&script(&text)), Err(Trouble::Interrupted)));
    }

    #[test]
    fn the_ready_line() {
        assert_eq!(address_in("listening http=[::1]:80 admin=127.0.0.1:2", "http="), Some("[::1]:80"));
        assert_eq!(address_in("listening admin=a http=b", "http="), Some("b"));
        for line in ["", "http=a", "listening", "listening http=", "not listening http=a"] {
            assert_eq!(address_in(line, "http="), None, "{line}");
        }
    }
}
