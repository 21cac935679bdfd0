//! `semper keys ceremony`: steps under the eyes of two people, and a transcript that both sign (EN 319 411-1 GEN-6.5.1).
//!
//! Both identities open, and the server knows both, before anything is done. Whatever happens then is in the transcript, a failure as
//! well, and the transcript goes into the ledger.

use semper_ttp::asn1::oid;
use semper_ttp::crypto::SoftKey;
use semper_ttp::digest::Digest;
use semper_ttp::policy::roles::TrustedRole;
use semper_ttp::statement::ceremony::attest;
use semper_ttp::x509::Certificate;
use serde_json::{Value, json};

use super::{OFFICER, OPERATOR, ask, post, read_pem, require_new, write};
use crate::cli::{self, OfService, Step};
use crate::clock::now;
use crate::commands::remote::{Remote, as_person, json_of};
use crate::commands::running::{Failed, random};
use crate::commands::{identity, say};
use crate::exit::Exit;

struct Person {
    capacity: &'static str,
    key: SoftKey,
    certificate: Certificate,
}

pub(super) fn run(args: &cli::KeysCeremony, as_json: bool) -> Result<(), Failed> {
    require_new(&args.transcript)?;
    let mut written = vec![&args.transcript];
    for step in &args.step {
        match step {
            Step::Request(_, file) => {
                require_new(file)?;
                if written.contains(&file) {
                    return Err(Failed::usage(&format!("{} would be written twice", file.display())));
                }
                written.push(file);
            }
            Step::Import(file) => drop(read_pem(file)?),
            Step::Rotate(_) => {}
        }
    }
    let people = people(args)?;
    let remote = as_person(&args.of, OPERATOR)?;
    let known = json_of(remote.call(async |client| client.get_json("/.well-known/semper").await))?;
    let service = known["ledger"]["origin"].as_str().unwrap_or_default().to_owned();

    let began = now();
    let mut steps = Vec::new();
    let mut trouble = None;
    for step in &args.step {
        let (at, done) = (now(), take(step, &remote));
        let outcome = match &done {
            Ok(result) => json!({ "at": at.to_string(), "act": step.to_string(), "result": result }),
            Err(Failed(_, why)) => json!({ "at": at.to_string(), "act": step.to_string(), "failed": why }),
        };
        steps.push(outcome);
        if let Err(failed) = done {
            trouble = Some(failed);
            break;
        }
    }
    let names = people.iter().map(|person| {
        json!({
            "capacity": person.capacity,
            "name": person.certificate.subject_attribute(oid::COMMON_NAME).unwrap_or_default(),
            "certificate_sha256": person.certificate.digest().to_string(),
        })
    });
    let transcript = json!({
        "type": "semper-key-ceremony",
        "version": 1,
        "service": service,
        "reason": args.reason,
        "began": began.to_string(),
        "ended": now().to_string(),
        "people": names.collect::<Vec<_>>(),
        "steps": steps,
    })
    .to_string();
    let digest = Digest::of(transcript.as_bytes());
    let statements = people.iter().map(|person| {
        let attested = attest(&digest, &service, &person.certificate, &person.key, now(), random()?);
        let attested = attested.map_err(|fault| Failed::usage(&fault))?;
        Ok(String::from_utf8_lossy(attested.bytes()).into_owned())
    });
    let statements = statements.collect::<Result<Vec<_>, Failed>>()?;
    let record = json!({ "transcript": transcript, "statements": statements });
    // Before it goes to the server: what was done is written down in any case.
    write(&args.transcript, format!("{record}\n").as_bytes())?;
    let answer = ask(&remote, "/v1/keys/ceremonies", None, &record)?;
    if as_json {
        say::json(
            &json!({ "transcript": args.transcript, "recorded": answer, "steps": steps, "failed": trouble.is_some() }),
        );
    } else {
        for step in &steps {
            let why = step["failed"].as_str().map_or("done".to_owned(), |why| format!("FAILED: {why}"));
            say::out(format!("{}: {why}", step["act"].as_str().unwrap_or_default()));
        }
        say::out(format!(
            "{}: the transcript, signed by both, stands in the ledger as entry {}",
            args.transcript.display(),
            answer["entry"]["index"]
        ));
    }
    trouble.map_or(Ok(()), Err)
}

/// Both, of whom the server knows each by that person's own certificate.
fn people(args: &cli::KeysCeremony) -> Result<[Person; 2], Failed> {
    let of_officer = OfService {
        url: args.of.url.clone(),
        identity: args.officer.clone(),
        identity_passphrase_file: args.officer_passphrase_file.clone(),
    };
    let officers = &[TrustedRole::RegistrationOfficer, TrustedRole::RevocationOfficer][..];
    let both = [(OPERATOR, &args.of, &[TrustedRole::Operator][..]), (OFFICER, &of_officer, officers)];
    let both = both.map(|(capacity, of, roles)| -> Result<Person, Failed> {
        let file = of.identity_passphrase_file.as_deref();
        let (key, certificate) = identity::signer(&of.identity, file, capacity)?;
        let me = json_of(as_person(of, capacity)?.call(async |client| client.get_json("/v1/me").await))?;
        let holds = |role: &TrustedRole| me["roles"].as_array().is_some_and(|all| all.contains(&role.name().into()));
        if !roles.iter().any(holds) {
            let why = me["detail"].as_str().unwrap_or("the service granted it no such role");
            return Err(Failed::usage(&format!("the {capacity}'s certificate does not count: {why}")));
        }
        Ok::<_, Failed>(Person { capacity, key, certificate })
    });
    let [operator, officer] = both;
    let people = [operator?, officer?];
    if people[0].certificate.spki_der() == people[1].certificate.spki_der() {
        return Err(Failed(Exit::Usage, "operator and officer have one key: a ceremony takes two people".to_owned()));
    }
    Ok(people)
}

fn take(step: &Step, remote: &Remote) -> Result<Value, Failed> {
    match step {
        Step::Rotate(key) => ask(remote, &format!("/v1/keys/{}/rotate", key.name()), None, &json!({})),
        Step::Request(key, file) => {
            let document = post(remote, &format!("/v1/keys/{}/request", key.name()), None, &json!({}))?;
            write(file, &document)?;
            Ok(json!({ "request_sha256": Digest::of(&document).to_string() }))
        }
        Step::Import(file) => {
            let pem = read_pem(file)?;
            ask(remote, "/v1/keys/import", None, &json!({ "pem": pem }))
        }
    }
}
