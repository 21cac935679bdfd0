//! The certification practice statement, in the outline of RFC 3647 §6.

use std::fmt::Write as _;

use semper_ttp::ca::Authority;
use semper_ttp::ca::lint::LINT_VERSION;
use semper_ttp::digest::Digest;
use semper_ttp::notary::ActType;
use semper_ttp::policy::roles::TrustedRole;

use super::{DAY_SECS, Known, NOT_STATED, Place, span};
use crate::config::{Identity, RailKind};

/// Writes it.
pub(super) fn write(known: &Known<'_>) -> String {
    let Identity { origin, public_url, country, organisation, organisation_identifier } = known.identity;
    let mut text = format!(
        "# Certification practice statement\n\n{}{organisation} ({organisation_identifier}, {country}); ledger \
         {origin}; {public_url}\n\n\
         Made by the service from the settings and files of its last start (semper {}). It follows the outline of \
         RFC 3647. Policies are named \
         by their SHA-256 and served at `/v1/policies/` followed by it; which were in force when, the ledger \
         says.\n\n",
        known.notice(),
        env!("CARGO_PKG_VERSION"),
    );
    for chapter in
        [introduction, publication, identification, life_cycle, management, technical, profiles, audit, business]
    {
        text.push_str(&chapter(known));
    }
    text
}

fn introduction(known: &Known<'_>) -> String {
    let mut text = format!(
        "## 1. Introduction\n\n### 1.1 Overview\n\nA root and issuing CAs for parties, servers and timestamping \
         units share one append-only evidence \
         ledger: every certificate, every revocation and every list is an entry in it before it is released. {}\n\n\
         ### 1.2 Document name\n\nPolicies in force at this start:\n\n{}\n### 1.3 Participants\n\n",
        known.qualified(),
        known.policy_list(),
    );
    for (authority, generation, certificate) in &known.authorities {
        let validity = certificate.validity();
        let _ = writeln!(
            text,
            "- CA `{}`{}: certificate {}, from {} to {}",
            authority.place(*generation),
            if *authority == Authority::Imported { " (taken over: status only, it issues nothing)" } else { "" },
            certificate.digest(),
            validity.not_before,
            validity.not_after
        );
    }
    let _ = write!(
        text,
        "\nWhat followed since the last start stands in the next statement. Whether one of them was revoked, the root's list says \
         (`/crl/root.crl`){}: what it issued is good no more.\n\n\
         Registration is the task of officers of this service; no registration authority outside it is known to \
         the program.\n\n\
         ### 1.4 Certificate usage\n\nEach profile's, in section 7.\n\n### 1.5 Policy administration\n\nContact: \
         {}\n\n",
        if known.is_root_offline() {
            ", once such a list was carried from the root's key, which is kept offline"
        } else {
            ""
        },
        known.contact()
    );
    text
}

fn publication(known: &Known<'_>) -> String {
    let url = &known.identity.public_url;
    let https =
        if known.https { "there is one" } else { "there is none, so nobody applies or revokes over the network" };
    format!(
        "## 2. Publication and repository\n\nOver plain HTTP at {url}: certificates of CAs `/ca/`, lists `/crl/`, \
         OCSP `/ocsp`, the ledger \
         `/ledger/`, policies `/v1/policies`, this statement `/.well-known/semper/cps`, the disclosure statement \
         `/.well-known/semper/pds`. HTTPS listener: {https}. Certificates of holders are published by nobody but \
         their holders.\n\n"
    )
}

fn identification(known: &Known<'_>) -> String {
    let terms = match known.policies.terms() {
        Some(terms) => {
            format!("Applicants accept the terms {} by a signed statement.", semper_ttp::digest::Digest::of(terms))
        }
        None => "There are no terms: applicants accept an empty text.".to_owned(),
    };
    format!(
        "## 3. Identification and authentication\n\n### 3.1 Naming\n\nDistinguished names as the profiles have \
         them (EN 319 412-2 and -3). Whether a name is another holder's already is for the officer to see who \
         records the identity.\n\n### 3.2 Initial identity validation\n\nThe certification request proves possession of \
         the key. An officer \
         records how the identity was proven before any approval; the record is kept in the private store, and \
         each reading of \
         it is logged. {terms}\n\n### 3.3 Re-keying\n\nAs an initial application; a registered party applies with \
         its own certificate. {}\n\n\
         ### 3.4 Revocation requests\n\n{}\n\n",
        known.notices(),
        known.revocation_contact()
    )
}

fn life_cycle(known: &Known<'_>) -> String {
    let ca = &known.config.ca;
    let two: Vec<_> = known.policies.profiles().filter(|profile| profile.officers() == 2).map(|p| p.name()).collect();
    let two = match two.as_slice() {
        [] => "One officer approves, whatever the profile.".to_owned(),
        names => format!(
            "One officer approves; two for the profiles {}, who are two people, whatever certificates they have. Nobody \
             decides about an own application.",
            names.join(", ")
        ),
    };
    let lists = match ca.crl_shards {
        0 => "one list for each CA".to_owned(),
        shards => format!(
            "{shards} lists for each issuing CA, each named by its certificates, beside the one of all, which follows a \
             revocation within {}",
            span(semper_api::LIST_OF_ALL_SECS)
        ),
    };
    let mut text = format!(
        "## 4. Certificate life-cycle\n\n### 4.1 Applications\n\nOver `/v1/registrations`. An application that \
         nobody decides ends after {}.\n\n\
         ### 4.2 Processing\n\n{two} A refusal bears a reason and is recorded.\n\n### 4.3 Issuance\n\nThe \
         to-be-signed certificate is linted (rules of version \
         {LINT_VERSION}); an error stops it. Serial numbers have 126 random bits. Decision, signature and ledger \
         entry are one commit.\n\n\
         ### 4.9 Revocation and suspension\n\nOfficers with the role revocation-officer revoke, with a reason, at \
         once; the certificate of an issuing CA is revoked when a second person, who may be an operator, asks for it \
         within a day. No certificate is suspended. OCSP says it \
         from that moment on; the list that the certificate names follows after {}. Of a CA's own certificate the root's list alone \
         tells{}. A list of T names everything that was revoked before T.\n\n### 4.10 Status\n\nLists: {lists}, valid for\n\n",
        span(ca.application_secs()),
        span(ca.crl_delay_secs),
        if known.is_root_offline() { ", which is carried from the offline key by hand" } else { "" },
    );
    for authority in Authority::OWN {
        let life = match authority == Authority::Root && known.is_root_offline() {
            true => "as each list says; the root's key is kept offline, and its lists are carried here".to_owned(),
            false => span(authority.crl_life_secs().into()),
        };
        let _ = writeln!(text, "- `{}`: {life}", authority.name());
    }
    let _ = write!(
        text,
        "\nand those of keys that are with the service renewed half way through. OCSP (RFC 6960, RFC 9654): answers are valid for {}; a serial number \
         that was never issued is \
         never \"good\". The status at any past time is proven by ledger entries at \
         `/v1/certificates/SERIAL/status?at=TIME`.\n\n### 4.12 Key escrow\n\n\
         None.\n\n",
        span(semper_api::OCSP_LIFE_SECS)
    );
    text
}

fn management(known: &Known<'_>) -> String {
    let mut text = String::from(
        "## 5. Facility, management and operational controls\n\n### 5.1 Physical controls\n\nUnknown to the \
         program.\n\n### 5.2 Procedural controls\n\n\
         What is not granted is denied. Certificates that hold a trusted role:\n\n",
    );
    for role in TrustedRole::ALL {
        let _ = writeln!(text, "- {}: {}", role.name(), known.policies.roles().holders(role));
    }
    let _ = write!(
        text,
        "\nNo operator decides applications of parties, and no officer operates.\n\n### 5.3 Personnel \
         controls\n\nUnknown to the program.\n\n\
         ### 5.4 Audit logging\n\nThe ledger: append-only, Merkle-backed (RFC 6962), with a signed checkpoint; an \
         entry follows its decision within {} ms. {}\n\n\
         ### 5.5 Records archival\n\nFacts are kept for ever; documents of applications in the private \
         store.\n\n### 5.7 Compromise and disaster recovery\n\n\
         A ledger that was rolled back or forked is refused at the start.\n\n### 5.8 Termination\n\n{NOT_STATED}\n\n",
        known.config.ledger.mmd_ms(),
        match &known.config.witnesses.policy_path {
            Some(_) => "Its checkpoints are cosigned by witnesses.",
            None => "No witness cosigns its checkpoints.",
        },
    );
    text
}

fn technical(known: &Known<'_>) -> String {
    let mut text = String::from(
        "## 6. Technical security controls\n\n### 6.1 Key generation\n\nEach key is for one purpose; making, \
         first use and end of a key are \
         ledger entries.\n\n### 6.2 Private key protection\n\n",
    );
    for (purpose, ids) in &known.keys {
        for (id, place) in ids {
            let _ = match place {
                Place::File => writeln!(text, "- `{id}`: encrypted file (PBES2, scrypt) on the service's machine"),
                Place::Token(token) => writeln!(text, "- `{id}`: PKCS#11 token \"{token}\""),
            };
        }
        if ids.is_empty() {
            let _ = writeln!(text, "- `{}`: not with the service", purpose.name());
        }
    }
    let clock = &known.config.clock;
    let time = if known.is_test() {
        "the machine's clock is believed without any check".to_owned()
    } else {
        let laboratories = match clock.utc_laboratories.as_slice() {
            [] => "the operator names no laboratory".to_owned(),
            names => format!("UTC laboratories: {}", names.join(", ")),
        };
        format!(
            "the kernel's clock as the operator's time service disciplines it, sampled every {} ms, believed \
             within {} ms; {laboratories}",
            clock.sample_interval_ms, clock.offset_bound_ms
        )
    };
    let _ = write!(
        text,
        "\n### 6.8 Timestamping\n\nTime: {time}. Declared accuracy of timestamps: {} ms. Out of it, nothing that \
         asserts time is issued.\n\n",
        known.config.tsa.accuracy_ms
    );
    if known.config.notary.enabled {
        text.push_str(&notary(known));
    }
    if known.config.exchange.enabled {
        text.push_str(&arbiter(known));
    }
    text
}

/// What is said of exchanges, where the service is their arbiter.
fn arbiter(known: &Known<'_>) -> String {
    let settings = &known.config.exchange;
    let days = |days: u16| span(u64::from(days) * DAY_SECS);
    let policy = match known.policies.exchange() {
        Some((digest, _)) => format!("the policy `exchange` {digest} (`/v1/policies/{digest}`)"),
        None => "the policy `exchange`".to_owned(),
    };
    let mut text = format!(
        "### 6.10 Fair exchange\n\nRuns are decided by {policy}, each once; every decision is in the ledger before it is told, and \
         whoever asks again gets the same octets. A run's end moves by absences of the arbiter within the last {} before it; each absence is an \
         entry. The service claims no qualified status for what is delivered, and evidence of it proves what the arbiter has recorded. What \
         convicts the arbiter is recorded by anybody (`/v1/accountability/proofs`).\n\n",
        span(u64::from(settings.delta_hours) * 3600),
    );
    let later = match settings.answer_within_secs {
        0 => "Every request is answered at once".to_owned(),
        secs => format!("A request may be answered later, within {}, by a signed receipt", span(secs.into())),
    };
    let _ = write!(text, "{later}. ");
    text.push_str(&match settings.items() {
        Some(items) => format!(
            "Items of at most {} octets pass through the arbiter, which sees those that are not sealed while it compares them; they are kept \
             sealed, for {} after the decision, and then erased by destroying their keys. ",
            items.bytes_max,
            days(settings.item_days),
        ),
        None => "No items pass through the arbiter. ".to_owned(),
    });
    text.push_str(&match settings.delivery_days {
        0 => "Deliveries are not registered. ".to_owned(),
        _ => format!(
            "Deliveries may be registered; their evidence has the events of ETSI EN 319 522, and keys are collected for {}. ",
            days(settings.delivery_days)
        ),
    });
    text.push_str(&match settings.mailbox_bytes() {
        0 => "Messages between parties are not kept.\n\n".to_owned(),
        _ => format!(
            "Messages between parties are kept for {} at most, as they were left: the operator could read what the parties did not seal.\n\n",
            days(settings.mailbox_days)
        ),
    });
    for rail in &settings.rail {
        let by = match rail.kind {
            RailKind::Simulator => "a simulator: **no money is behind it**",
            RailKind::Webhook => "an outside provider",
        };
        let at = if rail.is_funded() { "with the service" } else { "at the payer's bank" };
        let _ = writeln!(text, "- Payments by `{}`: {by}; the money is held {at}.", rail.name);
    }
    if settings.rail.is_empty() {
        text.push_str("No payments are held or moved.\n");
    }
    text.push('\n');
    text
}

/// What is said of acts, where the service is a notary.
fn notary(known: &Known<'_>) -> String {
    let mut decided = known.config.notary.needs_person();
    decided.insert(ActType::Copy);
    let decided: Vec<_> = decided.iter().map(|act| act.name()).collect();
    let with_token = match known.config.dvcs_policy_with_token() {
        Some(policy) => format!("under {policy} a timestamp token tells their time"),
        None => "none has its time from a timestamp token".to_owned(),
    };
    format!(
        "### 6.9 Notarial acts\n\nActs are numbered without gaps, refused ones too, and each ends in a signed record of what was checked and \
         what was not; the service claims no qualified status for them. An officer decides about these kinds: {}. Data validation \
         certificates (RFC 3029) are issued under {}; {with_token}. Signatures are judged by the policy `validation` {} \
         (`/v1/policies`).\n\n",
        decided.join(", "),
        known.config.dvcs_policy(),
        Digest::of(known.policies.validation().document()),
    )
}

fn profiles(known: &Known<'_>) -> String {
    format!(
        "## 7. Certificate, CRL and OCSP profiles\n\n{}{}\nCRL: version 2 (RFC 5280). OCSP: RFC 6960, delegated \
         responders.\n\n",
        known.profile_table(),
        if known.is_test() {
            "\nAs a test service it puts 1.3.6.1.5.5.7.13.1 in the place of these policies.\n"
        } else {
            ""
        },
    )
}

fn audit(known: &Known<'_>) -> String {
    format!(
        "## 8. Compliance audit\n\nAssessments: {} Anybody can check the public ledger; who has the data folder \
         can decide everything again \
         (`semper audit`, `semper audit ca`).\n\n",
        known.config.statements.audits.as_deref().unwrap_or(NOT_STATED)
    )
}

fn business(known: &Known<'_>) -> String {
    let stated = &known.config.statements;
    format!(
        "## 9. Other business and legal matters\n\n### 9.1 Fees\n\n{NOT_STATED}\n\n### 9.4 Privacy\n\nThe ledger \
         holds digests, codes and times, and no names.\n\n\
         ### 9.8 Liability\n\n{}\n\n### 9.14 Governing law\n\n{}\n\n### What is not offered\n\nACME, EST, CMP and \
         SCEP; {}{}disputes and archiving; certificate suspension; key escrow.\n",
        stated.liability.as_deref().unwrap_or(NOT_STATED),
        stated.law.as_deref().unwrap_or(NOT_STATED),
        if known.config.notary.enabled { "" } else { "notarial acts, data validation, " },
        if known.config.exchange.enabled { "" } else { "fair exchange, payments, " },
    )
}
