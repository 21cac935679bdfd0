//! An office: a service with terms and staff who were granted their roles, and those who come to it over `/v1`.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::Request,
};
use http::{Method, header};
use http_body_util::{BodyExt, Full};
use semper_api::{
    Policies, RegistrationParts, Service, ToIssue, ToRevoke,
    access::AccessLog,
    router::{App, BodyLimits, secure},
    server::{Peer, RequestId},
    tls::ClientCertificate,
};
use semper_ledger::ledger::Ledger;
use semper_ttp::{
    asn1::pem,
    ca::{
        Authority, CaId,
        crl::Reason,
        name::{Attribute, DistinguishedName},
    },
    crypto::{Entropy, OsEntropy, Signer, SoftKey},
    digest::Digest,
    evidence::{Fact, Kind},
    exchange::{
        item::BuiltIn,
        policy::{DeliveryPolicy, ExchangePolicy, InlinePolicy},
    },
    id::PartyId,
    policy::roles::{TrustedRole, TrustedRoles},
    registration::document::{ApplicationDocument, Contact, Offer, Wish, withdraw},
    statement::exchange::item::RuleName,
    x509::Certificate,
};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{DAY_SECS, Disk, Now, Pki, START, key, openapi, wanted};

pub(crate) const CA: CaId = CaId::first(Authority::Party);
pub(crate) const TERMS: &[u8] = b"Be honest.";
/// δ of the arbiter's policy.
pub(crate) const DELTA_MS: u64 = 60_000;
pub(crate) const ORIGIN: &str = "log.example/test";

pub(crate) struct World {
    pub(crate) disk: Disk,
    pub(crate) now: Arc<Now>,
    pub(crate) pki: Pki,
    pub(crate) service: Arc<Service>,
    pub(crate) place: tempfile::TempDir,
    pub(crate) staff: Vec<(&'static str, Certificate)>,
    /// The keys of the first three, in their order.
    pub(crate) keys: Vec<SoftKey>,
    /// Of these, who has not acted yet.
    pub(crate) left: Mutex<Vec<(&'static str, Certificate)>>,
    /// Whether the CA for parties signs nothing, where it was lamed.
    pub(crate) lame: Arc<AtomicBool>,
    open_max: usize,
}

/// Somebody with a certificate, or without.
pub(crate) struct Person {
    pub(crate) certificate: Option<Arc<Certificate>>,
}

pub(crate) fn random() -> [u8; 16] {
    let mut random = [0; 16];
    OsEntropy.fill(&mut random).unwrap();
    random
}

pub(crate) fn subject() -> DistinguishedName {
    let attributes = [
        (Attribute::Country, "FR"),
        (Attribute::Organization, "Example"),
        (Attribute::OrganizationIdentifier, "NTRFR-000000000"),
        (Attribute::CommonName, "A name that nobody may see"),
    ];
    DistinguishedName(attributes.map(|(attribute, text)| (attribute, text.to_owned())).into())
}

impl Person {
    pub(crate) fn stranger() -> Self {
        Self { certificate: None }
    }

    pub(crate) fn with(certificate: Certificate) -> Self {
        Self { certificate: Some(Arc::new(certificate)) }
    }
}

pub(crate) fn parts(place: &std::path::Path) -> RegistrationParts {
    RegistrationParts {
        access: Some(AccessLog::open(&place.join("access")).unwrap()),
        life_secs: u64::from(30 * DAY_SECS),
        ..RegistrationParts::default()
    }
}

/// By what the arbiter decides.
pub(crate) fn exchange_policy() -> ExchangePolicy {
    let predicates = BuiltIn::ALL.iter().filter_map(|rule| RuleName::new(rule.name())).collect();
    let days = |days: u32| 1_000 * u64::from(days * DAY_SECS);
    let inline = InlinePolicy { retention_ms: days(30), open_max_ms: days(90), predicates };
    let delivery =
        DeliveryPolicy { retention_ms: days(30), open_max_ms: days(90), notice_ms: 10 * DELTA_MS, late_counts: false };
    ExchangePolicy { inline: Some(inline), delivery: Some(delivery), ..ExchangePolicy::new(DELTA_MS, 5_000) }
}

/// The terms, and these certificates' grants: an operator's, and officers' who decide, revoke and act as notaries.
pub(crate) fn policies(staff: &[(&'static str, Certificate)]) -> Policies {
    let granted = staff.iter().flat_map(|(profile, certificate)| {
        let roles: &[TrustedRole] = match *profile {
            "operator" => &[TrustedRole::Operator],
            _ => &[TrustedRole::RegistrationOfficer, TrustedRole::RevocationOfficer, TrustedRole::NotaryOfficer],
        };
        roles.iter().map(|role| (*role, certificate.digest()))
    });
    let mut policies = Policies::builtin();
    policies.set_terms(TERMS.into());
    policies.set_exchange(exchange_policy());
    policies.set_roles(TrustedRoles::file(&granted.collect::<Vec<_>>()).into()).unwrap();
    policies
}

impl World {
    /// With two officers and an operator, who were granted their roles.
    pub(crate) fn new() -> Self {
        let (disk, now, pki) = (Disk::new(), Arc::new(Now::new()), Pki::new());
        let place = tempfile::tempdir().unwrap();
        let first = pki.service(&disk, &now, 0);
        let keys = vec![key(), key(), key()];
        let issue = |(profile, key): (&'static str, &SoftKey)| {
            let wanted = ToIssue { spki_der: key.spki_der().to_vec(), ..wanted(profile) };
            (profile, first.issue(&wanted).unwrap().certificate)
        };
        let staff: Vec<_> = ["officer", "officer", "operator"].into_iter().zip(&keys).map(issue).collect();
        drop(first);
        let service = pki.service_with(&disk, &now, parts(place.path()), policies(&staff));
        Self {
            disk,
            now,
            pki,
            service,
            place,
            left: Mutex::new(staff.clone()),
            staff,
            keys,
            lame: Arc::default(),
            open_max: 100,
        }
    }

    /// As after a start; without the CA for parties, if it is `lamed`.
    pub(crate) fn restart(self, lamed: bool) -> Self {
        let registration = RegistrationParts { open_max: self.open_max, ..parts(self.place.path()) };
        self.restart_with(registration, lamed)
    }

    pub(crate) fn restart_with(self, registration: RegistrationParts, lamed: bool) -> Self {
        self.restart_after(registration, lamed, |_| ())
    }

    /// With another hand at the ledger in between.
    pub(crate) fn meddled(self, meddle: impl FnOnce(&Ledger)) -> Self {
        let registration = RegistrationParts { open_max: self.open_max, ..parts(self.place.path()) };
        self.restart_after(registration, false, meddle)
    }

    fn restart_after(self, registration: RegistrationParts, lamed: bool, meddle: impl FnOnce(&Ledger)) -> Self {
        let Self { disk, now, pki, service, place, staff, keys, left, lame, open_max } = self;
        drop(service);
        meddle(&disk.ledger(&now));
        lame.store(lamed, Ordering::Relaxed);
        let policies = policies(&staff);
        let service = match lamed {
            true => pki.lamed(&disk, &now, registration, policies, &lame),
            false => pki.service_with(&disk, &now, registration, policies),
        };
        Self { disk, now, pki, service, place, staff, keys, left, lame, open_max }
    }

    /// With room for so many applications.
    pub(crate) fn with_room_for(self, open_max: usize) -> Self {
        Self { open_max, ..self }.restart(false)
    }

    /// The next of those who were granted their roles.
    pub(crate) fn staff(&self, profile: &str) -> Person {
        let mut left = self.left.lock().unwrap();
        let at = left.iter().position(|(of, _)| *of == profile).expect("one is left");
        Person::with(left.remove(at).1)
    }

    pub(crate) async fn call(
        &self,
        who: &Person,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> (u16, Vec<u8>) {
        self.call_slowly(who, method, path, body, || {}).await
    }

    /// The same, where `meanwhile` happens between the headers and the body.
    pub(crate) async fn call_slowly(
        &self,
        who: &Person,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
        meanwhile: impl Fn() + Send + 'static,
    ) -> (u16, Vec<u8>) {
        let limits = BodyLimits { body_bytes_max: 1 << 17, body_read_timeout: Duration::from_secs(10) };
        let app = Arc::new(App { service: self.service.clone(), limits });
        let mut request = Request::builder().method(method).uri(path);
        if let Some((key, bytes)) = &body {
            let media_type = if bytes.starts_with(b"ey") { "application/jose" } else { "application/json" };
            request = request.header(header::CONTENT_TYPE, media_type).header("idempotency-key", *key);
            assert!(!bytes.is_empty());
        }
        let body = Full::new(Bytes::from(body.map(|(_, bytes)| bytes).unwrap_or_default()));
        let body = body.map_frame(move |frame| {
            meanwhile();
            frame
        });
        let mut request = request.body(Body::new(body)).unwrap();
        request.extensions_mut().insert((Peer(IpAddr::V4(Ipv4Addr::LOCALHOST)), RequestId(1)));
        if let Some(certificate) = &who.certificate {
            request.extensions_mut().insert(ClientCertificate(certificate.clone()));
        }
        let (method, path) = (request.method().clone(), request.uri().to_string());
        let (head, body) = secure(app).oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        openapi::judge(method.as_str(), &path, head.status, &head.headers, &body);
        (head.status.as_u16(), body)
    }

    pub(crate) async fn get(&self, who: &Person, path: &str) -> (u16, Value) {
        let (status, body) = self.call(who, Method::GET, path, None).await;
        (status, serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body:?}")))
    }

    /// With a key of its own, so that it is no repetition.
    pub(crate) async fn post(&self, who: &Person, path: &str, body: &Value) -> (u16, Value) {
        self.post_bytes(who, path, body.to_string().into_bytes()).await
    }

    pub(crate) async fn post_bytes(&self, who: &Person, path: &str, body: Vec<u8>) -> (u16, Value) {
        let key = hex::encode(random());
        self.repeat(who, path, &key, body).await
    }

    pub(crate) async fn repeat(&self, who: &Person, path: &str, key: &str, body: Vec<u8>) -> (u16, Value) {
        let (status, body) = self.call(who, Method::POST, path, Some((key, body))).await;
        (status, serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body:?}")))
    }

    pub(crate) fn application(&self, keys: &[(&str, &SoftKey)], party: PartyId) -> Vec<u8> {
        self.application_with(keys, party, None)
    }

    pub(crate) fn application_with(&self, keys: &[(&str, &SoftKey)], party: PartyId, webhook: Option<&str>) -> Vec<u8> {
        let webhook = webhook.map(str::to_owned);
        let wish = Wish {
            keys: keys.iter().map(|(profile, key)| ((*profile).to_owned(), *key as &dyn Signer)).collect(),
            subject: subject(),
            alternative_names: None,
            contact: webhook.map(|webhook| Contact { email: None, webhook: Some(webhook) }),
            party,
            now: START,
            salts: [random(), random()],
        };
        ApplicationDocument::of(&wish, offer()).unwrap().write().unwrap()
    }

    /// A stranger's application, and its name.
    pub(crate) async fn applied(&self, keys: &[(&str, &SoftKey)], party: PartyId) -> String {
        let (status, answer) =
            self.post_bytes(&Person::stranger(), "/v1/registrations", self.application(keys, party)).await;
        assert_eq!(status, 201, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    /// The body by which the holder of a key of an application takes that back.
    pub(crate) fn withdrawal(&self, id: &str, key: &SoftKey) -> Value {
        let jws = withdraw(id.parse().unwrap(), ORIGIN, key, START, random()).unwrap();
        json!({ "statement": String::from_utf8(jws.bytes().to_vec()).unwrap() })
    }

    pub(crate) async fn identified(&self, officer: &Person, id: &str) {
        let (status, answer) = self.post(officer, &format!("/v1/registrations/{id}/identity"), &identity()).await;
        assert_eq!((status, &answer["state"]), (200, &"identified".into()), "{answer}");
    }

    /// Takes these, who were issued certificates meanwhile, into service as well.
    pub(crate) fn joined_by(mut self, new: &[(&'static str, &Certificate)]) -> Self {
        self.staff.extend(new.iter().map(|(profile, certificate)| (*profile, (*certificate).clone())));
        self.restart(false)
    }

    pub(crate) fn revoke(&self, certificate: &Certificate, reason: Reason) {
        let (serial, officer) = (certificate.serial(), Digest::of(b"officer"));
        self.service.revoke(&ToRevoke { ca: CA, serial, reason, officer, idempotency: None }).unwrap();
    }

    pub(crate) async fn approve(&self, by: &Person, id: &str) -> (u16, Value) {
        self.post(by, &format!("/v1/registrations/{id}/approve"), &json!({})).await
    }

    /// Registered, with a key to sign and a key to log in.
    pub(crate) async fn party(&self, officer: &Person) -> Member {
        let (sign, auth, id) = (key(), key(), PartyId::from(random()));
        let registration = self.applied(&[("party-legal", &sign), ("party-auth", &auth)], id).await;
        self.identified(officer, &registration).await;
        let (status, answer) = self.approve(officer, &registration).await;
        assert_eq!((status, &answer["state"]), (200, &"approved".into()), "{answer}");
        let certificates = certificates(&answer);
        let of = |key: &SoftKey| certificates.iter().find(|found| found.spki_der() == key.spki_der()).unwrap().clone();
        Member { id, sign_certificate: of(&sign), login: Person::with(of(&auth)), sign, auth }
    }

    pub(crate) fn kinds(&self) -> Vec<Kind> {
        let facts = (0..self.service.reader().size()).map(|index| self.service.reader().fact(index).unwrap().unwrap());
        facts.map(|fact| Fact::decode(&fact).unwrap().kind).collect()
    }
}

pub(crate) struct Member {
    pub(crate) id: PartyId,
    pub(crate) sign: SoftKey,
    /// The key of its login.
    pub(crate) auth: SoftKey,
    pub(crate) sign_certificate: Certificate,
    pub(crate) login: Person,
}

pub(crate) fn offer() -> Offer<'static> {
    Offer { service: ORIGIN, terms: Digest::of(TERMS) }
}

pub(crate) fn identity() -> Value {
    json!({
        "t": "registration/identity",
        "v": 1,
        "salt": "AAECAwQFBgcICQoLDA0ODw",
        "method": "in_person",
        "documents": [{ "kind": "passport", "number": "12AB34567", "country": "FR" }],
        "checked_at": START.millis(),
    })
}

pub(crate) fn certificates(answer: &Value) -> Vec<Certificate> {
    let pems = answer["certificates"].as_array().unwrap().iter().map(|found| found["pem"].as_str().unwrap());
    let ders = pems.flat_map(|text| pem::decode("CERTIFICATE", text).unwrap());
    ders.map(|der| Certificate::from_der(&der).unwrap()).collect()
}
