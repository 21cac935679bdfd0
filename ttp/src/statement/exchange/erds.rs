//! Evidence of a registered delivery (exchange-and-disputes §13, ETSI EN 319 522): what the arbiter signs about each event of a certified
//! delivery ([`super::cd_r`]) that was submitted to it, and what the two sides sign for that.
//!
//! ```text
//! O → T           submit, with d1; with a notice to R, or without      T → all    A.1 or A.2, C.1 or C.2
//! R → T           refuse: R wants nothing of it                        T → all    C.4
//! X → T           d2, d4; what T has decided, and handed out           T → all    C.3, D.1 or D.2, E.1
//! a moment passes with nothing of it                                   T → all    C.2, C.5, D.2, E.2
//! ```
//!
//! The members are those that the standard requires, in the form of the other statements here: no XML of the standard is written, and
//! nothing is claimed to be qualified. The message's identifier is `x`. Events of relays between services do not occur: there is one.

use serde::{Deserialize, Serialize};

use super::super::{Body, Count, Millis, Origin};
use super::{Assurance, Line, Outcome, Participant, Side};
use crate::b64u::B64u32;
use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::evidence::codes;

/// The body of `cd-r/submit`, schema `schemas/statements/cd-r.submit.json`: the originator submits its delivery, of which d1 comes beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submit {
    /// Whether the recipient is to be told by the service.
    pub notice: bool,
}

/// The body of `cd-r/refuse`, schema `schemas/statements/cd-r.refuse.json`: the recipient does not take the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refuse {
    /// Why; null for no reason given.
    pub reason: Option<RefuseReason>,
}

/// Why a recipient does not take a delivery, in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefuseReason {
    /// It does not want it.
    NotWanted,
    /// It is for somebody else.
    NotForMe,
    /// The content did not come, or is not the one that d1 names.
    ContentMissing,
}

/// The body of `erds/evidence`, schema `schemas/statements/erds.evidence.json`: one event of a registered delivery. The delivery is `x`.
///
/// It keeps two times. `event_ms` is when the event happened, **as it is claimed**: by whom signed the statement that it rests on, or, of what
/// the service did itself or waited for, by the service. `at_ms` is when the service recorded it, which is before its entry in the ledger.
/// Nothing here counts by a time that a party claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErdsEvidence {
    /// By which rules it is made.
    pub version: EvidenceVersion,
    /// Its identifier, by [`evidence_id`]: an event occurs once in a delivery.
    pub id: B64u32,
    /// What happened.
    pub event: ErdsEvent,
    /// When, as it is claimed.
    pub event_ms: Millis,
    /// When the service recorded it.
    pub at_ms: Millis,
    /// Who says so.
    pub issuer: Issuer,
    /// Who delivers.
    pub sender: Participant,
    /// To whom.
    pub recipient: Participant,
    /// When the delivery was submitted.
    pub submitted_ms: Millis,
    /// What is delivered, by its hashes.
    pub content: UserContent,
    /// Why: never empty for a negative event.
    pub reasons: Vec<EventReason>,
    /// The statements of the parties that it rests on, each as the exact JWS that was received.
    pub basis: Vec<String>,
    /// SHA-256 of the exact verdict that it rests on; null for none.
    pub verdict: Option<B64u32>,
    /// Entries `ops.outage` that moved the end that was missed, or of A.1 kept; absent if none did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outages: Vec<Count>,
    /// The policy of the delivery.
    pub policy: B64u32,
    /// What the parties wanted it to be worth.
    pub assurance: Assurance,
}

/// Version of the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EvidenceVersion {
    /// The first.
    #[serde(rename = "semper/erds/1")]
    One,
}

/// A service, by its origin and the key that signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// The origin.
    pub id: Origin,
    /// The key, as d1 names it; its certificate is the ledger's.
    pub key: Thumbprint,
}

/// What is delivered, as d1 has it: hashes, and never the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserContent {
    /// SHA-256 of the sealed content.
    pub c_sha256: B64u32,
    /// Its length, octets.
    pub c_len: Count,
    /// What the content is, by [`crate::exchange::cd_r::message_hash`].
    pub hm: B64u32,
}

/// The identifier of an event's evidence.
#[must_use]
pub fn evidence_id(x: &Digest, event: ErdsEvent) -> Digest {
    Digest::of(&[b"semper/erds/1/evidence\0", &x.0[..], &[event as u8]].concat())
}

codes! {
    /// What happens in a registered delivery: of the events of EN 319 522 those that one service with its own sides can come to.
    #[derive(Serialize, Deserialize)]
    #[serde(try_from = "String", into = "String")]
    ErdsEvent {
        /// A.1: the service took the delivery.
        SubmissionAcceptance = 0 "SubmissionAcceptance",
        /// A.2: it did not.
        SubmissionRejection = 1 "SubmissionRejection",
        /// C.1: the recipient was told that there is a delivery.
        NotificationForAcceptance = 2 "NotificationForAcceptance",
        /// C.2: it could not be told.
        NotificationForAcceptanceFailure = 3 "NotificationForAcceptanceFailure",
        /// C.3: the recipient has the sealed content and will take the key.
        ConsignmentAcceptance = 4 "ConsignmentAcceptance",
        /// C.4: the recipient refused.
        ConsignmentRejection = 5 "ConsignmentRejection",
        /// C.5: the end passed, and it did neither.
        AcceptanceRejectionExpiry = 6 "AcceptanceRejectionExpiry",
        /// D.1: the key is there for the recipient.
        ContentConsignment = 7 "ContentConsignment",
        /// D.2: it is not, and will not be.
        ContentConsignmentFailure = 8 "ContentConsignmentFailure",
        /// E.1: the recipient has the key.
        ContentHandover = 9 "ContentHandover",
        /// E.2: the recipient did not collect it.
        ContentHandoverFailure = 10 "ContentHandoverFailure",
    }
}

codes! {
    /// What events are about. In each stage one event is awaited, or the failure of it.
    ErdsStage {
        /// A: the delivery goes to the service.
        Submission = 0 "submission",
        /// C.1, C.2: the recipient is told.
        Notice = 1 "notice",
        /// C.3 to C.5: the recipient takes it, or not.
        Acceptance = 2 "acceptance",
        /// D: the key is there for the recipient.
        Consignment = 3 "consignment",
        /// E: the recipient has it.
        Handover = 4 "handover",
    }
}

codes! {
    /// Why an event is what it is.
    #[derive(Serialize, Deserialize)]
    #[serde(try_from = "String", into = "String")]
    ErdsReason {
        /// A.2.
        Expired = 0 "expired",
        /// A.2: an event without end could be waited for for ever.
        NoEnd = 1 "no-end",
        /// A.2.
        EndTooFar = 2 "end-too-far",
        /// A.2.
        UnknownRecipient = 3 "unknown-recipient",
        /// C.2.
        NoAddress = 4 "no-address",
        /// C.2.
        NoticeFailed = 5 "notice-failed",
        /// C.2.
        NoticeLate = 6 "notice-late",
        /// C.4, without a reason of the recipient's.
        Refused = 7 "refused",
        /// C.4.
        NotWanted = 8 "not-wanted",
        /// C.4.
        NotForRecipient = 9 "not-for-recipient",
        /// C.4.
        ContentMissing = 10 "content-missing",
        /// C.5.
        NoAnswer = 11 "no-answer",
        /// D.2: the verdict is ABORTED.
        TakenBack = 12 "taken-back",
        /// D.2: the verdict is VOID.
        Escrow = 13 "escrow",
        /// D.2, after C.4.
        RefusedBefore = 14 "refused-before",
        /// D.2, after C.3.
        NotConsigned = 15 "not-consigned",
        /// E.2.
        NotCollected = 16 "not-collected",
        /// Of a positive event: the negative one of its stage was recorded before. It is logged, and what was recorded stands, unless the
        /// policy says otherwise.
        AfterNegative = 17 "after-negative",
    }
}

impl ErdsEvent {
    const URIS: &'static str = "http://uri.etsi.org/19522/Event/";

    /// Its URI in the standard.
    #[must_use]
    pub fn uri(self) -> String {
        [Self::URIS, self.name()].concat()
    }

    /// The one with this URI.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        let name = uri.strip_prefix(Self::URIS)?;
        Self::ALL.iter().copied().find(|event| event.name() == name)
    }

    /// Its letter and number in the standard.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::SubmissionAcceptance => "A.1",
            Self::SubmissionRejection => "A.2",
            Self::NotificationForAcceptance => "C.1",
            Self::NotificationForAcceptanceFailure => "C.2",
            Self::ConsignmentAcceptance => "C.3",
            Self::ConsignmentRejection => "C.4",
            Self::AcceptanceRejectionExpiry => "C.5",
            Self::ContentConsignment => "D.1",
            Self::ContentConsignmentFailure => "D.2",
            Self::ContentHandover => "E.1",
            Self::ContentHandoverFailure => "E.2",
        }
    }

    /// What it is about.
    #[must_use]
    pub const fn stage(self) -> ErdsStage {
        match self {
            Self::SubmissionAcceptance | Self::SubmissionRejection => ErdsStage::Submission,
            Self::NotificationForAcceptance | Self::NotificationForAcceptanceFailure => ErdsStage::Notice,
            Self::ConsignmentAcceptance | Self::ConsignmentRejection | Self::AcceptanceRejectionExpiry => {
                ErdsStage::Acceptance
            }
            Self::ContentConsignment | Self::ContentConsignmentFailure => ErdsStage::Consignment,
            Self::ContentHandover | Self::ContentHandoverFailure => ErdsStage::Handover,
        }
    }

    /// Whether it is what was hoped for.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        matches!(
            self,
            Self::SubmissionAcceptance
                | Self::NotificationForAcceptance
                | Self::ConsignmentAcceptance
                | Self::ContentConsignment
                | Self::ContentHandover
        )
    }

    /// Who relies on it: that something was submitted, told, taken, delivered or handed over, whoever delivers must show; that it was not,
    /// whom it was for.
    #[must_use]
    pub const fn is_for(self) -> Side {
        if self.is_positive() { Side::Originator } else { Side::Responder }
    }

    /// Whether it may have these reasons: a negative one has at least one, and each is one of its own.
    #[must_use]
    pub fn may_have(self, reasons: &[ErdsReason]) -> bool {
        let own: &[ErdsReason] = match self {
            Self::SubmissionAcceptance => &[],
            Self::SubmissionRejection => {
                &[ErdsReason::Expired, ErdsReason::NoEnd, ErdsReason::EndTooFar, ErdsReason::UnknownRecipient]
            }
            Self::NotificationForAcceptanceFailure => {
                &[ErdsReason::NoAddress, ErdsReason::NoticeFailed, ErdsReason::NoticeLate]
            }
            Self::ConsignmentRejection => {
                &[ErdsReason::Refused, ErdsReason::NotWanted, ErdsReason::NotForRecipient, ErdsReason::ContentMissing]
            }
            Self::AcceptanceRejectionExpiry => &[ErdsReason::NoAnswer],
            Self::ContentConsignmentFailure => {
                &[ErdsReason::TakenBack, ErdsReason::Escrow, ErdsReason::RefusedBefore, ErdsReason::NotConsigned]
            }
            Self::ContentHandoverFailure => &[ErdsReason::NotCollected],
            Self::NotificationForAcceptance
            | Self::ConsignmentAcceptance
            | Self::ContentConsignment
            | Self::ContentHandover => &[ErdsReason::AfterNegative],
        };
        // One each: what two reasons would say, nothing here says.
        match reasons {
            [] => self.is_positive(),
            [reason] => own.contains(reason),
            _ => false,
        }
    }
}

impl ErdsReason {
    const URIS: &'static str = "https://semper.example/erds/reasons/";

    /// Its URI.
    #[must_use]
    pub fn uri(self) -> String {
        [Self::URIS, self.name()].concat()
    }

    /// The one with this URI.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        let name = uri.strip_prefix(Self::URIS)?;
        Self::ALL.iter().copied().find(|reason| reason.name() == name)
    }

    /// What it says, for people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Expired => "the delivery's end had passed when it was submitted",
            Self::NoEnd => "the delivery has no end",
            Self::EndTooFar => "the delivery's end is farther ahead than the policy allows",
            Self::UnknownRecipient => "the service does not know the recipient, or not with this key",
            Self::NoAddress => "the service has no address to which a notice to the recipient could go",
            Self::NoticeFailed => "the notice to the recipient was not taken where it went",
            Self::NoticeLate => "the notice to the recipient was not left in time",
            Self::Refused => "the recipient refused, and gave no reason",
            Self::NotWanted => "the recipient does not want it",
            Self::NotForRecipient => "the recipient says that it is for somebody else",
            Self::ContentMissing => "the recipient says that the content did not come, or is another",
            Self::NoAnswer => "the end passed, and the recipient had neither taken nor refused it",
            Self::TakenBack => "the originator took the delivery back",
            Self::Escrow => "the escrow did not hold the key",
            Self::RefusedBefore => "the recipient had refused, and the end passed",
            Self::NotConsigned => {
                "the recipient would take it, and the end passed without anybody having asked for the key"
            }
            Self::NotCollected => "the key was kept as long as the policy says, and the recipient did not collect it",
            Self::AfterNegative => "the negative event was recorded before",
        }
    }
}

impl From<RefuseReason> for ErdsReason {
    fn from(reason: RefuseReason) -> Self {
        match reason {
            RefuseReason::NotWanted => Self::NotWanted,
            RefuseReason::NotForMe => Self::NotForRecipient,
            RefuseReason::ContentMissing => Self::ContentMissing,
        }
    }
}

impl From<ErdsEvent> for String {
    fn from(event: ErdsEvent) -> Self {
        event.uri()
    }
}

impl TryFrom<String> for ErdsEvent {
    type Error = &'static str;

    fn try_from(uri: String) -> Result<Self, &'static str> {
        Self::from_uri(&uri).ok_or("no URI of an event that this service has")
    }
}

impl From<ErdsReason> for String {
    fn from(reason: ErdsReason) -> Self {
        reason.uri()
    }
}

impl TryFrom<String> for ErdsReason {
    type Error = &'static str;

    fn try_from(uri: String) -> Result<Self, &'static str> {
        Self::from_uri(&uri).ok_or("no URI of a reason that this service has")
    }
}

/// A reason as it stands in evidence: its URI, by which programs know it, and what it says to people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventReason {
    /// Which.
    pub uri: ErdsReason,
    /// In words: nothing depends on them.
    pub text: Line,
}

impl From<ErdsReason> for EventReason {
    fn from(uri: ErdsReason) -> Self {
        Self { uri, text: Line::new(uri.text()).expect("each is a line, as a test shows") }
    }
}

impl ErdsEvidence {
    /// Its reasons.
    #[must_use]
    pub fn codes(&self) -> Vec<ErdsReason> {
        self.reasons.iter().map(|reason| reason.uri).collect()
    }

    /// How the run was decided, by what it says; `None` where it says nothing of that.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self.event {
            ErdsEvent::ContentConsignment | ErdsEvent::ContentHandoverFailure => Some(Outcome::Released),
            // By d4 the recipient may have the key from its sender.
            ErdsEvent::ContentHandover => self.verdict.map(|_| Outcome::Released),
            ErdsEvent::ContentConsignmentFailure => match self.codes().first() {
                Some(ErdsReason::TakenBack) => Some(Outcome::Aborted),
                Some(ErdsReason::Escrow) => Some(Outcome::Void),
                // The end passed, and nobody had asked.
                _ => None,
            },
            ErdsEvent::SubmissionAcceptance
            | ErdsEvent::SubmissionRejection
            | ErdsEvent::NotificationForAcceptance
            | ErdsEvent::NotificationForAcceptanceFailure
            | ErdsEvent::ConsignmentAcceptance
            | ErdsEvent::ConsignmentRejection
            | ErdsEvent::AcceptanceRejectionExpiry => None,
        }
    }
}

macro_rules! follows {
    ($($body:ty = $tag:literal,)+) => {
        $(impl Body for $body {
            const TAG: &'static str = $tag;
            const FOLLOWS: bool = true;
        })+
    };
}

follows! {
    Submit = "cd-r/submit",
    Refuse = "cd-r/refuse",
    ErdsEvidence = "erds/evidence",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_reasons_are_known_by_their_uris() {
        let uri = "http://uri.etsi.org/19522/Event/AcceptanceRejectionExpiry";
        assert_eq!(ErdsEvent::AcceptanceRejectionExpiry.uri(), uri);
        for event in ErdsEvent::ALL {
            assert_eq!(ErdsEvent::from_uri(&event.uri()), Some(*event));
            assert_eq!(ErdsEvent::from_code(event.code()), Some(*event));
        }
        for reason in ErdsReason::ALL {
            assert_eq!(ErdsReason::from_uri(&reason.uri()), Some(*reason));
            assert_eq!(EventReason::from(*reason).text.as_str(), reason.text());
        }
        assert_eq!(ErdsEvent::from_uri("http://uri.etsi.org/19522/Event/RelayFailure"), None);
        assert_eq!(ErdsEvent::from_uri("AcceptanceRejectionExpiry"), None);
        assert_eq!(ErdsReason::from_uri("no-answer"), None);
    }

    #[test]
    fn no_negative_event_is_without_reason_and_no_reason_is_of_another_kind() {
        for event in ErdsEvent::ALL {
            assert_eq!(event.may_have(&[]), event.is_positive(), "{}", event.letter());
            let own: Vec<_> = ErdsReason::ALL.iter().filter(|reason| event.may_have(&[**reason])).collect();
            assert!(own.iter().all(|reason| (**reason == ErdsReason::AfterNegative) == event.is_positive()));
            assert_eq!(own.is_empty(), *event == ErdsEvent::SubmissionAcceptance, "{}", event.letter());
            assert!(own.iter().all(|reason| !event.may_have(&[**reason, **reason])));
        }
        // Each reason is one of one event, but for that which every positive event may have.
        for reason in ErdsReason::ALL {
            let events = ErdsEvent::ALL.iter().filter(|event| event.may_have(&[*reason])).count();
            assert_eq!(events, if *reason == ErdsReason::AfterNegative { 4 } else { 1 }, "{}", reason.name());
        }
    }

    #[test]
    fn an_identifier_is_of_one_event_of_one_delivery() {
        let ids: std::collections::BTreeSet<_> = [[1; 32], [2; 32]]
            .iter()
            .flat_map(|x| ErdsEvent::ALL.iter().map(|event| evidence_id(&Digest(*x), *event).0))
            .collect();
        assert_eq!(ids.len(), 2 * ErdsEvent::ALL.len());
    }
}
