//! A local cloud in a process of its own, which stays when mlfn ends.
//!
//! The process writes down in `endpoint.json` who and where it is, with a token that its own
//! requests (`/_mlfn/..`) need. The file of a process that is gone is recognised: nobody with that
//! token answers.

use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::{Request, Response, StatusCode};
use mlfn_core::{Failure, ProviderError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::EmulatorOptions;
use crate::cloud::record::{PROCESS_LOCK, lock, replace, try_lock};
use crate::front::{self, json_reply, message};
use crate::http::{self, Client};
use crate::local_cloud::{CloudError, LocalCloud};
use crate::packages::random_hex;

/// How long a start or an end may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often to look whether it has happened.
const LOOK: Duration = Duration::from_millis(10);

/// How long a health check or a reload may take.
const ANSWER: Duration = Duration::from_secs(10);

/// How long a cloud runs with nothing in it, which is so when a first deploy was killed.
const EMPTY: Duration = Duration::from_mins(1);

/// The most bytes of an answer that are read: those of a function.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// How to start the process that answers: a program and its arguments, which lead to
/// [`run_detached`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launcher {
    /// Usually mlfn itself.
    pub executable: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// Who and where a process is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Endpoint {
    pid: u32,
    port: u16,
    token: String,
}

/// The process that answers for a local cloud, as others see it.
#[derive(Debug)]
pub(crate) struct Daemon {
    folder: PathBuf,
    launcher: Launcher,
}

impl Daemon {
    pub(crate) fn new(folder: PathBuf, launcher: Launcher) -> Self {
        Self { folder, launcher }
    }

    /// Where it answers; none if it does not run.
    pub(crate) async fn url(&self) -> Option<String> {
        let endpoint = self.find().await?;
        Some(format!("http://127.0.0.1:{}", endpoint.port))
    }

    /// Starts it if it does not run.
    pub(crate) async fn ensure(&self) -> Result<(), ProviderError> {
        if self.find().await.is_some() {
            return Ok(());
        }
        let folder = self.folder.clone();
        let turn = tokio::task::spawn_blocking(move || lock(&folder, "start.lock")).await;
        let _turn = turn
            .map_err(io::Error::other)
            .and_then(|turn| turn)
            .map_err(unavailable)?;
        // Somebody else may have started it while this waited.
        if self.find().await.is_some() {
            return Ok(());
        }
        let mut child = self.launch().map_err(unavailable)?;
        let started = async {
            while self.find().await.is_none() {
                if let Some(status) = child.try_wait().map_err(unavailable)? {
                    return Err(self.did_not_start(&format!("it ended with {status}")));
                }
                sleep(LOOK).await;
            }
            Ok(())
        };
        let started = timeout(PATIENCE, started).await;
        started.unwrap_or_else(|_| Err(self.did_not_start("it does not answer")))?;
        reap(child);
        Ok(())
    }

    fn launch(&self) -> io::Result<std::process::Child> {
        fs_err::create_dir_all(&self.folder)?;
        let mut options = fs_err::OpenOptions::new();
        let log = options
            .create(true)
            .append(true)
            .open(self.log())?
            .into_parts()
            .0;
        Command::new(&self.launcher.executable)
            .args(&self.launcher.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // What ends the group of mlfn (Ctrl-C, a closed terminal) does not end it.
            .process_group(0)
            .spawn()
    }

    fn log(&self) -> PathBuf {
        self.folder.join("daemon.log")
    }

    fn did_not_start(&self, what: &str) -> ProviderError {
        let log = fs_err::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(5).collect();
        let lines: Vec<&str> = lines.into_iter().rev().collect();
        let why = format!(
            "the local cloud did not start: {what}; {}",
            lines.join("\n")
        );
        ProviderError::new(Failure::Other { why })
    }

    /// Tells it that the record has changed, if it runs.
    pub(crate) async fn reload(&self) -> Result<(), ProviderError> {
        let Some(endpoint) = self.find().await else {
            return Ok(());
        };
        let answer = endpoint.ask("POST", "reload").await;
        let answer = answer.ok_or_else(|| endpoint.unreachable())?;
        if answer.status() == StatusCode::OK {
            return Ok(());
        }
        let why = String::from_utf8_lossy(answer.body()).into_owned();
        Err(Failure::Unavailable { why }.into())
    }

    /// How many requests a revision failed on that it got as its part of an alias's.
    pub(crate) async fn failures(
        &self,
        function: &str,
        revision: &str,
    ) -> Result<u64, ProviderError> {
        // Nobody fails on requests that nobody takes.
        let Some(endpoint) = self.find().await else {
            return Ok(0);
        };
        let action = format!("failures?{function}:{revision}");
        let answer = endpoint.ask("GET", &action).await;
        let answer = answer.ok_or_else(|| endpoint.unreachable())?;
        let told: serde_json::Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        Ok(told["failures"].as_u64().unwrap_or_default())
    }

    /// Ends it, if it runs, and waits for that.
    pub(crate) async fn stop(&self) -> Result<(), ProviderError> {
        let Some(endpoint) = self.find().await else {
            return Ok(());
        };
        let _ = endpoint.ask("POST", "stop").await;
        let ended = async {
            while try_lock(&self.folder, PROCESS_LOCK).is_ok_and(|lock| lock.is_none()) {
                sleep(LOOK).await;
            }
        };
        timeout(PATIENCE, ended)
            .await
            .map_err(|_| endpoint.unreachable())
    }

    /// The answer of a function, good or bad.
    pub(crate) async fn invoke(
        &self,
        function: &str,
        qualifier: Option<&str>,
        payload: Bytes,
    ) -> Result<Result<Bytes, Bytes>, ProviderError> {
        let endpoint = self.find().await;
        let endpoint = endpoint.ok_or_else(|| {
            ProviderError::new(Failure::Unavailable {
                why: "the local cloud does not run".to_owned(),
            })
        })?;
        let query = qualifier.map(|text| format!("?Qualifier={}", text.replace('$', "%24")));
        let query = query.unwrap_or_default();
        let path = format!("/2015-03-31/functions/{function}/invocations{query}");
        let request = http::request("POST", &path, &[], &payload);
        let request = request.map_err(|error| unavailable(io::Error::other(error)))?;
        let answer = Client::of(endpoint.port).send(request, MAX_ANSWER).await;
        let answer = answer.map_err(|error| endpoint.unreachable().caused_by(error))?;
        let is_good = answer.status() == StatusCode::OK
            && !answer.headers().contains_key("x-amz-function-error");
        let body = answer.into_body();
        Ok(if is_good { Ok(body) } else { Err(body) })
    }

    async fn find(&self) -> Option<Endpoint> {
        let text = fs_err::read(endpoint_path(&self.folder)).ok()?;
        let endpoint: Endpoint = serde_json::from_slice(&text).ok()?;
        let answer = endpoint.ask("GET", "health").await?;
        let who: serde_json::Value = serde_json::from_slice(answer.body()).ok()?;
        // Another process may have the port by now, and has not the token.
        (answer.status() == StatusCode::OK && who["pid"] == endpoint.pid).then_some(endpoint)
    }
}

/// A process that has ended is kept by the system until its parent looks. This one may live long.
fn reap(mut child: std::process::Child) {
    std::thread::spawn(move || child.wait());
}

impl Endpoint {
    async fn ask(&self, method: &str, action: &str) -> Option<Response<Bytes>> {
        let token = format!("Bearer {}", self.token);
        let headers = [("authorization", token.as_str())];
        let request = http::request(method, &format!("/_mlfn/{action}"), &headers, &[]).ok()?;
        let client = Client::of(self.port);
        timeout(ANSWER, client.send(request, MAX_ANSWER))
            .await
            .ok()?
            .ok()
    }

    fn unreachable(&self) -> ProviderError {
        let endpoint = format!("127.0.0.1:{}", self.port);
        Failure::Unreachable { endpoint }.into()
    }
}

fn endpoint_path(folder: &Path) -> PathBuf {
    folder.join("endpoint.json")
}

fn unavailable(error: io::Error) -> ProviderError {
    let why = error.to_string();
    ProviderError::new(Failure::Unavailable { why }).caused_by(error)
}

/// The address of the local cloud in `folder`, if a process of its own answers for it.
pub async fn find_detached(folder: &Path) -> Option<String> {
    let launcher = Launcher {
        executable: PathBuf::new(),
        arguments: Vec::new(),
    };
    Daemon::new(folder.to_owned(), launcher).url().await
}

/// Answers for the local cloud in the folder of `options` until somebody tells it to stop, there
/// has been nothing in it for a while, or `until` is over. For a process of its own, started by a
/// [`Launcher`], which ends then: until it has, nobody else can answer for that cloud.
pub async fn run_detached(
    options: EmulatorOptions,
    until: impl Future<Output = ()>,
) -> Result<(), CloudError> {
    let folder = std::path::absolute(&options.folder)?;
    let desk = Arc::new(Desk {
        token: random_hex(16),
        cloud: OnceLock::new(),
        stop: Notify::new(),
    });
    let cloud = LocalCloud::open_with(options, Some(desk.clone())).await?;
    // This is the only place that sets it.
    let _ = desk.cloud.set(Arc::downgrade(&cloud));
    let endpoint = Endpoint {
        pid: std::process::id(),
        port: cloud.emulator().port(),
        token: desk.token.clone(),
    };
    let path = endpoint_path(&folder);
    replace(&path, json!(endpoint).to_string().as_bytes())?;
    tokio::select! {
        () = desk.stop.notified() => (),
        () = empty(&cloud) => (),
        () = until => (),
    }
    // First, so that nobody finds what ends.
    let _ = fs_err::remove_file(&path);
    cloud.shut_down().await;
    // The system gives the lock back when the process is gone: who waits for that has nothing left
    // to wait for.
    std::mem::forget(cloud);
    Ok(())
}

/// Waits until there has been nothing in it for a while.
async fn empty(cloud: &LocalCloud) {
    loop {
        sleep(EMPTY).await;
        if cloud.emulator().live().functions.is_empty()
            && cloud.refresh().is_ok_and(|record| record.things.is_empty())
        {
            return;
        }
    }
}

/// Where mlfn's own requests arrive.
struct Desk {
    token: String,
    cloud: OnceLock<Weak<LocalCloud>>,
    stop: Notify,
}

#[async_trait]
impl front::Control for Desk {
    async fn answer(&self, action: &str, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let token = request.headers().get(AUTHORIZATION);
        let wanted = format!("Bearer {}", self.token);
        if token.is_none_or(|token| token.as_bytes() != wanted.as_bytes()) {
            return message(StatusCode::FORBIDDEN, "Forbidden");
        }
        match action {
            "health" => json_reply(StatusCode::OK, &json!({ "pid": std::process::id() })),
            "reload" => self.reload(),
            "failures" => self.failures(request.uri().query().unwrap_or_default()),
            "stop" => {
                self.stop.notify_one();
                json_reply(StatusCode::ACCEPTED, &json!({}))
            }
            _ => message(StatusCode::NOT_FOUND, "Not Found"),
        }
    }
}

impl Desk {
    /// `<function>:<revision>`.
    fn failures(&self, query: &str) -> Response<Full<Bytes>> {
        let (function, revision) = query.split_once(':').unwrap_or((query, ""));
        let cloud = self.cloud.get().and_then(Weak::upgrade);
        let failures = cloud.map_or(0, |cloud| cloud.emulator().failures(function, revision));
        json_reply(StatusCode::OK, &json!({ "failures": failures }))
    }

    fn reload(&self) -> Response<Full<Bytes>> {
        let cloud = self.cloud.get().and_then(Weak::upgrade);
        match cloud.map(|cloud| cloud.refresh()) {
            Some(Ok(_)) => json_reply(StatusCode::OK, &json!({})),
            Some(Err(error)) => message(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
            None => message(
                StatusCode::SERVICE_UNAVAILABLE,
                "the local cloud is starting",
            ),
        }
    }
}
