//! What can be wrong with a token, said so that the operator knows what to do. No PIN comes near these texts.

use std::{fmt, path::PathBuf};

use cryptoki::{
    context::Function,
    error::{Error, RvError},
};
use semper_ttp::{
    crypto::{PublicKeyFault, SignatureAlgorithm},
    digest::Digest,
};

use super::TokenName;

/// A token was not opened, or a key in it not found, not made or not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HsmFault {
    /// The shared library is not there or is none of PKCS#11.
    #[error("the PKCS#11 module {} cannot be loaded ({reason}): install the token's driver or correct the path", path.display())]
    ModuleNotLoaded {
        /// As in the settings.
        path: PathBuf,
        /// What the loader says.
        reason: String,
    },
    /// Modules share locks and global state that no standard tells apart.
    #[error(
        "this process uses the PKCS#11 module {} and cannot load {} as well: keep all keys in tokens of one module",
        loaded.display(),
        asked.display()
    )]
    SecondModule {
        /// The one in use.
        loaded: PathBuf,
        /// The other.
        asked: PathBuf,
    },
    /// No token of this name.
    #[error("there is no PKCS#11 token {name}; {}", there_are(found))]
    NoSuchToken {
        /// What was asked for.
        name: TokenName,
        /// Label and serial number of each that is there.
        found: Vec<String>,
    },
    /// Several tokens have this name.
    #[error("several PKCS#11 tokens are {name}: name one by its serial number; {}", there_are(found))]
    AmbiguousToken {
        /// What was asked for.
        name: TokenName,
        /// Label and serial number of each that is there.
        found: Vec<String>,
    },
    /// More sessions than the token has, or none.
    #[error("{asked} sessions were asked for, and the PKCS#11 token allows {}: correct the number of sessions", up_to(*max))]
    Sessions {
        /// The setting.
        asked: usize,
        /// What the token allows to one program, if it has a limit.
        max: Option<u64>,
    },
    /// The token has no more sessions, for this program or for all.
    #[error(
        "the PKCS#11 token has no session left ({0}): set a smaller number of sessions, or look which other programs have some"
    )]
    NoSessionLeft(Call),
    /// The token refused the PIN. It is not sent again: a few wrong ones lock a token for ever.
    #[error(
        "the PKCS#11 token refuses the PIN: correct it; it was sent once and will not be sent again by this process"
    )]
    PinIncorrect,
    /// One more wrong PIN would lock the token, so none was sent.
    #[error(
        "the PKCS#11 token has one try for its PIN left, which was not used: log in by the vendor's program with the right PIN first"
    )]
    PinFinalTry,
    /// Too many wrong PINs were sent to the token.
    #[error("the PIN of the PKCS#11 token is locked: unlock it as its security officer, by the vendor's program")]
    PinLocked,
    /// The token has no PIN yet, or one that must be changed first.
    #[error("the PIN of the PKCS#11 token is not set or has expired: set it by the vendor's program")]
    PinNotSet,
    /// No private key that fits.
    #[error(
        "the private key of the public key with SHA-256 {spki} is not in the PKCS#11 token, which has {keys} keys of its kind: \
         is it the right token?"
    )]
    KeyNotFound {
        /// SHA-256 of the SubjectPublicKeyInfo.
        spki: Digest,
        /// Private keys of that kind in the token.
        keys: usize,
    },
    /// The private key is there and must not be used as it is.
    #[error("the private key of the public key with SHA-256 {spki} {trouble}")]
    KeyRefused {
        /// SHA-256 of the SubjectPublicKeyInfo.
        spki: Digest,
        /// Why.
        trouble: KeyTrouble,
    },
    /// Not a public key that we use.
    #[error("{0}")]
    PublicKey(#[from] PublicKeyFault),
    /// The token does not make such keys.
    #[error("the PKCS#11 token makes no {} keys ({call}): choose another algorithm for this key", algorithm.name())]
    Unsupported {
        /// What was asked for.
        algorithm: SignatureAlgorithm,
        /// The token's answer.
        call: Call,
    },
    /// Other programs find keys by their id.
    #[error("the PKCS#11 token has a key with id {} already: use it, or take another id", hex::encode(id))]
    IdTaken {
        /// CKA_ID.
        id: Vec<u8>,
    },
    /// The session, the login or the token was lost.
    #[error(
        "the PKCS#11 token was lost ({0}): it is opened anew at the next use; if this goes on, look whether it is there"
    )]
    Lost(Call),
    /// Any other refusal by the token.
    #[error("the PKCS#11 token refused ({0}): the vendor's manual says why")]
    Refused(Call),
    /// The module does what the standard excludes.
    #[error("the PKCS#11 module broke the standard: {reason}")]
    Module {
        /// In which way.
        reason: String,
    },
}

/// Why a key is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyTrouble {
    /// CKA_EXTRACTABLE.
    #[error("can be taken out of the PKCS#11 token (CKA_EXTRACTABLE): make a new key")]
    Extractable,
    /// Not CKA_SENSITIVE.
    #[error("can be read in clear (not CKA_SENSITIVE): make a new key")]
    NotSensitive,
    /// Not CKA_LOCAL or not CKA_NEVER_EXTRACTABLE.
    #[error("was not made in the PKCS#11 token, so others may have it: make a new key, or allow imported keys")]
    Imported,
    /// Not CKA_SIGN.
    #[error("is not for signing (CKA_SIGN)")]
    NotForSigning,
    /// CKA_ALWAYS_AUTHENTICATE.
    #[error(
        "wants the PIN at every signature (CKA_ALWAYS_AUTHENTICATE), which a server does not give: make another key"
    )]
    AlwaysAuthenticate,
}

/// A function of the module and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    function: String,
    answer: RvError,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "C_{} answered {:?}", self.function, self.answer)
    }
}

impl HsmFault {
    /// For [`semper_ttp::crypto::SignError`].
    pub(super) fn in_short(&self) -> &'static str {
        match self {
            Self::PinIncorrect | Self::PinFinalTry | Self::PinLocked | Self::PinNotSet => {
                "the PKCS#11 token refuses the PIN"
            }
            Self::KeyNotFound { .. } | Self::KeyRefused { .. } => "the key in the PKCS#11 token is gone or has changed",
            Self::NoSuchToken { .. } | Self::AmbiguousToken { .. } | Self::Lost(_) => "the PKCS#11 token is not there",
            Self::ModuleNotLoaded { .. }
            | Self::SecondModule { .. }
            | Self::Sessions { .. }
            | Self::NoSessionLeft(_)
            | Self::PublicKey(_)
            | Self::Unsupported { .. }
            | Self::IdTaken { .. }
            | Self::Refused(_)
            | Self::Module { .. } => "the PKCS#11 token refused to sign",
        }
    }

    /// Sending the PIN again can only do harm.
    pub(super) const fn is_of_the_pin(&self) -> bool {
        matches!(self, Self::PinIncorrect | Self::PinFinalTry | Self::PinLocked | Self::PinNotSet)
    }

    pub(super) fn lost(function: Function, answer: RvError) -> Self {
        Self::Lost(Call { function: format!("{function:?}"), answer })
    }

    /// A refusal of the mechanism or the curve, if this is one: the token makes no such key.
    pub(super) fn or_unsupported(self, algorithm: SignatureAlgorithm) -> Self {
        match self {
            Self::Refused(call) if is_of_the_mechanism(call.answer) => Self::Unsupported { algorithm, call },
            other => other,
        }
    }
}

impl From<Error> for HsmFault {
    fn from(error: Error) -> Self {
        let Error::Pkcs11(answer, function) = error else { return Self::Module { reason: error.to_string() } };
        let call = Call { function: format!("{function:?}"), answer };
        match answer {
            // A key handle dies with the login; an idle session by a timeout of the vendor's.
            RvError::SessionHandleInvalid
            | RvError::SessionClosed
            | RvError::KeyHandleInvalid
            | RvError::ObjectHandleInvalid
            | RvError::UserNotLoggedIn
            | RvError::DeviceError
            | RvError::DeviceRemoved
            | RvError::TokenNotPresent
            | RvError::SlotIdInvalid => Self::Lost(call),
            RvError::SessionCount => Self::NoSessionLeft(call),
            RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange => Self::PinIncorrect,
            RvError::PinLocked => Self::PinLocked,
            RvError::PinExpired | RvError::UserPinNotInitialized => Self::PinNotSet,
            _ => Self::Refused(call),
        }
    }
}

const fn is_of_the_mechanism(answer: RvError) -> bool {
    matches!(
        answer,
        RvError::MechanismInvalid
            | RvError::MechanismParamInvalid
            | RvError::CurveNotSupported
            | RvError::DomainParamsInvalid
            | RvError::FunctionNotSupported
            | RvError::KeySizeRange
    )
}

fn there_are(found: &[String]) -> String {
    match found {
        [] => "there is none at all: is it plugged in, and initialised?".to_owned(),
        found => format!("there are {}", found.join(", ")),
    }
}

fn up_to(max: Option<u64>) -> String {
    max.map_or_else(|| "any number from 1 on".to_owned(), |max| format!("from 1 to {max}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_sentences_that_say_what_to_do() {
        let call = || Call { function: "Sign".to_owned(), answer: RvError::DeviceError };
        let name = TokenName::Label("ca".to_owned());
        for (fault, text) in [
            (
                HsmFault::NoSuchToken { name: name.clone(), found: vec!["\"tsa\" (serial number 17)".to_owned()] },
                "there is no PKCS#11 token labelled \"ca\"; there are \"tsa\" (serial number 17)",
            ),
            (
                HsmFault::NoSuchToken { name, found: vec![] },
                "there is no PKCS#11 token labelled \"ca\"; there is none at all: is it plugged in, and initialised?",
            ),
            (
                HsmFault::Sessions { asked: 0, max: None },
                "0 sessions were asked for, and the PKCS#11 token allows any number from 1 on: correct the number of sessions",
            ),
            (
                HsmFault::Lost(call()),
                "the PKCS#11 token was lost (C_Sign answered DeviceError): it is opened anew at the next use; if this goes \
                 on, look whether it is there",
            ),
            (
                HsmFault::KeyRefused { spki: Digest([0x11; 32]), trouble: KeyTrouble::NotForSigning },
                "the private key of the public key with SHA-256 \
                 1111111111111111111111111111111111111111111111111111111111111111 is not for signing (CKA_SIGN)",
            ),
        ] {
            assert_eq!(fault.to_string(), text);
        }
    }

    #[test]
    fn what_a_token_answers_decides_what_is_done() {
        let fault = |answer| HsmFault::from(Error::Pkcs11(answer, Function::Sign));
        for lost in [RvError::SessionHandleInvalid, RvError::DeviceError, RvError::DeviceRemoved] {
            assert!(matches!(fault(lost), HsmFault::Lost(_)), "{lost:?}");
        }
        for pin in [RvError::PinIncorrect, RvError::PinLocked, RvError::PinExpired, RvError::PinLenRange] {
            assert!(fault(pin).is_of_the_pin(), "{pin:?}");
        }
        let p256 = SignatureAlgorithm::EcdsaP256Sha256;
        let unsupported = fault(RvError::MechanismInvalid).or_unsupported(p256);
        assert!(matches!(unsupported, HsmFault::Unsupported { .. }));
        assert_eq!(fault(RvError::DeviceMemory).or_unsupported(p256), fault(RvError::DeviceMemory));
    }
}
