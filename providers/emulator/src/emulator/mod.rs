//! A local cloud: functions with their pools, and one port that everything answers on.

mod live;
pub(crate) mod wiring;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use mlfn_core::ProviderName;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::live::LiveFunction;
use self::wiring::Wiring;
use crate::EmulatorError;
use crate::clock::Clock;
use crate::front;
use crate::identifiers::uuid;
use crate::log_file::LogLine;
use crate::platform::{Event, Work, arn};
use crate::pool::{Ask, CpuShare, Done, Groups, Pool, Throttled};
use crate::sources::{MessageStore, Sources, Surroundings};

pub(crate) use self::live::{LATEST, Live};

/// What a local cloud is like.
#[derive(Clone)]
pub struct EmulatorOptions {
    /// The cloud that is imitated.
    pub platform: ProviderName,
    /// Where it keeps logs, packages and temporary files.
    pub folder: PathBuf,
    /// The port that it should have if nobody else has it; none means any.
    pub port: Option<u16>,
    /// How much it takes.
    pub limits: Limits,
    /// The value of a secret, by the name of the environment variable that gets it.
    pub secrets: Secrets,
    /// What time it is for schedules and queues.
    pub clock: Clock,
}

/// Looks up the value of a secret by the name of the environment variable that gets it.
pub type Secrets = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

impl EmulatorOptions {
    /// With the usual limits, any port, and no secrets.
    pub fn new(platform: ProviderName, folder: impl Into<PathBuf>) -> Self {
        Self {
            platform,
            folder: folder.into(),
            port: None,
            limits: Limits::default(),
            secrets: Arc::new(|_| None),
            clock: Clock::system(),
        }
    }

    /// The log of a function, for a [`LogReader`](crate::LogReader).
    pub fn log_path(&self, function: &str) -> PathBuf {
        self.folder.join("logs").join(format!("{function}.jsonl"))
    }
}

impl fmt::Debug for EmulatorOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmulatorOptions")
            .field("platform", &self.platform)
            .field("folder", &self.folder)
            .field("port", &self.port)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// How much a local cloud takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests at a time, of all functions together; those over it are turned away as the cloud
    /// turns away what is over the account's limit. On Lambda, each has an instance of its own.
    pub concurrency: u32,
    /// How much of a processor an instance gets.
    pub cpu_share: CpuShare,
    /// How long an instance may have nothing to do before it ends.
    pub idle: Duration,
    /// The first pause before a failed event is tried again; the second is twice as long. In the
    /// cloud, it is a minute.
    pub event_pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrency: 64,
            cpu_share: CpuShare::Off,
            idle: Duration::from_mins(5),
            event_pause: Duration::from_secs(1),
        }
    }
}

/// By whom instances are held to their limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enforcement {
    /// By the kernel: memory, and the share of a processor if that is wanted.
    Kernel,
    /// By looking every few milliseconds at what the kernel tells of their memory and of their
    /// time on processors (on Linux), and ending or stopping them. The text says why not by the
    /// kernel.
    Watch(String),
}

/// A request to a function.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// Its name in the cloud.
    pub function: String,
    /// Which alias or revision; none means the newest.
    pub qualifier: Option<String>,
    /// Usually JSON.
    pub payload: Bytes,
    /// Whether the end of its log is wanted.
    pub wants_tail: bool,
    /// The JSON that the caller passes beside the payload (Lambda).
    pub client_context: Option<String>,
}

/// Why a request did not come to a function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// There is no such function, or no such revision of it.
    #[error("there is no function `{0}`")]
    NotFound(String),
    /// Too many at a time.
    #[error(transparent)]
    Throttled(#[from] Throttled),
}

/// A local cloud that answers on a port of this machine. Ends with everything that it started when
/// the last handle is dropped, and in an orderly way with [`Emulator::shut_down`].
pub struct Emulator {
    options: EmulatorOptions,
    address: SocketAddr,
    enforcement: Enforcement,
    live: RwLock<Arc<Live>>,
    /// What sends events of its own accord.
    sources: Sources,
    /// True once it shall end.
    ending: watch::Sender<bool>,
    /// What answers on the port.
    front: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Emulator {
    /// An empty cloud that answers on 127.0.0.1. Needs a tokio runtime with I/O and time.
    pub async fn start(options: EmulatorOptions) -> Result<Arc<Self>, EmulatorError> {
        Self::start_with(options, None).await
    }

    pub(crate) async fn start_with(
        options: EmulatorOptions,
        control: Option<Arc<dyn front::Control>>,
    ) -> Result<Arc<Self>, EmulatorError> {
        let failed = |source| EmulatorError::Machine {
            action: "open a port on 127.0.0.1",
            source,
        };
        let listener = listen(options.port).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (groups, enforcement) = match Groups::own(options.limits.cpu_share) {
            Ok(groups) => (Some(groups), Enforcement::Kernel),
            Err(error) => (None, Enforcement::Watch(error.to_string())),
        };
        let live = RwLock::new(Arc::new(Live::empty(&options, groups)));
        let messages = MessageStore::open(&options.folder);
        let messages = messages.map_err(|source| EmulatorError::Machine {
            action: "read the messages of its queues",
            source,
        })?;
        let emulator = Arc::new_cyclic(|emulator| Self {
            sources: Sources::new(
                &Surroundings::new(
                    Weak::clone(emulator),
                    options.clock.clone(),
                    options.folder.clone(),
                ),
                messages,
            ),
            options,
            address,
            enforcement,
            live,
            ending: watch::Sender::new(false),
            front: Mutex::default(),
        });
        let ending = emulator.ending.subscribe();
        let front = front::serve(listener, Arc::downgrade(&emulator), control, ending);
        *emulator.front() = Some(tokio::spawn(front));
        Ok(emulator)
    }

    /// Where it answers, e.g. `http://127.0.0.1:4566`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port that it answers on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// By whom instances are held to their limits.
    pub fn enforcement(&self) -> &Enforcement {
        &self.enforcement
    }

    /// What it is like.
    pub fn options(&self) -> &EmulatorOptions {
        &self.options
    }

    /// From now on, requests go to what is in `wiring`. Those that are under way are finished
    /// where they are.
    pub(crate) fn rewire(&self, wiring: Wiring) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        let next = Arc::new(live.next(wiring, &self.options, &self.url()));
        let last = std::mem::replace(&mut *live, Arc::clone(&next));
        drop(live);
        last.gone(&next).for_each(Pool::retire);
    }

    /// What sends events of its own accord.
    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// What takes requests now.
    pub(crate) fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends an event to a function and waits for what it comes to.
    pub async fn invoke(&self, call: Call) -> Result<Done, InvokeError> {
        self.invoke_as(uuid(), call).await
    }

    /// As [`Emulator::invoke`], under a name that the request has already.
    pub(crate) async fn invoke_as(&self, id: String, call: Call) -> Result<Done, InvokeError> {
        let live = self.live();
        let qualifier = call.qualifier.as_deref();
        let missing = || not_found(&call.function, qualifier);
        let function = live.functions.get(&call.function).ok_or_else(missing)?;
        let revision = function.revision(qualifier);
        let pool = function.pool_of(revision).ok_or_else(missing)?;
        let mut arn = arn(live.wiring.region.as_deref(), &call.function);
        if let Some(qualifier) = qualifier {
            arn = format!("{arn}:{qualifier}");
        }
        let event = Event {
            id: id.clone(),
            arn,
            client_context: call.client_context,
            payload: call.payload,
        };
        let ask = Ask {
            id,
            wants_tail: call.wants_tail,
            work: Work::Event(event),
        };
        let done = pool.invoke(ask).await?;
        if !done.ending.is_success() {
            // Who is asked for it now is what is live now.
            self.live().failed(&call.function, revision);
        }
        Ok(done)
    }

    /// How many requests a revision of a function failed on since an alias gives it a part of its
    /// requests.
    pub(crate) fn failures(&self, function: &str, revision: &str) -> u64 {
        let live = self.live();
        let function = live.functions.get(function);
        function.map_or(0, |function| function.failures(revision))
    }

    /// Passes HTTP on to a function, as it is.
    pub(crate) async fn pass_on(&self, function: &str, ask: Ask) -> Result<Done, InvokeError> {
        let live = self.live();
        let found = live.functions.get(function);
        let pool = found.and_then(|found| found.pool(None));
        let pool = pool.ok_or_else(|| not_found(function, None))?;
        Ok(pool.invoke(ask).await?)
    }

    /// A handle for what sends events to one function again and again.
    pub fn handle(self: &Arc<Self>, function: &str, qualifier: Option<&str>) -> FunctionHandle {
        FunctionHandle::new(Arc::downgrade(self), function, qualifier)
    }

    /// Ends it: no new requests, an end for those that run, and for all instances. The port is
    /// free afterwards.
    pub async fn shut_down(&self) {
        self.sources.stop().await;
        self.ending.send_replace(true);
        let front = self.front().take();
        if let Some(front) = front {
            let _ = front.await;
        }
        let live = self.live();
        let pools = || live.functions.values().flat_map(LiveFunction::pools);
        pools().for_each(Pool::retire);
        for pool in pools() {
            pool.wait_for_population(0).await;
        }
        self.flush_logs().await;
    }

    fn front(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.front.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until everything that was logged can be read.
    pub async fn flush_logs(&self) {
        for function in self.live().functions.values() {
            function.log().flush().await;
        }
    }

    /// How many instances of a function there are: those that are ready.
    pub fn instances(&self, function: &str) -> usize {
        let live = self.live();
        let function = live.functions.get(function);
        function.map_or(0, |function| {
            function.pools().map(|pool| pool.ready()).sum()
        })
    }
}

fn not_found(function: &str, qualifier: Option<&str>) -> InvokeError {
    let qualifier = qualifier.map(|qualifier| format!(":{qualifier}"));
    InvokeError::NotFound(function.to_owned() + &qualifier.unwrap_or_default())
}

/// On the wanted port, or on any if somebody else has that.
async fn listen(port: Option<u16>) -> std::io::Result<TcpListener> {
    if let Some(port) = port
        && let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
    {
        return Ok(listener);
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

/// Sends events to one function, whatever revision it has at the time.
#[derive(Debug, Clone)]
pub struct FunctionHandle {
    emulator: Weak<Emulator>,
    function: String,
    qualifier: Option<String>,
}

impl FunctionHandle {
    pub(crate) fn new(emulator: Weak<Emulator>, function: &str, qualifier: Option<&str>) -> Self {
        Self {
            emulator,
            function: function.to_owned(),
            qualifier: qualifier.map(str::to_owned),
        }
    }

    /// Sends `payload` and waits for what it comes to.
    pub async fn invoke(&self, payload: Bytes) -> Result<Done, InvokeError> {
        let qualifier = self.qualifier.as_deref();
        let emulator = self.emulator.upgrade();
        let emulator = emulator.ok_or_else(|| not_found(&self.function, qualifier))?;
        emulator.invoke(self.call(payload)).await
    }

    /// Hands `payload` over, to be delivered in the background as Lambda delivers events that
    /// nobody waits for: again if the function fails, later if no instance is free.
    pub(crate) fn hand_over(&self, payload: Bytes) {
        if let Some(emulator) = self.emulator.upgrade() {
            front::deliver(&emulator, uuid(), self.call(payload));
        }
    }

    /// Writes a line into the function's log; `stream` is the name of its log stream.
    pub(crate) fn note(&self, stream: &str, text: impl Into<String>) {
        let live = self.emulator.upgrade().map(|emulator| emulator.live());
        let function = live
            .as_ref()
            .and_then(|live| live.functions.get(&self.function));
        if let Some(function) = function {
            function.log().append(&LogLine {
                time: Clock::system().milliseconds(),
                stream: stream.to_owned(),
                request: None,
                text: text.into(),
            });
        }
    }

    fn call(&self, payload: Bytes) -> Call {
        Call {
            function: self.function.clone(),
            qualifier: self.qualifier.clone(),
            payload,
            ..Call::default()
        }
    }
}
