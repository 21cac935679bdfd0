//! Getting evidence and judging it: what needs no data folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};
use semper_ttp::asn1::PolicyId;
use semper_ttp::b64u::B64u32;
use semper_ttp::time::Timestamp;

use super::folder::rfc3339;

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
    /// Ask for this policy instead of the server's default. With --trust, it is also the only one that is accepted, and the way to
    /// have a trial server's timestamps judged.
    #[arg(long, value_name = "OID")]
    pub(crate) policy: Option<String>,
    /// Judge all evidence by these trust anchors, as `verify` does: what is new before it is kept, and what is there already.
    /// With a witnesses.policy among them, --witnessed is meant, and a proof that bears too few of the cosignatures that it
    /// wants is replaced by one that does.
    #[arg(long, value_name = "DIR")]
    pub(crate) trust: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) witnesses: Witnesses,
}

/// Whether a proof shall bear what the ledger's witnesses sign.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Witnesses {
    /// Fetch the proof under a checkpoint that a quorum of the ledger's witnesses has cosigned, as somebody asks for who has a
    /// witnesses.policy among his trust anchors. Exit code 75 if there is none in time. Who has cosigned is not judged here,
    /// but by `verify`.
    #[arg(long)]
    pub(crate) witnessed: bool,
    /// How long to wait for that quorum, seconds; without this option, 30.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) wait_secs: Option<u64>,
}

/// The usual wait for witnesses.
const WAIT_SECS: u64 = 30;

impl Witnesses {
    /// How long to wait for them; `None` where they are not `asked` for.
    ///
    /// # Errors
    /// A wait was named, and nobody is waited for.
    pub(crate) fn wait(self, asked: bool) -> Result<Option<Duration>, &'static str> {
        match (asked, self.wait_secs) {
            (true, secs) => Ok(Some(Duration::from_secs(secs.unwrap_or(WAIT_SECS)))),
            (false, None) => Ok(None),
            (false, Some(_)) => {
                Err("--wait-secs is how long to wait for witnesses, and none are asked for: --witnessed")
            }
        }
    }
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
///
/// FILE may also be a proof of misbehaviour (.pom.json), as a monitor, a witness, an audit or whoever holds two records of a notary
/// under one number writes it. Then it is judged instead: exit code 0 if it convicts the ledger, 1 if it does not, 2 if something is
/// missing. That needs ledger.vkey, and the rest only where a timestamp is part of the proof.
///
/// FILE may also be a data validation certificate (.dvc, RFC 3029) of a notary. Then it is judged, with its proof X.tlog-proof for X.dvc,
/// and what it says is told: exit code 0 means that it is genuine, not that what it says is good news.
///
/// FILE may also be the record of a notarial act (.jws). Then it is judged with X.pem, which has the notary's certificate, and its proof
/// X.tlog-proof, for X.jws, and with whatever of its documents, request and signatures is given. An act that was refused is genuine, too:
/// it is told that it certifies nothing.
///
/// FILE may also be the verdict of an arbiter about an exchange (.jws). Then the run is judged with arbiter.pem, o.pem and r.pem, which have
/// the certificates, with answer.jws and m1.jws to m4.jws as far as these lie beside it, and with its proof verdict.jws.tlog-proof or
/// verdict.tlog-proof. It is told who has a contract with whom since when; with --document and --salt, that this document is its text.
///
/// With --signatures the signatures of FILE itself are judged (ETSI EN 319 102-1): of a PDF, of CMS (.p7s, .p7m, a DVC, a token), or of a
/// statement (JWS). Exit code 0 is TOTAL-PASSED, 1 TOTAL-FAILED, 2 INDETERMINATE, also where there is none.
#[derive(Debug, Args)]
#[cfg_attr(test, derive(Default))]
#[command(after_help = "Example:\n  semper verify contract.pdf \
                  --token contract.pdf.tst --proof contract.pdf.tlog-proof --trust trust\n  \
                  semper verify contract.dvc --document contract.pdf --request contract.dvcs --trust trust\n  \
                  semper verify contract.jws --document contract.pdf --trust trust\n  \
                  semper verify run/verdict.jws --document contract.pdf --salt SALT --trust trust\n  \
                  semper verify contract.pdf --signatures --material ca.crl --trust trust")]
pub(crate) struct Verify {
    /// The file that was stamped, a proof of misbehaviour, a data validation certificate, the record of an act, or the verdict of an
    /// arbiter.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The token, or the TimeStampResp with it in; without this option, FILE.tst. With --signatures it is used if it is named.
    #[arg(long, value_name = "FILE")]
    pub(crate) token: Option<PathBuf>,
    /// The proof of inclusion, as tlog-proof or COSE Receipt; without it, the tlog-proof beside the token if there is one:
    /// X.tlog-proof for X.tst and X.tsr.
    #[arg(long, value_name = "FILE")]
    pub(crate) proof: Option<PathBuf>,
    /// Of a data validation certificate or an act: the document that it is of. May be given for each document of an act. Of the status of
    /// certificates: their file, PEM or DER.
    #[arg(long = "document", value_name = "FILE", conflicts_with = "token")]
    pub(crate) documents: Vec<PathBuf>,
    /// Of a verdict: the 32 octets, in base64url, with which its run hashes the text that --document gives.
    #[arg(long, value_name = "SALT", requires = "documents", conflicts_with = "token")]
    pub(crate) salt: Option<B64u32>,
    /// Of a data validation certificate or an act: the request that it answers.
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    pub(crate) request: Option<PathBuf>,
    /// Of an act: what opens the names, addresses and titles that its record commits to; they are shown then.
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    pub(crate) personal: Option<PathBuf>,
    /// Of an act: the statement of a signer. May be given for each.
    #[arg(long = "signature", value_name = "FILE", conflicts_with = "token")]
    pub(crate) signers: Vec<PathBuf>,
    /// Of an act: the data validation certificate that it names.
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    pub(crate) dvc: Option<PathBuf>,
    /// Of an act: the report of the validation that it certifies.
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    pub(crate) report: Option<PathBuf>,
    /// Of an act, certificates besides those of X.pem; with --signatures, certificates, CRLs and OCSP responses that the signatures do not
    /// carry. PEM or DER; may be given more than once.
    #[arg(long, value_name = "FILE")]
    pub(crate) material: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) validation: Validation,
    /// The folder with the trust anchors.
    #[arg(long, value_name = "DIR")]
    pub(crate) trust: PathBuf,
    /// Accept only what was made under this policy: a timestamp, a data validation certificate, an act, whose notary's certificate names it.
    /// May be given more than once. Without it any policy is accepted but the test policy 1.3.6.1.5.5.7.13.1, under which nothing is proven.
    #[arg(long = "policy", value_name = "OID")]
    pub(crate) policies: Vec<PolicyId>,
}

/// What the judgement of signatures rests on besides.
#[derive(Debug, Args)]
#[cfg_attr(test, derive(Default))]
pub(crate) struct Validation {
    /// Judge the signatures that FILE carries.
    #[arg(long, conflicts_with_all = ["proof", "documents", "request", "personal", "signers", "dvc", "report", "policies"])]
    pub(crate) signatures: bool,
    /// The moment for which they are judged (RFC 3339); without it, now.
    #[arg(long, value_name = "TIME", value_parser = rfc3339, requires = "signatures")]
    pub(crate) at: Option<Timestamp>,
    /// Certificates, PEM or DER, whose holders are trusted as the root is that lies in --trust. May be given more than once.
    #[arg(long = "anchor", value_name = "FILE", requires = "signatures")]
    pub(crate) anchors: Vec<PathBuf>,
    /// The same for timestamps alone.
    #[arg(long = "timestamp-anchor", value_name = "FILE", requires = "signatures")]
    pub(crate) timestamp_anchors: Vec<PathBuf>,
    /// What was signed, where a CMS signature is detached.
    #[arg(long, value_name = "FILE", requires = "signatures")]
    pub(crate) content: Option<PathBuf>,
    /// The rules after which they are judged, TOML as schemas/validation-policy.toml, which is used without this option.
    #[arg(long = "validation-policy", value_name = "FILE", requires = "signatures")]
    pub(crate) policy: Option<PathBuf>,
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
    #[command(flatten)]
    pub(crate) witnesses: Witnesses,
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
