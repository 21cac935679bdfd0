//! What is recorded of one registered delivery, and what is still awaited.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::exchange::expiry::End;
use crate::statement::exchange::erds::{ErdsEvent, ErdsReason, ErdsStage};
use crate::time::Timestamp;

use super::Posting;

/// The state of a registered delivery; the default is one that nobody has submitted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ErdsState {
    /// What was submitted, and when.
    pub submission: Option<(Timestamp, Posting)>,
    /// Each event that occurred: once.
    pub events: BTreeMap<ErdsEvent, Logged>,
    /// Facts so far.
    pub steps: u64,
}

/// An event that is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Logged {
    /// The step that says so, whose artefact the evidence is.
    pub step: u64,
    /// When it happened, as it is claimed, milliseconds since 1970.
    pub event_ms: u64,
    /// Hash of the payload of the party's statement that it rests on.
    pub statement: Option<Digest>,
}

/// Something that is awaited: rule 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Awaited {
    /// The last moment for it.
    pub until: End,
    /// What is recorded when it has passed.
    pub negative: ErdsEvent,
    /// Why.
    pub reason: ErdsReason,
}

impl ErdsState {
    /// Whether this event is recorded.
    #[must_use]
    pub fn has(&self, event: ErdsEvent) -> bool {
        self.events.contains_key(&event)
    }

    /// Whether anything is recorded of a stage.
    fn has_any(&self, stage: ErdsStage) -> bool {
        self.events.keys().any(|event| event.stage() == stage)
    }

    /// Which event of a stage counts: the first that was recorded, or by the policy of the parties the positive one behind it. Rule 2.
    #[must_use]
    pub fn standing(&self, stage: ErdsStage) -> Option<ErdsEvent> {
        let late_counts = self.submission.as_ref().is_some_and(|(_, posting)| posting.rules.late_counts);
        let of_stage = || self.events.iter().filter(|(event, _)| event.stage() == stage);
        let first = of_stage().min_by_key(|(_, logged)| logged.step);
        let positive = of_stage().find(|(event, _)| event.is_positive()).filter(|_| late_counts);
        positive.or(first).map(|(event, _)| *event)
    }

    /// Everything that is awaited, the earliest first. `end` is that of the run.
    #[must_use]
    pub fn awaited(&self, end: &End) -> Vec<Awaited> {
        let Some((at, posting)) = &self.submission else { return Vec::new() };
        if !self.has(ErdsEvent::SubmissionAcceptance) {
            return Vec::new();
        }
        let own = |from_ms: u64, span_ms: u64| End { at_ms: from_ms.saturating_add(span_ms), outages: Vec::new() };
        let mut awaited = Vec::new();
        if self.awaits_notice() {
            awaited.push(Awaited {
                until: own(at.millis(), posting.rules.notice_ms),
                negative: ErdsEvent::NotificationForAcceptanceFailure,
                reason: ErdsReason::NoticeLate,
            });
        }
        // A delivery that was handed over, or is not handed over any more, is not waited for to be accepted either.
        if !self.has_any(ErdsStage::Consignment) && !self.has_any(ErdsStage::Handover) {
            let then = match self.acceptance() {
                None => Some((ErdsEvent::AcceptanceRejectionExpiry, ErdsReason::NoAnswer)),
                Some(ErdsEvent::ConsignmentAcceptance) => {
                    Some((ErdsEvent::ContentConsignmentFailure, ErdsReason::NotConsigned))
                }
                Some(ErdsEvent::ConsignmentRejection) => {
                    Some((ErdsEvent::ContentConsignmentFailure, ErdsReason::RefusedBefore))
                }
                // C.5 is the end of it.
                Some(_) => None,
            };
            awaited.extend(then.map(|(negative, reason)| Awaited { until: end.clone(), negative, reason }));
        }
        if let Some(consigned) = self.events.get(&ErdsEvent::ContentConsignment)
            && !self.has_any(ErdsStage::Handover)
        {
            awaited.push(Awaited {
                until: own(consigned.event_ms, posting.rules.retention_ms),
                negative: ErdsEvent::ContentHandoverFailure,
                reason: ErdsReason::NotCollected,
            });
        }
        awaited.sort_by_key(|awaited| awaited.until.at_ms);
        awaited
    }

    /// Whether a notice is still to be left: one that was asked for, while the recipient has shown by nothing that it knows.
    #[must_use]
    pub fn awaits_notice(&self) -> bool {
        let is_asked = self.submission.as_ref().is_some_and(|(_, posting)| posting.notice);
        let later = [ErdsStage::Notice, ErdsStage::Acceptance, ErdsStage::Consignment, ErdsStage::Handover];
        is_asked && self.has(ErdsEvent::SubmissionAcceptance) && !later.into_iter().any(|stage| self.has_any(stage))
    }

    /// The event of acceptance by which it goes on: the first. A late C.3 begins no new wait, since the end has passed behind C.5, and behind C.4
    /// it is awaited anyhow.
    fn acceptance(&self) -> Option<ErdsEvent> {
        let of_stage = self.events.iter().filter(|(event, _)| event.stage() == ErdsStage::Acceptance);
        of_stage.min_by_key(|(_, logged)| logged.step).map(|(event, _)| *event)
    }

    /// The moment after which a timer is to wake, milliseconds since 1970; `None` where nothing is awaited.
    #[must_use]
    pub fn wakes_after(&self, end: &End) -> Option<u64> {
        self.awaited(end).first().map(|awaited| awaited.until.at_ms)
    }
}
