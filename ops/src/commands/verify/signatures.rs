//! `semper verify --signatures`: the signatures that a document carries, judged after ETSI EN 319 102-1.
//!
//! What is a PDF, CMS or a statement is seen by its first octets. Nothing is fetched: what is missing is named with the time for which it
//! is needed, and can be given with `--material`.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use semper_ttp::asn1::pem;
use semper_ttp::path::{Anchor, Material};
use semper_ttp::statement::STATEMENT_BYTES_MAX;
use semper_ttp::validation::{
    CMS_BYTES_MAX, Format, Indication, Inputs, Kind, PDF_BYTES_MAX, Policy, Report, SignatureReport, Subject, validate,
};
use serde_json::json;

use super::files::{NoJudgement, read, read_up_to, unusable};
use super::{files_given, material, moment};
use crate::cli::Verify;
use crate::clock::now;
use crate::commands::{say, token_of};
use crate::exit::Exit;

/// A PDF's header stands within so many octets (ISO 32000-2 Annex I).
const HEADER_BYTES_MAX: usize = 1_024;

/// The labels under which CMS is kept as text (RFC 7468 §9, and what openssl wrote before).
const CMS_LABELS: [&str; 2] = ["CMS", "PKCS7"];

/// Judges them: 0 TOTAL-PASSED, 1 TOTAL-FAILED, 2 INDETERMINATE.
pub(super) fn run(args: &Verify, json: bool) -> Exit {
    match judge(args) {
        // Neither PDF, CMS nor JWS, so that nothing is wrong with its signatures.
        Ok(report) if report.signatures.is_empty() && !may_carry_some(&args.file) => {
            let file = args.file.display();
            say::trouble(
                json,
                format_args!("could not tell: {file} carries no signature: it is neither PDF, CMS nor JWS"),
            );
            Exit::Undecided
        }
        Ok(report) => {
            if json {
                say::json(&json!({
                    "file": args.file.to_string_lossy(),
                    "sentence": sentence(args, &report),
                    "report": report,
                }));
            } else {
                say::out(as_text(args, &report));
            }
            exit_of(report.conclusion.indication)
        }
        Err(why) => {
            say::trouble(json, format_args!("could not tell: {why}"));
            Exit::Undecided
        }
    }
}

fn exit_of(indication: Indication) -> Exit {
    match indication {
        Indication::TotalPassed => Exit::Ok,
        Indication::TotalFailed => Exit::Falsified,
        Indication::Indeterminate => Exit::Undecided,
    }
}

/// Whether these octets may be of a file that carries its signatures, for a hint.
pub(in crate::commands) fn may_carry_some(path: &Path) -> bool {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(HEADER_BYTES_MAX as u64).read_to_end(&mut bytes));
    // id-signedData behind the head of a ContentInfo.
    let is_signed_data = || {
        let id = [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02];
        bytes.first() == Some(&0x30) && bytes.iter().take(16).copied().collect::<Vec<_>>().windows(11).any(|w| w == id)
    };
    read.is_ok() && (carrier(&bytes) != Carrier::Cms || is_signed_data())
}

/// What carries signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    Pdf,
    Statement,
    /// Whatever is neither of the others is read as CMS, which says why it is none.
    Cms,
}

fn carrier(bytes: &[u8]) -> Carrier {
    let head = &bytes[..bytes.len().min(HEADER_BYTES_MAX)];
    if head.windows(5).any(|window| window == b"%PDF-") {
        Carrier::Pdf
    } else if head.starts_with(b"eyJ") {
        Carrier::Statement
    } else {
        Carrier::Cms
    }
}

fn judge(args: &Verify) -> Result<Report, NoJudgement> {
    let validation = &args.validation;
    let bytes = read_up_to(&args.file, PDF_BYTES_MAX.max(CMS_BYTES_MAX) as u64)?;
    let content = validation.content.as_ref().map(|path| read_up_to(path, CMS_BYTES_MAX as u64)).transpose()?;
    let armoured = of_pem(&bytes);
    let bytes = armoured.unwrap_or(bytes);
    let subject = match carrier(&bytes) {
        Carrier::Cms => Subject::Cms { bytes: &bytes, detached: content.as_deref() },
        _ if content.is_some() => {
            let why = "only a CMS signature is detached from its content, and this is none";
            return Err(unusable(&args.file, why));
        }
        Carrier::Pdf => Subject::Pdf(&bytes),
        Carrier::Statement if bytes.len() > STATEMENT_BYTES_MAX => {
            return Err(unusable(&args.file, "it is too long to be a statement"));
        }
        Carrier::Statement => Subject::Jws(&bytes),
    };
    let mut anchors = anchors_of(&args.trust.join("root.pem"))?;
    for path in &validation.anchors {
        anchors.extend(anchors_of(path)?);
    }
    let mut timestamp_anchors = anchors.clone();
    for path in &validation.timestamp_anchors {
        timestamp_anchors.extend(anchors_of(path)?);
    }
    let mut found = Material::new();
    material::gather(&args.material, &mut found)?;
    let timestamps: Vec<_> = match &args.token {
        Some(path) => vec![token_of(read(path)?)],
        None => Vec::new(),
    };
    let policy = match &validation.policy {
        None => Policy::builtin(),
        Some(path) => Policy::parse(&read(path)?).map_err(|fault| unusable(path, fault))?,
    };
    let at = validation.at.unwrap_or_else(now);
    Ok(validate(&Inputs {
        subject,
        signer_anchors: &anchors,
        timestamp_anchors: &timestamp_anchors,
        material: &found,
        timestamps: &timestamps,
        at,
        // Whoever repeats it with the same files gets the same result, whenever that is.
        now: at,
        source: None,
        policy: &policy,
    }))
}

fn anchors_of(path: &Path) -> Result<Vec<Arc<Anchor>>, NoJudgement> {
    let anchor = |certificate| Anchor::from_certificate(certificate).map(Arc::new);
    let anchors = material::certificates(path)?.into_iter().map(anchor);
    anchors.collect::<Result<_, _>>().map_err(|fault| unusable(path, fault))
}

/// The one CMS structure of a text.
fn of_pem(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.starts_with(b"-----BEGIN ") {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let mut found = CMS_LABELS.iter().filter_map(|label| pem::decode(label, text)).flatten();
    found.next().filter(|_| found.next().is_none())
}

fn as_text(args: &Verify, report: &Report) -> String {
    let validation = &args.validation;
    let format = match report.format {
        Format::Pdf => "PDF",
        Format::Cms => "CMS",
        Format::Jws => "statement",
        Format::Certificates => "certificates",
    };
    let mut lines = vec![
        format!("Document  {} ({format})", args.file.display()),
        format!("Anchors   {}", args.trust.join("root.pem").display()),
    ];
    for (what, paths) in [
        ("          ", &validation.anchors),
        ("          for timestamps ", &validation.timestamp_anchors),
        ("Material  ", &args.material),
    ] {
        if !paths.is_empty() {
            lines.push(format!("{what}{}", files_given(paths)));
        }
    }
    lines.push(format!("\n{}", report.to_string().trim_end()));
    lines.push(format!("\n{}", sentence(args, report)));
    lines.join("\n")
}

/// The verdict in one sentence: who signed, and since when that is proved.
fn sentence(args: &Verify, report: &Report) -> String {
    let file = args.file.file_name().unwrap_or(args.file.as_os_str()).to_string_lossy();
    let why = || report.conclusion.to_string();
    match report.conclusion.indication {
        Indication::TotalPassed => {
            let signed = report.signatures.iter().filter(|one| one.kind == Kind::Signature).map(signed);
            let signed: Vec<_> = signed.collect();
            match signed.as_slice() {
                [] => format!("TOTAL-PASSED: every timestamp of {file} is valid."),
                some => format!("TOTAL-PASSED: {file} was signed {}.", some.join("; and ")),
            }
        }
        Indication::TotalFailed => format!("{file} does NOT carry valid signatures: {}.", why()),
        Indication::Indeterminate => format!("COULD NOT TELL whether {file} carries valid signatures: {}.", why()),
    }
}

fn signed(report: &SignatureReport) -> String {
    let who = report.signer.as_ref().map_or("somebody who is not named", |signer| signer.subject.as_str());
    match report.best_time.by {
        Some(_) => format!("by {who}, before {} as a timestamp proves", moment(report.best_time.at)),
        None => format!("by {who}, at a time that nothing proves"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(file: &Path) -> Verify {
        let mut args = Verify { file: file.to_owned(), ..Verify::default() };
        args.validation.signatures = true;
        args
    }

    #[test]
    fn what_a_file_is_stands_at_its_beginning() {
        let late = [&[b' '; 1_000][..], b"%PDF-1.7"].concat();
        let too_late = [&[b' '; 1_024][..], b"%PDF-1.7"].concat();
        for (bytes, expected) in [
            (&b"%PDF-1.7"[..], Carrier::Pdf),
            (&late, Carrier::Pdf),
            (&too_late, Carrier::Cms),
            (b"eyJhbGciOiJFUzI1NiJ9.e30.AA", Carrier::Statement),
            (b"\x30\x80", Carrier::Cms),
            (b"", Carrier::Cms),
        ] {
            assert_eq!(carrier(bytes), expected);
        }
    }

    #[test]
    fn cms_may_be_text() {
        let one = pem::encode("CMS", &[0x30, 0]);
        assert_eq!(of_pem(one.as_bytes()), Some(vec![0x30, 0]));
        assert_eq!(of_pem(pem::encode("PKCS7", &[0x30, 0]).as_bytes()), Some(vec![0x30, 0]));
        assert_eq!(of_pem([one.clone(), one].concat().as_bytes()), None);
        assert_eq!(of_pem(b"\x30\x00"), None);
    }

    #[test]
    fn only_what_may_carry_signatures_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let signed = hex::decode("308006092a864886f70d010702a080").unwrap();
        for (bytes, expected) in [
            (&b"%PDF-1.7"[..], true),
            (&signed, true),
            (b"eyJhbGciOiJFUzI1NiJ9", true),
            (b"\x30\x03\x02\x01\x05", false),
            (b"a text", false),
            (b"", false),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(may_carry_some(&path), expected, "{bytes:?}");
        }
        assert!(!may_carry_some(&folder.path().join("missing")));
    }

    /// Whatever cannot be judged ends with 2.
    #[test]
    fn what_is_missing_or_unfit_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let said = |args: &Verify| judge(args).unwrap_err().to_string();
        let mut args = args(&path("file"));
        args.trust = path("trust");
        assert!(said(&args).contains("/file: "), "{}", said(&args));
        std::fs::write(path("file"), "%PDF-1.7").unwrap();
        assert!(said(&args).contains("root.pem"), "{}", said(&args));
        args.validation.content = Some(path("file"));
        assert!(said(&args).contains("only a CMS signature"), "{}", said(&args));
        std::fs::write(path("file"), [&b"eyJ"[..], &[b'a'; STATEMENT_BYTES_MAX]].concat()).unwrap();
        args.validation.content = None;
        assert!(said(&args).contains("too long to be a statement"), "{}", said(&args));
        assert!(run(&args, true) == Exit::Undecided);
        args.file = "/dev/zero".into();
        assert!(said(&args).contains("too long"), "{}", said(&args));
    }

    #[test]
    fn exits() {
        let all = [Indication::TotalPassed, Indication::TotalFailed, Indication::Indeterminate];
        assert_eq!(all.map(|indication| exit_of(indication).code()), [0, 1, 2]);
    }
}
