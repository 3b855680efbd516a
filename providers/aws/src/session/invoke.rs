//! Calls of functions: users' requests, and the health check of a new version.

use aws_sdk_lambda::operation::invoke::InvokeOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use aws_smithy_types::base64;
use mlfn_core::{Answer, Call, Failure, Invocation, InvocationKind, ProviderError};
use serde_json::Value as Json;

use super::context::Context;
use super::function::split;
use crate::client::{LONG_CALL, within};

/// The most characters of an answer that go into a message.
const SHOWN: usize = 400;

/// Sends `request` to the version that the alias of `call` shall point to.
pub(super) async fn probe(
    context: &Context,
    call: &Call<'_>,
    request: &Json,
) -> Result<(), ProviderError> {
    let (function, _) = split(call.remote_name, ':');
    let version = call.inputs.text("version").unwrap_or_default();
    let payload = request.to_string().into_bytes();
    let name = format!("{function}:{version}");
    let answer = send(context, &name, InvocationType::RequestResponse, payload).await?;
    if answer.function_error.is_none() {
        return Ok(());
    }
    let why = format!("version {version} answered {}", words(&answer));
    Err(Failure::Unhealthy { why }.into())
}

/// Sends what a user asks.
pub(super) async fn invoke(
    context: &Context,
    invocation: &Invocation,
) -> Result<Answer, ProviderError> {
    let kind = match invocation.kind {
        InvocationKind::RequestResponse => InvocationType::RequestResponse,
        InvocationKind::Event => InvocationType::Event,
        InvocationKind::DryRun => InvocationType::DryRun,
    };
    let payload = invocation.payload.clone();
    let answer = send(context, &invocation.function, kind, payload).await?;
    let log = answer.log_result.as_deref();
    let log = log.and_then(|log| base64::decode(log).ok());
    Ok(Answer {
        failed: answer.function_error.is_some(),
        body: answer.payload.map(Blob::into_inner).unwrap_or_default(),
        log: String::from_utf8_lossy(&log.unwrap_or_default()).into_owned(),
    })
}

/// `name` is `<function>:<alias or version>`.
async fn send(
    context: &Context,
    name: &str,
    kind: InvocationType,
    payload: Vec<u8>,
) -> Result<InvokeOutput, ProviderError> {
    let (function, qualifier) = split(name, ':');
    let invoke = context.clients.lambda().invoke();
    invoke
        .function_name(function)
        .set_qualifier(Some(qualifier.to_owned()).filter(|text| !text.is_empty()))
        .invocation_type(kind)
        .log_type(LogType::Tail)
        .payload(Blob::new(payload))
        .customize()
        .config_override(patient())
        .send()
        .await
        .map_err(context.failed("lambda:InvokeFunction", name))
}

/// What a function said that failed.
fn words(answer: &InvokeOutput) -> String {
    let payload = answer.payload.as_ref().map_or(&[][..], AsRef::as_ref);
    let json: Json = serde_json::from_slice(payload).unwrap_or_default();
    let text = |name: &str| json.get(name).and_then(Json::as_str);
    let words = match (text("errorType"), text("errorMessage")) {
        (Some(kind), Some(message)) => format!("`{kind}`: {message}"),
        (None, Some(message)) => message.to_owned(),
        _ => String::from_utf8_lossy(payload).into_owned(),
    };
    words.chars().take(SHOWN).collect()
}

/// For calls that take as long as a function may.
fn patient() -> aws_sdk_lambda::config::Builder {
    aws_sdk_lambda::config::Builder::default().timeout_config(within(LONG_CALL))
}
