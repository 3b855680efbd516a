//! What belongs to others stays as it is.

use expect_test::expect_file;
use mlfn_aws::kinds;
use mlfn_core::{Failure, KindSpec, Ownership};
use serde_json::{Value as Json, json};

use crate::account::{Account, recorded, told};

#[tokio::test]
async fn what_another_stage_made_is_known_as_its() {
    let (dev, prod) = (Account::dev().await, Account::of("prod").await);
    let kinds: [(KindSpec, &str, Json); 3] = [
        (
            kinds::QUEUE,
            "iris-shared",
            json!({"message_retention": 60, "visibility_timeout": 30}),
        ),
        (kinds::TOPIC, "iris-shared", json!({})),
        (kinds::SCHEDULE_GROUP, "iris-shared", json!({})),
    ];
    let of_prod = Ownership::Foreign {
        described: "the service `iris`, stage `prod`".to_owned(),
    };
    for (kind, name, fields) in kinds {
        let theirs = prod.made(kind, name, &fields).await;
        let seen = dev.read(kind, name).await.expect("is there");
        assert_eq!(seen.owner, of_prod);
        let refused = dev.create(kind, name, &fields).await;
        let (what, owner) = (name.to_owned(), of_prod.clone());
        let failure = refused.expect_err("it is theirs").failure;
        assert_eq!(failure, Failure::AlreadyExists { what, owner });
        prod.gone(kind, &theirs).await;
    }
}

#[tokio::test]
async fn a_bucket_of_others_is_used_and_never_removed() {
    let aws = Account::dev().await;
    let there = aws.read(kinds::BUCKET, "given").await.expect("is there");
    assert_eq!(there.owner, Ownership::Borrowed);
    let there = recorded(kinds::BUCKET, "given", there);
    aws.delete(&there).await.expect("does nothing");
    assert!(aws.read(kinds::BUCKET, "given").await.is_some());
}

#[tokio::test]
async fn notifications_of_others_are_kept() {
    let aws = Account::dev().await;
    let entry = |number: u32, prefix: &str, suffix: &str| {
        json!({
            "event": "s3:ObjectCreated:*",
            "function": "arn:aws:lambda:us-east-1:000000000000:function:iris-dev-classifier:live",
            "id": format!("mlfn/iris/dev/classifier/{number}"),
            "prefix": prefix,
            "suffix": suffix,
        })
    };
    let (kind, name) = (
        kinds::BUCKET_NOTIFICATION,
        "with-notifications/mlfn/iris/dev",
    );
    let seen = || told("bucket", "with-notifications");
    let before = seen();
    let first = json!({"entries": [entry(1, "in/", ".json")]});
    let there = aws.made(kind, name, &first).await;
    let mut all = vec![before.clone(), seen()];
    let second = json!({"entries": [entry(1, "", ""), entry(2, "a b/", "")]});
    let there = aws.becomes(kind, &there, &second).await;
    all.push(seen());
    aws.gone(kind, &there).await;
    assert_eq!(seen(), before, "all is as it was");
    expect_file!["expected/notification.txt"].assert_eq(&all.join("\n"));
}
