//! The applicant's commands. It has no certificate yet: the server is known by the root, and the applicant by the name of its
//! application.

use std::collections::BTreeSet;
use std::path::Path;

use semper_api::client::ClientError;
use semper_api::tls::ClientTrust;
use semper_ttp::asn1::pem;
use semper_ttp::ca::name::{AlternativeNames, DistinguishedName};
use semper_ttp::crypto::{Passphrase, Signer, SoftKey, build_pkcs12};
use semper_ttp::digest::Digest;
use semper_ttp::id::PartyId;
use semper_ttp::registration::document::{ApplicationDocument, Contact, Offer, Wish, withdraw as sign_withdrawal};
use semper_ttp::x509::Certificate;
use serde_json::{Value, json};

use super::folder::{APPLICATION, Applicant, Folder, TERMS};
use super::line_of;
use crate::cli;
use crate::clock::now;
use crate::commands::pem_file::certificate_of;
use crate::commands::remote::{Remote, as_holder, json_of, text};
use crate::commands::running::{Failed, random};
use crate::commands::{atomic, say};
use crate::exit::Exit;

/// The statement by which the application was taken back.
const WITHDRAWAL: &str = "withdrawal.jws";

/// What the server says of a document that is no application, whoever sends it and however often: the next try is another one, for the same
/// keys. Of any other refusal it cannot be told whether the document was taken before.
const NEVER_TAKEN: [&str; 5] =
    ["registration.document", "registration.proof", "registration.profile", "registration.webhook", "ca.lint"];

fn root(of: &cli::OfStranger) -> Result<Certificate, Failed> {
    certificate_of(&of.trust.join("root.pem"))
}

pub(super) fn remote(of: &cli::OfStranger) -> Result<Remote, Failed> {
    let trust = ClientTrust::from_der(root(of)?.der()).map_err(|fault| Failed::usage(&fault))?;
    Remote::with_trust(&of.url, &trust).map_err(|error| Failed(error.exit(), error.to_string()))
}

/// The server as it is asked about the application of this folder. That of an officer or operator is a person's own business: it is known
/// by its name alone, as a stranger's is.
fn remote_to(folder: &Folder, of: &cli::OfStranger) -> Result<Remote, Failed> {
    let applicant = folder.applicant()?.filter(|(_, is_party)| *is_party);
    remote_of(of, applicant.as_ref().map(|(applicant, _)| applicant))
}

/// The terms in force, and the origin of the service.
fn offer(remote: &Remote) -> Result<(Vec<u8>, String), Failed> {
    let described = json_of(remote.call(async |client| client.get("/.well-known/semper").await))?;
    let terms = remote.call(async |client| client.get("/v1/terms").await);
    Ok((terms?.to_vec(), text(&described["ledger"], "origin").to_owned()))
}

pub(super) fn terms(args: &cli::PartyTerms, as_json: bool) -> Result<Exit, Failed> {
    let (terms, origin) = offer(&remote(&args.of)?)?;
    let sha256 = Digest::of(&terms).to_string();
    match &args.out {
        Some(path) => {
            atomic::write_new(path, &terms).map_err(|error| Failed::usage(&format!("{}: {error}", path.display())))?
        }
        None if as_json => {}
        None => say::bytes(&terms),
    }
    if as_json {
        let terms = String::from_utf8_lossy(&terms);
        say::json(&json!({ "service": origin, "sha256": sha256, "terms": terms }));
    } else {
        say::out(format!("\nTo accept these terms of {origin}: --accept-terms {sha256}"));
    }
    Ok(Exit::Ok)
}

pub(super) fn apply(args: &cli::PartyApply, as_json: bool) -> Result<Exit, Failed> {
    let wanted = Wanted::read(args)?;
    let applicant = args.identity.as_ref().map(|p12| {
        let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Applicant { p12: whole(p12), passphrase_file: args.identity_passphrase_file.as_deref().map(whole) }
    });
    let remote = remote_of(&args.of, applicant.as_ref())?;
    let folder = Folder::make(&args.dir)?;
    if folder.path(APPLICATION).exists() {
        let kept = folder.read(APPLICATION)?;
        let kept = ApplicationDocument::parse(&kept).map_err(|fault| Failed::usage(&fault))?;
        if !wanted.is_of(&kept) || folder.applicant()?.map(|(kept, _)| kept) != applicant {
            return Err(Failed::usage(&format!(
                "{} holds an application for something else, or by somebody else: semper party status tells what became of it; this one \
                 needs another --dir",
                args.dir.display()
            )));
        }
    } else {
        let (terms, origin) = offer(&remote)?;
        let found = Digest::of(&terms);
        if found != accepted(&args.accept_terms)? {
            return Err(Failed::usage(&format!(
                "--accept-terms: the terms in force are {found}; read them with semper party terms"
            )));
        }
        folder.forget_application()?;
        let mut party = None;
        if let Some(applicant) = &applicant {
            party = own_party(&remote)?;
            folder.keep_applicant(applicant, party.is_some())?;
        }
        folder.write(TERMS, &terms)?;
        let document = wanted.document(&folder, party, Offer { service: &origin, terms: found })?;
        folder.write(APPLICATION, &document)?;
    }
    // From here on what was written is sent, however often.
    let document = folder.read(APPLICATION)?;
    let parsed = ApplicationDocument::parse(&document).map_err(|fault| Failed::usage(&fault))?;
    let key = parsed.salt.0.to_string();
    let answer = remote.call(async |client| client.post_json("/v1/registrations", &key, document).await);
    if let Err(ClientError::Refused { code, .. }) = &answer
        && NEVER_TAKEN.contains(&code.as_str())
        && folder.registration()?.is_none()
    {
        folder.forget_application()?;
    }
    let answer = json_of(answer)?;
    let id = text(&answer, "id").parse();
    folder.keep_registration(id.map_err(|_| Failed::fault(&"the server's answer names no application"))?)?;
    if as_json {
        say::json(&answer);
    } else {
        say::out(line_of(&answer));
        say::out(format!("semper party status --dir {} --trust … tells what becomes of it", args.dir.display()));
    }
    Ok(if text(&answer, "state") == "refused" { Exit::Falsified } else { Exit::Ok })
}

/// The server as a stranger asks it, or whoever holds a certificate.
fn remote_of(of: &cli::OfStranger, applicant: Option<&Applicant>) -> Result<Remote, Failed> {
    match applicant {
        Some(Applicant { p12, passphrase_file }) => as_holder(&of.url, (p12, passphrase_file.as_deref()), "party-auth"),
        None => remote(of),
    }
}

/// The party that the caller's certificate is of; none for officers and operators, who apply as people and not for a party.
fn own_party(remote: &Remote) -> Result<Option<PartyId>, Failed> {
    let me = json_of(remote.call(async |client| client.get_json("/v1/me").await))?;
    if let Some(why) = me["detail"].as_str() {
        return Err(Failed::usage(&format!("--identity: {why}")));
    }
    let party = me["party"].as_str().map(str::parse).transpose();
    party.map_err(|_| Failed::fault(&"the server's answer names no party"))
}

/// Which terms the caller accepts: a digest, or the file with them.
fn accepted(text: &str) -> Result<Digest, Failed> {
    if let Some(digest) = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok()) {
        return Ok(Digest(digest));
    }
    let neither =
        |error| Failed::usage(&format!("--accept-terms {text}: not 64 hexadecimal digits, and no file: {error}"));
    let read = std::fs::read(text).map_err(neither);
    read.map(|bytes| Digest::of(&bytes))
}

/// What the caller wants certified.
struct Wanted<'a> {
    profiles: &'a [String],
    subject: DistinguishedName,
    names: Option<AlternativeNames>,
    contact: Option<Contact>,
}

impl<'a> Wanted<'a> {
    fn read(args: &'a cli::PartyApply) -> Result<Self, Failed> {
        if args.profiles.iter().collect::<BTreeSet<_>>().len() != args.profiles.len() {
            return Err(Failed::usage(&"--profile: one certificate of each profile"));
        }
        let subject = DistinguishedName(args.subject.iter().cloned().collect());
        if subject.0.len() != args.subject.len() {
            return Err(Failed::usage(&"--subject: each attribute once"));
        }
        let names = AlternativeNames { dns: args.dns.clone(), ip: args.ip.clone(), email: args.email.clone() };
        let contact = Contact { email: args.contact_email.clone(), webhook: args.contact_webhook.clone() };
        Ok(Self {
            profiles: &args.profiles,
            subject,
            names: Some(names).filter(|names| *names != AlternativeNames::default()),
            contact: Some(contact).filter(|contact| contact.email.is_some() || contact.webhook.is_some()),
        })
    }

    /// Whether an application is for this.
    fn is_of(&self, document: &ApplicationDocument) -> bool {
        document.requests.iter().map(|asked| &asked.profile).eq(self.profiles)
            && (&document.subject, &document.alternative_names, &document.contact)
                == (&self.subject, &self.names, &self.contact)
    }

    fn document(&self, folder: &Folder, party: Option<PartyId>, offer: Offer<'_>) -> Result<Vec<u8>, Failed> {
        let keys: Vec<SoftKey> = self.profiles.iter().map(|profile| folder.key(profile)).collect::<Result<_, _>>()?;
        let wish = Wish {
            keys: self.profiles.iter().cloned().zip(keys.iter().map(|key| key as &dyn Signer)).collect(),
            subject: self.subject.clone(),
            alternative_names: self.names.clone(),
            contact: self.contact.clone(),
            party: party.map_or_else(|| random().map(PartyId::from), Ok)?,
            now: now(),
            salts: [random()?, random()?],
        };
        let document = ApplicationDocument::of(&wish, offer).map_err(|fault| Failed::usage(&fault))?;
        document.write().map_err(|fault| Failed::usage(&fault))
    }
}

pub(super) fn status(args: &cli::PartyStatus, as_json: bool) -> Result<Exit, Failed> {
    let folder = Folder::open(&args.dir)?;
    let id = folder.registration()?;
    let id = id.ok_or_else(|| Failed::usage(&"the application was not sent yet: run semper party apply again"))?;
    let remote = remote_to(&folder, &args.of)?;
    let answer = json_of(remote.call(async |client| client.get_json(&format!("/v1/registrations/{id}")).await))?;
    let collected = collect(&folder, &answer, &root(&args.of)?)?;
    if as_json {
        say::json(&answer);
    } else {
        say::out(line_of(&answer));
        if let Some(party) = answer["party"].as_str() {
            say::out(format!("party {party}"));
        }
        collected.iter().for_each(say::out);
    }
    Ok(match (text(&answer, "state"), answer["waiting_on"].as_str()) {
        ("refused", _) => Exit::Falsified,
        (_, Some(_)) => Exit::Busy,
        _ => Exit::Ok,
    })
}

/// Writes what was issued. Nothing is believed that is not for one of the keys in the folder.
fn collect(folder: &Folder, answer: &Value, root: &Certificate) -> Result<Vec<String>, Failed> {
    let list = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
    let der = |text: &Value| pem::decode("CERTIFICATE", text.as_str().unwrap_or_default())?.pop();
    let certificates: Vec<_> = list("certificates").iter().filter_map(|found| der(&found["pem"])).collect();
    let chain: Vec<_> = list("chain").iter().filter_map(der).collect();
    let mut lines = Vec::new();
    for key in list("keys") {
        let profile = text(&key, "profile").to_owned();
        if !profile.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return Err(Failed::fault(&"the server's answer names no profile"));
        }
        // Not ours to make one.
        if !folder.path(&format!("{profile}.p8")).exists() {
            continue;
        }
        let own = folder.key(&profile)?;
        let of_key = |der: &&Vec<u8>| Certificate::from_der(der).is_ok_and(|found| found.spki_der() == own.spki_der());
        let Some(certificate) = certificates.iter().find(of_key) else { continue };
        let pems: String =
            std::iter::once(certificate).chain(&chain).map(|der| pem::encode("CERTIFICATE", der)).collect();
        folder.write(&format!("{profile}.cer.pem"), pems.as_bytes())?;
        let p12 = format!("{profile}.p12");
        if !folder.path(&p12).exists() {
            let issuers: Vec<_> = chain.iter().cloned().chain([root.der().to_vec()]).collect();
            let secret = format!("{profile}.passphrase");
            if !folder.path(&secret).exists() {
                folder.write_closed(&secret, format!("{}\n", hex::encode(random()?)).as_bytes())?;
            }
            let opened = String::from_utf8(folder.read(&secret)?).unwrap_or_default();
            let passphrase = Passphrase::new(opened.trim_end().to_owned());
            let bytes = build_pkcs12(&format!("Semper {profile}"), &own, certificate, &issuers, &passphrase);
            folder.write_closed(&p12, &bytes.map_err(|fault| Failed::fault(&fault))?)?;
        }
        lines.push(format!("{profile}: {}", folder.path(&p12).display()));
    }
    Ok(lines)
}

pub(super) fn withdraw(args: &cli::PartyWithdraw, as_json: bool) -> Result<Exit, Failed> {
    let folder = Folder::open(&args.dir)?;
    let id = folder.registration()?;
    let id = id.ok_or_else(|| Failed::usage(&"the application was not sent yet"))?;
    let path = format!("/v1/registrations/{id}/withdraw");
    // Withdrawn twice is withdrawn: by the same statement.
    let key = format!("withdraw-{id}");
    let remote = remote_to(&folder, &args.of)?;
    if !folder.path(WITHDRAWAL).exists() {
        let document = ApplicationDocument::parse(&folder.read(APPLICATION)?).map_err(|fault| Failed::usage(&fault))?;
        // The first one accepted the terms, so it signs statements.
        let profile = document.requests.first().map(|asked| asked.profile.as_str()).unwrap_or_default();
        let (_, origin) = offer(&remote)?;
        let statement = sign_withdrawal(id, &origin, &folder.key(profile)?, now(), random()?);
        folder.write(WITHDRAWAL, statement.map_err(|fault| Failed::usage(&fault))?.bytes())?;
    }
    let statement = String::from_utf8(folder.read(WITHDRAWAL)?).unwrap_or_default();
    let body = json!({ "statement": statement }).to_string().into_bytes();
    let answer = json_of(remote.call(async |client| client.post_json(&path, &key, body).await))?;
    if as_json {
        say::json(&answer);
    } else {
        say::out(line_of(&answer));
    }
    Ok(Exit::Ok)
}
