//! The admin listener of a monitor.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use semper_api::metrics::MonitorMetrics;
use semper_api::monitor::{self, Health};
use semper_api::server::{self, Limits, Served};
use tokio::sync::watch;

use crate::commands::running::{Failed, address_of, reserve};
use crate::commands::say;

/// It is for a scraper or two.
const ADMIN: Limits = Limits {
    header_read_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(30),
    connections_max: 64,
    connections_per_address_max: 64,
};

/// The listener; ends with the runtime.
pub(super) struct Admin {
    /// Nobody tells it to stop, and a sender that is gone would.
    _stop: watch::Sender<bool>,
}

impl Admin {
    pub(super) async fn begin(
        address: SocketAddr,
        metrics: Arc<MonitorMetrics>,
        health: Arc<Health>,
        json: bool,
    ) -> Result<Self, Failed> {
        let listener = reserve(address)?.listen()?;
        let at = address_of(&listener)?;
        let router = monitor::admin_routes(metrics.clone(), health);
        let served = Served { router, label: monitor::label, metrics: metrics.http().clone() };
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(server::serve(listener, served, ADMIN, stopped));
        if json {
            say::json(&serde_json::json!({ "listening": { "admin": at } }));
        } else {
            say::out(format!("listening admin={at}"));
        }
        Ok(Self { _stop: stop })
    }
}
