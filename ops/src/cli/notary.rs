//! Notarial acts: asking for them, signing, and the officer's worklist.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use semper_ttp::asn1::PolicyId;
use semper_ttp::id::{ActId, PartyId};
use semper_ttp::notary::dvcs::ServiceType;
use semper_ttp::notary::{ActType, OfficerCheck, Reason};
use semper_ttp::time::Timestamp;

use super::folder::rfc3339;
use super::keys::OfService;
use super::party::named;

/// Ask for notarial acts, sign contracts, and decide what needs a person.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper notary ask deed.pdf --kind existence --identity me/party-auth.p12")]
pub(crate) struct Notary {
    #[command(subcommand)]
    pub(crate) command: NotaryCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NotaryCommand {
    Ask(NotaryAsk),
    Certify(NotaryCertify),
    Acts(NotaryActs),
    Show(NotaryShow),
    Sign(NotarySign),
    Record(NotaryRecord),
    Document(NotaryDocument),
    Withdraw(NotaryWithdraw),
    Worklist(NotaryWorklist),
    Take(NotaryTake),
    Release(NotaryRelease),
    Approve(NotaryApprove),
    Refuse(NotaryRefuse),
    Journal(NotaryJournal),
    Extract(NotaryExtract),
}

/// Ask for an act about documents.
///
/// What needs nobody is certified at once, and its record is fetched; a contract waits for its signers, and what needs a person for an
/// officer. Only the documents' hashes are sent, unless --send is given: then the record says that the notary held them.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  semper notary ask deed.pdf --kind existence --identity me/party-auth.p12 --out act.jws"
)]
pub(crate) struct NotaryAsk {
    /// The documents; the act is about the first.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// What is to be certified: possession, existence, signature-validation, copy or contract.
    #[arg(long, value_name = "KIND", value_parser = act_type)]
    pub(crate) kind: ActType,
    /// A party that is to sign the contract.
    #[arg(long = "signer", value_name = "PARTY", allow_hyphen_values = true)]
    pub(crate) signers: Vec<PartyId>,
    /// The media type of the first document.
    #[arg(long, value_name = "TYPE")]
    pub(crate) media_type: Option<String>,
    /// Send the documents themselves, too.
    #[arg(long)]
    pub(crate) send: bool,
    /// Your name. The record commits to it; what opens the commitment is kept apart, and can be erased.
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// Your address, in the same way.
    #[arg(long, value_name = "TEXT")]
    pub(crate) address: Option<String>,
    /// The title of a document, in the same way. May be given for each, in their order.
    #[arg(long = "title", value_name = "TEXT")]
    pub(crate) titles: Vec<String>,
    /// A data validation certificate of this notary about the first document, which the record shall name.
    #[arg(long, value_name = "FILE")]
    pub(crate) dvc: Option<PathBuf>,
    /// The act that this one corrects.
    #[arg(long, value_name = "ACT", allow_hyphen_values = true, value_parser = act)]
    pub(crate) correction_of: Option<ActId>,
    /// Where the record goes, if there is one at once: X.jws. Beside it are put certificates, proof, request, what opens its commitments,
    /// and the report of a validation: X.pem, X.tlog-proof, X.request.json, X.personal.json, X.report.json.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Have a data validation certificate made (RFC 3029).
///
/// Writes it to --out, and beside it the proof that it is in the ledger, with the ending .tlog-proof, and the request, with .dvcs. Ends with
/// 1 where what was asked does not hold: the certificate says so.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper notary certify deed.pdf --service vsd --out deed.dvc --identity me/party-auth.p12")]
pub(crate) struct NotaryCertify {
    /// The document; of vpkc a file with certificates, PEM or DER.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// ccpd: that you claim to have it, of which only its SHA-256 is sent; cpd: that you have it, and the notary keeps it; vsd: whether its signatures hold; vpkc: whether the certificates
    /// are good.
    #[arg(long, value_name = "SERVICE", value_parser = dvcs_service, default_value = "ccpd")]
    pub(crate) service: ServiceType,
    /// Ask for this policy, such as the one under which a timestamp token tells the time.
    #[arg(long, value_name = "OID")]
    pub(crate) policy: Option<PolicyId>,
    /// Where the token goes that tells the time.
    #[arg(long, value_name = "FILE", requires = "policy")]
    pub(crate) token_out: Option<PathBuf>,
    /// Where the certificate goes.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// List the acts that you asked for or are to sign, also data validation certificates that you have asked for.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper notary acts --identity me/party-auth.p12")]
pub(crate) struct NotaryActs {
    #[command(flatten)]
    pub(crate) search: JournalSearch,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// What is looked for.
#[derive(Debug, Args)]
pub(crate) struct JournalSearch {
    /// Opened then or later, such as 2026-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = rfc3339)]
    pub(crate) since: Option<Timestamp>,
    /// Opened before then.
    #[arg(long, value_name = "TIME", value_parser = rfc3339)]
    pub(crate) until: Option<Timestamp>,
    /// About this document, as the first of an act. It stays on this machine.
    #[arg(long, value_name = "FILE")]
    pub(crate) document: Option<PathBuf>,
}

/// Show an act: what it waits for, or what became of it.
///
/// Ends with 1 if it was refused, or came to nothing.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper notary show AAECAwQFBgcICQoLDA0ODw --identity me/party-auth.p12")]
pub(crate) struct NotaryShow {
    /// The act.
    #[arg(value_name = "ACT", allow_hyphen_values = true, value_parser = act)]
    pub(crate) act: ActId,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Sign the document of a contract.
///
/// Signs the hash of the file for this act alone, with the key of a certificate that signs, and sends that.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper notary sign AAECAwQFBgcICQoLDA0ODw deed.pdf --with me/legal.p12 --identity me/auth.p12")]
pub(crate) struct NotarySign {
    /// The act.
    #[arg(value_name = "ACT", allow_hyphen_values = true, value_parser = act)]
    pub(crate) act: ActId,
    /// The document.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The .p12 of the certificate to sign with; its passphrase lies beside it.
    #[arg(long, value_name = "FILE")]
    pub(crate) with: PathBuf,
    /// The passphrase of that .p12.
    #[arg(long, value_name = "FILE")]
    pub(crate) with_passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Fetch the signed record of an act that ended, with what `semper verify` needs to judge it.
///
/// Writes X.jws, the record; X.pem, the notary's certificate and its issuer's; X.tlog-proof, the proof that it is in the ledger; and of a
/// validation X.report.json, its report.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper notary record AAECAwQFBgcICQoLDA0ODw --out act.jws --identity me/auth.p12")]
pub(crate) struct NotaryRecord {
    /// The act.
    #[arg(value_name = "ACT", allow_hyphen_values = true, value_parser = act)]
    pub(crate) act: ActId,
    /// Where it goes: X.jws.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Fetch also the request (X.request.json; of an act that was certified at once, only whoever asked has it), what opens its commitments
    /// (X.personal.json), the signers' statements (X.1.jws, X.2.jws…) and their certificates,
    /// which name them.
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Fetch a document that was sent with an act, or deposited by the service cpd.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper notary document AAECAwQFBgcICQoLDA0ODw --out deed.pdf --identity me/party-auth.p12")]
pub(crate) struct NotaryDocument {
    /// The act.
    #[arg(value_name = "ACT", allow_hyphen_values = true, value_parser = act, required_unless_present = "dvc")]
    pub(crate) act: Option<ActId>,
    /// Instead of the act, your data validation certificate of it.
    #[arg(long, value_name = "FILE", conflicts_with = "act")]
    pub(crate) dvc: Option<PathBuf>,
    /// Which of its documents, in their order.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) number: u64,
    /// Where it goes.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Take an act back that was asked for and has not ended.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper notary withdraw AAECAwQFBgcICQoLDA0ODw --identity me/party-auth.p12")]
pub(crate) struct NotaryWithdraw {
    /// The act.
    #[arg(value_name = "ACT", allow_hyphen_values = true, value_parser = act)]
    pub(crate) act: ActId,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// List the acts that wait for a person. An officer's command, as those that follow.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper notary worklist --identity people/officer.p12")]
pub(crate) struct NotaryWorklist {
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Take an act, so that nobody else decides about it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper notary take AAECAwQFBgcICQoLDA0ODw --identity people/officer.p12")]
pub(crate) struct NotaryTake {
    /// The act.
    #[arg(value_name = "ACT", allow_hyphen_values = true, value_parser = act)]
    pub(crate) act: ActId,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Give an act back to the worklist.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper notary release AAECAwQFBgcICQoLDA0ODw --identity people/officer.p12")]
pub(crate) struct NotaryRelease {
    /// The act.
    #[arg(value_name = "ACT", allow_hyphen_values = true, value_parser = act)]
    pub(crate) act: ActId,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Approve an act that was taken: it certifies.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper notary approve AAECAwQFBgcICQoLDA0ODw --checked identity,will --identity officer.p12")]
pub(crate) struct NotaryApprove {
    /// The act.
    #[arg(value_name = "ACT", allow_hyphen_values = true, value_parser = act)]
    pub(crate) act: ActId,
    /// What you have checked: identity, will, capacity, compared-with-original, content. What is left out stands in the record as not
    /// checked.
    #[arg(long, value_name = "CHECK", value_delimiter = ',', value_parser = check)]
    pub(crate) checked: Vec<OfficerCheck>,
    /// What it cost, such as 12000,EUR: minor units and an ISO 4217 code.
    #[arg(long, value_name = "AMOUNT,CURRENCY")]
    pub(crate) fee: Option<String>,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Refuse an act that was taken. It keeps its number, and its record says why.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper notary refuse AAECAwQFBgcICQoLDA0ODw --reason other --identity officer.p12")]
pub(crate) struct NotaryRefuse {
    /// The act.
    #[arg(value_name = "ACT", allow_hyphen_values = true, value_parser = act)]
    pub(crate) act: ActId,
    /// Why: signature_not_valid, signature_undetermined, signature_missing, document_differs, document_unreadable, identity_not_proven,
    /// evidence_insufficient, not_within_office, unlawful_purpose, will_in_doubt, capacity_in_doubt, conflict_of_interest or other.
    #[arg(long, value_name = "REASON", value_parser = reason)]
    pub(crate) reason: Reason,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Read the journal: by number, period, document or party. With --out, export what is found.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper notary journal --since 2026-01-01T00:00:00Z --out all --identity people/officer.p12")]
pub(crate) struct NotaryJournal {
    /// The first number.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) from: u64,
    /// The last number.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) to: Option<u64>,
    #[command(flatten)]
    pub(crate) search: JournalSearch,
    /// Asked for by this party, or to be signed by it.
    #[arg(long, value_name = "PARTY", allow_hyphen_values = true)]
    pub(crate) party: Option<PartyId>,
    /// Write journal.jsonl into this new folder, and beside it each record and data validation certificate with what verifies it, and with
    /// its report, under its number.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Certify an extract of the journal, which is an act of its own.
///
/// The extract goes to --out, and beside it its record, signed by the notary, with the ending .jws, and what verifies that: .pem and
/// .tlog-proof.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper notary extract --from 100 --to 120 --out extract.json --identity people/officer.p12")]
pub(crate) struct NotaryExtract {
    /// The first number.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) from: u64,
    /// The last number, at most 1000 behind the first.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) to: u64,
    /// Where the extract goes.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) of: OfService,
}

fn act(text: &str) -> Result<ActId, String> {
    let is_number = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    text.parse().map_err(|_| match is_number {
        true => "is a number: an act goes by its name, 22 characters that stand behind its number".to_owned(),
        false => "must be the name of an act, 22 characters such as AAECAwQFBgcICQoLDA0ODw".to_owned(),
    })
}

fn act_type(text: &str) -> Result<ActType, String> {
    named(ActType::asked_for(), ActType::name, text)
}

fn dvcs_service(text: &str) -> Result<ServiceType, String> {
    named(ServiceType::ALL.into_iter(), ServiceType::name, text)
}

fn check(text: &str) -> Result<OfficerCheck, String> {
    named(OfficerCheck::ALL.iter().copied(), OfficerCheck::name, text)
}

fn reason(text: &str) -> Result<Reason, String> {
    named(Reason::ALL.iter().copied().filter(|reason| reason.is_officers()), Reason::name, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_that_may_be_given() {
        assert_eq!(act_type("contract"), Ok(ActType::Contract));
        assert!(act_type("journal-extract").unwrap_err().starts_with("must be one of possession, existence"));
        assert_eq!(check("will"), Ok(OfficerCheck::Will));
        assert!(act("17").unwrap_err().starts_with("is a number") && act("x").is_err());
        assert!(act("AAECAwQFBgcICQoLDA0ODw").is_ok());
        assert!(reason("withdrawn").is_err() && reason("will_in_doubt").is_ok());
    }
}
