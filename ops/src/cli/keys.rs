//! The keys of a service.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use semper_ttp::ca::crl::Reason;
use semper_ttp::ca::{Authority, CaId};
use semper_ttp::evidence::KeyPurpose;

/// The keys of a service: which there are, and how another follows.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper keys list --url https://127.0.0.1:8443 --identity people/operator.p12")]
pub(crate) struct Keys {
    #[command(subcommand)]
    pub(crate) command: KeysCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    List(KeysList),
    Rotate(KeysRotate),
    Export(KeysExport),
    Request(KeysRequest),
    Sign(KeysSign),
    Import(KeysImport),
    ImportCa(KeysImportCa),
    Ceremony(KeysCeremony),
    Revoke(KeysRevoke),
}

/// Which server is asked, and by whom.
#[derive(Debug, Args)]
pub(crate) struct OfService {
    /// The HTTPS listener.
    #[arg(long, value_name = "URL", default_value = "https://127.0.0.1:8443")]
    pub(crate) url: String,
    /// Who asks: a .p12 file, or a folder with operator.p12 in it. Its passphrase lies beside it, under the same name with the ending
    /// .passphrase, or where --identity-passphrase-file says. The root in it is the one by which the server is known.
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) identity: PathBuf,
    /// The passphrase of the .p12.
    #[arg(long, value_name = "FILE")]
    pub(crate) identity_passphrase_file: Option<PathBuf>,
}

/// List every key that the service had or has, as its ledger tells of them.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper keys list --url https://127.0.0.1:8443 --identity people/operator.p12")]
pub(crate) struct KeysList {
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Have another key follow one that is in use, while the server runs.
///
/// The server makes the next key where its settings say (an encrypted file or a PKCS#11 token), has its own CA certify it, logs both,
/// and goes over to it; requests that run end with the old one. Then the end of the old key is logged. A CA's old key goes on to
/// sign its lists. An operator's act. The server does it by itself when a key has lived four fifths of its life.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper keys rotate tsu-ec --url https://127.0.0.1:8443 --identity people/operator.p12")]
pub(crate) struct KeysRotate {
    /// Which: tsu-ec, tsu-rsa, ca-party, ca-server, ca-tsu, ocsp-party, ocsp-server, ocsp-tsu, tls or webhook.
    #[arg(value_name = "KEY", value_parser = purpose)]
    pub(crate) key: KeyPurpose,
    #[command(flatten)]
    pub(crate) of: OfService,
    /// Under which name the request is known: whoever repeats one with the same name gets the same answer, and no second key is
    /// made. Without it, a new one, which is told when the answer did not come.
    #[arg(long, value_name = "TEXT")]
    pub(crate) idempotency_key: Option<String>,
}

/// Carry the root's key away, to be kept offline.
///
/// Writes the encrypted key file to where it is carried from, has the ledger tell that it left, and takes it out of the data folder.
/// From then on what the root is to sign is carried to it: `semper keys request`, `sign`, `import`. The server must not be running.
/// Earlier backups still hold the key, encrypted.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper keys export ca-root --data /var/lib/semper/data --to /media/safe/ca-root.1.p8")]
pub(crate) struct KeysExport {
    /// Which: ca-root.
    #[arg(value_name = "KEY", value_parser = purpose)]
    pub(crate) key: KeyPurpose,
    /// The data folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The file to write, for its owner alone. One with the same bytes is taken for this one, written before.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
    /// Settings; without it, the copy that `semper init` made in the data folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Ask the offline root for a certificate of another CA, or for its list (ARL): writes a file to be carried there.
///
/// The request is an entry of the ledger. An operator's act.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper keys request ca-tsu --to ca-tsu.request --identity people/operator.p12
  semper keys request ca-root --to arl.request --identity people/operator.p12")]
pub(crate) struct KeysRequest {
    /// Which: ca-party, ca-server or ca-tsu for another CA of that line; ca-root for the root's list.
    #[arg(value_name = "KEY", value_parser = purpose)]
    pub(crate) key: KeyPurpose,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
    #[command(flatten)]
    pub(crate) of: OfService,
    /// As for `semper keys rotate`.
    #[arg(long, value_name = "TEXT")]
    pub(crate) idempotency_key: Option<String>,
}

/// Sign a request with the root's key, on a machine without network, ledger and server.
///
/// Reads the request, judges it as a stranger would, says what it is, and signs nothing that it could not read.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper keys sign --request ca-tsu.request --root root.pem --key ca-root.1.p8 --look
  semper keys sign --request ca-tsu.request --root root.pem --key ca-root.1.p8 \\
      --passphrase-file passphrase --to ca-tsu.pem")]
pub(crate) struct KeysSign {
    /// What `semper keys request` wrote.
    #[arg(long, value_name = "FILE")]
    pub(crate) request: PathBuf,
    /// The root's certificate, PEM: trust/root.pem.
    #[arg(long, value_name = "FILE")]
    pub(crate) root: PathBuf,
    /// The root's encrypted key, as `semper keys export` wrote it.
    #[arg(long, value_name = "FILE", required_unless_present = "look")]
    pub(crate) key: Option<PathBuf>,
    /// The passphrase of that file. Without it, the environment variable SEMPER_PASSPHRASE.
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// The file to write: a certificate or a list, PEM.
    #[arg(long, value_name = "FILE", required_unless_present = "look")]
    pub(crate) to: Option<PathBuf>,
    /// How long a list is good, days.
    #[arg(long, value_name = "DAYS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=365))]
    pub(crate) days: u32,
    /// Only say what would be signed.
    #[arg(long)]
    pub(crate) look: bool,
}

/// Bring back what the offline root has signed.
///
/// The server judges it and logs it. A certificate: its CA issues from now on. A list: it is served from now on. An operator's act.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper keys import ca-tsu.pem --identity people/operator.p12")]
pub(crate) struct KeysImport {
    /// What `semper keys sign` wrote.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) of: OfService,
    /// As for `semper keys rotate`.
    #[arg(long, value_name = "TEXT")]
    pub(crate) idempotency_key: Option<String>,
}

/// Take over an existing CA: its key, every certificate that it issued, what it revoked, and the number of its last list.
///
/// From the next start on this service answers for it: OCSP and lists by its own key, revocations by officers, status at any time by
/// the ledger. It certifies nobody any more: it stands under another root, and whoever needs a new certificate registers for one.
///
/// Stop the other CA first, and make its last list after that: a certificate that is not handed over here counts as never issued. All
/// of it is judged before anything is written; interrupted, the same command goes on. The server must not be running.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper keys import-ca --data d --certificate ca.pem --key ca.key --certificates old --crl ca.crl")]
pub(crate) struct KeysImportCa {
    /// The data folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The CA's certificate, PEM or DER.
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate: PathBuf,
    /// The CA's private key, PEM, encrypted or not. Kept encrypted in the data folder; the file named here stays as it is. Without it,
    /// the key is looked for in the PKCS#11 token that keys.stores names for ca-imported.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// The passphrase of that file.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) key_passphrase_file: Option<PathBuf>,
    /// Every certificate that it issued, the expired ones too: files, or folders with nothing else in them. PEM, any number in a file,
    /// or DER.
    #[arg(long, value_name = "FILE|DIR", num_args = 1.., required_unless_present = "none_known")]
    pub(crate) certificates: Vec<PathBuf>,
    /// There is no certificate to hand over: but for what its list revokes, everything that it issued counts as never issued, for good.
    #[arg(long, conflicts_with = "certificates")]
    pub(crate) none_known: bool,
    /// Its last list, complete, PEM or DER. What it revokes is revoked here; of a certificate that is not among those handed over, only
    /// the serial number is known from then on.
    #[arg(long, value_name = "FILE")]
    pub(crate) crl: PathBuf,
    /// Settings; without it, the copy that `semper init` made in the data folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Hold a key ceremony: steps under the eyes of an operator and an officer, and a transcript that both sign.
///
/// Both must be there with their .p12 and its passphrase before the first step. The steps are taken in order; one that fails ends the
/// ceremony, and is in the transcript. Then both sign the transcript, and the server, which checks who they are, enters it into
/// the ledger. The transcript names them and stays private.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper keys ceremony --reason x --step rotate:tls --identity a.p12 --officer b.p12 --transcript c")]
pub(crate) struct KeysCeremony {
    /// Why it is held; stands in the transcript.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// A step: rotate:KEY, request:KEY:FILE or import:FILE. In order.
    #[arg(long, value_name = "STEP", required = true, value_parser = step)]
    pub(crate) step: Vec<Step>,
    #[command(flatten)]
    pub(crate) of: OfService,
    /// The officer: a .p12 file, whose passphrase lies beside it or where --officer-passphrase-file says.
    #[arg(long, value_name = "FILE")]
    pub(crate) officer: PathBuf,
    /// The passphrase of the officer's .p12.
    #[arg(long, value_name = "FILE")]
    pub(crate) officer_passphrase_file: Option<PathBuf>,
    /// The file to write the transcript with both signatures into.
    #[arg(long, value_name = "FILE")]
    pub(crate) transcript: PathBuf,
}

/// Revoke an issuing CA, which ends everything below it: the act of two people.
///
/// A revocation officer asks. Another one, or an operator, types the same with the same reason within a day, and it is revoked. Ends
/// with 75 while a second person is waited for. Where the root's key is kept offline, its list has to be carried then: semper keys
/// request ca-root.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper keys revoke ca-party.1 --reason cACompromise --identity people/officer.p12")]
pub(crate) struct KeysRevoke {
    /// Which, with its number, as semper keys list shows it: ca-party.1, or ca-party.2 for the one that followed.
    #[arg(value_name = "CA", value_parser = ca)]
    pub(crate) ca: CaId,
    /// Why, by the names of RFC 5280: cACompromise, superseded, cessationOfOperation, …
    #[arg(long, value_name = "REASON", value_parser = super::party::revocation)]
    pub(crate) reason: Reason,
    #[command(flatten)]
    pub(crate) of: OfService,
    /// Under which name the request is known: whoever repeats one with the same name gets the same answer. Without it, a new one,
    /// which is told when the answer did not come.
    #[arg(long, value_name = "TEXT")]
    pub(crate) idempotency_key: Option<String>,
}

/// With its number always: `ca-tsu` alone would be the first one, whichever is in use.
fn ca(text: &str) -> Result<CaId, String> {
    let place = text.strip_suffix(".1").unwrap_or(text);
    let found = CaId::from_place(place).filter(|ca| ca.generation > 1 || place != text);
    let issues = |ca: &CaId| !matches!(ca.authority, Authority::Root | Authority::Imported);
    found
        .filter(issues)
        .ok_or_else(|| "must be an issuing CA of this service with its number, such as ca-party.1".to_owned())
}

/// A step of a ceremony.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// As `semper keys rotate`.
    Rotate(KeyPurpose),
    /// As `semper keys request --to`.
    Request(KeyPurpose, PathBuf),
    /// As `semper keys import`.
    Import(PathBuf),
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rotate(key) => write!(f, "rotate:{}", key.name()),
            Self::Request(key, file) => write!(f, "request:{}:{}", key.name(), file.display()),
            Self::Import(file) => write!(f, "import:{}", file.display()),
        }
    }
}

fn step(text: &str) -> Result<Step, String> {
    let words = "must be rotate:KEY, request:KEY:FILE or import:FILE";
    match text.split_once(':') {
        Some(("rotate", key)) => Ok(Step::Rotate(purpose(key)?)),
        Some(("request", rest)) => {
            let (key, file) = rest.split_once(':').ok_or(words)?;
            Ok(Step::Request(purpose(key)?, file.into()))
        }
        Some(("import", file)) => Ok(Step::Import(file.into())),
        _ => Err(words.to_owned()),
    }
}

fn purpose(text: &str) -> Result<KeyPurpose, String> {
    let found = KeyPurpose::ALL.iter().copied().find(|purpose| purpose.name() == text);
    found.ok_or_else(|| "must be the name of a key, such as tsu-ec".to_owned())
}
