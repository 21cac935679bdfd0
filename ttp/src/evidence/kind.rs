//! The numbers of roles and kinds, as they stand in public entries and in facts. Numbers are added, never reused.

use std::fmt;

/// Declares an enum whose numbers and names are stable.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $code:literal $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$variant_doc])* $variant = $code,)+ }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable number.
            #[must_use]
            pub const fn code(self) -> u64 {
                self as u64
            }

            /// The one with this number.
            #[must_use]
            pub fn from_code(code: u64) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }

            /// The stable name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}
pub(crate) use codes;

codes! {
    /// Who wrote an entry: its `role` number.
    RoleCode {
        /// The log itself.
        Ledger = 0 "ledger",
        /// Operators, keys, policies, the clock.
        Ops = 1 "ops",
        /// The timestamping authority.
        Timestamp = 2 "timestamp",
        /// The certificate authority.
        Ca = 3 "ca",
        /// The notary.
        Notary = 4 "notary",
        /// The fair-exchange arbiter.
        Exchange = 5 "exchange",
        /// The archive (later).
        Archive = 6 "archive",
        /// Claims and disputes (later).
        Dispute = 7 "dispute",
        /// Money that exchanges hold.
        Payment = 8 "payment",
        /// Applications for certificates, and parties.
        Party = 9 "party",
        /// Who keeps the third parties to account.
        Account = 10 "account",
    }
}

codes! {
    /// Kinds of role 0.
    LedgerKind {
        /// Entry 0: origin, public keys, policy.
        Genesis = 0 "genesis",
        /// The log got a new anchor in place of a lost one, by its operator's act.
        AnchorRemade = 1 "anchor-remade",
    }
}

codes! {
    /// Kinds of role 1.
    OpsKind {
        /// A key was generated.
        KeyMade = 0 "key-made",
        /// A key was used for the first time.
        KeyFirstUse = 1 "key-first-use",
        /// A key was destroyed, or its period is over.
        KeyEnded = 2 "key-ended",
        /// Another policy came into force.
        PolicyChanged = 3 "policy-change",
        /// The clock became synchronised.
        ClockSynchronised = 4 "clock-synchronised",
        /// The clock is in doubt; issuing goes on within the old bound.
        ClockSuspect = 5 "clock-suspect",
        /// The clock lost synchronisation, jumped, or left its bound: nothing that asserts time is issued.
        ClockLost = 6 "clock-lost",
        /// A leap second, with the moment.
        LeapSecond = 7 "leap-second",
        /// An operator's act other than those above.
        OperatorAct = 8 "operator-act",
        /// The service started.
        Started = 9 "started",
        /// The service was stopped in an orderly way.
        Stopped = 10 "stopped",
        /// Who read documents of the private store that name people: the root of an hour of the access log.
        Access = 11 "access",
        /// A call of somebody whom a certificate of ours names was refused.
        CallRefused = 12 "call-refused",
        /// The arbiter took no requests for a while.
        Outage = 13 "outage",
    }
}

codes! {
    /// Kinds of role 2.
    TimestampKind {
        /// A timestamp token; the entry's digest is that of its ContentInfo.
        Token = 0 "token",
    }
}

codes! {
    /// Kinds of role 3.
    CaKind {
        /// A certificate was issued; the entry's digest is that of its DER.
        CertificateIssued = 0 "certificate-issued",
        /// A CRL was issued; the entry's digest is that of its DER.
        CrlIssued = 1 "crl-issued",
        /// A certificate was revoked.
        CertificateRevoked = 2 "certificate-revoked",
        /// A certificate was not issued.
        IssueRefused = 3 "issue-refused",
        /// An officer ordered that all certificates of a filter be revoked; the entry's digest is that of the order.
        BulkOrdered = 4 "bulk-ordered",
        /// That was done.
        BulkDone = 5 "bulk-done",
        /// An existing CA was taken over; the entry's digest is that of its certificate.
        AuthorityImported = 6 "authority-imported",
        /// A certificate that such a CA had issued; the entry's digest is that of its DER, where that is known.
        CertificateImported = 7 "certificate-imported",
        /// Somebody asked that an issuing CA be revoked, which takes another person.
        RevocationAsked = 8 "revocation-asked",
    }
}

codes! {
    /// Kinds of role 4: the first four are those of RFC 3029.
    NotaryKind {
        /// A claim of possession was certified; the entry's digest is that of the DVC.
        Ccpd = 0 "ccpd",
        /// Possession was certified; the entry's digest is that of the DVC.
        Cpd = 1 "cpd",
        /// A signed document was validated; the entry's digest is that of the DVC.
        Vsd = 2 "vsd",
        /// Certificates were validated; the entry's digest is that of the DVC.
        Vpkc = 3 "vpkc",
        /// An act ended; the entry's digest is that of its record.
        Act = 4 "act",
        /// An act was opened that waits; the entry's digest is that of the request.
        ActOpened = 5 "act-opened",
        /// A signer of an act signed; the entry's digest is that of the signature.
        ActSigned = 6 "act-signed",
        /// An officer took an act, or gave it back.
        ActAssigned = 7 "act-assigned",
        /// What the service found or made for an act: the report of a validation, an extract of the journal; the entry's digest is that of it.
        ActReport = 8 "act-report",
        /// A document that an act is about is kept; the entry's digest is that of the sealed octets.
        ActDocument = 9 "act-document",
        /// What opens the commitments of an act is kept; the entry's digest is that of the sealed octets.
        ActPersonal = 10 "act-personal",
    }
}

codes! {
    /// Kinds of role 5.
    ExchangeKind {
        /// A run was aborted; the entry's digest is that of the verdict, and its tag follows from the run.
        Aborted = 0 "aborted",
        /// A run was resolved; so is its entry's digest.
        Resolved = 1 "resolved",
        /// A run was asked about after its end; so is its entry's digest.
        Expired = 2 "expired",
        /// A request was answered; the entry's digest is that of the answer.
        Answer = 3 "answer",
        /// A responder has answered one offer twice; the entry's digest is that of the statement which contradicts the verdict's.
        Anomaly = 4 "anomaly",
        /// The key of a delivery is there for its recipient; the entry's digest is that of the verdict.
        Released = 5 "released",
        /// The escrow of a delivery did not hold its key; so is its entry's digest.
        Void = 6 "void",
        /// An originator left the key of a delivery for its recipient; the entry's digest is that of the key, sealed.
        KeyDeposited = 7 "key-deposited",
        /// The recipient was given the key.
        KeyCollected = 8 "key-collected",
        /// Both sides agreed on an inline exchange; the entry's digest is that of what the arbiter signed about it.
        Registered = 9 "registered",
        /// A side of one deposited its item (nrs); so is its entry's digest.
        Submitted = 10 "submitted",
        /// A deposit was not taken; so is its entry's digest.
        SubmissionRefused = 11 "submission-refused",
        /// A side takes both items as they are; the entry's digest is that of its statement.
        Waived = 12 "waived",
        /// Both items are there for the other side; the entry's digest is that of the verdict, and its tag follows from the run.
        InlineReleased = 13 "inline-released",
        /// Each side gets back what it deposited; so is its entry's digest.
        Returned = 14 "returned",
        /// A side was given what is due to it, for the first time; the entry's digest is that of its request.
        ItemCollected = 15 "item-collected",
        /// A run in which money goes one way was begun; the entry's digest is that of its first statement.
        PaidOpened = 16 "paid-opened",
        /// A statement of such a run was shown; the entry's digest is that of it.
        PaidShown = 17 "paid-shown",
        /// What became of its money was told.
        PaidMoney = 18 "paid-money",
        /// A case stopped it.
        PaidFrozen = 19 "paid-frozen",
        /// It no longer does.
        PaidThawed = 20 "paid-thawed",
        /// Such a run was decided; the entry's digest is that of the verdict, and its tag follows from the run.
        PaidDecided = 21 "paid-decided",
        /// What was deposited in an inline exchange was erased.
        ItemsErased = 22 "items-erased",
        /// What a side deposited is kept; the entry's digest is that of its octets, sealed.
        ItemKept = 23 "item-kept",
        /// Something happened to a registered delivery, or did not in time; the entry's digest is that of the evidence.
        DeliveryEvent = 24 "delivery-event",
        /// A delivery was submitted; the entry's digest is that of d1.
        DeliverySubmitted = 25 "delivery-submitted",
    }
}

impl ExchangeKind {
    /// Whether it is of an exchange through the arbiter.
    #[must_use]
    pub const fn is_inline(self) -> bool {
        matches!(
            self,
            Self::Registered
                | Self::Submitted
                | Self::SubmissionRefused
                | Self::Waived
                | Self::InlineReleased
                | Self::Returned
                | Self::ItemCollected
                | Self::ItemsErased
                | Self::ItemKept
        )
    }

    /// Whether a fact of this kind is one of the evidence of a registered delivery, which is another history than its run's.
    #[must_use]
    pub const fn is_delivery(self) -> bool {
        matches!(self, Self::DeliveryEvent | Self::DeliverySubmitted)
    }
}

codes! {
    /// Kinds of role 6.
    ArchiveKind {
        /// An object was erased (later): reserved, since every restore counts these entries against the erasure journal.
        Erased = 0 "erased",
    }
}

codes! {
    /// Kinds of role 8: what a payment rail did, whose evidence is the artefact; what it was asked to do, which is told before it is asked;
    /// and what was decided about the money without a rail.
    PaymentKind {
        /// Money is held; the entry's digest is that of the rail's evidence.
        Hold = 0 "hold",
        /// A rail declined what it was asked.
        Declined = 1 "declined",
        /// Money became the payee's; so is its entry's digest, where a rail had to be asked.
        Capture = 2 "capture",
        /// Money went back without having been captured; so is its entry's digest.
        Release = 3 "release",
        /// Captured money went back, in part or whole; so is its entry's digest.
        Refund = 4 "refund",
        /// The payer's bank took money back; so is its entry's digest.
        Chargeback = 5 "chargeback",
        /// The rail let a hold end; so is its entry's digest.
        Expired = 6 "expired",
        /// A hold is to be asked for.
        HoldRequested = 7 "hold-requested",
        /// A capture is.
        CaptureRequested = 8 "capture-requested",
        /// A release is.
        ReleaseRequested = 9 "release-requested",
        /// A refund is.
        RefundRequested = 10 "refund-requested",
        /// A bank's hold is to become money that the service holds.
        EscrowRequested = 11 "escrow-requested",
        /// It did; the entry's digest is that of the rail's evidence.
        Escrowed = 12 "escrowed",
        /// A case stopped what exchanges decide about the money.
        Frozen = 13 "frozen",
        /// It no longer does.
        Thawed = 14 "thawed",
        /// Money was paid out to the payee; the entry's digest is that of the rail's evidence.
        Payout = 15 "payout",
        /// A rail did after all what it had declined, or another amount than it was asked; so is its entry's digest.
        Contradicted = 16 "contradicted",
        /// An amount in suspense found its bearer.
        Cleared = 17 "cleared",
    }
}

codes! {
    /// Kinds of role 9: the first four of applications, the others of parties.
    PartyKind {
        /// Somebody applied for certificates; the entry's digest is that of the application.
        RegistrationApplied = 0 "registration-applied",
        /// An officer recorded how the identity was proven; the entry's digest is that of the record.
        IdentityRecorded = 1 "identity-recorded",
        /// An officer approved.
        RegistrationApproved = 2 "registration-approved",
        /// An officer refused, the applicant withdrew, or it was left open too long.
        RegistrationRefused = 3 "registration-refused",
        /// A party was registered.
        Registered = 4 "registered",
        /// A certified key became a party's.
        KeyBound = 5 "key-bound",
        /// It is the party's no longer.
        KeyUnbound = 6 "key-unbound",
        /// A party accepted terms; the entry's digest is that of its statement.
        TermsAccepted = 7 "terms-accepted",
        /// An officer suspended a party.
        Suspended = 8 "suspended",
        /// An officer reinstated it.
        Reinstated = 9 "reinstated",
    }
}

codes! {
    /// Kinds of role 10.
    AccountKind {
        /// A proof of misbehaviour was accepted, against whomever; the entry's digest is that of its file.
        Misbehaviour = 0 "pom",
    }
}

/// A kind together with its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Role 0.
    Ledger(LedgerKind),
    /// Role 1.
    Ops(OpsKind),
    /// Role 2.
    Timestamp(TimestampKind),
    /// Role 3.
    Ca(CaKind),
    /// Role 4.
    Notary(NotaryKind),
    /// Role 5.
    Exchange(ExchangeKind),
    /// Role 6.
    Archive(ArchiveKind),
    /// Role 8.
    Payment(PaymentKind),
    /// Role 9.
    Party(PartyKind),
    /// Role 10.
    Account(AccountKind),
}

impl Kind {
    /// The role, whose [`RoleCode::code`] is the entry's `role`.
    #[must_use]
    pub const fn role(self) -> RoleCode {
        match self {
            Self::Ledger(_) => RoleCode::Ledger,
            Self::Ops(_) => RoleCode::Ops,
            Self::Timestamp(_) => RoleCode::Timestamp,
            Self::Ca(_) => RoleCode::Ca,
            Self::Notary(_) => RoleCode::Notary,
            Self::Exchange(_) => RoleCode::Exchange,
            Self::Archive(_) => RoleCode::Archive,
            Self::Payment(_) => RoleCode::Payment,
            Self::Party(_) => RoleCode::Party,
            Self::Account(_) => RoleCode::Account,
        }
    }

    /// The entry's `kind`: counted from 0 in each role, below 256.
    #[must_use]
    pub const fn code(self) -> u64 {
        match self {
            Self::Ledger(kind) => kind.code(),
            Self::Ops(kind) => kind.code(),
            Self::Timestamp(kind) => kind.code(),
            Self::Ca(kind) => kind.code(),
            Self::Notary(kind) => kind.code(),
            Self::Exchange(kind) => kind.code(),
            Self::Archive(kind) => kind.code(),
            Self::Payment(kind) => kind.code(),
            Self::Party(kind) => kind.code(),
            Self::Account(kind) => kind.code(),
        }
    }

    /// Whether an entry of this kind tells that something was erased: whatever it names stands in the erasure journal.
    #[must_use]
    pub const fn is_erasure(self) -> bool {
        matches!(self, Self::Archive(ArchiveKind::Erased) | Self::Exchange(ExchangeKind::ItemsErased))
    }

    /// From an entry's `role` and `kind`; `None` if this build does not know the pair.
    #[must_use]
    pub fn from_codes(role: u64, kind: u64) -> Option<Self> {
        match RoleCode::from_code(role)? {
            RoleCode::Ledger => LedgerKind::from_code(kind).map(Self::Ledger),
            RoleCode::Ops => OpsKind::from_code(kind).map(Self::Ops),
            RoleCode::Timestamp => TimestampKind::from_code(kind).map(Self::Timestamp),
            RoleCode::Ca => CaKind::from_code(kind).map(Self::Ca),
            RoleCode::Notary => NotaryKind::from_code(kind).map(Self::Notary),
            RoleCode::Archive => ArchiveKind::from_code(kind).map(Self::Archive),
            RoleCode::Party => PartyKind::from_code(kind).map(Self::Party),
            RoleCode::Account => AccountKind::from_code(kind).map(Self::Account),
            RoleCode::Exchange => ExchangeKind::from_code(kind).map(Self::Exchange),
            RoleCode::Payment => PaymentKind::from_code(kind).map(Self::Payment),
            RoleCode::Dispute => None,
        }
    }

    /// All that this build knows, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        RoleCode::ALL.iter().flat_map(|role| (0..256).filter_map(|kind| Self::from_codes(role.code(), kind)))
    }

    /// The one that is shown so.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|kind| kind.to_string() == name)
    }

    /// Role and kind as the one number that stands in a fact, role × 256 + kind, so that a fact can be read, folded and
    /// checked without its entry.
    #[must_use]
    pub const fn packed(self) -> u64 {
        self.role().code() << 8 | self.code()
    }

    /// The reverse of [`Kind::packed`].
    #[must_use]
    pub fn from_packed(packed: u64) -> Option<Self> {
        Self::from_codes(packed >> 8, packed & 0xFF)
    }
}

/// `role.kind`, for example `ops.key-made`.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Ledger(kind) => kind.name(),
            Self::Ops(kind) => kind.name(),
            Self::Timestamp(kind) => kind.name(),
            Self::Ca(kind) => kind.name(),
            Self::Notary(kind) => kind.name(),
            Self::Exchange(kind) => kind.name(),
            Self::Archive(kind) => kind.name(),
            Self::Payment(kind) => kind.name(),
            Self::Party(kind) => kind.name(),
            Self::Account(kind) => kind.name(),
        };
        write!(f, "{}.{name}", self.role().name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_frozen() {
        let known: Vec<String> = (0..16_u64 << 8)
            .filter_map(|packed| Kind::from_packed(packed).map(|kind| (packed, kind)))
            .map(|(packed, kind)| {
                assert_eq!(kind.packed(), packed);
                assert_eq!(Kind::from_name(&kind.to_string()), Some(kind));
                assert_eq!(Kind::from_codes(kind.role().code(), kind.code()), Some(kind));
                format!("{}.{} {kind}", packed >> 8, packed & 0xFF)
            })
            .collect();
        // A line may be added here, never changed: these numbers stand in logs for ever.
        assert_eq!(
            known,
            [
                "0.0 ledger.genesis",
                "0.1 ledger.anchor-remade",
                "1.0 ops.key-made",
                "1.1 ops.key-first-use",
                "1.2 ops.key-ended",
                "1.3 ops.policy-change",
                "1.4 ops.clock-synchronised",
                "1.5 ops.clock-suspect",
                "1.6 ops.clock-lost",
                "1.7 ops.leap-second",
                "1.8 ops.operator-act",
                "1.9 ops.started",
                "1.10 ops.stopped",
                "1.11 ops.access",
                "1.12 ops.call-refused",
                "1.13 ops.outage",
                "2.0 timestamp.token",
                "3.0 ca.certificate-issued",
                "3.1 ca.crl-issued",
                "3.2 ca.certificate-revoked",
                "3.3 ca.issue-refused",
                "3.4 ca.bulk-ordered",
                "3.5 ca.bulk-done",
                "3.6 ca.authority-imported",
                "3.7 ca.certificate-imported",
                "3.8 ca.revocation-asked",
                "4.0 notary.ccpd",
                "4.1 notary.cpd",
                "4.2 notary.vsd",
                "4.3 notary.vpkc",
                "4.4 notary.act",
                "4.5 notary.act-opened",
                "4.6 notary.act-signed",
                "4.7 notary.act-assigned",
                "4.8 notary.act-report",
                "4.9 notary.act-document",
                "4.10 notary.act-personal",
                "5.0 exchange.aborted",
                "5.1 exchange.resolved",
                "5.2 exchange.expired",
                "5.3 exchange.answer",
                "5.4 exchange.anomaly",
                "5.5 exchange.released",
                "5.6 exchange.void",
                "5.7 exchange.key-deposited",
                "5.8 exchange.key-collected",
                "5.9 exchange.registered",
                "5.10 exchange.submitted",
                "5.11 exchange.submission-refused",
                "5.12 exchange.waived",
                "5.13 exchange.inline-released",
                "5.14 exchange.returned",
                "5.15 exchange.item-collected",
                "5.16 exchange.paid-opened",
                "5.17 exchange.paid-shown",
                "5.18 exchange.paid-money",
                "5.19 exchange.paid-frozen",
                "5.20 exchange.paid-thawed",
                "5.21 exchange.paid-decided",
                "5.22 exchange.items-erased",
                "5.23 exchange.item-kept",
                "5.24 exchange.delivery-event",
                "5.25 exchange.delivery-submitted",
                "6.0 archive.erased",
                "8.0 payment.hold",
                "8.1 payment.declined",
                "8.2 payment.capture",
                "8.3 payment.release",
                "8.4 payment.refund",
                "8.5 payment.chargeback",
                "8.6 payment.expired",
                "8.7 payment.hold-requested",
                "8.8 payment.capture-requested",
                "8.9 payment.release-requested",
                "8.10 payment.refund-requested",
                "8.11 payment.escrow-requested",
                "8.12 payment.escrowed",
                "8.13 payment.frozen",
                "8.14 payment.thawed",
                "8.15 payment.payout",
                "8.16 payment.contradicted",
                "8.17 payment.cleared",
                "9.0 party.registration-applied",
                "9.1 party.identity-recorded",
                "9.2 party.registration-approved",
                "9.3 party.registration-refused",
                "9.4 party.registered",
                "9.5 party.key-bound",
                "9.6 party.key-unbound",
                "9.7 party.terms-accepted",
                "9.8 party.suspended",
                "9.9 party.reinstated",
                "10.0 account.pom",
            ]
        );
        assert_eq!(Kind::all().count(), known.len());
        let roles: Vec<_> = RoleCode::ALL.iter().map(|r| r.name()).collect();
        assert_eq!(
            roles,
            [
                "ledger",
                "ops",
                "timestamp",
                "ca",
                "notary",
                "exchange",
                "archive",
                "dispute",
                "payment",
                "party",
                "account"
            ]
        );
    }
}
