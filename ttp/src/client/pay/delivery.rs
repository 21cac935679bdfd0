//! Digital goods (exchange-and-disputes §8): the certified delivery whose receipt moves the money. The seller begins it for its payment, the
//! buyer answers it knowing what its receipt does, and either of them shows the arbiter the receipt. What the arbiter decides about the
//! delivery itself it finds without them.

use super::super::dossier::{Dossier, Piece};
use super::super::party::{Stays, text};
use super::{Part, Payment};
use crate::crypto::jose::Thumbprint;
use crate::exchange::paid::Thing;
use crate::exchange::policy::ExchangePolicy;
use crate::statement::exchange::cd_r::{D1, D4};
use crate::statement::{Body as _, Jws};
use crate::time::Timestamp;

impl Payment {
    /// Until when a delivery of the goods may go on: so that what it ends with is there before the payment is over. Without a wish the
    /// latest moment.
    ///
    /// # Errors
    /// [`Stays`]: nothing is delivered for this payment, or the wish is too late.
    pub fn delivery_end(&self, wanted: Option<Timestamp>) -> Result<Timestamp, Stays> {
        self.require_digital()?;
        let delta_ms = ExchangePolicy::parse(&self.dossier.policy.0)?.delta_ms;
        let last = Timestamp::from_millis(self.opened.terms.t_exp.saturating_sub(delta_ms));
        match wanted.unwrap_or(last) {
            end if end <= last => Ok(end),
            _ => Err(Stays::EndsTooLate(last)),
        }
    }

    /// Whether the first statement of a delivery brings the goods of this payment, by the very rules of the arbiter.
    ///
    /// # Errors
    /// [`Stays`].
    pub fn is_for(&self, d1: &Jws) -> Result<(), Stays> {
        self.require_digital()?;
        self.opened.posted(d1.clone(), &|name: &Thumbprint| self.key(name))?;
        Ok(())
    }

    /// Takes the receipt for the goods out of their delivery; gives what is shown to the arbiter, in this order, once the document is on
    /// the disk.
    ///
    /// # Errors
    /// [`Stays`]: it has none, or brings something else.
    pub fn delivered(&mut self, delivery: &Dossier) -> Result<[String; 2], Stays> {
        self.require_digital()?;
        let read = |piece: Piece, of| {
            let statement = delivery.statement(piece).ok_or(Stays::Lacks(of))?;
            Ok::<_, Stays>(Jws::parse(statement.as_bytes())?)
        };
        let (d1, d4) = (read(Piece::First, "the delivery's first statement")?, read(Piece::Fourth, "a receipt")?);
        let keys = |name: &Thumbprint| self.key(name);
        let (_, posted) = self.opened.posted(d1.clone(), &keys)?;
        self.opened.delivered(&posted, &d4, &keys)?;
        let shown = [text(&d1), text(&d4)];
        // One payment, one delivery: another one would convict nobody, and pay nobody.
        for (tag, statement) in [D1::TAG, D4::TAG].into_iter().zip(&shown) {
            self.dossier.statements.entry(tag.to_owned()).or_insert_with(|| statement.clone());
            if self.dossier.statement(tag) != Some(statement) {
                return Err(Stays::OtherDelivery);
            }
        }
        Ok(shown)
    }

    fn require_digital(&self) -> Result<(), Stays> {
        match (self.opened.terms.thing, self.dossier.part) {
            (Thing::Digital, Part::Payer | Part::Payee) => Ok(()),
            _ => Err(Stays::NotDelivered),
        }
    }
}
