//! `registration/application`: who wants which certificates.

use serde::{Deserialize, Serialize};

use super::{DOCUMENT_BYTES_MAX, DocumentFault, check_length, present, read, write};
use crate::asn1::pem;
use crate::ca::name::{AlternativeNames, DistinguishedName};
use crate::digest::Digest;
use crate::registration::KEYS_MAX;
use crate::statement::{Jws, Salt};

const TAG: &str = "registration/application";

/// The labels under which programs write certification requests (RFC 7468 §7).
const PEM_LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];

/// Longest webhook, characters.
const WEBHOOK_CHARS_MAX: usize = 2_048;

/// The application document, schema `schemas/registration/application.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationDocument {
    /// Fresh randomness of the applicant.
    pub salt: Salt,
    /// One to four certificates.
    pub requests: Vec<ProfileRequest>,
    /// The subject of all of them.
    pub subject: DistinguishedName,
    /// What they name besides.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub alternative_names: Option<AlternativeNames>,
    /// Where notices go.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub contact: Option<Contact>,
    /// The statement `terms/accepted`, a JWS in compact form.
    pub terms: String,
}

/// One certificate that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileRequest {
    /// Name of the profile.
    pub profile: String,
    /// The certification request (RFC 2986) in PEM. Of it only the key counts.
    pub csr: String,
}

/// Where a holder is told of what comes, such as the end of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// A mail address.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// An https URL.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
}

impl ApplicationDocument {
    /// Reads and judges a document.
    ///
    /// # Errors
    /// [`DocumentFault`], the first that is found.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentFault> {
        let document: Self = read(bytes, TAG)?;
        document.check()?;
        Ok(document)
    }

    /// The bytes of a document, once and for all.
    ///
    /// # Errors
    /// [`DocumentFault`]: it would not be read.
    pub fn write(&self) -> Result<Vec<u8>, DocumentFault> {
        self.check()?;
        let bytes = write(self, TAG)?;
        if bytes.len() > DOCUMENT_BYTES_MAX { Err(DocumentFault::TooLong) } else { Ok(bytes) }
    }

    /// SHA-256 of the certification requests (DER), in their order; `None` if one of them is not one block of PEM.
    #[must_use]
    pub fn request_digests(&self) -> Option<Vec<Digest>> {
        self.requests.iter().map(|request| request.der().map(|der| Digest::of(&der))).collect()
    }

    /// SHA-256 of exactly the statement by which the terms were accepted.
    #[must_use]
    pub fn terms_digest(&self) -> Digest {
        Digest::of(self.terms.as_bytes())
    }

    fn check(&self) -> Result<(), DocumentFault> {
        check_length("requests", self.requests.len(), 1, KEYS_MAX)?;
        for (place, request) in self.requests.iter().enumerate() {
            if !is_profile_name(&request.profile) {
                return Err(DocumentFault::Profile);
            }
            request.der().ok_or(DocumentFault::Request { place })?;
        }
        check_length("attributes of the subject", self.subject.0.len(), 1, usize::MAX)?;
        self.subject.check()?;
        if let Some(names) = &self.alternative_names {
            names.check()?;
        }
        if let Some(contact) = &self.contact {
            contact.check()?;
        }
        Jws::parse(self.terms.as_bytes()).map(drop).map_err(DocumentFault::Terms)
    }
}

impl ProfileRequest {
    /// The request in DER, not yet read any further.
    #[must_use]
    pub fn der(&self) -> Option<Vec<u8>> {
        let mut blocks = Vec::new();
        for label in PEM_LABELS {
            blocks.extend(pem::decode(label, &self.csr)?);
        }
        let one = blocks.pop()?;
        blocks.is_empty().then_some(one)
    }
}

impl Contact {
    fn check(&self) -> Result<(), DocumentFault> {
        if let Some(email) = &self.email {
            // The rules of rfc822Name, so that one address has one spelling.
            let address = AlternativeNames { email: vec![email.clone()], ..AlternativeNames::default() };
            address.check().map_err(|_| DocumentFault::ContactEmail)?;
        }
        match &self.webhook {
            Some(webhook) if !is_webhook(webhook) => Err(DocumentFault::ContactWebhook),
            _ => Ok(()),
        }
    }
}

/// As profiles' files have them.
fn is_profile_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// As much of RFC 3986 as keeps a URL from being two things to two readers; whether its host may be called is for the caller.
fn is_webhook(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://") else { return false };
    let authority = rest.split(['/', '?']).next().unwrap_or("");
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let host_bytes = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
    let port_fits = |port: &str| !port.starts_with('0') && port.parse::<u16>().is_ok_and(|port| port != 0);
    url.len() <= WEBHOOK_CHARS_MAX
        && !host.is_empty()
        && host.bytes().all(host_bytes)
        && port.is_none_or(port_fits)
        && rest.bytes().all(|b| b.is_ascii_graphic() && !br##""#<>\^`{|}"##.contains(&b))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::b64u::B64u;
    use crate::crypto::{KeyKind, oracle};
    use crate::json::JsonFault;

    fn request() -> (String, Digest) {
        let (der, _) = oracle::certification_request(KeyKind::EcdsaP256);
        (pem::encode("CERTIFICATE REQUEST", &der), Digest::of(&der))
    }

    fn terms() -> String {
        let vectors: Value = serde_json::from_str(include_str!("../../../../schemas/vectors/statements.json")).unwrap();
        vectors["statements"][0]["jws"].as_str().unwrap().to_owned()
    }

    /// With every member.
    fn whole() -> Value {
        json!({
            "t": "registration/application",
            "v": 1,
            "salt": "AAECAwQFBgcICQoLDA0ODw",
            "requests": [{ "profile": "party-legal", "csr": request().0 }],
            "subject": {
                "country": "FR",
                "organization": "Étude Semper",
                "organization_identifier": "NTRFR-123456789",
                "common_name": "Étude Semper",
            },
            "alternative_names": { "dns": ["semper.example"], "ip": ["192.0.2.7", "2001:db8::1"], "email": ["a@semper.example"] },
            "contact": { "email": "a@semper.example", "webhook": "https://semper.example:8443/hook?a=b" },
            "terms": terms(),
        })
    }

    fn parse(document: &Value) -> Result<ApplicationDocument, DocumentFault> {
        ApplicationDocument::parse(&serde_json::to_vec(document).unwrap())
    }

    #[test]
    fn a_document_is_read_as_written() {
        let mut value = whole();
        let (csr, digest) = request();
        value["requests"] = json!([{ "profile": "party-legal", "csr": csr }]);
        let document = parse(&value).unwrap();
        assert_eq!(document.salt.0, B64u([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]));
        assert_eq!(document.request_digests(), Some(vec![digest]));
        assert_eq!(document.terms_digest(), Digest::of(terms().as_bytes()));
        let bytes = document.write().unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), value);
        assert_eq!(ApplicationDocument::parse(&bytes), Ok(document));
        for optional in ["alternative_names", "contact"] {
            value.as_object_mut().unwrap().remove(optional);
            assert!(parse(&value).is_ok(), "without {optional}");
        }
        value["requests"][0]["csr"] =
            value["requests"][0]["csr"].as_str().unwrap().replace(" CERT", " NEW CERT").into();
        assert_eq!(parse(&value).unwrap().request_digests(), Some(vec![digest]), "the older label");
    }

    #[test]
    fn what_differs_is_refused() {
        let requests = |count: usize| Value::from(vec![whole()["requests"][0].clone(); count]);
        let tag = DocumentFault::Tag { expected: "registration/application" };
        let length = |found| DocumentFault::Length { what: "requests", found, least: 1, most: 4 };
        let request = DocumentFault::Request { place: 0 };
        let csr = whole()["requests"][0]["csr"].as_str().unwrap().to_owned();
        let nothing = "attributes of the subject";
        let table = [
            ("/t", json!("registration/identity"), tag.clone()),
            ("/t", Value::Null, tag),
            ("/v", json!(2), DocumentFault::Version),
            ("/v", json!("1"), DocumentFault::Version),
            ("/requests", requests(0), length(0)),
            ("/requests", requests(5), length(5)),
            ("/requests/0/profile", json!("Party"), DocumentFault::Profile),
            ("/requests/0/profile", json!("../party"), DocumentFault::Profile),
            ("/requests/0/profile", json!(""), DocumentFault::Profile),
            ("/requests/0/csr", json!(""), request.clone()),
            ("/requests/0/csr", json!("no PEM"), request.clone()),
            ("/requests/0/csr", json!(csr.repeat(2)), request.clone()),
            ("/requests/0/csr", json!([csr.clone(), csr.replace(" CERT", " NEW CERT")].concat()), request),
            ("/subject", json!({}), DocumentFault::Length { what: nothing, found: 0, least: 1, most: usize::MAX }),
            ("/subject/country", json!("fr"), DocumentFault::Subject(crate::ca::name::SubjectFault::Country)),
            ("/contact/email", json!("a@localhost"), DocumentFault::ContactEmail),
            ("/contact/webhook", json!("http://semper.example/"), DocumentFault::ContactWebhook),
        ];
        for (place, value, fault) in table {
            let mut document = whole();
            *document.pointer_mut(place).unwrap() = value.clone();
            assert_eq!(parse(&document), Err(fault), "{place}: {value}");
        }
        // Members that serde refuses, or that would not be written as they were read.
        for (place, value) in [
            ("/salt", json!("AAECAwQFBgcICQoLDA0OD")),
            ("/requests/0", json!({ "profile": "party", "csr": csr, "more": 1 })),
            ("/subject", json!({ "name": "A" })),
            ("/alternative_names", Value::Null),
            ("/alternative_names/dns", json!([])),
            ("/alternative_names/ip", json!(["2001:DB8::1"])),
            ("/contact", json!({ "fax": "1" })),
            ("/contact/email", Value::Null),
            ("/terms", json!({})),
        ] {
            let mut document = whole();
            *document.pointer_mut(place).unwrap() = value;
            assert!(matches!(parse(&document), Err(DocumentFault::Member(_))), "{place}");
        }
        for (place, value) in [("/alternative_names/dns", json!(["a b"])), ("/alternative_names/email", json!(["a"]))] {
            let mut document = whole();
            *document.pointer_mut(place).unwrap() = value;
            assert!(matches!(parse(&document), Err(DocumentFault::AlternativeName(_))), "{place}");
        }
        let mut document = whole();
        document["terms"] = json!("a.b");
        assert!(matches!(parse(&document), Err(DocumentFault::Terms(_))));
        for name in ["salt", "requests", "subject", "terms"] {
            let mut document = whole();
            document.as_object_mut().unwrap().remove(name);
            assert!(matches!(parse(&document), Err(DocumentFault::Member(_))), "without {name}");
        }
        let mut document = whole();
        document["more"] = json!(1);
        assert!(matches!(parse(&document), Err(DocumentFault::Member(_))));
        let text = serde_json::to_string(&whole()).unwrap();
        let twice = text.replacen("\"v\":1", "\"v\":1,\"v\":1", 1);
        let fault = DocumentFault::Json(JsonFault::Duplicate("v".to_owned()));
        assert_eq!(ApplicationDocument::parse(twice.as_bytes()), Err(fault));
        let padded = [text.as_bytes(), &vec![b' '; DOCUMENT_BYTES_MAX]].concat();
        assert_eq!(ApplicationDocument::parse(&padded), Err(DocumentFault::TooLong));
    }

    #[test]
    fn webhooks_have_one_reading() {
        for good in ["https://a.example", "https://a.example/", "https://a.example:8443/x?y=%20", "https://192.0.2.1/"]
        {
            assert!(is_webhook(good), "{good}");
        }
        let long = format!("https://a.example/{}", "a".repeat(WEBHOOK_CHARS_MAX));
        for bad in [
            "",
            "https://",
            "https:///x",
            "HTTPS://a.example/",
            "https://user@a.example/",
            "https://a.example#x",
            "https://a.example/#x",
            "https://a.example:0/",
            "https://a.example:08/",
            "https://a.example:65536/",
            "https://a.example:/",
            "https://a.example\\@b.example/",
            "https://a.example/ x",
            "https://ä.example/",
            &long,
        ] {
            assert!(!is_webhook(bad), "{bad}");
        }
    }

    /// The schema names the members that the code writes.
    #[test]
    fn the_schema_has_the_members_of_the_code() {
        let schema = include_str!("../../../../schemas/registration/application.json");
        let schema: Value = serde_json::from_str(schema).unwrap();
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let whole = whole();
        let properties = &schema["properties"];
        assert_eq!(names(&whole), names(properties));
        assert_eq!(names(&whole["requests"][0]), names(&properties["requests"]["items"]["properties"]));
        assert_eq!(names(&whole["alternative_names"]), names(&properties["alternative_names"]["properties"]));
        assert_eq!(names(&whole["contact"]), names(&properties["contact"]["properties"]));
        assert_eq!(properties["t"]["const"], TAG);
        assert_eq!(properties["requests"]["maxItems"], KEYS_MAX);
        assert_eq!(properties["contact"]["properties"]["webhook"]["maxLength"], WEBHOOK_CHARS_MAX);
        let attributes = crate::ca::name::Attribute::ALL.map(|attribute| serde_json::to_value(attribute).unwrap());
        let mut attributes: Vec<_> = attributes.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
        attributes.sort_unstable();
        assert_eq!(names(&properties["subject"]["properties"]), attributes);
        for attribute in crate::ca::name::Attribute::ALL {
            let name = serde_json::to_value(attribute).unwrap();
            let rule = &properties["subject"]["properties"][name.as_str().unwrap()];
            if attribute != crate::ca::name::Attribute::Country {
                assert_eq!(rule["maxLength"], attribute.chars_max(), "{name}");
            }
        }
        let mut required: Vec<_> = schema["required"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
        required.sort_unstable();
        assert_eq!(required, ["requests", "salt", "subject", "t", "terms", "v"]);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = ApplicationDocument::parse(&bytes);
        }
    }
}
