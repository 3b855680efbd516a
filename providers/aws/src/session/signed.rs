//! Calls without a client of the SDK, whose clients can be longer than all others together: signed
//! here, and sent through the connections of the others. The protocol is AWS JSON: one path, and a
//! header that names the operation (<https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html>).

use std::time::SystemTime;

use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use mlfn_core::BoxError;
use serde_json::Value as Json;

use super::context::Context;

/// A service that is called so.
#[derive(Debug)]
pub(super) struct Service {
    /// As endpoints are set by it: `AWS_ENDPOINT_URL_<ID>`.
    pub(super) id: &'static str,
    /// The name of its endpoint, which it is signed for, too.
    pub(super) host: &'static str,
    /// What comes before the operation in the header `x-amz-target`.
    pub(super) target: &'static str,
    /// The version of the protocol.
    pub(super) content_type: &'static str,
}

/// Why a call failed.
pub(super) type Refused = SdkError<ErrorMetadata, HttpResponse>;

/// Makes a call, and tells what was answered.
pub(super) async fn call(
    context: &Context,
    service: &'static Service,
    operation: &'static str,
    input: &Json,
) -> Result<Json, Refused> {
    match Signed::new(context, service, operation, input.to_string()).await {
        Ok(call) => call.send(context, service, operation).await,
        Err(error) => Err(SdkError::construction_failure(error)),
    }
}

/// A call with its signature.
#[derive(Debug, Clone)]
struct Signed {
    url: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Signed {
    async fn new(
        context: &Context,
        service: &Service,
        operation: &str,
        body: String,
    ) -> Result<Self, BoxError> {
        let config = context.clients.config();
        let chain = config.credentials_provider();
        let chain = chain.ok_or("there are no credentials")?;
        let identity: Identity = chain.provide_credentials().await?.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&context.identity.region)
            .name(service.host)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?;
        let partition = &context.identity.partition;
        let url = context.clients.url(service.id, service.host, partition);
        let target = format!("{}.{operation}", service.target);
        let headers = [
            ("content-type", service.content_type),
            ("x-amz-target", target.as_str()),
        ];
        let payload = SignableBody::Bytes(body.as_bytes());
        let request = SignableRequest::new("POST", &url, headers.into_iter(), payload)?;
        let (instructions, _) = sign(request, &parameters.into())?.into_parts();
        let headers = headers.into_iter().chain(instructions.headers());
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(Self {
            headers: headers.collect(),
            url,
            body,
        })
    }

    async fn send(
        self,
        context: &Context,
        service: &Service,
        name: &'static str,
    ) -> Result<Json, Refused> {
        let config = context.clients.config();
        let mut operation = Operation::builder()
            .service_name(service.id)
            .operation_name(name)
            .endpoint_url(&self.url)
            .no_auth()
            .no_retry()
            .serializer(|call: Self| call.request())
            .deserializer(answered);
        if let Some(http) = config.http_client() {
            operation = operation.http_client(http);
        }
        if let Some(sleep) = config.sleep_impl() {
            operation = operation.sleep_impl(sleep);
        }
        if let Some(timeouts) = config.timeout_config() {
            operation = operation.timeout_config(timeouts.clone());
        }
        operation.build().invoke(self).await
    }

    fn request(self) -> Result<HttpRequest, BoxError> {
        let mut request = HttpRequest::new(SdkBody::from(self.body));
        request.set_method("POST")?;
        for (name, value) in self.headers {
            request.headers_mut().try_insert(name, value)?;
        }
        Ok(request)
    }
}

/// What it says, or why not: `{"__type": "<name space>#<code>", "message": ...}`.
fn answered(response: &HttpResponse) -> Result<Json, OrchestratorError<ErrorMetadata>> {
    let body = response.body().bytes().unwrap_or_default();
    let said: Result<Json, _> = serde_json::from_slice(body);
    if response.status().is_success() {
        return said.map_err(OrchestratorError::other);
    }
    let said = said.unwrap_or_default();
    let kind = said["__type"].as_str().unwrap_or_default();
    let code = kind.rsplit('#').next().unwrap_or_default();
    let message = said["message"].as_str().or(said["Message"].as_str());
    let error = ErrorMetadata::builder().code(code);
    let error = error.message(message.unwrap_or_default());
    Err(OrchestratorError::operation(error.build()))
}
