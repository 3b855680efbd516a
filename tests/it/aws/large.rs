//! Packages that are too large for a request go by a bucket, in parts. Models that are too large for a
//! package go there by themselves.

use std::time::Duration;

use mlfn_testkit::proxy::{Kind, Rule, When};
use serde_json::{Value as Json, json};

use super::Account;
use crate::support::mlfn::Project;

const MANIFEST: &str = r"
mlfn: 1
service: large
provider: aws
tags: { team: research }
models:
  classifier:
    path: large.onnx
    example: { features: [5.1, 3.5, 1.4, 0.2] }
";

const REQUEST: &str = r#"{"features": [5.1, 3.5, 1.4, 0.2]}"#;

/// Bytes of random numbers at the end of a model, so that its package goes by a bucket, in parts.
const LARGE: usize = 51 << 20;

/// With these and the library, a package has more than Lambda's 250 MB.
const TOO_LARGE: usize = 230 << 20;

/// A model that is as good as the other one, and large. The seed tells its bytes from those of others.
pub(super) fn large(model: &[u8], seed: u64) -> Vec<u8> {
    padded(model, seed, LARGE)
}

/// With so many bytes more: ONNX readers skip fields that they do not know.
fn padded(model: &[u8], seed: u64, bytes: usize) -> Vec<u8> {
    // Field 1000, with a length before its bytes, as Protocol Buffers has it.
    let mut large = [model, &[0xc2, 0x3e]].concat();
    let mut length = bytes;
    while length >= 0x80 {
        large.push(u8::try_from(length & 0x7f).expect("7 bits") | 0x80);
        length >>= 7;
    }
    large.push(u8::try_from(length).expect("7 bits"));
    let mut random = fastrand::Rng::with_seed(seed);
    let mut more = vec![0; bytes];
    random.fill(&mut more);
    large.extend(more);
    large
}

/// With that manifest and a large model.
fn project(manifest: &str) -> Project {
    let project = Project::copy_of("iris").with_file("serverless.yaml", manifest);
    let model = fs_err::read(project.folder().join("model.onnx")).expect("reads");
    project.with_file("large.onnx", large(&model, 1))
}

/// The tags of all objects in the bucket for packages.
async fn tags_of_packages(account: &mut Account) -> Vec<Json> {
    let buckets = account.ask("s3", "list_buckets", json!({})).await;
    let bucket = buckets["Buckets"][0]["Name"].clone();
    let list = json!({"Bucket": bucket});
    let list = account.ask("s3", "list_objects_v2", list).await;
    let mut all = Vec::new();
    for object in list["Contents"].as_array().expect("is a list") {
        let object = json!({"Bucket": bucket, "Key": object["Key"]});
        let tags = account.ask("s3", "get_object_tagging", object).await;
        let mut tags = tags["TagSet"].as_array().cloned().unwrap_or_default();
        tags.sort_by_key(|tag| tag["Key"].to_string());
        all.push(tags.into_iter().map(|tag| tag["Value"].clone()).collect());
    }
    all
}

#[tokio::test]
async fn a_second_deploy_of_a_large_package_sends_nothing() {
    let mut account = Account::start().await;
    let project = Project::copy_of("iris").with_file("serverless.yaml", MANIFEST);
    let model = fs_err::read(project.folder().join("model.onnx")).expect("reads");
    let project = project.with_file("large.onnx", large(&model, 1));
    account.run(&project, &["deploy", "--yes"]);
    let ours = json!(["large", "dev", "research"]);
    assert_eq!(tags_of_packages(&mut account).await, vec![ours.clone()]);
    let (_, calls) = account.run(&project, &["deploy", "--yes"]);
    let changing: Vec<_> = calls.iter().filter(|call| call.is_changing()).collect();
    assert!(changing.is_empty(), "{changing:?}");

    let project = project.with_file("large.onnx", large(&model, 2));
    account.run(&project, &["deploy", "--yes"]);
    assert_eq!(tags_of_packages(&mut account).await, [ours.clone(), ours]);
    account.run(&project, &["remove", "--yes"]);
    assert_eq!(account.inventory().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_was_uploaded_and_has_no_tags_is_taken_over() {
    let mut account = Account::start().await;
    let project = project(MANIFEST);
    account.run(&project, &["deploy", "--yes"]);
    let buckets = account.ask("s3", "list_buckets", json!({})).await;
    let bucket = buckets["Buckets"][0]["Name"].clone();
    let list = json!({"Bucket": bucket});
    let list = account.ask("s3", "list_objects_v2", list).await;
    let object = json!({"Bucket": bucket, "Key": list["Contents"][0]["Key"]});
    account.ask("s3", "delete_object_tagging", object).await;
    account.run(&project, &["deploy", "--yes"]);
    let ours = json!(["large", "dev", "research"]);
    assert_eq!(tags_of_packages(&mut account).await, [ours]);
}

#[tokio::test]
async fn an_upload_that_was_killed_goes_on_with_the_parts_that_are_missing() {
    let mut account = Account::start().await;
    let project = project(MANIFEST);
    let part = When::any().method("^PUT$").path("partNumber=");
    // Of four parts on their way at once, one does not arrive and another one does.
    for rule in [
        Rule::new(Kind::Delay(Duration::from_hours(1))),
        Rule::new(Kind::KillAfter).skip(3),
    ] {
        account.proxy.add(rule.when(part.clone()));
    }
    let deploy = account.mlfn(&project, &["deploy", "--yes"]);
    let code = deploy.watched(|id| account.proxy.victim(id)).await;
    assert_eq!(code, None, "it was killed");
    account.proxy.clear();

    let (_, calls) = account.run(&project, &["deploy", "--yes"]);
    let begun = When::any().method("^POST$").path(r"\?uploads");
    assert_eq!(account.proxy.count(&begun), 0, "{calls:?}");
    let sent = account.proxy.count(&part);
    assert!((1..4).contains(&sent), "{sent} parts: {calls:?}");
    account.run(&project, &["invoke", "classifier", "--data", REQUEST]);
    assert_eq!(
        tags_of_packages(&mut account).await,
        [json!(["large", "dev", "research"])]
    );

    // Nobody remembers what is in the bucket.
    fs_err::remove_dir_all(project.folder().join(".mlfn/state")).expect("removes");
    account.run(&project, &["remove", "--yes"]);
    assert_eq!(account.inventory().await, Vec::<String>::new());
}

/// After each part, up to the whole.
#[track_caller]
fn tells_how_far_it_is(stdout: &str) {
    let events = stdout.lines().map(serde_json::from_str::<Json>);
    let events = events.map(|event| event.expect("is JSON"));
    let told: Vec<(u64, u64)> = events
        .filter(|event| event["type"] == "progress")
        .filter_map(|event| Some((event["sent"].as_u64()?, event["total"].as_u64()?)))
        .collect();
    let total = told.first().expect("there is progress").1;
    assert!(total > LARGE as u64, "{told:?}");
    assert!(told.len() > 4 && told.is_sorted(), "{told:?}");
    assert_eq!(told.last(), Some(&(total, total)), "{told:?}");
}

#[tokio::test]
async fn of_a_bucket_that_was_given_only_our_packages_are_removed() {
    let mut account = Account::start().await;
    let bucket = json!({"Bucket": "company-packages"});
    account.ask("s3", "create_bucket", bucket.clone()).await;
    let theirs = json!({"Bucket": "company-packages", "Key": "large/dev/theirs", "Body": "x"});
    account.ask("s3", "put_object", theirs).await;
    let given = format!("{MANIFEST}    aws: {{ deployment_bucket: company-packages }}\n");
    let project = project(&given);
    let (deployed, _) = account.run(&project, &["deploy", "--yes", "--json"]);
    tells_how_far_it_is(&deployed.stdout);
    account.run(&project, &["invoke", "classifier", "--data", REQUEST]);
    let listed = account.ask("s3", "list_objects_v2", bucket.clone()).await;
    assert_eq!(listed["KeyCount"], 2, "{listed}");
    account.run(&project, &["remove", "--yes"]);
    let left = ["list_buckets: company-packages"];
    assert_eq!(account.inventory().await, left);
    let listed = account.ask("s3", "list_objects_v2", bucket).await;
    assert_eq!(listed["KeyCount"], 1, "{listed}");
    assert_eq!(listed["Contents"][0]["Key"], "large/dev/theirs");
}

#[tokio::test]
async fn a_model_that_is_too_large_for_lambda_is_fetched_in_parts_when_its_function_starts() {
    let mut account = Account::start().await;
    let project = Project::copy_of("iris");
    // ministack does not tell functions where it is, as AWS need not. Its functions have the `/tmp` of
    // this machine, where models would stay.
    let home = project.home();
    let place = format!(
        "    environment: {{ TMPDIR: \"{}\", AWS_ENDPOINT_URL_S3: \"{}\" }}\n",
        home.display(),
        account.proxy.url()
    );
    let project = project.with_file("serverless.yaml", format!("{MANIFEST}{place}"));
    let model = fs_err::read(project.folder().join("model.onnx")).expect("reads");
    let project = project.with_file("large.onnx", padded(&model, 1, TOO_LARGE));
    let (packed, _) = account.run(&project, &["package"]);
    let mut routes = packed.stdout.lines();
    let chosen = routes.find(|line| line.ends_with("used"));
    let chosen = chosen.expect("a route is used");
    assert!(chosen.starts_with("model in bucket "), "{chosen}");
    let (_, calls) = account.run(&project, &["deploy", "--yes"]);
    let puts = calls
        .iter()
        .filter(|call| call.method == "POST" && call.path.ends_with("/functions"));
    let most = puts.map(|call| call.sent).max();
    assert!(most < Some(20 << 20), "with the model: {most:?}");
    // The new version has answered, for which it fetched the model.
    let fetched = When::any().method("^GET$").path(r"/large\.onnx$");
    assert!(account.proxy.count(&fetched) > 20, "{calls:?}");
    let (answer, _) = account.run(&project, &["invoke", "classifier", "--data", REQUEST]);
    assert_eq!(answer.json()["prediction"]["label"], 0, "{answer}");

    let project = project.with_file(
        "serverless.yaml",
        format!("{MANIFEST}{place}    memory: 2048MB\n"),
    );
    let (_, calls) = account.run(&project, &["deploy", "--yes"]);
    let sent: u64 = calls.iter().map(|call| call.sent).sum();
    assert!(sent < 100_000, "{sent} bytes: {calls:?}");
    account.run(&project, &["remove", "--yes"]);
    assert_eq!(account.inventory().await, Vec::<String>::new());
}
