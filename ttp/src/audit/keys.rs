//! What the ledger itself says of keys and certificates: by these an audit judges, not by the files beside the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::asn1::pem;
use crate::ca::certificate::Issuer;
use crate::ca::imported::Predecessor;
use crate::ca::profile::ProfileCode;
use crate::ca::{Authority, CaId};
use crate::crypto::jose::{self, Thumbprint};
use crate::crypto::{PublicKey, Verifier};
use crate::digest::Digest;
use crate::evidence::{Genesis, KeyId, KeyPurpose};
use crate::statement::{Jws, StatementFault};
use crate::time::Timestamp;
use crate::timestamp::{Endpoint, Settings, Tsu};
use crate::verify::Trust;
use crate::x509::Certificate;

/// Whether a key of this purpose signs for a notary or an arbiter: its first use stands in front of what it signs.
pub(super) const fn signs_for_role(purpose: KeyPurpose) -> bool {
    matches!(purpose, KeyPurpose::NotaryAct | KeyPurpose::NotaryDvcs | KeyPurpose::ArbiterVerdict)
}

/// The purpose of the key that signs where one of this purpose is used. The arbiter's key for escrows signs nothing: it opens one for what
/// the arbiter then decides, so its first use, too, stands in front of that.
pub(super) const fn used_with(purpose: KeyPurpose) -> KeyPurpose {
    match purpose {
        KeyPurpose::ArbiterEscrow => KeyPurpose::ArbiterVerdict,
        other => other,
    }
}

/// A timestamping unit, as its certificate in the ledger makes it.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) tsu: Arc<Tsu>,
    pub(super) key: Arc<PublicKey>,
    issuer: CaId,
    /// When its certificate, or that of its CA, was revoked.
    pub(super) revoked: Option<Timestamp>,
    /// Where it signs, if the settings that were given know.
    pub(super) endpoint: Option<Endpoint>,
}

/// A key's history, as its facts tell it.
#[derive(Debug, Default)]
pub(super) struct History {
    public_key: Option<Digest>,
    first_use: Option<u64>,
    pub(super) ended: Option<Timestamp>,
    /// The first token that it signed.
    first_token: Option<u64>,
    /// Of a key of a role, the first record or certificate that it signed while its first use was not told.
    untold: Option<u64>,
}

/// Everything known of keys so far. Certificates of people are not kept: memory is bounded by the service's own keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    histories: BTreeMap<KeyId, History>,
    by_public_key: BTreeMap<Digest, KeyId>,
    authorities: BTreeMap<CaId, Certificate>,
    units: BTreeMap<KeyId, Unit>,
    /// Keys of notary and arbiter, by the digests of their certificates.
    roles: BTreeMap<Digest, KeyId>,
    /// The arbiter's, by name, with their certificates.
    arbiter: BTreeMap<Thumbprint, (Digest, jose::Key)>,
    /// First uses that were told, and what was signed then does not stand behind them yet: entry and moment.
    announced: BTreeMap<KeyId, (u64, Timestamp)>,
}

impl Keys {
    pub(super) fn history(&mut self, key: KeyId) -> &mut History {
        self.histories.entry(key).or_default()
    }

    /// A key's making. False if it was told before.
    pub(super) fn made(&mut self, key: KeyId, public_key: Digest) -> bool {
        self.by_public_key.insert(public_key, key);
        self.history(key).public_key.replace(public_key).is_none()
    }

    /// A key's first use, told by entry `index`. False if it was told before.
    pub(super) fn first_used(&mut self, key: KeyId, index: u64) -> bool {
        let history = self.history(key);
        let first = history.first_use.is_none();
        history.first_use.get_or_insert(index);
        first
    }

    /// A key of a role is told to be used from now on, in front of what it signs. The arbiter's may sign first what is no entry: a
    /// status of a run, or a receipt.
    pub(super) fn announced(&mut self, key: KeyId, index: u64, now: Timestamp) {
        if key.purpose != KeyPurpose::ArbiterVerdict {
            self.announced.insert(key, (index, now));
        }
    }

    /// Something was signed by a key of a role of this purpose, at this moment: where first uses were told, at that very one.
    ///
    /// # Errors
    /// The first use that was told in vain.
    pub(super) fn role_signs(&mut self, purpose: KeyPurpose, now: Timestamp) -> Result<(), String> {
        let is_told = |key: &KeyId| used_with(key.purpose) == purpose;
        let told = self.announced.iter().find(|(key, (_, at))| is_told(key) && *at != now);
        let told = told.map(|(key, (index, at))| {
            format!("it was signed at {now}, and entry {index} in front of it tells the first use of {key} at {at}")
        });
        self.announced.retain(|key, _| !is_told(key));
        told.map_or(Ok(()), Err)
    }

    /// What stands in the ledger of a kind that is signed is lost: it may have been what a first use was told for.
    pub(super) fn role_may_have_signed(&mut self, purpose: KeyPurpose) {
        self.announced.retain(|key, _| used_with(key.purpose) != purpose);
    }

    /// The key of a role with this certificate, by which the artefact of entry `index` is signed; `None` of one that is not known.
    pub(super) fn role_signed(&mut self, certificate: &Digest, index: u64) -> Option<KeyId> {
        let key = *self.roles.get(certificate)?;
        let history = self.history(key);
        if history.first_use.is_none() {
            history.untold.get_or_insert(index);
        }
        Some(key)
    }

    /// The key of the arbiter that signed a statement of entry `index`; `None` where no such key is known, an error where it did not.
    pub(super) fn arbiter_signed(&mut self, jws: &Jws, index: u64) -> Option<Result<KeyId, StatementFault>> {
        let (certificate, key) = self.arbiter.get(&jws.key_id())?;
        let (certificate, verified) = (*certificate, jws.verify(key));
        let key = self.role_signed(&certificate, index)?;
        Some(verified.map(|()| key))
    }

    /// A token by this key.
    pub(super) fn signed(&mut self, key: KeyId, index: u64) {
        self.history(key).first_token.get_or_insert(index);
    }

    /// Whether another key of this line was certified, of a line without units whether it was made.
    pub(super) fn is_followed(&self, key: KeyId) -> bool {
        let later = |other: &&KeyId| other.purpose == key.purpose && other.generation > key.generation;
        match self.units.contains_key(&key) {
            true => self.units.keys().find(later).is_some(),
            false => self.histories.iter().any(|(other, history)| later(&other) && history.public_key.is_some()),
        }
    }

    /// Keys with what their histories lack, at the end of the ledger.
    pub(super) fn gaps(&self, genesis: Option<&Genesis>) -> Vec<(KeyId, String)> {
        let mut gaps = Vec::new();
        for (key, history) in &self.histories {
            if let (Some(token), None) = (history.first_token, history.first_use) {
                gaps.push((
                    *key,
                    format!("it signed the token of entry {token} and more, and its first use is not recorded"),
                ));
            }
            if let Some(index) = history.untold {
                gaps.push((
                    *key,
                    format!("it signed what entry {index} is of, and its first use is not recorded in front of that"),
                ));
            }
            if let Some((index, _)) = self.announced.get(key) {
                gaps.push((
                    *key,
                    format!("its first use is recorded in entry {index}, and nothing that it signed then"),
                ));
            }
            if history.public_key.is_none() {
                gaps.push((*key, "it is spoken of, and its making is not recorded".to_owned()));
            }
        }
        for name in genesis.iter().flat_map(|genesis| genesis.keys.keys()) {
            let Ok(key) = name.parse::<KeyId>() else { continue };
            if !self.histories.contains_key(&key) {
                gaps.push((key, "genesis names it, and its making is not recorded".to_owned()));
            }
        }
        gaps
    }

    pub(super) fn unit(&self, key: KeyId) -> Option<&Unit> {
        self.units.get(&key)
    }

    pub(super) fn units(&self) -> impl Iterator<Item = &Unit> {
        self.units.values()
    }

    pub(super) fn authority(&self, ca: CaId) -> Option<&Certificate> {
        self.authorities.get(&ca)
    }

    pub(super) fn root(&self) -> Option<&Certificate> {
        self.authority(CaId::first(Authority::Root))
    }

    /// The authority as the issuer of lists, with its certificate.
    pub(super) fn issuer(&self, ca: CaId) -> Option<(Issuer, &Certificate)> {
        let certificate = self.authorities.get(&ca)?;
        Some((Self::issuer_of(ca, certificate)?, certificate))
    }

    /// The same by a certificate that is not taken in.
    pub(super) fn issuer_of(ca: CaId, certificate: &Certificate) -> Option<Issuer> {
        let key = PublicKey::from_spki_der(&certificate.spki_der()).ok()?;
        let issuer = Issuer::new(ca.authority, certificate, key.algorithm()).ok()?;
        Some(issuer.of_generation(ca.generation))
    }

    /// The certificates between one of this issuer's and the root.
    pub(super) fn chain(&self, issuer: CaId) -> Option<Vec<Vec<u8>>> {
        match issuer.authority {
            Authority::Root => Some(Vec::new()),
            // It stands under a root that is not ours.
            Authority::Imported => None,
            Authority::Party | Authority::Server | Authority::Tsu => Some(vec![self.authority(issuer)?.der().to_vec()]),
        }
    }

    /// Takes a certificate in that was judged good. Which key it is for, the key's making told.
    ///
    /// # Errors
    /// Why a unit cannot be made of it.
    pub(super) fn certified(
        &mut self,
        issuer: CaId,
        profile: ProfileCode,
        certificate: &Certificate,
        endpoints: &[(KeyPurpose, Settings)],
    ) -> Result<(), String> {
        let spki = certificate.spki_der();
        let key = self.by_public_key.get(&Digest::of(&spki)).copied();
        match profile {
            ProfileCode::Operator
            | ProfileCode::Officer
            | ProfileCode::OcspResponder
            | ProfileCode::Party
            | ProfileCode::Server
            | ProfileCode::Client
            | ProfileCode::Imported => return Ok(()),
            ProfileCode::Role => {
                if let Some(key) = key.filter(|key| signs_for_role(key.purpose)) {
                    self.roles.insert(certificate.digest(), key);
                    if key.purpose == KeyPurpose::ArbiterVerdict
                        && let Ok(public) = jose::Key::from_spki_der(&spki)
                    {
                        self.arbiter.insert(public.thumbprint(), (certificate.digest(), public));
                    }
                }
            }
            ProfileCode::Root | ProfileCode::IssuingCa => {
                let key = key.ok_or("it is for a key whose making is not recorded")?;
                let authority = Authority::ALL.into_iter().find(|one| one.key_purpose() == key.purpose);
                let authority = authority.ok_or_else(|| format!("it makes a CA of the key {key}"))?;
                let ca = CaId { authority, generation: key.generation };
                self.authorities.insert(ca, certificate.clone());
            }
            ProfileCode::Tsu => {
                let key = key.ok_or("it is for a key whose making is not recorded")?;
                let public = PublicKey::from_spki_der(&spki).map_err(|fault| fault.to_string())?;
                let (Some(root), Some(chain)) = (self.root(), self.chain(issuer)) else {
                    return Err("its issuers do not stand in the ledger before it".to_owned());
                };
                let tsu = Tsu::load(key, public.algorithm(), &spki, certificate.der(), &chain, root.der());
                let tsu = Arc::new(tsu.map_err(|fault| fault.to_string())?);
                let settings = endpoints.iter().find(|(purpose, _)| *purpose == key.purpose);
                let endpoint = settings.and_then(|(_, settings)| Endpoint::new(settings.clone(), tsu.clone()).ok());
                self.units.insert(key, Unit { tsu, key: Arc::new(public), issuer, revoked: None, endpoint });
            }
        }
        Ok(())
    }

    /// A certificate was revoked: units that end with it stamp no more.
    pub(super) fn revoked(&mut self, issuer: CaId, serial: &[u8], now: Timestamp) {
        let by_root = issuer == CaId::first(Authority::Root);
        let own = self.authorities.iter().find(|(ca, own)| by_root && **ca != issuer && own.serial() == serial);
        let own = own.map(|(ca, _)| *ca);
        for unit in self.units.values_mut() {
            let itself = unit.issuer == issuer && unit.tsu.certificate().serial() == serial;
            if itself || own == Some(unit.issuer) {
                unit.revoked.get_or_insert(now);
            }
        }
    }

    /// Takes in a CA that was taken over, by a certificate that was judged good.
    ///
    /// # Errors
    /// Its key's making is not recorded, or was another one's.
    pub(super) fn taken_over(&mut self, predecessor: &Predecessor) -> Result<(), String> {
        let (ca, certificate) = (predecessor.ca(), predecessor.certificate());
        let key = self.by_public_key.get(&Digest::of(&certificate.spki_der()));
        if key != Some(&ca.key()) {
            return Err("it is for a key whose making is not recorded".to_owned());
        }
        self.authorities.insert(ca, certificate.clone());
        Ok(())
    }

    /// What a verifier would trust.
    pub(super) fn trust(&self, genesis: &Genesis) -> Option<Trust> {
        let text = |certificate: &Certificate| pem::encode("CERTIFICATE", certificate.der());
        let units = self.units().map(|unit| text(unit.tsu.certificate()));
        let issuers = self.authorities.iter().filter(|(ca, _)| ca.authority == Authority::Tsu);
        let chain: String = units.chain(issuers.map(|(_, certificate)| text(certificate))).collect();
        let trust = Trust::from_texts(&text(self.root()?), &chain, &genesis.vkey).ok()?;
        Some(trust.with_mmd_millis(genesis.mmd_ms))
    }
}
