//! The command line: every command, its options, its help with an example. Defines and parses; `main.rs` dispatches.
//!
//! No command ever asks a question. What is missing is a usage error that names the option.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use semper_ttp::asn1::PolicyId;

use crate::commands::say;
use crate::exit::Exit;

/// Trusted third parties that share one Merkle-backed evidence ledger.
#[derive(Debug, Parser)]
#[command(name = "semper", version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Print one JSON document on standard output instead of text, and no progress bars.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes of every command:
   0  ok                      64  wrong usage or configuration
   1  verified false          69  server not reachable
   2  could not tell          70  our fault
                              75  busy, try again

Example:
  semper demo";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(Init),
    Serve(Serve),
    Stamp(Stamp),
    Verify(Verify),
    Prove(Prove),
    Fsck(Fsck),
    Export(Export),
    Witness(Witness),
    Bench(Bench),
    Demo(Demo),
}

/// Make a new service: keys, certificates, ledger, trust anchors.
///
/// What can never change later is read from the configuration: origin, public URL, country, organisation and its
/// identifier. The folder must be empty or missing; nothing is ever overwritten. The passphrase that protects the keys
/// comes from a file or the environment, as the configuration says.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["config", "demo"]),
    after_help = "Example:\n  semper init --data /var/lib/semper --config /etc/semper/semper.toml"
)]
pub(crate) struct Init {
    /// The data folder to make.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The configuration that states who this service is.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Use test values and believe the machine's clock: for a trial, never for evidence.
    #[arg(long)]
    pub(crate) demo: bool,
    /// Take the clock as it is, though the kernel does not vouch for it: the first entries are bound by it for good.
    #[arg(long)]
    pub(crate) believe_clock: bool,
}

/// Run the server.
///
/// Prints one line `listening http=HOST:PORT admin=HOST:PORT` when it is ready. SIGTERM and SIGINT end it after every
/// accepted request has its answer.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper serve --data /var/lib/semper --config /etc/semper/semper.toml")]
pub(crate) struct Serve {
    /// The data folder that `semper init` made.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Settings; without it, the copy that `semper init` made in the data folder (semper.toml).
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Listen here for plain HTTP instead; port 0 lets the system choose.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) http: Option<SocketAddr>,
    /// Listen here for metrics and health instead; port 0 lets the system choose.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) admin: Option<SocketAddr>,
    /// Check settings, keys, certificates and ledger, say whether it would be ready now, and stop.
    #[arg(long)]
    pub(crate) check: bool,
}

/// Timestamp files.
///
/// Writes FILE.tst (the RFC 3161 token) and FILE.tlog-proof (its inclusion in the ledger) beside each file, or below
/// `--out`. Only the file's digest leaves this machine. Folders are walked.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper stamp contract.pdf annexes/ --url http://127.0.0.1:8080 -o evidence")]
pub(crate) struct Stamp {
    /// Files and folders.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The server.
    #[arg(long, value_name = "URL", env = "SEMPER_URL")]
    pub(crate) url: String,
    /// Write below this folder instead of beside the files.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// The digest that is stamped. A file that has its evidence already keeps it, whatever its digest.
    #[arg(long, value_enum, default_value_t = StampHash::Sha256)]
    pub(crate) hash: StampHash,
    /// Use the RSA key, for verifiers that know no elliptic curves. Evidence that is there already stays as it is.
    #[arg(long)]
    pub(crate) rsa: bool,
    /// Ask for this policy instead of the server's default.
    #[arg(long, value_name = "OID")]
    pub(crate) policy: Option<String>,
}

/// The digests that `stamp` can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StampHash {
    Sha256,
    Sha384,
    Sha512,
    #[value(name = "sha3-256")]
    Sha3_256,
    #[value(name = "sha3-384")]
    Sha3_384,
    #[value(name = "sha3-512")]
    Sha3_512,
}

/// Verify a file's timestamp and its inclusion in the ledger, offline.
///
/// Names each check with ok, failed or not checked. Needs neither server nor data folder, only the trust anchors that
/// `semper init` wrote: root.pem, tsa-chain.pem, ledger.vkey, ledger.json; for COSE Receipts also receipt.pem. With a file
/// witnesses.policy in the folder (C2SP tlog-policy), its quorum must have cosigned the checkpoint.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper verify contract.pdf \
                  --token contract.pdf.tst --proof contract.pdf.tlog-proof --trust trust")]
pub(crate) struct Verify {
    /// The file that was stamped.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The token, or the TimeStampResp with it in; without this option, FILE.tst.
    #[arg(long, value_name = "FILE")]
    pub(crate) token: Option<PathBuf>,
    /// The proof of inclusion, as tlog-proof or COSE Receipt; without it, the tlog-proof beside the token if there is one:
    /// X.tlog-proof for X.tst and X.tsr.
    #[arg(long, value_name = "FILE")]
    pub(crate) proof: Option<PathBuf>,
    /// The folder with the trust anchors.
    #[arg(long, value_name = "DIR")]
    pub(crate) trust: PathBuf,
    /// Accept timestamps under this policy only; may be given more than once. Without it any policy is accepted but the
    /// test policy 1.3.6.1.5.5.7.13.1, whose timestamps prove nothing.
    #[arg(long = "policy", value_name = "OID")]
    pub(crate) policies: Vec<PolicyId>,
}

impl Verify {
    /// The token's path.
    pub(crate) fn token_path(&self) -> PathBuf {
        self.token.clone().unwrap_or_else(|| with_ending(&self.file, "tst"))
    }

    /// The proof's path: the one that was named, which must exist, or the usual one, which may be missing. A proof is
    /// of a token, so it is looked for beside the token, not beside the file.
    pub(crate) fn proof_path(&self) -> PathBuf {
        let usual = |token: &PathBuf| match token.extension() {
            // Only the usual endings are exchanged: `a/contract.pdf.tst` → `a/contract.pdf.tlog-proof`.
            Some(ending) if ending == "tst" || ending == "tsr" => token.with_extension("tlog-proof"),
            _ => with_ending(token, "tlog-proof"),
        };
        self.proof.clone().unwrap_or_else(|| usual(&self.token_path()))
    }
}

/// `contract.pdf` with ending `tst` is `contract.pdf.tst`: nothing is replaced, so two files never share a token's
/// name.
pub(crate) fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Fetch the proof that something is in the ledger.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("which").required(true).args(["digest", "index", "token"]),
    after_help = "Example:\n  semper prove --url http://127.0.0.1:8080 --token contract.pdf.tst -o contract.pdf.tlog-proof"
)]
pub(crate) struct Prove {
    /// The server.
    #[arg(long, value_name = "URL", env = "SEMPER_URL")]
    pub(crate) url: String,
    /// The entry's digest: SHA-256 of the artefact, 64 hexadecimal digits.
    #[arg(long, value_name = "HEX", value_parser = sha256_hex)]
    pub(crate) digest: Option<String>,
    /// The entry's index.
    #[arg(long, value_name = "N")]
    pub(crate) index: Option<u64>,
    /// The artefact itself, such as a token; also a TimeStampResp with the token in.
    #[arg(long, value_name = "FILE")]
    pub(crate) token: Option<PathBuf>,
    /// The form of the proof.
    #[arg(long, value_enum, default_value_t = ProofForm::TlogProof)]
    pub(crate) form: ProofForm,
    /// Write here; without it, to standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// The two forms of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProofForm {
    /// C2SP tlog-proof, text.
    TlogProof,
    /// COSE Receipt (RFC 9942), binary.
    Cose,
}

fn sha256_hex(text: &str) -> Result<String, String> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("must be 64 hexadecimal digits".into())
    }
}

/// Check a data folder: every tile, root, time, tag and the newest checkpoint, from the entries up.
///
/// The server must not be running on it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper fsck --data /var/lib/semper --full")]
pub(crate) struct Fsck {
    /// The data folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Settings, for the place of the anchor; without it, the copy that `semper init` made in the data folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Also indexes, artefacts and folded state.
    #[arg(long)]
    pub(crate) full: bool,
}

/// Write the public half of a ledger as a folder that any web server can serve as a log (C2SP tlog-tiles).
///
/// Checkpoint, tiles and entries; no facts, no artefacts, no keys. Every byte is checked against the signed root on its
/// way out. A second export into the same folder writes only what is new. What stands in the folder and contradicts this
/// ledger is left as it is, named, and ends the export with exit code 1. The server must not be running on the data
/// folder.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper export --data /var/lib/semper/data --out /srv/www/ledger")]
pub(crate) struct Export {
    /// The data folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The folder to write into; made if it is missing. Not inside the data folder, nor around it: a web server on it
    /// would serve the keys.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Settings, for the place of the anchor; without it, the copy that `semper init` made in the data folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Run a witness: cosign checkpoints of logs (C2SP tlog-witness), so that nobody can be shown two histories.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper witness serve --data /var/lib/semper-witness")]
pub(crate) struct Witness {
    #[command(subcommand)]
    pub(crate) command: WitnessCommand,
}

/// What a witness can be told.
#[derive(Debug, Subcommand)]
pub(crate) enum WitnessCommand {
    Init(WitnessInit),
    Serve(WitnessServe),
}

/// Make a new witness: a key with a name, and a list of logs.
///
/// The folder must be empty or missing; nothing is ever overwritten. The passphrase that protects the key comes from a file
/// or the environment, as the configuration says.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["config", "demo"]),
    after_help = "Example:\n  semper witness init --data w --config witness.toml --name witness.example.org/w1"
)]
pub(crate) struct WitnessInit {
    /// The data folder to make.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The name that its cosignatures bear, for good: an address without a scheme, which need not exist.
    #[arg(long, value_name = "NAME", required_unless_present = "demo")]
    pub(crate) name: Option<String>,
    /// The key of a log to cosign; may be given more than once. More can be added to the folder's list later.
    #[arg(long = "log", value_name = "VKEY")]
    pub(crate) logs: Vec<String>,
    /// The settings.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Use test values and believe the machine's clock: for a trial.
    #[arg(long)]
    pub(crate) demo: bool,
}

/// Run the witness.
///
/// Prints one line `listening http=HOST:PORT admin=HOST:PORT` when it is ready. SIGTERM and SIGINT end it after every
/// accepted request has its answer.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper witness serve --data /var/lib/semper-witness")]
pub(crate) struct WitnessServe {
    /// The data folder that `semper witness init` made.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Settings; without it, the copy in the data folder (witness.toml).
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Listen here for plain HTTP instead; port 0 lets the system choose.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) http: Option<SocketAddr>,
    /// Listen here for metrics and health instead; port 0 lets the system choose.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) admin: Option<SocketAddr>,
}

/// Measure this machine and this build, each figure beside its limit in the same run.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper bench --area tsa --out target/bench.json")]
pub(crate) struct Bench {
    /// Only this area.
    #[arg(long, value_enum)]
    pub(crate) area: Option<BenchArea>,
    /// Also write the figures here.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Keep the stores in this folder; its disk is what is measured. Without it, a temporary one.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Entries of the large ledger.
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    pub(crate) entries: u64,
}

/// What can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchArea {
    Tsa,
    Ledger,
}

/// Show the main job from beginning to end, on a service of its own, and stop.
///
/// Makes a service, stamps a document, kills the server, starts it again and proves the document offline.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper demo contract.pdf --out demo-evidence")]
pub(crate) struct Demo {
    /// The document; without it, one is written.
    #[arg(value_name = "FILE")]
    pub(crate) document: Option<PathBuf>,
    /// Keep what was made in this folder; without it, in one of its own in the temporary folder, which is kept, too.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

impl Cli {
    /// Parses a command line. Help and version are printed, and so are errors; what is returned then is the exit.
    ///
    /// # Errors
    /// [`Exit::Ok`] after help and version, [`Exit::Usage`] after an error (clap's own code would be 2, which here
    /// means "could not tell").
    pub(crate) fn parse_or_exit<I>(args: I) -> Result<Cli, Exit>
    where
        I: IntoIterator,
        I::Item: Into<OsString> + Clone,
    {
        let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
        Cli::try_parse_from(&args).map_err(|error| {
            // The command line did not parse, so the option is looked for as it stands.
            if error.use_stderr() && args.iter().any(|arg| arg == "--json") {
                say::trouble(true, error.render().to_string().trim_end());
            } else {
                // Nothing is left to do when even this cannot be printed.
                let _ = error.print();
            }
            if error.use_stderr() { Exit::Usage } else { Exit::Ok }
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    /// Each help text has an example, and the example is a command line that this very parser takes.
    #[test]
    fn every_help_has_an_example_that_parses() {
        let mut root = Cli::command();
        root.build();
        let mut count = 0;
        let mut waiting: Vec<(String, clap::Command)> =
            root.get_subcommands().map(|command| (String::new(), command.clone())).collect();
        while let Some((prefix, mut command)) = waiting.pop() {
            if command.get_name() == "help" {
                continue;
            }
            count += 1;
            let name = format!("{prefix}{}", command.get_name());
            waiting.extend(command.get_subcommands().map(|inner| (format!("{name} "), inner.clone())));
            let help = command.render_long_help().to_string();
            let (_, example) = help.split_once("Example:\n").unwrap_or_else(|| panic!("{name}: {help}"));
            let line = example.lines().next().unwrap().trim();
            assert!(line.starts_with(&format!("semper {name}")), "{line}");
            parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(help.contains("--json"), "{name}");
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{name}: {} has no help", arg.get_id());
            }
        }
        assert_eq!(count, 12);
        assert!(root.render_long_help().to_string().contains("Example:\n  semper demo"));
    }

    #[test]
    fn the_help_lists_every_exit_code() {
        for exit in Exit::ALL {
            let code = format!(" {}  ", exit.code());
            assert!(EXIT_CODES.contains(&code), "{exit:?}");
        }
    }

    #[test]
    fn usage_is_64_and_help_is_0() {
        for (line, exit) in [
            ("semper --help", Exit::Ok),
            ("semper --version", Exit::Ok),
            ("semper stamp --help", Exit::Ok),
            ("semper", Exit::Usage),
            ("semper nonsense", Exit::Usage),
            ("semper serve", Exit::Usage),
            ("semper serve --data d --http localhost", Exit::Usage),
        ] {
            assert_eq!(Cli::parse_or_exit(line.split_whitespace()).unwrap_err(), exit, "{line}");
        }
    }

    #[test]
    fn what_must_be_given_and_what_excludes_each_other() {
        let hex = "0".repeat(64);
        for line in [
            "semper init --data d",
            "semper init --data d --demo --config f",
            "semper init --demo",
            "semper stamp --url u",
            "semper stamp f",
            "semper stamp f --url u --hash md5",
            "semper verify f --token t",
            "semper verify f --trust t --policy tests",
            "semper prove --url u",
            "semper prove --url u --digest 00",
            "semper prove --url u --index 1 --token t",
            &format!("semper prove --url u --index 1 --digest {hex}"),
            "semper prove --url u --index -1",
            "semper fsck",
            "semper export --data d",
            "semper export --out o",
            "semper bench --area notary",
            "semper witness",
            "semper witness init --data d --config f",
            "semper witness init --data d --name n",
        ] {
            // With SEMPER_URL set in the environment of the tests, `stamp f` would be a whole command line.
            if line == "semper stamp f" && std::env::var_os("SEMPER_URL").is_some() {
                continue;
            }
            assert!(parse(line).is_err(), "{line}");
        }
        for line in [
            "semper init --data d --demo",
            "semper serve --data d --http 127.0.0.1:0 --admin [::1]:0 --check --json",
            "semper --json stamp f g --url u -o d --hash sha3-512 --rsa --policy 1.2.3",
            "semper verify f --trust t",
            "semper verify f --trust t --policy 1.2.3 --policy 2.25.340282366920938463463374607431768211455",
            &format!("semper prove --url u --digest {hex} --form cose"),
            "semper demo",
            "semper bench",
            "semper witness init --data d --demo --log a --log b",
            "semper witness serve --data d --http 127.0.0.1:0 --json",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn names_beside_the_file() {
        let Command::Verify(verify) = parse("semper verify a/contract.pdf --trust t").unwrap().command else {
            panic!()
        };
        assert_eq!(verify.token_path(), Path::new("a/contract.pdf.tst"));
        assert_eq!(verify.proof_path(), Path::new("a/contract.pdf.tlog-proof"));
        let line = "semper verify f --token x --proof y --trust t";
        let Command::Verify(verify) = parse(line).unwrap().command else { panic!() };
        assert_eq!((verify.token_path(), verify.proof_path()), ("x".into(), "y".into()));
        // Without --proof, the proof is the token's.
        for (token, proof) in [
            ("b/other.pdf.tst", "b/other.pdf.tlog-proof"),
            ("b/other.tsr", "b/other.tlog-proof"),
            ("b/other", "b/other.tlog-proof"),
            ("b.tst/other.bin", "b.tst/other.bin.tlog-proof"),
        ] {
            let line = format!("semper verify f --token {token} --trust t");
            let Command::Verify(verify) = parse(&line).unwrap().command else { panic!() };
            assert_eq!((verify.token_path(), verify.proof_path()), (token.into(), proof.into()));
        }
    }
}
