//! What a notary counts. Labels are kinds, reasons and answers, of which there are few; never acts, people or documents.

use prometheus::{Gauge, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use semper_ttp::{
    notary::{
        ActType, JournalFact, JournalState, NotaryRefusal, Reason, Service, Stage,
        dvcs::{Refusal, types::ServiceType},
    },
    time::Timestamp,
    validation::Indication,
};

use super::{register, unix_secs};
use crate::{NotaryFault, SealFault};

/// How a data validation certificate ends an act.
const ANSWERED: [&str; 2] = ["granted", "rejected"];

/// How every other act ends: `expired` when an officer had it to decide, `unsigned` when signatures were missing.
const ENDED: [&str; 5] = ["performed", "refused", "withdrawn", "expired", "unsigned"];

/// Why the journal takes nothing, for no fault of who asks.
const FAILED: [&str; 3] = ["busy", "fault", "not_ready"];

/// A request that did not read names no service.
const UNREAD: &str = "unread";

/// Acts, requests of RFC 3029, validations, and what the journal refuses.
#[derive(Debug)]
pub(crate) struct NotaryMetrics {
    acts: IntCounterVec,
    open: IntGaugeVec,
    waiting_age: Gauge,
    waiting_end: IntGauge,
    dvcs: IntCounterVec,
    validations: IntCounterVec,
    refused: IntCounterVec,
    room: IntGaugeVec,
}

/// Acts that are open at a moment.
pub(crate) struct OpenActs {
    /// What each waits for.
    pub(crate) stages: Vec<Stage>,
    /// For how long the oldest has waited for an officer, seconds.
    pub(crate) waiting_secs: Option<f64>,
    /// When the first of those that wait for an officer ends undecided.
    pub(crate) ends: Option<Timestamp>,
}

impl NotaryMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            register(registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            register(registry, IntGaugeVec::new(Opts::new(name, help), labels))
        };
        let shown = Self {
            acts: counters("semper_notary_acts_total", "Acts that ended, by kind and outcome", &["kind", "outcome"]),
            open: gauges("semper_notary_acts_open", "Acts that are open, by what they wait for", &["stage"]),
            waiting_age: register(
                registry,
                Gauge::with_opts(Opts::new(
                    "semper_notary_waiting_age_seconds",
                    "How long the oldest act has waited for an officer; NaN without",
                )),
            ),
            waiting_end: register(
                registry,
                IntGauge::with_opts(Opts::new(
                    "semper_notary_waiting_end_timestamp_seconds",
                    "Unix time at which the first act that waits for an officer ends undecided; 0 without",
                )),
            ),
            dvcs: counters(
                "semper_notary_dvcs_total",
                "Answers to requests of RFC 3029, by service and certified or the notice's reason",
                &["service", "answer"],
            ),
            validations: counters("semper_notary_validations_total", "Validations, by indication", &["indication"]),
            refused: counters("semper_notary_refused_total", "What the journal did not take, by reason", &["reason"]),
            room: gauges(
                "semper_notary_room_bytes",
                "Room for long documents, taken and free, where they come as they are and in JSON",
                &["room", "state"],
            ),
        };
        // From zero on: the first of a kind is a rise that an alert sees.
        let counted = |counter: &IntCounterVec, labels: &[&str]| counter.with_label_values(labels).inc_by(0);
        for act in ActType::ALL {
            ENDED.iter().for_each(|outcome| counted(&shown.acts, &[act.name(), outcome]));
        }
        for service in Service::ALL {
            ANSWERED.iter().for_each(|outcome| counted(&shown.acts, &[service.name(), outcome]));
            counted(&shown.dvcs, &[service.name(), "certified"]);
            counted(&shown.dvcs, &[service.name(), Refusal::Unavailable.code()]);
        }
        for indication in [Indication::TotalPassed, Indication::TotalFailed, Indication::Indeterminate] {
            counted(&shown.validations, &[indication.name()]);
        }
        FAILED.iter().for_each(|reason| counted(&shown.refused, &[reason]));
        shown.open(&OpenActs { stages: Vec::new(), waiting_secs: None, ends: None });
        for room in ["plain", "json"] {
            shown.room(room, 0, 0);
        }
        shown
    }

    /// A fact of the journal is durable; `before` is the state that it was decided on.
    pub(crate) fn entered(&self, fact: &JournalFact, before: &JournalState) {
        let (kind, outcome) = match fact {
            JournalFact::Validated { service, granted, .. } => (service.name(), ANSWERED[usize::from(!granted)]),
            JournalFact::Recorded(recorded) => {
                let open = before.open.get(&recorded.id);
                let outcome = match recorded.reason {
                    Some(Reason::Withdrawn) => "withdrawn",
                    Some(Reason::Expired) if open.is_some_and(|act| act.stage() == Stage::Collecting) => "unsigned",
                    Some(Reason::Expired) => "expired",
                    _ => recorded.outcome().name(),
                };
                (recorded.act.name(), outcome)
            }
            JournalFact::Opened { .. }
            | JournalFact::Signed { .. }
            | JournalFact::Assigned { .. }
            | JournalFact::Reported { .. }
            | JournalFact::Kept { .. }
            | JournalFact::Personal { .. } => return,
        };
        self.acts.with_label_values(&[kind, outcome]).inc();
    }

    /// The journal took nothing.
    pub(crate) fn refused(&self, fault: &NotaryFault) {
        let reason = match fault {
            NotaryFault::Refused(refusal) => refusal.code(),
            NotaryFault::Ended { .. } => NotaryRefusal::NotOpen.code(),
            NotaryFault::NoNotary
            | NotaryFault::NotReady
            | NotaryFault::Seal(SealFault::NotReady | SealFault::NoKey) => "not_ready",
            NotaryFault::KeyReused => "key_reused",
            NotaryFault::Busy => "busy",
            NotaryFault::Record(_) | NotaryFault::Request(_) | NotaryFault::NotGiven { .. } => "request",
            NotaryFault::Signature(_) => "signature",
            NotaryFault::Signer(_) => "signer",
            NotaryFault::Seal(_) | NotaryFault::Erased | NotaryFault::Fault(_) => "fault",
        };
        self.refused.with_label_values(&[reason]).inc();
    }

    /// A request of RFC 3029 was answered: with a certificate, or for this reason with a notice.
    pub(crate) fn dvcs(&self, service: Option<ServiceType>, refusal: Option<&Refusal>) {
        let answer = refusal.map_or("certified", Refusal::code);
        self.dvcs.with_label_values(&[service.map_or(UNREAD, ServiceType::name), answer]).inc();
    }

    /// Signatures or certificates were judged.
    pub(crate) fn validated(&self, indication: Indication) {
        self.validations.with_label_values(&[indication.name()]).inc();
    }

    /// The acts that are open now.
    pub(crate) fn open(&self, acts: &OpenActs) {
        for stage in [Stage::Collecting, Stage::Waiting, Stage::Taken] {
            let count = acts.stages.iter().filter(|one| **one == stage).count();
            self.open.with_label_values(&[stage.name()]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.waiting_age.set(acts.waiting_secs.unwrap_or(f64::NAN));
        self.waiting_end.set(acts.ends.map_or(0, unix_secs));
    }

    /// Octets of a room for documents.
    pub(crate) fn room(&self, room: &str, taken: usize, free: usize) {
        for (state, bytes) in [("taken", taken), ("free", free)] {
            self.room.with_label_values(&[room, state]).set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use semper_ttp::{digest::Digest, notary::RecordedAct, policy::person::Officer};

    use super::*;

    fn lines(registry: &Registry) -> Vec<String> {
        super::super::render(registry).lines().map(str::to_owned).collect()
    }

    /// Who waited for whom when an act ended undecided is told apart.
    #[test]
    fn acts_are_counted_by_how_they_end() {
        let registry = Registry::new();
        let metrics = NotaryMetrics::new(&registry);
        let state = JournalState::default();
        let at = Timestamp::from_secs(1);
        let recorded = |reason| {
            JournalFact::Recorded(Box::new(RecordedAct {
                id: [1; 16].into(),
                number: 1,
                at,
                opened_at: at,
                act: ActType::Copy,
                request: Digest::of(b"request"),
                requester: Officer::itself(Digest::of(b"certificate")),
                subject: Digest::of(b"document"),
                reason,
                officer: None,
                checks: semper_ttp::notary::Checks::none(),
                report: None,
            }))
        };
        for reason in [None, Some(Reason::Other), Some(Reason::Withdrawn), Some(Reason::Expired)] {
            metrics.entered(&recorded(reason), &state);
        }
        let all = lines(&registry);
        for (outcome, count) in [("performed", 1), ("refused", 1), ("withdrawn", 1), ("expired", 1), ("unsigned", 0)] {
            let line = format!("semper_notary_acts_total{{kind=\"copy\",outcome=\"{outcome}\"}} {count}");
            assert!(all.contains(&line), "{line}: {all:?}");
        }
    }

    #[test]
    fn everything_is_there_from_the_beginning() {
        let registry = Registry::new();
        let metrics = NotaryMetrics::new(&registry);
        metrics.dvcs(None, Some(&Refusal::NotARequest));
        metrics.refused(&NotaryFault::Busy);
        metrics.room("plain", 10, 20);
        let all = lines(&registry);
        for line in [
            "semper_notary_acts_open{stage=\"waiting\"} 0",
            "semper_notary_waiting_age_seconds NaN",
            "semper_notary_waiting_end_timestamp_seconds 0",
            "semper_notary_dvcs_total{answer=\"certified\",service=\"ccpd\"} 0",
            "semper_notary_dvcs_total{answer=\"dvcs.unavailable\",service=\"vpkc\"} 0",
            "semper_notary_dvcs_total{answer=\"dvcs.not_a_request\",service=\"unread\"} 1",
            "semper_notary_refused_total{reason=\"busy\"} 1",
            "semper_notary_refused_total{reason=\"fault\"} 0",
            "semper_notary_room_bytes{room=\"plain\",state=\"free\"} 20",
        ] {
            assert!(all.iter().any(|found| found == line), "{line}: {all:?}");
        }
        let indications = all.iter().filter(|line| line.starts_with("semper_notary_validations_total")).count();
        assert_eq!(indications, 3);
    }
}
