//! A certified delivery that its originator submits, and what the arbiter signs of its steps.

use std::sync::Arc;

use semper_ttp::{
    crypto::{
        Signer as _,
        jose::{Key, Thumbprint},
    },
    exchange::judge::{
        Filed,
        erds::{Evidence, Judgement, judge},
    },
    statement::{
        Jws,
        exchange::{
            cd_r::{D1, D4},
            erds::{ErdsEvidence, Refuse, RefuseReason, Submit},
        },
    },
};
use serde_json::{Value, json};

use super::{
    delivery::Delivery,
    exchange::{ask_at, sign, text},
    office::{Member, World, exchange_policy},
};

impl Delivery<'_> {
    pub(crate) fn submission(&self, notice: bool) -> Value {
        let submit = sign(&self.o.sign, Some(self.x()), Submit { notice });
        json!({ "d1": text(&self.d1), "submit": text(&submit) })
    }

    pub(crate) fn d4(&self) -> Jws {
        let hm = self.d1.payload_as::<D1>().unwrap().body.hm;
        sign(&self.r.sign, Some(self.x()), D4 { hm })
    }

    pub(crate) fn refusal(&self) -> Jws {
        sign(&self.r.sign, Some(self.x()), Refuse { reason: Some(RefuseReason::NotWanted) })
    }

    pub(crate) fn registered(&self, what: &str) -> String {
        self.path(what).replace("exchanges", "deliveries")
    }

    pub(crate) async fn submit(&self, world: &World, notice: bool) -> (u16, Value) {
        ask_at(world, "/v1/deliveries", &self.submission(notice)).await
    }

    pub(crate) async fn say(&self, world: &World, statement: &Jws) -> (u16, Value) {
        ask_at(world, &self.registered("/statements"), &json!({ "statement": text(statement) })).await
    }

    pub(crate) async fn evidence(&self, world: &World, by: &Member) -> (u16, Value) {
        world.get(&by.login, &self.registered("/evidence")).await
    }

    /// What a court makes of all evidence, and of the verdicts that it has.
    pub(crate) fn judged(&self, world: &World, shown: &Value, verdicts: &[&Value]) -> Judgement {
        let keys = |name: &Thumbprint| {
            let spki = [self.o.sign.spki_der().to_vec(), self.r.sign.spki_der().to_vec(), world.disk.arbiter_spki()];
            let all = spki.iter().map(|spki| Key::from_spki_der(spki).unwrap());
            all.into_iter().find(|key| key.thumbprint() == *name).map(Arc::new)
        };
        let filed = |jws: Jws| Filed { jws, is_logged: true };
        let verdict = |verdict: &&Value| filed(Jws::parse(verdict.as_str().unwrap().as_bytes()).unwrap());
        let evidence = Evidence {
            first: self.d1.clone(),
            events: statements(shown).into_iter().map(filed).collect(),
            verdicts: verdicts.iter().map(verdict).collect(),
            rules: exchange_policy().delivery.expect("it has such a part"),
        };
        let judgement = judge(&evidence, &keys).unwrap();
        assert!(judgement.rejected.is_empty() && judgement.findings.is_empty(), "{judgement:?}");
        judgement
    }
}

fn statements(shown: &Value) -> Vec<Jws> {
    let all = shown["evidence"].as_array().unwrap_or_else(|| panic!("no evidence: {shown}"));
    all.iter().map(|one| Jws::parse(one["statement"].as_str().unwrap().as_bytes()).unwrap()).collect()
}

/// The events that were recorded, each with its reason.
pub(crate) fn events(shown: &Value) -> Vec<String> {
    let told = |jws: &Jws| {
        let body = jws.payload_as::<ErdsEvidence>().unwrap().body;
        let reasons = body.codes();
        std::iter::once(body.event.letter())
            .chain(reasons.iter().map(|reason| reason.name()))
            .collect::<Vec<_>>()
            .join(" ")
    };
    statements(shown).iter().map(told).collect()
}
