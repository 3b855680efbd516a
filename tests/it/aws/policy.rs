//! The policy that `mlfn plan --policy` prints is enough to deploy, and no statement of it is too
//! much: ministack obeys it.

use serde_json::{Value as Json, json};

use super::Account;
use crate::support::mlfn::{Mlfn, Output, Project};

/// With something of every service of AWS that mlfn uses.
const MANIFEST: &str = r"
mlfn: 1
service: rights
provider: aws
models:
  classifier:
    path: model.onnx
    example: { features: [5.1, 3.5, 1.4, 0.2] }
    async: { on_failure: { queue: failed } }
    triggers:
      - http: POST /predict
      - queue: { name: jobs, output: results }
      - topic: news
      - schedule: { every: 5 minutes, input: { features: [5.1, 3.5, 1.4, 0.2] } }
      - storage: { bucket: rights-uploads, output: { bucket: rights-predictions } }
    aws: { layers: true }
";

const USER: &str = "deployer";

/// The account, and somebody who may do what a policy says.
struct Office {
    account: Account,
    project: Project,
    keys: (String, String),
}

impl Office {
    async fn open() -> Self {
        let mut account = Account::with_layers(&[("AUTH", "true")]).await;
        let user = json!({"UserName": USER});
        account.ask("iam", "create_user", user.clone()).await;
        let made = account.ask("iam", "create_access_key", user).await;
        let key = |name: &str| {
            let key = made["AccessKey"][name].as_str();
            key.expect("is text").to_owned()
        };
        Self {
            keys: (key("AccessKeyId"), key("SecretAccessKey")),
            account,
            project: Project::copy_of("iris").with_file("serverless.yaml", MANIFEST),
        }
    }

    async fn allow(&mut self, statements: &[Json]) {
        let statements: Vec<Json> = statements.iter().flat_map(in_ministacks_words).collect();
        let policy = json!({"Version": "2012-10-17", "Statement": statements});
        let policy = json!({
            "UserName": USER, "PolicyName": "all", "PolicyDocument": policy.to_string(),
        });
        self.account.ask("iam", "put_user_policy", policy).await;
    }

    fn as_user(&self, words: &[&str]) -> Mlfn {
        let (id, secret) = &self.keys;
        let mlfn = self.account.mlfn(&self.project, words);
        mlfn.env("AWS_ACCESS_KEY_ID", id)
            .env("AWS_SECRET_ACCESS_KEY", secret)
    }

    /// Deploys, and looks whether all is well; the first refusal, if there is one.
    fn refusal(&self) -> Option<Output> {
        let commands: [&[&str]; 2] = [&["deploy", "--yes"], &["plan", "--detailed-exitcode"]];
        let mut outputs = commands.iter().map(|words| self.as_user(words).run());
        outputs.find(|output| output.code != Some(0))
    }
}

#[tokio::test]
async fn the_policy_of_a_plan_is_enough_and_all_of_it_is_needed() {
    let mut office = Office::open().await;
    let (policy, _) = office.account.run(&office.project, &["plan", "--policy"]);
    let policy = policy.json();
    let all = policy["Statement"].as_array().expect("is a list").clone();
    let mut unneeded = Vec::new();
    let asked_for = |statement: &&Json| statement["Action"] != json!([NEVER_ASKED_FOR]);
    for (number, statement) in all.iter().enumerate() {
        let mut others = all.clone();
        others.remove(number);
        office.allow(&others).await;
        match office.refusal() {
            None => unneeded.extend(Some(statement).filter(asked_for)),
            Some(refused) => is_told(&refused, statement),
        }
        office.account.run(&office.project, &["remove", "--yes"]);
    }
    assert_eq!(unneeded, Vec::<&Json>::new());

    office.allow(&all).await;
    if let Some(refused) = office.refusal() {
        panic!("the policy is not enough: {refused}");
    }
    office.account.run(&office.project, &["remove", "--yes"]);
}

/// Of these, ministack does not know what they are about, so that it wants them for everything. And
/// it wants the right to list aliases of whoever looks at one or changes it.
const ABOUT_EVERYTHING: [&str; 7] = [
    "lambda:CreateFunction",
    "logs:DescribeLogGroups",
    "scheduler:CreateSchedule",
    "scheduler:GetSchedule",
    "scheduler:ListTagsForResource",
    "sns:GetSubscriptionAttributes",
    "sns:ListTagsForResource",
];

/// AWS wants it from whoever looks at a layer, or gives it to a function. ministack wants the right to
/// list layers for the first, and nothing for the second.
const NEVER_ASKED_FOR: &str = "lambda:GetLayerVersion";

/// A statement, and what ministack wants beyond it for the same.
fn in_ministacks_words(statement: &Json) -> Vec<Json> {
    let actions = statement["Action"].as_array().expect("is a list");
    let named = actions.iter().filter_map(Json::as_str);
    let beyond: Vec<&str> = named
        .filter_map(|action| match action {
            "lambda:GetAlias" => Some("lambda:ListAliases"),
            "lambda:ListLayerVersions" => Some("lambda:ListLayers"),
            "lambda:PutFunctionEventInvokeConfig" => Some("lambda:UpdateFunctionCode"),
            action => ABOUT_EVERYTHING.contains(&action).then_some(action),
        })
        .collect();
    let mut all = vec![statement.clone()];
    if !beyond.is_empty() {
        all.push(json!({"Effect": "Allow", "Action": beyond, "Resource": "*"}));
    }
    all
}

/// A refusal names an action of the statement that is missing, and ends as documented: 5 if nothing
/// was done before, 6 if something was.
#[track_caller]
fn is_told(refused: &Output, statement: &Json) {
    let statements = in_ministacks_words(statement);
    let actions = statements.iter().filter_map(|one| one["Action"].as_array());
    let mut actions = actions.flatten().filter_map(Json::as_str);
    let is_named = actions.any(|action| refused.stderr.contains(action));
    assert!(is_named, "{statement}: {refused}");
    let code = if refused.stderr.contains("what was done is recorded") {
        6
    } else {
        5
    };
    assert_eq!(refused.code, Some(code), "{refused}");
}
