//! What the shim asks AWS for: objects, queues for predictions, secrets. Nothing here is touched
//! before an event, or the environment, needs it.
//!
//! - this file: a signed call, tried again when that may help
//! - `cloud`: what events need, for threads that wait
//! - `model`: a model that is too large for the package
//! - `objects`, `queues`, `secrets`: the calls of one service each
//! - `settings`: regions, addresses and keys, from the environment
//! - `sign`: signatures
//! - `http_client`: connections

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;

use self::http_client::{HttpClient, HttpError};
use self::settings::{AwsService, Endpoint, Settings, domain};
use self::sign::{Scope, Unsigned, hex_digest, sign};
use super::http::header;

pub(crate) mod cloud;
mod http_client;
pub(crate) mod model;
pub(crate) mod objects;
pub(crate) mod queues;
pub(crate) mod secrets;
mod settings;
mod sign;
#[cfg(test)]
mod tests;

/// Pauses between tries. An event that fails in spite of them comes again by itself.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(500)];

/// The most that is read of an answer that is no object, in bytes.
const ANSWER: usize = 1 << 20;

/// Why AWS was not asked, or did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AwsError {
    /// Outside of Lambda.
    #[error("{0} is not set, without which AWS cannot be asked; Lambda sets it")]
    Unset(&'static str),
    /// An address that is none.
    #[error(
        "{name} is `{value}`, which is no URL with http or https; write for example \
         http://127.0.0.1:4566"
    )]
    BadEndpoint {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// What is asked for has no form that can be sent.
    #[error("the request cannot be written as HTTP")]
    Malformed(#[from] hyper::http::Error),
    /// No answer.
    #[error("{} does not answer", .service.title())]
    NoAnswer {
        /// Who was asked.
        service: AwsService,
        /// Why.
        source: HttpError,
    },
    /// It says no.
    #[error("{} refused it: {code} ({status}){}", .service.title(), after_colon(.message))]
    Refused {
        /// Who was asked.
        service: AwsService,
        /// The status of HTTP.
        status: u16,
        /// The service's own name for the reason.
        code: String,
        /// The reason in words, if there are any.
        message: String,
        /// The region where it has to be asked for, if that is another one.
        region: Option<String>,
    },
    /// An answer that the service's documentation does not have.
    #[error("{} answered something else than was asked for: {what}", .service.title())]
    Strange {
        /// Who was asked.
        service: AwsService,
        /// What is wrong with it.
        what: String,
    },
}

impl AwsError {
    /// Whether the same may go well another time.
    fn may_pass(&self) -> bool {
        match self {
            Self::NoAnswer { source, .. } => source.may_pass(),
            Self::Refused { status, code, .. } => {
                *status >= 500
                    || *status == 429
                    || ["Throttl", "SlowDown", "TooManyRequests", "RequestTimeout"]
                        .iter()
                        .any(|word| code.contains(word))
            }
            _ => false,
        }
    }
}

fn after_colon(message: &str) -> String {
    match message {
        "" => String::new(),
        message => format!(": {message}"),
    }
}

/// AWS, as the environment has it.
pub(crate) struct Aws {
    settings: Settings,
    http: HttpClient,
}

/// A call before it is signed.
struct Call {
    service: AwsService,
    region: String,
    endpoint: Endpoint,
    method: Method,
    /// As it is sent, after the endpoint's own.
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    /// The most that is read of the answer, in bytes.
    limit: usize,
}

impl Aws {
    /// By the variables of this process.
    pub(crate) fn from_environment() -> Result<Self, AwsError> {
        Self::new(crate::config::variable)
    }

    fn new(variable: impl Fn(&str) -> Option<String>) -> Result<Self, AwsError> {
        let settings = Settings::read(variable)?;
        let http = HttpClient::new(settings.ca_bundle.clone());
        Ok(Self { settings, http })
    }

    /// Where a service is in a region.
    fn endpoint(&self, service: AwsService, region: &str) -> Endpoint {
        let usual = || Endpoint::aws(format!("{}.{region}.{}", service.name(), domain(region)));
        self.settings
            .endpoint(service)
            .cloned()
            .unwrap_or_else(usual)
    }

    /// A call of one of the services that speak JSON:
    /// <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>.
    fn json_call(&self, service: AwsService, target: &str, body: Vec<u8>) -> Call {
        let region = self.settings.region.clone();
        let version = match service {
            AwsService::Sqs => "application/x-amz-json-1.0",
            _ => "application/x-amz-json-1.1",
        };
        Call {
            service,
            endpoint: self.endpoint(service, &region),
            region,
            method: Method::POST,
            path: "/".to_owned(),
            headers: vec![
                ("content-type", version.to_owned()),
                ("x-amz-target", target.to_owned()),
            ],
            body: body.into(),
            limit: ANSWER,
        }
    }

    /// Makes a call, again if it fails in a way that may pass.
    async fn call(&self, call: &Call) -> Result<Response<Bytes>, AwsError> {
        let mut pauses = PAUSES.into_iter();
        loop {
            match (self.attempt(call).await, pauses.next()) {
                (Err(error), Some(pause)) if error.may_pass() => tokio::time::sleep(pause).await,
                (result, _) => return result,
            }
        }
    }

    async fn attempt(&self, call: &Call) -> Result<Response<Bytes>, AwsError> {
        let request = self.signed(call)?;
        let answer = self.http.send(&call.endpoint, request, call.limit).await;
        let answer = answer.map_err(|source| AwsError::NoAnswer {
            service: call.service,
            source,
        })?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(refused(call.service, &answer))
    }

    fn signed(&self, call: &Call) -> Result<Request<Full<Bytes>>, AwsError> {
        let path = call.endpoint.base.clone() + &call.path;
        let payload = hex_digest(&call.body);
        let mut headers: BTreeMap<_, _> = call.headers.iter().cloned().collect();
        headers.insert("host", call.endpoint.authority());
        if call.service == AwsService::S3 {
            headers.insert("x-amz-content-sha256", payload.clone());
        }
        let scope = Scope {
            region: &call.region,
            service: call.service.name(),
            time: SystemTime::now(),
        };
        let unsigned = Unsigned {
            method: call.method.as_str(),
            path: &path,
            payload: &payload,
        };
        sign(&self.settings.credentials, &scope, &unsigned, &mut headers);
        let mut request = Request::builder().method(&call.method).uri(&path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        Ok(request.body(Full::new(call.body.clone()))?)
    }
}

/// Why a service says no, from JSON or XML.
fn refused(service: AwsService, answer: &Response<Bytes>) -> AwsError {
    #[derive(Default, Deserialize)]
    struct Problem {
        #[serde(default, rename = "__type")]
        code: String,
        #[serde(default, alias = "Message")]
        message: String,
    }
    let region = header(answer.headers(), "x-amz-bucket-region").map(str::to_owned);
    let text = String::from_utf8_lossy(answer.body());
    let problem = match service {
        AwsService::S3 => Problem {
            code: element(&text, "Code"),
            message: element(&text, "Message"),
        },
        _ => serde_json::from_str(&text).unwrap_or_default(),
    };
    let status = answer.status();
    let code = problem.code.rsplit('#').next().unwrap_or_default();
    AwsError::Refused {
        service,
        status: status.as_u16(),
        code: match code {
            "" => reason(status).to_owned(),
            code => code.to_owned(),
        },
        message: problem.message,
        region,
    }
}

fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("an unknown status")
}

/// The text in an element of XML. Errors of S3 are flat, and the codes have nothing to unescape.
fn element(text: &str, name: &str) -> String {
    let inside = text.split_once(&format!("<{name}>"));
    let inside = inside.and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
    inside.map(|(text, _)| text.to_owned()).unwrap_or_default()
}
