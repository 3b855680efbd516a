//! mlfn on AWS, as ministack makes it: the real binary deploys there, and ministack runs what was
//! deployed. What AWS has is read back by boto3.
//!
//! - `asynchronous`: requests that nobody waits for, and who is told what became of them
//! - `auth`: who may call
//! - `credentials`: who deploys, and where, by the environment and the profiles of AWS's tools
//! - `declared`: boto3 finds what the manifest says
//! - `engines`: what tract runs is deployed as what ONNX Runtime runs
//! - `examples`: the whole life of every example, and the calls that it takes
//! - `faults`: what is cut short is finished
//! - `large`: packages that are too large for a request, models that are too large for a package
//! - `layers`: the library by itself
//! - `limits`: nothing is asked that the models of AWS's services do not allow
//! - `logs`: what a request has written, by its id, also while it is followed
//! - `policy`: what whoever deploys must be allowed
//! - `traffic`: requests that move to a new version, and logs that stay
//! - `triggers`: what comes from each source reaches its model, and what comes of it
//! - `versions`: how long old versions stay
//!
//! What ministack does not do: it never shares traffic between versions, knows no tokens of users
//! but those of its own Cognito, takes the settings of asynchronous requests from the function only
//! and not from the alias that they are for, tells nobody of success, and does not refuse a mapping, a route or a stage that is there
//! already (`providers/aws/tests/answers` replays those refusals).

mod asynchronous;
mod auth;
mod credentials;
mod declared;
mod engines;
mod examples;
mod faults;
mod large;
mod layers;
mod limits;
mod logs;
mod policy;
mod traffic;
mod triggers;
mod versions;

use std::collections::BTreeSet;
use std::path::PathBuf;

use mlfn_testkit::proxy::{Call, Proxy};
use mlfn_testkit::requests::judge;
use mlfn_testkit::servers::Ministack;
use serde_json::{Value as Json, json};

use crate::support::boto3::Boto3;
use crate::support::mlfn::{Mlfn, Output, Project};
use crate::support::unpacked::Unpacked;

/// An account, and a project that is deployed to it.
struct Account {
    aws: Ministack,
    /// Between mlfn and the account.
    proxy: Proxy,
    boto3: Boto3,
    /// What the layers of functions hold, if they have any.
    layers: Option<Unpacked>,
}

impl Account {
    async fn start() -> Self {
        Self::with(Ministack::start).await
    }

    async fn with(start: fn() -> Ministack) -> Self {
        Self::having(None, start).await
    }

    /// Where functions find ONNX Runtime though it is in a layer: ministack, which is started with
    /// `variables`, keeps layers and does not unpack them.
    async fn with_layers(variables: &'static [(&'static str, &'static str)]) -> Self {
        let layer = tokio::task::spawn_blocking(layer).await.expect("is made");
        let folder = layer.root().to_str().expect("is text").to_owned();
        let start = move || {
            let ours = [("MLFN_LAYERS", folder.as_str())];
            Ministack::start_with(&[variables, &ours].concat())
        };
        Self::having(Some(layer), start).await
    }

    async fn having(
        layers: Option<Unpacked>,
        start: impl FnOnce() -> Ministack + Send + 'static,
    ) -> Self {
        let start = tokio::task::spawn_blocking(start);
        let aws = start.await.expect("starts");
        let proxy = Proxy::start(&aws.url());
        let boto3 = Boto3::at(&aws.url()).await;
        Self {
            aws,
            proxy,
            boto3,
            layers,
        }
    }

    /// The library in the layers.
    fn library(&self) -> PathBuf {
        let layers = self.layers.as_ref().expect("is with layers");
        layers.root().join("lib/libonnxruntime.so")
    }

    /// Keeps every request of mlfn, for [`Account::called_as_allowed`].
    fn judged(self) -> Self {
        self.proxy.keep_requests();
        self
    }

    /// Makes sure that the models of AWS's services allow all requests so far; returns what was
    /// called.
    #[track_caller]
    fn called_as_allowed(&self) -> BTreeSet<String> {
        let judgement = judge(&self.proxy.take_requests());
        assert_eq!(judgement.problems, Vec::<String>::new());
        judgement.operations.into_keys().collect()
    }

    /// `mlfn <words>`, for the owner of the account.
    fn mlfn(&self, project: &Project, words: &[&str]) -> Mlfn {
        let variables = self.aws.environment().into_iter();
        let mlfn = variables.fold(project.mlfn(words), |mlfn, (name, value)| {
            mlfn.env(name, value)
        });
        mlfn.env("AWS_ENDPOINT_URL", self.proxy.url())
    }

    /// What it says, and the calls that it makes.
    #[track_caller]
    fn run(&self, project: &Project, words: &[&str]) -> (Output, Vec<Call>) {
        self.proxy.forget();
        let output = self.mlfn(project, words).run().success();
        (output, self.proxy.calls())
    }

    fn port(&self) -> u16 {
        let url = self.aws.url();
        let port = url.rsplit(':').next().expect("has a port");
        port.parse().expect("is a number")
    }

    async fn ask(&mut self, service: &str, method: &str, arguments: Json) -> Json {
        let answer = self.boto3.ask(service, method, arguments).await;
        assert!(
            answer.get("error").is_none(),
            "{service}.{method}: {answer}"
        );
        answer
    }

    /// Everything in the account, by name.
    async fn inventory(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        for (service, method, list, name) in LISTS {
            let answer = self.ask(service, method, json!({})).await;
            let items = answer[list].as_array().cloned().unwrap_or_default();
            let named = items.iter().map(|item| item.get(name).unwrap_or(item));
            let named = named
                .filter_map(Json::as_str)
                .filter(|name| !is_given(name));
            all.extend(named.map(|name| format!("{method}: {name}")));
        }
        all.sort();
        all
    }
}

/// The layer that all models have, unpacked.
fn layer() -> Unpacked {
    let manifest = "mlfn: 1\nservice: iris\nprovider: aws\nmodels:\n  classifier:\n    \
                    path: model.onnx\n    aws: { layers: true }\n";
    let project = Project::copy_of("iris").with_file("serverless.yaml", manifest);
    project.mlfn(["package"]).run().success();
    let name = ".mlfn/package/onnxruntime-x86_64.zip";
    Unpacked::of(&project.folder().join(name))
}

/// What is in every account of ministack.
fn is_given(name: &str) -> bool {
    name == "default" || name.starts_with("AWSServiceRole")
}

/// Service, method, the list in its answer, and what names an item; else the item is a name.
const LISTS: [(&str, &str, &str, &str); 12] = [
    ("lambda", "list_functions", "Functions", "FunctionName"),
    ("lambda", "list_layers", "Layers", "LayerName"),
    (
        "lambda",
        "list_event_source_mappings",
        "EventSourceMappings",
        "EventSourceArn",
    ),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("sqs", "list_queues", "QueueUrls", ""),
    ("sns", "list_topics", "Topics", "TopicArn"),
    (
        "sns",
        "list_subscriptions",
        "Subscriptions",
        "SubscriptionArn",
    ),
    ("apigatewayv2", "get_apis", "Items", "Name"),
    (
        "scheduler",
        "list_schedule_groups",
        "ScheduleGroups",
        "Name",
    ),
    ("scheduler", "list_schedules", "Schedules", "Name"),
    ("s3", "list_buckets", "Buckets", "Name"),
];
