//! Timestamping units that were revoked: they stamp nothing more, from the moment on at which their revocation is decided.

use std::sync::{Arc, MutexGuard, PoisonError, atomic::Ordering};

use arc_swap::ArcSwap;
use semper_ttp::{
    ca::{Authority, CaId},
    timestamp::Tsu,
};

use super::{Endpoint, Service, ServiceFault};

impl Endpoint {
    /// Whether its unit may stamp no more. Asked behind the reading of the clock: a token whose time was read before the endpoint was
    /// closed is not later than the revocation, which reads the clock behind that.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    pub(super) fn close(&self, closed: bool) {
        self.closed.store(closed, Ordering::SeqCst);
    }
}

/// Units that are closed for a revocation which may yet fail. One revocation at a time: another one's failure would open them.
pub(super) struct Closing<'a> {
    service: &'a Service,
    units: Vec<Arc<Endpoint>>,
    _turn: MutexGuard<'a, ()>,
}

impl Drop for Closing<'_> {
    /// As the ledger has it now.
    fn drop(&mut self) {
        for unit in &self.units {
            // What cannot be told keeps it closed, which `/readyz` says.
            let revoked = self.service.is_revoked_unit(unit.endpoint.tsu());
            unit.close(revoked.unwrap_or_else(|fault| {
                tracing::error!(%fault, "it cannot be told whether a unit was revoked");
                true
            }));
        }
    }
}

impl Service {
    /// What was revoked before this start, or before it was put to use.
    pub(super) fn load_revoked_units(&self) -> Result<(), ServiceFault> {
        for unit in self.endpoints.iter().map(ArcSwap::load) {
            unit.close(self.is_revoked_unit(unit.endpoint.tsu())?);
        }
        Ok(())
    }

    /// Whether the certificate of a unit, or of its CA, was revoked.
    pub(super) fn is_revoked_unit(&self, tsu: &Tsu) -> Result<bool, ServiceFault> {
        let Some(issuer) = self.issuer_of(Authority::Tsu, tsu.certificate()) else { return Ok(false) };
        let state = self.certificate_state(&issuer.key.ca.certificate(&tsu.certificate().serial()))?;
        Ok(issuer.is_revoked() || state.issued().is_some_and(|status| status.revoked.is_some()))
    }

    /// Closes the units that end with this certificate; `None` if there are none. To be asked before the revocation is decided, and
    /// dropped when it is durable or has failed.
    pub(super) fn close_units(&self, ca: CaId, serial: &[u8]) -> Option<Closing<'_>> {
        let ends = |tsu: &Tsu| {
            let issuer = self.issuer_of(Authority::Tsu, tsu.certificate());
            issuer.is_some_and(|issuer| {
                let itself = issuer.key.ca == ca && tsu.certificate().serial() == serial;
                itself || issuer.is_certified_by(ca, serial)
            })
        };
        let all = self.endpoints.iter().map(ArcSwap::load_full);
        let units: Vec<_> = all.filter(|unit| ends(unit.endpoint.tsu())).collect();
        if units.is_empty() {
            return None;
        }
        let turn = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        units.iter().for_each(|unit| unit.close(true));
        Some(Closing { service: self, units, _turn: turn })
    }
}
