//! What a run's statements are, by its protocol: which one may come now and what it must hold, and which one is signed for each act of the
//! automaton. A third protocol of four messages is a third variant here, with its secret in [`super::dossier::Secret`].

use super::automaton::{Act, Message as Came};
use super::dossier::{Piece, Secret};
use super::party::{Pen, Stays};
use crate::b64u::B64u;
use crate::crypto::SecretKey;
use crate::digest::Digest;
use crate::exchange::Broken;
use crate::exchange::asw_r::{Answered, Offered};
use crate::exchange::cd_r::{Agreed, Posted};
use crate::exchange::run::{Keys, Run};
use crate::statement::exchange::Side;
use crate::statement::exchange::asw_r::{Abort, M2, M3, M4, Resolve};
use crate::statement::exchange::cd_r::{AbortDelivery, D1, D2, D3, D4, ResolveO, ResolveR};
use crate::statement::{Body as _, Jws};

/// The first statement of a run, and the answer to it once there is one.
#[derive(Clone, Debug, PartialEq)]
pub enum Course {
    /// A contract, ASW-R.
    Contract {
        /// m1.
        offered: Box<Offered>,
        /// m2.
        answered: Option<Answered>,
    },
    /// A delivery for a receipt, CD-R.
    Delivery {
        /// d1.
        posted: Box<Posted>,
        /// d2.
        agreed: Option<Agreed>,
    },
}

/// A statement of the other side that may come.
pub(super) struct Expected {
    /// Which, for the automaton.
    pub(super) came: Came,
    /// Which, on the disk.
    pub(super) piece: Piece,
    /// The content's key, where it bears that.
    pub(super) key: Option<SecretKey>,
}

impl Expected {
    const fn of(came: Came, piece: Piece) -> Self {
        Self { came, piece, key: None }
    }
}

impl Course {
    /// A run from its first statement.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn begin(first: Jws, keys: Keys<'_>) -> Result<Self, Broken> {
        Ok(match first.tag() {
            D1::TAG => Self::Delivery { posted: Box::new(Posted::read(first, keys)?), agreed: None },
            _ => Self::Contract { offered: Box::new(Offered::read(first, keys)?), answered: None },
        })
    }

    /// The same with the answer to it.
    ///
    /// # Errors
    /// [`Broken`].
    pub(super) fn with(mut self, second: Jws, keys: Keys<'_>) -> Result<Self, Broken> {
        match &mut self {
            Self::Contract { offered, answered } => *answered = Some(offered.answered(second, keys)?),
            Self::Delivery { posted, agreed } => *agreed = Some(posted.agreed(second, keys)?),
        }
        Ok(self)
    }

    /// What the first statement fixes.
    #[must_use]
    pub const fn run(&self) -> &Run {
        match self {
            Self::Contract { offered, .. } => &offered.run,
            Self::Delivery { posted, .. } => &posted.run,
        }
    }

    /// The first statement, as it was received.
    #[must_use]
    pub const fn first(&self) -> &Jws {
        match self {
            Self::Contract { offered, .. } => &offered.jws,
            Self::Delivery { posted, .. } => &posted.jws,
        }
    }

    /// What its originator uses once: an offer with one that was seen before is never answered.
    #[must_use]
    pub fn once(&self) -> Digest {
        match self {
            Self::Contract { offered, .. } => offered.offer.c_o.into(),
            Self::Delivery { posted, .. } => posted.delivery.n.into(),
        }
    }

    /// What the responder has committed itself to, in a contract that it has answered.
    pub(super) fn c_r(&self) -> Option<Digest> {
        match self {
            Self::Contract { answered, .. } => answered.as_ref().map(|answered| answered.c_r),
            Self::Delivery { .. } => None,
        }
    }

    /// Which statement of the other side this is, if it may come to this one at all.
    ///
    /// # Errors
    /// It may, and does not hold.
    pub(super) fn expects(&self, side: Side, jws: &Jws, keys: Keys<'_>) -> Result<Option<Expected>, Stays> {
        Ok(match (self, side, jws.tag()) {
            (Self::Contract { offered, answered }, Side::Originator, M2::TAG) => {
                let found = offered.answered(jws.clone(), keys)?;
                if answered.as_ref().is_some_and(|before| before.c_r != found.c_r) {
                    return Err(Stays::AnsweredTwice);
                }
                Some(Expected::of(Came::Answer, Piece::Second))
            }
            (Self::Contract { offered, answered: Some(answered) }, Side::Originator, M4::TAG) => {
                offered.opened_by_r(answered, jws, keys)?;
                Some(Expected::of(Came::Closing, Piece::Fourth))
            }
            (Self::Contract { offered, answered: Some(answered) }, Side::Responder, M3::TAG) => {
                offered.opened_by_o(answered, jws, keys)?;
                Some(Expected::of(Came::Opening, Piece::Third))
            }
            (Self::Delivery { posted, .. }, Side::Originator, D2::TAG) => {
                posted.agreed(jws.clone(), keys)?;
                Some(Expected::of(Came::Answer, Piece::Second))
            }
            (Self::Delivery { posted, agreed: Some(_) }, Side::Originator, D4::TAG) => {
                posted.received(jws, keys)?;
                Some(Expected::of(Came::Closing, Piece::Fourth))
            }
            (Self::Delivery { posted, .. }, Side::Responder, D3::TAG) => {
                let key = Some(posted.opened(jws, keys)?);
                Some(Expected { came: Came::Opening, piece: Piece::Third, key })
            }
            _ => None,
        })
    }

    /// Signs what an act sends.
    ///
    /// # Errors
    /// [`Stays`].
    pub(super) fn sign(&self, act: Act, side: Side, secret: &Secret, pen: &Pen<'_>) -> Result<Jws, Stays> {
        let x = Some(self.run().x);
        match (self, secret) {
            (Self::Contract { offered, answered }, Secret::Contract { nonce, .. }) => {
                let answered = answered.as_ref().ok_or(Stays::Lacks("m2"));
                let nonce = B64u(nonce.0);
                match act {
                    Act::SendOpening => pen.sign(x, M3 { n_o: nonce, c_r: answered?.c_r.into() }),
                    Act::SendClosing => pen.sign(x, M4 { n_r: nonce, c_o: offered.offer.c_o }),
                    Act::AskAbort => pen.sign(x, Abort {}),
                    Act::AskResolve => pen.sign(x, Resolve { side, m2: answered?.jws.digest().into() }),
                    // Signed when the run began.
                    Act::SendOffer | Act::SendAnswer => Err(Stays::Lacks("its own statement")),
                }
            }
            (Self::Delivery { .. }, Secret::Sealed { k, .. }) => match act {
                Act::SendOpening => pen.sign(x, D3 { k: k.clone() }),
                Act::AskAbort => pen.sign(x, AbortDelivery {}),
                Act::AskResolve => pen.sign(x, ResolveO { k: k.clone() }),
                Act::SendOffer | Act::SendAnswer | Act::SendClosing => Err(Stays::Lacks("its own statement")),
            },
            (Self::Delivery { posted, .. }, Secret::Awaited { .. }) => match act {
                Act::SendClosing => pen.sign(x, D4 { hm: posted.delivery.hm }),
                Act::AskResolve => pen.sign(x, ResolveR {}),
                Act::SendOffer | Act::SendAnswer | Act::SendOpening | Act::AskAbort => {
                    Err(Stays::Lacks("its own statement"))
                }
            },
            (Self::Contract { .. }, Secret::Sealed { .. } | Secret::Awaited { .. })
            | (Self::Delivery { .. }, Secret::Contract { .. }) => Err(Stays::Lacks("its secret")),
        }
    }

    /// Whether a secret is one that this side of such a run has.
    pub(super) const fn has(&self, side: Side, secret: &Secret) -> bool {
        matches!(
            (self, side, secret),
            (Self::Contract { .. }, _, Secret::Contract { .. })
                | (Self::Delivery { .. }, Side::Originator, Secret::Sealed { .. })
                | (Self::Delivery { .. }, Side::Responder, Secret::Awaited { .. })
        )
    }
}
