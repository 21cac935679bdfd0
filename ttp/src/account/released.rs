//! What a notary released, as exhibits that may contradict each other: records of acts and data validation certificates.
//!
//! Both have their number in one journal: a record says it, and a certificate's serial number begins with it
//! ([`crate::notary::dvc_serial`]).

use crate::cms::SignedData;
use crate::crypto::jose::Key;
use crate::digest::Digest;
use crate::evidence::{Kind, NotaryKind};
use crate::id::ActId;
use crate::notary::dvcs::types::{RESPONSE_DATA, Response};
use crate::notary::number_of_dvc;
use crate::statement::Jws;
use crate::statement::act::ActRecorded;
use crate::x509::Certificate;

/// A record or a certificate that reads; who signed it is another question.
pub(super) enum Released<'p> {
    Act { bytes: &'p [u8], jws: Box<Jws>, record: Box<ActRecorded> },
    Dvc { bytes: &'p [u8], signed: Box<SignedData<'p>>, content: &'p [u8], serial: Vec<u8> },
}

impl<'p> Released<'p> {
    /// The record of an act.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn act(bytes: &'p [u8]) -> Result<Self, String> {
        let jws = Jws::parse(bytes).map_err(|fault| format!("the record of an act does not read: {fault}"))?;
        let record = jws.payload_as::<ActRecorded>();
        let record = record.map_err(|fault| format!("the record of an act does not read: {fault}"))?.body;
        Ok(Self::Act { bytes, jws: Box::new(jws), record: Box::new(record) })
    }

    /// A data validation certificate.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn dvc(bytes: &'p [u8]) -> Result<Self, String> {
        let none = || "the data validation certificate does not read".to_owned();
        let signed = SignedData::from_der(bytes).filter(|signed| signed.content_type == RESPONSE_DATA);
        let signed = signed.ok_or_else(none)?;
        let content = signed.attached().ok_or_else(none)?;
        match Response::parse(content) {
            Ok(Response::CertInfo(info)) => {
                Ok(Self::Dvc { bytes, signed: Box::new(signed), content, serial: info.serial })
            }
            Ok(Response::ErrorNote { .. }) | Err(_) => Err(none()),
        }
    }

    /// Of which service's journal it says to be; a certificate does not say.
    pub(super) fn service(&self) -> Option<&str> {
        match self {
            Self::Act { record, .. } => Some(record.notary.service.as_str()),
            Self::Dvc { .. } => None,
        }
    }

    /// Its number in the journal.
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Act { record, .. } => Some(record.journal_no),
            Self::Dvc { serial, .. } => number_of_dvc(serial),
        }
    }

    /// The act that it ends.
    pub(super) fn ends(&self) -> Option<ActId> {
        match self {
            Self::Act { record, .. } => Some(record.act),
            Self::Dvc { .. } => None,
        }
    }

    /// What is signed, hashed: anybody can write one signature in several ways.
    pub(super) fn content(&self) -> Digest {
        match self {
            Self::Act { jws, .. } => jws.x(),
            Self::Dvc { content, .. } => Digest::of(content),
        }
    }

    /// Whether an entry with this digest, of this kind, is of these very bytes.
    pub(super) fn is_of(&self, kind: Option<Kind>, digest: Digest) -> bool {
        let (bytes, fits) = match (self, kind) {
            (Self::Act { bytes, .. }, Some(Kind::Notary(kind))) => (bytes, kind == NotaryKind::Act),
            (Self::Dvc { bytes, .. }, Some(Kind::Notary(kind))) => {
                (bytes, matches!(kind, NotaryKind::Ccpd | NotaryKind::Cpd | NotaryKind::Vsd | NotaryKind::Vpkc))
            }
            _ => return false,
        };
        fits && Digest::of(bytes) == digest
    }

    /// Checks that the key of a certificate signed it.
    ///
    /// # Errors
    /// It did not.
    pub(super) fn is_signed_by(&self, certificate: &Certificate) -> Result<(), String> {
        let spki = certificate.spki_der();
        match self {
            Self::Act { jws, .. } => {
                let key = Key::from_spki_der(&spki).map_err(|fault| fault.to_string())?;
                jws.verify(&key).map_err(|fault| fault.to_string())
            }
            Self::Dvc { signed, content, .. } => {
                let [signer] = signed.signers.as_slice() else { return Err("it has not one signature".to_owned()) };
                signer.verify(&RESPONSE_DATA, content, &spki).map_err(|fault| fault.to_string())
            }
        }
    }

    /// What it is, as people name it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Act { record, .. } => format!("the record of the act {}", record.act),
            Self::Dvc { serial, .. } => format!("the data validation certificate {}", hex::encode(serial)),
        }
    }
}
