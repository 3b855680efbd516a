//! Why a request gets no prediction, as clients see it.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::engine::EngineError;

macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $name:literal, $status:literal;)*) => {
        /// What kind of failure it is. Clients may depend on the names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code { $($(#[$doc])* $code,)* }

        impl Code {
            /// The name in answers.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$code => $name,)* }
            }

            /// The status of HTTP.
            pub(crate) fn status(self) -> u16 {
                match self { $(Self::$code => $status,)* }
            }
        }
    };
}

codes! {
    /// The body is empty.
    EmptyBody = "empty_body", 400;
    /// The body is not JSON.
    NotJson = "not_json", 400;
    /// The body is not an array of `NumPy`, or no archive of such.
    NotAnArray = "not_an_array", 400;
    /// The body is not packed as its header says.
    BadEncoding = "bad_encoding", 400;
    /// An output that the model does not have.
    UnknownOutput = "unknown_output", 400;
    /// The body is JSON, but not an object.
    NotAnObject = "not_an_object", 400;
    /// A key that is no input.
    UnknownInput = "unknown_input", 400;
    /// An input that is not there.
    MissingInput = "missing_input", 400;
    /// An input that is there twice.
    DuplicateInput = "duplicate_input", 400;
    /// A key that is no feature.
    UnknownFeature = "unknown_feature", 400;
    /// A feature that is not there.
    MissingFeature = "missing_feature", 400;
    /// A feature that is there twice.
    DuplicateFeature = "duplicate_feature", 400;
    /// The arrays do not have the model's shape.
    WrongShape = "wrong_shape", 400;
    /// Arrays side by side do not have the same shape.
    Ragged = "ragged", 400;
    /// A batch without a sample.
    EmptyBatch = "empty_batch", 400;
    /// Text for a number, or the like.
    WrongType = "wrong_type", 400;
    /// A number that the element type cannot hold.
    OutOfRange = "out_of_range", 400;
    /// `null` for a value.
    NullValue = "null_value", 400;
    /// The model does not take the values although their types and shapes are declared.
    Refused = "refused_by_model", 400;
    /// No such path.
    NotFound = "not_found", 404;
    /// The path exists, for another method.
    MethodNotAllowed = "method_not_allowed", 405;
    /// The answer cannot be had in the form that the client accepts.
    NotAcceptable = "not_acceptable", 406;
    /// The client stopped sending in the middle of the body.
    SlowRequest = "slow_request", 408;
    /// The body has more bytes than are read.
    RequestTooLarge = "request_too_large", 413;
    /// The body is not declared to be JSON.
    WrongContentType = "wrong_content_type", 415;
    /// The model has an input that JSON cannot carry.
    UnsupportedInput = "unsupported_input", 422;
    /// An output that the protocol cannot carry.
    UnsupportedOutput = "unsupported_output", 422;
    /// An event without the data to predict on.
    UnsupportedEvent = "unsupported_event", 422;
    /// The model failed.
    ModelFailed = "model_failed", 500;
    /// The model is not there.
    ModelNotLoaded = "model_not_loaded", 500;
    /// The manifest promises what the model does not answer.
    WrongConfiguration = "wrong_configuration", 500;
    /// The answer has more bytes than can be sent.
    ResponseTooLarge = "response_too_large", 500;
    /// The object that an event names cannot be read.
    ObjectNotRead = "object_not_read", 502;
    /// The prediction is there, and where it belongs cannot be written.
    NotDelivered = "prediction_not_delivered", 502;
    /// A secret of the environment cannot be read.
    SecretUnavailable = "secret_unavailable", 500;
    /// A bug in the shim.
    Internal = "internal_error", 500;
    /// The model took longer than the function may.
    TimedOut = "timed_out", 504;
}

impl Code {
    /// Whether showing what the model expects helps to mend the request.
    fn is_about_content(self) -> bool {
        matches!(self.status(), 400 | 422)
    }
}

/// Why a request gets no prediction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// The kind.
    pub(crate) code: Code,
    /// What is wrong, where, and how to mend it.
    pub(crate) message: String,
}

impl Failure {
    /// Of a kind, with a message.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }

    /// The body of an HTTP answer: `{"error": {"code", "message", "expected"}}`. `expected` is
    /// JSON text.
    pub(crate) fn to_json(&self, expected: Option<&RawValue>) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            error: Error<'a>,
        }
        #[derive(Serialize)]
        struct Error<'a> {
            code: &'a str,
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            expected: Option<&'a RawValue>,
        }
        to_bytes(&Body {
            error: Error {
                code: self.code.name(),
                message: &self.message,
                expected: expected.filter(|_| self.code.is_about_content()),
            },
        })
    }

    /// The body of an answer of the Open Inference Protocol: `{"error": message}`.
    pub(crate) fn to_open_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            error: &'a str,
        }
        to_bytes(&Body {
            error: &self.message,
        })
    }

    /// The error object of the Lambda Runtime API: `{"errorType", "errorMessage", "expected"}`.
    pub(crate) fn to_lambda_json(&self, expected: Option<&RawValue>) -> Vec<u8> {
        #[derive(Serialize)]
        struct Error<'a> {
            #[serde(rename = "errorType")]
            code: &'a str,
            #[serde(rename = "errorMessage")]
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            expected: Option<&'a RawValue>,
        }
        to_bytes(&Error {
            code: self.code.name(),
            message: &self.message,
            expected: expected.filter(|_| self.code.is_about_content()),
        })
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let code = match error {
            EngineError::Library(_) | EngineError::Model(_) => Code::ModelNotLoaded,
            EngineError::Refused(_) => Code::Refused,
            EngineError::Run(_) => Code::ModelFailed,
        };
        Self::new(code, error.to_string())
    }
}

/// What is wrong with a text that should be JSON, and where, in words that help.
pub(crate) fn json_problem(error: &serde_json::Error) -> String {
    let at = format!("line {}, column {}", error.line(), error.column());
    let text = error.to_string();
    // There is no other way to tell the problem from its place.
    let problem = text.rsplit_once(" at line ").map_or(&*text, |(it, _)| it);
    match problem.strip_prefix("EOF while parsing ") {
        Some(open) => format!("it ends in the middle of {open} ({at})"),
        None if problem == "expected ident" => format!("an unknown word ({at})"),
        None => format!("{problem} ({at})"),
    }
}

/// Text, numbers and raw JSON always serialise.
pub(crate) fn to_bytes(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// `` `a`, `b` and `c` ``; of many names the first ones.
pub(crate) fn list<T: fmt::Display>(names: impl IntoIterator<Item = T>) -> String {
    /// In names.
    const SHOWN: usize = 20;
    let mut names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if names.len() > SHOWN {
        let rest = names.len() - SHOWN;
        names.truncate(SHOWN);
        names.push(format!("{rest} more"));
    }
    match names.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// The beginning of a text of the client's, so that an error does not repeat megabytes.
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    /// In characters.
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}..", &text[..end]).into(),
        None => text.into(),
    }
}

/// `` `aeg` is not ..; did you mean `age`? ``: the nearest of the names, if one is near.
pub(crate) fn did_you_mean<'a>(
    found: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if shortened(found) != found {
        return None;
    }
    // A third of the letters may be wrong: `petal_lenght` finds its way, `x` does not become `y`.
    let allowed = found.chars().count().div_ceil(3).min(4);
    names
        .into_iter()
        .map(|name| {
            let distance = strsim::osa_distance(&found.to_lowercase(), &name.to_lowercase());
            (distance, name)
        })
        .filter(|(distance, name)| *distance <= allowed && *distance < name.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let names = ["sepal_length", "sepal_width", "a"];
        let suggest = |found| did_you_mean(found, names);
        assert_eq!(suggest("sepal_lenght"), Some("sepal_length"));
        assert_eq!(suggest("Sepal_Width"), Some("sepal_width"));
        assert_eq!(suggest("colour"), None);
        assert_eq!(suggest("b"), None);
    }

    #[test]
    fn what_is_wrong_with_json_is_said_once_and_in_words() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            let error = serde_json::from_str::<serde_json::Value>(text).expect_err("is bad");
            assert_eq!(json_problem(&error), expected);
        }
        check(
            "{\n  \"a\": [1 2]",
            "expected `,` or `]` (line 2, column 11)",
        );
        check(
            "[1, 2",
            "it ends in the middle of a list (line 1, column 5)",
        );
        check(
            "{\"a",
            "it ends in the middle of a string (line 1, column 3)",
        );
        check("no", "an unknown word (line 1, column 2)");
        check("{'a': 1}", "key must be a string (line 1, column 2)");
    }

    #[test]
    fn names_are_listed_as_people_write_them() {
        assert_eq!(list(["a"]), "`a`");
        assert_eq!(list(["a", "b"]), "`a` and `b`");
        assert_eq!(list(["a", "b", "c"]), "`a`, `b` and `c`");
        assert!(list(0..1000).ends_with("`18`, `19` and 980 more"));
    }
}
