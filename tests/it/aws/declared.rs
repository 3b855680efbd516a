//! What the manifest declares of a function is what boto3 reads: `declared.json` has all of it.

use regex::Regex;
use serde_json::{Map, Value as Json, json};

use super::Account;
use crate::support::mlfn::Project;
use crate::support::place::repository;

/// Nothing in it is a default.
const MANIFEST: &str = r#"
mlfn: 1
service: declared
provider: aws
tags: { team: research }
models:
  classifier:
    path: model.onnx
    memory: 1536MB
    timeout: 45s
    environment:
      MODE: "fast, \"really\""
      TOKEN: { secret: token }
      PARAMETER: { secret: /parameter }
    triggers:
      - http: { method: POST, path: /predict, auth: iam, cors: ["https://example.com"] }
      - queue: { name: jobs, output: results }
      - storage: { bucket: uploads, output: { bucket: predictions, prefix: out/ } }
    aws:
      ephemeral_storage: 2GB
      reserved_concurrency: 7
      provisioned_concurrency: 2
      log_retention_days: 14
"#;

/// No plan and no setting has it.
const SECRET: &str = "correct horse battery staple";

const NAME: &str = "declared-dev-classifier";

/// What is asked, and the parts of the answer that are kept.
const QUESTIONS: [(&str, &str, &str, &[&str]); 9] = [
    (
        "lambda",
        "get_function_configuration",
        r#"{"FunctionName": "NAME", "Qualifier": "live"}"#,
        &[
            "Architectures",
            "Environment",
            "EphemeralStorage",
            "Handler",
            "LoggingConfig",
            "MemorySize",
            "PackageType",
            "Role",
            "Runtime",
            "Timeout",
            "Version",
        ],
    ),
    (
        "lambda",
        "get_function",
        r#"{"FunctionName": "NAME"}"#,
        &["Concurrency", "Tags"],
    ),
    (
        "lambda",
        "get_provisioned_concurrency_config",
        r#"{"FunctionName": "NAME", "Qualifier": "live"}"#,
        &["RequestedProvisionedConcurrentExecutions"],
    ),
    (
        "lambda",
        "get_function_url_config",
        r#"{"FunctionName": "NAME", "Qualifier": "live"}"#,
        &["AuthType", "Cors", "InvokeMode"],
    ),
    (
        "lambda",
        "get_policy",
        r#"{"FunctionName": "NAME", "Qualifier": "live"}"#,
        &["Policy"],
    ),
    (
        "logs",
        "describe_log_groups",
        r#"{"logGroupNamePrefix": "/aws/lambda/NAME"}"#,
        &["logGroups"],
    ),
    (
        "iam",
        "get_role",
        r#"{"RoleName": "NAME-us-east-1"}"#,
        &["Role"],
    ),
    (
        "iam",
        "list_role_policies",
        r#"{"RoleName": "NAME-us-east-1"}"#,
        &["PolicyNames"],
    ),
    (
        "iam",
        "list_attached_role_policies",
        r#"{"RoleName": "NAME-us-east-1"}"#,
        &["AttachedPolicies"],
    ),
];

/// These are other ones each time.
const VOLATILE: [&str; 5] = [
    "CreateDate",
    "RoleId",
    "RoleLastUsed",
    "creationTime",
    "storedBytes",
];

/// What boto3 says, in the order of the questions.
async fn seen(account: &mut Account) -> Json {
    let mut all = Vec::new();
    for (service, method, arguments, kept) in QUESTIONS {
        let arguments = serde_json::from_str(&arguments.replace("NAME", NAME)).expect("is JSON");
        let answer = account.ask(service, method, arguments).await;
        let parts = kept
            .iter()
            .map(|part| ((*part).to_owned(), answer[part].clone()));
        let parts: Map<String, Json> = parts.collect();
        all.push(json!({method: steady(Json::Object(parts))}));
    }
    let policy = all
        .iter()
        .find_map(|answer| answer["list_role_policies"]["PolicyNames"][0].as_str());
    let policy = json!({"RoleName": format!("{NAME}-us-east-1"), "PolicyName": policy});
    let policy = account.ask("iam", "get_role_policy", policy).await;
    all.push(json!({"get_role_policy": policy["PolicyDocument"]}));
    Json::Array(all)
}

/// Without what is another one each time; texts that are JSON as JSON.
fn steady(value: Json) -> Json {
    match value {
        Json::Object(fields) => {
            let fields = fields.into_iter();
            let fields = fields.filter(|(name, _)| !VOLATILE.contains(&name.as_str()));
            fields.map(|(name, value)| (name, steady(value))).collect()
        }
        Json::Array(items) => items.into_iter().map(steady).collect(),
        Json::String(text) if text.starts_with('{') => {
            serde_json::from_str(&text).unwrap_or(Json::String(text))
        }
        other => other,
    }
}

#[tokio::test]
async fn boto3_finds_what_the_manifest_declares_and_nowhere_a_secret() {
    let mut account = Account::start().await;
    let parameter = json!({"Name": "/parameter", "Value": SECRET, "Type": "SecureString"});
    let secret = json!({"Name": "token", "SecretString": SECRET});
    for (service, method, what) in [
        ("s3", "create_bucket", json!({"Bucket": "uploads"})),
        ("secretsmanager", "create_secret", secret),
        ("ssm", "put_parameter", parameter),
    ] {
        account.ask(service, method, what).await;
    }
    let project = Project::copy_of("iris").with_file("serverless.yaml", MANIFEST);
    account.proxy.keep_requests();
    for words in [&["plan"][..], &["plan", "--json"], &["deploy", "--yes"]] {
        let (said, _) = account.run(&project, words);
        assert!(!said.to_string().contains(SECRET), "{said}");
    }
    let sent = account.proxy.take_requests();
    let mut bodies = sent
        .iter()
        .map(|request| String::from_utf8_lossy(&request.body));
    assert!(!bodies.any(|body| body.contains(SECRET)));

    let seen = mlfn_core::sorted(seen(&mut account).await);
    let seen = serde_json::to_string_pretty(&seen).expect("is JSON") + "\n";
    let seen = seen.replace(&account.proxy.url(), "https://sqs.us-east-1.amazonaws.com");
    // Secrets Manager adds six characters to a name.
    let random = Regex::new("secret:token-[0-9A-Za-z]{6}\"").expect("is a pattern");
    let seen = random.replace(&seen, "secret:token-??????\"").into_owned();
    let path = repository().join("tests/it/aws/declared.json");
    if std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1") {
        fs_err::write(path, seen).expect("writes");
        return;
    }
    let expected = fs_err::read_to_string(path).expect("reads");
    similar_asserts::assert_eq!(found: seen, expected: expected);
}
