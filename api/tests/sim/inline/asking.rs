//! How the arbiter of an exchange is asked, and what comes back: either may be lost, and who is asked may be killed before and after.

use semper_ttp::{client::swap::At, statement::exchange::Side};
use serde_json::Value;

use super::{Player, Run, check, honest::Asked};
use crate::{report::Violation, stage::index};

impl Run<'_> {
    /// An honest side asks the arbiter.
    pub(super) async fn ask(&mut self, side: Side, may_be_lost: bool) -> Result<(), Violation> {
        let Some(honest) = self.honest(side).filter(|honest| honest.is_up && honest.asks()) else { return Ok(()) };
        let Some(asked) = honest.asked() else { return Ok(()) };
        let mut lost = |what| may_be_lost && self.draw.fault(self.faults.lost, what);
        let (request_lost, answer_lost) = (lost("request lost"), lost("answer lost"));
        if request_lost {
            return Ok(());
        }
        let is_cancel = self.honest(side).is_some_and(|honest| honest.at() == Some(At::Cancelling));
        let (status, answer) = self.ask_arbiter(side, asked).await?;
        if may_be_lost && self.draw.fault(self.faults.crash, "server killed") {
            self.stage.crash(1);
        }
        if answer_lost {
            return Ok(());
        }
        if ![200, 201].contains(&status) {
            // Who wants no more of it when the other side has deposited waits for the end.
            if is_cancel && answer["code"] == "exchange.other_deposited" {
                return Ok(());
            }
            // What went back is erased as soon as it was handed out, also where that answer was lost.
            if answer["code"] == "exchange.nothing_to_collect" {
                return self.has_its_own(side);
            }
            return Err(Violation::of("timely_", format!("the {} asks, and gets {status} {answer}", side.name())));
        }
        let is_killed = may_be_lost && self.draw.fault(self.faults.killed, "client killed");
        let Player::Honest(honest) = &mut self.players[index(side)] else { return Ok(()) };
        if is_killed {
            honest.kill();
            return Ok(());
        }
        honest.answered(self.stage, &answer).map_err(|why| {
            Violation::of("nonrepud_", format!("the {} does not take the arbiter's answer: {why}", side.name()))
        })?;
        self.advance(side, None, may_be_lost);
        Ok(())
    }

    pub(super) fn has_its_own(&mut self, side: Side) -> Result<(), Violation> {
        let Player::Honest(honest) = &mut self.players[index(side)] else { return Ok(()) };
        honest.nothing_to_collect(self.stage).map_err(|why| Violation::of("strong_fair_", why))?;
        self.advance(side, None, false);
        Ok(())
    }

    /// Whoever asks: what comes back is looked at.
    pub(super) async fn ask_arbiter(&mut self, side: Side, asked: Asked) -> Result<(u16, Value), Violation> {
        let Asked { path, body, logs_in } = asked;
        let (status, answer) = match logs_in {
            true => self.stage.world().post(&self.stage.member(side).login, &path, &body).await,
            false => self.stage.ask(&path, &body).await,
        };
        self.asked.push((side, path.clone(), body.clone(), logs_in));
        match status {
            200 | 201 => check::answered(self, &path, &body, &answer)?,
            _ => crate::optimistic::refused(status, &answer)?,
        }
        Ok((status, answer))
    }
}
