//! Whose keys sign in a run, and whether they were good when they did.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use semper_ttp::{
    crypto::jose::{Key, Thumbprint},
    digest::{Digest, ImprintAlgorithm},
    evidence::{CaKind, Fact, Kind, Recorded},
    exchange::Broken,
    id::PartyId,
    statement::{
        Jws,
        exchange::{Participant, Scheme},
    },
    time::Timestamp,
    timestamp::TimestampFact,
    x509::Certificate,
};

use super::{
    super::{Service, ServiceFault, memo::BoundKey},
    ExchangeFault,
};

/// A key of a party's.
pub(in crate::service) struct Known {
    bound: Arc<BoundKey>,
    /// When its certificate was revoked, once that was asked.
    revoked: OnceCell<Option<Timestamp>>,
}

/// The keys of one request's signers, each looked up once.
pub(in crate::service) struct Signers<'s> {
    service: &'s Service,
    known: RefCell<BTreeMap<Thumbprint, Option<Rc<Known>>>>,
}

/// When statements were there, by tokens of our own.
pub(in crate::service) struct Proven(BTreeMap<Digest, Timestamp>);

impl Proven {
    /// The earliest moment at which this statement is known to have been there, in the form at hand.
    pub(in crate::service) fn earliest(&self, jws: &Jws) -> Option<Timestamp> {
        // A token's fact has the hash of the imprint alone.
        self.0.get(&Digest::of(jws.digest().as_bytes())).copied()
    }
}

impl<'s> Signers<'s> {
    pub(in crate::service) fn of(service: &'s Service) -> Self {
        Self { service, known: RefCell::default() }
    }

    /// The public key of this name, if it is a party's.
    pub(in crate::service) fn key(&self, name: &Thumbprint) -> Option<Arc<Key>> {
        self.find(name).map(|known| known.bound.key.clone())
    }

    fn find(&self, name: &Thumbprint) -> Option<Rc<Known>> {
        if let Some(found) = self.known.borrow().get(name) {
            return found.clone();
        }
        // What cannot be read is not known: the request is refused, and may come again.
        let found = self.look_up(name).unwrap_or_else(|fault| {
            tracing::error!(%fault, "a party's key could not be looked up");
            None
        });
        let found = found.map(|bound| Rc::new(Known { bound, revoked: OnceCell::new() }));
        self.known.borrow_mut().insert(*name, found.clone());
        found
    }

    fn look_up(&self, name: &Thumbprint) -> Result<Option<Arc<BoundKey>>, ServiceFault> {
        let service = self.service;
        if let Some(bound) = service.remembered_key(name)? {
            return Ok(Some(bound));
        }
        let Some(party) = service.id_of_key(*name)? else { return Ok(None) };
        let seen = service.seen(party.aggregate())?;
        let Some(party) = service.find_party(party)? else { return Ok(None) };
        let bound = party.state.party().and_then(|state| state.keys.get(name).copied());
        let Some(bound) = bound else { return Ok(None) };
        let Some(certificate) = service.logged_certificate(&bound.certificate)? else { return Ok(None) };
        let key = Key::from_spki_der(&certificate.spki_der()).ok().filter(|key| key.thumbprint() == *name);
        let Some(key) = key else { return Ok(None) };
        let bound = Arc::new(BoundKey { key: Arc::new(key), certificate, party: party.id, seen });
        service.remember_key(*name, &bound);
        Ok(Some(bound))
    }

    /// Who signed a request, by the register of parties: gives the certificate's digest.
    ///
    /// # Errors
    /// Nobody here, or not with this key.
    pub(in crate::service) fn verify(&self, request: &Jws) -> Result<Digest, ExchangeFault> {
        let name = request.key_id();
        let unknown = || Broken::UnknownKey { side: "asker", key: name.to_string() };
        let known = self.find(&name).ok_or_else(unknown)?;
        request.verify(&known.bound.key).map_err(|fault| Broken::Statement { of: "the request", fault })?;
        Ok(known.bound.certificate.digest())
    }

    /// The key of a side, if it is the key of the party that the run names.
    ///
    /// # Errors
    /// [`ExchangeFault::Key`].
    pub(in crate::service) fn require_known(&self, side: &Participant) -> Result<Rc<Known>, ExchangeFault> {
        let bad = |why: &str| ExchangeFault::Key(format!("the key {}: {why}", side.key));
        let known = self.find(&side.key).ok_or_else(|| bad("it is nobody's"))?;
        match known.bound.party == side.id {
            true => Ok(known),
            false => Err(bad("it is another party's than the run names")),
        }
    }

    fn revoked(&self, known: &Known) -> Result<Option<Timestamp>, ServiceFault> {
        if let Some(revoked) = known.revoked.get() {
            return Ok(*revoked);
        }
        let revoked = self.service.revoked_since(&known.bound.certificate.digest())?;
        Ok(*known.revoked.get_or_init(|| revoked))
    }

    /// Whether a side's key may commit it, and was good when it signed: at the proven moment, else now. Otherwise a party could revoke
    /// its own key to keep the other from a contract that stands.
    ///
    /// # Errors
    /// [`ExchangeFault::Key`].
    pub(in crate::service) fn require_good(
        &self,
        side: &Participant,
        proven: Option<Timestamp>,
    ) -> Result<(), ExchangeFault> {
        let known = self.require_known(side)?;
        let bad = |why: String| Err(ExchangeFault::Key(format!("the key {}: {why}", side.key)));
        if !known.bound.certificate.commits() {
            return bad(
                "its certificate does not permit it to sign what commits its holder (nonRepudiation)".to_owned()
            );
        }
        let at = proven.unwrap_or_else(|| self.service.now());
        if !known.bound.certificate.validity().contains(at) {
            return bad(format!("its certificate is not valid at {at}"));
        }
        match self.revoked(&known)? {
            Some(revoked) if self.service.was_revoked_by(&known.bound.certificate, revoked, at)? => bad(format!(
                "its certificate was revoked at {revoked}, and nothing that came along proves that the statement was there before"
            )),
            _ => Ok(()),
        }
    }
}

impl Signers<'_> {
    /// Whether a side's key is its own and was never revoked. That its certificate has ended is no matter: nobody is bound by it.
    ///
    /// # Errors
    /// [`ExchangeFault::Key`].
    pub(super) fn require_unrevoked(&self, side: &Participant) -> Result<(), ExchangeFault> {
        let known = self.require_known(side)?;
        match self.revoked(&known)? {
            Some(at) => Err(ExchangeFault::Key(format!("the key {}: its certificate was revoked at {at}", side.key))),
            None => Ok(()),
        }
    }
}

impl Service {
    /// Whose key this is, by which certificate, and a moment at which it may commit its holder: what a side is told before it relies on
    /// the other's signature, by the rules by which it is judged afterwards. Blocks.
    ///
    /// # Errors
    /// [`ExchangeFault`]: there is no such key, or it is not good.
    pub(crate) fn committing_key(&self, key: Thumbprint) -> Result<(PartyId, Digest, Timestamp), ExchangeFault> {
        if !self.is_arbiter() {
            return Err(ExchangeFault::NoArbiter);
        }
        let signers = Signers::of(self);
        let known = signers.find(&key).ok_or_else(|| Broken::UnknownKey { side: "party", key: key.to_string() })?;
        // Before it is looked up: what was revoked until then is found.
        let now = self.now();
        signers.require_good(&Participant { id: known.bound.party, scheme: Scheme::Semper, key }, None)?;
        Ok((known.bound.party, known.bound.certificate.digest(), now))
    }

    /// Whether a certificate that was revoked at `revoked`, in whole seconds, was so at a moment: within that second its fact tells.
    fn was_revoked_by(
        &self,
        certificate: &Certificate,
        revoked: Timestamp,
        at: Timestamp,
    ) -> Result<bool, ServiceFault> {
        if revoked.secs() != at.secs() {
            return Ok(revoked < at);
        }
        let Some(known) = self.find_certificate(&certificate.serial())? else { return Ok(true) };
        let history = known.ca.certificate(&certificate.serial());
        for bytes in self.reader().facts_of(&history.0, 0)? {
            let fact = Fact::decode(&bytes).map_err(|fault| ServiceFault::Facts(fault.to_string()))?;
            if fact.kind == Kind::Ca(CaKind::CertificateRevoked) {
                return Ok(fact.now <= at);
            }
        }
        // Its CA was revoked, or the fact is lost.
        Ok(true)
    }

    /// What tokens of our own prove. Each has an entry by its digest, so nothing of it has to be verified again.
    pub(in crate::service) fn proven_times(&self, tokens: &[Vec<u8>]) -> Result<Proven, ExchangeFault> {
        let mut proven = BTreeMap::new();
        for token in tokens {
            let Some(index) = self.reader().find_digest(Digest::of(token).as_bytes())? else {
                return Err(ExchangeFault::Request("a token is none of this service's"));
            };
            let fact = self.reader().fact(index)?.and_then(|bytes| Fact::decode(&bytes).ok());
            let issued = fact.and_then(|fact| Some((fact.now, TimestampFact::from_fact(&fact).ok()?)));
            let Some((at, TimestampFact::TokenIssued { algorithm: ImprintAlgorithm::Sha256, imprint, .. })) = issued
            else {
                return Err(ExchangeFault::Request("a token is no timestamp over SHA-256"));
            };
            let earliest = proven.entry(imprint).or_insert(at);
            *earliest = at.min(*earliest);
        }
        Ok(Proven(proven))
    }
}
