//! A payment comes to its end: everybody honest does what is left to do, time passes, and the money comes to rest.

use semper_ttp::{client::pay::Part, payment::simulator::Trick};

use super::{PARTS, Run, honest::index, terms::CHARGED_BACK_MS_MAX};
use crate::{report::Violation, world::office::DELTA_MS};

impl Run<'_> {
    /// Everybody honest does what is left to do, the end comes, all that the rail has to tell is told, and the money comes to rest.
    pub(super) async fn finish(&mut self) -> Result<(), Violation> {
        if self.is_undisturbed() || self.draw.percent(40) {
            self.go_on(10).await?;
        }
        while let Some((at, part)) = self.due() {
            if at > self.terms.t_exp + 2 * self.terms.t_accept {
                break;
            }
            self.stage.pass(at.saturating_sub(self.now()));
            self.must(part).await?;
            self.hand();
        }
        for part in [Part::Payer, Part::Payee] {
            if let Some(corrupt) = &mut self.corrupt[index(part)] {
                corrupt.left += 4;
            }
            for _ in 0..2 {
                self.act(part).await?;
            }
        }
        let last = self.terms.t_exp + 2 * self.terms.t_accept + 1;
        // Honest sides look at what happens meanwhile.
        for _ in 0..6 {
            let left = last.saturating_sub(self.now());
            let step = (left / 2).min(40_000).max(left.min(1_000));
            self.stage.pass(step);
            self.go_on(1).await?;
        }
        let mut wait =
            [last.saturating_sub(self.now()), 2 * DELTA_MS, 1_000, 60_000, 300_000, 600_000, 300_000, 6_000_000];
        wait[0] = wait[0].max(1);
        for ms in wait {
            self.stage.pass(ms);
            self.go_on(1).await?;
            self.act(Part::Payer).await?;
            self.act(Part::Payee).await?;
            if self.is_at_rest() {
                break;
            }
        }
        // What is taken back late is this run's, and nobody else's: seed 1588 found it in the book of the next.
        if self.tricks.values().flatten().any(|trick| matches!(trick, Trick::LateChargeback { .. })) {
            self.stage.pass(CHARGED_BACK_MS_MAX + 1);
        }
        self.go_on(2).await
    }

    /// Whether nothing of its money moves any more.
    fn is_at_rest(&self) -> bool {
        let money = &self.shown["money"];
        let moves =
            ["REQUESTED", "CAPTURING", "RELEASING", "HELD"].contains(&money["state"].as_str().unwrap_or_default());
        let is_decided = !self.shown["decided"].is_null() || !self.is_open;
        is_decided && self.notices.is_empty() && (!moves || money["unsettled"] == true)
    }

    /// Everybody is there, says what is so and looks; providers are heard; so many times, and no time passes.
    async fn go_on(&mut self, times: usize) -> Result<(), Violation> {
        for _ in 0..times {
            self.send();
            self.hand();
            for part in PARTS {
                self.start(part);
                if self.of(part).is_some_and(|honest| honest.has_begun()) {
                    self.ask(part, false).await?;
                    self.look(part, false).await?;
                    self.speak(part, false);
                    self.ask(part, false).await?;
                }
            }
            while let Some((to, letter)) = self.wire.pop() {
                if let Some(honest) = self.honest[index(to)].as_mut().filter(|honest| honest.is_up)
                    && honest.take(self.stage, &letter)
                {
                    self.advance(to, false);
                }
            }
            let told = self.stage.rails[self.terms.rail].take_notices();
            self.notices.extend(told.into_iter().map(|notice| (self.terms.rail, notice)));
            for _ in 0..self.notices.len() {
                self.notice(false).await?;
            }
            self.stage.world().service.look_at_payments();
            self.observe().await?;
        }
        Ok(())
    }
}
