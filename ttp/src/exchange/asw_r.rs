//! ASW-R: what each message must hold, for the arbiter, for both clients and for whoever judges afterwards.

use crate::digest::Digest;
use crate::statement::Jws;
use crate::statement::exchange::Side;
use crate::statement::exchange::asw_r::{Abort, M1, M2, M3, M4, Resolve};

use super::run::{Asked, Keys, Run, names};
use super::{Broken, Demand};
use crate::statement::Body as _;

/// What the originator commits to with 32 random octets. The text in front keeps the responder from handing it back as its own.
#[must_use]
pub fn commitment_o(nonce: &[u8; 32]) -> Digest {
    Digest::of(&[b"semper/asw-r/1/nonce-o\0", &nonce[..]].concat())
}

/// What the responder commits to, for this run alone.
#[must_use]
pub fn commitment_r(x: &Digest, nonce: &[u8; 32]) -> Digest {
    Digest::of(&[b"semper/asw-r/1/nonce-r\0", &x.0[..], &nonce[..]].concat())
}

/// m1, signed by the key that it names.
#[derive(Clone, Debug, PartialEq)]
pub struct Offered {
    /// What it fixes.
    pub run: Run,
    /// All that it says.
    pub offer: M1,
    /// As it was received.
    pub jws: Jws,
}

/// m2 to that m1.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// What the responder commits to.
    pub c_r: Digest,
    /// As it was received.
    pub jws: Jws,
}

impl Offered {
    /// Reads m1.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn read(jws: Jws, keys: Keys<'_>) -> Result<Self, Broken> {
        let x = jws.x();
        let (run, offer) = Run::first(&jws, keys, |offer| Run::of_contract(x, offer))?;
        Ok(Self { run, offer, jws })
    }

    /// Reads m2.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn answered(&self, jws: Jws, keys: Keys<'_>) -> Result<Answered, Broken> {
        let M2 { m1, c_r } = self.run.follows(&jws, Side::Responder, keys)?;
        if !names(&Digest(m1.0), &self.jws) {
            return Err(Broken::OtherCopy { of: M2::TAG, about: M1::TAG });
        }
        Ok(Answered { c_r: Digest(c_r.0), jws })
    }

    /// Checks m3: the originator opens its commitment for this answer.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn opened_by_o(&self, answered: &Answered, jws: &Jws, keys: Keys<'_>) -> Result<(), Broken> {
        let M3 { n_o, c_r } = self.run.follows(jws, Side::Originator, keys)?;
        // Which answer it takes first: an opening for another answer says something else.
        if Digest(c_r.0) != answered.c_r {
            return Err(Broken::OtherCommitment { of: M3::TAG });
        }
        if commitment_o(&n_o.0) != Digest(self.offer.c_o.0) {
            return Err(Broken::Opening { of: M3::TAG });
        }
        Ok(())
    }

    /// Checks m4: the responder opens its commitment for this offer.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn opened_by_r(&self, answered: &Answered, jws: &Jws, keys: Keys<'_>) -> Result<(), Broken> {
        let M4 { n_r, c_o } = self.run.follows(jws, Side::Responder, keys)?;
        if c_o != self.offer.c_o {
            return Err(Broken::OtherCommitment { of: M4::TAG });
        }
        if commitment_r(&self.run.x, &n_r.0) != answered.c_r {
            return Err(Broken::Opening { of: M4::TAG });
        }
        Ok(())
    }

    /// Reads a1: only the originator takes its offer back.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn abort(&self, jws: Jws, keys: Keys<'_>) -> Result<Asked, Broken> {
        let Abort {} = self.run.follows(&jws, Side::Originator, keys)?;
        Ok(Asked { side: Side::Originator, demand: Demand::Abort, jws })
    }

    /// Reads rq, which came with this m2.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn resolve(&self, answered: &Answered, jws: Jws, keys: Keys<'_>) -> Result<Asked, Broken> {
        let other = || Broken::NotAllowed { of: Resolve::TAG, key: jws.key_id().to_string() };
        let side = self.run.side_of(&jws.key_id()).ok_or_else(other)?;
        let Resolve { side: named, m2 } = self.run.follows(&jws, side, keys)?;
        if named != side {
            return Err(other());
        }
        if !names(&Digest(m2.0), &answered.jws) {
            return Err(Broken::OtherCopy { of: Resolve::TAG, about: M2::TAG });
        }
        Ok(Asked { side, demand: Demand::Resolve { c_r: answered.c_r }, jws })
    }
}
