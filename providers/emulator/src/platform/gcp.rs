//! Google: HTTP on `$PORT`, after the container contract of Cloud Run
//! (<https://cloud.google.com/run/docs/container-contract>), which functions run on.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use mlfn_core::ProviderName;

use super::server::{Exchange, Probe, Server, Startup};
use super::{Answer, Event, check_size, outcome_of, package_root};
use crate::blueprint::{Blueprint, Nest};
use crate::http;
use crate::identifiers::trace_parent;
use crate::process::{Process, Program};
use crate::{EmulatorError, Failure};

/// Requests and answers of HTTP/1 (<https://cloud.google.com/run/quotas>).
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// The startup probe that functions get: TCP, for at most 240 s.
const STARTUP: Startup = Startup {
    probe: Probe::Connection,
    pause: Duration::from_millis(5),
    limit: Duration::from_mins(4),
};

/// A function behind Google's protocol.
#[derive(Debug)]
pub(crate) struct Gcp {
    server: Server,
    timeout: Duration,
}

impl Gcp {
    pub(crate) async fn start(blueprint: &Blueprint, nest: Nest) -> Result<Self, EmulatorError> {
        let root = package_root(blueprint)?;
        let program = |port: u16| Program {
            path: root.join("bootstrap"),
            arguments: Vec::new(),
            folder: root.clone(),
            environment: environment(blueprint, &nest, port, &root.to_string_lossy()),
        };
        let server = Server::start(ProviderName::Gcp, STARTUP, &nest.witness, program).await?;
        Ok(Self {
            server,
            timeout: blueprint.timeout,
        })
    }

    pub(crate) fn process(&self) -> &Process {
        self.server.process()
    }

    pub(crate) async fn invoke(&self, event: &Event) -> Result<Answer, EmulatorError> {
        check_size(ProviderName::Gcp, event.payload.len(), MAX_BYTES)?;
        self.pass_on(request(&event.payload)?).await
    }

    pub(crate) async fn pass_on(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, EmulatorError> {
        let exchange = self
            .server
            .exchange(request, self.timeout, MAX_BYTES)
            .await?;
        Ok(answer(exchange))
    }
}

fn environment(
    blueprint: &Blueprint,
    nest: &Nest,
    port: u16,
    root: &str,
) -> BTreeMap<String, String> {
    let name = blueprint.name.as_str();
    let own = [
        (
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ),
        ("HOME", "/tmp"),
        ("PORT", &port.to_string()),
        // A container has its interfaces for itself, this machine does not.
        (mlfn_shim_contract::env::HOST, "127.0.0.1"),
        ("K_SERVICE", name),
        ("K_REVISION", &blueprint.version),
        ("K_CONFIGURATION", name),
        ("FUNCTION_TARGET", "handler"),
        ("FUNCTION_SIGNATURE_TYPE", "http"),
        // The launcher in the package adds it before it becomes the shim.
        (mlfn_shim_contract::env::ROOT, root),
    ];
    nest.environment(blueprint, &own)
}

fn request(payload: &[u8]) -> Result<Request<Full<Bytes>>, EmulatorError> {
    let trace = trace_parent();
    let headers = [
        ("content-type", "application/json"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("traceparent", &trace),
    ];
    http::request("POST", "/", &headers, payload)
}

/// The statuses are those of <https://cloud.google.com/run/docs/troubleshooting>.
fn answer(exchange: Exchange) -> Answer {
    match exchange {
        Exchange::Answered(response) => Answer {
            outcome: outcome_of(response.status().as_u16()),
            status: Some(response.status().as_u16()),
            headers: response.headers().clone(),
            body: response.into_body(),
            logs: Vec::new(),
        },
        Exchange::TooLarge => {
            let message = "Response size was too large. Please consider reducing response size.";
            Answer::failed(Failure::ResponseTooLarge, Some(500), message)
        }
        Exchange::Broken(why) => {
            Answer::failed(Failure::BadAnswer(why), Some(503), "Service Unavailable")
        }
        Exchange::Exited(how) => {
            Answer::failed(Failure::Exited(how), Some(503), "Service Unavailable")
        }
        Exchange::TimedOut => {
            Answer::failed(Failure::TimedOut, Some(504), "upstream request timeout")
        }
    }
}
