//! What the HTTPS listener counts besides what every listener does.

use prometheus::{IntCounterVec, Opts, Registry};

use super::register;
use crate::tls::HandshakeFailure;

/// Handshakes that came to nothing.
#[derive(Debug)]
pub struct TlsMetrics {
    handshakes_failed: IntCounterVec,
}

impl TlsMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let opts = Opts::new("semper_tls_handshakes_failed_total", "TLS handshakes that came to nothing, by reason");
        let handshakes_failed = register(registry, IntCounterVec::new(opts, &["reason"]));
        // From zero on: the first of a kind is a rise that an alert sees.
        for failure in HandshakeFailure::ALL {
            handshakes_failed.with_label_values(&[failure.name()]).inc_by(0);
        }
        Self { handshakes_failed }
    }

    /// A handshake failed.
    pub(crate) fn handshake_failed(&self, failure: HandshakeFailure) {
        self.handshakes_failed.with_label_values(&[failure.name()]).inc();
    }
}
