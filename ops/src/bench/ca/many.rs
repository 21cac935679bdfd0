//! Many revoked certificates: how soon one more is visible, and what its list costs.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Instant;

use semper_api::{Service, ToRevoke, draft};
use semper_ledger::sequencer::{Clock, Commit, Draft};
use semper_ttp::asn1::der;
use semper_ttp::ca::crl::Reason;
use semper_ttp::ca::name::DistinguishedName;
use semper_ttp::ca::ocsp::{HashAlgorithm, IssuerHashes, OcspRequest};
use semper_ttp::ca::profile::{Profile, ProfileCode};
use semper_ttp::ca::request::CertificationRequest;
use semper_ttp::ca::{Authority, CaFact, Grounds, ListId};
use semper_ttp::digest::Digest;
use semper_ttp::evidence::{Envelope, Recorded};
use semper_ttp::time::Timestamp;

use super::super::callers::{Noise, WallClock};
use super::super::sample::{quantile, rounds};
use super::super::{Failed, Figure, Goal, Place, large, machine};
use super::{AREA, PARTY_CA, certification_request, nobody, service_in, wanted};
use crate::data::DataFolder;
use crate::progress::Progress;

/// What one entry of a list may cost, microseconds: read, decoded, encoded, hashed, written.
const MICROS_AN_ENTRY: f64 = 5.0;
/// Of the small service.
const FEW: u64 = 1_000;
/// Lists of each service.
const SHARDS: u32 = 64;
/// Revocations that are timed in each round.
const TIMED: usize = 40;
/// Certificates of one commit while a service is filled, and commits that wait.
const FILL_CERTIFICATES: u64 = 500;
const FILL_WAITING: usize = 4;

/// Rows with few and with many revoked certificates.
///
/// # Errors
/// Anything that is not what was asked for.
pub(super) fn measure(place: &Place, revoked: u64, progress: &Progress) -> Result<[Figure; 2], Failed> {
    let few = Filled::new(place, "ca-few", FEW, progress)?;
    let many = Filled::new(place, "ca-many", revoked, progress)?;
    let flush_millis = super::super::flush_micros(place.path())? / 1000.0;
    let mut state = (few, many);
    let visible = rounds(&mut state, |(few, _)| few.revoke_and_ask(), |(_, many)| many.revoke_and_ask())?;
    let lists = rounds(&mut state, |(few, _)| few.renew_one_list(), |(_, many)| many.renew_one_list())?;
    let (resident, most) = machine::resident_megabytes(std::process::id())?;
    drop(state);
    place.clear("ca-few")?;
    place.clear("ca-many")?;
    // Two synced writes, each a flush of the store's log and one of the anchor, and a millisecond.
    let goal = Goal::AtMost(2.0 * flush_millis + 1.0);
    let visible = Figure::beside(AREA, format!("revoked and visible in OCSP, {revoked} revoked, p50"), "ms", &visible, goal)
        .against(format!("the same with {FEW} revoked"))
        .under(format!(
            "in this process, one after the other: revocation committed, synced and anchored, then asked for with a nonce and \
             answered \"revoked\"; {TIMED} a round; a flush takes {flush_millis:.2} ms, and two and 1 ms are allowed"
        ));
    // Entries of one list are read, encoded, hashed and stored, and no others: some microseconds each, and a commit.
    let entries = revoked / u64::from(SHARDS);
    let goal = Goal::AtMost(3.0 + MICROS_AN_ENTRY * entries as f64 / 1000.0);
    let lists = Figure::beside(AREA, format!("one list of {SHARDS}, {revoked} revoked"), "ms", &lists, goal)
        .against(format!("the same with {FEW} revoked"))
        .under(format!(
            "after one revocation: that list alone is built, signed, committed and synced, {entries} entries or so, {MICROS_AN_ENTRY} µs \
             allowed for each; resident {resident:.0} MB, at most {most:.0} MB since this process began",
        ));
    Ok([visible, lists])
}

/// A service with so many revoked certificates, and some that are not.
struct Filled {
    service: Arc<Service>,
    /// Not revoked yet.
    good: Vec<Vec<u8>>,
    issuer: IssuerHashes,
}

impl Filled {
    fn new(place: &Place, name: &str, revoked: u64, progress: &Progress) -> Result<Filled, Failed> {
        let data = place.init(name)?;
        let settings = data.join("semper.toml");
        let text = std::fs::read_to_string(&settings)? + &format!("\n[ca]\ncrl_shards = {SHARDS}\n");
        std::fs::write(&settings, text)?;
        fill(&data, revoked, progress)?;
        let service = service_in(&data)?;
        service.renew_responders()?;
        service.renew_crls()?;
        let folder = DataFolder::open(&data)?;
        let subject: DistinguishedName = (&folder.identity()?.subject("Applicant")).into();
        let request = certification_request()?;
        let request = CertificationRequest::from_der(&request)?;
        let rounds = 2 * super::super::ROUNDS + 2;
        let issue = |_| Ok(service.issue(&wanted(subject.clone(), &request))?.certificate.serial());
        let good = (0..rounds * (TIMED + 2)).map(issue).collect::<Result<_, Failed>>()?;
        let issuer = IssuerHashes::of(&folder.certificate(Authority::Party.name())?);
        Ok(Filled { service, good, issuer })
    }

    fn next(&mut self) -> Result<Vec<u8>, Failed> {
        self.good.pop().ok_or_else(|| Failed("too few certificates were issued for all rounds".to_owned()))
    }

    fn revoke(&self, serial: &[u8]) -> Result<(), Failed> {
        let (reason, officer) = (Reason::Superseded, nobody());
        let wanted = ToRevoke { ca: PARTY_CA, serial: serial.to_vec(), reason, officer, idempotency: None };
        self.service.revoke(&wanted)?;
        Ok(())
    }

    /// Milliseconds from asking for a revocation to the answer that says so, of the middle one.
    fn revoke_and_ask(&mut self) -> Result<f64, Failed> {
        let mut micros = Vec::new();
        for _ in 0..TIMED {
            let serial = self.next()?;
            let id = self.issuer.cert_id(HashAlgorithm::Sha1, &serial);
            let id = id.ok_or_else(|| Failed("a serial number does not read".to_owned()))?;
            let value = der::tlv(der::OCTET_STRING, &der::tlv(der::OCTET_STRING, &serial));
            let nonce = der::sequence(&[&[6, 9, 0x2B, 6, 1, 5, 5, 7, 0x30, 1, 2], &value]);
            let list = der::sequence(&[&der::sequence(&[id.der()])]);
            let request = der::sequence(&[&der::sequence(&[&list, &der::tlv(0xA2, &der::sequence(&[&nonce]))])]);
            let request = OcspRequest::parse(&request)?;
            let start = Instant::now();
            self.revoke(&serial)?;
            let answer = self.service.ocsp_response(&request);
            micros.push(start.elapsed().as_micros() as u64);
            // certStatus revoked is [1]: unlike "good" it is followed by the time.
            if !answer.windows(2).any(|window| window == [0xA1, 0x16]) {
                return Err(Failed("a revoked certificate is not told to be so".to_owned()));
            }
        }
        Ok(quantile(&mut micros, 0.5) as f64 / 1000.0)
    }

    /// Milliseconds for the list of one more revocation.
    fn renew_one_list(&mut self) -> Result<f64, Failed> {
        // What the rounds before have revoked comes first.
        self.service.renew_crls()?;
        let serial = self.next()?;
        self.revoke(&serial)?;
        let before = self.service.reader().size();
        let start = Instant::now();
        self.service.renew_crls()?;
        let seconds = start.elapsed().as_secs_f64();
        match self.service.reader().size() - before {
            1 => Ok(seconds * 1000.0),
            other => Err(Failed(format!("one revocation made {other} lists"))),
        }
    }
}

/// Certificates that were issued and revoked, as their facts say it: without the signatures, which nobody asks for here.
fn fill(data: &Path, certificates: u64, progress: &Progress) -> Result<(), Failed> {
    let (ledger, clock) = (large::open(data, None)?, WallClock::new());
    let (mut noise, profile) = (Noise::new(certificates), Profile::named("party-legal"));
    let (send, receive) = channel();
    let (mut left, mut waiting) = (certificates, 0);
    while left > 0 || waiting > 0 {
        if left > 0 && waiting < FILL_WAITING {
            let count = left.min(FILL_CERTIFICATES);
            let now = Timestamp::from_millis(clock.now_ms());
            let drafts = (0..count).flat_map(|_| facts(&mut noise, profile.digest(), now)).collect();
            let send = send.clone();
            let commit = Commit { idempotency: None, now_ms: now.millis(), drafts, rows: Vec::new() };
            ledger.submit(commit, move |outcome| {
                let _ = send.send(outcome.map(|appended| appended.count)); // nobody listens only after an error
            });
            (left, waiting) = (left - count, waiting + 1);
        } else {
            receive.recv()??;
            progress.add(1);
            waiting -= 1;
        }
    }
    Ok(())
}

fn facts(noise: &mut Noise, profile: Digest, now: Timestamp) -> [Draft; 2] {
    let mut serial = noise.bytes(16);
    serial[0] = serial[0] & 0x3F | 0x40;
    let partition = 1 + (noise.next() % u64::from(SHARDS)) as u32;
    let public_key = Digest(noise.hash());
    let grounds = Grounds { generation: 1, partition, profile, lint_version: 1, ..Grounds::default() };
    let (not_before, not_after) = (now.whole_secs(), now.whole_secs().plus_secs(365 * 24 * 3600));
    let issued = CaFact::CertificateIssued {
        issuer: PARTY_CA.authority,
        profile: ProfileCode::Party,
        serial: serial.clone(),
        public_key,
        not_before,
        not_after,
        grounds: Some(grounds),
    };
    let revoked = CaFact::CertificateRevoked {
        list: ListId { ca: PARTY_CA, partition },
        serial: serial.clone(),
        at: not_before,
        reason: Reason::Superseded,
        not_after,
        public_key,
        certificate: Digest(noise.hash()),
        officer: nobody(),
    };
    let aggregate = PARTY_CA.certificate(&serial);
    let mut salt = [0; 16];
    noise.fill(&mut salt);
    let mut seq = 0;
    [issued, revoked].map(|fact| {
        let fact = fact.into_fact(&Envelope {
            aggregate,
            seq,
            now,
            salt,
            policy_hash: Digest::default(),
            event_digest: Digest::default(),
        });
        seq += 1;
        draft(&fact, None)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_read_back_with_their_names() {
        let mut noise = Noise::new(3);
        let [issued, revoked] = facts(&mut noise, Digest::of(b"profile"), Timestamp::from_secs(1_800_000_000));
        assert_eq!((issued.names.len(), revoked.names.len()), (2, 1));
        assert_eq!((issued.step.unwrap().1, revoked.step.unwrap().1), (0, 1));
        let read = semper_ttp::evidence::names::read_revoked(&revoked.names[0]).unwrap();
        assert!((1..=SHARDS).contains(&read.list.partition) && read.serial.len() == 16);
    }
}
