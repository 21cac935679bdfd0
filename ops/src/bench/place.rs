//! The folder where a run keeps its stores, and the servers that it starts there.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::Failed;

/// A folder of our own, removed at the end whatever happens.
#[derive(Debug)]
pub(crate) struct Place {
    root: PathBuf,
}

impl Place {
    /// Below `parent`, or in the system's temporary folder.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn new(parent: Option<&Path>) -> Result<Place, Failed> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        fs::create_dir_all(&parent)?;
        let root = parent.join(format!("semper-bench-{}", std::process::id()));
        fs::create_dir(&root).map_err(|error| Failed(format!("cannot make {}: {error}", root.display())))?;
        Ok(Place { root })
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.root
    }

    /// Something in it.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Removes something in it.
    pub(crate) fn clear(&self, name: &str) -> Result<(), Failed> {
        match fs::remove_dir_all(self.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Makes a demonstration service in `name`, as an operator would: with `semper init`.
    ///
    /// # Errors
    /// What `init` said.
    pub(crate) fn init(&self, name: &str) -> Result<PathBuf, Failed> {
        let data = self.join(name);
        let output = Command::new(std::env::current_exe()?).args(["init", "--demo", "--data"]).arg(&data).output()?;
        if output.status.success() {
            Ok(data)
        } else {
            Err(Failed(format!("semper init: {}", String::from_utf8_lossy(&output.stderr).trim())))
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root); // what is left is in a temporary folder
    }
}

/// A server in a process of its own; ended when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) http: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// Witnesses have none.
    pub(crate) https: Option<SocketAddr>,
}

impl Server {
    /// Starts `semper serve` on a data folder and waits until it listens.
    ///
    /// # Errors
    /// It does not start; its log is in the sentence.
    pub(crate) fn start(data: &Path) -> Result<Server, Failed> {
        let free = ["--https", "127.0.0.1:0"].map(OsString::from);
        Server::start_with(["serve".into(), "--data".into(), data.into()].into_iter().chain(free), data)
    }

    /// As [`Server::start`], any command that listens; `beside` is where its log goes.
    pub(crate) fn start_with(words: impl IntoIterator<Item = OsString>, beside: &Path) -> Result<Server, Failed> {
        let log = beside.with_extension("log");
        let mut child = Command::new(std::env::current_exe()?)
            .args(words)
            .args(["--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let Some((http, admin, https)) = parse_listening(&line) else {
            let _ = child.kill(); // it may have ended by itself
            let _ = child.wait();
            let said = fs::read_to_string(&log).unwrap_or_default();
            return Err(Failed(format!("the server did not start: {}", said.lines().last().unwrap_or_default())));
        };
        Ok(Server { child, http, admin, https })
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and waits.
    ///
    /// # Errors
    /// It ended badly.
    pub(crate) fn stop(mut self) -> Result<(), Failed> {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(Failed(format!("semper serve ended with {status}"))) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `stop` both do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parse_listening(line: &str) -> Option<(SocketAddr, SocketAddr, Option<SocketAddr>)> {
    let addresses = line.trim().strip_prefix("listening ")?;
    let address = |name| addresses.split(' ').find_map(|word| word.strip_prefix(name)?.parse().ok());
    Some((address("http=")?, address("admin=")?, address("https=")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_server_that_is_ready() {
        let read = parse_listening("listening http=127.0.0.1:81 admin=127.0.0.1:82 https=127.0.0.1:83\n").unwrap();
        assert_eq!((read.0.port(), read.1.port(), read.2.map(|https| https.port())), (81, 82, Some(83)));
        assert_eq!(parse_listening("listening http=[::1]:81 admin=[::1]:82\n").unwrap().2, None);
        assert_eq!(parse_listening(""), None);
        assert_eq!(parse_listening("listening http=127.0.0.1 admin=127.0.0.1:82"), None);
    }

    #[test]
    fn a_place_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(Some(dir.path())).ok().unwrap();
        fs::create_dir(place.join("store")).unwrap();
        assert!(place.clear("store").is_ok() && place.clear("store").is_ok());
        assert!(!place.join("store").exists());
        drop(place);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
