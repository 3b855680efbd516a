//! Azure Functions: custom handlers
//! (<https://learn.microsoft.com/azure/azure-functions/functions-custom-handlers>), as the
//! Functions host runs them: it reads the package's files, starts the handler that they name,
//! and either passes HTTP on as it is or wraps the trigger's data into an envelope of JSON.

mod bindings;
mod envelope;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::HeaderValue;
use hyper::{Request, Response};
use mlfn_core::ProviderName;
use mlfn_shim_contract::env::AZURE_HANDLER_PORT;

use self::bindings::{App, Entry};
use super::server::{Exchange, Probe, Server, Startup};
use super::{Answer, Event, check_size, outcome_of, package_root};
use crate::blueprint::{Blueprint, Nest};
use crate::http;
use crate::identifiers::{trace_parent, uuid};
use crate::process::{Process, Program};
use crate::{EmulatorError, Failure};

/// The largest request that the front end takes
/// (<https://learn.microsoft.com/azure/azure-functions/functions-scale#service-limits>).
const MAX_REQUEST: usize = 210 * 1024 * 1024;

/// There is no documented limit on answers; this one protects mlfn's own memory.
const MAX_RESPONSE: usize = 1024 * 1024 * 1024;

/// The host's own numbers: a look every 25 ms, and 30 s for the start of an app.
const STARTUP: Startup = Startup {
    probe: Probe::Answer,
    pause: Duration::from_millis(25),
    limit: Duration::from_secs(30),
};

/// The version of the Functions host whose behaviour this is.
const HOST_VERSION: &str = "4.1046.100";

/// A function behind Azure's protocol.
#[derive(Debug)]
pub(crate) struct Azure {
    server: Server,
    entry: Entry,
    timeout: Duration,
}

impl Azure {
    pub(crate) async fn start(blueprint: &Blueprint, nest: Nest) -> Result<Self, EmulatorError> {
        let root = package_root(blueprint)?;
        let app = App::read(&root)?;
        let program = |port: u16| Program {
            path: app.executable.clone(),
            arguments: app.arguments.clone(),
            folder: app.folder.clone(),
            environment: environment(blueprint, &nest, port, &root),
        };
        let server = Server::start(ProviderName::Azure, STARTUP, &nest.witness, program).await?;
        Ok(Self {
            server,
            entry: app.entry,
            timeout: blueprint.timeout,
        })
    }

    pub(crate) fn process(&self) -> &Process {
        self.server.process()
    }

    pub(crate) async fn invoke(&self, event: &Event) -> Result<Answer, EmulatorError> {
        let payload = &event.payload;
        check_size(ProviderName::Azure, payload.len(), MAX_REQUEST)?;
        let (method, path, body) = match &self.entry {
            Entry::Proxied { method, path } => (method.as_str(), path.clone(), payload.to_vec()),
            Entry::Enveloped { function, trigger } => (
                "POST",
                format!("/{function}"),
                envelope::wrap(function, trigger, payload),
            ),
        };
        let headers = [("content-type", "application/json")];
        let exchange = self.exchange(http::request(method, &path, &headers, &body)?);
        Ok(match (&self.entry, exchange.await?) {
            (Entry::Enveloped { .. }, Exchange::Answered(response)) => envelope::unwrap(&response),
            (_, exchange) => answer(exchange),
        })
    }

    /// To a function that does nothing but HTTP.
    pub(crate) async fn pass_on(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, EmulatorError> {
        Ok(answer(self.exchange(request).await?))
    }

    async fn exchange(&self, mut request: Request<Full<Bytes>>) -> Result<Exchange, EmulatorError> {
        let own = [
            ("x-azure-functions-invocationid", uuid()),
            ("x-azure-functions-hostversion", HOST_VERSION.to_owned()),
            ("traceparent", trace_parent()),
        ];
        for (name, value) in own {
            if let Ok(value) = HeaderValue::from_str(&value) {
                request.headers_mut().insert(name, value);
            }
        }
        self.server
            .exchange(request, self.timeout, MAX_RESPONSE)
            .await
    }
}

fn answer(exchange: Exchange) -> Answer {
    let failure = match exchange {
        Exchange::Answered(response) => return answered(response),
        Exchange::TooLarge => Failure::ResponseTooLarge,
        Exchange::Broken(why) => Failure::BadAnswer(why),
        Exchange::Exited(how) => Failure::Exited(how),
        Exchange::TimedOut => Failure::TimedOut,
    };
    // The host answers a failed execution with 500 and no body.
    Answer::failed(failure, Some(500), "")
}

fn answered(response: Response<Bytes>) -> Answer {
    let status = response.status().as_u16();
    let (head, body) = response.into_parts();
    Answer {
        outcome: outcome_of(status),
        body,
        status: Some(status),
        headers: head.headers,
        logs: Vec::new(),
    }
}

fn environment(
    blueprint: &Blueprint,
    nest: &Nest,
    port: u16,
    root: &Path,
) -> BTreeMap<String, String> {
    let (port, worker) = (port.to_string(), uuid());
    let own = [
        (
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ),
        ("HOME", "/tmp"),
        (AZURE_HANDLER_PORT, port.as_str()),
        ("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", &worker),
        // The names of before 2020, which the host still sets.
        ("FUNCTIONS_HTTPWORKER_PORT", &port),
        ("FUNCTIONS_HTTPWORKER_ID", &worker),
        ("FUNCTIONS_APP_ROOT_PATH", &root.to_string_lossy()),
        ("FUNCTIONS_EXTENSION_VERSION", "~4"),
        ("FUNCTIONS_WORKER_RUNTIME", "custom"),
        ("WEBSITE_SITE_NAME", &blueprint.name),
    ];
    nest.environment(blueprint, &own)
}
