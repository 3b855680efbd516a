//! The life of an HTTP API and its parts.

use expect_test::expect_file;
use mlfn_aws::kinds;
use mlfn_core::Recorded;
use serde_json::{Value as Json, json};

use crate::account::{Account, told};

const ALIAS: &str = "arn:aws:lambda:us-east-1:000000000000:function:iris-dev-classifier:live";

fn id(of: &Recorded) -> &Json {
    &of.outputs["id"]
}

pub(crate) fn cors(origins: &[&str]) -> Json {
    json!({
        "allow_headers": ["authorization", "content-type"],
        "allow_methods": ["GET", "POST"],
        "allow_origins": origins,
        "max_age": 86_400,
    })
}

/// Two forms of everything that an API can have.
async fn live(aws: &Account, seen: impl Fn(&str) -> String) -> String {
    let name = "iris-dev";
    let both = || [seen("http_api"), seen("http_part")].concat();
    let first = json!({"cors": cors(&["https://a.example"]), "tags": {"team": "research"}});
    let api = aws.made(kinds::HTTP_API, name, &first).await;
    aws.is_taken(kinds::HTTP_API, name, &first).await;
    let made = |kind, part: &'static str, fields: Json| async move {
        let name = format!("{name}/{part}");
        let there = aws.made(kind, &name, &fields).await;
        aws.is_taken(kind, &name, &fields).await;
        there
    };
    let integration = json!({"function": ALIAS, "payload_format": "2.0", "timeout_ms": 30_000});
    let integration = made(kinds::HTTP_INTEGRATION, "classifier", integration).await;
    let source = "$request.header.Authorization";
    let jwt = json!({
        "audience": ["iris"], "identity_source": source, "issuer": "https://login.example.com",
    });
    let authorizer = made(kinds::HTTP_AUTHORIZER, "jwt-1", jwt).await;
    let route = json!({
        "authorization_type": "JWT", "authorizer": id(&authorizer), "integration": id(&integration),
    });
    let route = made(kinds::HTTP_ROUTE, "POST /predict", route).await;
    let stage = made(kinds::HTTP_STAGE, "$default", json!({"auto_deploy": true})).await;
    let mut all = vec![both()];

    // The tags stay: ministack tells those of the creation for ever.
    let tags = json!({"team": "research"});
    let second = json!({"cors": cors(&["https://a.example", "https://b.example"]), "tags": tags});
    let api = aws.becomes(kinds::HTTP_API, &api, &second).await;
    let form = json!({"function": ALIAS, "payload_format": "2.0", "timeout_ms": 10_000});
    aws.becomes(kinds::HTTP_INTEGRATION, &integration, &form)
        .await;
    let form = json!({
        "audience": ["a", "b"], "identity_source": source, "issuer": "https://other.example.com",
    });
    aws.becomes(kinds::HTTP_AUTHORIZER, &authorizer, &form)
        .await;
    let form = json!({"authorization_type": "AWS_IAM", "integration": id(&integration)});
    aws.becomes(kinds::HTTP_ROUTE, &route, &form).await;
    all.push(both());
    aws.becomes(kinds::HTTP_API, &api, &json!({"tags": tags}))
        .await;
    all.push(seen("http_api"));

    aws.gone(kinds::HTTP_STAGE, &stage).await;
    aws.gone(kinds::HTTP_ROUTE, &route).await;
    aws.gone(kinds::HTTP_AUTHORIZER, &authorizer).await;
    aws.gone(kinds::HTTP_INTEGRATION, &integration).await;
    aws.gone(kinds::HTTP_API, &api).await;
    all.join("\n")
}

#[tokio::test]
async fn an_http_api() {
    let aws = Account::dev().await;
    let all = live(&aws, |what| told(what, "iris-dev")).await;
    expect_file!["expected/http-api.txt"].assert_eq(&all);
}

#[tokio::test]
async fn two_apis_may_have_one_name_and_the_tags_tell_which_is_ours() {
    let (dev, prod) = (Account::dev().await, Account::of("prod").await);
    let theirs = prod.made(kinds::HTTP_API, "iris-both", &json!({})).await;
    let ours = dev.made(kinds::HTTP_API, "iris-both", &json!({})).await;
    assert_ne!(id(&ours), id(&theirs));
    dev.gone(kinds::HTTP_API, &ours).await;
    prod.gone(kinds::HTTP_API, &theirs).await;
}

#[tokio::test]
async fn what_was_in_an_api_is_gone_with_it() {
    let aws = Account::dev().await;
    let api = aws.made(kinds::HTTP_API, "iris-gone", &json!({})).await;
    let name = "iris-gone/$default";
    let stage = json!({"auto_deploy": true});
    let stage = aws.made(kinds::HTTP_STAGE, name, &stage).await;
    aws.gone(kinds::HTTP_API, &api).await;
    aws.gone(kinds::HTTP_STAGE, &stage).await;
}
