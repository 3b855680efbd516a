//! Who may call: routes and URLs for everybody, for those who sign, and for those with a token.

use mlfn_testkit::python::{Packages, output};
use mlfn_testkit::servers::Ministack;
use serde_json::{Value as Json, json};

use super::Account;
use crate::support::http::{self, Answer};
use crate::support::mlfn::Project;
use crate::support::place::repository;

const REQUEST: &str = r#"{"features": [5.1, 3.5, 1.4, 0.2]}"#;

const PASSWORD: &str = "Passw0rd!";

const INFER: &str = r#"{"inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 4],
    "data": [5.1, 3.5, 1.4, 0.2]}]}"#;

/// A service, and people who call it. ministack obeys policies, and its pools of users hand out
/// tokens that it knows.
struct House {
    account: Account,
    project: Project,
    /// Id and secret of somebody who may do what a policy says.
    keys: (String, String),
    pool: String,
}

impl House {
    async fn open() -> Self {
        let mut account = Account::with(Ministack::start_with_policies).await;
        let user = json!({"UserName": "caller"});
        account.ask("iam", "create_user", user.clone()).await;
        let made = account.ask("iam", "create_access_key", user).await;
        let key = |name: &str| text(&made["AccessKey"][name]);
        let pool = json!({"PoolName": "members"});
        let pool = account.ask("cognito-idp", "create_user_pool", pool).await;
        let pool = text(&pool["UserPool"]["Id"]);
        let user = json!({"UserPoolId": pool, "Username": "ada"});
        account.ask("cognito-idp", "admin_create_user", user).await;
        let password = json!({
            "UserPoolId": pool, "Username": "ada", "Password": PASSWORD, "Permanent": true,
        });
        let set = "admin_set_user_password";
        account.ask("cognito-idp", set, password).await;
        Self {
            keys: (key("AccessKeyId"), key("SecretAccessKey")),
            account,
            project: Project::copy_of("iris"),
            pool,
        }
    }

    /// Somebody for whom tokens are made: the audience.
    async fn client(&mut self, name: &str) -> String {
        let client = json!({
            "UserPoolId": self.pool, "ClientName": name,
            "ExplicitAuthFlows": ["ALLOW_ADMIN_USER_PASSWORD_AUTH"],
        });
        let create = "create_user_pool_client";
        let made = self.account.ask("cognito-idp", create, client).await;
        text(&made["UserPoolClient"]["ClientId"])
    }

    async fn token(&mut self, client: &str) -> String {
        let login = json!({
            "UserPoolId": self.pool, "ClientId": client, "AuthFlow": "ADMIN_USER_PASSWORD_AUTH",
            "AuthParameters": {"USERNAME": "ada", "PASSWORD": PASSWORD},
        });
        let initiate = "admin_initiate_auth";
        let told = self.account.ask("cognito-idp", initiate, login).await;
        text(&told["AuthenticationResult"]["IdToken"])
    }

    async fn allow(&mut self, actions: &[&str], resource: &str) {
        let statement = json!({"Effect": "Allow", "Action": actions, "Resource": resource});
        let policy = json!({"Version": "2012-10-17", "Statement": [statement]});
        let policy = json!({
            "UserName": "caller", "PolicyName": "calls", "PolicyDocument": policy.to_string(),
        });
        self.account.ask("iam", "put_user_policy", policy).await;
    }

    fn deploy(&mut self, triggers: &str) {
        let manifest = format!(
            "mlfn: 1\nservice: house\nprovider: aws\nmodels:\n  web:\n    path: model.onnx\n    \
             triggers:\n{triggers}"
        );
        let path = self.project.folder().join("serverless.yaml");
        fs_err::write(path, manifest).expect("writes");
        self.account.run(&self.project, &["deploy", "--yes"]);
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let port = self.account.port();
        let json = [("content-type", "application/json")];
        let headers = [&json[..], headers].concat();
        http::send(port, "POST", path, &headers, body.to_owned()).await
    }

    /// With a signature of the caller, by another secret if there is one.
    async fn signed(&self, path: &str, service: &str, secret: Option<&str>, body: &str) -> Answer {
        let (id, own) = &self.keys;
        let mut command = Packages::Aws.command();
        let script = repository().join("tests/it/support/sign.py");
        let url = format!("http://localhost{path}");
        let words = [&url, service, id, secret.unwrap_or(own), REQUEST];
        let headers = output(command.arg(script).args(words));
        let headers: Vec<(String, String)> = serde_json::from_str(&headers).expect("is a list");
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let headers = headers.filter(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        self.post(path, &headers.collect::<Vec<_>>(), body).await
    }
}

#[track_caller]
fn text(value: &Json) -> String {
    value.as_str().expect("is text").to_owned()
}

#[track_caller]
fn is_refused(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(!answer.text().contains("prediction"), "{}", answer.text());
}

#[track_caller]
fn is_answered(answer: &Answer) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["prediction"]["label"], 0, "{}", answer.text());
}

#[tokio::test]
async fn a_route_is_open_to_those_whom_the_manifest_names_and_nobody_else() {
    let mut house = House::open().await;
    let (ours, theirs) = (house.client("ours").await, house.client("theirs").await);
    let issuer = format!("https://cognito-idp.us-east-1.amazonaws.com/{}", house.pool);
    house.deploy(&format!(
        "      - http: POST /open\n      \
         - http: {{ method: POST, path: /closed, auth: iam }}\n      \
         - http:\n          method: POST\n          path: /members\n          \
         auth: {{ jwt: {{ issuer: \"{issuer}\", audience: [{ours}] }} }}\n"
    ));
    let apis = house.account.ask("apigatewayv2", "get_apis", json!({}));
    let api = text(&apis.await["Items"][0]["ApiId"]);
    let at = |path: &str| format!("/_aws/execute-api/{api}/$default{path}");
    is_answered(&house.post(&at("/open"), &[], REQUEST).await);
    // Whoever may ask the model at one path may ask it by the Open Inference Protocol.
    let infer = at("/v2/models/web/infer");
    let answer = house.post(&infer, &[], INFER).await;
    assert_eq!(answer.json()["outputs"][0]["data"], json!([0]));
    for path in ["/v2", "/v2/models/web/ready", "/openapi.json"] {
        let port = house.account.port();
        let answer = http::send(port, "GET", &at(path), &[], String::new()).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }

    let closed = at("/closed");
    is_refused(&house.post(&closed, &[], REQUEST).await, 403);
    let signed = async |house: &House, secret, body| {
        house.signed(&closed, "execute-api", secret, body).await
    };
    is_refused(&signed(&house, None, REQUEST).await, 403);
    let route = format!("arn:aws:execute-api:us-east-1:000000000000:{api}/$default/POST/closed");
    house.allow(&["execute-api:Invoke"], &route).await;
    is_answered(&signed(&house, None, REQUEST).await);
    is_refused(
        &signed(&house, Some("of somebody else"), REQUEST).await,
        403,
    );
    is_refused(
        &signed(&house, None, r#"{"features": [1, 2, 3, 4]}"#).await,
        403,
    );

    let members = at("/members");
    is_refused(&house.post(&members, &[], REQUEST).await, 401);
    let (good, other) = (house.token(&ours).await, house.token(&theirs).await);
    let forged = format!("{}AAAA", &good[..good.len() - 4]);
    for (token, is_good) in [(&good, true), (&other, false), (&forged, false)] {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let answer = house.post(&members, &headers, REQUEST).await;
        if is_good {
            is_answered(&answer);
        } else {
            is_refused(&answer, 401);
        }
    }
    house.account.run(&house.project, &["remove", "--yes"]);
}

#[tokio::test]
async fn a_url_for_those_who_sign_takes_only_what_is_signed() {
    let mut house = House::open().await;
    house.deploy("      - http: { method: POST, path: /predict, auth: iam }\n");
    let (info, _) = house.account.run(&house.project, &["info", "--json"]);
    let url = text(&info.json()["endpoints"][0]["url"]);
    let id = url.trim_start_matches("https://").split('.').next();
    let path = format!("/_aws/lambda-url/{}/predict", id.expect("has an id"));
    is_refused(&house.post(&path, &[], REQUEST).await, 403);
    is_refused(&house.signed(&path, "lambda", None, REQUEST).await, 403);
    let function = "arn:aws:lambda:us-east-1:000000000000:function:house-dev-web:live";
    let actions = ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"];
    house.allow(&actions, function).await;
    is_answered(&house.signed(&path, "lambda", None, REQUEST).await);
    let other = Some("of somebody else");
    is_refused(&house.signed(&path, "lambda", other, REQUEST).await, 403);
    house.account.run(&house.project, &["remove", "--yes"]);
}
