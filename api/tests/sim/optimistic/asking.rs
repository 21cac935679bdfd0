//! How the arbiter is asked: an answer may be lost, and may be preferred later (`Prefer: respond-async`). Then a signed receipt comes first, and
//! whoever holds it relies on it until its time is over. An arbiter that has lost the request, and says that it has decided nothing, is
//! convicted by both statements (PoM-6); an honest one never is, whenever it was killed.

use std::fs;

use http::StatusCode;
use semper_ttp::{
    account::{Item, Kind as Misbehaviour, Proof},
    crypto::jose::Key,
    statement::{
        Jws,
        exchange::{Side, verdict::Status},
    },
};
use serde_json::{Value, json};

use super::{Honest, Player, Promise, Run, check};
use crate::{
    report::Violation,
    rule::Rule,
    stage::index,
    world::{
        exchange::text,
        http::{Asked, ask},
        office::ORIGIN,
    },
};

impl Run<'_> {
    /// An honest side asks the arbiter.
    pub(super) async fn ask(&mut self, side: Side, may_be_lost: bool) -> Result<(), Violation> {
        let Some(request) = self.honest(side).and_then(Honest::request) else { return Ok(()) };
        let mut lost = |what| may_be_lost && self.draw.fault(self.faults.lost, what);
        let (request_lost, answer_lost) = (lost("request lost"), lost("answer lost"));
        let is_later = may_be_lost && self.draw.percent(self.later);
        if request_lost {
            return Ok(());
        }
        let mut body = json!({ "m1": request.first, "request": request.request });
        if let Some(second) = &request.second {
            body["m2"] = json!(second);
        }
        let (status, answer) = self.ask_arbiter(&self.path(), &body, is_later).await?;
        if may_be_lost && self.draw.fault(self.faults.crash, "server killed") {
            self.crash(1);
        }
        if answer_lost {
            return Ok(());
        }
        if status == 202 {
            // It lies beside the other files; who is killed asks again.
            let until = self.promises.last().map(|promise| promise.answer_by_ms);
            let Player::Honest(honest) = &mut self.players[index(side)] else { return Ok(()) };
            honest.promised_until = until;
            return Ok(());
        }
        if status != 200 {
            let what = format!("the {} asks, and gets {status} {answer}", side.name());
            return Err(Violation::of("timely_", what));
        }
        let is_killed = may_be_lost && self.draw.fault(self.faults.killed, "client killed");
        let Player::Honest(honest) = &mut self.players[index(side)] else { return Ok(()) };
        if is_killed {
            honest.kill();
            return Ok(());
        }
        honest.decided(self.stage, &answer).map_err(|why| {
            Violation::of("nonrepud_", format!("the {} does not take the arbiter's answer: {why}", side.name()))
        })
    }

    /// Its time is over: an honest side asks what was decided, and then for its answer.
    pub(super) async fn remind(&mut self, side: Side) -> Result<(), Violation> {
        self.status(side).await?;
        self.ask(side, false).await
    }

    /// Whoever asks: what comes back is looked at.
    pub(super) async fn ask_arbiter(
        &mut self,
        path: &str,
        body: &Value,
        is_later: bool,
    ) -> Result<(u16, Value), Violation> {
        let (status, answer) = match is_later {
            true => self.ask_later(path, body).await,
            false => self.stage.ask(path, body).await,
        };
        if status == 202 {
            let promise = check::promised(self.stage, body, &answer)?;
            self.draw.faults.insert("answered later");
            let before = self.promises.iter().find(|before| before.request == promise.request);
            if before.is_some_and(|before| before.receipt != promise.receipt) {
                return Err(Violation::of("accountable_", "another receipt for the same request"));
            }
            self.promises.retain(|before| before.request != promise.request);
            self.promises.push(promise);
            return Ok((status, answer));
        }
        if status != 200 {
            check::refused(status, &answer)?;
            return Ok((status, answer));
        }
        let (verdict, request) = check::answered(self.stage, path, body, &answer)?;
        if path == self.path() {
            self.verdict = Some(verdict);
            let promise = self.promises.iter().find(|promise| promise.request == request);
            let own = Jws::parse(answer["answer"].as_str().unwrap_or_default().as_bytes());
            let said_ms = own.map(|own| own.common().iat.get()).unwrap_or_default();
            if promise.is_some_and(|promise| said_ms < promise.received_ms) {
                return Err(Violation::of("accountable_", "an answer is of before its request was there"));
            }
            self.requests.push(request);
            match self.answers.iter().find(|(before, _)| before == body) {
                Some((_, before)) if before["answer"] != answer["answer"] => {
                    return Err(Violation::of("accountable_", "another answer to the same octets"));
                }
                Some(_) => {}
                None => self.answers.push((body.clone(), answer.clone())),
            }
        }
        Ok((status, answer))
    }

    async fn ask_later(&self, path: &str, body: &Value) -> (u16, Value) {
        let asked = Asked::secure("POST", path).with("content-type", "application/json");
        let asked = asked.with("prefer", "respond-async").octets(body.to_string().into_bytes());
        let answer = ask(&self.stage.world().service, asked).await;
        (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    /// The server is killed; one that keeps no promises has lost the requests, too.
    pub(super) fn crash(&mut self, ms: u64) {
        self.draw.faults.insert("server killed");
        if self.rule == Rule::PromisesKept {
            for promise in &self.promises {
                let x = promise.request.common().x.expect("of a run");
                // It may have been kept before.
                let _ = fs::remove_file(self.stage.world().disk.request_of(&x.into()));
            }
        }
        self.stage.crash(ms);
    }

    /// What the arbiter says that it has decided, to a side; convicts it if it has broken its word.
    async fn status(&mut self, side: Side) -> Result<(), Violation> {
        let Some(first) = self.first.clone() else { return Ok(()) };
        let path = self.path().replace("/requests", "/status");
        let login = &self.stage.member(side).login;
        let (status, told) = self.stage.world().post(login, &path, &json!({ "m1": text(&first) })).await;
        if status != 200 {
            return Err(Violation::of("timely_", format!("a question how it stands gets {status} {told}")));
        }
        let status = Jws::parse(told["status"].as_str().unwrap_or_default().as_bytes());
        let status = status.map_err(|fault| Violation::of("nonrepud_", fault))?;
        let is_decided = status.payload_as::<Status>().is_ok_and(|status| status.body.outcome.is_some());
        let now = self.stage.now().millis();
        let own = self.promises.iter().filter(|promise| promise.request.common().x == Some(first.x().into()));
        for promise in own {
            let is_convicted = self.is_convicted(&first, promise, &status).await;
            let is_broken = !is_decided && now > promise.answer_by_ms;
            match (is_broken, is_convicted) {
                (false, false) => {}
                (true, true) => {
                    return Err(Violation::of("pom_6_", "the arbiter has broken its word, and is convicted"));
                }
                (true, false) => {
                    return Err(Violation::of("accountable_", "its word is broken, and nobody is convicted"));
                }
                (false, true) => return Err(Violation::of("accountable_", "an honest arbiter is convicted")),
            }
        }
        Ok(())
    }

    /// Whether a receipt and a status together are a proof against the arbiter, by what everybody can ask of it.
    async fn is_convicted(&self, first: &Jws, promise: &Promise, status: &Jws) -> bool {
        let world = self.stage.world();
        let key = Key::from_spki_der(&world.disk.arbiter_spki()).expect("a key");
        let mut items = vec![Item::Key(key.to_jwk_json().as_bytes().to_vec())];
        items.extend([first, &promise.receipt, status].map(|jws| Item::Statement(jws.bytes().to_vec())));
        let file = Proof::of_arbiter(Misbehaviour::NoAnswer, ORIGIN, items).to_json();
        let asked = Asked::secure("POST", "/v1/accountability/proofs").with("content-type", "application/json");
        ask(&world.service, asked.octets(file.into_bytes())).await.status == StatusCode::OK
    }

    /// When every receipt's time is over, the arbiter is asked what it has decided, if it was not before.
    pub(super) async fn every_promise_is_kept(&mut self) -> Result<(), Violation> {
        let Some(last) = self.promises.iter().map(|promise| promise.answer_by_ms).max() else { return Ok(()) };
        if self.draw.percent(50) {
            self.stage.world().service.keep_promises();
        }
        self.stage.pass((last + 1).saturating_sub(self.stage.now().millis()));
        let side = if self.draw.percent(50) { Side::Originator } else { Side::Responder };
        self.status(side).await
    }
}
