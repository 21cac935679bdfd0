//! A certified extract of the journal: what stands there under consecutive numbers, as a document that an act certifies.

use std::sync::Arc;

use semper_ledger::sequencer::Idempotency;
use semper_ttp::{
    b64u::{B64u, B64u32},
    digest::Digest,
    id::ActId,
    notary::{
        ActType, Certify, JournalEvent,
        request::{ActRequest, RequestedDocument, Tag, Version},
    },
    policy::person::Officer,
    statement::{Salt, act::DocumentRole},
};
use serde_json::json;

use super::{
    super::{Service, ServiceFault},
    Job, JournalQuery, Making, NotaryFault, RecordParts,
    line::of_fact,
};

/// The most numbers of one extract.
const NUMBERS_MAX: u64 = 1_000;

impl Service {
    /// Certifies what the journal says under the numbers `from` to `to`. The read is a line of the access log before anything is made.
    pub(crate) async fn extract_journal(
        self: &Arc<Self>,
        (from, to): (u64, u64),
        request_digest: Digest,
        officer: Officer,
        idempotency: Idempotency,
    ) -> Result<ActId, NotaryFault> {
        let service = self.clone();
        let made = tokio::task::spawn_blocking(move || service.make_extract(from, to, officer.certificate)).await;
        // It panicked, which was printed.
        let extract = made.map_err(|_| ServiceFault::Facts("an extract was not made".to_owned()))??;
        let report = Digest::of(&extract);
        let request = ActRequest {
            t: Tag::Request,
            v: Version,
            salt: Salt(B64u(self.random()?)),
            kind: ActType::JournalExtract,
            documents: vec![RequestedDocument {
                sha256: B64u32::from(report),
                role: DocumentRole::Final,
                title: None,
                media_type: Some("application/json".to_owned()),
            }],
            signers: Vec::new(),
            name: None,
            address: None,
            dvc: None,
            correction_of: None,
        };
        let event = JournalEvent::Certify(Box::new(Certify {
            id: ActId::from(self.random()?),
            act: ActType::JournalExtract,
            request: request_digest,
            requester: officer,
            subject: report,
            failed: None,
            report: Some(report),
        }));
        let parts = RecordParts { request, sizes: vec![Some(extract.len() as u64)] };
        let making = Making::Record(Box::new(parts));
        self.enter_act(Job { report: Some(extract), ..Job::new(event, Some(idempotency), making) }).await
    }

    /// `{"t": "notary/journal-extract", "v": 1, "salt", "service", "from", "to", "last", "read_at", "lines"}`; schema
    /// `schemas/notary/journal-extract.json`.
    fn make_extract(&self, from: u64, to: u64, reader: Digest) -> Result<Vec<u8>, NotaryFault> {
        let last = self.journal()?.last;
        if !(1..=to).contains(&from) {
            return Err(NotaryFault::Request("from and to are numbers from 1 on, in their order"));
        }
        if to > last {
            return Err(NotaryFault::NotGiven { last });
        }
        if to - from >= NUMBERS_MAX {
            return Err(NotaryFault::Request("an extract has at most 1000 numbers"));
        }
        let most = (to - from + 1) as usize;
        let (lines, _) = self.read_journal(&JournalQuery::numbers(from, most), reader)?;
        let lines: Vec<_> = lines.iter().map(|(entry, fact)| of_fact(*entry, fact)).collect();
        let extract = json!({
            "t": "notary/journal-extract",
            "v": 1,
            "salt": Salt(B64u(self.random()?)),
            "service": self.reader().identity().origin(),
            "from": from,
            "to": to,
            "last": last,
            "read_at": self.now().to_string(),
            "lines": lines,
        });
        Ok(extract.to_string().into_bytes())
    }
}
