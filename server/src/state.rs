//! What every route can reach.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nibble_app::doctor::BUSY;

use crate::access::Access;
use crate::attachments::Attachments;
use crate::bodies::Bodies;
use crate::chat::ChatService;
use crate::generator::Generator;
use crate::lanes::Lanes;
use crate::management::Management;
use crate::metered::Metered;
use crate::models::Models;
use crate::permitted::Permitted;
use crate::preparation::Preparation;
use crate::response_items::ResponseItems;
use crate::served::Served;
use crate::sign_in::SignIn;
use crate::store::SqlStore;
use crate::telemetry::Telemetry;
use crate::traces::Traces;

/// Files of conversations that are written or read at once, and those that may wait for it.
const FILED_AT_ONCE: usize = 1;
const WAITING: usize = 16;

/// A machine is measured when nothing was asked of it for so long, so that whoever starts the server to ask at once is first.
const QUIET: Duration = Duration::from_secs(10);

/// Settings of a server that routes read; the command line makes them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Price of this machine, for the cost figures; the page may change it for one conversation.
    pub usd_per_hour: f64,
    /// Host names that requests may name in `Host`, beside IP addresses and `localhost`.
    pub allowed_hosts: Vec<String>,
    /// How long answers may go on after the server was told to end.
    pub grace: Duration,
    /// The most tokens of an answer to a program that names no limit.
    pub default_max_tokens: usize,
    /// Connections at a time; one peer may have three quarters of them.
    pub connections: usize,
    /// Whether connections that begin as HTTP/2 does are spoken with so.
    pub h2c: bool,
}

/// Shared by all routes; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// The server's settings.
    pub settings: Arc<Settings>,
    /// The model that answers who names none; what ends with the server is the same for all.
    pub(crate) model: Metered,
    pub(crate) served: Served,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) chat: Arc<ChatService>,
    pub(crate) bodies: Arc<Bodies>,
    /// Files beside questions.
    pub(crate) attachments: Arc<Attachments>,
    /// Who may use the API.
    pub(crate) access: Arc<Access>,
    /// What ended responses said, for who refers to it.
    pub(crate) response_items: Arc<ResponseItems>,
    /// What asks for the password, where there is one.
    pub(crate) sign_in: Option<Arc<SignIn>>,
    /// Files of conversations that come in.
    pub(crate) files: Arc<Bodies>,
    /// Conversations become files, and files conversations.
    pub(crate) filing: Arc<Preparation>,
}

impl AppState {
    /// A server of one model, with the conversations of a store, and with spans for each request where there are traces.
    ///
    /// # Panics
    /// When two figures of `/metrics` have one name, and outside of a runtime.
    #[must_use]
    pub fn new(
        generator: Arc<dyn Generator>,
        settings: Settings,
        store: SqlStore,
        traces: Option<Traces>,
    ) -> Self {
        Self::of(Models::only(generator), settings, store, traces)
    }

    /// The same of several models, whose names differ.
    ///
    /// # Panics
    /// As [`Self::new`].
    #[must_use]
    pub fn of(
        models: Arc<Models>,
        settings: Settings,
        store: SqlStore,
        traces: Option<Traces>,
    ) -> Self {
        let first = models.offer(0);
        let telemetry = Telemetry::new(&first.info, first.kv_blocks, settings.usd_per_hour)
            .expect("names of figures are fixed and differ");
        let telemetry = Arc::new(telemetry);
        let count = models.count();
        let model = Metered::new(models, Arc::clone(&telemetry)).traced(traces);
        let others = (1..count).map(|index| model.beside(index));
        let others: Result<Vec<_>, _> = others.collect();
        let served = Served::new(model.clone(), others.expect("names of models differ"));
        let chat = ChatService::new(served.clone(), Arc::new(store), settings.usd_per_hour);
        Self {
            model,
            served,
            telemetry,
            settings: Arc::new(settings),
            chat: Arc::new(chat),
            bodies: Arc::default(),
            attachments: Arc::default(),
            access: Arc::default(),
            response_items: Arc::default(),
            sign_in: None,
            files: Arc::new(Bodies::new(FILED_AT_ONCE)),
            filing: Arc::new(Preparation::new(FILED_AT_ONCE, WAITING)),
        }
    }

    /// The same for those alone who have a password.
    #[must_use]
    pub fn behind(self, sign_in: Option<SignIn>) -> Self {
        Self {
            sign_in: sign_in.map(Arc::new),
            ..self
        }
    }

    /// The same, where these visitors may compare lanes.
    #[must_use]
    pub fn comparing(self, lanes: Arc<dyn Lanes>, comparers: Permitted) -> Self {
        self.chat.compare_in(lanes, comparers);
        self
    }

    /// The same, where these visitors choose which model answers them by the page. Without it, the default of [`Permitted`].
    #[must_use]
    pub fn switching(self, switchers: Permitted) -> Self {
        self.chat.switched_by(switchers);
        self
    }

    /// The same, whose models may come and go by the page. Must be called where tasks can be spawned.
    #[must_use]
    pub fn managing(self, management: Option<Management>) -> Self {
        if let Some(management) = management {
            self.chat.manage_by(Arc::new(management));
        }
        self
    }

    /// The same, which keeps in a file what the machine can do at best.
    #[must_use]
    pub fn keeping_limits_in(self, file: Option<PathBuf>) -> Self {
        if let Some(file) = file {
            self.chat.keep_limits_in(file);
        }
        self
    }

    /// The same, which measures once what the machine can do at best where that is not known, when nothing is asked for a while.
    /// Must be called where tasks can be spawned.
    #[must_use]
    pub fn measuring_limits(self) -> Self {
        let chat = Arc::clone(&self.chat);
        tokio::spawn(async move { chat.measure_limits_when_idle(QUIET, BUSY).await });
        self
    }

    /// The same, whose API is for those alone who may use it.
    ///
    /// # Panics
    /// When figures of keys have the name of others.
    #[must_use]
    pub fn with(self, access: Access) -> Self {
        if let Some(keys) = &access.keys {
            let registered = self.telemetry.register_keys(keys);
            registered.expect("names of figures are fixed and differ");
        }
        Self {
            access: Arc::new(access),
            ..self
        }
    }

    /// Closes the store of a server that has ended: all that was written is then in its one file.
    pub async fn close(&self) {
        self.chat.close().await;
    }
}
