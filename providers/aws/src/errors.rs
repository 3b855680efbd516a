//! What AWS answers when it does not do something, as what the caller can do about it. The only
//! place that knows the codes of all services.

use std::error::Error;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::error::operation::BuildError;
use aws_types::request_id::RequestId as _;
use mlfn_core::{BoxError, Failure, Ownership, ProviderError};

/// A call, as far as its errors have to name it.
#[derive(Debug, Clone)]
pub(crate) struct Called<'a> {
    /// As policies name it, e.g. `lambda:CreateFunction`.
    pub(crate) action: &'a str,
    /// The name of what it is about.
    pub(crate) what: &'a str,
    /// Host and port that it went to.
    pub(crate) endpoint: String,
}

impl Called<'_> {
    /// What its failure means.
    pub(crate) fn failed<E>(&self, error: SdkError<E, HttpResponse>) -> ProviderError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let id = error.request_id().map(str::to_owned);
        let mut told = match error {
            SdkError::ServiceError(answer) => self.refused(answer.err(), answer.raw()),
            // The connection broke, or the answer was no answer: it may have had an effect.
            other => self.unanswered(&other.into()),
        };
        told.request_id = id;
        told
    }

    fn refused(&self, error: &impl ProvideErrorMetadata, raw: &HttpResponse) -> ProviderError {
        let answer = Answer {
            status: raw.status().as_u16(),
            code: error.code().unwrap_or_default(),
            message: error.message().unwrap_or_default(),
            retry_after: raw.headers().get("retry-after"),
        };
        let failure = self.classify(&answer);
        let is_told = matches!(
            failure,
            Failure::Quota { .. }
                | Failure::Conflict { .. }
                | Failure::NotReady { .. }
                | Failure::Rejected { .. }
                | Failure::Unavailable { .. }
        );
        let error = ProviderError::new(failure);
        if is_told {
            return error;
        }
        error.caused_by(format!("{}: {}", self.action, answer.words()))
    }

    fn unanswered(&self, error: &BoxError) -> ProviderError {
        let is_about_credentials = chain(&**error).any(<dyn Error>::is::<CredentialsError>);
        let failure = if is_about_credentials {
            let why = "the credentials have ended, or cannot be loaded any more; sign in again \
                       (`aws sso login`, `aws configure`)";
            Failure::Unauthenticated {
                why: why.to_owned(),
            }
        } else {
            Failure::Unreachable {
                endpoint: self.endpoint.clone(),
            }
        };
        ProviderError::new(failure).caused_by(format!("{}: {}", self.action, innermost(&**error)))
    }

    fn classify(&self, answer: &Answer<'_>) -> Failure {
        let (what, why) = (self.what.to_owned(), answer.words());
        match meaning(answer) {
            Meaning::NotFound => Failure::NotFound { what },
            // Whose it is, the session finds out.
            Meaning::AlreadyExists => Failure::AlreadyExists {
                what,
                owner: Ownership::Foreign {
                    described: "somebody else".to_owned(),
                },
            },
            Meaning::Denied => {
                let (action, resource) = denied(answer.message);
                Failure::PermissionDenied {
                    action: action.unwrap_or(self.action).to_owned(),
                    resource: resource.unwrap_or(self.what).to_owned(),
                }
            }
            Meaning::Unauthenticated => Failure::Unauthenticated { why },
            Meaning::Throttled => Failure::Throttled {
                after: answer
                    .retry_after
                    .and_then(|text| text.parse().ok())
                    .map(Duration::from_secs),
            },
            Meaning::Quota => Failure::Quota { limit: why },
            Meaning::Conflict => Failure::Conflict { why },
            Meaning::NotReady => Failure::NotReady { why },
            Meaning::Rejected => Failure::Rejected { why },
            Meaning::Unavailable => Failure::Unavailable { why },
        }
    }
}

/// What is there, or nothing.
pub(crate) fn found<T>(result: Result<T, ProviderError>) -> Result<Option<T>, ProviderError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.failure, Failure::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Deleting what is gone is success.
pub(crate) fn gone<T>(result: Result<T, ProviderError>) -> Result<(), ProviderError> {
    found(result).map(drop)
}

/// A request lacks something that AWS needs: a bug of mlfn.
pub(crate) fn incomplete(error: BuildError) -> ProviderError {
    let why = "mlfn made an incomplete request; this is a bug of mlfn".to_owned();
    ProviderError::new(Failure::Other { why }).caused_by(error)
}

/// The first cause, as text: those around it only say that there is one.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error)
        .last()
        .map_or_else(String::new, <dyn Error>::to_string)
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// An answer that is no success.
#[derive(Debug, Clone, Copy)]
struct Answer<'a> {
    status: u16,
    code: &'a str,
    message: &'a str,
    retry_after: Option<&'a str>,
}

impl Answer<'_> {
    /// What it says, without a full stop.
    fn words(&self) -> String {
        let message = self.message.trim().trim_end_matches('.');
        match (self.code, message) {
            ("", "") => format!("status {}", self.status),
            (code, "") => code.to_owned(),
            (_, message) => message.to_owned(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    NotFound,
    AlreadyExists,
    Denied,
    Unauthenticated,
    Throttled,
    Quota,
    Conflict,
    NotReady,
    Rejected,
    Unavailable,
}

/// Codes as the API References of the services list them ("Common Errors", and the errors of each
/// operation), and those that have more than one meaning by their messages.
#[expect(clippy::too_many_lines, reason = "a table")]
fn meaning(answer: &Answer<'_>) -> Meaning {
    let (code, message) = (answer.code, answer.message);
    // Queries answer with names in the name space `AWS.`; JSON with a suffix.
    let code = code.trim_start_matches("AWS.SimpleQueueService.");
    let code = code.strip_suffix("Exception").unwrap_or(code);
    match code {
        "ResourceNotFound"
        | "NotFound"
        | "NoSuchEntity"
        | "NoSuchBucket"
        | "NoSuchKey"
        | "NoSuchTagSet"
        | "NoSuchUpload"
        | "ParameterNotFound"
        | "ProvisionedConcurrencyConfigNotFound"
        | "QueueDoesNotExist"
        | "NonExistentQueue" => Meaning::NotFound,
        "EntityAlreadyExists"
        | "ResourceAlreadyExists"
        | "BucketAlreadyExists"
        | "BucketAlreadyOwnedByYou"
        | "QueueNameExists"
        | "QueueAlreadyExists" => Meaning::AlreadyExists,
        // S3, for an object that must not be there; of Lambda, a revision that has moved on.
        "PreconditionFailed" if answer.code == "PreconditionFailed" => Meaning::AlreadyExists,
        "ResourceConflict" | "Conflict" => conflict(message),
        "AccessDenied"
        | "AuthorizationError"
        | "Forbidden"
        | "KMSAccessDenied"
        | "UnauthorizedOperation"
        | "AllAccessDisabled" => Meaning::Denied,
        "AuthFailure"
        | "ExpiredToken"
        | "IncompleteSignature"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidToken"
        | "MissingAuthenticationToken"
        | "RequestExpired"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClient" => Meaning::Unauthenticated,
        "EC2Throttled"
        | "PriorRequestNotComplete"
        | "ProvisionedThroughputExceeded"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "SlowDown"
        | "Throttled"
        | "Throttling"
        | "ThrottledRequest"
        | "TooManyRequests" => Meaning::Throttled,
        "CodeStorageExceeded"
        | "FilterPolicyLimitExceeded"
        | "LimitExceeded"
        | "OverLimit"
        | "PolicyLengthExceeded"
        | "ServiceQuotaExceeded"
        | "SubscriptionLimitExceeded"
        | "TooManyBuckets"
        | "TopicLimitExceeded" => Meaning::Quota,
        "ConcurrentAccess"
        | "ConcurrentModification"
        | "ConditionalRequestConflict"
        | "DeleteConflict"
        | "EntityTemporarilyUnmodifiable"
        | "OperationAborted"
        | "PreconditionFailed"
        | "ResourceInUse"
        | "StaleTag" => Meaning::Conflict,
        "QueueDeletedRecently" | "ResourceNotReady" => Meaning::NotReady,
        // Its status is that of a conflict, but nobody else will empty it.
        "BucketNotEmpty" => Meaning::Rejected,
        "InvalidParameterValue" | "InvalidArgument" | "Validation" | "MalformedPolicyDocument"
            if is_not_known_yet(message) =>
        {
            Meaning::NotReady
        }
        "InternalError"
        | "InternalFailure"
        | "InternalServer"
        | "InternalServerError"
        | "InternalServiceError"
        | "Service"
        | "ServiceFailure"
        | "ServiceUnavailable" => Meaning::Unavailable,
        _ => by_status(answer.status),
    }
}

/// Of an answer whose code tells nothing, or which has none, such as that to a HEAD request.
fn by_status(status: u16) -> Meaning {
    match status {
        401 | 403 => Meaning::Denied,
        404 => Meaning::NotFound,
        412 => Meaning::AlreadyExists,
        409 => Meaning::Conflict,
        429 => Meaning::Throttled,
        500.. => Meaning::Unavailable,
        _ => Meaning::Rejected,
    }
}

/// One code of Lambda, Scheduler and API Gateway says that a name is taken, that a thing is not
/// ready yet, or that somebody else is changing it.
fn conflict(message: &str) -> Meaning {
    let message = message.to_lowercase();
    if message.contains("exist") {
        Meaning::AlreadyExists
    } else if message.contains("in the following state") {
        Meaning::NotReady
    } else {
        Meaning::Conflict
    }
}

/// IAM tells the others about a new role or policy within some seconds; until then they find that
/// what refers to it is wrong.
fn is_not_known_yet(message: &str) -> bool {
    const SAYINGS: [&str; 8] = [
        // `CreateFunction`, `UpdateFunctionConfiguration`
        "cannot be assumed by lambda",
        // `CreateEventSourceMapping`
        "does not have permissions to",
        "is not authorized to perform",
        "cannot access stream",
        // `PutFunctionEventInvokeConfig`, of a queue or topic that is new
        "the destination arn",
        // `CreateSchedule`
        "must allow aws eventbridge scheduler to assume the role",
        // `PutBucketNotificationConfiguration`
        "unable to validate the following destination configurations",
        // `PutBucketPolicy`, `SetQueueAttributes`, `UpdateAssumeRolePolicy`
        "invalid principal in policy",
    ];
    let message = message.to_lowercase();
    SAYINGS.iter().any(|saying| message.contains(saying))
}

/// The action and the resource of `User: arn:.. is not authorized to perform: lambda:GetFunction on
/// resource: arn:.. because ..`: one call may need several rights.
fn denied(message: &str) -> (Option<&str>, Option<&str>) {
    let after = |words: &str| {
        let (_, rest) = message.split_once(words)?;
        let word = rest.split_whitespace().next()?;
        Some(word.trim_matches(['"', '\'', ',']).trim_end_matches('.'))
    };
    (after("to perform: "), after("on resource: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, code: &str, message: &str, expected: Meaning) {
        let answer = Answer {
            status,
            code,
            message,
            retry_after: None,
        };
        assert_eq!(meaning(&answer), expected, "{code}: {message}");
    }

    #[test]
    fn a_code_means_the_same_from_every_service() {
        check(404, "ResourceNotFoundException", "", Meaning::NotFound);
        check(404, "NoSuchEntity", "", Meaning::NotFound);
        check(404, "", "", Meaning::NotFound);
        let queue = "AWS.SimpleQueueService.NonExistentQueue";
        check(400, queue, "", Meaning::NotFound);
        check(409, "EntityAlreadyExists", "", Meaning::AlreadyExists);
        check(412, "PreconditionFailed", "", Meaning::AlreadyExists);
        check(412, "PreconditionFailedException", "", Meaning::Conflict);
        check(403, "AccessDenied", "", Meaning::Denied);
        check(403, "", "", Meaning::Denied);
        check(403, "ExpiredToken", "", Meaning::Unauthenticated);
        check(400, "ThrottlingException", "", Meaning::Throttled);
        check(503, "SlowDown", "", Meaning::Throttled);
        check(400, "CodeStorageExceededException", "", Meaning::Quota);
        check(409, "OperationAborted", "", Meaning::Conflict);
        check(409, "BucketNotEmpty", "", Meaning::Rejected);
        check(500, "ServiceException", "", Meaning::Unavailable);
        check(502, "", "", Meaning::Unavailable);
        check(400, "ValidationException", "", Meaning::Rejected);
        check(400, "SomethingNewException", "", Meaning::Rejected);
    }

    #[test]
    fn a_conflict_of_lambda_is_one_of_three_things() {
        let code = "ResourceConflictException";
        let exists = "Function already exist: iris-dev-classifier";
        check(409, code, exists, Meaning::AlreadyExists);
        let busy = "The operation cannot be performed at this time. An update is in progress for \
                    resource: arn:aws:lambda:eu-west-1:1:function:a";
        check(409, code, busy, Meaning::Conflict);
        let pending = "The operation cannot be performed at this time. The function is currently \
                       in the following state: Pending";
        check(409, code, pending, Meaning::NotReady);
    }

    #[test]
    fn a_role_that_is_not_known_everywhere_yet_is_waited_for() {
        let code = "InvalidParameterValueException";
        let role = "The role defined for the function cannot be assumed by Lambda.";
        check(400, code, role, Meaning::NotReady);
        let source = "The function execution role does not have permissions to call \
                      ReceiveMessage on SQS";
        check(400, code, source, Meaning::NotReady);
        let destination = "The destination ARN arn:aws:sqs:eu-west-1:1:done is invalid.";
        check(400, code, destination, Meaning::NotReady);
        let wrong = "Uploaded file must be a non-empty zip";
        check(400, code, wrong, Meaning::Rejected);
    }

    #[test]
    fn what_is_not_allowed_is_taken_from_the_message() {
        let message = "User: arn:aws:iam::1:user/ci is not authorized to perform: iam:PassRole on \
                       resource: arn:aws:iam::1:role/a because no policy allows it";
        let expected = (Some("iam:PassRole"), Some("arn:aws:iam::1:role/a"));
        assert_eq!(denied(message), expected);
        assert_eq!(denied("Access Denied"), (None, None));
    }
}
