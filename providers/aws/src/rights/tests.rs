use std::collections::BTreeSet;

use expect_test::expect;
use mlfn_core::{
    Action, Alarm, Basis, Change, KindSpec, Plan, Purpose, Reason, Release, Resource, ResourceId,
    Seconds, Steps, Traffic, Value,
};

use super::*;
use crate::kinds;

fn identity() -> Identity {
    Identity {
        partition: "aws".to_owned(),
        account: "123456789012".to_owned(),
        region: "eu-west-1".to_owned(),
    }
}

fn change(action: Action, wanted: Resource) -> Change {
    Change {
        id: wanted.id.clone(),
        action,
        reason: Reason::Missing,
        wanted: Some(wanted),
        prior: None,
        fields: Vec::new(),
        kept: [].into(),
        steps: None,
    }
}

fn plan(changes: Vec<Change>) -> Plan {
    Plan {
        purpose: Purpose::Deploy,
        provider: "aws".to_owned(),
        service: "iris".parse().expect("a name"),
        stage: "dev".parse().expect("a name"),
        basis: Basis::default(),
        release: Release::default(),
        changes,
        drift: Vec::new(),
        uploads: 0,
    }
}

/// One statement a line: actions, then resources.
fn lines(changes: Vec<Change>) -> String {
    let policy = policy(&identity(), &plan(changes));
    let texts = |list: &Json| {
        let texts = list.as_array().expect("a list").iter();
        let texts: Vec<&str> = texts.filter_map(Json::as_str).collect();
        texts.join(" ")
    };
    let statements = policy["Statement"].as_array().expect("a list").iter();
    let line = |one: &Json| {
        let (actions, resources) = (texts(&one["Action"]), texts(&one["Resource"]));
        format!("{actions} -> {resources}\n")
    };
    statements.map(line).collect()
}

fn resource(kind: KindSpec, name: &str, remote_name: &str) -> Resource {
    Resource::new(ResourceId::new(kind.kind, name), remote_name)
}

#[test]
fn every_kind_is_in_the_table_once() {
    let all: Vec<&str> = NEEDS.iter().map(|needs| needs.kind).collect();
    let kinds: Vec<&str> = kinds::KINDS.iter().map(|kind| kind.kind).collect();
    assert_eq!(all, kinds);
}

#[test]
fn everything_is_about_one_thing_but_what_iam_knows_no_less_of() {
    let found: BTreeSet<&str> = NEEDS
        .iter()
        .flat_map(|needs| [needs.read, needs.create, needs.update, needs.delete])
        .flatten()
        .filter(|need| need.on.contains(&"*"))
        .flat_map(|need| need.actions.iter().copied())
        .collect();
    let known = [
        "lambda:CreateEventSourceMapping",
        "lambda:ListEventSourceMappings",
        "lambda:ListLayerVersions",
        "ssm:DescribeParameters",
    ];
    assert_eq!(found, known.into());
}

#[test]
fn what_is_made_is_more_than_what_is_kept() {
    let queue = || resource(kinds::QUEUE, "jobs", "iris-dev-jobs");
    expect![[r"
        sqs:GetQueueAttributes sqs:GetQueueUrl sqs:ListQueueTags -> arn:aws:sqs:eu-west-1:123456789012:iris-dev-jobs
    "]]
    .assert_eq(&lines(vec![change(Action::Keep, queue())]));
    expect![[r"
        sqs:CreateQueue sqs:GetQueueAttributes sqs:GetQueueUrl sqs:ListQueueTags sqs:TagQueue -> arn:aws:sqs:eu-west-1:123456789012:iris-dev-jobs
    "]]
    .assert_eq(&lines(vec![change(Action::Create, queue())]));
}

#[test]
fn a_role_may_be_handed_over_and_no_other_one() {
    let role = resource(kinds::ROLE, "classifier", "iris-dev-classifier-{region}");
    let arn = Value::output(&role.id, "arn");
    let function = resource(kinds::FUNCTION, "classifier", "iris-dev-classifier");
    let function = function.with("role", arn);
    expect![[r"
        iam:GetRole iam:GetRolePolicy iam:PassRole -> arn:aws:iam::123456789012:role/iris-dev-classifier-eu-west-1
        lambda:DeleteFunctionConcurrency lambda:GetFunction lambda:ListTags lambda:PutFunctionConcurrency lambda:TagResource lambda:UntagResource lambda:UpdateFunctionCode lambda:UpdateFunctionConfiguration -> arn:aws:lambda:eu-west-1:123456789012:function:iris-dev-classifier arn:aws:lambda:eu-west-1:123456789012:function:iris-dev-classifier:*
    "]]
    .assert_eq(&lines(vec![
        change(Action::Keep, role),
        change(Action::Update, function),
    ]));
}

#[test]
fn what_is_named_inside_of_something_else_is_found_in_its_name() {
    let made = |kind, remote_name| {
        lines(vec![change(
            Action::Create,
            resource(kind, "x", remote_name),
        )])
    };
    expect![[r"
        lambda:AddPermission lambda:GetFunction lambda:GetPolicy -> arn:aws:lambda:eu-west-1:123456789012:function:iris-dev-classifier arn:aws:lambda:eu-west-1:123456789012:function:iris-dev-classifier:*
    "]]
    .assert_eq(&made(kinds::PERMISSION, "iris-dev-classifier:live/url"));
    expect![[r"
        s3:GetBucketNotification s3:PutBucketNotification -> arn:aws:s3:::uploads
    "]]
    .assert_eq(&made(kinds::BUCKET_NOTIFICATION, "uploads/mlfn/iris/dev"));
    expect![[r"
        sns:GetSubscriptionAttributes sns:ListSubscriptionsByTopic sns:Subscribe -> arn:aws:sns:eu-west-1:1:theirs
    "]]
    .assert_eq(&made(
        kinds::SUBSCRIPTION,
        "arn:aws:sns:eu-west-1:1:theirs/iris-dev-classifier:live",
    ));
    expect![[r"
        dynamodb:DescribeStream dynamodb:ListStreams -> arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/*
    "]]
    .assert_eq(&made(
        kinds::DYNAMODB_STREAM,
        "arn:aws:dynamodb:eu-west-1:123456789012:table/orders",
    ));
}

#[test]
fn whoever_moves_requests_sees_what_speaks_against_the_new_version() {
    let moving = |alarm: Alarm| {
        let traffic = Traffic {
            canary: 10,
            every: Seconds::new(300),
            alarm,
        };
        let parts = traffic.steps();
        let alias = resource(kinds::ALIAS, "classifier", "iris-dev-classifier:live");
        Change {
            steps: Some(Steps { parts, since: None }),
            ..change(Action::Update, alias.shifted("version", Some(traffic)))
        }
    };
    let errors = lines(vec![moving(Alarm::Errors)]);
    assert!(
        errors.starts_with("cloudwatch:GetMetricData -> *\n"),
        "{errors}"
    );
    let named = lines(vec![moving(Alarm::Named("slow".to_owned()))]);
    assert!(
        named.starts_with("cloudwatch:DescribeAlarms -> *\n"),
        "{named}"
    );
    let at_once = lines(vec![Change {
        steps: None,
        ..moving(Alarm::Errors)
    }]);
    assert!(!at_once.contains("cloudwatch"), "{at_once}");
}
