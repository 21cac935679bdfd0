//! Every way to say no, and how each is told to the client (spec §5, §6).

use super::ClockVerdict;
use crate::time::Timestamp;

/// PKIFailureInfo of RFC 3161 §2.4.2. Bits count from the most significant: badAlg is bit 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum FailInfo {
    /// Unrecognised or unsupported algorithm.
    BadAlg = 0,
    /// Transaction not permitted or supported.
    BadRequest = 2,
    /// The data submitted has the wrong format.
    BadDataFormat = 5,
    /// The time source is not available.
    TimeNotAvailable = 14,
    /// The policy is not supported.
    UnacceptedPolicy = 15,
    /// The extension is not supported.
    UnacceptedExtension = 16,
    /// Additional information is not available.
    AddInfoNotAvailable = 17,
    /// The request cannot be handled due to system failure.
    SystemFailure = 25,
}

impl FailInfo {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::BadAlg,
        Self::BadRequest,
        Self::BadDataFormat,
        Self::TimeNotAvailable,
        Self::UnacceptedPolicy,
        Self::UnacceptedExtension,
        Self::AddInfoNotAvailable,
        Self::SystemFailure,
    ];

    /// The name in RFC 3161; also the metric's label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadAlg => "badAlg",
            Self::BadRequest => "badRequest",
            Self::BadDataFormat => "badDataFormat",
            Self::TimeNotAvailable => "timeNotAvailable",
            Self::UnacceptedPolicy => "unacceptedPolicy",
            Self::UnacceptedExtension => "unacceptedExtension",
            Self::AddInfoNotAvailable => "addInfoNotAvailable",
            Self::SystemFailure => "systemFailure",
        }
    }

    /// The BIT STRING in DER: named bits, so no octet behind the last set bit, and its unused bits counted.
    #[must_use]
    pub fn der(self) -> Vec<u8> {
        let bit = self as usize;
        let octets = bit / 8 + 1;
        let mut der = vec![0x03, octets as u8 + 1, (7 - bit % 8) as u8];
        der.resize(3 + octets, 0);
        der[2 + octets] = 0x80 >> (bit % 8);
        der
    }
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not a TimeStampReq in DER, or bytes behind it.
    NotARequest,
    /// The request's version is not 1.
    Version,
    /// The hash algorithm is not accepted here.
    HashAlgorithm,
    /// The hash algorithm has parameters other than NULL.
    HashParameters,
    /// hashedMessage has not the length of its algorithm's output.
    ImprintLength {
        /// What the algorithm gives, octets.
        expected: usize,
        /// What the request holds, octets.
        found: usize,
    },
    /// The nonce is too long.
    NonceLength {
        /// Its octets.
        octets: usize,
        /// The most, octets.
        max: usize,
    },
    /// The request carries an extension.
    Extension,
    /// The requested policy is not served here.
    Policy,
    /// The clock does not permit to assert time.
    Clock {
        /// Its verdict.
        verdict: ClockVerdict,
    },
    /// The unit's key may not be used yet, or no more.
    KeyPeriod {
        /// When its period ends, or ended.
        not_after: Timestamp,
    },
    /// The unit's certificate, or its CA's, was revoked; the shell says so.
    UnitRevoked,
    /// More requests than the limit; the shell says so.
    RateLimited {
        /// Requests permitted.
        limit: u32,
        /// In so many seconds.
        window_secs: u32,
        /// When to come again, seconds.
        retry_after_secs: u32,
    },
    /// The queue is full; the shell says so.
    Busy {
        /// When to come again, seconds.
        retry_after_secs: u32,
    },
    /// Signer, ledger or disk does not serve; the shell says so, and its log says why.
    Unavailable,
    /// The ledger signs nothing more, for good; the shell says so.
    Halted,
}

impl Refusal {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotARequest => "timestamp.not_a_request",
            Self::Version => "timestamp.version",
            Self::HashAlgorithm => "timestamp.hash_algorithm",
            Self::HashParameters => "timestamp.hash_parameters",
            Self::ImprintLength { .. } => "timestamp.imprint_length",
            Self::NonceLength { .. } => "timestamp.nonce_length",
            Self::Extension => "timestamp.extension",
            Self::Policy => "timestamp.policy",
            Self::Clock { .. } => "timestamp.clock",
            Self::KeyPeriod { .. } => "timestamp.key_period",
            Self::UnitRevoked => "timestamp.unit_revoked",
            Self::RateLimited { .. } => "timestamp.rate_limited",
            Self::Busy { .. } => "timestamp.busy",
            Self::Unavailable => "timestamp.unavailable",
            Self::Halted => "timestamp.halted",
        }
    }

    /// How RFC 3161 names it.
    #[must_use]
    pub const fn fail_info(&self) -> FailInfo {
        match self {
            Self::NotARequest | Self::HashParameters | Self::ImprintLength { .. } => FailInfo::BadDataFormat,
            Self::HashAlgorithm => FailInfo::BadAlg,
            Self::Version | Self::NonceLength { .. } => FailInfo::BadRequest,
            Self::Extension => FailInfo::UnacceptedExtension,
            Self::Policy => FailInfo::UnacceptedPolicy,
            Self::Clock { .. } => FailInfo::TimeNotAvailable,
            Self::KeyPeriod { .. }
            | Self::UnitRevoked
            | Self::RateLimited { .. }
            | Self::Busy { .. }
            | Self::Unavailable
            | Self::Halted => FailInfo::SystemFailure,
        }
    }
}

#[cfg(any(test, feature = "test-util"))]
impl Refusal {
    /// One of each, for tests that must leave none out. A new variant does not compile until it is counted here.
    ///
    /// # Panics
    /// One is missing in the list.
    #[must_use]
    pub fn one_of_each() -> Vec<Self> {
        let place = |refusal: &Self| match refusal {
            Self::NotARequest => 0,
            Self::Version => 1,
            Self::HashAlgorithm => 2,
            Self::HashParameters => 3,
            Self::ImprintLength { .. } => 4,
            Self::NonceLength { .. } => 5,
            Self::Extension => 6,
            Self::Policy => 7,
            Self::Clock { .. } => 8,
            Self::KeyPeriod { .. } => 9,
            Self::RateLimited { .. } => 10,
            Self::Busy { .. } => 11,
            Self::Unavailable => 12,
            Self::Halted => 13,
            Self::UnitRevoked => 14,
        };
        let all = vec![
            Self::NotARequest,
            Self::Version,
            Self::HashAlgorithm,
            Self::HashParameters,
            Self::ImprintLength { expected: 32, found: 20 },
            Self::NonceLength { octets: 129, max: 128 },
            Self::Extension,
            Self::Policy,
            Self::Clock { verdict: ClockVerdict::Stopped },
            Self::KeyPeriod { not_after: Timestamp::from_millis(1_772_366_400_250) },
            Self::RateLimited { limit: 600, window_secs: 60, retry_after_secs: 12 },
            Self::Busy { retry_after_secs: 1 },
            Self::Unavailable,
            Self::Halted,
            Self::UnitRevoked,
        ];
        assert_eq!(all.iter().map(place).collect::<Vec<_>>(), (0..15).collect::<Vec<_>>());
        all
    }
}

/// The statusString: what the client may know, and nothing of our insides.
impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotARequest => f.write_str("The body is not a TimeStampReq in DER."),
            Self::Version => f.write_str("Only version 1 of TimeStampReq is supported."),
            Self::HashAlgorithm => f.write_str("The hash algorithm is not accepted here."),
            Self::HashParameters => f.write_str("The hash algorithm must have no parameters, or NULL."),
            Self::ImprintLength { expected, found } => {
                write!(f, "The hashed message has {found} octets; this hash algorithm gives {expected}.")
            }
            Self::NonceLength { octets, max } => {
                write!(f, "The nonce has {octets} octets; at most {max} are accepted.")
            }
            Self::Extension => f.write_str("Request extensions are not supported."),
            Self::Policy => f.write_str("The requested policy is not served here."),
            Self::Clock { .. } => f.write_str("The time source is not available."),
            Self::KeyPeriod { .. } => f.write_str("The time-stamping key is not in its period of use."),
            Self::UnitRevoked => f.write_str("The certificate of this time-stamping unit was revoked."),
            Self::RateLimited { limit, window_secs, retry_after_secs } => write!(
                f,
                "More than {limit} requests in {window_secs} s from this address. Try again in {retry_after_secs} s."
            ),
            Self::Busy { retry_after_secs } => write!(f, "The service is busy. Try again in {retry_after_secs} s."),
            Self::Unavailable => f.write_str("The service cannot issue time-stamps at present."),
            Self::Halted => f.write_str("The service issues no time-stamps any more: its ledger has ended."),
        }
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fail_info_byte_by_byte() {
        // spec §6
        let table = [
            (FailInfo::BadAlg, "03020780"),
            (FailInfo::BadRequest, "03020520"),
            (FailInfo::BadDataFormat, "03020204"),
            (FailInfo::TimeNotAvailable, "0303010002"),
            (FailInfo::UnacceptedPolicy, "0303000001"),
            (FailInfo::UnacceptedExtension, "030407000080"),
            (FailInfo::AddInfoNotAvailable, "030406000040"),
            (FailInfo::SystemFailure, "03050600000040"),
        ];
        assert_eq!(table.map(|(info, _)| info), FailInfo::ALL);
        for (info, der) in table {
            assert_eq!(hex::encode(info.der()), der, "{}", info.name());
        }
    }
}
