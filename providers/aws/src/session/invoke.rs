//! Calls of functions: the health check of a new version.

use aws_sdk_lambda::operation::invoke::InvokeOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LogType;
use mlfn_core::{Call, Failure, ProviderError};
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
    let invoke = context.clients.lambda().invoke();
    let answer = invoke
        .function_name(function)
        .qualifier(&version)
        .payload(Blob::new(request.to_string()))
        .log_type(LogType::Tail)
        .customize()
        .config_override(patient())
        .send()
        .await
        .map_err(context.failed("lambda:InvokeFunction", function))?;
    if answer.function_error.is_none() {
        return Ok(());
    }
    let why = format!("version {version} answered {}", words(&answer));
    Err(Failure::Unhealthy { why }.into())
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
