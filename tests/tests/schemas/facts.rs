//! A fact of each kind, as the vectors have them.

use semper_ledger::note::NoteSigner;
use semper_ttp::{
    account::{AccountFact, Kind as Misbehaviour},
    b64u::B64u,
    ca::{
        Authority, CaFact, CaId, Grounds, ListId, bulk::OrderId, credential::Revocation, crl::Reason, dual_control,
        imported::Predecessor, profile::ProfileCode,
    },
    crypto::jose::Thumbprint,
    digest::{Digest, ImprintAlgorithm},
    evidence::{Aggregate, Envelope, Fact, Formats, Genesis, KeyId, KeyPurpose, LedgerFact, OpsFact, Recorded},
    exchange::{
        Decision, Exchange, ExchangeFact, KeyMoved,
        erds::{ErdsFact, Posting, Recording, RegisteredDelivery},
        expiry::End,
        inline::{Agreement, Inline, InlineDecision, InlineFact, Moved as ItemMoved},
        paid::{Cause, Paid, PaidDecision, PaidFact, Shown, Terms as PaidTerms, Thing, Told},
        policy::DeliveryPolicy,
    },
    id::{ActId, PartyId, RegistrationId},
    money::{Amount, Currency},
    notary::{ActType, Checks, Journal, JournalFact, OfficerCheck, Reason as ActReason, RecordedAct, Service},
    party::{PartyFact, ReinstatementReason, SuspensionReason, UnbindReason},
    payment::{
        Authority as MoneyAuthority, Bearer, Call, Change, ClearedBy, Moved, Order, Payment, PaymentFact, Place,
        Purpose, Terms,
        rail::{DeclineCode, RailClass, RailId, RailOp},
    },
    policy::person::{Officer, Person},
    registration::{RefusalReason, RefusedBy, RegistrationFact, RequestedKey},
    statement::exchange::{
        Assurance, Outcome as ExchangeOutcome, Protocol, Side,
        erds::{ErdsEvent, ErdsReason},
        inline::{DepositFault, DepositMode},
        item::MatchResult,
    },
    time::Timestamp,
    timestamp::{ClockVerdict, TimestampFact, TokenSerial},
};
use std::sync::Arc;

use super::{ORIGIN, SPKI_P256, TIME_MS, ed25519, p256};
use semper_ledger::port::Signer as _;

pub(super) fn facts() -> Vec<Fact> {
    let key = KeyId::new(KeyPurpose::TsuEc, 1);
    let digest = |text: &str| Digest::of(text.as_bytes());
    let formats = Formats { entry: 1, fact: 1, store: 1 };
    let mut facts = Vec::new();
    let began = LedgerFact::Genesis {
        origin_hash: digest(ORIGIN),
        log_note: digest("log-note.1"),
        log_receipt: digest("log-receipt.1"),
        root_certificate: digest("root"),
        mmd_ms: 5_000,
        formats,
    };
    stored(began, Aggregate::of("ledger", ORIGIN.as_bytes()), &mut facts);
    for fact in [
        OpsFact::KeyMade { key, public_key: digest("public key") },
        OpsFact::KeyFirstUse { key },
        OpsFact::KeyEnded { key, destroyed: true },
        OpsFact::PolicyChanged { policy: digest("policy") },
        OpsFact::ClockSynchronised { error_micros: 850 },
        OpsFact::ClockSuspect { error_micros: 2_500 },
        OpsFact::ClockLost { reason: 5, offset_micros: 1_000_000, ago_millis: 30_000 },
        OpsFact::LeapSecond { at_millis: 1_798_761_600_000, inserted: true },
        OpsFact::OperatorAct { act: 3, subject: digest("subject") },
        OpsFact::Started { build: digest("build"), ago_millis: 12 },
        OpsFact::Stopped,
    ] {
        stored(fact, Aggregate::of("ops", b"service"), &mut facts);
    }
    let token = TimestampFact::TokenIssued {
        serial: TokenSerial::new(7, [0xAB; 12]).unwrap(),
        algorithm: ImprintAlgorithm::Sha256,
        imprint: Digest::of(Digest::of(b"document").as_bytes()),
        policy: "1.3.6.1.5.5.7.13.1".parse().unwrap(),
        clock: ClockVerdict::Synced,
        key,
        accuracy_micros: 500_000,
    };
    stored(token, Aggregate::of("timestamp", b"/tsa"), &mut facts);
    let serial = vec![0x80; 16];
    let issued = CaFact::CertificateIssued {
        issuer: Authority::Tsu,
        profile: ProfileCode::Tsu,
        public_key: digest("public key"),
        not_before: Timestamp::from_secs(1_772_366_400),
        not_after: Timestamp::from_secs(1_898_596_800),
        serial: serial.clone(),
        grounds: None,
    };
    stored(issued, CaId::first(Authority::Tsu).certificate(&serial), &mut facts);
    let list = CaFact::CrlIssued {
        list: ListId::first(Authority::Tsu),
        number: 1,
        this_update: Timestamp::from_secs(1_772_366_400),
        next_update: Timestamp::from_secs(1_772_971_200),
        entries: 0,
    };
    stored(list, ListId::first(Authority::Tsu).aggregate(), &mut facts);
    let anchor = LedgerFact::AnchorRemade { size: 300, root: digest("root"), asked: 3, vouched: 2, quorum: true };
    stored(anchor, LedgerFact::anchors(), &mut facts);

    let ca = CaId { authority: Authority::Party, generation: 2 };
    let (serial, shard) = (vec![0x41; 16], ListId { ca, partition: 7 });
    let (not_before, not_after) = (Timestamp::from_secs(1_772_366_400), Timestamp::from_secs(1_835_438_399));
    let grounds = Grounds {
        generation: 2,
        partition: 7,
        profile: digest("profile"),
        lint_version: 1,
        findings: vec![40],
        registration: vec![5; 16],
        request: digest("certification request"),
    };
    let issued = CaFact::CertificateIssued {
        issuer: Authority::Party,
        profile: ProfileCode::Party,
        serial: serial.clone(),
        public_key: digest("public key"),
        not_before,
        not_after,
        grounds: Some(grounds),
    };
    stored(issued, ca.certificate(&serial), &mut facts);
    let revoked = CaFact::CertificateRevoked {
        list: shard,
        serial: serial.clone(),
        at: Timestamp::from_secs(1_772_366_500),
        reason: Reason::KeyCompromise,
        not_after,
        public_key: digest("public key"),
        certificate: digest("certificate"),
        officer: digest("certificate of an officer"),
    };
    stored(revoked, ca.certificate(&serial), &mut facts);
    let list = CaFact::CrlIssued {
        list: shard,
        number: 1_772_366_501,
        this_update: Timestamp::from_secs(1_772_366_501),
        next_update: Timestamp::from_secs(1_772_539_301),
        entries: 1,
    };
    stored(list, shard.aggregate(), &mut facts);
    let refused = CaFact::IssueRefused {
        profile: digest("profile"),
        reason: 0,
        lint_version: 1,
        findings: vec![5, 8],
        registration: vec![5; 16],
    };
    stored(refused, Aggregate::of("issue-refused", &[5; 16]), &mut facts);
    registration_facts(&mut facts);
    party_facts(&mut facts);
    let (order, at) = (OrderId::from([6; 16]), Timestamp::from_millis(TIME_MS));
    let (document, officer) = (digest("order"), digest("certificate of an officer"));
    let ordered = CaFact::BulkOrdered { order, at, document, reason: Reason::Superseded, officer };
    for fact in [ordered, CaFact::BulkDone { order, at, revoked: 7 }] {
        stored(fact, order.aggregate(), &mut facts);
    }
    let ca = CaId { authority: Authority::Root, generation: 1 };
    let (certificate, officer) = (digest("certificate of a CA"), Officer::itself(officer));
    let asked =
        CaFact::RevocationAsked { ca, serial: serial.clone(), at, reason: Reason::CaCompromise, certificate, officer };
    stored(asked, dual_control::history(&certificate), &mut facts);
    let old = Predecessor::history_of(1);
    let ca = CaId::first(Authority::Imported);
    let public_key = digest("public key");
    stored(CaFact::AuthorityImported { ca, public_key, not_before, not_after }, old, &mut facts);
    let revoked = Revocation { at: Timestamp::from_secs(1_772_366_500), reason: Reason::AffiliationChanged };
    for (serial, revoked) in [(vec![7], None), (vec![8], Some(revoked))] {
        let history = ca.certificate(&serial);
        let imported = CaFact::CertificateImported { ca, serial, public_key, not_before, not_after, revoked };
        stored(imported, history, &mut facts);
    }
    let from = Timestamp::from_millis(TIME_MS);
    let access = OpsFact::Access { from_millis: from.millis(), reads: 3, root: digest("root of the lines") };
    stored(access, Aggregate::of_access(from), &mut facts);
    let (call, problem) = (digest("POST /v1/keys/tls/rotate"), digest("auth.forbidden"));
    let refused = OpsFact::CallRefused { caller: digest("certificate of an officer"), call, problem };
    stored(refused, Aggregate::service(), &mut facts);
    notary_facts(&mut facts);
    exchange_facts(&mut facts);
    payment_facts(&mut facts);
    account_facts(&mut facts);
    inline_facts(&mut facts);
    delivery_facts(&mut facts);
    paid_facts(&mut facts);
    facts
}

fn account_facts(facts: &mut Vec<Fact>) {
    let proof = Digest::of(b"a proof of misbehaviour");
    for (kind, is_proven) in [(Misbehaviour::Equivocation, true), (Misbehaviour::NoAnswer, false)] {
        stored(AccountFact::Misbehaviour { proof, kind, is_proven }, AccountFact::aggregate(&proof), facts);
    }
}

fn exchange_facts(facts: &mut Vec<Fact>) {
    let digest = |text: &str| Digest::of(text.as_bytes());
    let key = |text: &str| Thumbprint(digest(text).into());
    let (at, x, request) = (Timestamp::from_millis(TIME_MS), digest("payload of m1"), digest("payload of a request"));
    let (o, r) = (key("originator"), key("responder"));
    let decision = |outcome, end, c_r| {
        let protocol = match outcome {
            ExchangeOutcome::Released | ExchangeOutcome::Void => Protocol::CdR,
            _ => Protocol::AswR,
        };
        ExchangeFact::Decided(Box::new(Decision {
            x,
            at,
            protocol,
            outcome,
            policy: digest("policy"),
            assurance: Assurance::NonQualified,
            end,
            o,
            r,
            side: Side::Responder,
            request,
            c_r,
        }))
    };
    let c_r = digest("commitment");
    let end = |outages| Some(End { at_ms: TIME_MS - 1, outages });
    for fact in [
        decision(ExchangeOutcome::Aborted, None, None),
        decision(ExchangeOutcome::Resolved, end(vec![7, 900]), Some(c_r)),
        decision(ExchangeOutcome::Expired, end(vec![]), None),
        ExchangeFact::Answered { x, at, to: r, request, c_r: Some(c_r) },
        ExchangeFact::Answered { x, at, to: o, request, c_r: None },
        ExchangeFact::Anomaly { x, at, by: o, request, c_r: digest("another commitment") },
        decision(ExchangeOutcome::Released, None, None),
        decision(ExchangeOutcome::Void, None, None),
        ExchangeFact::KeyDeposited(KeyMoved { x, at, by: o, request }),
        ExchangeFact::KeyCollected(KeyMoved { x, at, by: r, request }),
    ] {
        stored(fact, Exchange::aggregate(&x), facts);
    }
    let outage = OpsFact::Outage { from_millis: TIME_MS - 600_000, to_millis: TIME_MS };
    stored(outage, Aggregate::service(), facts);
}

fn inline_facts(facts: &mut Vec<Fact>) {
    let digest = |text: &str| Digest::of(text.as_bytes());
    let key = |text: &str| Thumbprint(digest(text).into());
    let (at, x, item) = (Timestamp::from_millis(TIME_MS), digest("payload of inline/m1"), digest("an item"));
    let (request, other) = (digest("payload of a request"), digest("payload of another request"));
    let (policy, o, r) = (digest("policy"), key("originator"), key("responder"));
    let moved = |side, request| ItemMoved { side, request, item };
    let agreement = Agreement {
        x,
        request,
        policy,
        assurance: Assurance::NonQualified,
        mode: DepositMode::Sealed,
        o,
        r,
        t_dep: TIME_MS + 600_000,
        t_exp: TIME_MS + 1_200_000,
        retention_ms: 86_400_000,
    };
    let decided = |outcome, assurance, end, by, deposits| {
        InlineFact::Decided(Box::new(InlineDecision { x, at, outcome, policy, assurance, end, o, r, by, deposits }))
    };
    let [kept, missed] =
        [(TIME_MS + 600_000, vec![]), (TIME_MS - 1, vec![7, 900])].map(|(at_ms, outages)| End { at_ms, outages });
    let by = Some((Side::Responder, request));
    for fact in [
        InlineFact::Registered { at, agreement: Box::new(agreement) },
        InlineFact::Submitted { x, at, moved: moved(Side::Responder, request), size: 26, result: MatchResult::Match },
        InlineFact::Submitted {
            x,
            at,
            moved: moved(Side::Originator, other),
            size: 26,
            result: MatchResult::NeedsHuman,
        },
        InlineFact::Kept { x, at, side: Side::Responder, size: 55 },
        InlineFact::SubmissionRefused {
            x,
            at,
            moved: moved(Side::Originator, request),
            reason: DepositFault::Mismatch,
        },
        InlineFact::Waived { x, at, side: Side::Responder, request },
        decided(ExchangeOutcome::Released, Assurance::NonQualified, kept, by, 2),
        decided(ExchangeOutcome::Returned, Assurance::Advanced, missed, None, 1),
        InlineFact::Collected { x, at, moved: moved(Side::Originator, request) },
        InlineFact::Erased { x, at },
    ] {
        stored(fact, Inline::aggregate(&x), facts);
    }
}

fn delivery_facts(facts: &mut Vec<Fact>) {
    let digest = |text: &str| Digest::of(text.as_bytes());
    let key = |text: &str| Thumbprint(digest(text).into());
    let (at, x, t_exp) = (Timestamp::from_millis(TIME_MS), digest("payload of cd-r/d1"), TIME_MS + 600_000);
    let rules = DeliveryPolicy {
        retention_ms: 86_400_000,
        open_max_ms: 2_592_000_000,
        notice_ms: 3_600_000,
        late_counts: false,
    };
    let posting = Posting {
        x,
        request: digest("payload of cd-r/submit"),
        policy: digest("policy"),
        assurance: Assurance::NonQualified,
        o: key("originator"),
        r: key("recipient"),
        t_exp: Some(t_exp),
        notice: true,
        rules,
    };
    let endless =
        Posting { t_exp: None, notice: false, rules: DeliveryPolicy { late_counts: true, ..rules }, ..posting.clone() };
    let submitted = |posting: Posting| ErdsFact::Submitted { at, posting: Box::new(posting) };
    let recorded = |event, event_ms, reason, statement: Option<&str>, verdict: Option<&str>, outages| {
        let [statement, verdict] = [statement, verdict].map(|of| of.map(digest));
        ErdsFact::Recorded(Box::new(Recording { x, at, event, event_ms, reason, statement, verdict, outages }))
    };
    let (missed, verdict, claimed) = (TIME_MS - 1, Some("verdict"), TIME_MS - 60_000);
    for fact in [
        submitted(posting),
        submitted(endless),
        recorded(ErdsEvent::SubmissionAcceptance, TIME_MS, None, Some("payload of cd-r/submit"), None, vec![]),
        recorded(
            ErdsEvent::SubmissionRejection,
            TIME_MS,
            Some(ErdsReason::UnknownRecipient),
            Some("payload of cd-r/submit"),
            None,
            vec![],
        ),
        recorded(ErdsEvent::NotificationForAcceptance, missed, None, None, None, vec![]),
        recorded(ErdsEvent::NotificationForAcceptanceFailure, TIME_MS, Some(ErdsReason::NoAddress), None, None, vec![]),
        recorded(ErdsEvent::ConsignmentAcceptance, claimed, None, Some("payload of cd-r/d2"), None, vec![]),
        recorded(
            ErdsEvent::ConsignmentAcceptance,
            claimed,
            Some(ErdsReason::AfterNegative),
            Some("payload of cd-r/d2"),
            None,
            vec![],
        ),
        recorded(
            ErdsEvent::ConsignmentRejection,
            claimed,
            Some(ErdsReason::NotWanted),
            Some("payload of cd-r/refuse"),
            None,
            vec![],
        ),
        recorded(ErdsEvent::AcceptanceRejectionExpiry, missed, Some(ErdsReason::NoAnswer), None, None, vec![7, 900]),
        recorded(ErdsEvent::ContentConsignment, TIME_MS, None, None, verdict, vec![]),
        recorded(ErdsEvent::ContentConsignmentFailure, TIME_MS, Some(ErdsReason::Escrow), None, verdict, vec![]),
        recorded(ErdsEvent::ContentHandover, TIME_MS, None, Some("payload of cd-r/resolve-r"), verdict, vec![]),
        recorded(ErdsEvent::ContentHandoverFailure, missed, Some(ErdsReason::NotCollected), None, None, vec![]),
    ] {
        stored(fact, RegisteredDelivery::aggregate(&x), facts);
    }
}

fn payment_facts(facts: &mut Vec<Fact>) {
    let digest = |text: &str| Digest::of(text.as_bytes());
    let (at, x, case) = (Timestamp::from_millis(TIME_MS), digest("payload of an order"), digest("case"));
    let terms = Terms {
        x,
        rail: RailId::new("simulator").unwrap(),
        class: RailClass::Auth,
        payer: [5; 16].into(),
        payee: [6; 16].into(),
        amount: Amount::new(125_000, Currency::new("EUR").unwrap()).unwrap(),
        fee_bps: 250,
        until: Timestamp::from_millis(TIME_MS + 86_400_000),
    };
    let order = |by| Order { id: digest("what orders it"), by };
    let (by_exchange, by_verdict) = (order(MoneyAuthority::Exchange), order(MoneyAuthority::Verdict { case }));
    let by_settlement = order(MoneyAuthority::Settlement { case });
    let asked = |purpose, op, seq, amount, order| Change::Requested { call: Call { purpose, op, seq, amount, order } };
    let (evidence, item, seq) = (digest("evidence of a rail"), digest("evidence of a chargeback"), 1);
    let cleared = |bearer, by| Change::Cleared { item, moved: Moved::Out, amount: 5_000, bearer, by };
    for change in [
        Change::HoldRequested { terms: Box::new(terms), order: by_exchange },
        Change::Held { expires_at: Some(Timestamp::from_millis(TIME_MS + 432_000_000)), evidence },
        Change::Held { expires_at: None, evidence },
        Change::Declined { op: RailOp::Capture, seq: 0, code: DeclineCode::Funds },
        asked(Purpose::Capture, RailOp::Capture, seq, 100_000, by_verdict),
        Change::Captured { seq, amount: 100_000, place: Place::Auth, evidence: Some(evidence) },
        Change::Captured { seq, amount: 100_000, place: Place::Escrowed, evidence: None },
        asked(Purpose::Release, RailOp::Release, 0, 25_000, by_settlement),
        Change::Released { op: RailOp::Release, seq: 0, amount: 25_000, place: Place::Funded, evidence },
        asked(Purpose::Refund, RailOp::Refund, 0, 10_000, by_exchange),
        Change::Refunded { seq: 0, amount: 10_000, evidence },
        Change::ChargedBack { amount: 5_000, ends_hold: false, evidence: item },
        Change::Expired { call: None, amount: 125_000, told: 125_000, place: Place::Auth, evidence },
        Change::Expired {
            call: Some((RailOp::Release, 0)),
            amount: 125_000,
            told: 90_000,
            place: Place::Funded,
            evidence,
        },
        Change::Frozen { case, needed_until: Timestamp::from_millis(TIME_MS + 864_000_000) },
        asked(Purpose::Escrow, RailOp::Capture, 0, 125_000, by_exchange),
        Change::Escrowed { seq: 0, amount: 125_000, evidence },
        Change::Thawed { case },
        Change::PaidOut { amount: 97_500, evidence },
        Change::Contradicted { op: RailOp::Capture, seq: 0, told: 90_000, amount: 10_000, moved: Moved::Out, evidence },
        cleared(Bearer::Payee, ClearedBy::Order(by_verdict)),
        cleared(Bearer::Rail, ClearedBy::Rail(evidence)),
    ] {
        stored(PaymentFact { x, at, change }, Payment::aggregate(&x), facts);
    }
}

fn paid_facts(facts: &mut Vec<Fact>) {
    let digest = |text: &str| Digest::of(text.as_bytes());
    let (at, x, case) = (Timestamp::from_millis(TIME_MS), digest("payload of an order"), digest("case"));
    let key = |text: &str| Thumbprint(B64u(digest(text).0));
    let (payer, payee) = (key("key of the payer"), key("key of the payee"));
    let physical = PaidTerms {
        x,
        protocol: Protocol::Pg,
        thing: Thing::Physical,
        policy: digest("policy for exchanges"),
        assurance: Assurance::NonQualified,
        payer: ([5; 16].into(), payer),
        payee: ([6; 16].into(), payee),
        amount: Amount::new(125_000, Currency::new("EUR").unwrap()).unwrap(),
        fee_bps: 250,
        rail: RailId::new("simulator").unwrap(),
        t_hold: TIME_MS + 86_400_000,
        t_ship: Some(TIME_MS + 345_600_000),
        t_accept: Some(1_209_600_000),
        t_exp: TIME_MS + 1_209_600_000,
    };
    let receipt =
        PaidTerms { protocol: Protocol::Pr, thing: Thing::Receipt, t_ship: None, t_accept: None, ..physical.clone() };
    let shown = |what, text: &str, by, delivery, counts| {
        let statement = digest(text);
        PaidFact::Shown { x, at, what, statement, by, delivery, counts }
    };
    let decided = |outcome, cause, end, basis| {
        PaidFact::Decided(Box::new(PaidDecision {
            x,
            at,
            protocol: Protocol::Pg,
            outcome,
            cause,
            policy: digest("policy for exchanges"),
            assurance: Assurance::NonQualified,
            end,
            payer,
            payee,
            basis,
        }))
    };
    let moved = End { at_ms: TIME_MS - 1, outages: vec![12] };
    for fact in [
        PaidFact::Opened { at, terms: Box::new(physical) },
        PaidFact::Opened { at, terms: Box::new(receipt) },
        shown(Shown::Accepted, "payload of an acceptance", payee, None, true),
        shown(Shown::Delivered, "payload of a receipt", payer, Some(digest("payload of a delivery")), false),
        PaidFact::Told { x, at, what: Told::Held, source: digest("fact about money") },
        PaidFact::Frozen { x, at, case },
        PaidFact::Thawed { x, at, case },
        decided(ExchangeOutcome::Captured, Cause::Shown, None, vec![1, 4]),
        decided(ExchangeOutcome::Released, Cause::Time, Some(moved), vec![]),
    ] {
        stored(fact, Paid::aggregate(&x), facts);
    }
}

fn registration_facts(facts: &mut Vec<Fact>) {
    let digest = |text: &str| Digest::of(text.as_bytes());
    let (id, at) = (RegistrationId::from([5; 16]), Timestamp::from_millis(TIME_MS));
    let (officer, second) = (digest("certificate of an officer"), digest("certificate of another officer"));
    let key = RequestedKey {
        profile: digest("profile"),
        class: ProfileCode::Party.code(),
        request: digest("certification request"),
        public_key: digest("public key"),
    };
    let applied = |applicant, applied_by| RegistrationFact::Applied {
        id,
        at,
        keys: vec![key],
        subject: digest("application"),
        applicant,
        terms: digest("acceptance of the terms"),
        officers_needed: 2,
        applied_by,
    };
    let party = PartyId::from([6; 16]);
    let first = Officer::itself(officer);
    let second = Officer { certificate: second, person: Person::Party([7; 16].into()) };
    let holder = Officer { certificate: digest("certificate of a party"), person: Person::Party(party) };
    for fact in [
        applied(None, None),
        applied(Some(party), Some(holder)),
        RegistrationFact::IdentityRecorded { id, at, record: digest("identity record"), officer: first },
        RegistrationFact::Approved {
            id,
            at,
            officer: first,
            remaining: 1,
            serials: Vec::new(),
            public_keys: Vec::new(),
            party: None,
        },
        RegistrationFact::Approved {
            id,
            at,
            officer: second,
            remaining: 0,
            serials: vec![[0x41; 16]],
            public_keys: vec![digest("public key")],
            party: Some(party),
        },
        RegistrationFact::Refused {
            id,
            at,
            reason: RefusalReason::EvidenceInsufficient,
            by: RefusedBy::Officer(officer),
        },
        RegistrationFact::Refused { id, at, reason: RefusalReason::WithdrawnByApplicant, by: RefusedBy::Applicant },
        RegistrationFact::Refused {
            id,
            at,
            reason: RefusalReason::Expired,
            by: RefusedBy::Age { life_secs: 2_592_000 },
        },
    ] {
        stored(fact, id.aggregate(), facts);
    }
}

fn party_facts(facts: &mut Vec<Fact>) {
    let digest = |text: &str| Digest::of(text.as_bytes());
    let (party, at) = (PartyId::from([6; 16]), Timestamp::from_millis(TIME_MS));
    let officer = digest("certificate of an officer");
    let thumbprint = Thumbprint(B64u(digest("key").0));
    let ca = CaId { authority: Authority::Party, generation: 2 };
    for fact in [
        PartyFact::Registered { party, at, registration: [5; 16].into(), terms: digest("acceptance of the terms") },
        PartyFact::KeyBound {
            party,
            at,
            thumbprint,
            certificate: digest("certificate"),
            history: ca.certificate(&[0x41; 16]),
            not_after: Timestamp::from_secs(1_835_438_399),
        },
        PartyFact::KeyUnbound { party, at, thumbprint, reason: UnbindReason::Superseded },
        PartyFact::TermsAccepted { party, at, policy: digest("terms"), statement: digest("statement") },
        PartyFact::Suspended { party, at, reason: SuspensionReason::KeysInDoubt, officer },
        PartyFact::Reinstated { party, at, reason: ReinstatementReason::Settled, officer },
    ] {
        stored(fact, party.aggregate(), facts);
    }
}

fn notary_facts(facts: &mut Vec<Fact>) {
    let digest = |text: &str| Digest::of(text.as_bytes());
    let (id, at) = (ActId::from([8; 16]), Timestamp::from_millis(TIME_MS));
    let (request, subject) = (digest("request"), digest("document"));
    let party = PartyId::from([6; 16]);
    let requester = Officer { certificate: digest("certificate of a party"), person: Person::Party(party) };
    let officer = Some(Officer::itself(digest("certificate of an officer")));
    let validated = |service, requester| JournalFact::Validated {
        id,
        number: 1,
        at,
        service,
        request,
        requester,
        subject,
        serial: [0x41; 16],
        granted: requester.is_some(),
        report: service.validates().then(|| digest("report")),
    };
    let recorded = RecordedAct {
        id,
        number: 2,
        at,
        opened_at: at,
        act: ActType::Existence,
        request,
        requester,
        subject,
        reason: None,
        officer: None,
        checks: Checks::none(),
        report: None,
    };
    let refused = RecordedAct {
        reason: Some(ActReason::IdentityNotProven),
        officer,
        checks: Checks::none().with(OfficerCheck::Content),
        ..recorded
    };
    let validated_act = RecordedAct { act: ActType::SignatureValidation, report: Some(digest("report")), ..recorded };
    for fact in [
        validated(Service::Ccpd, None),
        validated(Service::Cpd, Some(requester)),
        validated(Service::Vsd, Some(requester)),
        validated(Service::Vpkc, Some(requester)),
        JournalFact::Recorded(Box::new(recorded)),
        JournalFact::Recorded(Box::new(refused)),
        JournalFact::Recorded(Box::new(validated_act)),
        JournalFact::Opened {
            id,
            number: 3,
            at,
            act: ActType::Contract,
            request,
            requester,
            subject,
            held: true,
            signers: [party].into(),
            needs_person: true,
            expires_at: at.plus_secs(86_400),
            report: None,
        },
        JournalFact::Signed {
            id,
            at,
            signer: party,
            certificate: requester.certificate,
            signature: digest("signature"),
        },
        JournalFact::Assigned { id, at, officer },
        JournalFact::Assigned { id, at, officer: None },
        JournalFact::Reported { id, at, report: digest("report") },
        JournalFact::Kept { id, at, place: 1, document: digest("document"), size: 12 },
        JournalFact::Personal { id, at, of: requester },
    ] {
        stored(fact, Journal::aggregate(), facts);
    }
}

/// The document that is the artefact of entry 0.
pub(super) fn genesis() -> Genesis {
    let note = NoteSigner::new(ORIGIN, Arc::new(ed25519([1; 32]))).unwrap();
    Genesis {
        r#type: Genesis::TYPE.to_owned(),
        version: Genesis::VERSION,
        origin: ORIGIN.to_owned(),
        vkey: note.verifier_key().to_string(),
        receipt_key: format!("{SPKI_P256}{}", hex::encode(p256([2; 32]).public_key())),
        root_certificate: Digest::of(b"root"),
        keys: [("log-note.1".to_owned(), Digest::of(b"log-note.1"))].into(),
        policy: Digest::of(b"policy"),
        mmd_ms: 5_000,
        formats: Formats { entry: 1, fact: 1, store: 1 },
    }
}

fn stored(fact: impl Recorded, aggregate: Aggregate, facts: &mut Vec<Fact>) {
    let envelope = Envelope {
        aggregate,
        seq: facts.len() as u64,
        now: Timestamp::from_millis(TIME_MS),
        salt: [facts.len() as u8; 16],
        policy_hash: Digest::of(b"policy"),
        event_digest: Digest::of(b"event"),
    };
    facts.push(fact.into_fact(&envelope));
}
