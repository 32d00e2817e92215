//! The Task service: what containerd asks of a shim.
//!
//! It knows the calls that need no container: Connect and Shutdown.

use crate::server::Context;
use containerd_shim_protos::api::{ConnectRequest, ConnectResponse, Empty, ShutdownRequest};
use ttrpc::{Result, TtrpcContext};

/// The handlers.
pub struct Service {
    context: Context,
}

impl Service {
    /// For one shim.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self { context }
    }
}

impl containerd_shim_protos::Task for Service {
    fn connect(&self, _: &TtrpcContext, _: ConnectRequest) -> Result<ConnectResponse> {
        Ok(ConnectResponse {
            shim_pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").into(),
            ..Default::default()
        })
    }

    fn shutdown(&self, _: &TtrpcContext, _: ShutdownRequest) -> Result<Empty> {
        self.context.shutdown.request();
        Ok(Empty::new())
    }
}
