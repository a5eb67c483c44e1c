//! `nibble health`: whether the server on this machine is well, for supervisors that have nothing but this program.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::Value;

use crate::options::{AddrArgs, seconds};

#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// Seconds to wait for its answer
    #[arg(long, value_name = "S", value_parser = seconds(0.01..=3600.0), default_value = "3")]
    timeout: Duration,
    #[command(flatten)]
    addr: AddrArgs,
}

pub(super) fn run(args: &HealthArgs) -> anyhow::Result<()> {
    let url = format!("http://{}/health", reachable(args.addr.addr));
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(args.timeout))
        .http_status_as_error(false)
        // A proxy of the environment is for the world outside.
        .proxy(None)
        .build()
        .new_agent();
    let mut response = agent
        .get(&url)
        .call()
        .with_context(|| format!("no answer from `{url}`"))?;
    let status = response.status();
    ensure!(status == 200, "`{url}` answered with status {status}");
    let health: Value = serde_json::from_reader(response.body_mut().as_reader())
        .with_context(|| format!("`{url}` is not a nibble server"))?;
    let model = health["model"].as_str().unwrap_or_default();
    writeln!(io::stdout(), "ok: {model}")?;
    Ok(())
}

/// An address to connect to; a server that listens everywhere listens here too.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_is_asked_here() {
        for (listens, asked) in [
            ("0.0.0.0:3000", "127.0.0.1:3000"),
            ("[::]:3000", "[::1]:3000"),
            ("10.0.0.7:80", "10.0.0.7:80"),
        ] {
            let address = reachable(listens.parse().unwrap());
            assert_eq!(address.to_string(), asked);
        }
    }
}
