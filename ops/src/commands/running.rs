//! What every server of this program does: how it fails to start, listens, tells so, and is told to stop.

use std::{io::ErrorKind, net::SocketAddr, sync::Arc};

use semper_api::{router::BodyLimits, server::Limits};
use semper_ledger::ledger::OpenError;
use semper_ttp::crypto::{Entropy as _, OsEntropy};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::Runtime,
};

use super::say;
use crate::{
    clock::{Assumed, EventSink, Kernel, Source, SystemClock, SystemReadings},
    config::{self, ClockSource},
    data::DataError,
    exit::Exit,
};

/// A start that failed: the sentence for the operator, and the exit code.
#[derive(Debug)]
pub(in crate::commands) struct Failed(pub(in crate::commands) Exit, pub(in crate::commands) String);

impl Failed {
    /// The operator can mend this: configuration, folder, keys.
    pub(in crate::commands) fn usage(error: &dyn std::fmt::Display) -> Self {
        Self(Exit::Usage, error.to_string())
    }

    /// The machine or we are at fault.
    pub(in crate::commands) fn fault(error: &dyn std::fmt::Display) -> Self {
        Self(Exit::Fault, error.to_string())
    }
}

impl From<DataError> for Failed {
    fn from(error: DataError) -> Self {
        Self(error.exit(), error.to_string())
    }
}

impl From<OpenError> for Failed {
    fn from(error: OpenError) -> Self {
        DataError::from(error).into()
    }
}

/// 128 random bits: a salt, or the name of something.
///
/// # Errors
/// No randomness.
pub(in crate::commands) fn random() -> Result<[u8; 16], Failed> {
    let mut random = [0; 16];
    OsEntropy.fill(&mut random).map_err(|fault| Failed::fault(&fault))?;
    Ok(random)
}

/// Where a server listens.
pub(in crate::commands) struct Listening {
    pub(in crate::commands) http: SocketAddr,
    pub(in crate::commands) admin: SocketAddr,
    pub(in crate::commands) https: Option<SocketAddr>,
}

/// The one line that says that a server is ready. New addresses stand at its end: old readers look for the first.
pub(in crate::commands) fn say_listening(at: &Listening, as_json: bool) {
    let Listening { http, admin, https } = at;
    if as_json {
        let mut listening = json!({ "http": http, "admin": admin });
        if let Some(https) = https {
            listening["https"] = json!(https);
        }
        say::json(&json!({ "listening": listening }));
    } else {
        let https = https.map(|https| format!(" https={https}")).unwrap_or_default();
        say::out(format!("listening http={http} admin={admin}{https}"));
    }
}

/// An address that is ours, at which nobody listens yet: who connects is refused.
pub(in crate::commands) struct Reserved {
    socket: TcpSocket,
    address: SocketAddr,
}

/// Takes an address, before anything is written that a start leaves behind.
pub(in crate::commands) fn reserve(address: SocketAddr) -> Result<Reserved, Failed> {
    let take = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A start right after an end finds its address free.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    };
    let socket = take().map_err(|error| not_at(address, &error))?;
    Ok(Reserved { socket, address })
}

impl Reserved {
    /// Listens there; on a runtime.
    pub(in crate::commands) fn listen(self) -> Result<TcpListener, Failed> {
        self.socket.listen(BACKLOG).map_err(|error| not_at(self.address, &error))
    }
}

/// Connections that wait to be taken: what Tokio's listeners have.
const BACKLOG: u32 = 1024;

fn not_at(address: SocketAddr, error: &std::io::Error) -> Failed {
    let what = format!("cannot listen on {address}: {error}");
    match error.kind() {
        // Another process goes, or an interface comes up: worth another try by whoever starts us.
        ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable => Failed(Exit::Busy, what),
        _ => Failed::usage(&what),
    }
}

/// Where it listens: the system may have chosen the port.
pub(in crate::commands) fn address_of(listener: &TcpListener) -> Result<SocketAddr, Failed> {
    listener.local_addr().map_err(|error| Failed::fault(&error))
}

/// What connections are served on: a thread for each processor. Quick signatures are made there, so fewer leave processors idle (OCSP
/// with a nonce on two: 20,000 answers a second by one thread, 31,000 by two); other signers and the sequencer have threads of their own.
pub(crate) fn all_the_cores() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// The bounds of connections, and of a request's body.
pub(in crate::commands) fn limits_of(limits: &config::Limits) -> (Limits, BodyLimits) {
    let connections = Limits {
        header_read_timeout: limits.header_read_timeout(),
        idle_timeout: limits.idle_timeout(),
        connections_max: limits.connections_max as usize,
        connections_per_address_max: limits.connections_per_address_max as usize,
    };
    let body = BodyLimits {
        body_bytes_max: usize::try_from(limits.body_bytes_max).unwrap_or(usize::MAX),
        body_read_timeout: limits.body_read_timeout(),
    };
    (connections, body)
}

/// The system clock, judged by this source.
pub(in crate::commands) fn clock_of(
    source: ClockSource,
    settings: semper_ttp::clock::Settings,
    sink: EventSink,
) -> Result<Arc<SystemClock>, Failed> {
    let source: Box<dyn Source> = match source {
        ClockSource::Kernel => Box::new(Kernel),
        ClockSource::Assumed => Box::new(Assumed),
    };
    let clock = SystemClock::new(settings, source, Box::new(SystemReadings::new()), sink);
    clock.map(Arc::new).map_err(|error| Failed::usage(&error))
}

/// Listens from this call on; the future tells which signal came.
pub(in crate::commands) fn signals() -> impl Future<Output = &'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).expect("signals can be listened for: the runtime has its I/O driver");
    let (mut term, mut interrupt) = (listen(SignalKind::terminate()), listen(SignalKind::interrupt()));
    async move {
        tokio::select! {
            _ = term.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    }
}
