//! Rails that a service is given: an outside provider over HTTP, and the simulator with the service's clock.
//!
//! What a rail must keep to stands in [`semper_ttp::payment::rail`]. Both are called on threads that may block.

mod simulated;
mod webhook;

pub use simulated::SimulatedRail;
pub use webhook::WebhookRail;
