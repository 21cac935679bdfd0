//! What anybody may send to OCSP and to `/v1`: tables of what is wrong, and mutations of what is right. Each gets the right error, and
//! none is a fault of ours. A failure is repeated with the seed that it prints.

use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::SslConnector;
use openssl::x509::X509ReqBuilder;
use semper_api::v1::all_routes;
use semper_tests::dice::Dice;
use semper_tests::http::{Connection, Response};
use semper_tests::pki::{ocsp_request, private_key};
use semper_tests::server::{Data, Server};
use semper_tests::tls::TlsClient;
use semper_ttp::asn1::{der, pem};
use semper_ttp::ca::name::{Attribute, DistinguishedName};
use semper_ttp::ca::ocsp::response::{ReadResponse, ReadStatus, read};
use semper_ttp::ca::ocsp::{CertId, ErrorStatus, HashAlgorithm, IssuerHashes};
use semper_ttp::ca::request::make_request;
use semper_ttp::crypto::{KeyKind, SignatureAlgorithm, Signer, SoftKey};
use semper_ttp::digest::Digest;
use semper_ttp::id::PartyId;
use semper_ttp::registration::document::{ApplicationDocument, Offer, Wish, accept_terms};
use semper_ttp::time::Timestamp;
use semper_ttp::x509::Certificate;
use serde_json::{Value, json};

/// Certificates that one OCSP request may ask about.
const SINGLE_REQUESTS_MAX: usize = 16;

/// Changes octets at one to three places: flipped, put in, taken out, doubled, cut off.
fn mutate(dice: &mut Dice, good: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=dice.below(3) {
        let at = dice.below(bytes.len().max(1) as u64) as usize;
        let end = (at + 1 + dice.below(12) as usize).min(bytes.len());
        match dice.below(6) {
            _ if bytes.is_empty() => bytes.push(dice.roll() as u8),
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes[at] = dice.roll() as u8,
            2 => bytes.insert(at, dice.roll() as u8),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

/// The answer to a body that is longer than any may be. It is announced alone: the server does not read it, and closes.
fn announced(mut connection: Connection, path: &str, media_type: &str) -> Response {
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: {media_type}\r\ncontent-length: 67108864\r\n\r\n");
    connection.send(head.as_bytes()).and_then(|()| connection.response(false)).expect("an answer")
}

// ---- OCSP ---------------------------------------------------------------------------------------------------------------

struct Ocsp {
    server: Server,
    issuer: IssuerHashes,
    serial: Vec<u8>,
}

impl Ocsp {
    fn new() -> Self {
        let server = Server::demo();
        let certificate = |name: &str| {
            let der = std::fs::read(server.dir().join(format!("certs/{name}.cer"))).expect("a certificate");
            Certificate::from_der(&der).expect("a certificate")
        };
        let (issuer, serial) = (IssuerHashes::of(&certificate("ca-party")), certificate("operator").serial());
        Self { server, issuer, serial }
    }

    fn id(&self, hash: HashAlgorithm, serial: &[u8]) -> CertId {
        self.issuer.cert_id(hash, serial).expect("a serial number")
    }

    fn good(&self) -> CertId {
        self.id(HashAlgorithm::Sha1, &self.serial)
    }

    fn connect(&self) -> Connection {
        Connection::open(self.server.http()).expect("a connection")
    }
}

fn post(connection: &mut Connection, body: &[u8]) -> Response {
    let headers = [("content-type", "application/ocsp-request")];
    connection.request("POST", "/ocsp", &headers, body).expect("an answer")
}

/// An answer of the protocol, whatever was asked.
fn answered(response: &Response) -> ReadResponse {
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/ocsp-response")));
    read(&response.body).unwrap_or_else(|fault| panic!("{fault}: {response:?}"))
}

/// `SEQUENCE { SEQUENCE { …, SEQUENCE OF Request, … }, … }` around what is given in hexadecimal.
fn around(head: &str, ids: &[&[u8]], extensions: &str, tail: &str) -> Vec<u8> {
    let bytes = |hex: &str| hex::decode(hex.replace(' ', "")).expect("hexadecimal");
    let list: Vec<u8> = ids.iter().flat_map(|id| der::sequence(&[id])).collect();
    let tbs = der::sequence(&[&bytes(head), &der::tlv(der::SEQUENCE, &list), &bytes(extensions)]);
    der::sequence(&[&tbs, &bytes(tail)])
}

#[test]
fn ocsp_answers_what_is_wrong() {
    let ocsp = Ocsp::new();
    let good = ocsp.good();
    let id = good.der();
    let nonce = |length: usize| ocsp_request(std::slice::from_ref(&good), Some(&vec![7; length]));
    let critical = "a2 0f 300d 300b 0603 2a0304 0101ff 0401 00";
    let mut of_another = id.to_vec();
    of_another[20] ^= 1;
    let mut md5 = id.to_vec();
    let at = md5.windows(7).position(|window| window == [6, 5, 0x2B, 0x0E, 3, 2, 0x1A]).expect("SHA-1");
    md5[at + 6] = 0x1B;
    let [malformed, unauthorized] = [ErrorStatus::MalformedRequest, ErrorStatus::Unauthorized].map(Some);
    let plain = around("", &[id], "", "");
    let table = [
        ("good", plain.clone(), None),
        ("version 1 in so many words", around("a0 03 020100", &[id], "", ""), None),
        ("version 2", around("a0 03 020101", &[id], "", ""), malformed),
        ("signed by the requestor", around("", &[id], "", "a0 04 3002 0500"), None),
        ("no certificate", around("", &[], "", ""), malformed),
        ("as many as may be", around("", &[id; SINGLE_REQUESTS_MAX], "", ""), None),
        ("one more", around("", &[id; SINGLE_REQUESTS_MAX + 1], "", ""), malformed),
        ("of an unknown issuer", around("", &[&of_another], "", ""), unauthorized),
        ("of an unknown issuer among others", around("", &[id, &of_another], "", ""), unauthorized),
        ("by a hash that is none", around("", &[&md5], "", ""), unauthorized),
        ("a nonce of 1", nonce(1), None),
        ("a nonce of 128", nonce(128), None),
        ("no nonce in the nonce", nonce(0), malformed),
        ("a nonce of 129", nonce(129), malformed),
        ("a critical extension", around("", &[id], critical, ""), malformed),
        ("one that is not", around("", &[id], &critical.replace("0101ff", "010100"), ""), None),
        ("no extensions in the extensions", around("", &[id], "a2 02 3000", ""), malformed),
        ("octets behind", [&plain[..], &[0]].concat(), malformed),
        ("cut off", plain[..plain.len() - 1].to_vec(), malformed),
        ("nothing", vec![], malformed),
        ("text", b"GET / HTTP/1.1".to_vec(), malformed),
        ("an endless length", hex::decode("308000").expect("hexadecimal"), malformed),
        ("a length beyond all", hex::decode("3088ffffffffffffffff").expect("hexadecimal"), malformed),
        ("a certificate", std::fs::read(ocsp.server.dir().join("certs/operator.cer")).expect("read"), malformed),
    ];
    let mut connection = ocsp.connect();
    for (what, request, expected) in table {
        match (answered(&post(&mut connection, &request)), expected) {
            (ReadResponse::Basic(found), None) => {
                assert!(found.singles.iter().all(|one| one.status == ReadStatus::Good), "{what}: {found:?}");
            }
            (ReadResponse::Error(found), Some(expected)) => assert_eq!(found, expected, "{what}"),
            (found, expected) => panic!("{what}: {found:?} instead of {expected:?}"),
        }
    }

    // What is wrong with the HTTP of it.
    let ok = "application/ocsp-request";
    for (method, path, media_type, body, status) in [
        ("POST", "/ocsp", "application/ocsp-request; charset=utf-8", &plain[..], 200),
        ("POST", "/ocsp", "APPLICATION/OCSP-REQUEST", &plain, 200),
        ("POST", "/ocsp", "application/json", &plain, 415),
        ("POST", "/ocsp", "", &plain, 415),
        ("POST", "/ocsp/", ok, &plain, 404),
        ("POST", "/ocsp/MAA=", ok, &plain, 405),
        ("PUT", "/ocsp", ok, &plain, 405),
        ("GET", "/ocsp", ok, &[], 405),
        ("GET", "/ocsp/", ok, &[], 404),
    ] {
        let response = ocsp.connect().request(method, path, &[("content-type", media_type)], body);
        assert_eq!(response.expect("an answer").status, status, "{method} {path} {media_type}");
    }
    assert_eq!(announced(ocsp.connect(), "/ocsp", ok).status, 413);
}

#[test]
fn ocsp_survives_mutations() {
    let ocsp = Ocsp::new();
    let mut dice = Dice::from_environment("ocsp_survives_mutations");
    let [sha1, sha256] = [HashAlgorithm::Sha1, HashAlgorithm::Sha256].map(|hash| ocsp.id(hash, &ocsp.serial));
    let seeds = [
        ocsp_request(std::slice::from_ref(&sha1), None),
        ocsp_request(&[sha1, sha256.clone()], Some(&[7; 32])),
        around(
            "a0 03 020100",
            &[sha256.der()],
            "a2 13 3011 300f 0609 2b06010505073001 04 0402 3000",
            "a0 04 3002 0500",
        ),
    ];
    let (mut connection, mut good, mut errors) = (ocsp.connect(), 0, 0);
    for round in 0..3000 {
        let request = mutate(&mut dice, &seeds[round % seeds.len()]);
        match answered(&post(&mut connection, &request)) {
            ReadResponse::Basic(_) => good += 1,
            ReadResponse::Error(ErrorStatus::MalformedRequest | ErrorStatus::Unauthorized) => errors += 1,
            ReadResponse::Error(other) => panic!("{other}: {}", hex::encode(&request)),
        }
    }
    assert!(good > 0 && errors > 500, "{good} good, {errors} errors: nothing was tried");

    // By GET, where paths are mutated: whatever is no path of ours is somebody else's error.
    let text = |request: &[u8]| openssl::base64::encode_block(request).replace('+', "%2B").replace('=', "%3D");
    for round in 0..1000 {
        let path = text(&seeds[round % seeds.len()]);
        let visible = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#';
        let path: Vec<u8> = mutate(&mut dice, path.as_bytes()).into_iter().filter(visible).collect();
        let path = format!("/ocsp/{}", String::from_utf8_lossy(&path));
        let response = match connection.get(&path) {
            Ok(response) => response,
            // hyper closes after a request line that is none.
            Err(_) => {
                connection = ocsp.connect();
                continue;
            }
        };
        match response.status {
            200 => drop(answered(&response)),
            400 | 404 => {}
            other => panic!("{other}: {path}"),
        }
        if response.header("connection") == Some("close") {
            connection = ocsp.connect();
        }
    }
}

// ---- /v1 ----------------------------------------------------------------------------------------------------------------

/// A server with an officer, a registered party, and another application that waits.
struct V1 {
    data: Data,
    server: Server,
    officer: SslConnector,
    operator: SslConnector,
    stranger: SslConnector,
    party: SslConnector,
    party_id: PartyId,
    party_key: SoftKey,
    waiting: String,
}

/// An application, with what it is made of.
struct Application {
    document: Value,
    key: SoftKey,
}

impl V1 {
    fn new() -> Self {
        let data = Data::demo();
        data.set("notary.enabled", "true").set("exchange.enabled", "true");
        let server = data.serve();
        let person = |name: &str| TlsClient::new(server.trust()).with_person(data.path(), name).build();
        let (officer, operator) = (person("officer"), person("operator"));
        let (party_id, party_key, login) = (random().into(), key(), key());
        let [stranger, party] = [(); 2].map(|()| TlsClient::new(server.trust()).build());
        let waiting = String::new();
        let mut world = Self { data, server, officer, operator, stranger, party, party_id, party_key, waiting };
        let keys: [(&str, &dyn Signer); 2] = [("party-legal", &world.party_key), ("party-auth", &login)];
        let document = world.application(&keys, party_id);
        let id = world.applied(&document);
        let of_officer = |action: &str, body: &Value| {
            let path = format!("/v1/registrations/{id}/{action}");
            let answer = world.send(&world.officer, "POST", &path, "application/json", body.to_string().as_bytes());
            assert_eq!(answer.status, 200, "{answer:?}");
            serde_json::from_slice::<Value>(&answer.body).expect("JSON")
        };
        of_officer("identity", &identity());
        let approved = of_officer("approve", &json!({}));
        let issued = approved["certificates"].as_array().expect("certificates").iter().find_map(|one| {
            let der = pem::decode("CERTIFICATE", one["pem"].as_str()?)?.remove(0);
            Certificate::from_der(&der).ok().filter(|found| found.spki_der() == login.spki_der())
        });
        let pkcs8 = login.to_pkcs8_der().expect("PKCS #8");
        world.party = TlsClient::new(world.server.trust()).with_key(issued.expect("issued").der(), &pkcs8).build();
        world.waiting = world.applied(&world.one_application().document);
        world
    }

    fn connect(&self, who: &SslConnector) -> Connection {
        Connection::open_tls(self.server.https(), who).expect("a connection")
    }

    fn send(&self, who: &SslConnector, method: &str, path: &str, media_type: &str, body: &[u8]) -> Response {
        send(&mut self.connect(who), method, path, media_type, body)
    }

    fn application(&self, keys: &[(&str, &dyn Signer)], party: PartyId) -> Value {
        let names = [(Attribute::Country, "FR"), (Attribute::Organization, "Exemple")];
        let more = [(Attribute::OrganizationIdentifier, "NTRFR-123456789"), (Attribute::CommonName, "Exemple")];
        let subject = names.into_iter().chain(more).map(|(attribute, text)| (attribute, text.to_owned()));
        let wish = Wish {
            keys: keys.iter().map(|(profile, key)| ((*profile).to_owned(), *key)).collect(),
            subject: DistinguishedName(subject.collect()),
            alternative_names: None,
            contact: None,
            party,
            now: now(),
            salts: [random(), random()],
        };
        let (service, terms) = self.offer();
        let document = ApplicationDocument::of(&wish, Offer { service: &service, terms }).expect("a document");
        serde_json::from_slice(&document.write().expect("JSON")).expect("JSON")
    }

    fn offer(&self) -> (String, Digest) {
        let terms = self.send(&self.officer, "GET", "/v1/terms", "", &[]);
        (self.data.log_key().name().to_owned(), Digest::of(&terms.body))
    }

    fn one_application(&self) -> Application {
        let key = key();
        let document = self.application(&[("party-legal", &key)], random().into());
        Application { document, key }
    }

    fn applied(&self, document: &Value) -> String {
        let body = document.to_string();
        let answer = self.send(&self.stranger, "POST", "/v1/registrations", "application/json", body.as_bytes());
        assert_eq!(answer.status, 201, "{answer:?}");
        let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
        answer["id"].as_str().expect("a name").to_owned()
    }

    /// Every POST below `/v1`: who may, where, and a body that is right.
    fn posts(&self) -> Vec<(&SslConnector, String, &'static str, Vec<u8>)> {
        let (service, terms) = self.offer();
        let offer = Offer { service: &service, terms };
        let terms = accept_terms(offer, self.party_id, &self.party_key, now(), random()).expect("a statement");
        let json = "application/json";
        let (waiting, party) =
            (format!("/v1/registrations/{}", self.waiting), format!("/v1/parties/{}", self.party_id));
        let of = |path: &str, action: &str, body: Value| {
            (&self.officer, format!("{path}/{action}"), json, body.to_string().into_bytes())
        };
        let of_keys =
            |path: &str, body: Value| (&self.operator, format!("/v1/keys/{path}"), json, body.to_string().into_bytes());
        // An order that is carried out by chance must not reach the officers.
        let nobody = json!({ "serials": ["4141414141414141"] });
        let arl = self.send(&self.stranger, "GET", "/crl/root.crl", "", &[]).body;
        let document = self.one_application().document.to_string().into_bytes();
        let act = "/v1/notary/acts/AAECAwQFBgcICQoLDA0ODw";
        let asked = json!({ "act": {
            "t": "notary/request", "v": 1, "salt": "AAECAwQFBgcICQoLDA0ODw", "kind": "existence",
            "documents": [{ "sha256": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE", "role": "original" }],
        }});
        // A statement, if not one of a run.
        let (run, statement) =
            ("/v1/exchanges/AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE", terms.bytes().escape_ascii());
        let (first, asked_of) = (json!({ "m1": statement.to_string() }), statement.to_string());
        let to_abort = json!({ "m1": asked_of, "request": asked_of });
        let agreed = json!({ "i1": asked_of, "i2": asked_of });
        let (deposited, stated) = (json!({ "deposit": asked_of, "item": "AAEC" }), json!({ "statement": asked_of }));
        let said = json!({ "statement": asked_of });
        let payment = run.replace("exchanges", "payments");
        let (delivery, submitted) =
            (run.replace("exchanges", "deliveries"), json!({ "d1": asked_of, "submit": asked_of }));
        let accused = json!({ "t": "pom", "v": 1, "kind": "split-view", "against": "log.example", "items": [] });
        let message = json!({
            "t": "exchange-message", "v": 1, "protocol": "asw-r", "x": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
            "statement": asked_of, "certificates": ["MAA"],
        });
        let mailbox = "/v1/mailboxes/AAECAwQFBgcICQoLDA0ODw".to_owned();
        let mail = format!("/v1/mailbox/{}/taken", "01".repeat(32));
        let posts = vec![
            (&self.party, mailbox, json, message.to_string().into_bytes()),
            (&self.party, mail, json, b"{}".to_vec()),
            (&self.stranger, "/v1/accountability/proofs".to_owned(), json, accused.to_string().into_bytes()),
            (&self.stranger, "/v1/exchanges".to_owned(), json, agreed.to_string().into_bytes()),
            (&self.party, format!("{run}/deposits"), json, deposited.to_string().into_bytes()),
            (&self.stranger, format!("{run}/statements"), json, stated.to_string().into_bytes()),
            (&self.stranger, "/v1/deliveries".to_owned(), json, submitted.to_string().into_bytes()),
            (&self.stranger, format!("{delivery}/statements"), json, said.to_string().into_bytes()),
            (&self.stranger, "/v1/payments".to_owned(), json, said.to_string().into_bytes()),
            (&self.stranger, format!("{payment}/statements"), json, said.to_string().into_bytes()),
            (&self.stranger, "/v1/rails/sim/callbacks".to_owned(), json, b"{}".to_vec()),
            (&self.stranger, format!("{run}/requests"), json, to_abort.to_string().into_bytes()),
            (&self.party, format!("{run}/status"), json, first.to_string().into_bytes()),
            (&self.party, "/v1/notary/acts".to_owned(), json, asked.to_string().into_bytes()),
            (&self.party, format!("{act}/signatures"), "application/jose", terms.bytes().to_vec()),
            (&self.party, format!("{act}/withdraw"), json, b"{}".to_vec()),
            of("/v1/notary/journal", "extracts", json!({ "from": 1, "to": 1 })),
            of(act, "take", json!({})),
            of(act, "release", json!({})),
            of(act, "approve", json!({ "checked": ["identity"], "fee": { "amount": "1", "currency": "EUR" } })),
            of(act, "refuse", json!({ "reason": "other" })),
            (&self.officer, "/v1/registrations".to_owned(), json, document),
            of(&waiting, "identity", identity()),
            of(&waiting, "approve", json!({})),
            of(&waiting, "refuse", json!({ "reason": "identity_not_proven" })),
            (&self.stranger, format!("{waiting}/withdraw"), json, b"{}".to_vec()),
            of(&party, "suspend", json!({ "reason": "terms_broken" })),
            of(&party, "reinstate", json!({ "reason": "settled" })),
            (&self.party, format!("{party}/terms"), "application/jose", terms.bytes().to_vec()),
            of("/v1/certificates/4141414141414141", "revoke", json!({ "reason": "superseded" })),
            of("/v1", "revocations", json!({ "reason": "superseded", "filter": nobody })),
            of("/v1/revocations", "preview", json!({ "filter": nobody })),
            of_keys("tsu-ec/rotate", json!({})),
            of_keys("ca-party/request", json!({})),
            of_keys("import", json!({ "pem": pem::encode("X509 CRL", &arl) })),
            of_keys(
                "ceremonies",
                json!({ "transcript": "a ceremony", "statements": [terms.bytes().escape_ascii().to_string()] }),
            ),
        ];
        for route in all_routes().iter().filter(|route| route.method == "POST") {
            assert!(posts.iter().any(|(_, path, ..)| fits(path, route.path)), "nothing is posted to {}", route.path);
        }
        posts
    }
}

/// Whether a path is one of a route, such as `/parties/{id}`.
fn fits(path: &str, route: &str) -> bool {
    let (path, route) = (path.trim_start_matches("/v1").split('/'), route.split('/'));
    path.clone().count() == route.clone().count() && path.zip(route).all(|(one, of)| one == of || of.starts_with('{'))
}

fn send(connection: &mut Connection, method: &str, path: &str, media_type: &str, body: &[u8]) -> Response {
    // Each with a key of its own: none is a repetition.
    let key = hex::encode(random());
    let headers = [("content-type", media_type), ("idempotency-key", &key)];
    connection.request(method, path, &headers, body).expect("an answer")
}

fn random() -> [u8; 16] {
    let mut random = [0; 16];
    openssl::rand::rand_bytes(&mut random).expect("randomness");
    random
}

fn now() -> Timestamp {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Timestamp::from_millis(since_1970.as_millis() as u64)
}

fn key() -> SoftKey {
    SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).expect("a key")
}

fn identity() -> Value {
    json!({
        "t": "registration/identity",
        "v": 1,
        "salt": "AAECAwQFBgcICQoLDA0ODw",
        "method": "in_person",
        "documents": [{ "kind": "passport", "number": "12AB34567", "country": "FR" }],
        "checked_at": now().millis(),
    })
}

/// The code of a problem, which must be one; never a fault of ours.
fn problem(response: &Response, what: &str) -> String {
    assert!((400..500).contains(&response.status), "{what}: {response:?}");
    assert_eq!(response.header("content-type"), Some("application/problem+json"), "{what}: {response:?}");
    let problem: Value = serde_json::from_slice(&response.body).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(problem["status"], response.status, "{what}: {problem}");
    problem["code"].as_str().unwrap_or_else(|| panic!("{what}: {problem}")).to_owned()
}

/// The same bad JSON at every place that takes some.
#[test]
fn json_that_is_none_is_refused_everywhere() {
    let world = V1::new();
    let deep = [vec![b'['; 60_000], vec![b']'; 5_000]].concat();
    let nested = [br#"{"reason":"#.repeat(5_000), b"1".to_vec(), b"}".repeat(5_000)].concat();
    let bodies: [(&str, &[u8]); 20] = [
        ("nothing", b""),
        ("a space", b" "),
        ("null", b"null"),
        ("a number", b"1"),
        ("a text", b"\"a\""),
        ("a list", b"[{}]"),
        ("no end", b"{"),
        ("a comma too many", br#"{"reason":"superseded",}"#),
        ("more behind", br#"{"reason":"superseded"}{}"#),
        ("a comment", br#"{"reason":"superseded"/**/}"#),
        ("a mark in front", b"\xEF\xBB\xBF{}"),
        ("UTF-16", b"{\0}\0"),
        ("not UTF-8", b"{\"reason\":\"\xFF\"}"),
        ("half a surrogate", br#"{"reason":"\ud800"}"#),
        ("a control character", b"{\"reason\":\"\x01\"}"),
        ("twice the same", br#"{"reason":"superseded","reason":"superseded"}"#),
        ("an unknown member", br#"{"reasons":"superseded"}"#),
        ("a number beyond all", br#"{"reason":1e999}"#),
        ("very deep", &deep),
        ("very nested", &nested),
    ];
    for (who, path, media_type, good) in world.posts() {
        let mut connection = world.connect(who);
        for (what, body) in bodies {
            let what = format!("{path}: {what}");
            let code = problem(&send(&mut connection, "POST", &path, media_type, body), &what);
            let expected: &[&str] = match path.rsplit('/').next() {
                Some("registrations" | "identity") => &["registration.document"],
                Some("proofs") => &["account.proof"],
                // This service has no rails.
                Some("callbacks") => &["http.not_found"],
                Some("terms") => &["party.statement", "http.malformed"],
                Some("signatures") => &["notary.signature", "http.malformed"],
                _ => &["http.malformed"],
            };
            assert!(expected.contains(&code.as_str()), "{what}: {code}");
        }
        // What surrounds the body. A connection ends whose request was not read to its end.
        let alone = |method, media_type, body: &[u8]| problem(&world.send(who, method, &path, media_type, body), &path);
        assert_eq!(alone("POST", "text/plain", &good), "http.media_type", "{path}");
        assert_eq!(alone("PUT", media_type, &good), "http.method", "{path}");
        assert_eq!(problem(&announced(world.connect(who), &path, media_type), &path), "http.too_large");
        let known_by_itself =
            ["/exchanges", "/deliveries", "/payments", "/rails/", "/accountability/proofs", "/mailbox"]
                .iter()
                .any(|part| path.contains(part));
        if path.ends_with("/preview") || known_by_itself {
            continue; // It changes nothing, or is known by itself, so that repetitions are all the same.
        }
        let headers = [("content-type", media_type)];
        let without = world.connect(who).request("POST", &path, &headers, &good).expect("an answer");
        assert_eq!(problem(&without, &path), "http.malformed", "{path}");
    }
    // Nothing of it left a mark.
    let shown = world.send(&world.officer, "GET", &format!("/v1/registrations/{}", world.waiting), "", &[]);
    assert!(shown.text().contains(r#""state":"applied""#), "{shown:?}");
}

/// What certification requests may be wrong with.
#[test]
fn certification_requests_that_are_none_are_refused() {
    let world = V1::new();
    let Application { document, key } = world.one_application();
    let good = make_request(&key).expect("a request");
    let text = |der: &[u8]| pem::encode("CERTIFICATE REQUEST", der);
    let on_curve = |curve| {
        let group = EcGroup::from_curve_name(curve).expect("a curve");
        PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
    };
    let rsa = |bits| PKey::from_rsa(Rsa::generate(bits).expect("a key")).expect("a key");
    let p256 = private_key(KeyKind::EcdsaP256);
    let sha256 = MessageDigest::sha256();
    let at = good.windows(3).position(|window| window == [2, 1, 0]).expect("a version");
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        bytes
    };
    let (document_code, proof) = ("registration.document", "registration.proof");
    let table = [
        ("nothing", String::new(), document_code),
        ("no PEM", "a request".to_owned(), document_code),
        ("another label", pem::encode("CERTIFICATE", &good), document_code),
        ("two of them", text(&good).repeat(2), document_code),
        ("PEM of nothing", text(&[]), proof),
        ("PEM of text", text(b"a request"), proof),
        ("cut off", text(&good[..good.len() - 1]), proof),
        ("octets behind", text(&[&good[..], &[0]].concat()), proof),
        ("version 2", text(&changed(at + 2, 1)), proof),
        ("a changed signature", text(&changed(good.len() - 1, good[good.len() - 1] ^ 1)), proof),
        ("RSA of 1024 bits", text(&request(&rsa(1024), sha256)), proof),
        ("RSA of 2048 bits", text(&request(&rsa(2048), sha256)), proof),
        ("P-521", text(&request(&on_curve(Nid::SECP521R1), sha256)), proof),
        ("secp256k1", text(&request(&on_curve(Nid::SECP256K1), sha256)), proof),
        ("X25519, which signs nothing", text(&x25519(&good)), proof),
        ("SHA-1", text(&request(&p256, MessageDigest::sha1())), proof),
        ("another key than the one that accepts the terms", text(&request(&p256, sha256)), proof),
        ("too long", text(&[&good[..], &vec![0; 17 << 10]].concat()), proof),
    ];
    let mut connection = world.connect(&world.officer);
    for (what, csr, expected) in table {
        let mut document = document.clone();
        document["requests"][0]["csr"] = csr.into();
        let body = document.to_string();
        let response = send(&mut connection, "POST", "/v1/registrations", "application/json", body.as_bytes());
        assert_eq!(problem(&response, what), expected, "{what}: {}", response.text());
        assert_eq!(response.status, 422, "{what}");
    }
    // It was the request alone.
    world.applied(&document);
}

fn request(key: &PKey<Private>, digest: MessageDigest) -> Vec<u8> {
    let mut request = X509ReqBuilder::new().expect("a request");
    request.set_pubkey(key).and_then(|()| request.sign(key, digest)).expect("a signature");
    request.build().to_der().expect("DER")
}

/// A request whose key is one for X25519.
fn x25519(good: &[u8]) -> Vec<u8> {
    let spki = PKey::generate_x25519().and_then(|key| key.public_key_to_der()).expect("a key");
    let info = [&der::tlv(der::INTEGER, &[0])[..], &der::sequence(&[]), &spki, &der::tlv(der::CONTEXT_0, &[])].concat();
    let rest = good.len() - good.windows(4).rposition(|window| window == [0x30, 0x0A, 6, 8]).expect("ECDSA");
    der::sequence(&[&der::tlv(der::SEQUENCE, &info), &good[good.len() - rest..]])
}

/// Mutations of what is right, at every POST. Some are still right.
#[test]
fn v1_survives_mutations() {
    let world = V1::new();
    let mut dice = Dice::from_environment("v1_survives_mutations");
    let mut refused = 0;
    for (who, path, media_type, good) in world.posts() {
        let mut connection = world.connect(who);
        for _ in 0..120 {
            let body = mutate(&mut dice, &good);
            let response = send(&mut connection, "POST", &path, media_type, &body);
            if !(200..300).contains(&response.status) {
                problem(&response, &format!("{path}: {}", String::from_utf8_lossy(&body)));
                refused += 1;
            }
        }
    }
    assert!(refused > 600, "{refused}: nothing was tried");

    // Within JSON that is right: requests and statements, octet by octet.
    let Application { document, key } = world.one_application();
    let csr = make_request(&key).expect("a request");
    let terms = document["terms"].as_str().expect("a statement").to_owned();
    let mut connection = world.connect(&world.officer);
    for round in 0..300 {
        let mut document = document.clone();
        if round % 3 == 0 {
            let bytes = mutate(&mut dice, terms.as_bytes());
            document["terms"] = String::from_utf8_lossy(&bytes).into();
        } else {
            let mutated = mutate(&mut dice, &csr);
            document["requests"][0]["csr"] = pem::encode("CERTIFICATE REQUEST", &mutated).into();
        }
        let body = document.to_string();
        let response = send(&mut connection, "POST", "/v1/registrations", "application/json", body.as_bytes());
        // A byte may have been replaced by itself.
        if response.status != 201 {
            problem(&response, &body);
        }
    }

    // Names and queries.
    let serial = hex::encode([0x41; 16]);
    let gets = [
        format!("/v1/certificates/{serial}/status?at=2026-03-01T12:00:00Z"),
        format!("/v1/registrations/{}", world.waiting),
        format!("/v1/registrations?after={}&limit=10", world.waiting),
        format!("/v1/parties/{}", world.party_id),
        format!("/v1/parties?after={}&limit=10", world.party_id),
        "/v1/certificates?expires_before=2036-03-01T12:00:00Z&limit=10".to_owned(),
        format!("/v1/policies/{}", Digest::of(b"a policy")),
        format!("/v1/revocations/{}", world.waiting),
    ];
    for get in &gets {
        for _ in 0..100 {
            let visible = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#';
            let path: Vec<u8> = mutate(&mut dice, &get.as_bytes()[4..]).into_iter().filter(visible).collect();
            let path = format!("/v1/{}", String::from_utf8_lossy(&path));
            let Ok(response) = connection.get(&path) else {
                connection = world.connect(&world.officer);
                continue;
            };
            if response.status == 400 && response.body.is_empty() {
                // hyper's own answer to a path that is none.
                connection = world.connect(&world.officer);
            } else if response.status != 200 {
                problem(&response, &path);
            }
        }
    }
}
