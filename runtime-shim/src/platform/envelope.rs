//! Requests inside of other JSON.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::codec::failure::{Code, Failure, shortened};

/// The first key of a JSON object, if it can be read without effort. Envelopes are told from
/// requests by it, so that a large request is not read twice.
pub(crate) fn first_key(body: &[u8]) -> Option<&str> {
    let body = body.trim_ascii_start().strip_prefix(b"{")?;
    let body = body.trim_ascii_start().strip_prefix(b"\"")?;
    let end = body.iter().position(|byte| *byte == b'"')?;
    std::str::from_utf8(&body[..end]).ok()
}

/// Base64, as envelopes carry bytes. `what` is for the message.
pub(crate) fn from_base64(text: &str, what: &str) -> Result<Vec<u8>, Failure> {
    STANDARD.decode(text.trim()).map_err(|error| {
        let message = format!("{what} is not base64: {error}");
        Failure::new(Code::NotJson, message)
    })
}

/// Bytes, as envelopes that are text carry them.
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A header of which the value means nothing.
pub(crate) fn bad_header(name: &str, value: &str, expected: &str) -> Failure {
    let value = shortened(value);
    let message = format!("the header `{name}` is `{value}`, but must be {expected}");
    Failure::new(Code::WrongType, message)
}

/// A text that may be encoded.
pub(crate) fn bytes<'a>(
    text: Cow<'a, str>,
    is_base64: bool,
    what: &str,
) -> Result<Cow<'a, [u8]>, Failure> {
    if is_base64 {
        return from_base64(&text, what).map(Cow::Owned);
    }
    Ok(match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    })
}

/// Why an event of a bucket gets no prediction.
pub(crate) fn storage_event(service: &str) -> Failure {
    let message = format!(
        "this is an event of {service}, which only names an object; fetching it is not offered \
         there yet, so send what is in it"
    );
    Failure::new(Code::UnsupportedEvent, message)
}

/// Whether a body of this type can be a request. Clients that do not say are believed; so are
/// those that say what curl says unless it is told better.
pub(crate) fn check_content_type(value: Option<&str>) -> Result<(), Failure> {
    let Some(value) = value else { return Ok(()) };
    let essence = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let is_json = matches!(
        essence.as_str(),
        "" | "application/json" | "text/json" | "application/x-www-form-urlencoded"
    ) || (essence.starts_with("application/") && essence.ends_with("+json"));
    // A batch of events is an array; each would need an answer of its own.
    if is_json && !essence.starts_with("application/cloudevents") {
        return Ok(());
    }
    let essence = shortened(&essence);
    let message = format!(
        "the body is declared to be `{essence}`; send JSON with the header `content-type: application/json`"
    );
    Err(Failure::new(Code::WrongContentType, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_is_found_without_reading_further() {
        assert_eq!(first_key(br#" { "version" : ["#), Some("version"));
        assert_eq!(first_key(b"{}"), None);
        assert_eq!(first_key(b"[{\"a\": 1}]"), None);
        assert_eq!(first_key(b"{\"a"), None);
        assert_eq!(first_key(b"{\"\xff\": 1}"), None);
        assert_eq!(first_key(b""), None);
    }

    #[test]
    fn only_json_and_what_curl_says_are_accepted() {
        let accepted = |value| check_content_type(value).is_ok();
        assert!(accepted(None));
        assert!(accepted(Some("application/json")));
        assert!(accepted(Some("Application/JSON; charset=utf-8")));
        assert!(accepted(Some("application/vnd.x+json")));
        assert!(accepted(Some("application/x-www-form-urlencoded")));
        assert!(!accepted(Some("text/plain")));
        assert!(!accepted(Some("image/png")));
        assert!(!accepted(Some("application/cloudevents-batch+json")));
    }
}
