//! A server as the commands see it: a blocking client, and what its errors mean for the exit code.

use semper_api::client::{Client, ClientError};
use tokio::runtime::Runtime;

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
        let client = Client::new(url)?;
        // One thread moves all bytes; callers wait on theirs.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Remote { runtime, client })
    }

    /// Does one thing with the client and waits for it.
    pub(crate) fn call<T>(&self, ask: impl AsyncFnOnce(&Client) -> T) -> T {
        self.runtime.block_on(ask(&self.client))
    }
}

/// The exit code of a request that failed.
pub(crate) fn exit_of(error: &ClientError) -> Exit {
    match error {
        ClientError::Url { .. } | ClientError::NoService { .. } => Exit::Usage,
        ClientError::Tls { .. } => Exit::Fault,
        ClientError::Unreachable { .. } | ClientError::Broken { .. } | ClientError::TimedOut { .. } => {
            Exit::Unreachable
        }
        ClientError::Busy { .. } => Exit::Busy,
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
            (ClientError::NotFound { text: server() }, Exit::Undecided),
            (ClientError::NoService { url: server() }, Exit::Usage),
            (ClientError::Status { status: 500, text: server() }, Exit::Fault),
        ] {
            assert_eq!(exit_of(&error), exit, "{error}");
        }
    }
}
