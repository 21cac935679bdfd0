//! The program `semper` itself: data folders, a running server, a command that ends.
//!
//! Every server is a process of its own on a data folder of its own and on ports that the system chose, so tests run in
//! parallel. Making a service takes seconds (RSA keys, a hardened key-file passphrase); a test binary therefore makes one
//! and copies it. The copies share keys and origin: two logs that must differ need [`Data::own`].
//!
//! Nothing here sleeps: what is waited for is a line, the end of a stream, or a deadline that fails the test.

use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use semper_ledger::note::VerifierKey;
use semper_ttp::asn1::TEST_POLICY;
use semper_ttp::verify::Trust;
use tempfile::TempDir;

pub use crate::process::{DEADLINE, Finished, binary, command, run, run_command};
use crate::process::{Listening, Process};

/// The data folder of a service.
pub struct Data {
    // Where it lies in a folder of ours, it goes with this.
    _folder: Option<TempDir>,
    path: PathBuf,
}

/// What every test changes of a demonstration's settings: the disk of a machine that runs tests may be nearly full.
const TEST_SETTINGS: [(&str, &str); 1] = [("storage.disk_free_min_bytes", "16777216")];

impl Data {
    /// A new service. Shares keys and origin with all others that this test binary gets from here.
    ///
    /// # Panics
    /// `semper init` fails.
    #[must_use]
    pub fn demo() -> Self {
        let template = template();
        let folder = TempDir::with_prefix("semper-test-").expect("a temporary folder");
        let path = folder.path().join("data");
        Self::copy(&template.path().join("data"), &path);
        Self { _folder: Some(folder), path }
    }

    /// A new service with keys and an origin that no other has.
    ///
    /// # Panics
    /// `semper init` fails.
    #[must_use]
    pub fn own() -> Self {
        let folder = init();
        Self { path: folder.path().join("data"), _folder: Some(folder) }
    }

    /// A copy of this test binary's service at `path`, which must not exist; the caller removes it.
    ///
    /// # Panics
    /// `semper init` fails, or the folder cannot be written.
    #[must_use]
    pub fn demo_at(path: &Path) -> Self {
        Self::copy(&template().path().join("data"), path);
        Self::at(path)
    }

    /// The service in a folder that is there; the caller removes it.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { _folder: None, path: path.to_owned() }
    }

    /// Copies the folder of a service that does not run. Its settings may name files in it by their absolute paths.
    fn copy(from: &Path, to: &Path) {
        copy_folder(from, to);
        let settings = to.join("semper.toml");
        let text = fs::read_to_string(&settings).expect("semper.toml of the service");
        let (old, new) = (from.to_str().expect("a path in UTF-8"), to.to_str().expect("a path in UTF-8"));
        fs::write(&settings, text.replace(old, new)).expect("semper.toml can be written");
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Changes a setting, such as `("limits.body_bytes_max", "1024")`; the value is TOML.
    ///
    /// # Panics
    /// `semper.toml` cannot be read or written.
    pub fn set(&self, key: &str, value: &str) -> &Self {
        let path = self.path.join("semper.toml");
        let text = fs::read_to_string(&path).expect("semper.toml of the service");
        fs::write(&path, with_setting(&text, key, value)).expect("semper.toml can be written");
        self
    }

    /// The folder of trust anchors.
    #[must_use]
    pub fn trust_folder(&self) -> PathBuf {
        self.path.join("trust")
    }

    /// The ledger's public key.
    ///
    /// # Panics
    /// It is not there.
    #[must_use]
    pub fn log_key(&self) -> VerifierKey {
        let text = fs::read_to_string(self.trust_folder().join("ledger.vkey")).expect("the log's key");
        VerifierKey::parse(text.trim()).expect("a key")
    }

    /// The trust anchors, as a verifier reads them.
    ///
    /// # Panics
    /// They are not there.
    #[must_use]
    pub fn trust(&self) -> Trust {
        let text = |name| fs::read_to_string(self.trust_folder().join(name)).expect(name);
        let trust = Trust::from_texts(&text("root.pem"), &text("tsa-chain.pem"), &text("ledger.vkey"));
        trust.expect("trust anchors").with_policies(vec![TEST_POLICY.parse().expect("an object identifier")])
    }

    /// Starts a server on it and waits until it is ready.
    ///
    /// # Panics
    /// It does not become ready.
    #[must_use]
    pub fn serve(&self) -> Server {
        Server::start(&self.path, &[], &[])
    }

    /// `semper serve` that is expected to end by itself.
    #[must_use]
    pub fn serve_to_the_end(&self, args: &[&str]) -> Finished {
        Process::spawn(serve(&self.path, args)).expect_end()
    }

    /// `semper fsck --full`.
    #[must_use]
    pub fn fsck(&self) -> Finished {
        run(&[OsStr::new("fsck"), OsStr::new("--full"), OsStr::new("--data"), self.path.as_os_str()])
    }

    /// `semper audit`.
    #[must_use]
    pub fn audit(&self) -> Finished {
        run(&[OsStr::new("audit"), OsStr::new("--data"), self.path.as_os_str()])
    }

    /// `semper export --json` into a folder.
    #[must_use]
    pub fn export(&self, out: &Path) -> Finished {
        export(&self.path, out)
    }
}

/// `semper export --json` of the data folder `data` into `out`.
#[must_use]
pub fn export(data: &Path, out: &Path) -> Finished {
    let words = ["export", "--json", "--data"].map(OsStr::new);
    run(&[&words[..], &[data.as_os_str(), OsStr::new("--out"), out.as_os_str()]].concat())
}

/// Made when it is first wanted; gone when nobody wants it any more, so nothing is left behind when the tests end.
fn template() -> Arc<TempDir> {
    static TEMPLATE: Mutex<Weak<TempDir>> = Mutex::new(Weak::new());
    thread_local! {
        // The test harness runs a test per thread: this keeps the template between two uses of one test.
        static KEPT: std::cell::RefCell<Option<Arc<TempDir>>> = const { std::cell::RefCell::new(None) };
    }
    // Other tests wait here while the first one makes it; one whose making failed lets the next one try.
    let mut shared = TEMPLATE.lock().unwrap_or_else(PoisonError::into_inner);
    let template = shared.upgrade().unwrap_or_else(|| Arc::new(init()));
    *shared = Arc::downgrade(&template);
    KEPT.set(Some(Arc::clone(&template)));
    template
}

fn init() -> TempDir {
    let folder = TempDir::with_prefix("semper-test-").expect("a temporary folder");
    let data = folder.path().join("data");
    run(&[OsStr::new("init"), OsStr::new("--demo"), OsStr::new("--data"), data.as_os_str()]).expect(0);
    let data = Data::at(&data);
    for (key, value) in TEST_SETTINGS {
        data.set(key, value);
    }
    folder
}

/// Copies a folder with everything in it: files and folders, with their permissions.
///
/// # Panics
/// Something cannot be read or written, or `to` exists.
pub fn copy_folder(from: &Path, to: &Path) {
    let copy = || -> std::io::Result<()> {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                copy_folder(&entry.path(), &target);
            } else {
                fs::copy(entry.path(), target)?;
            }
        }
        Ok(())
    };
    copy().unwrap_or_else(|error| panic!("{} to {}: {error}", from.display(), to.display()));
}

/// The TOML with `section.key` set. Knows only what our own settings use: sections by name, one key a line.
fn with_setting(text: &str, key: &str, value: &str) -> String {
    let (section, name) = key.split_once('.').expect("section.key");
    let header = format!("[{section}]");
    let line = format!("{name} = {value}");
    let (mut lines, mut inside, mut done) = (Vec::new(), false, false);
    for old in text.lines() {
        let trimmed = old.trim();
        if trimmed.starts_with('[') {
            inside = trimmed == header;
        }
        let same = inside && trimmed.split('=').next().is_some_and(|left| left.trim() == name);
        if !same {
            lines.push(old);
        }
        if trimmed == header && !done {
            lines.push(&line);
            done = true;
        }
    }
    if !done {
        lines.extend([header.as_str(), &line]);
    }
    lines.join("\n") + "\n"
}

/// A running server. Dropping it kills it.
pub struct Server {
    process: Process,
    // After the process: the folder goes when nobody writes to it any more.
    data: Data,
    http: SocketAddr,
    admin: SocketAddr,
    https: Option<SocketAddr>,
    url: String,
    admin_url: String,
    trust: PathBuf,
}

fn serve(data: &Path, args: &[&str]) -> Command {
    let mut command = command(&["serve", "--data"]);
    let free = ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    command.arg(data).args(free).args(args);
    command
}

impl Server {
    /// A new demonstration service, running.
    ///
    /// # Panics
    /// It does not become ready.
    #[must_use]
    pub fn demo() -> Self {
        Self::with(&[])
    }

    /// A new demonstration service with changed settings, running.
    ///
    /// # Panics
    /// It does not become ready.
    #[must_use]
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let data = Data::demo();
        for (key, value) in settings {
            data.set(key, value);
        }
        Self::launch(data, &[], &[]).unwrap_or_else(|end| panic!("the server ended at once: {end:#?}"))
    }

    /// A server on a folder that is there, with further arguments and environment.
    ///
    /// # Panics
    /// It does not become ready.
    #[must_use]
    pub fn start(data: &Path, args: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::launch(Data::at(data), args, environment)
            .unwrap_or_else(|end| panic!("the server ended at once: {end:#?}"))
    }

    /// As [`Server::start`] for a server that may refuse.
    ///
    /// # Errors
    /// How it ended.
    pub fn try_start(data: &Path, args: &[&str], environment: &[(&str, &str)]) -> Result<Self, Finished> {
        Self::launch(Data::at(data), args, environment)
    }

    fn launch(data: Data, args: &[&str], environment: &[(&str, &str)]) -> Result<Self, Finished> {
        let mut command = serve(&data.path, args);
        command.envs(environment.iter().copied());
        let mut process = Process::spawn(command);
        let Listening { http, admin, https } = process.listening()?;
        let trust = data.trust_folder();
        let (url, admin_url) = (format!("http://{http}"), format!("http://{admin}"));
        Ok(Self { process, data, http, admin, https, url, admin_url, trust })
    }

    /// Starts a server and kills it before it can be ready, `after` this span: recovery itself is interrupted. Says
    /// whether it was in time.
    pub fn start_and_kill(data: &Path, after: Duration) -> bool {
        let mut process = Process::spawn(serve(data, &[]));
        let outcome = process.next(after);
        let _ = process.child.kill(); // fails only if it has ended
        process.end();
        outcome == Err(RecvTimeoutError::Timeout)
    }

    /// `http://HOST:PORT` of the plain listener.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `http://HOST:PORT` of the admin listener.
    #[must_use]
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// The address of the plain listener.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// The address of the admin listener.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The address of the HTTPS listener.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn https(&self) -> SocketAddr {
        self.https.expect("the server listens for HTTPS")
    }

    /// Whether it listens for HTTPS at all.
    #[must_use]
    pub fn has_https(&self) -> bool {
        self.https.is_some()
    }

    /// The folder of trust anchors.
    #[must_use]
    pub fn trust(&self) -> &Path {
        &self.trust
    }

    /// The data folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.data.path
    }

    /// The data folder, as an object.
    #[must_use]
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// What it has logged so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// Memory that is resident, bytes.
    ///
    /// # Panics
    /// The process has ended.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let mut status = String::new();
        let file = fs::File::open(format!("/proc/{}/status", self.pid()));
        file.and_then(|mut file| file.read_to_string(&mut status)).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line VmRSS");
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("kilobytes");
        kibibytes * 1024
    }

    /// Kills it with SIGKILL and gives its data folder back.
    pub fn kill9(mut self) -> Data {
        let _ = self.process.child.kill(); // fails only if it has ended
        self.process.end();
        self.into_data()
    }

    /// Asks it to end (SIGTERM); returns at once.
    ///
    /// # Panics
    /// It is not there any more.
    pub fn terminate(&self) {
        self.process.terminate();
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// It does not, in [`DEADLINE`].
    pub fn wait(mut self) -> (Finished, Data) {
        let end = self.process.end();
        (end, self.into_data())
    }

    /// SIGTERM, and exit code 0.
    ///
    /// # Panics
    /// It ends otherwise.
    pub fn stop(self) -> Data {
        self.terminate();
        let (end, data) = self.wait();
        end.expect(0);
        data
    }

    fn into_data(self) -> Data {
        self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_replaced_where_they_stand_and_added_where_not() {
        let text = "# c\n[limits]\nbody_bytes_max = 1\nidle = 2\n\n[log]\nlevel = \"info\"\n";
        let set = |key, value| with_setting(text, key, value);
        assert_eq!(
            set("limits.body_bytes_max", "7"),
            "# c\n[limits]\nbody_bytes_max = 7\nidle = 2\n\n[log]\nlevel = \"info\"\n"
        );
        assert_eq!(
            set("log.format", "\"json\""),
            "# c\n[limits]\nbody_bytes_max = 1\nidle = 2\n\n[log]\nformat = \"json\"\nlevel = \"info\"\n"
        );
        assert_eq!(set("tsa.x", "1"), format!("{text}[tsa]\nx = 1\n"));
        // The same name in another section is another setting.
        assert_eq!(with_setting("[a]\nx = 1\n[b]\nx = 2\n", "b.x", "3"), "[a]\nx = 1\n[b]\nx = 3\n");
    }
}
