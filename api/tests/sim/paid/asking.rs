//! How the arbiter of a payment is asked, and what comes back; and what a provider tells it.

use semper_ttp::{
    b64u,
    client::pay::Part,
    payment::{callback::sign as sign_callback, rail::PaymentRail as _},
    time::Timestamp,
};
use serde_json::Value;

use super::{
    Run, check,
    honest::{Honest, body, index},
};
use crate::{
    report::Violation,
    world::{
        http::{Asked, ask},
        rail_secret,
    },
};

impl Run<'_> {
    /// Somebody honest brings what it has said.
    pub(super) async fn ask(&mut self, part: Part, may_be_lost: bool) -> Result<(), Violation> {
        let Some((path, statement)) = self.of(part).filter(|honest| honest.is_up).and_then(Honest::pending) else {
            return Ok(());
        };
        let mut lost = |what| may_be_lost && self.draw.fault(self.faults.lost, what);
        let (request_lost, answer_lost) = (lost("request lost"), lost("answer lost"));
        if request_lost {
            return Ok(());
        }
        let (status, answer) = self.ask_arbiter(&path, &body(&statement)).await?;
        if may_be_lost && self.draw.fault(self.faults.crash, "server killed") {
            self.stage.crash(1);
        }
        if answer_lost {
            return Ok(());
        }
        match status {
            200 | 201 => self.hears(part, &answer, Some(&statement), may_be_lost),
            // The money is not there yet, or not any more; the order was not heard of.
            409 if answer["code"] == "paid.not_allowed_now" => self.look(part, may_be_lost).await,
            // It was begun with too little time left, or was never begun.
            404 | 409 | 422 if !self.is_open => Ok(()),
            _ => Err(Violation::of("timely_", format!("the {} says it, and gets {status} {answer}", part.name()))),
        }
    }

    pub(super) fn hears(
        &mut self,
        part: Part,
        answer: &Value,
        said: Option<&str>,
        may_be_killed: bool,
    ) -> Result<(), Violation> {
        let Some(honest) = &mut self.honest[index(part)] else { return Ok(()) };
        honest.answered(self.stage, answer, said).map_err(|why| {
            Violation::of("nonrepud_", format!("the {} does not take the arbiter's answer: {why}", part.name()))
        })?;
        self.advance(part, may_be_killed);
        Ok(())
    }

    /// Somebody honest looks how it stands.
    pub(super) async fn look(&mut self, part: Part, may_be_lost: bool) -> Result<(), Violation> {
        let is_there = self.of(part).is_some_and(|honest| honest.is_up && honest.has_begun());
        let may_ask = is_there && self.is_open && (part != Part::Carrier || self.terms.has_carrier);
        if !may_ask || may_be_lost && self.draw.fault(self.faults.lost, "answer lost") {
            return Ok(());
        }
        let path = format!("/v1/payments/{}", b64u::encode(self.first.x().as_bytes()));
        let (status, answer) = self.stage.world().get(&self.stage.party(index(part)).login, &path).await;
        if status != 200 {
            return Err(Violation::of("timely_", format!("the {} looks, and gets {status} {answer}", part.name())));
        }
        check::answered(self, &answer)?;
        self.shown = answer.clone();
        self.hears(part, &answer, None, may_be_lost)
    }

    /// Whoever asks: what comes back is looked at.
    pub(super) async fn ask_arbiter(&mut self, path: &str, body: &Value) -> Result<(u16, Value), Violation> {
        let (status, answer) = self.stage.ask(path, body).await;
        self.asked.push((path.to_owned(), body.clone()));
        match status {
            200 | 201 => {
                self.is_open |= answer["x"] == b64u::encode(self.first.x().as_bytes());
                check::answered(self, &answer)?;
            }
            _ => crate::optimistic::refused(status, &answer)?,
        }
        Ok((status, answer))
    }

    /// A provider tells something that happened: perhaps late, perhaps twice, in any order, and until it is heard.
    pub(super) async fn notice(&mut self, may_be_lost: bool) -> Result<(), Violation> {
        let place = self.draw.place(self.notices.len());
        if may_be_lost && self.draw.fault(self.faults.dropped, "callback lost") {
            return Ok(());
        }
        let (rail, notice) = self.notices[place].clone();
        let at = Timestamp::from_secs(self.stage.now().secs());
        let signature = sign_callback(&rail_secret(), &notice.id, at, &notice.body).expect("it signs");
        let asked = Asked::secure("POST", &format!("/v1/rails/{}/callbacks", self.stage.rails[rail].id()))
            .with("content-type", "application/json")
            .with("webhook-id", &notice.id)
            .with("webhook-timestamp", &at.secs().to_string())
            .with("webhook-signature", &signature)
            .octets(notice.body.clone());
        let answer = ask(&self.stage.world().service, asked).await;
        let is_again = may_be_lost && self.draw.fault(self.faults.twice, "callback twice");
        match answer.status.as_u16() {
            200 if is_again => {}
            // What came too early comes again.
            409 | 503 => {}
            200 => drop(self.notices.swap_remove(place)),
            status => {
                let what = format!("a provider's word gets {status} {}", String::from_utf8_lossy(&answer.body));
                return Err(Violation::of("money_", what));
            }
        }
        Ok(())
    }

    /// How it stands, whoever is honest.
    pub(super) async fn observe(&mut self) -> Result<(), Violation> {
        if !self.is_open {
            return Ok(());
        }
        let path = format!("/v1/payments/{}", b64u::encode(self.first.x().as_bytes()));
        let (status, answer) = self.stage.world().get(&self.stage.party(0).login, &path).await;
        if status != 200 {
            return Err(Violation::of("timely_", format!("a look gets {status} {answer}")));
        }
        check::answered(self, &answer)?;
        self.shown = answer;
        Ok(())
    }
}
