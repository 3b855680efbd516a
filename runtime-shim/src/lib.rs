//! The bootstrap that is packaged with a model: it answers requests with predictions, in the
//! protocol of whichever platform started it.
//!
//! - `platform`: the protocols; they know the environment and HTTP, and nothing of tensors
//! - `handler`: a request's bytes -> an answer's bytes; knows no platform
//! - `codec`: JSON <-> tensors
//! - `engine`: what runs a model; ONNX Runtime behind a trait
//! - `tensor`: the values that go between codec and engine
//! - `config`: where the package is, and what it and the environment say
//! - `log`: one JSON object a line on standard output
//! - `shutdown`: SIGTERM and SIGINT
//! - `main_thread`: where models are loaded; everything else happens on other threads
//! - `trace`: where the time of a start goes
//! - `fuzz`: what programs that look for faults call

use std::error::Error;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use config::{Environment, Package};
use log::{Level, Style};
use trace::Phase;

mod codec;
mod config;
mod engine;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod handler;
mod log;
mod main_thread;
mod platform;
mod shutdown;
mod tensor;
mod trace;

/// Threads for reading requests and running models. More would only wait for each other: the
/// number of requests at a time is bounded by the platforms, and a session runs as many at a time as
/// there are processors. Where requests wait for company, there are enough for two full groups.
const BLOCKING_THREADS: usize = 8;

/// How long the end of the process waits for a model that is being loaded.
const LOADING: Duration = Duration::from_secs(2);

/// The process, from its beginning to its end.
pub fn main() {
    let environment = Environment::read();
    if environment.traces_cold() {
        trace::begin();
    }
    log::init(Style {
        level: environment.level(),
        google: environment.is_google(),
    });
    std::panic::set_hook(Box::new(log_panic));
    let jobs = main_thread::open();
    // Whoever serves finds it again, and can say what is wrong with it. With secrets to look up
    // first, the shim starts anew in this process, and then it is worth the while.
    let package = if environment.refers_to_secrets() {
        None
    } else {
        Package::find(&environment).ok()
    };
    trace::mark(Phase::Configuration);
    if let Some(package) = &package {
        engine::prepare(package);
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            let config = package.as_ref().map(|package| &package.config);
            let batching = config.and_then(|config| config.batching.as_ref());
            let group = batching.map_or(0, |batching| batching.max);
            let result = catch_unwind(AssertUnwindSafe(|| run(&environment, group)));
            end(result.unwrap_or_else(|_| Err("an internal error; see the line above".into())));
        });
        if let Some(package) = &package {
            engine::load_early(package, environment.threads());
        }
        jobs.work();
    });
}

/// `group` is how many requests may wait for the same run of the model.
fn run(environment: &Environment, group: u32) -> Result<(), Box<dyn Error>> {
    let runtime = runtime(BLOCKING_THREADS.max(2 * usize::try_from(group)?))?;
    let result = runtime.block_on(platform::serve(environment));
    // A model that is still running must not keep the process.
    runtime.shutdown_background();
    result
}

/// Ends the process.
#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "the main thread and others may be inside of a model, which nobody can interrupt"
)]
fn end(result: Result<(), Box<dyn Error>>) {
    let status = match result {
        Ok(()) => 0,
        Err(error) => {
            log::write(Level::Error, &chain(&*error), &[]);
            1
        }
    };
    // At the end of a process, the inference library takes away what a model that is still being
    // loaded works with, and the process would crash instead.
    main_thread::rest(LOADING);
    std::process::exit(status);
}

/// One thread speaks HTTP; models run on others, so that it is always there to answer.
fn runtime(threads: usize) -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(threads)
        .build()
}

/// An error and what caused it, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// A panic ends one request and not the process; it belongs into the log like everything else.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let message = panic
        .payload_as_str()
        .unwrap_or("a panic without a message");
    let at = panic.location().map(ToString::to_string);
    log::write(Level::Error, message, &[("panic_at", at.into())]);
}
