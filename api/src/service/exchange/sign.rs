//! What the arbiter signs.

use semper_ttp::{
    b64u::B64u,
    crypto::jose::Thumbprint,
    digest::Digest,
    exchange::Decision,
    statement::{
        Body, Common, Count, Jws, Millis, Salt, Statement, Unsigned,
        exchange::{
            Outcome,
            verdict::{Answer, Status, Verdict},
        },
    },
    time::Timestamp,
};

use super::{
    super::{Service, ServiceFault, desk::RoleKey},
    ExchangeFault,
    check::Checked,
};

impl Service {
    /// A statement of the arbiter's about a run.
    pub(in crate::service) fn sign_of_run<B: Body>(
        &self,
        key: &RoleKey,
        x: &Digest,
        now: Timestamp,
        body: B,
    ) -> Result<Vec<u8>, ExchangeFault> {
        self.presence.signs(now);
        let salt = Salt(B64u(self.random()?));
        let common = Common { salt, iat: now.into(), x: Some((*x).into()), shown: None };
        let unsigned = Unsigned::new(&Statement { common, body }, key.algorithm, key.thumbprint)?;
        let signature = key.signer.sign_raw(unsigned.message())?;
        Ok(unsigned.finish(&signature)?.bytes().to_vec())
    }

    pub(super) fn sign_verdict(
        &self,
        key: &RoleKey,
        checked: &Checked,
        decision: &Decision,
    ) -> Result<Vec<u8>, ExchangeFault> {
        let text = |jws: &Jws| String::from_utf8_lossy(jws.bytes()).into_owned();
        let outages = decision.end.iter().flat_map(|end| &end.outages).filter_map(|index| Count::new(*index));
        let verdict = Verdict {
            proto: decision.protocol,
            outcome: decision.outcome,
            basis: checked.basis(decision.outcome).into_iter().map(text).collect(),
            decided_ms: decision.at.into(),
            policy: decision.policy.into(),
            outages: outages.collect(),
            assurance: decision.assurance,
        };
        self.sign_of_run(key, &decision.x, decision.at, verdict)
    }

    #[allow(clippy::too_many_arguments, reason = "each is a member of the answer")]
    pub(super) fn sign_answer(
        &self,
        key: &RoleKey,
        x: &Digest,
        now: Timestamp,
        to: Thumbprint,
        request: Digest,
        c_r: Option<Digest>,
        verdict: Digest,
    ) -> Result<Vec<u8>, ExchangeFault> {
        let answer = Answer { to, req: request.into(), c_r: c_r.map(Into::into), verdict: verdict.into() };
        self.sign_of_run(key, x, now, answer)
    }

    /// What the arbiter says of a run as of the size of its log: nothing that it releases later contradicts it.
    pub(super) fn sign_status(
        &self,
        key: &RoleKey,
        x: &Digest,
        now: Timestamp,
        size: u64,
        decided: Option<(Outcome, Digest)>,
    ) -> Result<Vec<u8>, ExchangeFault> {
        let status = Status {
            at_ms: Millis::from(now),
            size: Count::new(size).ok_or_else(|| ServiceFault::Facts("a log of 2^53 entries".to_owned()))?,
            outcome: decided.map(|(outcome, _)| outcome),
            verdict: decided.map(|(_, verdict)| verdict.into()),
        };
        self.sign_of_run(key, x, now, status)
    }
}
