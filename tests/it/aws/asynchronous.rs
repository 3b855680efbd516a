//! Requests that nobody waits for: what becomes of them, and who is told.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::Account;
use crate::support::mlfn::Project;

/// The model has no request with one feature.
const BAD: &str = r#"{"features": [1]}"#;

/// Nothing takes longer.
const LIMIT: Duration = Duration::from_mins(1);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

const FUNCTION: &str = "iris-async-dev-classifier";

/// The example's second manifest, deployed.
struct Office {
    account: Account,
    project: Project,
}

impl Office {
    async fn open() -> Self {
        let account = Account::start().await.judged();
        let office = Self {
            account,
            project: Project::copy_of("iris"),
        };
        office.run(&["deploy", "--yes"]);
        office
    }

    #[track_caller]
    fn run(&self, words: &[&str]) {
        let words = [words, &["--config", "async.yaml"]].concat();
        self.account.run(&self.project, &words);
    }

    fn change(&self, old: &str, new: &str) {
        let path = self.project.folder().join("async.yaml");
        let text = fs_err::read_to_string(&path).expect("reads");
        assert!(text.contains(old), "{text}");
        fs_err::write(path, text.replace(old, new)).expect("writes");
    }

    /// What boto3 reads of the alias: retries, seconds, and the names of the destinations.
    async fn settings(&mut self) -> Json {
        let live = json!({"FunctionName": FUNCTION, "Qualifier": "live"});
        let read = &mut self.account.boto3;
        let told = read
            .ask("lambda", "get_function_event_invoke_config", live)
            .await;
        let to = |key: &str| {
            let arn = told["DestinationConfig"][key]["Destination"].as_str();
            arn.map(|arn| arn.rsplit(':').next().unwrap_or_default().to_owned())
        };
        json!([
            told["MaximumRetryAttempts"],
            told["MaximumEventAgeInSeconds"],
            to("OnSuccess"),
            to("OnFailure"),
        ])
    }

    /// Sends an asynchronous request to the newest version with the settings of the alias: ministack
    /// keeps those of aliases, and obeys only those of the function itself.
    async fn send(&mut self, request: &str) {
        let live = json!({"FunctionName": FUNCTION, "Qualifier": "live"});
        let account = &mut self.account;
        let told = account
            .ask("lambda", "get_function_event_invoke_config", live)
            .await;
        let settings = json!({
            "FunctionName": FUNCTION,
            "MaximumRetryAttempts": told["MaximumRetryAttempts"],
            "MaximumEventAgeInSeconds": told["MaximumEventAgeInSeconds"],
            "DestinationConfig": told["DestinationConfig"],
        });
        account
            .ask("lambda", "put_function_event_invoke_config", settings)
            .await;
        let event =
            json!({"FunctionName": FUNCTION, "InvocationType": "Event", "Payload": request});
        account.ask("lambda", "invoke", event).await;
    }

    /// The body of the next message.
    async fn message(&mut self, queue: &str) -> Json {
        let url = self
            .account
            .ask("sqs", "get_queue_url", json!({"QueueName": queue}))
            .await;
        let receive = json!({"QueueUrl": url["QueueUrl"], "MaxNumberOfMessages": 1});
        let start = Instant::now();
        loop {
            let told = self
                .account
                .ask("sqs", "receive_message", receive.clone())
                .await;
            if let Some(body) = told["Messages"][0]["Body"].as_str() {
                return serde_json::from_str(body).expect("is JSON");
            }
            assert!(start.elapsed() < LIMIT, "nobody told {queue}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A new queue that has all messages of the topic.
    async fn subscribe(&mut self, topic: &str) -> String {
        let name = format!("{topic}-reader");
        self.account
            .ask("sqs", "create_queue", json!({"QueueName": name}))
            .await;
        let arn =
            |service: &str, name: &str| format!("arn:aws:{service}:us-east-1:000000000000:{name}");
        let subscribe = json!({
            "TopicArn": arn("sns", topic), "Protocol": "sqs", "Endpoint": arn("sqs", &name),
        });
        self.account.ask("sns", "subscribe", subscribe).await;
        name
    }
}

#[track_caller]
fn is_told_of_failure(record: &Json) {
    assert_eq!(
        record["requestContext"]["condition"], "RetriesExhausted",
        "{record}"
    );
    assert_eq!(record["requestPayload"]["features"], json!([1]), "{record}");
    assert_eq!(
        record["responsePayload"]["errorType"], "wrong_shape",
        "{record}"
    );
}

#[tokio::test]
async fn queues_and_topics_are_told_what_became_of_asynchronous_requests() {
    let mut office = Office::open().await;
    let done = "iris-async-dev-done";
    let alerts = "iris-async-dev-alerts";
    assert_eq!(office.settings().await, json!([1, 3600, done, alerts]));
    let reader = office.subscribe(alerts).await;
    office.run(&["invoke", "classifier", "--type", "Event", "--data", BAD]);
    office.send(BAD).await;
    let notification = office.message(&reader).await;
    let record = notification["Message"].as_str().expect("is text");
    is_told_of_failure(&serde_json::from_str(record).expect("is JSON"));

    office.change("on_success: { queue: done }, ", "");
    office.change("{ topic: alerts }", "{ queue: done }");
    office.change("max_tries: 2", "max_tries: 1");
    office.run(&["deploy", "--yes"]);
    assert_eq!(office.settings().await, json!([0, 3600, null, done]));
    office.send(BAD).await;
    is_told_of_failure(&office.message(done).await);

    office.change("async:", "#");
    office.run(&["deploy", "--yes"]);
    assert_eq!(office.settings().await, json!([null, null, null, null]));
    let called = office.account.called_as_allowed();
    for call in ["Put", "Delete", "Get"] {
        let call = format!("lambda {call}FunctionEventInvokeConfig");
        assert!(called.contains(&call), "{called:?}");
    }
}
