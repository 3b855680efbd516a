//! Systems Manager, of which one call is needed. Its client is longer than those of Lambda, IAM and S3
//! together, so the call is signed here, and sent through the connections of the others.

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
use mlfn_core::{BoxError, ProviderError};
use serde_json::{Value as Json, json};

use super::context::Context;

/// The protocol is AWS JSON 1.1: one path, and a header that names the operation.
const HEADERS: [(&str, &str); 2] = [
    ("content-type", "application/x-amz-json-1.1"),
    ("x-amz-target", "AmazonSSM.DescribeParameters"),
];

/// Whether there is a parameter of that name, without a look at its value.
pub(super) async fn has_parameter(context: &Context, name: &str) -> Result<bool, ProviderError> {
    let filter = json!({"Key": "Name", "Option": "Equals", "Values": [name]});
    let body = json!({"ParameterFilters": [filter]}).to_string();
    let answer = match Signed::new(context, body).await {
        Ok(call) => call.send(context).await,
        Err(error) => Err(SdkError::construction_failure(error)),
    };
    let answer = answer.map_err(context.failed("ssm:DescribeParameters", name))?;
    let parameters = answer["Parameters"].as_array();
    let mut names = parameters.into_iter().flatten().map(|one| &one["Name"]);
    Ok(names.any(|found| found == name))
}

/// A call with its signature.
#[derive(Debug, Clone)]
struct Signed {
    url: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Signed {
    async fn new(context: &Context, body: String) -> Result<Self, BoxError> {
        let config = context.clients.config();
        let chain = config.credentials_provider();
        let chain = chain.ok_or("there are no credentials")?;
        let identity: Identity = chain.provide_credentials().await?.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&context.identity.region)
            .name("ssm")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?;
        let url = context.clients.ssm_url(&context.identity.partition);
        let payload = SignableBody::Bytes(body.as_bytes());
        let request = SignableRequest::new("POST", &url, HEADERS.into_iter(), payload)?;
        let (instructions, _) = sign(request, &parameters.into())?.into_parts();
        let headers = HEADERS.into_iter().chain(instructions.headers());
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(Self {
            headers: headers.collect(),
            url,
            body,
        })
    }

    async fn send(self, context: &Context) -> Result<Json, SdkError<ErrorMetadata, HttpResponse>> {
        let config = context.clients.config();
        let mut operation = Operation::builder()
            .service_name("SSM")
            .operation_name("DescribeParameters")
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
