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
use crate::router::App;

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

/// An officer: decides about applications, revokes.
pub(crate) struct Officer(pub(crate) Principal);

impl FromRequestParts<Arc<App>> for Officer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let principal = Principal::from_request_parts(parts, app).await?;
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
