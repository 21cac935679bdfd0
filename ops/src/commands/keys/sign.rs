//! `semper keys sign`: beside the root's key, without network, ledger and server.

use semper_ttp::asn1::{oid, pem};
use semper_ttp::ca::Authority;
use semper_ttp::ca::certificate::Issuer;
use semper_ttp::ca::offline::{self, RootRequest, Wanted};
use semper_ttp::crypto::{Passphrase, PublicKey, Signer as _, SoftKey, Verifier as _, open_key_pem};
use semper_ttp::digest::Digest;
use semper_ttp::x509::Certificate;
use serde_json::{Value, json};

use super::write;
use crate::cli;
use crate::clock;
use crate::commands::pem_file::{bytes_of, certificate_of, refused};
use crate::commands::running::Failed;
use crate::commands::say;
use crate::config::Keys;
use crate::data::read_closed;

const DAY_SECS: u64 = 24 * 3600;

pub(super) fn run(args: &cli::KeysSign, as_json: bool) -> Result<(), Failed> {
    let root = certificate_of(&args.root)?;
    let public = PublicKey::from_spki_der(&root.spki_der()).map_err(|fault| refused(&args.root, &fault))?;
    let issuer =
        Issuer::new(Authority::Root, &root, public.algorithm()).map_err(|fault| refused(&args.root, &fault))?;
    let at_request = |fault: offline::OfflineFault| refused(&args.request, &fault);
    let request = RootRequest::read(&bytes_of(&args.request)?).map_err(at_request)?;
    request.check(&root).map_err(at_request)?;
    let now = clock::now();

    let (said, pem) = match &request.wanted {
        Wanted::IssuingCa { key, to_be_signed } => {
            let message = hex::decode(to_be_signed).map_err(|error| refused(&args.request, &error))?;
            let judged = offline::judge_ca(&message, &issuer, now).map_err(at_request)?;
            let signed = match signer(args, &root)? {
                None => None,
                Some(signer) => {
                    let signature = signer.sign(judged.message()).map_err(|error| Failed::fault(&error))?;
                    Some(judged.finish(&signature).map_err(at_request)?)
                }
            };
            let pem = signed.map(|certificate| pem::encode("CERTIFICATE", certificate.der()));
            (described(key, &judged.preview), pem)
        }
        Wanted::Arl { number, revoked } => {
            let life_secs = u64::from(args.days) * DAY_SECS;
            let unsigned = offline::list(*number, revoked, life_secs, &issuer, now).map_err(at_request)?;
            let signed = match signer(args, &root)? {
                None => None,
                Some(signer) => {
                    let signature = signer.sign(unsigned.message()).map_err(|error| Failed::fault(&error))?;
                    Some(unsigned.finish(&signature).map_err(|fault| Failed::fault(&fault))?)
                }
            };
            let serials: Vec<_> = revoked.iter().map(|entry| json!([entry.serial, entry.reason])).collect();
            let until = now.whole_secs().plus_secs(life_secs).to_string();
            let said = json!({ "list": "root", "number_at_least": number, "until": until, "revoked": serials });
            (said, signed.map(|der| pem::encode("X509 CRL", &der)))
        }
    };
    if let (Some(pem), Some(to)) = (&pem, &args.to) {
        write(to, pem.as_bytes())?;
    }
    if as_json {
        say::json(
            &json!({ "signed": pem.is_some(), "what": said, "file": args.to.as_ref().filter(|_| pem.is_some()) }),
        );
    } else {
        for (name, value) in said.as_object().into_iter().flatten() {
            say::out(format!("{name:<16} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
        }
        say::out(match (&pem, &args.to) {
            (Some(_), Some(to)) => {
                format!("signed: carry {} to the server, and import it: semper keys import", to.display())
            }
            _ => "not signed (--look)".to_owned(),
        });
    }
    Ok(())
}

/// What people compare before the root signs.
fn described(key: &str, certificate: &Certificate) -> Value {
    let subject = |id| certificate.subject_attribute(id).unwrap_or_default();
    let validity = certificate.validity();
    json!({
        "certificate_of": key,
        "common_name": subject(oid::COMMON_NAME),
        "organisation": subject(oid::ORGANIZATION),
        "serial": hex::encode(certificate.serial()),
        "not_before": validity.not_before.to_string(),
        "not_after": validity.not_after.to_string(),
        "public_key_sha256": Digest::of(&certificate.spki_der()).to_string(),
    })
}

/// The root's key; none where nothing is to be signed.
fn signer(args: &cli::KeysSign, root: &Certificate) -> Result<Option<SoftKey>, Failed> {
    let Some(path) = args.key.as_ref().filter(|_| !args.look) else { return Ok(None) };
    let text = read_closed(path).map_err(|error| Failed::usage(&error))?;
    let secret = Keys { passphrase_file: args.passphrase_file.clone(), ..Keys::default() };
    let secret = secret.passphrase(|name| std::env::var_os(name));
    let secret = secret.map_err(|error| {
        Failed::usage(&format!("--passphrase-file names the file with the root key's passphrase: {error}"))
    })?;
    let passphrase = Passphrase::new(secret.expose().to_owned());
    let key = open_key_pem(&String::from_utf8_lossy(&text), &passphrase).map_err(|fault| refused(path, &fault))?;
    if key.spki_der() == root.spki_der() {
        Ok(Some(key))
    } else {
        Err(refused(path, &"it is not the key of this root"))
    }
}
