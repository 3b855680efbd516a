//! The protocols of the platforms. Nothing here knows tensors.
//!
//! - this file: what they share: the model while it loads, and the life of a request
//! - `lambda`, `azure`, `http`: one protocol each
//! - `server`: the HTTP server of the latter two
//! - `awake`: waiting for the next request without going to sleep at once
//! - `events`: what AWS tells of queues, topics, streams and buckets
//! - `aws`: what AWS is asked for: objects, places for predictions, secrets
//! - `outputs`: which predictions go where
//! - `pace`: which requests need no thread of their own
//! - `routes`: which paths and methods a function answers
//! - `web`: requests of HTTP, whichever platform passes them on
//! - `envelope`: requests inside of other JSON
//! - `fuzz`: all of it, for bytes that nobody would send

use std::borrow::Cow;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mlfn_shim_contract::ShimConfig;
use serde_json::Value as Json;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::codec::failure::{Code, Failure};
use crate::config::{Environment, Package, PlatformChoice};
use crate::engine;
use crate::handler::{Handler, Timings};
use crate::log::{self, Level};
use crate::main_thread;
use crate::shutdown::Shutdown;
use crate::trace::{self, Phase};

mod awake;
mod aws;
mod azure;
mod envelope;
mod events;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod http;
mod lambda;
mod outputs;
mod pace;
mod routes;
mod server;
mod web;

/// Speaks the environment's protocol until the platform ends the process.
pub(crate) async fn serve(environment: &Environment) -> Result<(), Box<dyn Error>> {
    let platform = environment.platform()?;
    let shutdown = Shutdown::on_signals()?;
    match platform {
        PlatformChoice::Lambda(api) => lambda::serve(environment, &api, shutdown).await?,
        PlatformChoice::Azure(port) => azure::serve(environment, port, shutdown).await?,
        PlatformChoice::Http(address) => http::serve(environment, address, shutdown).await?,
    }
    log::write(Level::Info, "stopped", &[]);
    Ok(())
}

/// A model, from the moment at which its package is found.
#[derive(Clone)]
enum Model {
    Loading,
    Ready(Arc<Handler>),
    Failed(Failure),
}

/// How a platform sends requests, and wants them to be refused.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    /// Whether a request that takes too long is answered here. Otherwise the platform ends it, and
    /// the process with it.
    pub(crate) keeps_time: bool,
    /// Whether requests come at the same time.
    pub(crate) at_once: bool,
    /// The form of a failure.
    pub(crate) refuse: fn(Failure) -> Reply,
}

impl Terms {
    /// Of platforms that pass HTTP on.
    pub(crate) const HTTP: Self = Self {
        keeps_time: true,
        at_once: true,
        refuse: refused,
    };
}

/// What a process serves, whatever the protocol.
pub(crate) struct Service {
    config: ShimConfig,
    terms: Terms,
    model: watch::Receiver<Model>,
    warm: AtomicBool,
    requests: AtomicU64,
    pace: pace::Pace,
}

/// What became of a request.
pub(crate) struct Reply {
    /// JSON, unless the headers say something else.
    pub(crate) body: Vec<u8>,
    /// Headers of HTTP, with names in lower case.
    pub(crate) headers: Vec<(&'static str, Cow<'static, str>)>,
    /// Whether the body is text.
    pub(crate) is_text: bool,
    /// Why there is no prediction.
    pub(crate) failure: Option<Failure>,
    /// A failure that the body reports in its own way: the platform's call succeeded.
    pub(crate) wrapped: bool,
}

impl Reply {
    /// A prediction.
    pub(crate) fn success(body: Vec<u8>) -> Self {
        Self {
            body,
            headers: Vec::new(),
            is_text: true,
            failure: None,
            wrapped: false,
        }
    }

    /// The status of HTTP for it.
    pub(crate) fn status(&self) -> u16 {
        self.failure
            .as_ref()
            .map_or(200, |failure| failure.code.status())
    }
}

/// What the log says of a request before it is answered.
pub(crate) struct Caller {
    /// The platform's name for the request.
    pub(crate) id: String,
    /// The bytes of its body.
    pub(crate) size: usize,
    /// Further fields.
    pub(crate) fields: Vec<(&'static str, Json)>,
}

impl Service {
    /// Starts to load the model of a package, on the main thread.
    pub(crate) fn start(package: Package, threads: usize, terms: Terms) -> Arc<Self> {
        let (sender, model) = watch::channel(Model::Loading);
        let config = package.config.clone();
        tokio::spawn(async move {
            let loaded = main_thread::run(move || load(package, threads)).await;
            sender.send_replace(match loaded {
                Some(Ok(handler)) if terms.at_once => Model::Ready(Arc::new(handler.gathering())),
                Some(Ok(handler)) => Model::Ready(Arc::new(handler)),
                Some(Err(failure)) => Model::Failed(failure),
                None => Model::Failed(died()),
            });
            sender.closed().await;
        });
        Arc::new(Self {
            config,
            terms,
            model,
            warm: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            pace: pace::Pace::default(),
        })
    }

    /// The configuration of the package.
    pub(crate) fn config(&self) -> &ShimConfig {
        &self.config
    }

    /// Waits until the model is loaded.
    pub(crate) async fn handler(&self) -> Result<Arc<Handler>, Failure> {
        let mut model = self.model.clone();
        let model = model
            .wait_for(|model| !matches!(model, Model::Loading))
            .await;
        match model.as_deref() {
            Ok(Model::Ready(handler)) => Ok(Arc::clone(handler)),
            Ok(Model::Failed(failure)) => Err(failure.clone()),
            Ok(Model::Loading) | Err(_) => {
                Err(Failure::new(Code::ModelNotLoaded, "the process is ending"))
            }
        }
    }

    /// The state of the model in a word, and why if it is a bad one.
    pub(crate) fn status(&self) -> (&'static str, Option<Failure>) {
        match &*self.model.borrow() {
            Model::Loading => ("loading", None),
            Model::Ready(_) => ("ready", None),
            Model::Failed(failure) => ("failed", Some(failure.clone())),
        }
    }

    /// Whether the model is loaded.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(*self.model.borrow(), Model::Ready(_))
    }

    /// A name for a request that the platform gives none.
    pub(crate) fn next_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("{}-{number}", std::process::id())
    }

    /// Runs `work` on a thread that may be busy for long, and logs how it went. `work` gets the
    /// handler as soon as the model is loaded, or why it cannot be. What will not take long is done
    /// at once.
    pub(crate) async fn answer<W>(self: &Arc<Self>, caller: Caller, work: W) -> Reply
    where
        W: FnOnce(&Handler, &mut Timings) -> Reply + Send + 'static,
    {
        if self.is_quick(caller.size) {
            return self.answer_here(caller, work).await;
        }
        let limit = Duration::from_secs(self.config.timeout.into());
        let work = self.work(caller.size, work);
        let done = async {
            let done = if self.terms.keeps_time {
                timeout(limit, work).await.ok()
            } else {
                Some(work.await)
            };
            done.unwrap_or_else(|| (self.timed_out(), Timings::default()))
        };
        self.logged(caller, done).await
    }

    /// Whether a request of so many bytes is answered without another thread. One that waits for
    /// others needs its own, and so does one that may turn a loop for ever.
    fn is_quick(&self, size: usize) -> bool {
        let may_be = self.config.steady && self.config.batching.is_none() && self.terms.at_once;
        may_be && self.pace.is_quick(size) && self.is_ready()
    }

    /// As [`Service::answer`], on this thread, which does nothing else meanwhile: for platforms
    /// that send one request at a time. Handing it to another thread and back takes longer than a
    /// small model.
    pub(crate) async fn answer_here<W>(&self, caller: Caller, work: W) -> Reply
    where
        W: FnOnce(&Handler, &mut Timings) -> Reply,
    {
        let size = caller.size;
        let done = async {
            let mut timings = Timings::default();
            let reply = match self.handler().await {
                Ok(handler) => {
                    let start = Instant::now();
                    let work = AssertUnwindSafe(|| work(&handler, &mut timings));
                    let reply = catch_unwind(work);
                    self.pace.learn(size, start.elapsed(), true);
                    reply.unwrap_or_else(|_| (self.terms.refuse)(died()))
                }
                Err(failure) => (self.terms.refuse)(failure),
            };
            (reply, timings)
        };
        self.logged(caller, done).await
    }

    async fn logged(&self, caller: Caller, done: impl Future<Output = (Reply, Timings)>) -> Reply {
        let start = Instant::now();
        trace::mark(Phase::FirstRequest);
        let cold = !self.warm.swap(true, Ordering::Relaxed);
        let (reply, timings) = done.await;
        log_request(caller, cold, start.elapsed(), timings, &reply);
        trace::mark(Phase::FirstAnswer);
        reply
    }

    async fn work<W>(self: &Arc<Self>, size: usize, work: W) -> (Reply, Timings)
    where
        W: FnOnce(&Handler, &mut Timings) -> Reply + Send + 'static,
    {
        let handler = match self.handler().await {
            Ok(handler) => handler,
            Err(failure) => return ((self.terms.refuse)(failure), Timings::default()),
        };
        // Gone as soon as nobody waits for the answer any more: the client has hung up or the
        // time is over. Then there is no need to begin.
        let wanted = Arc::new(());
        let still_wanted = Arc::downgrade(&wanted);
        let service = Arc::clone(self);
        let done = spawn_blocking(move || {
            let mut timings = Timings::default();
            still_wanted.upgrade()?;
            let start = Instant::now();
            let reply = work(&handler, &mut timings);
            service.pace.learn(size, start.elapsed(), false);
            Some((reply, timings))
        });
        let done = done.await;
        drop(wanted);
        match done {
            Ok(Some(done)) => done,
            Ok(None) => (self.timed_out(), Timings::default()),
            Err(_) => ((self.terms.refuse)(died()), Timings::default()),
        }
    }

    fn timed_out(&self) -> Reply {
        let message = format!(
            "no answer within the function's timeout of {} s; raise `timeout:` or send less",
            self.config.timeout
        );
        (self.terms.refuse)(Failure::new(Code::TimedOut, message))
    }
}

fn load(package: Package, threads: usize) -> Result<Handler, Failure> {
    let start = Instant::now();
    let loaded = engine::load(&package, threads);
    match loaded {
        Ok(loaded) => {
            let duration = ("duration_ms", milliseconds(loaded.took));
            let fields = [duration, ("threads", threads.into())];
            log::write(Level::Info, "model loaded", &fields);
            Ok(Handler::new(loaded.engine, package.config))
        }
        Err(error) => {
            let duration = ("duration_ms", milliseconds(start.elapsed()));
            log::write(Level::Error, &error.to_string(), &[duration]);
            Err(error.into())
        }
    }
}

/// A panic while a request was answered. What it said is in the log.
fn died() -> Failure {
    let message = "an internal error; the log has the details";
    Failure::new(Code::Internal, message)
}

/// A failure as an HTTP answer would have it.
pub(crate) fn refused(failure: Failure) -> Reply {
    let body = failure.to_json(None);
    Reply {
        failure: Some(failure),
        ..Reply::success(body)
    }
}

/// The same with what the model expects.
pub(crate) fn reply(handler: &Handler, result: Result<Vec<u8>, Failure>) -> Reply {
    match result {
        Ok(body) => Reply::success(body),
        Err(failure) => Reply {
            body: failure.to_json(handler.expected()),
            ..refused(failure)
        },
    }
}

fn log_request(caller: Caller, cold: bool, took: Duration, timings: Timings, reply: &Reply) {
    let mut fields = vec![
        ("request_id", caller.id.into()),
        ("cold", cold.into()),
        ("status", reply.status().into()),
        ("duration_ms", milliseconds(took)),
        ("parse_ms", milliseconds(timings.parse)),
        ("run_ms", milliseconds(timings.run)),
        ("write_ms", milliseconds(timings.write)),
    ];
    fields.extend(caller.fields);
    let (level, message) = match &reply.failure {
        None => (Level::Info, "answered"),
        Some(failure) => {
            fields.push(("error", failure.code.name().into()));
            let level = match failure.code.status() {
                500.. => Level::Error,
                _ => Level::Warn,
            };
            (level, failure.message.as_str())
        }
    };
    log::write(level, message, &fields);
}

/// To the microsecond.
fn milliseconds(duration: Duration) -> Json {
    ((duration.as_secs_f64() * 1e6).round() / 1e3).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::tests::{config, echo};

    impl Service {
        /// With a model that is loaded.
        fn ready(handler: Handler) -> Arc<Self> {
            let (_, model) = watch::channel(Model::Ready(Arc::new(handler)));
            Arc::new(Self {
                config: config(),
                terms: Terms::HTTP,
                model,
                warm: AtomicBool::new(false),
                requests: AtomicU64::new(0),
                pace: pace::Pace::default(),
            })
        }
    }

    fn caller(id: &str) -> Caller {
        Caller {
            id: id.to_owned(),
            size: 12,
            fields: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_panic_ends_a_request_and_the_next_one_works() {
        let service = Service::ready(echo());
        let reply = service
            .answer(caller("1"), |_, _| panic!("for the test"))
            .await;
        assert_eq!(reply.status(), 500);
        let failure = reply.failure.expect("a failure");
        assert_eq!(failure.code, Code::Internal);
        let good = |handler: &Handler, timings: &mut Timings| {
            super::reply(handler, handler.handle(br#"{"x": [1, 2]}"#, timings))
        };
        assert_eq!(service.answer(caller("2"), good).await.status(), 200);
        let reply = service
            .answer_here(caller("3"), |_, _| panic!("for the test"))
            .await;
        assert_eq!(reply.status(), 500);
        assert_eq!(service.answer_here(caller("4"), good).await.status(), 200);
    }
}
