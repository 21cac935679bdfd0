//! What parties and officers ask of the journal.

use std::sync::Arc;

use semper_ledger::sequencer::Idempotency;
use semper_ttp::{
    crypto::jose::Key,
    digest::Digest,
    id::{ActId, PartyId},
    notary::{
        ActType, Approve, Certify, Checks, Expire, JournalEvent, JournalFact, KeepPersonal, NotaryRefusal, Open,
        OpenAct, Reason, Refuse, Release, Sign, Take, Withdraw, request::ActRequest,
    },
    party::PartyState,
    path::Material,
    policy::person::{Officer, Person},
    statement::{Jws, contract::ContractSigned},
    validation::Subject,
    vault::Content,
};

use super::{
    super::{Service, ServiceFault, act::read_fact},
    Job, JournalQuery, KnownAct, Making, NotaryFault, OfficersWord, RecordParts,
    judging::Judged,
    search::JournalPage,
};
use crate::body::Held;

/// What came along with a request.
pub(crate) struct Came {
    /// The octets of its documents.
    pub(crate) contents: Option<Vec<Vec<u8>>>,
    /// What opens its commitments.
    pub(crate) personal: Option<Content>,
    /// The room that they have.
    pub(crate) held: Held,
}

impl Service {
    /// Who is behind a certificate.
    pub(crate) fn acting(&self, certificate: Digest) -> Result<Officer, ServiceFault> {
        self.officer(certificate)
    }

    /// The artefact of an entry.
    pub(crate) fn artefact_of(&self, index: u64) -> Result<Option<Vec<u8>>, ServiceFault> {
        Ok(self.reader().artefact(index)?)
    }

    /// Asks for an act: it is certified at once, or opened where it has to wait. A repetition gets the act that the first one got.
    pub(crate) async fn ask_for_act(
        self: &Arc<Self>,
        request: ActRequest,
        bytes: Vec<u8>,
        came: Came,
        requester: Officer,
        idempotency: Idempotency,
    ) -> Result<ActId, NotaryFault> {
        let settings = &self.notary.as_ref().ok_or(NotaryFault::NoNotary)?.settings;
        let (needs_person, life_secs) = (settings.officer_decides(request.kind), settings.life_secs);
        if let Some(index) = self.answered(Some(idempotency))? {
            return self.act_at(index);
        }
        let Came { contents, personal, held: room } = came;
        let contents = contents.map(Arc::new);
        self.require_signers(&request.signers)?;
        self.require_dvc(&request)?;
        self.require_correctable(&request, &requester)?;
        let sizes = match &contents {
            Some(contents) => contents.iter().map(|octets| Some(octets.len() as u64)).collect(),
            None => vec![None; request.documents.len()],
        };
        let validates = request.kind.validates();
        let judged = if validates { Some(self.judge_documents(contents.clone(), room.clone()).await?) } else { None };
        let failed = judged.as_ref().and_then(|judged| judged.failed());
        let (report, validation_report) = judged.map(|judged| (judged.digest(), judged.bytes)).unzip();
        let (id, subject, asked) = (ActId::from(self.random()?), request.subject(), Digest::of(&bytes));
        let held = sizes.iter().all(Option::is_some);
        // What is not valid needs nobody to be refused.
        let waits = failed.is_none() && (needs_person || request.kind == ActType::Contract);
        let (event, making) = if waits {
            let signers = request.signers.iter().copied().collect();
            let act = request.kind;
            let request = asked;
            let open = Open { id, act, request, requester, subject, held, signers, needs_person, life_secs, report };
            (JournalEvent::Open(Box::new(open)), Making::Received(bytes))
        } else {
            let act = request.kind;
            let certify = Certify { id, act, request: asked, requester, subject, failed, report };
            let parts = RecordParts { request, sizes };
            (JournalEvent::Certify(Box::new(certify)), Making::Record(Box::new(parts)))
        };
        let documents = match contents {
            Some(contents) => self.seal_documents(id, contents, room.clone()).await?,
            None => Vec::new(),
        };
        let personal = personal.map(|content| (KeepPersonal { id, of: requester }, content));
        let job = Job::new(event, Some(idempotency), making);
        self.enter_act(Job { report: validation_report, documents, personal, _held: room, ..job }).await
    }

    /// Enters what gives an act its number; gives the act, of a repetition the first one's.
    pub(super) async fn enter_act(&self, job: Job) -> Result<ActId, NotaryFault> {
        let entered = self.enter(job).await?;
        match entered.facts.first() {
            Some(fact) => Ok(fact.act()),
            None => self.act_at(entered.index),
        }
    }

    /// The act that the fact of an entry is of.
    fn act_at(&self, index: u64) -> Result<ActId, NotaryFault> {
        Ok(read_fact::<JournalFact>(&self.reader().fact(index)?.unwrap_or_default())?.act())
    }

    /// What an act names as the data validation certificate about its first document is one of ours, and is.
    fn require_dvc(&self, request: &ActRequest) -> Result<(), NotaryFault> {
        let Some(dvc) = request.dvc.map(Digest::from) else { return Ok(()) };
        let fault = NotaryFault::Request("dvc: no data validation certificate of this notary about the first document");
        let Some(index) = self.reader().find_digest(dvc.as_bytes())? else { return Err(fault) };
        match read_fact(&self.reader().fact(index)?.unwrap_or_default()) {
            // The imprint's octets are those of SHA-256, whose hash is what the fact has.
            Ok(JournalFact::Validated { subject, .. }) if subject == Digest::of(request.subject().as_bytes()) => Ok(()),
            _ => Err(fault),
        }
    }

    /// What an act corrects has ended, and whoever asks had a part in it.
    fn require_correctable(&self, request: &ActRequest, requester: &Officer) -> Result<(), NotaryFault> {
        let Some(corrected) = request.correction_of else { return Ok(()) };
        let known = self.find_act(corrected)?;
        if known.is_some_and(|known| known.is_of(requester) && known.recorded().is_some()) {
            return Ok(());
        }
        Err(NotaryFault::Request(
            "correction_of: no act with a record that you asked for or signed; data validation certificates are not corrected",
        ))
    }

    /// Judges the signatures of the first document; the second is its content, where the signature lies apart.
    async fn judge_documents(
        self: &Arc<Self>,
        contents: Option<Arc<Vec<Vec<u8>>>>,
        held: Held,
    ) -> Result<Judged, NotaryFault> {
        let contents = contents.ok_or(NotaryFault::Request("a signature is validated on octets: send contents"))?;
        let (document, content) = (contents.first().map_or(&[][..], Vec::as_slice), contents.get(1));
        let is_cms = matches!(Subject::recognise(document, None), Subject::Cms { .. });
        if contents.len() > 2 || content.is_some() && !is_cms {
            return Err(NotaryFault::Request(
                "one signed document is validated, or a CMS signature and then its content",
            ));
        }
        self.judging(held, move |service, rules| {
            let (document, content) = (contents.first().map_or(&[][..], Vec::as_slice), contents.get(1));
            service.judge(rules, Subject::recognise(document, content.map(Vec::as_slice)), None, &Material::new())
        })
        .await
    }

    /// Every signer is a registered party that is not suspended.
    fn require_signers(&self, signers: &[PartyId]) -> Result<(), NotaryFault> {
        for signer in signers {
            let known = self.find_party(*signer)?;
            let known = known.filter(|party| !matches!(party.state, PartyState::Suspended(..)));
            let keys = known.as_ref().and_then(|party| party.state.party()).map(|party| party.keys.values());
            let mut signs = false;
            for bound in keys.into_iter().flatten() {
                signs |= self.good_certificate(&bound.certificate)?.is_some_and(|(_, found)| found.commits());
            }
            if !signs {
                return Err(NotaryFault::Signer(format!("{signer} is no party that can sign")));
            }
        }
        Ok(())
    }

    /// A signer signs.
    pub(crate) async fn sign_act(
        &self,
        act: ActId,
        bytes: Vec<u8>,
        by: Officer,
        idempotency: Idempotency,
    ) -> Result<(), NotaryFault> {
        let wrong = |why: String| NotaryFault::Signature(why);
        let jws = Jws::parse(&bytes).map_err(|fault| wrong(fault.to_string()))?;
        let body = jws.payload_as::<ContractSigned>().map_err(|fault| wrong(fault.to_string()))?.body;
        if body.act != act {
            return Err(wrong(format!("it is for the act {}", body.act)));
        }
        if body.service.as_str() != self.reader().identity().origin() {
            return Err(wrong(format!("it is for the service {}", body.service.as_str())));
        }
        if by.person != Person::Party(body.party) {
            return Err(wrong("it is by another party than the one that sends it".to_owned()));
        }
        let subject = self.journal()?.open.get(&act).map(|open| open.subject);
        if subject.is_some_and(|subject| subject != body.document.into()) {
            return Err(wrong("it is over another document than the act's".to_owned()));
        }
        let certificate = self.signing_certificate(&jws, &body)?;
        let sign = Sign { id: act, signer: body.party, certificate, signature: Digest::of(&bytes) };
        let event = JournalEvent::Sign(sign);
        let making = Making::Received(bytes);
        self.enter_open(Job::new(event, Some(idempotency), making), |known| known.is_of(&by)).await
    }

    /// The certificate of the key that signed, if it is the party's and good now.
    fn signing_certificate(&self, jws: &Jws, body: &ContractSigned) -> Result<Digest, NotaryFault> {
        let wrong = |why: &str| NotaryFault::Signature(why.to_owned());
        let party = self.find_party(body.party)?.ok_or_else(|| wrong("there is no such party"))?;
        if !party.state.may_act_by(body.key, self.now()) {
            return Err(wrong("the key is not one by which the party may act now"));
        }
        let bound = party.state.party().and_then(|party| party.keys.get(&body.key)).map(|key| key.certificate);
        let bound = bound.ok_or_else(|| wrong("the key is not one of the party's"))?;
        let (_, certificate) =
            self.good_certificate(&bound)?.ok_or_else(|| wrong("the certificate of its key is not good now"))?;
        if !certificate.commits() {
            return Err(wrong("its key logs in, and commits to nothing that it signs: sign with another"));
        }
        let key = Key::from_spki_der(&certificate.spki_der()).map_err(|_| wrong("its key signs no statements"))?;
        jws.verify(&key).map_err(|fault| NotaryFault::Signature(fault.to_string()))?;
        Ok(bound)
    }

    /// An officer takes an act.
    pub(crate) async fn take_act(&self, id: ActId, officer: Officer, key: Idempotency) -> Result<(), NotaryFault> {
        self.enter_event(JournalEvent::Take(Take { id, officer, officer_good: true }), key).await
    }

    /// An officer gives an act back.
    pub(crate) async fn release_act(&self, id: ActId, officer: Officer, key: Idempotency) -> Result<(), NotaryFault> {
        self.enter_event(JournalEvent::Release(Release { id, officer }), key).await
    }

    /// An officer refuses an act.
    pub(crate) async fn refuse_act(
        &self,
        id: ActId,
        officer: Officer,
        reason: Reason,
        key: Idempotency,
    ) -> Result<(), NotaryFault> {
        self.enter_event(JournalEvent::Refuse(Refuse { id, officer, officer_good: true, reason }), key).await
    }

    /// Whoever asked takes an act back.
    pub(crate) async fn withdraw_act(&self, id: ActId, by: Officer, key: Idempotency) -> Result<(), NotaryFault> {
        self.enter_event(JournalEvent::Withdraw(Withdraw { id, by }), key).await
    }

    /// An officer approves an act, and says what it cost and where the session was recorded.
    pub(crate) async fn approve_act(
        &self,
        id: ActId,
        officer: Officer,
        checks: Checks,
        word: OfficersWord,
        key: Idempotency,
    ) -> Result<(), NotaryFault> {
        let event = JournalEvent::Approve(Approve { id, officer, officer_good: true, checks });
        let making = Making::Approval(Box::new(word));
        self.enter_open(Job::new(event, Some(key), making), |_| true).await
    }

    async fn enter_event(&self, event: JournalEvent, key: Idempotency) -> Result<(), NotaryFault> {
        self.enter_open(Job::new(event, Some(key), Making::Fact), |_| true).await
    }

    /// Enters what an open act is needed for; of one that has ended, those are told who may `see` it.
    async fn enter_open(&self, job: Job, see: impl FnOnce(&KnownAct) -> bool + Send) -> Result<(), NotaryFault> {
        let id = job.event.act();
        match self.enter(job).await {
            Err(NotaryFault::Refused(NotaryRefusal::NotOpen)) => {
                let known = self.find_act(id)?.filter(see);
                Err(match known.as_ref().and_then(KnownAct::recorded) {
                    Some((_, recorded)) => NotaryFault::Ended { outcome: recorded.outcome(), at: recorded.at },
                    None => NotaryRefusal::NotOpen.into(),
                })
            }
            entered => entered.map(drop),
        }
    }

    /// Ends the acts that were open for too long. Gives how many.
    ///
    /// # Errors
    /// [`NotaryFault`].
    pub async fn expire_acts(&self) -> Result<usize, NotaryFault> {
        if self.notary.is_none() {
            return Ok(0);
        }
        let now = self.now();
        let mut ended = 0;
        for (id, _) in self.open_acts()?.into_iter().filter(|(_, act)| act.expires_at <= now) {
            let event = JournalEvent::Expire(Expire { id });
            self.enter(Job::new(event, None, Making::Fact)).await?;
            ended += 1;
        }
        Ok(ended)
    }

    /// The acts that wait. The read is a line of the access log before anything is shown. Blocks.
    pub(crate) fn read_worklist(&self, reader: Digest) -> Result<Vec<(ActId, OpenAct)>, NotaryFault> {
        let open = self.open_acts()?;
        let names: Vec<u8> = open.iter().flat_map(|(id, _)| *id.octets()).collect();
        self.log_access("notary/worklist", reader, Digest::of(&names))?;
        Ok(open)
    }

    /// Somebody else than who asked for an act reads `what` of it: how it stands where that is nothing, or a place below it. Blocks.
    pub(crate) fn log_act_access(&self, act: ActId, what: &str, reader: Digest) -> Result<(), NotaryFault> {
        Ok(self.log_access(&format!("notary/act/{act}{what}"), reader, Digest::of(act.octets()))?)
    }

    /// A page of the journal. The read is a line of the access log before anything is shown. Blocks.
    pub(crate) fn read_journal(&self, query: &JournalQuery, reader: Digest) -> Result<JournalPage, NotaryFault> {
        let page = self.journal_page(query)?;
        self.log_access("notary/journal", reader, query.digest())?;
        Ok(page)
    }
}
