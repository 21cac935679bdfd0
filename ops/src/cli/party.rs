//! Parties: applying for certificates, and deciding about applications.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use semper_ttp::ca::crl::Reason;
use semper_ttp::ca::name::Attribute;
use semper_ttp::id::{PartyId, RegistrationId};
use semper_ttp::party::{ReinstatementReason, SuspensionReason};
use semper_ttp::registration::RefusalReason;
use semper_ttp::registration::document::{Day, DocumentKind, Method};

use super::keys::OfService;

/// Apply for certificates, and decide about applications.
///
/// Whoever applies works in a folder of its own, which holds keys, application and certificates. Officers decide by their
/// certificates.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper party terms --trust trust")]
pub(crate) struct Party {
    #[command(subcommand)]
    pub(crate) command: PartyCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PartyCommand {
    Terms(PartyTerms),
    Apply(PartyApply),
    Status(PartyStatus),
    Withdraw(PartyWithdraw),
    Proof(PartyProof),
    Pending(PartyPending),
    Read(PartyRead),
    Identify(PartyIdentify),
    Approve(PartyApprove),
    Refuse(PartyRefuse),
    Revoke(PartyRevoke),
    Expiring(PartyExpiring),
    Show(PartyShow),
    Suspend(PartySuspend),
    Reinstate(PartyReinstate),
}

/// Where somebody applies who has no certificate yet.
#[derive(Debug, Args)]
pub(crate) struct OfStranger {
    /// The HTTPS listener.
    #[arg(long, value_name = "URL", default_value = "https://127.0.0.1:8443")]
    pub(crate) url: String,
    /// The folder of trust anchors: by the root.pem in it the server is known.
    #[arg(long, value_name = "DIR")]
    pub(crate) trust: PathBuf,
}

/// Prove what the status of a certificate was at a moment, whoever holds it.
///
/// Asks the service for the entries of the ledger that prove it and the lists around that moment, keeps them in a folder, and judges
/// them with the trust anchors alone: the service's word counts for nothing. With --offline the folder is judged again, without any
/// server. Exit 2: nothing is proven, for one as long as no list was made after that moment.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper party proof --certificate me.pem --at 2026-03-01T12:00:00Z --trust t --dir proof")]
pub(crate) struct PartyProof {
    #[command(flatten)]
    pub(crate) of: OfStranger,
    /// The certificate, PEM or DER; of several in a file the first.
    #[arg(long, value_name = "FILE", required_unless_present = "offline")]
    pub(crate) certificate: Option<PathBuf>,
    /// The moment (RFC 3339); without it, now.
    #[arg(long, value_name = "TIME", required_if_eq("offline", "true"))]
    pub(crate) at: Option<String>,
    /// By which CA, as the service calls it: needed where two have issued one with this serial number.
    #[arg(long, value_name = "CA")]
    pub(crate) issuer: Option<String>,
    /// The folder for what proves it.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// So long it is waited for a list that is made after that moment, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub(crate) wait_secs: u64,
    /// Judge what is in the folder, and ask nobody.
    #[arg(long)]
    pub(crate) offline: bool,
}

/// Fetch the terms that an applicant accepts, and say what names them.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper party terms --trust trust")]
pub(crate) struct PartyTerms {
    #[command(flatten)]
    pub(crate) of: OfStranger,
    /// Write them there instead of printing them.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Make keys and apply for certificates for them.
///
/// The keys are made in the folder, encrypted under a passphrase that lies beside them, and never leave it. The application goes to
/// the officers, who ask for proof of who you are. Run again, it sends the same application once more, and gets the same answer. Whoever
/// has certificates already applies for the next ones, before the old ones end, with --identity: for the same party.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper party apply --dir me --trust t --profile officer --subject country=FR --accept-terms t.md")]
pub(crate) struct PartyApply {
    #[command(flatten)]
    pub(crate) of: OfStranger,
    /// The folder for keys, application and certificates; made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// A certificate to apply for, by the name of its profile; one to four. A key for each is made.
    #[arg(long = "profile", value_name = "NAME", required = true)]
    pub(crate) profiles: Vec<String>,
    /// An attribute of the subject, such as country=FR or common_name=Etude; the profile says which there must be.
    #[arg(long = "subject", value_name = "NAME=VALUE", required = true, value_parser = attribute)]
    pub(crate) subject: Vec<(Attribute, String)>,
    /// A DNS name, for a server.
    #[arg(long = "dns", value_name = "NAME")]
    pub(crate) dns: Vec<String>,
    /// An IP address, for a server.
    #[arg(long = "ip", value_name = "ADDRESS")]
    pub(crate) ip: Vec<std::net::IpAddr>,
    /// A mail address that the certificates name.
    #[arg(long = "email", value_name = "ADDRESS")]
    pub(crate) email: Vec<String>,
    /// Where notices go, such as of the end of a certificate: a mail address.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) contact_email: Option<String>,
    /// Where notices go: an https URL.
    #[arg(long, value_name = "URL")]
    pub(crate) contact_webhook: Option<String>,
    /// For a further certificate: who applies, the .p12 of one that is valid now (of a party, or of an officer or operator). Its
    /// passphrase lies beside it, or where --identity-passphrase-file says. The server is known by the root in it. The folder keeps where
    /// it is, so that `status` and `withdraw` ask as the same.
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// The passphrase of the .p12.
    #[arg(long, value_name = "FILE", requires = "identity")]
    pub(crate) identity_passphrase_file: Option<PathBuf>,
    /// The terms that you have read and accept: the file that `semper party terms --out FILE` wrote, or their SHA-256.
    #[arg(long, value_name = "FILE|SHA256")]
    pub(crate) accept_terms: String,
}

/// Ask what became of an application, and collect the certificates.
///
/// For each certificate there are then PROFILE.cer.pem, with the CA above it, and PROFILE.p12 with its key, under the passphrase in
/// PROFILE.passphrase. Ends with 75 while officers still have to decide, with 1 if they refused.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper party status --dir party --trust trust")]
pub(crate) struct PartyStatus {
    #[command(flatten)]
    pub(crate) of: OfStranger,
    /// The folder of the application.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

/// Withdraw an application.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper party withdraw --dir party --trust trust")]
pub(crate) struct PartyWithdraw {
    #[command(flatten)]
    pub(crate) of: OfStranger,
    /// The folder of the application.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

/// List the applications that wait for officers.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper party pending --identity officer.p12")]
pub(crate) struct PartyPending {
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Read an application, or the record of how its identity was proven. That you did is logged.
///
/// With --json the octets are those that were received, whose SHA-256 is in the ledger.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper party read AAECAwQFBgcICQoLDA0ODw --identity officer.p12")]
pub(crate) struct PartyRead {
    /// The application.
    #[arg(value_name = "REGISTRATION", allow_hyphen_values = true)]
    pub(crate) id: RegistrationId,
    /// The record of identity instead of the application.
    #[arg(long)]
    pub(crate) record: bool,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Record how an applicant's identity was proven. An officer's act.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper party identify AAECAwQFBgcICQoLDA0ODw --method video --document passport --identity o.p12")]
pub(crate) struct PartyIdentify {
    /// The application.
    #[arg(value_name = "REGISTRATION", allow_hyphen_values = true)]
    pub(crate) id: RegistrationId,
    /// How it was done: in_person, video, electronic_id, register_extract or other.
    #[arg(long, value_name = "METHOD", value_parser = word::<Method>)]
    pub(crate) method: Method,
    /// A document that was looked at: kind, country, number and last day, with commas between, from the end on left out where they are
    /// not known. Kinds: passport, identity_card, residence_permit, driving_licence, electronic_id, register_extract,
    /// power_of_attorney, other.
    #[arg(long = "document", value_name = "KIND[,COUNTRY[,NUMBER[,DAY]]]", required = true, value_parser = document)]
    pub(crate) documents: Vec<Document>,
    /// What else is to be known.
    #[arg(long, value_name = "TEXT")]
    pub(crate) notes: Option<String>,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Approve an application, whose certificates are then issued. An officer's act.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper party approve AAECAwQFBgcICQoLDA0ODw --identity officer.p12")]
pub(crate) struct PartyApprove {
    /// The application.
    #[arg(value_name = "REGISTRATION", allow_hyphen_values = true)]
    pub(crate) id: RegistrationId,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Refuse an application. An officer's act.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper party refuse AAECAwQFBgcICQoLDA0ODw --reason identity_not_proven --identity officer.p12")]
pub(crate) struct PartyRefuse {
    /// The application.
    #[arg(value_name = "REGISTRATION", allow_hyphen_values = true)]
    pub(crate) id: RegistrationId,
    /// Why: identity_not_proven, evidence_insufficient, name_not_allowed, not_entitled, terms_not_accepted, duplicate or other.
    #[arg(long, value_name = "REASON", value_parser = refusal)]
    pub(crate) reason: RefusalReason,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Revoke certificates: one by its serial number, or all that a filter concerns. An officer's act.
///
/// All that is stated must hold of a certificate. With --preview it is only said which they are. Whoever gives an order for many
/// may go away: it is an entry of the ledger, and carried out also after a restart. Ends with 1 if no certificate is like that. Those of
/// officers, operators and the service's own keys are left out, unless --serial, --key or --registration singles them out; those of CAs
/// always: two people revoke them (semper keys revoke).
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper party revoke --reason superseded --issuer ca-party --preview --identity officer.p12")]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true)
    .args(["serials", "issuer", "profile", "registration", "key", "issued_from", "issued_before"]))]
pub(crate) struct PartyRevoke {
    /// Why, by the names of RFC 5280: keyCompromise, affiliationChanged, superseded, cessationOfOperation, privilegeWithdrawn, …
    #[arg(long, value_name = "REASON", value_parser = revocation)]
    pub(crate) reason: Reason,
    /// Serial numbers in hexadecimal.
    #[arg(long = "serial", value_name = "HEX")]
    pub(crate) serials: Vec<String>,
    /// Issued by this CA, such as ca-party.
    #[arg(long, value_name = "CA")]
    pub(crate) issuer: Option<String>,
    /// Issued by the profile of this SHA-256 (`/v1/policies` names them).
    #[arg(long, value_name = "SHA256")]
    pub(crate) profile: Option<String>,
    /// Issued for this application.
    #[arg(long, value_name = "REGISTRATION", allow_hyphen_values = true)]
    pub(crate) registration: Option<RegistrationId>,
    /// For the key of this SHA-256 (of its SubjectPublicKeyInfo).
    #[arg(long, value_name = "SHA256")]
    pub(crate) key: Option<String>,
    /// Issued at this moment or later (RFC 3339).
    #[arg(long, value_name = "TIME")]
    pub(crate) issued_from: Option<String>,
    /// Issued before this moment (RFC 3339).
    #[arg(long, value_name = "TIME")]
    pub(crate) issued_before: Option<String>,
    /// Only say which they are: how many, and the first hundred.
    #[arg(long)]
    pub(crate) preview: bool,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// List the certificates whose end comes, by its date.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper party expiring --before 2026-12-31T00:00:00Z --identity officer.p12")]
pub(crate) struct PartyExpiring {
    /// Those that have not ended yet and will have by then (RFC 3339).
    #[arg(long, value_name = "TIME")]
    pub(crate) before: String,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Show a party, or list all of them.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  semper party show --identity officer.p12")]
pub(crate) struct PartyShow {
    /// The party; without one, all of them.
    #[arg(value_name = "PARTY", allow_hyphen_values = true)]
    pub(crate) id: Option<PartyId>,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Suspend a party: it does nothing until it is reinstated. An officer's act.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper party suspend AAECAwQFBgcICQoLDA0ODw --reason keys_in_doubt --identity officer.p12")]
pub(crate) struct PartySuspend {
    /// The party.
    #[arg(value_name = "PARTY", allow_hyphen_values = true)]
    pub(crate) id: PartyId,
    /// Why: identity_in_doubt, keys_in_doubt, terms_broken, ordered, requested_by_party or other.
    #[arg(long, value_name = "REASON", value_parser = suspension)]
    pub(crate) reason: SuspensionReason,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// Reinstate a party. An officer's act.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  semper party reinstate AAECAwQFBgcICQoLDA0ODw --reason settled --identity officer.p12")]
pub(crate) struct PartyReinstate {
    /// The party.
    #[arg(value_name = "PARTY", allow_hyphen_values = true)]
    pub(crate) id: PartyId,
    /// Why: settled, mistake, ordered, requested_by_party or other.
    #[arg(long, value_name = "REASON", value_parser = reinstatement)]
    pub(crate) reason: ReinstatementReason,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// A document that was looked at, as the command line has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) kind: DocumentKind,
    pub(crate) country: Option<String>,
    pub(crate) number: Option<String>,
    pub(crate) expires: Option<Day>,
}

/// A word as JSON has it.
fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

fn document(text: &str) -> Result<Document, String> {
    let mut parts = text.splitn(4, ',').map(|part| Some(part.to_owned()).filter(|part| !part.is_empty()));
    let kind = parts.next().flatten().ok_or("the kind of the document comes first")?;
    let (country, number) = (parts.next().flatten(), parts.next().flatten());
    let expires = parts.next().flatten().map(Day::try_from).transpose()?;
    Ok(Document { kind: word(&kind)?, country, number, expires })
}

fn attribute(text: &str) -> Result<(Attribute, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((word(name)?, value.to_owned()))
}

pub(super) fn named<T: Copy>(
    all: impl Iterator<Item = T>,
    name: impl Fn(T) -> &'static str,
    text: &str,
) -> Result<T, String> {
    let all: Vec<_> = all.collect();
    let names = || all.iter().map(|one| name(*one)).collect::<Vec<_>>().join(", ");
    all.iter().copied().find(|one| name(*one) == text).ok_or_else(|| format!("must be one of {}", names()))
}

/// Also read by `semper keys revoke`.
pub(super) fn revocation(text: &str) -> Result<Reason, String> {
    named(Reason::ALL.iter().copied(), Reason::name, text)
}

fn refusal(text: &str) -> Result<RefusalReason, String> {
    let of_officers = RefusalReason::ALL.iter().copied().filter(|reason| reason.is_officers());
    named(of_officers, RefusalReason::name, text)
}

fn suspension(text: &str) -> Result<SuspensionReason, String> {
    named(SuspensionReason::ALL.iter().copied(), SuspensionReason::name, text)
}

fn reinstatement(text: &str) -> Result<ReinstatementReason, String> {
    named(ReinstatementReason::ALL.iter().copied(), ReinstatementReason::name, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_from_the_kind_on() {
        let read = |text| document(text).unwrap();
        let whole = read("passport,FR,12AB,2031-12-31");
        assert_eq!((whole.kind, whole.country.as_deref()), (DocumentKind::Passport, Some("FR")));
        assert_eq!(
            (whole.number.as_deref(), whole.expires.map(|day| day.to_string())),
            (Some("12AB"), Some("2031-12-31".into()))
        );
        let short = read("register_extract");
        assert_eq!((short.country, short.number, short.expires), (None, None, None));
        assert_eq!(read("passport,,12,").number.as_deref(), Some("12"));
        for bad in ["", "visa", "passport,FR,1,tomorrow"] {
            assert!(document(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reasons_are_those_that_an_officer_may_give() {
        assert_eq!(refusal("duplicate"), Ok(RefusalReason::Duplicate));
        assert!(refusal("expired").unwrap_err().contains("identity_not_proven"));
        assert!(suspension("ordered").is_ok() && reinstatement("settled").is_ok());
    }
}
