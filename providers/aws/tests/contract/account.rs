//! An account on ministack that is empty at first, seen through AWS's own clients.

use std::collections::HashMap;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_sqs::types::QueueAttributeName;
use mlfn_testkit::python::{Packages, interpreter};
use mlfn_testkit::servers::{Ready, Server};

/// Credentials that ministack takes for the owner of the account.
pub(crate) const OWNER: &str = "test";

pub(crate) const REGION: &str = "eu-west-1";

/// ministack, in which functions get ready in 20 ms instead of 500: the clock of these tests runs
/// faster, too.
const START: &str = "import ministack.services.lambda_svc as functions
functions._LAMBDA_STATE_TRANSITION_DELAY = 0.02
from ministack.app import main
main()";

pub(crate) struct Account(Server);

impl Account {
    pub(crate) fn start() -> Self {
        let ready = Ready::Answering("/_ministack/health");
        Self(Server::start(
            interpreter(),
            ready,
            |command, [port]: [u16; 1]| {
                command
                    .args(["-c", START])
                    .env("PYTHONPATH", Packages::Aws.search_path())
                    .env("BIND_HOST", "127.0.0.1")
                    .env("GATEWAY_PORT", port.to_string());
            },
        ))
    }

    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    pub(crate) fn reset(&self) {
        let status = self.0.ask("POST", "/_ministack/reset").expect("answers");
        assert_eq!(status, 200, "{}", self.0.output());
    }

    fn config(&self) -> SdkConfig {
        let http = aws_smithy_http_client::Builder::new().build_http();
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(self.url())
            .region(Region::new(REGION))
            .credentials_provider(
                aws_credential_types::provider::SharedCredentialsProvider::new(Credentials::new(
                    OWNER, OWNER, None, None, "test",
                )),
            )
            .http_client(http)
            .build()
    }

    /// Somebody changes a queue by hand.
    pub(crate) async fn shorten_retention(&self, queue: &str) {
        let sqs = aws_sdk_sqs::Client::new(&self.config());
        let found = sqs.get_queue_url().queue_name(queue).send().await;
        let url = found.expect("is there").queue_url;
        let set = sqs.set_queue_attributes().set_queue_url(url);
        let set = set.attributes(QueueAttributeName::MessageRetentionPeriod, "60");
        set.send().await.expect("changes it");
    }

    /// Somebody makes a topic.
    pub(crate) async fn take_topic(&self, name: &str) {
        let sns = aws_sdk_sns::Client::new(&self.config());
        sns.create_topic()
            .name(name)
            .send()
            .await
            .expect("makes it");
    }

    /// Everything of the service `s`, stage `dev`. The account was empty; what has no tags of its
    /// own is there only if what it is in is, or is listed whoever made it.
    pub(crate) async fn inventory(&self) -> Vec<String> {
        let config = self.config();
        let mut all = functions(&config).await;
        all.extend(layers(&config).await);
        all.extend(roles(&config).await);
        all.extend(log_groups(&config).await);
        all.extend(queues(&config).await);
        all.extend(topics(&config).await);
        all.extend(schedule_groups(&config).await);
        all.extend(apis(&config).await);
        all.sort();
        all
    }
}

fn is_ours(tags: Option<&HashMap<String, String>>) -> bool {
    let tag = |key| tags.and_then(|tags| tags.get(key)).map(String::as_str);
    (tag("mlfn:service"), tag("mlfn:stage")) == (Some("s"), Some("dev"))
}

/// With everything in them.
async fn functions(config: &SdkConfig) -> Vec<String> {
    let lambda = aws_sdk_lambda::Client::new(config);
    let mut all = Vec::new();
    let list = lambda.list_functions().send().await.expect("lists");
    for function in list.functions() {
        let name = function.function_name().expect("has a name");
        let tags = lambda
            .list_tags()
            .resource(function.function_arn().expect("has an ARN"));
        let tags = tags.send().await.expect("lists");
        if !is_ours(tags.tags()) {
            continue;
        }
        all.push(format!("function {name}"));
        let versions = lambda.list_versions_by_function().function_name(name);
        let versions = versions.send().await.expect("lists");
        all.extend(
            versions
                .versions()
                .iter()
                .map(|version| format!("version {name} {}", version.version().unwrap_or_default())),
        );
        let aliases = lambda.list_aliases().function_name(name).send();
        let aliases = aliases.await.expect("lists");
        let named = |alias: &str| format!("alias {name}:{alias}");
        all.extend(aliases.aliases().iter().filter_map(|a| a.name()).map(named));
    }
    let mappings = lambda.list_event_source_mappings().send().await;
    let mappings = mappings.expect("lists");
    let named = mappings.event_source_mappings().iter().map(|mapping| {
        let source = mapping.event_source_arn().unwrap_or_default();
        format!("mapping {source}")
    });
    all.extend(named);
    all
}

/// All versions of layers that a service of this name and stage may have.
async fn layers(config: &SdkConfig) -> Vec<String> {
    let lambda = aws_sdk_lambda::Client::new(config);
    let mut all = Vec::new();
    let list = lambda.list_layers().send().await.expect("lists");
    let names = list.layers().iter().filter_map(|layer| layer.layer_name());
    for name in names.filter(|name| name.starts_with("s-dev_")) {
        let versions = lambda.list_layer_versions().layer_name(name).send().await;
        let versions = versions.expect("lists");
        let named = |number: i64| format!("layer {name} {number}");
        all.extend(
            versions
                .layer_versions()
                .iter()
                .map(|one| named(one.version())),
        );
    }
    all
}

async fn roles(config: &SdkConfig) -> Vec<String> {
    let iam = aws_sdk_iam::Client::new(config);
    let mut all = Vec::new();
    for role in iam.list_roles().send().await.expect("lists").roles() {
        let tags = iam.list_role_tags().role_name(role.role_name());
        let tags = tags.send().await.expect("lists");
        let tags = tags.tags().iter();
        let tags = tags.map(|tag| (tag.key().to_owned(), tag.value().to_owned()));
        if is_ours(Some(&tags.collect())) {
            all.push(format!("role {}", role.role_name()));
        }
    }
    all
}

async fn log_groups(config: &SdkConfig) -> Vec<String> {
    let logs = aws_sdk_cloudwatchlogs::Client::new(config);
    let mut all = Vec::new();
    let list = logs.describe_log_groups().send().await.expect("lists");
    for group in list.log_groups() {
        let arn = group.arn().expect("has an ARN").trim_end_matches(":*");
        let tags = logs.list_tags_for_resource().resource_arn(arn).send();
        if is_ours(tags.await.expect("lists").tags()) {
            all.push(format!(
                "log group {}",
                group.log_group_name().expect("has a name")
            ));
        }
    }
    all
}

async fn queues(config: &SdkConfig) -> Vec<String> {
    let sqs = aws_sdk_sqs::Client::new(config);
    let mut all = Vec::new();
    for url in sqs.list_queues().send().await.expect("lists").queue_urls() {
        let tags = sqs.list_queue_tags().queue_url(url).send().await;
        if is_ours(tags.expect("lists").tags()) {
            all.push(format!(
                "queue {}",
                url.rsplit('/').next().unwrap_or_default()
            ));
        }
    }
    all
}

async fn topics(config: &SdkConfig) -> Vec<String> {
    let sns = aws_sdk_sns::Client::new(config);
    let mut all = Vec::new();
    for topic in sns.list_topics().send().await.expect("lists").topics() {
        let arn = topic.topic_arn().expect("has an ARN");
        let tags = sns.list_tags_for_resource().resource_arn(arn).send();
        let tags = tags.await.expect("lists");
        let tags = tags.tags().iter();
        let tags = tags.map(|tag| (tag.key().to_owned(), tag.value().to_owned()));
        if is_ours(Some(&tags.collect())) {
            all.push(format!("topic {arn}"));
        }
    }
    let subscriptions = sns.list_subscriptions().send().await.expect("lists");
    let named = |endpoint: &str| format!("subscription {endpoint}");
    let endpoints = subscriptions.subscriptions().iter();
    all.extend(endpoints.filter_map(|s| s.endpoint()).map(named));
    all
}

async fn schedule_groups(config: &SdkConfig) -> Vec<String> {
    let scheduler = aws_sdk_scheduler::Client::new(config);
    let groups = scheduler.list_schedule_groups().send().await;
    let groups = groups.expect("lists");
    let ours = groups.schedule_groups().iter();
    let ours = ours
        .filter_map(|g| g.name())
        .filter(|name| *name != "default");
    let mut all: Vec<String> = ours.map(|name| format!("schedule group {name}")).collect();
    let schedules = scheduler.list_schedules().send().await.expect("lists");
    let named = |name: &str| format!("schedule {name}");
    all.extend(
        schedules
            .schedules()
            .iter()
            .filter_map(|s| s.name())
            .map(named),
    );
    all
}

async fn apis(config: &SdkConfig) -> Vec<String> {
    let gateway = aws_sdk_apigatewayv2::Client::new(config);
    let apis = gateway.get_apis().send().await.expect("lists");
    let named =
        |api: &aws_sdk_apigatewayv2::types::Api| format!("API {}", api.name().unwrap_or_default());
    apis.items().iter().map(named).collect()
}
