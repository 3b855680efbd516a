//! What each refusal means for the engine.

use std::time::Duration;

use mlfn_aws::kinds;
use mlfn_core::{Failure, RetryClass, Session as _};
use serde_json::json;

use crate::Subject;
use crate::server::{Answer, Aws};

fn alias() -> Subject {
    Subject::new(
        kinds::ALIAS,
        "iris-dev-classifier:live",
        &json!({"version": "2"}),
    )
}

/// What comes of the creation of an alias that is answered so.
async fn failure(answer: Answer) -> (Failure, RetryClass) {
    let aws = Aws::answering(vec![answer]);
    let error = aws.session().await.create(&alias().call()).await;
    let error = error.expect_err("is refused");
    assert_eq!(error.request_id.as_deref(), Some("request-1"));
    let class = error.retry();
    (error.failure, class)
}

#[tokio::test]
async fn a_throttle_says_how_long_to_wait() {
    let answer = Answer::refusal(429, "TooManyRequestsException", "Rate Exceeded.");
    let (_, class) = failure(answer.with("retry-after", "7")).await;
    assert_eq!(class, RetryClass::Backoff(Some(Duration::from_secs(7))));
}

#[tokio::test]
async fn what_is_not_allowed_is_named_as_policies_name_it() {
    let message = "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: \
                   lambda:CreateAlias on resource: \
                   arn:aws:lambda:eu-west-1:123456789012:function:iris-dev-classifier because no \
                   identity-based policy allows the lambda:CreateAlias action";
    let (failure, class) = failure(Answer::refusal(403, "AccessDeniedException", message)).await;
    let expected = Failure::PermissionDenied {
        action: "lambda:CreateAlias".to_owned(),
        resource: "arn:aws:lambda:eu-west-1:123456789012:function:iris-dev-classifier".to_owned(),
    };
    assert_eq!((failure, class), (expected, RetryClass::Never));
}

#[tokio::test]
async fn a_change_that_is_under_way_is_waited_for() {
    let message = "The operation cannot be performed at this time. An update is in progress for \
                   resource: arn:aws:lambda:eu-west-1:123456789012:function:iris-dev-classifier";
    let answer = Answer::refusal(409, "ResourceConflictException", message);
    let (failure, class) = failure(answer).await;
    assert!(matches!(failure, Failure::Conflict { .. }), "{failure:?}");
    assert_eq!(class, RetryClass::Backoff(None));
}

#[tokio::test]
async fn a_server_that_fails_may_be_asked_again() {
    let answer = Answer::refusal(500, "ServiceException", "An error occurred.");
    let (failure, class) = failure(answer).await;
    let why = "An error occurred".to_owned();
    assert_eq!(
        (failure, class),
        (Failure::Unavailable { why }, RetryClass::Backoff(None))
    );
}

#[tokio::test]
async fn wrong_requests_are_wrong_for_ever() {
    let message = "1 validation error detected: Value '0' at 'functionVersion' failed";
    let answer = Answer::refusal(400, "ValidationException", message);
    let (failure, class) = failure(answer).await;
    let why = message.to_owned();
    assert_eq!(
        (failure, class),
        (Failure::Rejected { why }, RetryClass::Never)
    );
}

#[tokio::test]
async fn a_full_account_is_a_matter_of_its_limits() {
    let answer = Answer::refusal(
        400,
        "CodeStorageExceededException",
        "Code storage limit exceeded.",
    );
    let (failure, class) = failure(answer).await;
    let limit = "Code storage limit exceeded".to_owned();
    assert_eq!(
        (failure, class),
        (Failure::Quota { limit }, RetryClass::Never)
    );
}

#[tokio::test]
async fn no_answer_names_who_did_not_answer() {
    let aws = Aws::answering(Vec::new());
    let error = aws.session().await.create(&alias().call()).await;
    let error = error.expect_err("there is no answer");
    let Failure::Unreachable { endpoint } = &error.failure else {
        panic!("{error:?}")
    };
    assert!(endpoint.starts_with("127.0.0.1:"), "{endpoint}");
    assert_eq!(error.retry(), RetryClass::Backoff(None));
}

#[tokio::test]
async fn a_role_that_lambda_does_not_know_yet_is_waited_for() {
    let message = "The role defined for the function cannot be assumed by Lambda.";
    let refusal = Answer::refusal(400, "InvalidParameterValueException", message);
    let aws = Aws::answering(vec![refusal]);
    let fields = json!({
        "role": "arn:aws:iam::123456789012:role/a", "runtime": "provided.al2023",
        "code": {"$file": "00"}, "code_bucket": "b", "code_key": "k", "handler": "bootstrap",
    });
    let function = Subject::new(kinds::FUNCTION, "iris-dev-classifier", &fields);
    let error = aws.session().await.create(&function.call()).await;
    let error = error.expect_err("is refused");
    assert_eq!(error.retry(), RetryClass::Wait, "{error:?}");
}

#[tokio::test]
async fn a_name_that_is_taken_is_told_with_its_owner() {
    let taken = Answer::refusal(
        409,
        "ResourceConflictException",
        "Alias already exists: arn:aws:lambda:eu-west-1:123456789012:function:a:live",
    );
    // The alias and the tags of its function are asked for at once.
    let both = json!({
        "AliasArn": "arn", "FunctionVersion": "1",
        "Tags": {"mlfn:service": "iris", "mlfn:stage": "prod"},
    });
    let aws = Aws::answering(vec![taken, Answer::json(&both), Answer::json(&both)]);
    let error = aws.session().await.create(&alias().call()).await;
    let failure = error.expect_err("is taken").failure;
    let text = failure.to_string();
    assert!(text.contains("the service `iris`, stage `prod`"), "{text}");
}

/// ministack makes a second one, so that no other test sees the refusal.
#[tokio::test]
async fn a_source_is_read_once_for_an_alias() {
    let taken = "The event source arn (\" arn:aws:sqs:eu-west-1:1:jobs \") and function (\" \
                 iris-dev-classifier:live \") provided mapping already exists. Please update or \
                 delete the existing mapping with UUID 3453852f";
    let taken = Answer::refusal(409, "ResourceConflictException", taken);
    let none = Answer::json(&json!({"EventSourceMappings": []}));
    let aws = Aws::answering(vec![taken, none.clone(), none]);
    let fields = json!({"source": "arn:aws:sqs:eu-west-1:1:jobs", "function": "arn"});
    let name = "iris-dev-classifier:live/sqs/jobs";
    let mapping = Subject::new(kinds::EVENT_SOURCE_MAPPING, name, &fields);
    let refused = aws.session().await.create(&mapping.call()).await;
    let failure = refused.expect_err("is taken").failure;
    assert!(
        matches!(failure, Failure::AlreadyExists { .. }),
        "{failure:?}"
    );
}

/// As above.
#[tokio::test]
async fn a_route_is_there_once_in_an_api() {
    let taken = "Route with key POST /predict already exists for this API";
    let taken = Answer::refusal(409, "ConflictException", taken);
    let api = json!({"items": [{
        "apiId": "a1", "name": "iris-dev",
        "tags": {"mlfn:service": "iris", "mlfn:stage": "dev"},
    }]});
    let none = Answer::json(&json!({"items": []}));
    let aws = Aws::answering(vec![Answer::json(&api), taken, Answer::json(&api), none]);
    let fields = json!({"authorization_type": "NONE", "integration": "i1"});
    let route = Subject::new(kinds::HTTP_ROUTE, "iris-dev/POST /predict", &fields);
    let refused = aws.session().await.create(&route.call()).await;
    let failure = refused.expect_err("is taken").failure;
    assert!(
        matches!(failure, Failure::AlreadyExists { .. }),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_parameter_is_looked_for_by_its_name_alone() {
    let parameter = Subject::new(kinds::PARAMETER, "/iris/token", &json!({}));
    let found = Answer::json(&json!({"Parameters": [{"Name": "/iris/token"}]}));
    let aws = Aws::answering(vec![found]);
    let read = aws.session().await.read(&parameter.address()).await;
    let read = read.expect("reads").expect("is there");
    let arn = "arn:aws:ssm:eu-west-1:123456789012:parameter/iris/token";
    assert_eq!(read.outputs["arn"], arn);
    let [call] = &aws.heard()[..] else {
        panic!("one call: {:?}", aws.heard())
    };
    let filter =
        r#"{"ParameterFilters":[{"Key":"Name","Option":"Equals","Values":["/iris/token"]}]}"#;
    assert_eq!((call.line.as_str(), call.body.as_str()), ("POST /", filter));
}

/// It is called without a client of AWS's.
#[tokio::test]
async fn systems_manager_is_understood_when_it_refuses() {
    let parameter = Subject::new(kinds::PARAMETER, "/iris/token", &json!({}));
    let refusal = json!({
        "__type": "com.amazon.coral.service#AccessDeniedException",
        "Message": "User: arn:aws:iam::1:user/ci is not authorized to perform: \
                    ssm:DescribeParameters on resource: * because no policy allows it",
    });
    let aws = Aws::answering(vec![Answer::json(&refusal).with_status(400)]);
    let error = aws.session().await.read(&parameter.address()).await;
    let error = error.expect_err("is refused");
    let denied = Failure::PermissionDenied {
        action: "ssm:DescribeParameters".to_owned(),
        resource: "*".to_owned(),
    };
    assert_eq!(error.failure, denied);
    assert_eq!(error.request_id.as_deref(), Some("request-1"));
}

#[tokio::test]
async fn credentials_that_ended_are_recognised_at_once() {
    let message = "The security token included in the request is expired";
    let expired = Answer::refusal(403, "ExpiredTokenException", message);
    let aws = Aws::answering(vec![expired]);
    let error = aws.session().await.create(&alias().call()).await;
    let error = error.expect_err("is refused");
    assert!(error.is_general(), "{error:?}");
}
