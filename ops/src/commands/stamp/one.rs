//! One file: asked, compared, kept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use semper_api::client::{ClientError, Form, Which};
use semper_ledger::entry::Entry;
use semper_ledger::receipt::tlog_proof::TlogProof;
use semper_ttp::asn1::PolicyId;
use semper_ttp::crypto::Entropy;
use semper_ttp::digest::{Digest, ImprintAlgorithm};
use semper_ttp::time::Timestamp;
use semper_ttp::timestamp::request::{Imprint, Request};
use semper_ttp::timestamp::response::{self, Response};
use semper_ttp::timestamp::{FailInfo, Refusal};
use semper_ttp::verify::{TokenReading, Trust};

use super::super::atomic::{replace, write_new};
use super::super::hashing::imprint_of_file;
use super::super::remote::{Remote, exit_of, is_cosigned, origin_of};
use super::judge::{Judged, judge};
use super::walk::Job;
use crate::exit::Exit;

/// Octets of the nonce: 128 bits, so that no two requests ever share one.
const NONCE_BYTES: usize = 16;
/// How often a busy server is asked before its file fails.
const ATTEMPTS_MAX: u32 = 8;
/// Longest wait for a busy server, whatever it says, seconds.
const WAIT_SECS_MAX: u64 = 30;

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) algorithm: ImprintAlgorithm,
    pub(super) policy: Option<PolicyId>,
    /// The proof must bear a cosignature.
    pub(super) witnessed: bool,
    /// What judges the evidence.
    pub(super) trust: Option<Trust>,
}

/// The server, as far as this command needs it.
pub(super) trait Service: Sync {
    /// TimeStampReq in, TimeStampResp out.
    fn timestamp(&self, query: Vec<u8>) -> Result<Vec<u8>, ClientError>;
    /// The tlog-proof of the entry with this digest; where witnesses are waited for, until it is `enough` or time is over.
    fn proof(&self, digest: Digest, enough: &dyn Fn(&[u8]) -> bool) -> Result<Vec<u8>, ClientError>;
    /// The name of its ledger: the first line of its checkpoint.
    fn origin(&self) -> Result<String, ClientError>;
    /// Lets a busy server rest.
    fn wait(&self, time: Duration);
}

/// The real one.
#[derive(Debug)]
pub(super) struct OnTheWire<'a> {
    pub(super) remote: &'a Remote,
    pub(super) path: &'static str,
    /// Asked for once, and only if evidence is there already.
    pub(super) origin: OnceLock<Result<String, ClientError>>,
    /// How long to wait for witnesses, if they are asked for.
    pub(super) wait: Option<Duration>,
    /// That was in vain for one file. For all of a folder, it would take hours.
    pub(super) gave_up: AtomicBool,
}

impl Service for OnTheWire<'_> {
    fn timestamp(&self, query: Vec<u8>) -> Result<Vec<u8>, ClientError> {
        self.remote.call(async |client| client.timestamp(self.path, query).await).map(Into::into)
    }

    fn proof(&self, digest: Digest, enough: &dyn Fn(&[u8]) -> bool) -> Result<Vec<u8>, ClientError> {
        let which = Which::Digest(digest);
        let Some(wait) = self.wait else {
            return self.remote.call(async |client| client.inclusion(which, Form::TlogProof).await).map(Into::into);
        };
        if self.gave_up.load(Ordering::Relaxed) {
            return Err(ClientError::NotWitnessed);
        }
        let proof = self.remote.witnessed(which, wait, enough);
        let in_vain = match &proof {
            Ok(proof) => !enough(proof),
            Err(error) => *error == ClientError::NotWitnessed,
        };
        self.gave_up.fetch_or(in_vain, Ordering::Relaxed);
        proof
    }

    fn origin(&self) -> Result<String, ClientError> {
        let ask = || Ok(origin_of(&self.remote.call(async |client| client.checkpoint().await)?).to_owned());
        self.origin.get_or_init(ask).clone()
    }

    fn wait(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// How a file came to have its evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// Token and proof are new.
    Stamped,
    /// The token was there, the proof is new.
    Completed,
    /// Both were there, and the proof was replaced by one with the cosignatures that were asked for.
    Renewed,
    /// Both were there, of this very content and from this service's ledger.
    Already,
}

impl Done {
    pub(super) fn words(self) -> &'static str {
        match self {
            Done::Stamped => "stamped",
            Done::Completed => "proof fetched",
            Done::Renewed => "proof with cosignatures fetched",
            Done::Already => "already stamped",
        }
    }

    pub(super) fn code(self) -> &'static str {
        match self {
            Done::Stamped => "stamped",
            Done::Completed => "completed",
            Done::Renewed => "renewed",
            Done::Already => "already",
        }
    }
}

/// What lies on the disk now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) done: Done,
    /// The token's genTime.
    pub(super) time: Timestamp,
    /// SHA-256 of the token.
    pub(super) digest: Digest,
    /// The entry's place in the ledger.
    pub(super) index: u64,
}

/// Why a file has no evidence, or not all.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The file, or evidence that is there.
    #[error("cannot read {}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    /// The evidence.
    #[error("cannot write {}: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
    /// There is evidence, but not of this file as it is now.
    #[error("{} is there already and {why}; nothing was overwritten: move it away or choose --out", path.display())]
    Occupied { path: PathBuf, why: &'static str },
    /// The token is there, and its proof is not.
    #[error("its timestamp is kept, but {why}; {then} to get its proof")]
    Unproven { why: ClientError, then: &'static str },
    /// No answer.
    #[error(transparent)]
    Server(#[from] ClientError),
    /// The answer is no.
    #[error("the server refuses: {}{text}", names(.fail_info))]
    Rejected { fail_info: Vec<FailInfo>, text: String },
    /// The trust anchors say so of what came, which was not kept, or of what is there, which was left.
    #[error("by your trust anchors, {why}; {what}")]
    False { why: String, what: String },
    /// The trust anchors cannot tell. What came was kept.
    #[error("its evidence is kept, but by your trust anchors it cannot be told: {0}")]
    Open(String),
    /// The token is there, and a proof that is enough for the trust anchors is not.
    #[error(
        "its timestamp is kept, but too few of the witnesses that you ask for have cosigned its place in the ledger (one that was \
         away cosigns the next entry's); run the same command again to get its proof"
    )]
    TooFew,
    /// The answer is not an answer to what was asked. Nothing of it was kept.
    #[error("the answer was not kept: {0}")]
    Answer(String),
    /// No random nonce.
    #[error("no randomness")]
    Entropy,
}

fn again(why: &ClientError, wanted: &Wanted) -> &'static str {
    match (why, &wanted.trust) {
        (ClientError::NoWitnesses, Some(trust)) if trust.needs_witnesses() => {
            "run the command without --trust, or with trust anchors whose witnesses.policy asks for none,"
        }
        (ClientError::NoWitnesses, _) => "run the command without --witnessed",
        _ => "run the same command again",
    }
}

fn names(fail_info: &[FailInfo]) -> String {
    fail_info.iter().map(|info| format!("{}: ", info.name())).collect()
}

impl Failure {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Failure::Read { .. } | Failure::Occupied { .. } => Exit::Usage,
            Failure::Write { .. } | Failure::Entropy | Failure::Answer(_) => Exit::Fault,
            Failure::Server(error) | Failure::Unproven { why: error, .. } => exit_of(error),
            Failure::False { .. } => Exit::Falsified,
            Failure::Open(_) => Exit::Undecided,
            Failure::TooFew => Exit::Busy,
            // It will not become better by trying again.
            Failure::Rejected { text, .. } if *text == Refusal::Halted.to_string() => Exit::Unreachable,
            Failure::Rejected { fail_info, .. } => {
                let later = |info: &FailInfo| matches!(info, FailInfo::SystemFailure | FailInfo::TimeNotAvailable);
                if fail_info.iter().any(later) { Exit::Busy } else { Exit::Usage }
            }
        }
    }

    /// How long the server asks to wait before this is tried again, seconds: by HTTP, or, where RFC 3161 wants status 200,
    /// in the words of a rejection (`timestamp.busy`), which is the only place for it there.
    fn wait_secs(&self) -> Option<u64> {
        match self {
            Failure::Server(ClientError::Busy { retry_after_secs }) => Some(retry_after_secs.unwrap_or(1)),
            Failure::Rejected { fail_info, text } if fail_info.contains(&FailInfo::SystemFailure) => {
                let (_, wish) = text.rsplit_once("Try again in ")?;
                wish.split(' ').next()?.parse().ok()
            }
            _ => None,
        }
    }

    /// True if the next file would surely fail likewise.
    pub(super) fn repeats(&self) -> bool {
        match self {
            Failure::Server(error) => !matches!(error, ClientError::NotFound { .. } | ClientError::Broken { .. }),
            Failure::Rejected { .. } | Failure::Entropy => true,
            // The others get their tokens, unless these would be of no use to the caller either.
            Failure::Unproven { why, .. } => matches!(why, ClientError::NoWitnesses),
            Failure::Read { .. } | Failure::Write { .. } | Failure::Occupied { .. } | Failure::Answer(_) => false,
            Failure::False { .. } | Failure::Open(_) | Failure::TooFew => false,
        }
    }
}

/// A token and what it says.
struct Token {
    bytes: Vec<u8>,
    reading: TokenReading,
}

/// Does the whole of it.
pub(super) fn stamp_one(
    job: &Job,
    wanted: &Wanted,
    service: &dyn Service,
    entropy: &dyn Entropy,
) -> Result<Kept, Failure> {
    let (token, had_token) = match read_if_there(&job.token)? {
        Some(token) => (check_old_token(job, wanted, token)?, true),
        None if job.proof.exists() => {
            return Err(Failure::Occupied { path: job.proof.clone(), why: "there is no token to it" });
        }
        None => (new_token(job, wanted, service, entropy)?, false),
    };
    let kept = |done, index| Ok(Kept { done, time: token.reading.gen_time, digest: token.reading.digest, index });
    let old = read_if_there(&job.proof)?;
    if let Some(proof) = &old
        && let Some(index) = check_old_proof(job, wanted, service, &token, proof)?
    {
        return kept(Done::Already, index);
    }
    let NewProof { proof, index, open } = new_proof(wanted, service, &token)?;
    let done = match (old, had_token) {
        (Some(_), _) => {
            replace(&job.proof, &proof).map_err(|error| Failure::Write { path: job.proof.clone(), error })?;
            Done::Renewed
        }
        (None, had_token) => {
            write(&job.proof, &proof)?;
            if had_token { Done::Completed } else { Done::Stamped }
        }
    };
    open.map_or(kept(done, index), |why| Err(Failure::Open(why)))
}

/// The entry's index if the proof that is there is one that was asked for; `None` if it may be replaced.
fn check_old_proof(
    job: &Job,
    wanted: &Wanted,
    service: &dyn Service,
    token: &Token,
    proof: &[u8],
) -> Result<Option<u64>, Failure> {
    let occupied = |why| Failure::Occupied { path: job.proof.clone(), why };
    let place = check_proof(proof, token.reading.digest);
    let Place { index, origin, cosigned } = place.map_err(|_| occupied("is not of the token beside it"))?;
    if origin != service.origin()? {
        return Err(occupied("is from the ledger of another service than this"));
    }
    let judged = wanted.trust.as_ref().map(|trust| judge(trust, &token.bytes, &token.reading, Some(proof)));
    match judged {
        Some(Judged::False(why)) => {
            let what = format!("{} was left as it is", job.proof.display());
            Err(Failure::False { why, what })
        }
        Some(Judged::Open(why)) => Err(Failure::Open(why)),
        Some(Judged::TooFew) => Ok(None),
        Some(Judged::Good) if wanted.witnessed && !cosigned => Ok(None),
        None if wanted.witnessed && !cosigned => {
            Err(occupied("bears no witness's cosignature (with --trust DIR, one that verifies takes its place)"))
        }
        Some(Judged::Good) | None => Ok(Some(index)),
    }
}

/// A proof that may be kept.
struct NewProof {
    proof: Vec<u8>,
    /// The entry's.
    index: u64,
    /// What the trust anchors leave open.
    open: Option<String>,
}

fn new_proof(wanted: &Wanted, service: &dyn Service, token: &Token) -> Result<NewProof, Failure> {
    let judged = |proof: &[u8]| match &wanted.trust {
        Some(trust) => judge(trust, &token.bytes, &token.reading, Some(proof)),
        None => Judged::Good,
    };
    let ask = || match service.proof(token.reading.digest, &|proof| judged(proof) != Judged::TooFew) {
        Err(why @ (ClientError::NotWitnessed | ClientError::NoWitnesses)) => {
            Err(Failure::Unproven { then: again(&why, wanted), why })
        }
        answer => Ok(answer?),
    };
    // Who waits for witnesses has waited for a busy server, too.
    let proof = if wanted.witnessed { ask() } else { patiently(service, ask) }?;
    let place = check_proof(&proof, token.reading.digest).map_err(|why| Failure::Answer(why.to_owned()))?;
    if wanted.witnessed && !place.cosigned {
        return Err(Failure::Answer("the proof bears no cosignature, and was asked for with some".to_owned()));
    }
    let open = match judged(&proof) {
        Judged::False(why) => {
            return Err(Failure::False { why, what: "the proof that came was not kept".to_owned() });
        }
        Judged::TooFew => return Err(Failure::TooFew),
        Judged::Open(why) => Some(why),
        Judged::Good => None,
    };
    Ok(NewProof { proof, index: place.index, open })
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::Read { path: path.to_owned(), error }),
    }
}

/// A token that is there is good if it is of the file as it is now, and under the policy that is asked for.
fn check_old_token(job: &Job, wanted: &Wanted, token: Vec<u8>) -> Result<Token, Failure> {
    let occupied = |why| Failure::Occupied { path: job.token.clone(), why };
    let reading = TokenReading::of(&token).map_err(|_| occupied("is no token that this program reads"))?;
    if hash_file(&job.file, reading.algorithm)? != reading.imprint {
        let other = "is of other content than the file has now";
        return Err(match wanted.trust {
            None => occupied(other),
            // Who asks for a judgement gets one, as by `verify`.
            Some(_) => Failure::False {
                why: format!("{} {other}", job.token.display()),
                what: "it was left as it is".to_owned(),
            },
        });
    }
    if wanted.policy.as_ref().is_some_and(|policy| *policy != reading.policy) {
        return Err(occupied("is under another policy than is asked for"));
    }
    let token = Token { bytes: token, reading };
    check_token(wanted, &token, || format!("{} was left as it is", job.token.display()))?;
    Ok(token)
}

fn new_token(job: &Job, wanted: &Wanted, service: &dyn Service, entropy: &dyn Entropy) -> Result<Token, Failure> {
    let digest = hash_file(&job.file, wanted.algorithm)?;
    let mut nonce = [0; NONCE_BYTES];
    entropy.fill(&mut nonce).map_err(|_| Failure::Entropy)?;
    // The hasher gives as many octets as its algorithm has.
    let imprint = Imprint::new(wanted.algorithm, &digest).expect("the digest is of this algorithm");
    let request = Request::new(imprint, wanted.policy.clone(), Some(&nonce), true);
    let bytes = patiently(service, || {
        let answer = service.timestamp(request.encode())?;
        match response::parse(&answer).map_err(|fault| Failure::Answer(fault.to_string()))? {
            Response::Granted(token) => Ok(token),
            Response::Rejected { fail_info, text, .. } => Err(Failure::Rejected { fail_info, text }),
        }
    })?;
    let reading = TokenReading::of(&bytes).map_err(|why| Failure::Answer(why.to_owned()))?;
    check_answer(&request, &reading).map_err(|why| Failure::Answer(why.to_owned()))?;
    let token = Token { bytes, reading };
    check_token(wanted, &token, || "the timestamp that came was not kept".to_owned())?;
    write(&job.token, &token.bytes)?;
    Ok(token)
}

/// What the trust anchors say against a token. What they leave open is told when its proof is judged with it.
fn check_token(wanted: &Wanted, token: &Token, what: impl FnOnce() -> String) -> Result<(), Failure> {
    match wanted.trust.as_ref().map(|trust| judge(trust, &token.bytes, &token.reading, None)) {
        Some(Judged::False(why)) => Err(Failure::False { why, what: what() }),
        Some(Judged::Good | Judged::TooFew | Judged::Open(_)) | None => Ok(()),
    }
}

/// RFC 3161 §2.2: the requester shall see that what was returned is what was asked for.
fn check_answer(request: &Request, token: &TokenReading) -> Result<(), &'static str> {
    if (token.algorithm, &token.imprint) != (request.imprint.algorithm, &request.imprint.digest) {
        return Err("the token is for another digest");
    }
    if token.nonce != request.nonce {
        return Err("the token has another nonce: it may be an old one, replayed");
    }
    if request.policy.as_ref().is_some_and(|policy| *policy != token.policy) {
        return Err("the token is under another policy than was asked for");
    }
    if request.cert_req && token.certificates == 0 {
        return Err("the token lacks the certificates that were asked for");
    }
    Ok(())
}

/// Where a proof says that an entry stands.
struct Place {
    index: u64,
    /// The ledger's name.
    origin: String,
    /// Whether somebody else has signed the checkpoint, too.
    cosigned: bool,
}

/// What a proof says, if it is of the entry with this digest. Whether it proves anything is for `semper verify`.
fn check_proof(proof: &[u8], digest: Digest) -> Result<Place, &'static str> {
    let text = std::str::from_utf8(proof).map_err(|_| "the proof is not text")?;
    let proof = TlogProof::parse(text).map_err(|_| "the proof is no tlog-proof")?;
    let entry = proof.extra.as_deref().and_then(|bytes| Entry::decode(bytes).ok());
    let entry = entry.ok_or("the proof carries no entry")?;
    let place =
        Place { index: proof.index, origin: origin_of(&proof.checkpoint).to_owned(), cosigned: is_cosigned(&proof) };
    if entry.digest == digest.0 { Ok(place) } else { Err("the proof is of another artefact") }
}

/// Asks again when the server is busy, as long as it wishes within [`WAIT_SECS_MAX`].
fn patiently<T>(service: &dyn Service, ask: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
    for _ in 1..ATTEMPTS_MAX {
        let answer = ask();
        let Some(secs) = answer.as_ref().err().and_then(Failure::wait_secs) else { return answer };
        service.wait(Duration::from_secs(secs.clamp(1, WAIT_SECS_MAX)));
    }
    ask()
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let made = folder.map_or(Ok(()), fs::create_dir_all);
    match made.and_then(|()| write_new(path, bytes)) {
        Ok(()) => Ok(()),
        // Somebody else stamped the same file meanwhile.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(Failure::Occupied { path: path.to_owned(), why: "came while this was being stamped" })
        }
        Err(error) => Err(Failure::Write { path: path.to_owned(), error }),
    }
}

fn hash_file(path: &Path, algorithm: ImprintAlgorithm) -> Result<Vec<u8>, Failure> {
    imprint_of_file(path, algorithm).map_err(|error| Failure::Read { path: path.to_owned(), error })
}
