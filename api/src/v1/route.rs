//! The table of routes and whom each admits: a route is made together with what a caller needs for it, so that there is none
//! without.
//!
//! What a trusted role permits stands in the policy `roles` (deny by default), and counts once the ledger knows it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};
use http::{Extensions, Method};
use semper_ttp::ca::profile::ProfileCode;
use semper_ttp::digest::Digest;
use semper_ttp::policy::roles::TrustedRole;

use super::{
    Caller, Code, body,
    principal::{Principal, acting_party},
    problem::{Problem, refusal_in},
};
use crate::{router::App, service::ServiceFault, tls::ClientCertificate};

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
    let caller = request.extensions().get::<ClientCertificate>().map(|ClientCertificate(shown)| shown.digest());
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let at = Moment::of(&app);
    let answer = match admitted(&app, admits, request.extensions()) {
        Ok(principal) => {
            if let Some(principal) = principal {
                request.extensions_mut().insert(principal);
                // For whoever reads a body, and asks again.
                request.extensions_mut().insert(Admission { admits, at });
            }
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    if let (Some(caller), Some(code)) = (caller, refusal_in(&answer))
        && is_recorded(&method, code)
    {
        // The router has taken the prefix away.
        let call = Digest::of(format!("{method} /v1{uri}").as_bytes());
        let problem = Digest::of(code.name().as_bytes());
        // Before the answer: who was refused can rely on the entry being there. A refusal that is no entry is one all the same.
        let service = app.service.clone();
        body::blocking(move || service.record_refused_call(caller, call, problem)).await?;
    }
    Ok(answer)
}

/// A refusal of an authenticated caller is a fact, too (DESIGN §2): of everything that would have been done, and of what was read
/// without leave. That something to be read is not there, or that a caller is to come later, refuses nobody.
fn is_recorded(method: &Method, code: Code) -> bool {
    match code {
        Code::ServerBusy | Code::HttpTimeout | Code::HttpMethod => false,
        Code::AuthForbidden => true,
        _ => *method == Method::POST,
    }
}

/// That somebody was admitted, and when.
#[derive(Clone, Copy)]
pub(super) struct Admission {
    admits: Admits,
    at: Moment,
}

/// All that whether somebody may depends on, besides who asks: what the ledger says, and the second, as certificates count time.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Moment {
    entries: u64,
    secs: u64,
}

impl Moment {
    fn of(app: &App) -> Self {
        Self { entries: app.service.reader().size(), secs: app.service.now().secs() }
    }
}

impl Admission {
    /// Whether it still holds: asked anew only where the answer can be another one, as asking costs as much as a small request.
    pub(super) fn again(self, app: &App, request: &Extensions) -> Result<(), Problem> {
        if Moment::of(app) == self.at {
            return Ok(());
        }
        admitted(app, self.admits, request).map(drop)
    }
}

/// Who asks, if the route wants to know, and may.
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
    let why = format!(
        "this needs the role {}, which your certificate was not granted, or which its class may not have",
        names.join(" or ")
    );
    Err(Problem::new(Code::AuthForbidden, why))
}
