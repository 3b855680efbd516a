//! Buckets: folders whose files fire, and the S3 API in front of them.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use hyper::Response;
use mlfn_core::{Artifact, Digest, EnvironmentValue, FetchedFile, Lower as _, Trigger};
use mlfn_emulator::{Clock, Limits};
use mlfn_testkit::trigger;
use serde_json::{Value as Json, json};

use crate::local::{Local, artifact, json_of, request};
use crate::queues::{events, until_lines};

/// As every SDK says whose API it means.
const SIGNED: (&str, &str) = (
    "authorization",
    "AWS4-HMAC-SHA256 Credential=local/20261121/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=00",
);

fn storage(given: Json) -> Trigger {
    trigger("storage", given)
}

async fn local(triggers: Vec<Trigger>) -> Local {
    Local::new(|service| service.functions[0].triggers = triggers).await
}

/// Two folders of one bucket, and where the predictions go.
async fn uploads() -> Local {
    let output = json!({"bucket": "uploads", "prefix": "in/", "suffix": ".json", "output_bucket": "results"});
    local(vec![storage(output)]).await
}

fn folder(local: &Local, bucket: &str) -> PathBuf {
    local.folder.path().join("cloud/buckets").join(bucket)
}

/// As `cp` does it.
fn drop_file(local: &Local, key: &str, content: &str) {
    let path = folder(local, "uploads").join(key);
    fs_err::create_dir_all(path.parent().expect("has a parent")).expect("makes a folder");
    fs_err::write(path, content).expect("writes");
}

async fn until_events(local: &Local, count: usize) -> Vec<Json> {
    until_lines(local, "event {", count).await;
    events(local).await
}

fn key(event: &Json) -> &str {
    event["Records"][0]["s3"]["object"]["key"]
        .as_str()
        .expect("a key")
}

/// With a model of these bytes that is not in the package.
async fn bring_model(local: &Local, model: &[u8]) {
    let source = local.folder.path().join("weights");
    fs_err::write(&source, model).expect("writes");
    let artifact = Artifact {
        fetched: vec![FetchedFile {
            path: "model/m.onnx".to_owned(),
            source,
            digest: Digest::of(model),
            bytes: model.len() as u64,
        }],
        ..artifact(&local.folder, "")
    };
    let resources = mlfn_aws::Aws.lower(&local.service, &[artifact]);
    let root = local.folder.path();
    let loaded = local.cloud.reload(&local.session, &resources, root).await;
    loaded.expect("deploys");
}

/// Where the function is told that its model is.
async fn place_of_model(local: &Local) -> String {
    let done = local.invoke(json!({"do": "describe"})).await;
    let environment = json_of(&done.body)["environment"].clone();
    let text = environment["MLFN_MODEL"].as_str().expect("is told");
    let places: Json = serde_json::from_str(text).expect("JSON");
    let [place] = places.as_array().expect("places").as_slice() else {
        panic!("{places}");
    };
    assert_eq!(place["path"], "model/m.onnx");
    let word = |name: &str| place[name].as_str().expect("text").to_owned();
    format!("/{}/{}", word("bucket"), word("key"))
}

#[tokio::test]
async fn a_model_that_is_not_in_the_package_can_be_fetched_in_pieces() {
    let local = local(Vec::new()).await;
    bring_model(&local, b"0123456789").await;
    let path = place_of_model(&local).await;
    let range = [SIGNED, ("range", "bytes=2-4")];
    let piece = local.http(request("GET", &path, &range, "")).await;
    assert_eq!(
        (piece.status().as_u16(), text(&piece).as_str()),
        (206, "234")
    );
    assert_eq!(piece.headers()["content-range"], "bytes 2-4/10");
    bring_model(&local, b"abc").await;
    let other = place_of_model(&local).await;
    assert_ne!(other, path);
    let whole = call(&local, "GET", &other, "").await;
    assert_eq!(
        (whole.status().as_u16(), text(&whole).as_str()),
        (200, "abc")
    );
}

async fn call(local: &Local, method: &str, path: &str, body: &str) -> Response<Bytes> {
    local.http(request(method, path, &[SIGNED], body)).await
}

fn text(response: &Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).expect("is text")
}

#[tokio::test]
async fn a_file_that_is_dropped_fires_with_the_event_of_s3() {
    let local = uploads().await;
    drop_file(&local, "elsewhere.json", "{}");
    drop_file(&local, "in/photo.png", "{}");
    drop_file(&local, "in/grün/a b+1.json", "{\"x\": 1}");
    let mut event = until_events(&local, 1).await.remove(0);
    let record = &mut event["Records"][0];
    for name in ["eventTime", "responseElements"] {
        assert!(!record[name].take().is_null(), "{name}");
    }
    let object = &mut record["s3"]["object"];
    assert!(!object["sequencer"].take().is_null());
    let expected = json!({
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-west-1",
        "eventTime": null,
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:LOCAL"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": null,
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "mlfn/iris/dev/classifier/1",
            "bucket": {
                "name": "uploads",
                "ownerIdentity": {"principalId": "123456789012"},
                "arn": "arn:aws:s3:::uploads",
            },
            "object": {
                "key": "in/gr%C3%BCn/a+b%2B1.json",
                "size": 8,
                "eTag": "27958648a9e57fcd66ae5e31ff3359e9",
                "sequencer": null,
            },
        },
    });
    assert_eq!(*record, expected);
}

#[tokio::test]
async fn what_is_written_elsewhere_or_was_there_before_fires_nothing() {
    let local = uploads().await;
    fs_err::write(folder(&local, "results").join("a.json"), "{}").expect("writes");
    drop_file(&local, "in/a.json", "{}");
    until_events(&local, 1).await;
    let local = local.restart().await;
    // Deploying again neither.
    local.deploy().await.expect("deploys");
    drop_file(&local, "in/b.json", "{}");
    let events = until_events(&local, 2).await;
    assert_eq!(
        events.iter().map(key).collect::<Vec<_>>(),
        ["in/a.json", "in/b.json"]
    );
}

#[tokio::test]
async fn a_trigger_that_is_new_fires_and_one_that_is_gone_does_not() {
    let mut local = uploads().await;
    let other = storage(json!({"bucket": "uploads", "prefix": "other/"}));
    local.service.functions[0].triggers = vec![other];
    local.deploy().await.expect("deploys");
    drop_file(&local, "in/a.json", "{}");
    drop_file(&local, "other/a.txt", "{}");
    let events = until_events(&local, 1).await;
    assert_eq!(events.iter().map(key).collect::<Vec<_>>(), ["other/a.txt"]);
}

#[tokio::test]
async fn an_event_that_always_fails_is_given_up_and_the_log_says_so() {
    let limits = Limits {
        event_pause: Duration::from_millis(1),
        ..Limits::default()
    };
    let local = Local::at(Clock::system(), limits, |service| {
        let function = &mut service.functions[0];
        function.triggers = vec![storage(json!({}))];
        let crash = EnvironmentValue::Plain("crash".to_owned());
        function.environment = [("START".to_owned(), crash)].into();
        function.example = None;
    })
    .await;
    drop_file(&local, "a.json", "{}");
    until_lines(&local, "is given up: the function failed on it 3 times", 1).await;
}

#[tokio::test]
async fn functions_are_told_where_the_buckets_are() {
    let local = uploads().await;
    let done = local.invoke(json!({"do": "describe"})).await;
    let environment = &json_of(&done.body)["environment"];
    let url = local.cloud.emulator().url();
    assert_eq!(environment["AWS_ENDPOINT_URL"], url.as_str());
    for name in [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    ] {
        assert_eq!(environment[name], "local", "{name}");
    }
}

#[tokio::test]
async fn objects_are_files_and_files_are_objects() {
    let local = uploads().await;
    let put = call(&local, "PUT", "/results/out/a%20b%2B.json", "0123456789").await;
    assert_eq!(put.status(), 200);
    assert_eq!(
        put.headers()["etag"],
        "\"781e5e245d69b566979b86e28d23f2c7\""
    );
    let path = folder(&local, "results").join("out/a b+.json");
    assert_eq!(fs_err::read_to_string(&path).expect("a file"), "0123456789");
    fs_err::write(&path, "abcdef").expect("writes");
    let got = call(&local, "GET", "/results/out/a%20b%2B.json", "").await;
    assert_eq!(
        (got.status().as_u16(), text(&got).as_str()),
        (200, "abcdef")
    );
    assert_eq!(got.headers()["content-type"], "application/json");
    let head = call(&local, "HEAD", "/results/out/a%20b%2B.json", "").await;
    assert_eq!(head.headers()["content-length"], "6");
    assert_eq!(head.headers()["etag"], got.headers()["etag"]);
    let range = [SIGNED, ("range", "bytes=2-3")];
    let part = local
        .http(request("GET", "/results/out/a%20b%2B.json", &range, ""))
        .await;
    assert_eq!((part.status().as_u16(), text(&part).as_str()), (206, "cd"));
    assert_eq!(part.headers()["content-range"], "bytes 2-3/6");
    let deleted = call(&local, "DELETE", "/results/out/a%20b%2B.json", "").await;
    assert_eq!(deleted.status(), 204);
    assert!(!path.exists());
}

#[track_caller]
fn check_error(response: &Response<Bytes>, status: u16, code: &str) {
    let text = text(response);
    assert_eq!(response.status(), status, "{text}");
    assert!(text.contains(&format!("<Code>{code}</Code>")), "{text}");
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_as_s3_does() {
    let local = uploads().await;
    check_error(
        &call(&local, "GET", "/nowhere/a", "").await,
        404,
        "NoSuchBucket",
    );
    check_error(
        &call(&local, "GET", "/results/a", "").await,
        404,
        "NoSuchKey",
    );
    check_error(
        &call(&local, "PUT", "/results/../uploads/a", "").await,
        400,
        "InvalidArgument",
    );
    check_error(
        &call(&local, "PUT", "/results/%2e%2e/a", "").await,
        400,
        "InvalidArgument",
    );
    check_error(
        &call(&local, "PUT", "/results/a?tagging", "").await,
        501,
        "NotImplemented",
    );
    for upload in ["", "0123", "../x"] {
        let path = format!("/results/a?partNumber=1&uploadId={upload}");
        check_error(&call(&local, "PUT", &path, "x").await, 404, "NoSuchUpload");
    }
    let range = [SIGNED, ("range", "bytes=2-3")];
    call(&local, "PUT", "/results/a", "x").await;
    let part = local.http(request("GET", "/results/a", &range, "")).await;
    check_error(&part, 416, "InvalidRange");
    // Without a signature it is a path of a function, or none.
    let unsigned = local.http(request("GET", "/results/a", &[], "")).await;
    assert_eq!(unsigned.status(), 404);
}

#[tokio::test]
async fn lists_come_in_pages_and_folders_can_be_folded() {
    let local = uploads().await;
    for key in ["a.json", "b/1", "b/2", "c%26d", "d"] {
        call(&local, "PUT", &format!("/results/{key}"), "x").await;
    }
    let keys = |page: &str| {
        let keys = page.split("<Key>").skip(1);
        let keys = keys.map(|rest| rest.split("</Key>").next().unwrap_or_default().to_owned());
        keys.collect::<Vec<_>>()
    };
    let page = text(&call(&local, "GET", "/results?list-type=2&max-keys=3", "").await);
    assert_eq!(keys(&page), ["a.json", "b/1", "b/2"]);
    assert!(page.contains("<IsTruncated>true</IsTruncated>"), "{page}");
    let token = "<NextContinuationToken>b/2</NextContinuationToken>";
    assert!(page.contains(token), "{page}");
    let next = "/results?list-type=2&max-keys=3&continuation-token=b%2F2";
    let page = text(&call(&local, "GET", next, "").await);
    assert_eq!(keys(&page), ["c&amp;d", "d"]);
    assert!(page.contains("<IsTruncated>false</IsTruncated>"), "{page}");
    let folded = "/results?list-type=2&delimiter=%2F&encoding-type=url";
    let page = text(&call(&local, "GET", folded, "").await);
    assert_eq!(keys(&page), ["a.json", "c%26d", "d"]);
    assert!(
        page.contains("<CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes>"),
        "{page}"
    );
    let within = "/results?list-type=2&prefix=b%2F&start-after=b%2F1";
    assert_eq!(keys(&text(&call(&local, "GET", within, "").await)), ["b/2"]);
}
