//! Google: HTTP on `$PORT`, after the container contract of Cloud Run
//! (<https://cloud.google.com/run/docs/container-contract>), which functions run on.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use mlfn_core::ProviderName;

use super::server::{Exchange, Probe, Server, Startup};
use super::{Answer, check_size, outcome_of, package_root};
use crate::http;
use crate::identifiers::trace_parent;
use crate::process::{Process, Program};
use crate::{EmulatorError, Failure, Start};

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
    pub(crate) async fn start(start: &Start<'_>) -> Result<Self, EmulatorError> {
        let root = package_root(start)?;
        let program = |port: u16| Program {
            path: root.join("bootstrap"),
            arguments: Vec::new(),
            folder: root.clone(),
            environment: environment(start, port, &root.to_string_lossy()),
        };
        let server = Server::start(ProviderName::Gcp, STARTUP, program).await?;
        Ok(Self {
            server,
            timeout: start.timeout(),
        })
    }

    pub(crate) fn process(&self) -> &Process {
        self.server.process()
    }

    pub(crate) async fn invoke(&self, payload: &[u8]) -> Result<Answer, EmulatorError> {
        check_size(ProviderName::Gcp, payload, MAX_BYTES)?;
        let exchange = self
            .server
            .exchange(request(payload)?, self.timeout, MAX_BYTES)
            .await?;
        Ok(answer(exchange))
    }
}

fn environment(start: &Start<'_>, port: u16, root: &str) -> BTreeMap<String, String> {
    let name = start.cloud_name();
    let mut environment = start.environment.clone();
    environment.extend(
        [
            (
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            ),
            ("HOME", "/tmp"),
            ("PORT", &port.to_string()),
            ("K_SERVICE", &name),
            ("K_REVISION", &format!("{name}-00001-loc")),
            ("K_CONFIGURATION", &name),
            ("FUNCTION_TARGET", "handler"),
            ("FUNCTION_SIGNATURE_TYPE", "http"),
            // The launcher in the package adds it before it becomes the shim.
            (mlfn_shim_contract::env::ROOT, root),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    environment
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
            body: response.into_body().to_vec(),
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
