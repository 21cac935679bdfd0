//! Who asks: a certificate that this service issued, has not revoked, and whose class says what its holder may do.
//!
//! TLS has verified the path; what a certificate is worth now stands in the ledger alone. Whatever is not named here is denied.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use semper_ttp::{
    ca::{credential::Status, profile::ProfileCode},
    digest::Digest,
    x509::Certificate,
};

use super::{Caller, Code, problem::Problem};
use crate::{router::App, service::KnownParty, tls::ClientCertificate};

/// A caller whose certificate the ledger knows as good.
pub(crate) struct Principal {
    pub(crate) certificate: Arc<Certificate>,
    pub(crate) status: Status,
}

impl Principal {
    /// What names it in facts.
    pub(crate) fn digest(&self) -> Digest {
        self.certificate.digest()
    }
}

impl FromRequestParts<Arc<App>> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Caller(certificate) = Caller::from_request_parts(parts, app).await?;
        let denied = |why: &str| Problem::new(Code::AuthForbidden, why);
        let found = app.service.find_certificate(&certificate.serial()).map_err(|fault| Problem::fault(&fault))?;
        let found = found.ok_or_else(|| denied("your certificate is not one that this service issued"))?;
        // Of several CAs of one name the serial number alone would not tell.
        let issued = app.service.reader().artefact(found.issued_at).map_err(|fault| Problem::fault(&fault))?;
        if issued.as_deref() != Some(certificate.der()) {
            return Err(denied("your certificate is not one that this service issued"));
        }
        let status = found.state.issued().cloned().ok_or_else(|| denied("your certificate was never issued"))?;
        if let Some(revoked) = status.revoked {
            return Err(denied(&format!("your certificate was revoked at {}", revoked.at)));
        }
        if !certificate.validity().contains(app.service.now()) {
            return Err(denied("your certificate is not valid now"));
        }
        Ok(Self { certificate, status })
    }
}

/// The same for those who may come without a certificate; one that is not good is refused all the same.
pub(crate) struct MaybePrincipal(pub(crate) Option<Principal>);

impl FromRequestParts<Arc<App>> for MaybePrincipal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        match parts.extensions.get::<ClientCertificate>() {
            None => Ok(Self(None)),
            Some(_) => Principal::from_request_parts(parts, app).await.map(|principal| Self(Some(principal))),
        }
    }
}

/// A party that may act now, by the key of its certificate.
pub(crate) struct ActingParty {
    pub(crate) principal: Principal,
    pub(crate) party: KnownParty,
}

impl FromRequestParts<Arc<App>> for ActingParty {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let principal = Principal::from_request_parts(parts, app).await?;
        let party = acting_party(app, &principal)?;
        let party = party.ok_or_else(|| Problem::new(Code::AuthForbidden, "this is for registered parties"))?;
        Ok(Self { principal, party })
    }
}

/// The party whose key the caller has shown; `None` for officers, operators and servers.
pub(crate) fn acting_party(app: &App, principal: &Principal) -> Result<Option<KnownParty>, Problem> {
    if principal.status.class != ProfileCode::Party {
        return Ok(None);
    }
    let found = app.service.party_of_certificate(&principal.certificate).map_err(|fault| Problem::fault(&fault))?;
    match found.filter(|party| app.service.may_act(party, &principal.certificate, app.service.now())) {
        Some(party) => Ok(Some(party)),
        None => Err(Problem::new(Code::AuthForbidden, "your key is no party's, or the party is suspended")),
    }
}

/// An officer: decides about applications, revokes.
pub(crate) struct Officer(pub(crate) Principal);

impl FromRequestParts<Arc<App>> for Officer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        Self::of(Principal::from_request_parts(parts, app).await?)
    }
}

impl Officer {
    /// If it is one.
    pub(crate) fn of(principal: Principal) -> Result<Self, Problem> {
        match principal.status.class {
            ProfileCode::Officer => Ok(Self(principal)),
            _ => Err(Problem::new(Code::AuthForbidden, "this is for officers")),
        }
    }
}

/// An operator: keys, policies, backups.
pub(crate) struct Operator(pub(crate) Principal);

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let principal = Principal::from_request_parts(parts, app).await?;
        match principal.status.class {
            ProfileCode::Operator => Ok(Self(principal)),
            _ => Err(Problem::new(Code::AuthForbidden, "this is for operators")),
        }
    }
}

/// Somebody of the service's own: an operator or an officer.
pub(crate) struct Staff;

impl FromRequestParts<Arc<App>> for Staff {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let principal = Principal::from_request_parts(parts, app).await?;
        match principal.status.class {
            ProfileCode::Operator | ProfileCode::Officer => Ok(Self),
            _ => Err(Problem::new(Code::AuthForbidden, "this is for operators and officers")),
        }
    }
}
