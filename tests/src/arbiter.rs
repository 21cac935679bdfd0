//! Parties that sign for themselves, and a running arbiter that they ask with any HTTP client.

use semper_ttp::asn1::pem;
use semper_ttp::b64u::B64u;
use semper_ttp::crypto::jose::{Algorithm, Key, Thumbprint};
use semper_ttp::crypto::{Signer, SoftKey};
use semper_ttp::digest::Digest;
use semper_ttp::statement::exchange::{Arbiter, Line, Participant, Scheme};
use semper_ttp::statement::{Body, Common, Jws, Millis, Origin, Salt, Statement, Unsigned};
use semper_ttp::x509::Certificate;
use serde_json::Value;

use crate::http::{Connection, get};
use crate::notary::Member;
use crate::server::Server;
use crate::tls::TlsClient;

/// A side with the key that it signs with.
pub struct Party {
    /// Its name in the register.
    pub id: String,
    /// The key.
    pub key: SoftKey,
}

impl Party {
    /// The one of a member, who has a certificate of its own.
    ///
    /// # Panics
    /// It is not of a kind that signs.
    #[must_use]
    pub fn new(member: &Member) -> Self {
        let key = member.holder().key.private_key_to_pkcs8().expect("PKCS #8");
        Self { id: member.id.clone(), key: SoftKey::from_pkcs8_der(&key).expect("a key") }
    }

    /// Its public key.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    pub fn public(&self) -> Key {
        Key::from_spki_der(self.key.spki_der()).expect("a public key")
    }

    /// As statements name it.
    ///
    /// # Panics
    /// Its name is none.
    #[must_use]
    pub fn participant(&self) -> Participant {
        let key = self.public().thumbprint();
        Participant { id: self.id.parse().expect("a party's name"), scheme: Scheme::Semper, key }
    }

    /// A statement of its, `x` in front of its body where it follows.
    ///
    /// # Panics
    /// It cannot be made.
    #[must_use]
    pub fn sign<B: Body>(&self, x: Option<Digest>, body: B) -> Jws {
        let common =
            Common { salt: Salt(B64u([5; 16])), iat: Millis::new(1).unwrap(), x: x.map(Into::into), shown: None };
        let unsigned =
            Unsigned::new(&Statement { common, body }, Algorithm::Es256, self.public().thumbprint()).unwrap();
        let signature = self.key.sign_raw(unsigned.message()).unwrap();
        unsigned.finish(&signature).unwrap()
    }
}

/// What the service says of itself.
///
/// # Panics
/// It says nothing.
#[must_use]
pub fn known(server: &Server) -> Value {
    serde_json::from_slice(&get(server.http(), "/.well-known/semper").body).expect("JSON")
}

/// The arbiter as statements name it, and its key.
///
/// # Panics
/// There is none.
#[must_use]
pub fn arbiter(known: &Value) -> (Arbiter, Key) {
    let certificate = known["exchange"]["certificate"].as_str().expect("the arbiter's certificate");
    let der = pem::decode("CERTIFICATE", certificate).expect("PEM").remove(0);
    let certificate = Certificate::from_der(&der).expect("a certificate");
    let key = Key::from_spki_der(&certificate.spki_der()).expect("its key");
    let line = |value: &Value| Line::new(value.as_str().expect("a text")).expect("a line");
    let named: Thumbprint = known["exchange"]["thumbprint"].as_str().expect("its name").parse().expect("a thumbprint");
    assert_eq!(named, key.thumbprint());
    let arbiter = Arbiter {
        id: Origin::new(known["ledger"]["origin"].as_str().expect("an origin")).expect("an origin"),
        key: named,
        url: line(&known["service"]["public_url"]),
        log: line(&known["ledger"]["vkey"]),
    };
    (arbiter, key)
}

/// A statement is ASCII.
///
/// # Panics
/// It is not.
#[must_use]
pub fn text(jws: &Jws) -> String {
    String::from_utf8(jws.bytes().to_vec()).expect("ASCII")
}

/// Asks over TLS without any certificate.
///
/// # Panics
/// There is no answer, or not JSON.
#[must_use]
pub fn post(server: &Server, path: &str, body: &Value) -> (u16, Value) {
    posted(server, TlsClient::new(server.trust()), path, body)
}

/// The same by a party with its login.
///
/// # Panics
/// As [`post`].
#[must_use]
pub fn post_as(server: &Server, member: &Member, path: &str, body: &Value) -> (u16, Value) {
    posted(server, logged_in(server, member), path, body)
}

/// Reads something as a party with its login.
///
/// # Panics
/// As [`post`].
#[must_use]
pub fn get_as(server: &Server, member: &Member, path: &str) -> (u16, Value) {
    let client = logged_in(server, member).build();
    let mut connection = Connection::open_tls(server.https(), &client).expect("a connection");
    let answer = connection.get(path).expect("an answer");
    (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
}

fn logged_in(server: &Server, member: &Member) -> TlsClient {
    let login = member.holder_of("party-auth");
    let key = login.key.private_key_to_pkcs8().expect("a key");
    TlsClient::new(server.trust()).with_key(login.certificate.der(), &key)
}

fn posted(server: &Server, client: TlsClient, path: &str, body: &Value) -> (u16, Value) {
    let mut connection = Connection::open_tls(server.https(), &client.build()).expect("a connection");
    let body = body.to_string();
    let answer = connection.request("POST", path, &[("content-type", "application/json")], body.as_bytes());
    let answer = answer.expect("an answer");
    (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
}
