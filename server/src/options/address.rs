//! Where the server is.

use std::net::SocketAddr;

use clap::Args;

/// Its address.
#[derive(Debug, Args)]
pub(crate) struct AddrArgs {
    /// IP address and port of the server; 0.0.0.0:PORT is open to the network
    #[arg(
        long,
        env = "NIBBLE_ADDR",
        hide_env_values = true,
        value_name = "IP:PORT",
        default_value = "127.0.0.1:3000"
    )]
    pub(crate) addr: SocketAddr,
}
