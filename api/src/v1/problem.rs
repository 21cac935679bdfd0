//! Problem details (RFC 9457): the one form of every error below `/v1`.
//!
//! `type` is the address of a page that explains it, `/problems/<code>`, relative to wherever the service is reached; `code` is the
//! same without the path, for programs; `instance` is the request's id, under which the log has it.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use semper_ttp::ca::bulk::BulkRefusal;
use semper_ttp::ca::credential::{CredentialRefusal, IssueRefusal};
use semper_ttp::notary::NotaryRefusal;
use semper_ttp::party::PartyRefusal;
use semper_ttp::registration::RegistrationRefusal;
use serde_json::json;

use crate::server::{Peer, RequestId};

/// The form of the body (RFC 9457 §6.1).
const MEDIA_TYPE: &str = "application/problem+json";

/// How to authenticate (RFC 9110 §15.5.2 wants it with every 401). No scheme is registered for a certificate in the TLS
/// handshake; this one says what is meant.
const CHALLENGE: HeaderValue = HeaderValue::from_static("ClientCertificate realm=\"semper\"");

macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $name:literal $status:ident $title:literal,)+) => {
        /// Names a problem for good: the page `schemas/problems/<code>.md` belongs to it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $code,)+ }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$code),+];

            /// As clients see it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$code => $name),+ }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$code => StatusCode::$status),+ }
            }

            /// What it is, the same every time.
            const fn title(self) -> &'static str {
                match self { $(Self::$code => $title),+ }
            }
        }
    };
}

codes! {
    /// There is no such resource.
    HttpNotFound = "http.not_found" NOT_FOUND "There is no such resource",
    /// Not with this method.
    HttpMethod = "http.method" METHOD_NOT_ALLOWED "The resource does not have this method",
    /// The body is too large.
    HttpTooLarge = "http.too_large" PAYLOAD_TOO_LARGE "The request is too large",
    /// The body came too slowly.
    HttpTimeout = "http.timeout" REQUEST_TIMEOUT "The request came too slowly",
    /// The body's media type is another than the one expected.
    HttpMediaType = "http.media_type" UNSUPPORTED_MEDIA_TYPE "The media type of the request is not the one expected",
    /// The request does not read.
    HttpMalformed = "http.malformed" BAD_REQUEST "The request cannot be read",
    /// The key under which a repetition is known belongs to another request.
    HttpIdempotencyKey = "http.idempotency_key" CONFLICT "The Idempotency-Key was used for another request",
    /// Nobody has said who asks.
    AuthRequired = "auth.required" UNAUTHORIZED "Authentication is required",
    /// Who asks may not.
    AuthForbidden = "auth.forbidden" FORBIDDEN "This is not permitted",
    /// Not the file of a proof of misbehaviour.
    AccountProof = "account.proof" UNPROCESSABLE_ENTITY "This is no proof of misbehaviour",
    /// What is claimed does not follow.
    AccountUnfounded = "account.unfounded" UNPROCESSABLE_ENTITY "The proof does not convict",
    /// Something is missing that would decide it.
    AccountUndecided = "account.undecided" UNPROCESSABLE_ENTITY "The proof lacks what would decide it",
    /// The lint of the certificate has an error.
    CaLint = "ca.lint" UNPROCESSABLE_ENTITY "The lint stops this certificate",
    /// A certificate for this key was revoked because the key was compromised.
    CaKeyCompromised = "ca.key_compromised" UNPROCESSABLE_ENTITY "This key was compromised",
    /// The issuing CA is not valid.
    CaIssuer = "ca.issuer" SERVICE_UNAVAILABLE "The issuing CA does not sign",
    /// A certificate with this serial number was issued.
    CaSerialTaken = "ca.serial_taken" CONFLICT "This certificate was issued already",
    /// No such certificate was issued.
    CaNotIssued = "ca.not_issued" NOT_FOUND "No such certificate was issued",
    /// The certificate was revoked before.
    CaAlreadyRevoked = "ca.already_revoked" CONFLICT "The certificate was revoked before",
    /// The certificate has expired.
    CaExpired = "ca.expired" CONFLICT "The certificate has expired",
    /// The root is not revoked.
    CaRoot = "ca.root" UNPROCESSABLE_ENTITY "The root is not revoked",
    /// The reason is not for certificates of this class.
    CaReason = "ca.reason" UNPROCESSABLE_ENTITY "The reason is not for this certificate",
    /// The clock may assert no time.
    CaClock = "ca.clock" SERVICE_UNAVAILABLE "The clock may assert no time",
    /// This key is not rotated.
    KeysNotRotated = "keys.not_rotated" UNPROCESSABLE_ENTITY "This key is not rotated",
    /// What an offline root has signed is not what was asked for.
    KeysNotTaken = "keys.not_taken" UNPROCESSABLE_ENTITY "What was signed is not taken",
    /// A ceremony is not attested by two people.
    KeysCeremony = "keys.ceremony" UNPROCESSABLE_ENTITY "The ceremony is not attested by two people",
    /// The application document does not read.
    RegistrationDocument = "registration.document" UNPROCESSABLE_ENTITY "The document cannot be accepted",
    /// A signature of the applicant's is not what it should be.
    RegistrationProof = "registration.proof" UNPROCESSABLE_ENTITY "Possession of a key, or acceptance of the terms, is not shown",
    /// Nobody applies for certificates of this profile.
    RegistrationProfile = "registration.profile" UNPROCESSABLE_ENTITY "There is no such profile to apply for",
    /// The webhook of the application is not called.
    RegistrationWebhook = "registration.webhook" UNPROCESSABLE_ENTITY "The webhook is not called",
    /// Two of the keys are one.
    RegistrationSameKey = "registration.same_key" UNPROCESSABLE_ENTITY "The application has the same key twice",
    /// A key of the application was compromised.
    RegistrationKeyCompromised = "registration.key_compromised" UNPROCESSABLE_ENTITY "A key of the application was compromised",
    /// A key of the application has a certificate.
    RegistrationKeyTaken = "registration.key_taken" CONFLICT "A key of the application has a certificate already",
    /// The name that the applicant gave itself is another party's.
    RegistrationPartyTaken = "registration.party_taken" CONFLICT "The name of the party is taken",
    /// An approval without proof of identity.
    RegistrationNoIdentity = "registration.no_identity" CONFLICT "No record says how the identity was proven",
    /// The second approval by the first officer.
    RegistrationSameOfficer = "registration.same_officer" FORBIDDEN "Another officer has to approve",
    /// An officer about an application of its own.
    RegistrationOwnApplication = "registration.own_application" FORBIDDEN "Another officer has to decide",
    /// The first approval counts no more.
    RegistrationOfficerRevoked = "registration.officer_revoked" CONFLICT "The certificate of the first officer was revoked",
    /// An application of an officer who would operate.
    RegistrationConflictingDuties = "registration.conflicting_duties" UNPROCESSABLE_ENTITY "Nobody is officer and operator",
    /// A reason that is not an officer's to give.
    RegistrationReason = "registration.reason" UNPROCESSABLE_ENTITY "The reason is not an officer's to give",
    /// It was approved before.
    RegistrationApproved = "registration.approved" CONFLICT "The application was approved before",
    /// It was refused before.
    RegistrationRefused = "registration.refused" CONFLICT "The application was refused before",
    /// There is no such application, or not for this caller.
    RegistrationNotApplied = "registration.not_applied" NOT_FOUND "There is no such application",
    /// What an application needs was erased.
    RegistrationErased = "registration.erased" GONE "The document was erased",
    /// Nobody has this name.
    PartyNotRegistered = "party.not_registered" NOT_FOUND "There is no such party",
    /// It accepted these terms before.
    PartyTermsAccepted = "party.terms_accepted" CONFLICT "The party has accepted these terms before",
    /// It accepted as many terms as there may be.
    PartyTooManyTerms = "party.too_many_terms" UNPROCESSABLE_ENTITY "The party has accepted too many terms",
    /// The party is suspended.
    PartySuspended = "party.suspended" CONFLICT "The party is suspended",
    /// The party is not suspended.
    PartyNotSuspended = "party.not_suspended" CONFLICT "The party is not suspended",
    /// The statement is not by this party, or not about what is in force.
    PartyStatement = "party.statement" UNPROCESSABLE_ENTITY "The statement cannot be accepted",
    /// A statement of the run cannot be read.
    ExchangeStatement = "exchange.statement" BAD_REQUEST "A statement of the run cannot be read",
    /// A signature does not verify.
    ExchangeSignature = "exchange.signature" UNPROCESSABLE_ENTITY "A signature does not verify",
    /// Nobody has this key.
    ExchangeUnknownKey = "exchange.unknown_key" UNPROCESSABLE_ENTITY "Nobody has this key",
    /// The statement belongs to another run.
    ExchangeOtherRun = "exchange.other_run" UNPROCESSABLE_ENTITY "The statement belongs to another run",
    /// The statement is about another copy.
    ExchangeOtherCopy = "exchange.other_copy" UNPROCESSABLE_ENTITY "The statement is about another copy",
    /// The run names another arbiter.
    ExchangeOtherArbiter = "exchange.other_arbiter" UNPROCESSABLE_ENTITY "The run names another arbiter",
    /// Both sides are one.
    ExchangeOneParty = "exchange.one_party" UNPROCESSABLE_ENTITY "Both sides are one",
    /// Not yours to say in this run.
    ExchangeNotAllowed = "exchange.not_allowed" FORBIDDEN "Not yours to say in this run",
    /// A key was not good.
    ExchangeKey = "exchange.key" UNPROCESSABLE_ENTITY "A key was not good",
    /// The run names an unknown policy.
    ExchangePolicy = "exchange.policy" UNPROCESSABLE_ENTITY "The run names an unknown policy",
    /// This is not how the arbiter is asked.
    ExchangeRequest = "exchange.request" UNPROCESSABLE_ENTITY "This is not how the arbiter is asked",
    /// One side has asked too often.
    ExchangeTooManyAnswers = "exchange.too_many_answers" TOO_MANY_REQUESTS "One side has asked too often",
    /// Its escrow is for another key than one of the arbiter's.
    ExchangeEscrowKey = "exchange.escrow_key" UNPROCESSABLE_ENTITY "The run names a key for escrows that is none of the arbiter's",
    /// Not the key that was promised.
    ExchangeOpening = "exchange.opening" UNPROCESSABLE_ENTITY "The key is not the one that the delivery promised",
    /// Its arbiter's key was revoked.
    ExchangeArbiterRevoked = "exchange.arbiter_revoked" GONE "The arbiter's key that the run names was revoked",
    /// An exchange that nobody has shown the agreement of.
    ExchangeNotRegistered = "exchange.not_registered" CONFLICT "The exchange is not registered",
    /// A second deposit of one side.
    ExchangeAlreadyDeposited = "exchange.already_deposited" CONFLICT "This side has deposited",
    /// Too many deposits that were not taken.
    ExchangeTooManyRefused = "exchange.too_many_refused" TOO_MANY_REQUESTS "Too many deposits of this side were refused",
    /// A cancel after the other side's deposit.
    ExchangeOtherDeposited = "exchange.other_deposited" CONFLICT "The other side has deposited",
    /// A waiver before both have deposited.
    ExchangeNothingToWaive = "exchange.nothing_to_waive" CONFLICT "There is nothing to waive yet",
    /// A waiver of other items.
    ExchangeOtherItems = "exchange.other_items" UNPROCESSABLE_ENTITY "The waiver names other items",
    /// A request to collect before the decision.
    ExchangeNotDecided = "exchange.not_decided" CONFLICT "Nothing was decided yet",
    /// A request to collect where nothing is due.
    ExchangeNothingToCollect = "exchange.nothing_to_collect" GONE "There is nothing to collect",
    /// Terms that break the rules of the protocol or of the policy.
    ExchangeTerms = "exchange.terms" UNPROCESSABLE_ENTITY "The terms break the policy",
    /// What was decided is not here any more.
    ExchangeErased = "exchange.erased" GONE "What was decided is not here any more",
    /// A statement about a delivery that nobody has submitted.
    DeliveryNotSubmitted = "delivery.not_submitted" CONFLICT "The delivery was not submitted",
    /// A statement about a delivery that was not taken.
    DeliveryNotTaken = "delivery.not_taken" CONFLICT "The delivery was not taken",
    /// A refusal behind d2.
    DeliveryAccepted = "delivery.accepted" CONFLICT "The recipient has taken the delivery",
    /// A refusal of what has come to nothing.
    DeliveryNothingToRefuse = "delivery.nothing_to_refuse" CONFLICT "There is nothing left to refuse",
    /// The first statement names a rail that is not here.
    PaidRail = "paid.rail" UNPROCESSABLE_ENTITY "The payment names an unknown rail",
    /// The statement does not move the payment on now.
    PaidNotAllowedNow = "paid.not_allowed_now" CONFLICT "The payment waits for something else",
    /// Another delivery was shown for this payment.
    PaidOtherDelivery = "paid.other_delivery" CONFLICT "Another delivery was shown for this payment",
    /// Too many statements came after the decision.
    PaidTooManyLate = "paid.too_many_late" TOO_MANY_REQUESTS "Too many statements came too late",
    /// A callback that does not read.
    CallbackForm = "callback.form" BAD_REQUEST "The callback cannot be read",
    /// A callback of another time.
    CallbackTime = "callback.time" FORBIDDEN "The callback is of another time",
    /// A callback of somebody else.
    CallbackSignature = "callback.signature" FORBIDDEN "The callback is not signed by the rail's provider",
    /// A callback that overtook another one.
    CallbackTooEarly = "callback.too_early" CONFLICT "The callback comes too early",
    /// What a callback tells does not fit what is known.
    CallbackRefused = "callback.refused" UNPROCESSABLE_ENTITY "What the callback tells does not fit the payment",
    /// No room for a message.
    MailboxFull = "mailbox.full" TOO_MANY_REQUESTS "There is no room for the message",
    /// Somebody else signed it.
    MailboxNotYours = "mailbox.not_yours" FORBIDDEN "The message is signed by somebody else",
    /// The request of an act cannot be accepted.
    NotaryRequest = "notary.request" UNPROCESSABLE_ENTITY "The request of an act cannot be accepted",
    /// There is no such act, or it has ended.
    NotaryNotOpen = "notary.not_open" NOT_FOUND "There is no such act, or it has ended",
    /// Too many acts wait.
    NotaryFull = "notary.full" TOO_MANY_REQUESTS "Too many acts wait",
    /// The signers cannot be taken.
    NotarySigners = "notary.signers" UNPROCESSABLE_ENTITY "The signers cannot be taken",
    /// This party is not one of the signers.
    NotaryNotSigner = "notary.not_signer" FORBIDDEN "This party is not one of the signers",
    /// This party has signed already.
    NotaryAlreadySigned = "notary.already_signed" CONFLICT "This party has signed already",
    /// The signature cannot be accepted.
    NotarySignature = "notary.signature" UNPROCESSABLE_ENTITY "The signature cannot be accepted",
    /// The act waits for something else.
    NotaryStage = "notary.stage" CONFLICT "The act waits for something else",
    /// Another officer has the act.
    NotaryTakenByOther = "notary.taken_by_other" CONFLICT "Another officer has the act",
    /// Nobody has taken the act.
    NotaryNotTaken = "notary.not_taken" CONFLICT "Nobody has taken the act",
    /// Another officer has to decide.
    NotaryOwnAct = "notary.own_act" FORBIDDEN "Another officer has to decide",
    /// The act would certify what nobody has checked.
    NotaryChecksLacking = "notary.checks_lacking" UNPROCESSABLE_ENTITY "The act would certify what nobody has checked",
    /// The reason is not an officer's to give.
    NotaryReason = "notary.reason" UNPROCESSABLE_ENTITY "The reason is not an officer's to give",
    /// Only who asked for an act withdraws it.
    NotaryNotRequester = "notary.not_requester" FORBIDDEN "Only who asked for an act withdraws it",
    /// Too much to do.
    ServerBusy = "server.busy" TOO_MANY_REQUESTS "Too much is waiting",
    /// Not now.
    ServerUnavailable = "server.unavailable" SERVICE_UNAVAILABLE "The service cannot do this now",
    /// We are at fault.
    ServerFault = "server.fault" INTERNAL_SERVER_ERROR "The service is at fault",
}

impl Code {
    /// Seconds after which another try makes sense.
    const fn retry_after_secs(self) -> Option<u32> {
        match self {
            Self::ServerBusy | Self::ServerUnavailable | Self::CaClock | Self::NotaryFull => Some(1),
            _ => None,
        }
    }

    /// That of a role's refusal.
    pub(super) const fn of_credential(refusal: &CredentialRefusal) -> Self {
        match refusal {
            CredentialRefusal::Issue(IssueRefusal::Lint) => Self::CaLint,
            CredentialRefusal::Issue(IssueRefusal::KeyCompromised) => Self::CaKeyCompromised,
            CredentialRefusal::Issue(IssueRefusal::Issuer) => Self::CaIssuer,
            CredentialRefusal::SerialTaken => Self::CaSerialTaken,
            CredentialRefusal::NotIssued => Self::CaNotIssued,
            CredentialRefusal::AlreadyRevoked { .. } => Self::CaAlreadyRevoked,
            CredentialRefusal::Expired { .. } => Self::CaExpired,
            CredentialRefusal::Root => Self::CaRoot,
            CredentialRefusal::Reason { .. } => Self::CaReason,
            CredentialRefusal::Clock { .. } => Self::CaClock,
        }
    }

    /// What an answer means that somebody else has made: the router, an extractor, the body's bounds.
    fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::HttpNotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::HttpMethod,
            StatusCode::PAYLOAD_TOO_LARGE => Self::HttpTooLarge,
            StatusCode::REQUEST_TIMEOUT => Self::HttpTimeout,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::HttpMediaType,
            StatusCode::UNAUTHORIZED => Self::AuthRequired,
            StatusCode::FORBIDDEN => Self::AuthForbidden,
            StatusCode::TOO_MANY_REQUESTS => Self::ServerBusy,
            StatusCode::SERVICE_UNAVAILABLE => Self::ServerUnavailable,
            status if status.is_client_error() => Self::HttpMalformed,
            _ => Self::ServerFault,
        }
    }
}

/// What the shell itself looks after is a fault of ours when it is refused.
impl From<RegistrationRefusal> for Code {
    fn from(refusal: RegistrationRefusal) -> Self {
        match refusal {
            RegistrationRefusal::NotApplied => Self::RegistrationNotApplied,
            RegistrationRefusal::SameKey => Self::RegistrationSameKey,
            RegistrationRefusal::KeyCompromised => Self::RegistrationKeyCompromised,
            RegistrationRefusal::KeyTaken => Self::RegistrationKeyTaken,
            RegistrationRefusal::PartyTaken => Self::RegistrationPartyTaken,
            RegistrationRefusal::NoIdentity => Self::RegistrationNoIdentity,
            RegistrationRefusal::SameOfficer => Self::RegistrationSameOfficer,
            RegistrationRefusal::OwnApplication => Self::RegistrationOwnApplication,
            RegistrationRefusal::OfficerNotGood => Self::AuthForbidden,
            RegistrationRefusal::OfficerRevoked => Self::RegistrationOfficerRevoked,
            RegistrationRefusal::ConflictingDuties => Self::RegistrationConflictingDuties,
            RegistrationRefusal::ApplicantSuspended => Self::PartySuspended,
            RegistrationRefusal::Reason { .. } => Self::RegistrationReason,
            RegistrationRefusal::Approved { .. } => Self::RegistrationApproved,
            RegistrationRefusal::Refused { .. } => Self::RegistrationRefused,
            RegistrationRefusal::Clock { .. } => Self::CaClock,
            RegistrationRefusal::AlreadyApplied
            | RegistrationRefusal::Keys { .. }
            | RegistrationRefusal::OfficersNeeded { .. }
            | RegistrationRefusal::Serials { .. }
            | RegistrationRefusal::NotExpired { .. } => Self::ServerFault,
        }
    }
}

impl From<PartyRefusal> for Code {
    fn from(refusal: PartyRefusal) -> Self {
        match refusal {
            PartyRefusal::NotRegistered => Self::PartyNotRegistered,
            PartyRefusal::TermsAccepted { .. } => Self::PartyTermsAccepted,
            PartyRefusal::TooManyTerms => Self::PartyTooManyTerms,
            PartyRefusal::Suspended { .. } => Self::PartySuspended,
            PartyRefusal::NotSuspended => Self::PartyNotSuspended,
            PartyRefusal::Clock { .. } => Self::CaClock,
            PartyRefusal::AlreadyRegistered { .. }
            | PartyRefusal::KeyBound { .. }
            | PartyRefusal::KeyUnbound { .. }
            | PartyRefusal::KeyUnknown
            | PartyRefusal::CertificateExpired { .. }
            | PartyRefusal::CertificateNotExpired { .. }
            | PartyRefusal::TooManyKeysBound
            | PartyRefusal::TooManyKeys => Self::ServerFault,
        }
    }
}

impl From<NotaryRefusal> for Code {
    fn from(refusal: NotaryRefusal) -> Self {
        match refusal {
            NotaryRefusal::NotOpen => Self::NotaryNotOpen,
            NotaryRefusal::Full => Self::NotaryFull,
            NotaryRefusal::Signers { .. } => Self::NotarySigners,
            NotaryRefusal::NotSigner => Self::NotaryNotSigner,
            NotaryRefusal::AlreadySigned => Self::NotaryAlreadySigned,
            NotaryRefusal::Stage { .. } => Self::NotaryStage,
            NotaryRefusal::TakenByOther { .. } => Self::NotaryTakenByOther,
            NotaryRefusal::NotTaken => Self::NotaryNotTaken,
            NotaryRefusal::OwnAct => Self::NotaryOwnAct,
            NotaryRefusal::OfficerNotGood => Self::AuthForbidden,
            NotaryRefusal::ChecksLacking { .. } => Self::NotaryChecksLacking,
            NotaryRefusal::Reason { .. } => Self::NotaryReason,
            NotaryRefusal::NotRequester => Self::NotaryNotRequester,
            NotaryRefusal::Clock { .. } => Self::CaClock,
            NotaryRefusal::AlreadyOpen
            | NotaryRefusal::NothingToWaitFor
            | NotaryRefusal::Report
            | NotaryRefusal::NoContract
            | NotaryRefusal::NotExpired { .. } => Self::ServerFault,
        }
    }
}

impl From<BulkRefusal> for Code {
    fn from(refusal: BulkRefusal) -> Self {
        match refusal {
            BulkRefusal::Clock { .. } => Self::CaClock,
            BulkRefusal::NotOrdered => Self::HttpNotFound,
            BulkRefusal::AlreadyOrdered | BulkRefusal::AlreadyDone { .. } => Self::ServerFault,
        }
    }
}

/// An answer other than the one asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    code: Code,
    detail: String,
}

impl Problem {
    /// A problem, with what is special about it this time. Of a fault of ours the detail says nothing.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// Logs a fault of ours, and forgets it towards the client.
    pub(crate) fn fault(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(Code::ServerFault, Code::ServerFault.title())
    }

    /// The `Idempotency-Key` is known, and not with this request.
    pub(super) fn key_reused() -> Self {
        Self::new(Code::HttpIdempotencyKey, "this Idempotency-Key belongs to another request")
    }

    /// What an answer means that somebody else has made.
    pub(super) fn of(status: StatusCode) -> Self {
        let code = Code::of(status);
        Self::new(code, code.title())
    }
}

impl IntoResponse for Problem {
    /// Without a body: [`finish`] writes it, who knows the request.
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// What an answer says is wrong, where it is the caller's fault.
pub(super) fn refusal_in(response: &Response) -> Option<Code> {
    let status = response.status();
    let code = response.extensions().get::<Problem>().map_or_else(|| Code::of(status), |problem| problem.code);
    status.is_client_error().then_some(code)
}

/// The last who sees an answer: gives each error its body, whoever has raised it.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<(Peer, RequestId)>().map(|(_, id)| *id).unwrap_or_default();
    let mut response = next.run(request).await;
    let status = response.status();
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if status.is_client_error() || status.is_server_error() => {
            let code = Code::of(status);
            Problem::new(code, code.title())
        }
        None => {
            response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
            return response;
        }
    };
    let Problem { code, detail } = problem;
    let body = json!({
        "type": format!("/problems/{}", code.name()),
        "title": code.title(),
        "status": code.status().as_u16(),
        "detail": detail,
        "code": code.name(),
        "instance": id.0.to_string(),
    });
    let mut answer = (code.status(), body.to_string()).into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Which methods there are, and that a connection ends whose request was not read to its end.
    for name in [header::ALLOW, header::CONNECTION] {
        if let Some(value) = response.headers_mut().remove(&name) {
            headers.insert(name, value);
        }
    }
    if code == Code::AuthRequired {
        headers.insert(header::WWW_AUTHENTICATE, CHALLENGE);
    }
    if let Some(secs) = code.retry_after_secs() {
        headers.insert(header::RETRY_AFTER, secs.into());
    }
    answer
}

/// The page of a code, in Markdown; also of those that timestamping and data validation answer with in protocols of their own.
pub(super) fn page(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|(name, _)| *name == code).map(|(_, page)| *page)
}

macro_rules! pages {
    ($($code:literal),* $(,)?) => {
        &[$(($code, include_str!(concat!("../../../schemas/problems/", $code, ".md")))),*]
    };
}

/// Every page of `schemas/problems/`.
const PAGES: &[(&str, &str)] = pages![
    "account.proof",
    "account.undecided",
    "account.unfounded",
    "auth.forbidden",
    "auth.required",
    "callback.form",
    "callback.refused",
    "callback.signature",
    "callback.time",
    "callback.too_early",
    "ca.already_revoked",
    "ca.clock",
    "ca.expired",
    "ca.issuer",
    "ca.key_compromised",
    "ca.lint",
    "ca.not_issued",
    "ca.reason",
    "ca.root",
    "ca.serial_taken",
    "delivery.accepted",
    "delivery.not_submitted",
    "delivery.not_taken",
    "delivery.nothing_to_refuse",
    "dvcs.critical_extension",
    "dvcs.data_choice",
    "dvcs.empty",
    "dvcs.encrypted",
    "dvcs.hash_algorithm",
    "dvcs.hash_parameters",
    "dvcs.imprint_length",
    "dvcs.no_signer_certificate",
    "dvcs.nonce_length",
    "dvcs.not_a_request",
    "dvcs.not_offered",
    "dvcs.not_signed",
    "dvcs.other_server",
    "dvcs.policy",
    "dvcs.requester",
    "dvcs.signature",
    "dvcs.signature_algorithm",
    "dvcs.signer_not_good",
    "dvcs.signers",
    "dvcs.target_kind",
    "dvcs.time",
    "dvcs.time_form",
    "dvcs.too_long",
    "dvcs.too_many_targets",
    "dvcs.unavailable",
    "dvcs.unknown_service",
    "dvcs.version",
    "exchange.already_deposited",
    "exchange.arbiter_revoked",
    "exchange.erased",
    "exchange.escrow_key",
    "exchange.key",
    "exchange.not_allowed",
    "exchange.not_decided",
    "exchange.not_registered",
    "exchange.nothing_to_collect",
    "exchange.nothing_to_waive",
    "exchange.one_party",
    "exchange.opening",
    "exchange.other_arbiter",
    "exchange.other_copy",
    "exchange.other_deposited",
    "exchange.other_items",
    "exchange.other_run",
    "exchange.policy",
    "exchange.request",
    "exchange.signature",
    "exchange.statement",
    "exchange.terms",
    "exchange.too_many_answers",
    "exchange.too_many_refused",
    "exchange.unknown_key",
    "http.idempotency_key",
    "http.malformed",
    "http.media_type",
    "http.method",
    "http.not_found",
    "http.timeout",
    "http.too_large",
    "keys.ceremony",
    "keys.not_rotated",
    "keys.not_taken",
    "mailbox.full",
    "mailbox.not_yours",
    "notary.already_signed",
    "notary.checks_lacking",
    "notary.full",
    "notary.not_open",
    "notary.not_requester",
    "notary.not_signer",
    "notary.not_taken",
    "notary.own_act",
    "notary.reason",
    "notary.request",
    "notary.signature",
    "notary.signers",
    "notary.stage",
    "notary.taken_by_other",
    "paid.not_allowed_now",
    "paid.other_delivery",
    "paid.rail",
    "paid.too_many_late",
    "party.not_registered",
    "party.not_suspended",
    "party.statement",
    "party.suspended",
    "party.terms_accepted",
    "party.too_many_terms",
    "registration.approved",
    "registration.conflicting_duties",
    "registration.document",
    "registration.erased",
    "registration.key_compromised",
    "registration.key_taken",
    "registration.no_identity",
    "registration.not_applied",
    "registration.officer_revoked",
    "registration.own_application",
    "registration.party_taken",
    "registration.profile",
    "registration.proof",
    "registration.reason",
    "registration.refused",
    "registration.same_key",
    "registration.same_officer",
    "registration.webhook",
    "server.busy",
    "server.fault",
    "server.unavailable",
    "timestamp.busy",
    "timestamp.clock",
    "timestamp.extension",
    "timestamp.halted",
    "timestamp.hash_algorithm",
    "timestamp.hash_parameters",
    "timestamp.imprint_length",
    "timestamp.key_period",
    "timestamp.nonce_length",
    "timestamp.not_a_request",
    "timestamp.policy",
    "timestamp.rate_limited",
    "timestamp.unavailable",
    "timestamp.unit_revoked",
    "timestamp.version",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_page_is_served_and_every_code_has_one() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/problems");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let served: BTreeSet<_> = PAGES.iter().map(|(code, _)| format!("{code}.md")).collect();
        assert_eq!(files.collect::<BTreeSet<_>>(), served);
        for code in Code::ALL.iter().copied() {
            let page = page(code.name()).unwrap_or_else(|| panic!("{} has no page", code.name()));
            assert!(page.contains(&format!("| {} |", code.status().as_u16())), "{}: another status", code.name());
        }
        // Those of other protocols have no problem details.
        let own = PAGES.iter().filter(|(code, _)| !code.starts_with("timestamp.") && !code.starts_with("dvcs."));
        assert!(own.clone().all(|(code, _)| Code::ALL.iter().any(|known| known.name() == *code)));
        assert_eq!(own.count(), Code::ALL.len());
    }

    #[test]
    fn the_answers_of_others_are_named_by_their_status() {
        let of_http = |code: &Code| ["http.", "auth.", "server."].iter().any(|area| code.name().starts_with(area));
        for code in Code::ALL.iter().copied().filter(of_http) {
            let by_status = Code::of(code.status());
            assert!(by_status == code || code == Code::HttpIdempotencyKey && by_status == Code::HttpMalformed);
        }
        assert_eq!(Code::of(StatusCode::UNPROCESSABLE_ENTITY), Code::HttpMalformed);
        assert_eq!(Code::of(StatusCode::BAD_GATEWAY), Code::ServerFault);
    }
}
