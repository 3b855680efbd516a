//! Who deploys, and where: whatever AWS's own tools are told. ministack obeys policies here, so that
//! credentials of somebody else would be refused.

use std::collections::{BTreeMap, BTreeSet};

use mlfn_testkit::proxy::{Proxy, Request};
use mlfn_testkit::servers::Ministack;
use serde_json::{Value as Json, json};

use super::Account;
use crate::support::mlfn::{Mlfn, Project};

const REQUEST: &str = r#"{"features": [5.1, 3.5, 1.4, 0.2]}"#;

/// Who signs tokens for CI, as the keys of conditions name it.
const ISSUER: &str = "token.actions.githubusercontent.com";

const ROLE: &str = "arn:aws:iam::000000000000:role/deployer";

/// What a request is signed with.
#[derive(Debug, PartialEq, Eq)]
struct Signature {
    key: String,
    region: String,
    service: String,
    has_token: bool,
}

impl Signature {
    /// None if it is not signed.
    fn of(request: &Request) -> Option<Self> {
        let header = |wanted: &str| {
            let mut headers = request.headers.iter();
            let found = headers.find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.as_str())
        };
        let (_, rest) = header("authorization")?.split_once("Credential=")?;
        let parts: Vec<&str> = rest.split(['/', ',']).collect();
        let [key, _day, region, service, ..] = parts[..] else {
            panic!("not a scope: {rest}")
        };
        Some(Self {
            key: key.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            has_token: header("x-amz-security-token").is_some(),
        })
    }
}

/// An account with a role for whoever deploys.
struct Company {
    account: Account,
    project: Project,
}

impl Company {
    /// The role is for those whom `principal` names, under `condition`.
    async fn open(principal: &Json, condition: &Json, action: &str) -> Self {
        let mut account = Account::with(Ministack::start_with_policies).await;
        account.proxy.keep_requests();
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": principal, "Condition": condition, "Action": action,
        }]});
        let role = json!({"RoleName": "deployer", "AssumeRolePolicyDocument": trust.to_string()});
        account.ask("iam", "create_role", role).await;
        let policy = json!({
            "RoleName": "deployer", "PolicyName": "all", "PolicyDocument": everything(),
        });
        account.ask("iam", "put_role_policy", policy).await;
        Self {
            account,
            project: Project::copy_of("iris"),
        }
    }

    /// A user who may do everything: the id and the secret of a key.
    async fn hire(&mut self, name: &str) -> (String, String) {
        let user = json!({"UserName": name});
        self.account.ask("iam", "create_user", user.clone()).await;
        let made = self.account.ask("iam", "create_access_key", user).await;
        let policy = json!({"UserName": name, "PolicyName": "all", "PolicyDocument": everything()});
        self.account.ask("iam", "put_user_policy", policy).await;
        let part = |part: &str| {
            let part = made["AccessKey"][part].as_str();
            part.expect("is text").to_owned()
        };
        (part("AccessKeyId"), part("SecretAccessKey"))
    }

    fn home_file(&self, path: &str, contents: &str) -> String {
        let path = self.project.home().join(path);
        fs_err::create_dir_all(path.parent().expect("has a parent")).expect("makes a folder");
        fs_err::write(&path, contents).expect("writes");
        path.to_str().expect("is text").to_owned()
    }

    /// Deploys, asks and removes, each by what `as_them` makes of a command. Returns what was requested.
    fn is_deployed_to(&self, as_them: impl Fn(Mlfn) -> Mlfn) -> Vec<Request> {
        self.account.proxy.take_requests();
        for words in [
            &["deploy", "--yes"][..],
            &["invoke", "classifier", "--data", REQUEST],
            &["remove", "--yes"],
        ] {
            as_them(self.project.mlfn(words)).run().success();
        }
        self.account.proxy.take_requests()
    }
}

fn everything() -> String {
    let all = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    json!({"Version": "2012-10-17", "Statement": [all]}).to_string()
}

/// A token as CI hands them out, for somebody. Nobody looks at its signature here.
fn token(audience: &str) -> String {
    let part = |part: Json| base64(part.to_string().as_bytes());
    let claims = json!({"iss": format!("https://{ISSUER}"), "aud": audience, "sub": "repo:a/b"});
    format!("{}.{}.c2ln", part(json!({"alg": "RS256"})), part(claims))
}

/// Of URLs, without padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = |chunk: &[u8]| {
        let byte = |number: usize| u32::from(chunk.get(number).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digit = |number: u32| DIGITS[(bits >> (18 - 6 * number) & 63) as usize];
        let digits = [0, 1, 2, 3].map(digit);
        String::from_utf8_lossy(&digits[..=chunk.len()]).into_owned()
    };
    bytes.chunks(3).map(digits).collect()
}

/// All that is signed is signed by a session, for a region; the other requests.
#[track_caller]
fn of_sessions<'a>(requests: &'a [Request], region: &str) -> Vec<&'a Request> {
    let (signed, others): (Vec<&Request>, Vec<&Request>) = requests
        .iter()
        .partition(|request| Signature::of(request).is_some_and(|by| by.has_token));
    let regions: BTreeSet<String> = signed
        .iter()
        .filter_map(|request| Signature::of(request))
        // IAM is the same everywhere.
        .filter(|by| by.service != "iam")
        .map(|by| by.region)
        .collect();
    assert_eq!(regions, [region.to_owned()].into());
    others
}

#[tokio::test]
async fn ci_deploys_by_its_token_and_no_other_credentials() {
    let provider = json!({
        "Federated": format!("arn:aws:iam::000000000000:oidc-provider/{ISSUER}"),
    });
    let condition = json!({"StringEquals": {format!("{ISSUER}:aud"): "sts.amazonaws.com"}});
    let action = "sts:AssumeRoleWithWebIdentity";
    let company = Company::open(&provider, &condition, action).await;
    let good = token("sts.amazonaws.com");
    let file = company.home_file("token", &good);
    let as_ci = |mlfn: Mlfn| {
        mlfn.env("AWS_WEB_IDENTITY_TOKEN_FILE", &file)
            .env("AWS_ROLE_ARN", ROLE)
            .env("AWS_ROLE_SESSION_NAME", "pipeline-7")
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ENDPOINT_URL", company.account.proxy.url())
    };
    let requests = company.is_deployed_to(as_ci);
    let others = of_sessions(&requests, "eu-west-1");
    assert_eq!(others.len(), 3, "one for each command: {others:?}");
    for request in others {
        assert_eq!(Signature::of(request), None);
        let body = String::from_utf8_lossy(&request.body);
        for part in [action.trim_start_matches("sts:"), &good, "pipeline-7"] {
            assert!(body.contains(part), "{part}: {body}");
        }
    }

    company.home_file("token", &token("somebody else"));
    let refused = as_ci(company.project.mlfn(["deploy", "--yes"]))
        .run()
        .code(5);
    refused.stderr_has("Not authorized to perform sts:AssumeRoleWithWebIdentity");
}

#[tokio::test]
async fn a_profile_says_who_deploys_and_where() {
    let everybody = json!({"AWS": "*"});
    let mut company = Company::open(&everybody, &json!({}), "sts:AssumeRole").await;
    let (id, secret) = company.hire("ada").await;
    company.home_file(
        ".aws/credentials",
        &format!("[ada]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"),
    );
    let url = company.account.proxy.url();
    company.home_file(
        ".aws/config",
        &format!(
            "[profile ada]\nregion = eu-central-1\nendpoint_url = {url}\n\
             [profile deployer]\nrole_arn = {ROLE}\nsource_profile = ada\n\
             region = eu-north-1\nendpoint_url = {url}\n"
        ),
    );
    let requests = company.is_deployed_to(|mlfn| mlfn.env("AWS_PROFILE", "ada"));
    let scopes = requests
        .iter()
        .map(|request| Signature::of(request).expect("is signed"));
    for by in scopes {
        assert_eq!((&by.key, by.has_token), (&id, false), "{by:?}");
        assert!(by.service == "iam" || by.region == "eu-central-1", "{by:?}");
    }

    let requests = company.is_deployed_to(|mlfn| mlfn.env("AWS_PROFILE", "deployer"));
    let others = of_sessions(&requests, "eu-north-1");
    assert_eq!(others.len(), 3, "one for each command: {others:?}");
    for request in others {
        assert_eq!(Signature::of(request).expect("is signed").key, id);
        let body = String::from_utf8_lossy(&request.body);
        assert!(body.contains("Action=AssumeRole&"), "{body}");
    }

    // The role of the machine is not asked for instead.
    let nobody = company.project.mlfn(["deploy", "--yes"]);
    let refused = nobody
        .env("AWS_PROFILE", "nobody")
        .env("AWS_REGION", "eu-west-1");
    let told = refused
        .run()
        .code(5)
        .stderr_has("there is no profile `nobody`");
    told.stderr_has("but `ada`, `deployer`");
}

#[tokio::test]
async fn a_dry_run_says_whether_one_may_call() {
    let everybody = json!({"AWS": "*"});
    let mut company = Company::open(&everybody, &json!({}), "sts:AssumeRole").await;
    let (account, project) = (&company.account, &company.project);
    account.run(project, &["deploy", "--yes"]);
    let (id, secret) = company.hire("eve").await;
    let dry_run = |company: &Company| {
        let words = [
            "invoke",
            "classifier",
            "--type",
            "DryRun",
            "--data",
            REQUEST,
        ];
        let mlfn = company.account.mlfn(&company.project, &words);
        let mlfn = mlfn.env("AWS_ACCESS_KEY_ID", &id);
        mlfn.env("AWS_SECRET_ACCESS_KEY", &secret).run()
    };
    dry_run(&company).code(0).stderr_has("can be called");
    let no = json!({"Effect": "Deny", "Action": "lambda:InvokeFunction", "Resource": "*"});
    let no = json!({"Version": "2012-10-17", "Statement": [no]}).to_string();
    let policy = json!({"UserName": "eve", "PolicyName": "no", "PolicyDocument": no});
    company.account.ask("iam", "put_user_policy", policy).await;
    dry_run(&company)
        .code(5)
        .stderr_has("lambda:InvokeFunction");
}

/// With something of every service.
const MANIFEST: &str = r"
mlfn: 1
service: places
provider: aws
models:
  classifier:
    path: model.onnx
    memory: 256MB
    traffic: { canary: 50%, every: 1s, alarm: errors }
    environment: { TOKEN: { secret: token }, PARAMETER: { secret: /parameter } }
    triggers:
      - http: POST /a
      - http: { method: POST, path: /b, auth: iam }
      - schedule: { every: 5 minutes, input: { features: [5.1, 3.5, 1.4, 0.2] } }
      - queue: jobs
      - topic: news
      - storage: { bucket: uploads }
      - stream: { kinesis: clicks }
      - stream: { dynamodb: orders }
";

/// The end of the name of the variable, and what signatures call the service.
const SERVICES: [(&str, &str); 14] = [
    ("APIGATEWAYV2", "apigateway"),
    ("CLOUDWATCH", "monitoring"),
    ("CLOUDWATCH_LOGS", "logs"),
    ("DYNAMODB_STREAMS", "dynamodb"),
    ("IAM", "iam"),
    ("KINESIS", "kinesis"),
    ("LAMBDA", "lambda"),
    ("S3", "s3"),
    ("SCHEDULER", "scheduler"),
    ("SECRETS_MANAGER", "secretsmanager"),
    ("SNS", "sns"),
    ("SQS", "sqs"),
    ("SSM", "ssm"),
    ("STS", "sts"),
];

/// What the manifest finds on the account.
async fn prepare(account: &mut Account) {
    let table = json!({
        "TableName": "orders",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"},
    });
    let stream = json!({"StreamName": "clicks", "ShardCount": 1});
    let parameter = json!({"Name": "/parameter", "Value": "s3cret", "Type": "SecureString"});
    let secret = json!({"Name": "token", "SecretString": "s3cret"});
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

#[tokio::test]
async fn every_service_is_asked_where_the_environment_says_that_it_is() {
    let mut account = Account::start().await;
    prepare(&mut account).await;
    let places = SERVICES.map(|(variable, service)| {
        let proxy = Proxy::start(&account.aws.url());
        proxy.keep_requests();
        (format!("AWS_ENDPOINT_URL_{variable}"), service, proxy)
    });
    let project = Project::copy_of("iris");
    for (memory, words) in [
        ("256MB", &["deploy", "--yes"]),
        ("320MB", &["deploy", "--yes"]),
        ("320MB", &["remove", "--yes"]),
    ] {
        let manifest = MANIFEST.replace("256MB", memory);
        fs_err::write(project.folder().join("serverless.yaml"), manifest).expect("writes");
        let mlfn = project.mlfn(words);
        let mlfn = mlfn.env("AWS_REGION", "us-east-1");
        let mlfn = mlfn
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test");
        let mlfn = places.iter().fold(mlfn, |mlfn, (variable, _, proxy)| {
            mlfn.env(variable, proxy.url())
        });
        mlfn.run().success();
    }
    let asked: BTreeMap<&str, BTreeSet<String>> = places
        .iter()
        .map(|(variable, _, proxy)| {
            let requests = proxy.take_requests();
            let by = requests
                .iter()
                .map(|one| Signature::of(one).expect("is signed"));
            (variable.as_str(), by.map(|by| by.service).collect())
        })
        .collect();
    let expected = places
        .iter()
        .map(|(variable, service, _)| (variable.as_str(), BTreeSet::from([(*service).to_owned()])));
    assert_eq!(asked, expected.collect());
}
