//! Whatever mlfn asks of AWS, the models of AWS's services allow: all that a manifest can say is
//! deployed, changed, looked at and removed, and every request is judged.

use serde_json::json;

use super::Account;
use super::large::large;
use crate::support::mlfn::Project;
use crate::support::place::repository;

/// Everything that there is, at the ends of what is allowed where there are any.
const MANIFEST: &str = r#"
mlfn: 1
service: limits-of-24-characters
provider: aws
tags: { team: "R D ünïted / a+b=c.d:e_f-g@h", cost-center: "0" }
models:
  classifier:
    path: model.onnx
    memory: 128MB
    timeout: 1s
    example: { features: [5.1, 3.5, 1.4, 0.2] }
    environment:
      MODE: "fast, \"really\" = ünïted"
      TOKEN: { secret: limits-token }
      PARAMETER: { secret: /limits/parameter }
      AWS_ENDPOINT_URL: "${env:AWS_ENDPOINT_URL}"
    async: { max_tries: 3, max_age: 6h, on_success: { queue: done }, on_failure: { topic: alerts } }
    triggers:
      - http:
          method: POST
          path: /predict
          auth: { jwt: { issuer: "https://login.example.com/", audience: [iris, roses] } }
          cors: ["https://example.com", "https://example.org"]
      - http: { method: POST, path: /internal, auth: iam }
      - http: { method: ANY, path: /open }
      - schedule: { every: 1 minute, input: { features: [5.1, 3.5, 1.4, 0.2] } }
      - schedule: { cron: "0 6 * * 1-5", timezone: Europe/Berlin }
      - queue: { name: jobs, batch: 10000, window: 5m, max_tries: 3, output: results }
      - queue: { name: ordered.fifo, output: sorted.fifo }
      - topic: news
      - storage:
          bucket: uploads
          prefix: "in put/ü+&<"
          suffix: .json
          output: { bucket: limits-predictions, prefix: out/ }
      - storage: { bucket: uploads, suffix: .csv }
      - stream: { kinesis: clicks, batch: 10000, window: 5m, start: oldest }
      - stream: { dynamodb: orders, start: latest }
    aws:
      ephemeral_storage: 10GB
      reserved_concurrency: 3
      provisioned_concurrency: 1
      log_retention_days: 3653
      layers: true
"#;

/// As [`MANIFEST`] after a day's work.
fn changed() -> String {
    let changes = [
        ("memory: 128MB", "memory: 256MB"),
        ("timeout: 1s", "timeout: 2s"),
        ("cost-center: \"0\"", "owner: me"),
        ("[iris, roses]", "[tulips]"),
        (", \"https://example.org\"]", "]"),
        (
            "{ max_tries: 3, max_age: 6h, on_success: { queue: done }, on_failure: { topic: alerts } }",
            "{ max_tries: 1, max_age: 60s, on_failure: { queue: done } }",
        ),
        ("every: 1 minute", "every: 2 minutes"),
        ("window: 5m, max_tries: 3", "window: 1s, max_tries: 1000"),
        ("suffix: .csv", "suffix: .tsv"),
        ("ephemeral_storage: 10GB", "ephemeral_storage: 512MB"),
        ("reserved_concurrency: 3", "reserved_concurrency: 4"),
        ("provisioned_concurrency: 1", "provisioned_concurrency: 2"),
        ("log_retention_days: 3653", "log_retention_days: 1"),
    ];
    changes
        .iter()
        .fold(MANIFEST.to_owned(), |text, (old, new)| {
            assert!(text.contains(old), "{old}");
            text.replace(old, new)
        })
}

async fn prepared(account: &mut Account) {
    let stream = json!({"StreamName": "clicks", "ShardCount": 1});
    let table = json!({
        "TableName": "orders",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"},
    });
    let secret = json!({"Name": "limits-token", "SecretString": "s3cret"});
    let parameter = json!({"Name": "/limits/parameter", "Value": "s3cret", "Type": "SecureString"});
    for (service, method, what) in [
        ("s3", "create_bucket", json!({"Bucket": "uploads"})),
        ("kinesis", "create_stream", stream),
        ("dynamodb", "create_table", table),
        ("secretsmanager", "create_secret", secret),
        ("ssm", "put_parameter", parameter),
    ] {
        account.ask(service, method, what).await;
    }
}

/// A function URL, which is there only without routes; and a package that goes by a bucket.
const URL: &str = r#"
mlfn: 1
service: signed
provider: aws
tags: { team: research }
models:
  classifier:
    path: large.onnx
    timeout: 900s
    memory: 10240MB
    triggers: [{ http: { method: POST, path: /, auth: iam, cors: ["https://example.com"] } }]
"#;

/// Deploys one and then the other, and does everything else that there is to do.
fn live(account: &Account, project: Project, later: &str) {
    let request = r#"{"features": [5.1, 3.5, 1.4, 0.2]}"#;
    account.run(&project, &["deploy", "--yes"]);
    let project = project.with_file("serverless.yaml", later);
    for words in [
        &["plan"][..],
        &["deploy", "--yes"],
        &["deploy", "--yes"],
        &["info"],
        &["invoke", "classifier", "--data", request],
        &["invoke", "classifier", "--data", request, "--type", "Event"],
        &[
            "invoke",
            "classifier",
            "--data",
            request,
            "--type",
            "DryRun",
        ],
        &["logs", "classifier"],
        &["rollback", "--yes"],
        &["remove", "--yes"],
    ] {
        account.run(&project, words);
    }
}

#[tokio::test]
async fn the_models_of_aws_allow_every_request_of_every_command() {
    let mut account = Account::with_layers(&[]).await.judged();
    prepared(&mut account).await;
    let project = Project::copy_of("iris").with_file("serverless.yaml", MANIFEST);
    let model = fs_err::read(project.folder().join("model.onnx")).expect("reads");
    live(&account, project, &changed());
    let project = Project::copy_of("iris")
        .with_file("serverless.yaml", URL)
        .with_file("large.onnx", large(&model, 1));
    live(&account, project, &URL.replace("auth: iam", "auth: none"));
    let called: Vec<String> = account.called_as_allowed().into_iter().collect();
    let called = called.join("\n") + "\n";
    let path = repository().join("tests/it/aws/operations.txt");
    if std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1") {
        fs_err::write(path, called).expect("writes");
        return;
    }
    let expected = fs_err::read_to_string(path).expect("reads");
    similar_asserts::assert_eq!(found: called, expected: expected);
}
