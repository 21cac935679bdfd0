//! A server as the commands see it: a blocking client, and what its errors mean for the exit code.

use std::path::Path;
use std::time::{Duration, Instant};

use semper_api::client::{Client, ClientError, Which};
use semper_api::tls::{ClientIdentity, ClientTrust};
use semper_ledger::note::Note;
use semper_ledger::receipt::tlog_proof::TlogProof;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::identity;
use super::running::Failed;
use crate::cli;
use crate::exit::Exit;

/// A client with a runtime of its own, usable from several threads at once.
#[derive(Debug)]
pub(crate) struct Remote {
    runtime: Runtime,
    client: Client,
}

/// Why a command cannot begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteError {
    /// The URL.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The machine gives no threads or no sockets.
    #[error("cannot start: {0}")]
    Runtime(#[from] std::io::Error),
}

impl RemoteError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            RemoteError::Client(error) => exit_of(error),
            RemoteError::Runtime(_) => Exit::Fault,
        }
    }
}

impl Remote {
    /// For the server at `url`; connects to nothing yet.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub(crate) fn new(url: &str) -> Result<Remote, RemoteError> {
        Remote::of(Client::new(url)?)
    }

    /// For the server at `url`, as somebody whom it knows.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub(crate) fn with_identity(url: &str, identity: &ClientIdentity) -> Result<Remote, RemoteError> {
        Remote::of(Client::with_identity(url, identity)?)
    }

    /// For the server at `url`, known by its own root.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub(crate) fn with_trust(url: &str, trust: &ClientTrust) -> Result<Remote, RemoteError> {
        Remote::of(Client::with_trust(url, trust)?)
    }

    fn of(client: Client) -> Result<Remote, RemoteError> {
        // One thread moves all bytes; callers wait on theirs.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Remote { runtime, client })
    }

    /// Takes answers of up to so many octets.
    pub(crate) fn with_answer_bytes(self, bytes_max: usize) -> Remote {
        Remote { client: self.client.with_answer_bytes(bytes_max), ..self }
    }

    /// Does one thing with the client and waits for it.
    pub(crate) fn call<T>(&self, ask: impl AsyncFnOnce(&Client) -> T) -> T {
        self.runtime.block_on(ask(&self.client))
    }

    /// The receipt of an entry under a checkpoint that a quorum of the ledger's witnesses has cosigned, asked for again and again
    /// for `wait` until it is `enough` for the caller; when that is over, the last one is returned.
    ///
    /// # Errors
    /// [`ClientError::NotWitnessed`] when there was none in time, or what stands in the way.
    pub(crate) fn witnessed(
        &self,
        which: Which,
        wait: Duration,
        enough: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<u8>, ClientError> {
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now()).max(ASK_FOR);
            let answer = self.call(async |client| client.witnessed(which, left).await.map(Vec::from));
            let again = match &answer {
                Ok(proof) => !enough(proof),
                Err(error) => matches!(error, ClientError::NotWitnessed | ClientError::Busy { .. }),
            };
            if !again || Instant::now() + ASK_AGAIN >= until {
                // The server would have waited longer than the caller does.
                let waits = matches!(answer, Err(ClientError::TimedOut { .. })) && Instant::now() >= until;
                return if waits { Err(ClientError::NotWitnessed) } else { answer };
            }
            std::thread::sleep(ASK_AGAIN);
        }
    }
}

/// The server that a command names, asked as the person who calls it, who is an `officer` or `operator` in what is told.
///
/// # Errors
/// The identity does not open, or the URL.
pub(crate) fn as_person(of: &cli::OfService, person: &str) -> Result<Remote, Failed> {
    as_holder(&of.url, (&of.identity, of.identity_passphrase_file.as_deref()), person)
}

/// The same as whoever holds the certificate in a .p12 file, or in that of `person` in a folder.
///
/// # Errors
/// As [`as_person`].
pub(crate) fn as_holder(
    url: &str,
    (place, passphrase_file): (&Path, Option<&Path>),
    person: &str,
) -> Result<Remote, Failed> {
    let identity = identity::open(place, passphrase_file, person)?;
    Remote::with_identity(url, &identity).map_err(|error| Failed(error.exit(), error.to_string()))
}

impl From<ClientError> for Failed {
    fn from(error: ClientError) -> Self {
        Failed(exit_of(&error), error.to_string())
    }
}

/// The JSON of an answer.
///
/// # Errors
/// There was none, or it is no JSON.
pub(crate) fn json_of(answer: Result<impl AsRef<[u8]>, ClientError>) -> Result<Value, Failed> {
    serde_json::from_slice(answer?.as_ref()).map_err(|error| Failed::fault(&format!("the server's answer: {error}")))
}

/// A member of an answer that is a text, or what is shown without one.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("-")
}

/// Between two questions whether witnesses have cosigned.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How long an answer may take, however little time is left.
const ASK_FOR: Duration = Duration::from_secs(2);

/// The first line of a checkpoint.
pub(crate) fn origin_of(checkpoint: &str) -> &str {
    checkpoint.lines().next().unwrap_or_default()
}

/// Whether the checkpoint of a proof bears a signature by somebody else than its log. By whom, and whether it is good, is for
/// `semper verify`, which has the policy.
pub(crate) fn is_cosigned(proof: &TlogProof) -> bool {
    let origin = origin_of(&proof.checkpoint);
    Note::parse(&proof.checkpoint).is_ok_and(|note| note.signatures.iter().any(|line| line.name != origin))
}

/// The exit code of a request that failed.
pub(crate) fn exit_of(error: &ClientError) -> Exit {
    match error {
        ClientError::Url { .. }
        | ClientError::NoTls { .. }
        | ClientError::NoService { .. }
        | ClientError::NoWitnesses => Exit::Usage,
        // A fault of the server's is ours; whatever else it refuses was asked for wrongly, or by the wrong person.
        ClientError::Refused { status, .. } => {
            if *status >= 500 {
                Exit::Fault
            } else {
                Exit::Usage
            }
        }
        ClientError::Tls { .. } => Exit::Fault,
        ClientError::Unreachable { .. } | ClientError::Broken { .. } | ClientError::TimedOut { .. } => {
            Exit::Unreachable
        }
        ClientError::Busy { .. } | ClientError::NotWitnessed => Exit::Busy,
        // The server answered, and the answer is no: nothing was proved, nothing disproved.
        ClientError::NotFound { .. } => Exit::Undecided,
        ClientError::Status { .. }
        | ClientError::ContentType { .. }
        | ClientError::TooLong { .. }
        | ClientError::Packed
        | ClientError::NotText => Exit::Fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_url_is_usage_and_a_missing_server_is_not() {
        for url in ["", "https://", "ftp://h"] {
            assert_eq!(Remote::new(url).unwrap_err().exit(), Exit::Usage, "{url}");
        }
        let server = String::new;
        for (error, exit) in [
            (ClientError::Unreachable { server: server(), why: server() }, Exit::Unreachable),
            (ClientError::TimedOut { server: server(), secs: 1 }, Exit::Unreachable),
            (ClientError::Busy { retry_after_secs: None }, Exit::Busy),
            (ClientError::NotWitnessed, Exit::Busy),
            (ClientError::NoWitnesses, Exit::Usage),
            (ClientError::NotFound { text: server() }, Exit::Undecided),
            (ClientError::NoService { url: server() }, Exit::Usage),
            (ClientError::Status { status: 500, text: server() }, Exit::Fault),
        ] {
            assert_eq!(exit_of(&error), exit, "{error}");
        }
    }
}
