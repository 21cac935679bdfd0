//! Programs of others that judge our output, and where they lie. `ops/setup.sh` installs them; one that is missing fails its test
//! and never passes silently.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The folder of their scripts.
#[must_use]
pub fn folder() -> PathBuf {
    crate::source_folder().join("strangers")
}

/// The interpreter of the venv that `ops/setup.sh` makes.
///
/// # Panics
/// It is not there.
#[must_use]
pub fn python() -> Command {
    let python = cache().join("venv/bin/python");
    assert!(fs::exists(&python).is_ok_and(|found| found), "{} is missing: run ops/setup.sh", python.display());
    of_venv(&python)
}

/// The interpreter of the venv for those that need Python 3.12; where there is none, `test` did not run, which is said on
/// standard error, past the test harness's capture.
#[must_use]
pub fn newer_python(test: &str) -> Option<Command> {
    let python = cache().join("venv-witness/bin/python");
    if fs::exists(&python).is_ok_and(|found| found) {
        return Some(of_venv(&python));
    }
    // A closed standard error leaves nobody to tell.
    let why = "aics-witness needs Python 3.12 or newer, of which ops/setup.sh makes a venv";
    let _ = writeln!(std::io::stderr(), "\n*** NOT RUN: {test}: {why} ***");
    None
}

/// A program from where `ops/setup.sh` puts what it takes out of a package, else from `PATH`.
#[must_use]
pub fn tool(name: &str) -> Command {
    let fetched = cache().join("tools").join(name);
    if fetched.is_file() { Command::new(fetched) } else { Command::new(name) }
}

fn of_venv(python: &PathBuf) -> Command {
    let mut command = Command::new(python);
    // -B: no __pycache__ in the checkout, which several tests would write at once.
    command.arg("-B");
    command
}

fn cache() -> PathBuf {
    let cache = env::var_os("XDG_CACHE_HOME")
        .filter(|path| !path.is_empty())
        .map_or_else(|| PathBuf::from(env::var_os("HOME").expect("HOME is set")).join(".cache"), PathBuf::from);
    cache.join("semper")
}

/// Runs a program to its end.
///
/// # Panics
/// It cannot be started.
pub fn run(command: &mut Command) -> Output {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{program}: {error}: run ops/setup.sh"))
}

/// As [`run`], for one that reads its standard input.
///
/// # Panics
/// It cannot be started.
pub fn run_with(command: &mut Command, input: &[u8]) -> Output {
    let program = command.get_program().to_string_lossy().into_owned();
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = piped.unwrap_or_else(|error| panic!("{program}: {error}: run ops/setup.sh"));
    // One that ends before it has read everything says why; the pipe's end alone would not.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input));
    child.wait_with_output().unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// Runs a program that must find everything in order.
///
/// # Panics
/// It does not.
pub fn judge(command: &mut Command) {
    let output = run(command);
    assert!(output.status.success(), "{command:?} ended with {}:\n{}", output.status, text(&output));
}

/// Everything printed, without the checks that passed.
#[must_use]
pub fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    let lines = String::from_utf8_lossy(&both);
    lines.lines().filter(|line| !line.starts_with("ok ")).collect::<Vec<_>>().join("\n")
}
