//! `nibble serve`: the page and the API until a signal ends them.
//!
//! The port is taken before the model is loaded, so that a busy one fails at once, and answered after it: whoever
//! connects in between waits in the listen queue instead of being turned away. The database too is opened first.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use clap::builder::FalseyValueParser;
use nibble_engine::LoadOptions;
use nibble_server::hub::{Shelf, cache_folder};
use nibble_server::lanes::Lanes;
use nibble_server::management::Management;
use nibble_server::permitted::Permitted;
use nibble_server::state::{AppState, Settings};
use nibble_server::store::SqlStore;
use nibble_server::traces::Traces;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::options::{
    AccessArgs, AddrArgs, DatabaseArgs, LoadArgs, ModelsArgs, PasswordArgs, PrefixArgs, PriceArgs,
    count, seconds,
};

mod descriptors;
mod models;
mod openness;
mod own_names;
mod signals;

/// What is still at work when the server has ended gets this long.
const LAST_WORK: Duration = Duration::from_millis(500);

/// Clients that may knock at once, where the system lets so many wait.
const BACKLOG: i32 = 4096;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) addr: AddrArgs,
    /// Host name by which this server may be reached, beside localhost and IP addresses; comma or repeat for more
    #[arg(
        long = "allowed-host",
        env = "NIBBLE_ALLOWED_HOSTS",
        hide_env_values = true,
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub(crate) allowed_hosts: Vec<String>,
    /// Requests that may wait for their turn before others are sent away; a quarter more of callers who have none waiting
    #[arg(long, env = "NIBBLE_QUEUE", hide_env_values = true, value_name = "N", value_parser = count(1..=100_000), default_value = "64")]
    queue: usize,
    /// Connections at a time, where the system gives as many file descriptors; one address may have three quarters of them
    #[arg(long, env = "NIBBLE_CONNECTIONS", hide_env_values = true, value_name = "N", value_parser = count(16..=100_000), default_value = "1024")]
    connections: usize,
    /// Speak HTTP/2 too, without TLS, with clients that begin so: for a proxy in front that is told to (`h2c://`)
    #[arg(long, env = "NIBBLE_H2C", hide_env_values = true, value_parser = FalseyValueParser::new())]
    h2c: bool,
    /// Megabytes for the keys and values of all chats with a model, of those too that are kept for their next turn, and of its
    /// draft; without it half of what the model leaves, at most 4,295, and never less than one context
    #[arg(long, env = "NIBBLE_KV_MEMORY", hide_env_values = true, value_name = "MB", value_parser = count(1..=100_000_000))]
    kv_memory: Option<usize>,
    /// Seconds that a request may wait for its turn; without it as long as it takes
    #[arg(long, env = "NIBBLE_MAX_WAIT", hide_env_values = true, value_name = "S", value_parser = seconds(0.0..=86_400.0))]
    max_wait: Option<Duration>,
    /// Seconds that an answer may take from its request on; without it as long as it takes
    #[arg(long, env = "NIBBLE_MAX_TIME", hide_env_values = true, value_name = "S", value_parser = seconds(0.0..=86_400.0))]
    max_time: Option<Duration>,
    /// Seconds that open answers may go on after SIGTERM or Ctrl-C; then they are cut off
    #[arg(long, env = "NIBBLE_GRACE", hide_env_values = true, value_name = "S", value_parser = seconds(0.0..=3600.0), default_value = "20")]
    grace: Duration,
    /// The most tokens of an answer to a program that names no limit, where the context is not shorter
    #[arg(long, env = "NIBBLE_DEFAULT_MAX_TOKENS", hide_env_values = true, value_name = "N", value_parser = count(1..=10_000_000), default_value = "4096")]
    default_max_tokens: usize,
    /// Let all who reach the page compare kernels, which loads the whole machine; without it who uses it on this machine without
    /// a proxy, or has signed in
    #[arg(long, env = "NIBBLE_ALLOW_COMPARE", hide_env_values = true, value_parser = FalseyValueParser::new())]
    allow_compare: bool,
    /// Who may fetch, serve and remove models by the page: loopback (who uses it on this machine without a proxy, or has signed
    /// in), password (who has signed in), anyone or nobody
    #[arg(
        long,
        env = "NIBBLE_MANAGE_MODELS",
        hide_env_values = true,
        value_name = "WHO",
        value_parser = permitted,
        default_value = "loopback"
    )]
    manage_models: Permitted,
    /// Who may choose which of several models answers them on the page, for which one may have to be loaded and another to
    /// leave: loopback, password, anyone or nobody, as above; the API's clients name the model that they want
    #[arg(
        long,
        env = "NIBBLE_SWITCH_MODELS",
        hide_env_values = true,
        value_name = "WHO",
        value_parser = permitted,
        default_value = "loopback"
    )]
    switch_models: Permitted,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) prefixes: PrefixArgs,
    #[command(flatten)]
    price: PriceArgs,
    #[command(flatten)]
    models: ModelsArgs,
    #[command(flatten)]
    load: LoadArgs,
}

pub(super) fn run(args: ServeArgs) -> anyhow::Result<()> {
    let listener = listen(args.addr.addr)?;
    let address = listener.local_addr()?;
    let sign_in = args.password.sign_in()?;
    for (option, permitted) in [
        ("--manage-models", args.manage_models),
        ("--switch-models", args.switch_models),
    ] {
        if permitted == Permitted::Password && sign_in.is_none() {
            bail!("{option} `password` needs a password: `--password-file FILE` names one");
        }
    }
    let (access, key_file) = args.access.access()?;
    if let Some(who) = openness::told(address, sign_in.is_some(), access.keys.is_some()) {
        // Whoever closed stderr does not want to know.
        let _ = writeln!(io::stderr(), "{who}");
    }
    let shutdown = signals::heard(args.grace)?;
    let traces = Traces::from_environment()
        .context("cannot send traces as the variables `OTEL_...` of the environment say")?;
    let runtime = Runtime::new()?;
    let store = runtime.block_on(SqlStore::open(&args.database.place()?))?;
    let limits = LoadOptions {
        queue: Some(args.queue),
        kv_bytes: args.kv_memory.map(|megabytes| megabytes as u64 * 1_000_000),
        prefix_folder: args.prefixes.folder(),
        wait: args.max_wait,
        total: args.max_time,
        ..LoadOptions::default()
    };
    let models = models::found(&args.models, &args.load, &limits)?;
    let lanes: Arc<dyn Lanes> = Arc::new(models.lanes());
    let comparers = match args.allow_compare {
        true => Permitted::Anyone,
        false => Permitted::Loopback,
    };
    // Where nobody may change models, those that were removed earlier are still deleted after their time.
    let shelf = Shelf::from_env()
        .inspect_err(|error| tracing::warn!("there is no folder of models: {error}"))
        .ok();
    let management = shelf.map(|shelf| Management::new(args.manage_models, shelf, models.later()));
    let limits_file = cache_folder().ok().map(|folder| folder.join("limits.json"));
    let name = models.names();
    let settings = Settings {
        usd_per_hour: args.price.usd_per_hour,
        allowed_hosts: [args.allowed_hosts, own_names::found()].concat(),
        grace: args.grace,
        default_max_tokens: args.default_max_tokens,
        connections: descriptors::connections(args.connections),
        h2c: args.h2c,
    };
    let served = runtime.block_on(async {
        let state = AppState::of(models.served(), settings, store, traces.clone());
        let state = state
            .behind(sign_in)
            .with(access)
            .comparing(lanes, comparers)
            .switching(args.switch_models)
            .managing(management)
            .keeping_limits_in(limits_file)
            .measuring_limits();
        if let Some(key_file) = key_file {
            signals::on_hangup(move || log_keys(key_file.read_again()))?;
        }
        let asked = shutdown.asked();
        // A closed stdout must not keep the server from serving.
        let _ = writeln!(io::stdout(), "{name} is ready at {}", url(address));
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let told = async {
            let _ = asked.await;
        };
        let served = nibble_server::serve(listener, state.clone(), told).await;
        let _ = timeout(LAST_WORK, state.close()).await;
        Ok(served?)
    });
    runtime.shutdown_timeout(LAST_WORK);
    if let Some(traces) = traces {
        traces.finish();
    }
    served
}

/// An environment file may leave it empty.
fn permitted(word: &str) -> Result<Permitted, String> {
    match word {
        "" => Ok(Permitted::default()),
        word => word.parse(),
    }
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| {
        format!("cannot listen on `{address}`; --addr IP:PORT chooses another address")
    })?;
    // The standard library's 128 are too few for a crowd: who finds no place asks again after a second.
    rustix::net::listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn log_keys(read: anyhow::Result<usize>) {
    match read {
        Ok(count) => tracing::info!(count, "API keys were read again"),
        Err(error) => tracing::error!("API keys stay as they were: {error:#}"),
    }
}

/// An address that a browser on this machine can open.
fn url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("http://localhost:{}", address.port())
    } else {
        format!("http://{address}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_port_is_refused_with_a_way_out() {
        let taken = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let address = taken.local_addr().unwrap();
        let message = format!("{:#}", listen(address).unwrap_err());
        assert!(message.contains(&address.to_string()), "{message}");
        assert!(message.contains("--addr"), "{message}");
    }

    #[test]
    fn the_address_of_all_interfaces_is_shown_as_localhost() {
        assert_eq!(url(([0, 0, 0, 0], 3000).into()), "http://localhost:3000");
        assert_eq!(url(([127, 0, 0, 1], 80).into()), "http://127.0.0.1:80");
    }
}
