//! What comes from each source reaches its model, and what comes of it arrives.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::Account;
use crate::support::http;
use crate::support::mlfn::Project;

/// A function for each source. The queue's has so short a timeout that what fails is dead soon.
/// ministack does not tell functions where it is, as AWS need not.
const MANIFEST: &str = r#"
mlfn: 1
service: hub
provider: aws
models:
  worker:
    path: model.onnx
    timeout: 1s
    triggers: [{ queue: { name: jobs, max_tries: 1, output: results } }]
  news:
    path: model.onnx
    triggers: [{ topic: news }]
  files:
    path: model.onnx
    environment: { AWS_ENDPOINT_URL_S3: "${env:AWS_ENDPOINT_URL}" }
    triggers:
      - storage:
          { bucket: uploads, prefix: in/, suffix: .json, output: { bucket: predictions, prefix: out/ } }
  clicks:
    path: model.onnx
    triggers: [{ stream: { kinesis: clicks, start: oldest } }]
  orders:
    path: model.onnx
    triggers: [{ stream: { dynamodb: orders, start: oldest } }]
  clock:
    path: model.onnx
    triggers: [{ schedule: { every: 1 minute, input: { features: [5.1, 3.5, 1.4, 0.2] } } }]
  web:
    path: model.onnx
    triggers:
      - http: POST /open
      - http: { method: POST, path: /closed, auth: iam }
"#;

/// Nothing takes longer; schedules are looked at every 10 s, and the first comes after a minute.
const LIMIT: Duration = Duration::from_mins(3);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(300);

/// What the answer to [`request`] has in it: a class of a model without labels.
const SETOSA: &str = r#""label":0"#;

fn request() -> Json {
    json!({"features": [5.1, 3.5, 1.4, 0.2]})
}

/// The service, deployed, with what it finds on the account.
struct Hub {
    account: Account,
    project: Project,
}

impl Hub {
    async fn new() -> Self {
        let mut account = Account::start().await.judged();
        let bucket = json!({"Bucket": "uploads"});
        account.ask("s3", "create_bucket", bucket).await;
        let stream = json!({"StreamName": "clicks", "ShardCount": 1});
        account.ask("kinesis", "create_stream", stream).await;
        let table = json!({
            "TableName": "orders",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"},
        });
        account.ask("dynamodb", "create_table", table).await;
        let project = Project::copy_of("iris").with_file("serverless.yaml", MANIFEST);
        account.run(&project, &["deploy", "--yes"]);
        Self { account, project }
    }

    async fn queue(&mut self, name: &str) -> String {
        let name = json!({"QueueName": name});
        let found = self.account.ask("sqs", "get_queue_url", name).await;
        found["QueueUrl"].as_str().expect("is text").to_owned()
    }

    /// The bodies of that many messages of a queue, in alphabetical order.
    async fn messages(&mut self, queue: &str, count: usize) -> Vec<String> {
        let url = self.queue(queue).await;
        let receive = json!({"QueueUrl": url, "MaxNumberOfMessages": 10});
        let (start, mut bodies) = (Instant::now(), Vec::new());
        while bodies.len() < count {
            assert!(start.elapsed() < LIMIT, "{queue}: {bodies:?}");
            let told = self.account.ask("sqs", "receive_message", receive.clone());
            let told = told.await;
            let messages = told["Messages"].as_array().into_iter().flatten();
            bodies.extend(messages.filter_map(|one| Some(one["Body"].as_str()?.to_owned())));
            tokio::time::sleep(PAUSE).await;
        }
        bodies.sort();
        bodies
    }

    /// Waits until a function has said so.
    async fn says(&mut self, function: &str, text: &str) {
        let words = ["logs", function, "--filter", text];
        let start = Instant::now();
        loop {
            let (log, _) = self.account.run(&self.project, &words);
            if log.stdout.contains(text) {
                return;
            }
            let all = || self.account.run(&self.project, &["logs", function]).0;
            assert!(
                start.elapsed() < LIMIT,
                "{function} did not say it: {}",
                all()
            );
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn a_message_is_answered_and_a_bad_one_is_a_dead_letter(&mut self) {
        let url = self.queue("hub-dev-jobs").await;
        for body in [request().to_string(), r#"{"features": [1]}"#.to_owned()] {
            let send = json!({"QueueUrl": url, "MessageBody": body});
            self.account.ask("sqs", "send_message", send).await;
        }
        let [answer] = &self.messages("hub-dev-results", 1).await[..] else {
            panic!("more than one answer")
        };
        assert!(answer.contains(SETOSA), "{answer}");
        let dead = self.messages("hub-dev_queue_jobs-dead", 1).await;
        assert_eq!(dead, [r#"{"features": [1]}"#]);
    }

    async fn an_object_becomes_a_prediction(&mut self) {
        let put = json!({"Bucket": "uploads", "Key": "in/a b.json", "Body": request().to_string()});
        self.account.ask("s3", "put_object", put).await;
        let start = Instant::now();
        let key = loop {
            let list = json!({"Bucket": "predictions"});
            let list = self.account.ask("s3", "list_objects_v2", list).await;
            if let Some(key) = list["Contents"][0]["Key"].as_str() {
                break key.to_owned();
            }
            assert!(start.elapsed() < LIMIT, "no prediction");
            tokio::time::sleep(PAUSE).await;
        };
        assert!(key.starts_with("out/a b"), "{key}");
        let get = json!({"Bucket": "predictions", "Key": key});
        let prediction = self.account.ask("s3", "get_object", get).await;
        let text = prediction["Body"].as_str().expect("is text");
        assert!(text.contains(SETOSA), "{text}");
    }

    async fn a_record_reaches_its_model(&mut self) {
        let topic = json!({"TopicArn": "arn:aws:sns:us-east-1:000000000000:hub-dev-news",
            "Message": request().to_string()});
        self.account.ask("sns", "publish", topic).await;
        let record = json!({
            "StreamName": "clicks", "PartitionKey": "1", "Data": request().to_string(),
        });
        self.account.ask("kinesis", "put_record", record).await;
        let features = request()["features"].clone();
        let features: Vec<Json> = features
            .as_array()
            .expect("is a list")
            .iter()
            .map(|number| json!({"N": number.to_string()}))
            .collect();
        let item = json!({"TableName": "orders", "Item": {
            "id": {"S": "1"}, "features": {"L": features},
        }});
        self.account.ask("dynamodb", "put_item", item).await;
        for function in ["news", "clicks", "orders"] {
            self.says(function, "answered").await;
        }
    }

    async fn an_api_has_routes(&mut self) {
        let apis = self.account.ask("apigatewayv2", "get_apis", json!({}));
        let apis = apis.await;
        let id = apis["Items"][0]["ApiId"].as_str().expect("is text");
        let at = |path: &str| format!("/_aws/execute-api/{id}/$default{path}");
        let port = self.account.port();
        let answer = http::post(port, &at("/open"), &request()).await;
        assert_eq!(answer.json()["prediction"]["label"], 0, "{}", answer.text());
        let none = http::post(port, &at("/elsewhere"), &request()).await;
        assert_eq!(none.status, 404, "{}", none.text());
    }

    async fn goes_when_its_bucket_is_empty(mut self) {
        let remove = ["remove", "--yes"];
        let refused = self.account.mlfn(&self.project, &remove).run().code(6);
        refused.stderr_has("the bucket `predictions` is not empty");
        let objects = json!({"Bucket": "predictions"});
        let objects = self.account.ask("s3", "list_objects_v2", objects).await;
        for object in objects["Contents"].as_array().expect("is a list") {
            let delete = json!({"Bucket": "predictions", "Key": object["Key"]});
            self.account.ask("s3", "delete_object", delete).await;
        }
        self.account.run(&self.project, &remove);
        assert_eq!(self.account.inventory().await, ["list_buckets: uploads"]);
        let called = self.account.called_as_allowed();
        assert!(called.contains("sqs CreateQueue"), "{called:?}");
    }
}

#[tokio::test]
async fn every_source_reaches_its_model() {
    let mut hub = Hub::new().await;
    hub.a_message_is_answered_and_a_bad_one_is_a_dead_letter()
        .await;
    hub.an_object_becomes_a_prediction().await;
    hub.a_record_reaches_its_model().await;
    hub.an_api_has_routes().await;
    hub.says("clock", "answered").await;
    hub.goes_when_its_bucket_is_empty().await;
}

/// What others made, by ARN. Nobody is asked for the URL of such a queue, so that ministack's differs.
const OF_OTHERS: &str = r#"
mlfn: 1
service: guest
provider: aws
models:
  worker:
    path: model.onnx
    timeout: 1s
    environment: { AWS_ENDPOINT_URL_SQS: "${env:AWS_ENDPOINT_URL}" }
    triggers:
      - queue:
          name: arn:aws:sqs:us-east-1:000000000000:their-jobs
          output: arn:aws:sqs:us-east-1:000000000000:their-results
  news:
    path: model.onnx
    triggers: [{ topic: arn:aws:sns:us-east-1:000000000000:their-news }]
"#;

/// What boto3 says of what others made, but for counts and times.
async fn of_others(account: &mut Account) -> Json {
    let mut all = Vec::new();
    for queue in ["their-jobs", "their-results"] {
        let url = json!({"QueueName": queue});
        let url = account.ask("sqs", "get_queue_url", url).await["QueueUrl"].clone();
        let which = json!({"QueueUrl": url, "AttributeNames": ["All"]});
        let told = account.ask("sqs", "get_queue_attributes", which).await;
        let attributes = told["Attributes"].as_object().expect("is an object");
        let steady = |name: &str| !name.starts_with("Approximate");
        let steady = attributes.iter().filter(|(name, _)| steady(name));
        all.push(
            steady
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        );
        let tags = account.ask("sqs", "list_queue_tags", json!({"QueueUrl": url}));
        all.push(tags.await["Tags"].clone());
    }
    let topic = json!({"TopicArn": "arn:aws:sns:us-east-1:000000000000:their-news"});
    let told = account.ask("sns", "get_topic_attributes", topic).await;
    all.push(told["Attributes"].clone());
    Json::Array(all)
}

#[tokio::test]
async fn what_exists_already_is_used_and_stays_as_it_was() {
    let mut account = Account::start().await;
    for queue in ["their-jobs", "their-results"] {
        let queue = json!({"QueueName": queue, "Attributes": {"VisibilityTimeout": "6"}});
        account.ask("sqs", "create_queue", queue).await;
    }
    let topic = json!({"Name": "their-news"});
    account.ask("sns", "create_topic", topic).await;
    let before = of_others(&mut account).await;
    let left = account.inventory().await;

    let project = Project::copy_of("iris").with_file("serverless.yaml", OF_OTHERS);
    account.run(&project, &["deploy", "--yes"]);
    let mut hub = Hub { account, project };
    let url = hub.queue("their-jobs").await;
    let send = json!({"QueueUrl": url, "MessageBody": request().to_string()});
    hub.account.ask("sqs", "send_message", send).await;
    let topic = "arn:aws:sns:us-east-1:000000000000:their-news";
    let publish = json!({"TopicArn": topic, "Message": request().to_string()});
    hub.account.ask("sns", "publish", publish).await;
    let [answer] = &hub.messages("their-results", 1).await[..] else {
        panic!("more than one answer")
    };
    assert!(answer.contains(SETOSA), "{answer}");
    hub.says("news", "answered").await;

    hub.account.run(&hub.project, &["remove", "--yes"]);
    assert_eq!(of_others(&mut hub.account).await, before);
    assert_eq!(hub.account.inventory().await, left);
}
