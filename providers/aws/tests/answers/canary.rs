//! Requests that move to a new version: what is sent, and what is read from what CloudWatch tells.
//! Its examples are those of `GetMetricData` and `DescribeAlarms` in the API reference.

use mlfn_aws::kinds;
use mlfn_core::{Alarm, Failure, ProviderError, Recorded, Session as _, Watch};
use serde_json::{Value as Json, json};

use crate::Subject;
use crate::server::{Answer, Aws};

/// The alias, which shall point to version 2.
fn alias() -> Subject {
    let fields = json!({"version": "2"});
    Subject::new(kinds::ALIAS, "iris-dev-classifier:live", &fields)
}

/// What is answered, and what is asked.
async fn watch(alarm: &Alarm, answer: Json) -> (Result<Option<String>, ProviderError>, Json) {
    let aws = Aws::answering(vec![Answer::json(&answer)]);
    let watch = Watch {
        alarm,
        since: 1_700_000_070,
        now: 1_700_000_170,
    };
    let session = aws.session().await;
    let told = session.watch(&alias().call(), &watch).await;
    let heard = aws.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let asked = serde_json::from_str(&heard[0].body).expect("JSON");
    (told, asked)
}

fn data(values: &[f64]) -> Json {
    json!({"MetricDataResults": [
        {"Id": "errors", "Label": "Errors", "StatusCode": "Complete", "Values": values},
    ]})
}

#[tokio::test]
async fn errors_of_the_new_version_behind_the_alias_speak_against_it() {
    let (told, asked) = watch(&Alarm::Errors, data(&[0.0, 2.0, 1.0])).await;
    let why = told.expect("answers").expect("something");
    assert_eq!(why, "version 2 failed on 3 requests");
    let metric = &asked["MetricDataQueries"][0]["MetricStat"]["Metric"];
    let dimensions = [
        json!({"Name": "FunctionName", "Value": "iris-dev-classifier"}),
        json!({"Name": "Resource", "Value": "iris-dev-classifier:live"}),
        json!({"Name": "ExecutedVersion", "Value": "2"}),
    ];
    assert_eq!(metric["Dimensions"], json!(dimensions));
    // Whole minutes, from that of the first request to that which has begun.
    assert_eq!(asked["StartTime"], 1_700_000_040);
    assert_eq!(asked["EndTime"], 1_700_000_220);
    for nothing in [
        data(&[]),
        data(&[0.0, 0.0]),
        json!({"MetricDataResults": []}),
    ] {
        let (told, _) = watch(&Alarm::Errors, nothing).await;
        assert_eq!(told.expect("answers"), None);
    }
}

#[tokio::test]
async fn an_alarm_of_the_users_speaks_against_it_while_it_is_on() {
    let alarm = Alarm::Named("too slow".to_owned());
    let of = |kind: &str, state: &str| {
        json!({kind: [{
            "AlarmName": "too slow", "StateValue": state, "StateReason": "Threshold Crossed",
        }]})
    };
    for kind in ["MetricAlarms", "CompositeAlarms"] {
        let (told, asked) = watch(&alarm, of(kind, "ALARM")).await;
        let why = told.expect("answers").expect("something");
        assert_eq!(why, "the alarm `too slow` is on: Threshold Crossed");
        assert_eq!(asked["AlarmNames"], json!(["too slow"]));
        for state in ["OK", "INSUFFICIENT_DATA"] {
            let (told, _) = watch(&alarm, of(kind, state)).await;
            assert_eq!(told.expect("answers"), None, "{state}");
        }
    }
    let (told, _) = watch(&alarm, json!({"MetricAlarms": [], "CompositeAlarms": []})).await;
    let error = told.expect_err("there is none");
    let Failure::Rejected { why } = &error.failure else {
        panic!("{error:?}");
    };
    assert_eq!(why, "there is no alarm `too slow` in eu-west-1");
}

#[tokio::test]
async fn what_may_not_be_seen_is_told_as_a_right_that_is_missing() {
    let refusal = json!({
        "__type": "com.amazonaws.cloudwatch#AccessDenied",
        "Message": "User: arn:aws:iam::123456789012:user/ci is not authorized",
    });
    let aws = Aws::answering(vec![Answer::json(&refusal).with_status(403)]);
    let watch = Watch {
        alarm: &Alarm::Errors,
        since: 0,
        now: 60,
    };
    let told = aws.session().await.watch(&alias().call(), &watch).await;
    let error = told.expect_err("is refused");
    let Failure::PermissionDenied { action, .. } = &error.failure else {
        panic!("{error:?}");
    };
    assert_eq!(action, "cloudwatch:GetMetricData");
}

#[tokio::test]
async fn a_part_of_the_requests_goes_to_the_new_version_and_comes_back() {
    let answer = || Answer::json(&json!({"Name": "live", "FunctionVersion": "1"}));
    let aws = Aws::answering(vec![answer(), answer()]);
    let (session, subject) = (aws.session().await, alias());
    let prior = Recorded {
        fields: [("version".to_owned(), json!("1"))].into(),
        ..subject.recorded()
    };
    let call = subject.call();
    let moved = session.shift(&call, &prior, 40).await.expect("answers");
    assert_eq!(moved.fields["version"], "1");
    assert_eq!(moved.fields["routing"], json!({"2": 0.4}));
    let back = session.shift(&call, &prior, 0).await.expect("answers");
    assert_eq!(back.fields["routing"], Json::Null);
    let sent = aws.heard().into_iter();
    let sent: Vec<Json> = sent
        .map(|heard| serde_json::from_str(&heard.body).expect("JSON"))
        .collect();
    let with = |weights: Json| {
        let routing = json!({ "AdditionalVersionWeights": weights });
        json!({"FunctionVersion": "1", "RoutingConfig": routing})
    };
    assert_eq!(sent, [with(json!({"2": 0.4})), with(json!({}))]);
}
