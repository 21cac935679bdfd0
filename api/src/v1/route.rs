//! The table of routes and whom each admits: a route is made together with what a caller needs for it, so that there is none
//! without.
//!
//! What a trusted role permits stands in the policy `roles` (deny by default), and counts once the ledger knows it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use http::{Extensions, Method};
use semper_ttp::ca::profile::ProfileCode;
use semper_ttp::policy::roles::TrustedRole;

use super::{
    Caller, Code,
    principal::{Principal, acting_party},
    problem::Problem,
};
use crate::{router::App, service::ServiceFault};

/// Whom a route admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admits {
    /// Everybody; whom a certificate names may be told more.
    Anyone,
    /// Any certificate that TLS takes, revoked or not.
    Certified,
    /// A registered party that may act now.
    Party,
    /// A party's good certificate, or one that was granted one of these roles.
    PartyOr(&'static [TrustedRole]),
    /// A good certificate that was granted one of these roles.
    Roles(&'static [TrustedRole]),
}

/// A route, as the table of `/v1` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// GET (which answers HEAD, too) or POST.
    pub method: Method,
    /// Below `/v1`, with parameters in braces.
    pub path: &'static str,
    /// Who may.
    pub admits: Admits,
    /// Whether it is there without TLS, too.
    pub is_plain: bool,
}

/// A line of the table: the route and what answers it.
pub(super) struct Row {
    pub(super) route: Route,
    handler: MethodRouter<Arc<App>>,
}

impl Row {
    /// Something that can be read.
    pub(super) fn get<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, admits: Admits, handler: H) -> Self {
        Self { route: Route { method: Method::GET, path, admits, is_plain: false }, handler: get(handler) }
    }

    /// Something that can be done.
    pub(super) fn post<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, admits: Admits, handler: H) -> Self {
        Self { route: Route { method: Method::POST, path, admits, is_plain: false }, handler: post(handler) }
    }

    /// On the plain listener, too: only what is the same for everybody and proves itself.
    pub(super) fn also_plain(self) -> Self {
        Self { route: Route { is_plain: true, ..self.route }, ..self }
    }
}

/// The routes, each behind what it needs.
pub(super) fn guarded(rows: impl Iterator<Item = Row>, app: &Arc<App>) -> Router<Arc<App>> {
    rows.fold(Router::new(), |routes, Row { route, handler }| {
        let guard = from_fn_with_state((app.clone(), route.admits), admit);
        // Not around the answer for other methods, which is the same for all.
        routes.route(route.path, handler.route_layer(guard))
    })
}

/// Lets those pass who may, and tells the handler who they are.
async fn admit(
    State((app, admits)): State<(Arc<App>, Admits)>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if let Some(principal) = admitted(&app, admits, request.extensions())? {
        request.extensions_mut().insert(principal);
    }
    Ok(next.run(request).await)
}

fn admitted(app: &App, admits: Admits, request: &Extensions) -> Result<Option<Principal>, Problem> {
    let principal = || Principal::of(app, request);
    match admits {
        Admits::Anyone => Ok(None),
        Admits::Certified => Caller::of(request).map(|_| None),
        Admits::Party => party(app, principal()?).map(Some),
        Admits::PartyOr(roles) => match principal()? {
            principal if principal.status.class == ProfileCode::Party => party(app, principal).map(Some),
            principal => holder(app, principal, roles).map(Some),
        },
        Admits::Roles(roles) => holder(app, principal()?, roles).map(Some),
    }
}

fn party(app: &App, principal: Principal) -> Result<Principal, Problem> {
    let party = acting_party(app, &principal)?;
    party.map(|_| principal).ok_or_else(|| Problem::new(Code::AuthForbidden, "this is for registered parties"))
}

fn holder(app: &App, principal: Principal, wanted: &[TrustedRole]) -> Result<Principal, Problem> {
    // What the operator wrote counts when the ledger knows it.
    let pending = |fault: ServiceFault| Problem::new(Code::ServerUnavailable, fault.to_string());
    app.service.require_policies().map_err(pending)?;
    if wanted.iter().any(|role| principal.has(*role)) {
        return Ok(principal);
    }
    let names: Vec<_> = wanted.iter().map(|role| role.name()).collect();
    let why = format!("this needs the role {}, which was not granted to your certificate", names.join(" or "));
    Err(Problem::new(Code::AuthForbidden, why))
}
