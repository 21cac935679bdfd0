//! Who asks: a certificate that this service issued and has not revoked, with the trusted roles that it was granted.
//!
//! TLS has verified the path; what a certificate is worth now is asked of the ledger, for each request. Whom a route admits is in
//! `route.rs`.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::{Extensions, request::Parts};
use semper_ttp::{
    ca::{credential::Status, profile::ProfileCode},
    digest::Digest,
    policy::roles::TrustedRole,
    x509::Certificate,
};

use super::{Caller, Code, problem::Problem};
use crate::{router::App, service::KnownParty, tls::ClientCertificate};

/// A caller whose certificate the ledger knows as good.
#[derive(Clone)]
pub(crate) struct Principal {
    pub(crate) certificate: Arc<Certificate>,
    pub(crate) status: Status,
    roles: Vec<TrustedRole>,
}

fn denied(why: impl Into<String>) -> Problem {
    Problem::new(Code::AuthForbidden, why)
}

impl Principal {
    /// What names it in facts.
    pub(crate) fn digest(&self) -> Digest {
        self.certificate.digest()
    }

    /// Whether it was granted the role.
    pub(crate) fn has(&self, role: TrustedRole) -> bool {
        self.roles.contains(&role)
    }

    /// Who shows a certificate, if that is good.
    pub(super) fn of(app: &App, request: &Extensions) -> Result<Self, Problem> {
        let Caller(certificate) = Caller::of(request)?;
        let standing = app.service.standing(&certificate).map_err(|fault| Problem::fault(&fault))?;
        let status = standing.map_err(|why| denied(why.to_string()))?;
        let roles = app.service.policies().roles().of(&certificate.digest(), status.class).collect();
        Ok(Self { certificate, status, roles })
    }
}

/// As the route has admitted it.
impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let admitted = parts.extensions.get::<Self>().cloned();
        // A line of the table that admits anybody, before a handler that wants to know whom.
        admitted.ok_or_else(|| Problem::fault(&"a handler asks for a principal, and its route for none"))
    }
}

/// The same for those who may come without a certificate; one that is not good is refused all the same.
pub(crate) struct MaybePrincipal(pub(crate) Option<Principal>);

impl FromRequestParts<Arc<App>> for MaybePrincipal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        match parts.extensions.get::<ClientCertificate>() {
            None => Ok(Self(None)),
            Some(_) => Principal::of(app, &parts.extensions).map(|principal| Self(Some(principal))),
        }
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
        None => Err(denied("your key is no party's, or the party is suspended")),
    }
}
