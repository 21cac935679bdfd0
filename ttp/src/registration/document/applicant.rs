//! The applicant's side: an application made of keys, a name and consent.

use super::{ApplicationDocument, Contact, DocumentFault, Offer, ProfileRequest};
use crate::asn1::pem;
use crate::b64u::B64u;
use crate::ca::name::{AlternativeNames, DistinguishedName};
use crate::ca::request::make_request;
use crate::crypto::jose::{Algorithm, Key, KeyFault, Thumbprint};
use crate::crypto::{SignError, Signer};
use crate::id::PartyId;
use crate::statement::terms::TermsAccepted;
use crate::statement::{self, Common, Jws, Origin, Salt, Statement, StatementFault, Unsigned};
use crate::time::Timestamp;

/// Who applies, for what. Whatever is random was drawn by the caller.
#[derive(Clone, Debug)]
pub struct Wish<'w> {
    /// For each certificate its profile and its key. The first accepts the terms.
    pub keys: Vec<(String, &'w dyn Signer)>,
    /// The subject of all of them.
    pub subject: DistinguishedName,
    /// What they name besides.
    pub alternative_names: Option<AlternativeNames>,
    /// Where notices go.
    pub contact: Option<Contact>,
    /// As whom the terms are accepted: the party's own name, or one drawn at random for a first application.
    pub party: PartyId,
    /// When.
    pub now: Timestamp,
    /// 16 random octets for the statement, and 16 for the document.
    pub salts: [[u8; 16]; 2],
}

/// Why there is no application.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WishFault {
    /// No key at all.
    #[error("an application is for at least one certificate")]
    NoKey,
    /// A key does not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// A key signs no statements.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// The key that comes first signs certification requests only.
    #[error("a key that signs with PKCS #1 v1.5 accepts no terms: let a P-256 or Ed25519 key come first")]
    Algorithm,
    /// What the service calls itself is no origin.
    #[error("the service has no origin that a statement can name")]
    Origin,
    /// The statement.
    #[error("terms: {0}")]
    Statement(#[from] StatementFault),
    /// The document.
    #[error(transparent)]
    Document(#[from] DocumentFault),
}

/// A statement that accepts the terms of an offer.
///
/// # Errors
/// [`WishFault`].
pub fn accept_terms(
    offer: Offer<'_>,
    party: PartyId,
    key: &dyn Signer,
    now: Timestamp,
    salt: [u8; 16],
) -> Result<Jws, WishFault> {
    let thumbprint = Key::from_spki_der(key.spki_der())?.thumbprint();
    let service = Origin::new(offer.service).ok_or(WishFault::Origin)?;
    let body = TermsAccepted { policy: offer.terms.into(), service, party, key: thumbprint };
    sign(body, thumbprint, key, now, salt)
}

/// A statement of an applicant's, by the key with this thumbprint.
pub(super) fn sign<B: statement::Body>(
    body: B,
    thumbprint: Thumbprint,
    key: &dyn Signer,
    now: Timestamp,
    salt: [u8; 16],
) -> Result<Jws, WishFault> {
    let common = Common { salt: Salt(B64u(salt)), iat: now.into(), x: None, shown: None };
    let algorithm = Algorithm::of_signer(key.algorithm()).ok_or(WishFault::Algorithm)?;
    let unsigned = Unsigned::new(&Statement { common, body }, algorithm, thumbprint)?;
    let signature = key.sign_raw(unsigned.message())?;
    Ok(unsigned.finish(&signature)?)
}

impl ApplicationDocument {
    /// Makes an application: each key signs a request for itself, the first one accepts the terms.
    ///
    /// # Errors
    /// [`WishFault`].
    pub fn of(wish: &Wish<'_>, offer: Offer<'_>) -> Result<Self, WishFault> {
        let (_, first) = wish.keys.first().ok_or(WishFault::NoKey)?;
        let [for_terms, for_document] = wish.salts;
        let terms = accept_terms(offer, wish.party, *first, wish.now, for_terms)?;
        let request = |(profile, key): &(String, &dyn Signer)| {
            let csr = pem::encode("CERTIFICATE REQUEST", &make_request(*key)?);
            Ok(ProfileRequest { profile: profile.clone(), csr })
        };
        Ok(Self {
            salt: Salt(B64u(for_document)),
            requests: wish.keys.iter().map(request).collect::<Result<_, SignError>>()?,
            subject: wish.subject.clone(),
            alternative_names: wish.alternative_names.clone(),
            contact: wish.contact.clone(),
            terms: String::from_utf8_lossy(terms.bytes()).into_owned(),
        })
    }
}
