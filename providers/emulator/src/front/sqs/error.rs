//! Errors as the API tells them. Those who know its older protocol find the older name in a header.

use hyper::StatusCode;
use serde_json::{Value as Json, json};

use super::{JSON, Reply, reply, set};
use crate::sources::queue::Refusal;
use crate::sources::queue::state::QueueError;

/// An error as the API tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    /// The name in the query protocol.
    pub(super) old_kind: &'static str,
    pub(super) message: String,
}

impl ApiError {
    pub(super) fn new(kind: &'static str, old_kind: &'static str, message: &str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind,
            old_kind,
            message: message.to_owned(),
        }
    }

    pub(super) fn reply(&self) -> Reply {
        let body = json!({
            "__type": format!("com.amazonaws.sqs#{}", self.kind),
            "message": self.message,
        });
        let mut reply = reply(self.status, JSON, body.to_string());
        let fault = if self.status.is_server_error() {
            "Receiver"
        } else {
            "Sender"
        };
        let old = format!("{};{fault}", self.old_kind);
        set(&mut reply, "x-amzn-query-error", &old);
        reply
    }

    /// As an entry of the answer to a batch.
    pub(super) fn entry(&self, id: &str) -> Json {
        json!({
            "Id": id,
            "Code": self.old_kind,
            "Message": self.message,
            "SenderFault": !self.status.is_server_error(),
        })
    }
}

pub(super) fn invalid(message: &str) -> ApiError {
    ApiError::new("InvalidParameterValue", "InvalidParameterValue", message)
}

pub(super) fn missing(parameter: &str) -> ApiError {
    let message = format!("The request must contain the parameter {parameter}.");
    ApiError::new("MissingParameter", "MissingParameter", &message)
}

pub(super) fn out_of_range(value: u64, parameter: &str, reason: &str) -> ApiError {
    invalid(&format!(
        "Value {value} for parameter {parameter} is invalid. Reason: {reason}."
    ))
}

pub(super) fn unsupported(call: &str) -> ApiError {
    let message = format!(
        "`{call}` is not a call that the local twin knows; queues are made and removed by deploying"
    );
    ApiError::new(
        "UnsupportedOperation",
        "AWS.SimpleQueueService.UnsupportedOperation",
        &message,
    )
}

pub(super) fn too_long() -> ApiError {
    ApiError::new(
        "BatchRequestTooLong",
        "AWS.SimpleQueueService.BatchRequestTooLong",
        "Batch requests cannot be longer than 1048576 bytes.",
    )
}

impl From<QueueError> for ApiError {
    fn from(error: QueueError) -> Self {
        let (kind, old_kind) = match error {
            QueueError::NoQueue => (
                "QueueDoesNotExist",
                "AWS.SimpleQueueService.NonExistentQueue",
            ),
            QueueError::BadReceipt => ("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid"),
            QueueError::NotInFlight => (
                "MessageNotInflight",
                "AWS.SimpleQueueService.MessageNotInflight",
            ),
        };
        Self::new(kind, old_kind, &error.to_string())
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Queue(error) => error.into(),
            Refusal::Machine(error) => Self {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                ..Self::new("InternalFailure", "InternalFailure", &error.to_string())
            },
        }
    }
}
