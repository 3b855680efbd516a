//! `mlfn invoke`: of what is deployed (`deployed.rs`), or of the packaged function (`local.rs`).

mod deployed;
mod local;
pub(super) mod request;

use serde_json::Value as Json;

use crate::printer::Printer;
use crate::settings::InvokeSettings;
use crate::status::ExitStatus;

/// Sends a request to a function and shows its answer.
pub(crate) async fn invoke(
    settings: InvokeSettings,
    printer: Printer,
) -> anyhow::Result<ExitStatus> {
    if settings.local {
        return local::invoke(settings, printer).await;
    }
    deployed::invoke(settings, printer).await
}

/// The message of an error answer: `errorMessage` of a raw Lambda invocation, `message` of the
/// Lambda API, `error.message` over HTTP.
fn own_words(body: &[u8]) -> String {
    let answer: Json = serde_json::from_slice(body).unwrap_or_default();
    let message = ["/errorMessage", "/message", "/Message", "/error/message"];
    let message = message
        .iter()
        .find_map(|path| answer.pointer(path)?.as_str());
    message.map_or_else(String::new, |message| format!(": {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_words(body: &str, expected: &str) {
        assert_eq!(own_words(body.as_bytes()), expected);
    }

    #[test]
    fn the_message_of_an_error_answer_is_found_on_every_platform() {
        check_words(
            r#"{"errorType":"wrong_shape","errorMessage":"four numbers"}"#,
            ": four numbers",
        );
        check_words(
            r#"{"error":{"code":"wrong_shape","message":"four numbers"}}"#,
            ": four numbers",
        );
        check_words(r#"{"Type":"User","message":"no JSON"}"#, ": no JSON");
        check_words("Bad Gateway", "");
        check_words("", "");
    }
}
