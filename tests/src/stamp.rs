//! A client of the timestamping authority that keeps every answer and can judge it later, offline.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use semper_ttp::digest::{Digest, ImprintAlgorithm};
use semper_ttp::timestamp::request::{Imprint, Request};
use semper_ttp::timestamp::{FailInfo, response};
use semper_ttp::verify::{Document, Evidence, Trust, Verdict, verify_timestamp};

use crate::http::{Connection, Response};
use crate::server::Server;

/// The media type of requests.
pub const QUERY: &str = "application/timestamp-query";
/// The media type of answers.
pub const REPLY: &str = "application/timestamp-reply";

/// A request for the SHA-256 of `document`, with a nonce.
///
/// # Panics
/// Never: a SHA-256 has its length.
#[must_use]
pub fn query(document: &[u8]) -> Vec<u8> {
    let digest = Digest::of(document);
    let imprint = Imprint::new(ImprintAlgorithm::Sha256, digest.as_bytes()).expect("32 octets");
    // Distinct for distinct documents, and the same in every run.
    Request::new(imprint, None, Some(&digest.as_bytes()[..8]), true).encode()
}

/// What the authority said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A token, not verified yet.
    Granted(Vec<u8>),
    /// A rejection.
    Rejected(Vec<FailInfo>),
}

/// Reads an answer of the protocol.
///
/// # Panics
/// It is none: such an answer has status 200, the exact type and a TimeStampResp, whatever it says.
#[must_use]
pub fn read(response: &Response) -> Answer {
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("content-type"), Some(REPLY), "{response:?}");
    match response::parse(&response.body).unwrap_or_else(|fault| panic!("{fault}: {response:?}")) {
        response::Response::Granted(token) => Answer::Granted(token),
        response::Response::Rejected { status: 2, fail_info, .. } => Answer::Rejected(fail_info),
        other => panic!("only status 2 rejects here: {other:?}"),
    }
}

/// Asks for a token.
///
/// # Errors
/// Of the connection.
///
/// # Panics
/// The answer is none of the protocol.
pub fn ask(connection: &mut Connection, path: &str, query: &[u8]) -> io::Result<Answer> {
    Ok(read(&connection.request("POST", path, &[("Content-Type", QUERY)], query)?))
}

/// Whether the server at `host` grants a token now, on a new connection.
///
/// # Panics
/// It does not answer.
#[must_use]
pub fn granted_by(host: SocketAddr) -> bool {
    let answer =
        Connection::open(host).and_then(|mut connection| ask(&mut connection, "/tsa", &query(b"still there?")));
    matches!(answer.expect("an answer"), Answer::Granted(_))
}

/// The token for a document.
///
/// # Panics
/// The server does not grant it.
#[must_use]
pub fn token(host: SocketAddr, document: &[u8]) -> Vec<u8> {
    let answer = Connection::open(host).and_then(|mut connection| ask(&mut connection, "/tsa", &query(document)));
    match answer.expect("an answer") {
        Answer::Granted(token) => token,
        rejected => panic!("{rejected:?}"),
    }
}

/// Has `count` documents stamped, or a few more, so that the log has something in it.
///
/// # Panics
/// The server does not grant them.
pub fn stamp_many(host: SocketAddr, count: usize) {
    let (stop, (send, received)) = (AtomicBool::new(false), channel());
    let granted = std::thread::scope(|scope| {
        let stop = &stop;
        scope.spawn(move || load(&Load { host, name: "many", proof_every: 0, stop }, &send));
        let granted = received.iter().take(count).count();
        stop.store(true, Ordering::Relaxed);
        granted
    });
    assert_eq!(granted, count, "the server went away");
}

/// The answers that a client holds about one document.
#[derive(Clone, Debug)]
pub struct Record {
    /// The document's digest.
    pub document: Digest,
    /// The token.
    pub token: Vec<u8>,
    /// Its proof, if the client came to ask for it.
    pub proof: Option<String>,
}

impl Record {
    /// The path at which the proof is served, by the token's digest.
    #[must_use]
    pub fn proof_path(&self) -> String {
        format!("/ledger/proof/inclusion?digest={}", Digest::of(&self.token))
    }

    /// What is served now proves the token, offline, and is what was served before.
    ///
    /// # Panics
    /// It does not: an answer that was given is lost or changed.
    pub fn verify(&self, connection: &mut Connection, trust: &Trust) {
        let served = connection.request("GET", &self.proof_path(), &[("Accept", "text/plain")], &[]);
        let served = served.expect("the proof of an answered token");
        assert_eq!(served.status, 200, "an answered token has no proof: {}", served.text());
        let proof = served.text();
        if let Some(before) = &self.proof {
            assert_eq!(&proof, before, "the proof of one token changed");
        }
        let document = Document::Imprint { algorithm: ImprintAlgorithm::Sha256, digest: self.document.as_bytes() };
        let report = verify_timestamp(&Evidence { document, token: &self.token, proof: Some(proof.as_bytes()) }, trust);
        assert_eq!(report.verdict, Verdict::Verified, "{}", report.to_json());
    }
}

/// Verifies records, on one connection.
///
/// # Panics
/// One does not verify.
pub fn verify_all<'a>(records: impl IntoIterator<Item = &'a Record>, host: SocketAddr, trust: &Trust) -> usize {
    let mut connection = Connection::open(host).expect("the server listens");
    let mut count = 0;
    for record in records {
        record.verify(&mut connection, trust);
        count += 1;
    }
    count
}

/// What a loading client knows.
pub struct Load<'a> {
    /// The server.
    pub host: SocketAddr,
    /// Names this client's documents, so that no two clients ask for the same.
    pub name: &'a str,
    /// Asks for the proof after every so many tokens; 0 for never.
    pub proof_every: usize,
    /// Ends the client between two requests.
    pub stop: &'a AtomicBool,
}

/// Asks for tokens on one connection until the server is gone or `stop`, and hands over every answer that arrived whole.
///
/// A server that refuses (systemFailure, 503) or closes has answered nothing; only what it gave is recorded.
///
/// # Panics
/// It answers with something that is no answer.
pub fn load(load: &Load<'_>, records: &Sender<Record>) {
    let Ok(mut connection) = Connection::open(load.host) else { return };
    for number in 1.. {
        if load.stop.load(Ordering::Relaxed) {
            return;
        }
        let document = format!("{} {number}", load.name);
        let request = query(document.as_bytes());
        let Ok(response) = connection.request("POST", "/tsa", &[("Content-Type", QUERY)], &request) else { return };
        if response.status == 503 {
            return;
        }
        let token = match read(&response) {
            Answer::Granted(token) => token,
            Answer::Rejected(why) => {
                assert_eq!(why, [FailInfo::SystemFailure], "under load nothing else is refused");
                continue;
            }
        };
        let mut record = Record { document: Digest::of(document.as_bytes()), token, proof: None };
        let wanted = load.proof_every > 0 && number % load.proof_every == 0;
        let proof = wanted.then(|| connection.request("GET", &record.proof_path(), &[("Accept", "text/plain")], &[]));
        let alive = !matches!(proof, Some(Err(_)));
        if let Some(Ok(proof)) = proof {
            // 503 and 500 are what a server says whose disk has just failed.
            assert!(matches!(proof.status, 200 | 500 | 503), "no proof of a token that was given: {proof:?}");
            record.proof = (proof.status == 200).then(|| proof.text());
        }
        if records.send(record).is_err() || !alive {
            return;
        }
    }
}

/// Several clients that load one server, until something happens to it.
pub struct Crowd<'a> {
    /// As in [`Load`]; each client adds its number.
    pub name: &'a str,
    /// Connections that ask at the same time: groups of several commits, and proofs read while others append.
    pub clients: usize,
    /// As in [`Load`].
    pub proof_every: usize,
    /// It happens after so many answers…
    pub answers: u64,
    /// … and a span more, whatever that moment interrupts.
    pub further: Duration,
}

impl Crowd<'_> {
    /// Loads `server` until the moment has come, calls `disturb`, and gives every answer that arrived whole, before,
    /// meanwhile and after, together with what `disturb` gave. The clients end when the server is gone, or when
    /// `disturb` has returned.
    ///
    /// # Panics
    /// The server ends by itself, or answers with something that is no answer.
    pub fn disturbed<R>(&self, server: Server, disturb: impl FnOnce(Server) -> R) -> (Vec<Record>, R) {
        let (host, stop) = (server.http(), AtomicBool::new(false));
        let (send, received) = channel();
        let mut records = Vec::new();
        let outcome = thread::scope(|scope| {
            for client in 0..self.clients {
                let (send, stop) = (send.clone(), &stop);
                scope.spawn(move || {
                    let name = format!("{} {client}", self.name);
                    load(&Load { host, name: &name, proof_every: self.proof_every, stop }, &send);
                });
            }
            drop(send);
            for _ in 0..self.answers {
                let record = received.recv();
                records.push(record.unwrap_or_else(|_| panic!("the server stopped by itself:\n{}", server.stderr())));
            }
            let end = Instant::now() + self.further;
            while let Ok(record) = received.recv_timeout(end.saturating_duration_since(Instant::now())) {
                records.push(record);
            }
            let outcome = disturb(server);
            stop.store(true, Ordering::Relaxed);
            // Answers that were on their way are answers too.
            records.extend(received);
            outcome
        });
        (records, outcome)
    }
}
