//! What is asked of the arbiter's service. Whatever it answers is compared with what was asked; what it says of itself counts as far as
//! the trust anchors go.

use std::path::Path;

use semper_api::client::ClientError;
use semper_ledger::note::VerifierKey;
use semper_ttp::asn1::pem;
use semper_ttp::b64u::{self, B64u32};
use semper_ttp::client::dossier::{Dossier, Goal, Piece};
use semper_ttp::client::message::MESSAGE_BYTES_MAX;
use semper_ttp::client::party::{House, Request, Stays};
use semper_ttp::client::peer::Holder;
use semper_ttp::client::swap::given::ITEM_ANSWER_BYTES_MAX;
use semper_ttp::crypto::jose::Thumbprint;
use semper_ttp::crypto::{Entropy as _, OsEntropy};
use semper_ttp::digest::{Digest, ImprintAlgorithm};
use semper_ttp::id::PartyId;
use semper_ttp::statement::exchange::cd_r::EscrowArbiter;
use semper_ttp::statement::exchange::verdict::Status;
use semper_ttp::statement::exchange::{Arbiter, Line, Participant};
use semper_ttp::statement::{Jws, Origin};
use semper_ttp::time::Timestamp;
use semper_ttp::timestamp::request::{Imprint, Request as StampRequest};
use semper_ttp::timestamp::response::{self, Response};
use semper_ttp::verify::TokenReading;
use semper_ttp::x509::Certificate;
use serde_json::{Value, json};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::commands::pem_file::certificate_of;
use crate::commands::remote::{Remote, json_of};
use crate::commands::running::{Failed, random};
use crate::commands::verify::files::read_trust;
use crate::exit::Exit;

/// A timestamp over a statement.
pub(super) struct Stamped {
    pub(super) token: Vec<u8>,
    pub(super) at: Timestamp,
}

fn wrong(what: &str) -> Failed {
    Failed::fault(&format!("the server's answer: {what}"))
}

/// What the service says of its arbiter, beside what this side trusts.
pub(super) fn house(remote: &Remote, trust: &Path) -> Result<(House, Arbiter), Failed> {
    let (anchors, _) = read_trust(trust).map_err(|fault| Failed::usage(&format!("--trust: {fault}")))?;
    let root = certificate_of(&trust.join("root.pem"))?;
    let service = json_of(remote.call(async |client| client.get_json("/.well-known/semper").await))?;
    let about = &service["exchange"];
    if about.is_null() {
        return Err(Failed::usage(&"the service is no arbiter: [exchange] enabled is not set in its semper.toml"));
    }
    let authorities = service["authorities"].as_array().map(Vec::as_slice).unwrap_or_default();
    let chain = chain_of(remote, &about["certificate"], authorities)?
        .ok_or_else(|| wrong("it shows no certificate of its arbiter"))?;
    let escrow = chain_of(remote, &about["escrow"]["certificate"], authorities)?.unwrap_or_default();
    let policy: B64u32 =
        about["policy"].as_str().and_then(|text| text.parse().ok()).ok_or_else(|| wrong("no policy"))?;
    let policy = Digest::from(policy);
    let document = self::policy(remote, &policy)?;
    let line = |value: &Value| value.as_str().and_then(Line::new);
    let arbiter = Arbiter {
        id: service["ledger"]["origin"].as_str().and_then(Origin::new).ok_or_else(|| wrong("no origin"))?,
        key: Holder::read(&chain).map_err(|fault| wrong(&fault.to_string()))?.key.thumbprint(),
        url: line(&service["service"]["public_url"]).ok_or_else(|| wrong("no URL"))?,
        log: line(&service["ledger"]["vkey"]).ok_or_else(|| wrong("no key of its ledger"))?,
    };
    let logs: Vec<VerifierKey> = anchors.log_keys().to_vec();
    Ok((House { root: root.der().to_vec(), logs, arbiter: chain, escrow, policy: document }, arbiter))
}

/// A policy, by its hash.
pub(super) fn policy(remote: &Remote, policy: &Digest) -> Result<Vec<u8>, Failed> {
    let document = remote.call(async |client| client.get(&format!("/v1/policies/{policy}")).await).map(Vec::from)?;
    match Digest::of(&document) == *policy {
        true => Ok(document),
        false => Err(wrong("the policy is another one than it names")),
    }
}

/// The certificate that the service shows in PEM, and those above it but the root.
fn chain_of(remote: &Remote, shown: &Value, authorities: &[Value]) -> Result<Option<Vec<Vec<u8>>>, Failed> {
    let blocks = shown.as_str().and_then(|text| pem::decode("CERTIFICATE", text));
    let Some(certificate) = blocks.and_then(|mut blocks| (blocks.len() == 1).then(|| blocks.remove(0))) else {
        return Ok(None);
    };
    let leaf = Certificate::from_der(&certificate).map_err(|fault| wrong(&fault.to_string()))?;
    let mut chain = vec![certificate];
    for authority in authorities {
        let Some(place) = authority["certificate"].as_str() else { continue };
        let der = remote.call(async |client| client.get(place).await).map(Vec::from)?;
        let issuer = Certificate::from_der(&der).ok();
        if issuer.is_some_and(|issuer| issuer.subject() == leaf.issuer() && issuer.subject() != issuer.issuer()) {
            chain.push(der);
        }
    }
    Ok(Some(chain))
}

/// The same arbiter as one that opens escrows.
pub(super) fn escrow_arbiter(house: &House, arbiter: Arbiter) -> Result<EscrowArbiter, Failed> {
    let Arbiter { id, key, url, log } = arbiter;
    let holder = Holder::read(&house.escrow).map_err(|_| Failed::usage(&Stays::NoEscrow))?;
    Ok(EscrowArbiter { id, key, escrow_key: holder.key.thumbprint(), url, log })
}

/// Has octets stamped: proof of when they were there.
pub(super) fn stamp(remote: &Remote, bytes: &[u8]) -> Result<Stamped, Failed> {
    let imprint = Imprint::new(ImprintAlgorithm::Sha256, &Digest::of(bytes).0);
    let imprint = imprint.ok_or_else(|| Failed::fault(&"a digest of another length"))?;
    let request = StampRequest::new(imprint, None, Some(&random()?), true);
    let answer = remote.call(async |client| client.timestamp("/tsa", request.encode()).await)?;
    let token = match response::parse(&answer).map_err(|fault| wrong(&fault.to_string()))? {
        Response::Granted(token) => token,
        Response::Rejected { text, .. } => {
            return Err(Failed(Exit::Busy, format!("the service stamps nothing now: {text}")));
        }
    };
    let reading = TokenReading::of(&token).map_err(wrong)?;
    let same = (reading.algorithm, &reading.imprint) == (request.imprint.algorithm, &request.imprint.digest);
    if !same || reading.nonce != request.nonce {
        return Err(wrong("the timestamp is of something else"));
    }
    Ok(Stamped { token, at: reading.gen_time })
}

/// Whose key it is, if it may commit its holder now, and by which certificate.
pub(super) fn key_of(remote: &Remote, key: Thumbprint) -> Result<(PartyId, String), Failed> {
    let path = format!("/v1/exchanges/keys/{key}");
    let told = match remote.call(async |client| client.get_json(&path).await) {
        // Known, and not good; or nobody's: what would be relied on is false.
        Err(ClientError::Refused { status: 422, detail, .. }) => {
            return Err(Failed(Exit::Falsified, format!("the arbiter would not rely on it: {detail}")));
        }
        answer => json_of(answer)?,
    };
    let party = told["party"].as_str().and_then(|party| party.parse().ok()).ok_or_else(|| wrong("no party"))?;
    Ok((party, told["certificate"].as_str().unwrap_or_default().to_owned()))
}

/// Whether the key of a side is that party's, by this very certificate, and good now. Asked after its statement was stamped: what is
/// good now was good then.
pub(super) fn require_good(remote: &Remote, side: &Participant, chain: &[Vec<u8>]) -> Result<(), Failed> {
    let (party, certificate) = key_of(remote, side.key)?;
    let false_ = |why: &str| Err(Failed(Exit::Falsified, why.to_owned()));
    if party != side.id {
        return false_("the key of the other side is another party's than the run names");
    }
    match chain.first().is_some_and(|der| Digest::of(der).to_string() == certificate) {
        true => Ok(()),
        false => false_("the other side's key is bound to its party by another certificate than the one that came"),
    }
}

/// Sends a request to the arbiter, again and again the same; gives its answer as it came, which may be a receipt for `later`.
pub(super) fn ask(remote: &Remote, x: &Digest, goal: Goal, request: &Request, later: bool) -> Result<Vec<u8>, Failed> {
    let tokens: Vec<_> = request.tokens.iter().map(|token| BASE64_STANDARD.encode(token)).collect();
    let mut body = json!({ "request": request.request, "tokens": tokens });
    body[Piece::First.name(goal)] = json!(request.first);
    if let Some(second) = &request.second {
        body[Piece::Second.name(goal)] = json!(second);
    }
    let path = format!("/v1/exchanges/{}/requests", b64u::encode(&x.0));
    let once = hex::encode(random()?);
    let answer = remote.call(async |client| {
        let client = if later { client.clone().preferring_later() } else { client.clone() };
        client.post_json(&path, &once, body.to_string().into_bytes()).await
    });
    Ok(answer.map(Vec::from)?)
}

/// Shows the arbiter that both sides of a swap have agreed; gives its answer as it came, also to a repetition.
pub(super) fn register(remote: &Remote, i1: &str, i2: &str) -> Result<Vec<u8>, Failed> {
    post(remote, "/v1/exchanges", &json!({ "i1": i1, "i2": i2 }))
}

/// Leaves an item, or its ciphertext, with its statement.
pub(super) fn deposit(remote: &Remote, x: &Digest, deposit: &str, item: &[u8]) -> Result<Vec<u8>, Failed> {
    let body = json!({ "deposit": deposit, "item": BASE64_STANDARD.encode(item) });
    post(remote, &format!("/v1/exchanges/{}/deposits", b64u::encode(&x.0)), &body)
}

/// Brings another statement about a swap; gives the server's refusal, too, where there is nothing to collect.
pub(super) fn state(remote: &Remote, x: &Digest, statement: &str) -> Result<Result<Vec<u8>, ClientError>, Failed> {
    let path = format!("/v1/exchanges/{}/statements", b64u::encode(&x.0));
    match asked(remote, &path, &json!({ "statement": statement }))? {
        Err(ClientError::Refused { code, status, detail }) if code == "exchange.nothing_to_collect" => {
            Ok(Err(ClientError::Refused { code, status, detail }))
        }
        answer => Ok(Ok(answer?)),
    }
}

fn post(remote: &Remote, path: &str, body: &Value) -> Result<Vec<u8>, Failed> {
    Ok(asked(remote, path, body)??)
}

fn asked(remote: &Remote, path: &str, body: &Value) -> Result<Result<Vec<u8>, ClientError>, Failed> {
    let once = hex::encode(random()?);
    let body = body.to_string().into_bytes();
    let answer = remote.call(async |client| {
        let client = client.clone().with_answer_bytes(ITEM_ANSWER_BYTES_MAX);
        client.post_json(path, &once, body).await
    });
    Ok(answer.map(Vec::from))
}

/// Brings a statement about a payment, `x` where it is not the first one; gives the answer as it came.
pub(super) fn pay(remote: &Remote, x: Option<&Digest>, statement: &str) -> Result<Vec<u8>, ClientError> {
    let path = match x {
        None => "/v1/payments".to_owned(),
        Some(x) => format!("/v1/payments/{}/statements", b64u::encode(&x.0)),
    };
    // A statement is known by itself, whoever repeats it.
    let once = b64u::encode(&Digest::of(statement.as_bytes()).0);
    let body = json!({ "statement": statement }).to_string().into_bytes();
    remote.call(async |client| client.post_json(&path, &once, body).await).map(Vec::from)
}

/// What the arbiter shows those who take part in a payment.
pub(super) fn payment(remote: &Remote, x: &Digest) -> Result<Vec<u8>, ClientError> {
    let path = format!("/v1/payments/{}", b64u::encode(&x.0));
    remote.call(async |client| client.get_json(&path).await).map(Vec::from)
}

/// What the arbiter shows one of its sides of a swap. Signed by nobody: for people.
pub(super) fn shown(remote: &Remote, x: &Digest) -> Result<Value, Failed> {
    let path = format!("/v1/exchanges/{}", b64u::encode(&x.0));
    json_of(remote.call(async |client| client.get_json(&path).await))
}

/// What the arbiter says of a run, signed by the key that the run names.
pub(super) fn status(remote: &Remote, dossier: &Dossier, x: &Digest, first: &Jws) -> Result<(Status, Jws), Failed> {
    let path = format!("/v1/exchanges/{}/status", b64u::encode(&x.0));
    let name = Piece::First.name(dossier.goal());
    let body = json!({ name: String::from_utf8_lossy(first.bytes()) }).to_string().into_bytes();
    let once = hex::encode(random()?);
    let answer = json_of(remote.call(async |client| client.post_json(&path, &once, body).await))?;
    let chain: Vec<_> = dossier.certificates.arbiter.iter().map(|der| der.0.clone()).collect();
    let holder = Holder::read(&chain).map_err(|fault| Failed::usage(&fault))?;
    let false_ = |why: &dyn std::fmt::Display| Failed(Exit::Falsified, format!("the arbiter's status: {why}"));
    let jws = Jws::parse(answer["status"].as_str().unwrap_or_default().as_bytes()).map_err(|fault| false_(&fault))?;
    jws.verify(&holder.key).map_err(|fault| false_(&fault))?;
    let statement = jws.payload_as::<Status>().map_err(|fault| false_(&fault))?;
    match statement.common.x.map(Digest::from) == Some(*x) {
        true => Ok((statement.body, jws)),
        false => Err(false_(&"it is of another run")),
    }
}

/// A message that waits in this party's mailbox.
pub(super) struct Waiting {
    pub(super) id: String,
    pub(super) from: PartyId,
}

/// Leaves a message for a party.
pub(super) fn leave(remote: &Remote, to: PartyId, message: Vec<u8>) -> Result<(), Failed> {
    let (path, once) = (format!("/v1/mailboxes/{to}"), hex::encode(random()?));
    remote.call(async |client| client.post_json(&path, &once, message).await)?;
    Ok(())
}

/// What waits for this party, oldest first.
pub(super) fn waiting(remote: &Remote) -> Result<Vec<Waiting>, Failed> {
    let told = json_of(remote.call(async |client| client.get_json("/v1/mailbox").await))?;
    let messages = told["messages"].as_array().ok_or_else(|| wrong("no messages"))?;
    let read = |one: &Value| {
        let id = one["id"].as_str().filter(|id| id.parse::<Digest>().is_ok())?.to_owned();
        Some(Waiting { id, from: one["from"].as_str()?.parse().ok()? })
    };
    messages.iter().map(|one| read(one).ok_or_else(|| wrong("a message without name or sender"))).collect()
}

/// A message that waits.
pub(super) fn fetch(remote: &Remote, id: &str) -> Result<Vec<u8>, Failed> {
    let path = format!("/v1/mailbox/{id}");
    let message = remote.call(async |client| client.clone().with_answer_bytes(MESSAGE_BYTES_MAX).get(&path).await)?;
    Ok(Vec::from(message))
}

/// Says that a message is here, so that it need not wait any more.
pub(super) fn forget(remote: &Remote, id: &str) -> Result<(), Failed> {
    let (path, once) = (format!("/v1/mailbox/{id}/taken"), hex::encode(random()?));
    remote.call(async |client| client.post_json(&path, &once, b"{}".to_vec()).await)?;
    Ok(())
}

/// 32 random octets.
pub(super) fn drawn() -> Result<[u8; 32], Failed> {
    let mut octets = [0; 32];
    OsEntropy.fill(&mut octets).map_err(|fault| Failed::fault(&fault))?;
    Ok(octets)
}
