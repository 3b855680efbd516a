//! The client against a server that answers what it is told, and remembers what it was asked.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use http_body_util::Full;
use hyper::header::HeaderMap;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::cloud::AwsCloud;
use super::objects::{Object, ReadError};
use super::queues::Message;
use super::*;
use crate::codec::failure::Code;
use crate::platform::events::cloud::{Cloud as _, Delivery};
use crate::platform::outputs::{Outputs, Place};
use crate::platform::server::{self, Limits};
use crate::shutdown::Shutdown;

/// What the server was asked.
struct Asked {
    method: String,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Asked {
    fn header(&self, name: &str) -> &str {
        header(&self.headers, name).unwrap_or_default()
    }

    fn json(&self) -> Json {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// An answer: status, headers and body.
type Answer = (u16, Vec<(&'static str, &'static str)>, String);

fn ok(body: &str) -> Answer {
    (200, Vec::new(), body.to_owned())
}

#[derive(Default)]
struct Script {
    answers: VecDeque<Answer>,
    asked: Vec<Asked>,
}

/// A server, as long as it lives.
struct Server {
    url: String,
    script: Arc<Mutex<Script>>,
    _stop: watch::Sender<bool>,
}

impl Server {
    /// Gives these answers, one after the other.
    async fn with(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let script = Script {
            answers: answers.into_iter().collect(),
            asked: Vec::new(),
        };
        let script = Arc::new(Mutex::new(script));
        let (stop, shutdown) = Shutdown::by_hand();
        let own = Arc::clone(&script);
        let respond = move |request: server::Request| {
            let answer = answer(&mut own.lock().expect("no panic"), request);
            async move { answer }
        };
        tokio::spawn(server::serve(
            listener,
            Limits::new(1 << 20),
            shutdown,
            respond,
        ));
        Self {
            url,
            script,
            _stop: stop,
        }
    }

    fn aws(&self) -> Aws {
        aws(&[("AWS_ENDPOINT_URL", &self.url)])
    }

    fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.script.lock().expect("no panic").asked)
    }
}

fn answer(script: &mut Script, request: server::Request) -> server::Response {
    let (head, body) = request.into_parts();
    script.asked.push(Asked {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: head.headers,
        body: body.expect("is read to its end"),
    });
    let nothing = (418, Vec::new(), "nothing left to say".to_owned());
    let (status, headers, body) = script.answers.pop_front().unwrap_or(nothing);
    let mut answer = hyper::Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(name, value);
    }
    answer.body(Full::new(body.into())).expect("an answer")
}

fn aws(variables: &[(&str, &str)]) -> Aws {
    let usual = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "KEY"),
        ("AWS_SECRET_ACCESS_KEY", "very secret"),
        ("AWS_SESSION_TOKEN", "token"),
    ];
    let all = [variables, &usual].concat();
    let find = |name: &str| {
        let found = all.iter().find(|(found, _)| *found == name)?;
        Some(found.1.to_owned())
    };
    Aws::new(find).expect("good settings")
}

fn object(bucket: &str, key: &str) -> Object {
    Object {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        size: None,
    }
}

fn xml(code: &str) -> String {
    format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>Why not.</Message></Error>")
}

#[tokio::test]
async fn an_object_is_read_by_a_signed_request() {
    let kind = ("content-type", "application/json");
    let server = Server::with([(200, vec![kind], "{}".to_owned())]).await;
    let wanted = object("uploads", "in/a b+1/ä.json");
    let content = server.aws().get_object(&wanted, 2).await;
    let content = content.expect("the object");
    assert_eq!(
        (&*content.body, content.kind.as_deref()),
        (&b"{}"[..], Some(kind.1))
    );
    let asked = &server.asked()[0];
    assert_eq!(asked.method, "GET");
    assert_eq!(asked.path, "/uploads/in/a%20b%2B1/%C3%A4.json");
    assert_eq!(asked.header("x-amz-security-token"), "token");
    assert_eq!(asked.header("x-amz-content-sha256"), hex_digest(b""));
    let authorization = asked.header("authorization");
    assert!(authorization.contains("/eu-west-1/s3/aws4_request, SignedHeaders=host;"));
    assert!(!authorization.contains("secret"));
}

#[tokio::test]
async fn an_object_that_is_too_large_is_not_read_to_its_end() {
    let server = Server::with([ok("12345")]).await;
    let error = server.aws().get_object(&object("b", "k"), 4).await;
    let error = error.expect_err("it is too large");
    assert!(
        matches!(
            error,
            ReadError::TooLarge {
                limit: 4,
                size: Some(5)
            }
        ),
        "{error:?}"
    );
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let server = Server::with([
        (503, vec![], xml("SlowDown")),
        (500, vec![], String::new()),
        ok("{}"),
    ])
    .await;
    let content = server.aws().get_object(&object("b", "k"), 10).await;
    assert_eq!(&*content.expect("the object").body, b"{}");
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn what_is_refused_is_not_tried_again_and_says_why() {
    let server = Server::with([(404, vec![], xml("NoSuchKey"))]).await;
    let error = server.aws().get_object(&object("b", "k"), 10).await;
    assert_eq!(
        error.expect_err("it is not there").to_string(),
        "Amazon S3 refused it: NoSuchKey (404): Why not."
    );
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_bucket_of_another_region_is_asked_there() {
    let redirect = vec![("x-amz-bucket-region", "us-east-2")];
    let server = Server::with([(301, redirect, xml("PermanentRedirect")), ok("")]).await;
    let put = server.aws().put_json(&object("b", "k"), "[1]".into()).await;
    put.expect("it is written");
    let asked = server.asked();
    let region = |asked: &Asked| asked.header("authorization").contains("/us-east-2/s3/");
    assert_eq!(asked.iter().map(region).collect::<Vec<_>>(), [false, true]);
    assert_eq!(asked[1].method, "PUT");
    assert_eq!(&*asked[1].body, b"[1]");
    assert_eq!(asked[1].header("content-type"), "application/json");
    assert_eq!(asked[1].header("x-amz-content-sha256"), hex_digest(b"[1]"));
}

#[track_caller]
fn check_place(variables: &[(&str, &str)], bucket: &str, region: &str, expected: &str) {
    let (endpoint, path) = aws(variables).place(&object(bucket, "a/b"), region);
    let scheme = if endpoint.secure { "https" } else { "http" };
    let found = format!("{scheme}://{}{}{path}", endpoint.authority(), endpoint.base);
    assert_eq!(found, expected);
}

#[test]
fn a_bucket_has_a_host_of_its_own_at_aws_and_none_elsewhere() {
    check_place(
        &[],
        "in",
        "eu-west-1",
        "https://in.s3.eu-west-1.amazonaws.com/a/b",
    );
    check_place(
        &[],
        "in",
        "cn-north-1",
        "https://in.s3.cn-north-1.amazonaws.com.cn/a/b",
    );
    // The certificate of AWS is good for one name before `.s3`.
    check_place(
        &[],
        "i.n",
        "eu-west-1",
        "https://s3.eu-west-1.amazonaws.com/i.n/a/b",
    );
    let own = [("AWS_ENDPOINT_URL_S3", "http://[::1]:9000/s3/")];
    check_place(&own, "in", "eu-west-1", "http://[::1]:9000/s3/in/a/b");
}

fn messages(count: usize) -> Vec<Message> {
    let message = |number: usize| Message {
        body: format!("[{number}]"),
        source: format!("message-{number}"),
        group: number.is_multiple_of(2).then(|| "even".to_owned()),
    };
    (0..count).map(message).collect()
}

#[tokio::test]
async fn messages_go_in_batches_and_each_has_its_own_result() {
    let failed = r#"{"Successful": [], "Failed": [{"Id": "1", "SenderFault": true, "Code": "InvalidMessageContents", "Message": "No."}]}"#;
    let refused = r#"{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "None."}"#;
    let server = Server::with([ok("{}"), ok(failed), (400, vec![], refused.to_owned())]).await;
    let url = "https://sqs.eu-central-1.amazonaws.com/1/results";
    let results = server.aws().send_messages(url, &messages(23)).await;
    let failures = results.iter().enumerate();
    let failures: Vec<_> = failures
        .filter_map(|(place, result)| Some((place, result.as_ref().err()?.as_str())))
        .collect();
    let none = "Amazon SQS refused it: QueueDoesNotExist (400): None.";
    let expected = [
        (11, "Amazon SQS refused it: InvalidMessageContents: No."),
        (20, none),
        (21, none),
        (22, none),
    ];
    assert_eq!(failures, expected);
    let asked = server.asked();
    let counts = asked
        .iter()
        .map(|asked| asked.json()["Entries"].as_array().map(Vec::len));
    assert_eq!(counts.collect::<Vec<_>>(), [Some(10), Some(10), Some(3)]);
    assert_eq!(
        asked[0].header("x-amz-target"),
        "AmazonSQS.SendMessageBatch"
    );
    assert_eq!(asked[0].json()["QueueUrl"], url);
    let source = json!({"source_message_id": {"DataType": "String", "StringValue": "message-10"}});
    let first = json!({"Id": "0", "MessageBody": "[10]", "MessageAttributes": source});
    assert_eq!(asked[1].json()["Entries"][0], first);
}

#[tokio::test]
async fn messages_of_a_queue_in_order_have_groups_and_come_once() {
    let server = Server::with([ok("{}")]).await;
    let url = format!("{}/1/results.fifo", server.url);
    // Without an address in the environment, the URL of the queue tells where it is.
    let results = aws(&[]).send_messages(&url, &messages(2)).await;
    assert_eq!(results, [Ok(()), Ok(())]);
    let entries = &server.asked()[0].json()["Entries"];
    let group = |place: usize| {
        let entry = &entries[place];
        [&entry["MessageGroupId"], &entry["MessageDeduplicationId"]]
    };
    assert_eq!(group(0), ["even", "message-0"]);
    assert_eq!(group(1), ["message-1", "message-1"]);
}

#[tokio::test]
async fn a_large_message_goes_alone() {
    let server = Server::with([ok("{}"), ok("{}")]).await;
    let mut both = messages(2);
    both[0].body = "x".repeat(200 * 1024);
    both[1].body = "y".repeat(200 * 1024);
    let results = server.aws().send_messages("https://q/1/r", &both).await;
    assert_eq!(results, [Ok(()), Ok(())]);
    assert_eq!(server.asked().len(), 2);
}

fn references(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = of.iter();
    pairs
        .map(|(name, secret)| ((*name).to_owned(), (*secret).to_owned()))
        .collect()
}

#[tokio::test]
async fn variables_get_the_values_of_their_secrets_each_of_which_is_asked_for_once() {
    let value = r#"{"Parameter": {"Value": "v"}, "SecretString": "v"}"#;
    let server = Server::with([ok(value), ok(value)]).await;
    let arn = "arn:aws:secretsmanager:us-west-2:1:secret:token-AbCdEf";
    let wanted = references(&[("A", "/iris/token"), ("B", arn), ("C", arn)]);
    let found = server.aws().values(&wanted).await.expect("all values");
    assert_eq!(found, references(&[("A", "v"), ("B", "v"), ("C", "v")]));
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    let find = |target: &str| {
        asked
            .iter()
            .find(|asked| asked.header("x-amz-target") == target)
    };
    let parameter = find("AmazonSSM.GetParameter").expect("one of both");
    assert_eq!(
        parameter.json(),
        json!({"Name": "/iris/token", "WithDecryption": true})
    );
    let secret = find("secretsmanager.GetSecretValue").expect("one of both");
    assert_eq!(secret.json(), json!({"SecretId": arn}));
    let authorization = secret.header("authorization");
    assert!(
        authorization.contains("/us-west-2/secretsmanager/"),
        "{authorization}"
    );
}

#[track_caller]
fn check_secret(found: Result<BTreeMap<String, String>, secrets::SecretError>, expected: &str) {
    let error = found.expect_err("there is no value");
    assert_eq!(crate::chain(&error), expected);
}

#[tokio::test]
async fn a_secret_without_a_value_is_named_and_what_was_read_is_not_repeated() {
    let denied = r#"{"__type": "AccessDeniedException", "Message": "Not yours."}"#;
    let server = Server::with([
        (400, vec![], denied.to_owned()),
        ok(r#"{"SecretBinary": "aGlkZGVu"}"#),
        ok(r#"{"SecretString": "mlfn:secret:hidden"}"#),
        ok(r#"{"SecretString": {"hidden": 1}}"#),
    ])
    .await;
    let ask = || async { server.aws().values(&references(&[("A", "token")])).await };
    check_secret(
        ask().await,
        "cannot read the secret `token` of the environment: AWS Secrets Manager refused it: \
         AccessDeniedException (400): Not yours.",
    );
    check_secret(
        ask().await,
        "the secret `token` has no text; store it as text (`SecretString`), because it is for an \
         environment variable",
    );
    check_secret(
        ask().await,
        "the value of the secret `token` begins with `mlfn:secret:`, as if it were a reference; \
         store the secret itself",
    );
    check_secret(
        ask().await,
        "cannot read the secret `token` of the environment: AWS Secrets Manager answered something \
         else than was asked for: invalid type: map, expected a string (line 1, column 17)",
    );
}

fn tls_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tls")
        .join(name)
}

/// A server that speaks TLS as `localhost`, and answers every connection once.
async fn secure_server() -> u16 {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    let certificate = CertificateDer::from_pem_file(tls_file("server.pem")).expect("a file");
    let key = PrivateKeyDer::from_pem_file(tls_file("server.key")).expect("a file");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // An error is a client that trusts nobody here.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                .await;
        }
    });
    port
}

#[tokio::test]
async fn a_server_with_tls_is_asked_if_its_certificate_is_good() {
    let port = secure_server().await;
    let (url, ca) = (format!("https://localhost:{port}"), tls_file("ca.pem"));
    let endpoint = ("AWS_ENDPOINT_URL_S3", url.as_str());
    let ca = ca.to_str().expect("text");
    let good = aws(&[endpoint, ("AWS_CA_BUNDLE", ca)]);
    let content = good.get_object(&object("b", "k"), 10).await;
    assert_eq!(&*content.expect("the object").body, b"{}");
    let url = format!("https://127.0.0.1:{port}");
    let other_name = aws(&[("AWS_ENDPOINT_URL_S3", &url), ("AWS_CA_BUNDLE", ca)]);
    let error = other_name.get_object(&object("b", "k"), 10).await;
    let error = crate::chain(&error.expect_err("it is somebody else"));
    assert!(
        error.contains("certificate not valid for name \"127.0.0.1\""),
        "{error}"
    );
}

#[tokio::test]
async fn nobody_is_trusted_without_certificates() {
    let no_roots = tls_file("README.md");
    let no_roots = no_roots.to_str().expect("text");
    let aws = aws(&[
        ("AWS_ENDPOINT_URL", "https://localhost:1"),
        ("AWS_CA_BUNDLE", no_roots),
    ]);
    let error = aws.get_object(&object("b", "k"), 10).await;
    let error = crate::chain(&error.expect_err("nobody is trusted"));
    assert!(
        error.starts_with("Amazon S3 does not answer: cannot tell whom to trust"),
        "{error}"
    );
}

/// Runs `work` on a thread that may wait, as models do.
async fn waiting<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("no panic")
}

#[tokio::test]
async fn an_event_s_objects_and_predictions_go_side_by_side_in_their_order() {
    let answers = (0..30).map(|_| ok("{}"));
    let server = Server::with(answers).await;
    let cloud = AwsCloud::of(server.aws(), Outputs::default());
    let (contents, delivered) = waiting(move || {
        let key = |number: usize| object("b", &format!("{number}"));
        let contents = cloud.fetch((0..20).map(key).collect());
        let delivery = |number: usize| Delivery {
            place: match number {
                0 => Place::Object(key(0)),
                _ => Place::Queue("https://q/1/r".to_owned()),
            },
            source: format!("s{number}"),
            group: None,
            body: "[]".into(),
        };
        (contents, cloud.deliver((0..4).map(delivery).collect()))
    })
    .await;
    assert_eq!(
        contents.iter().filter(|content| content.is_ok()).count(),
        20
    );
    assert_eq!(delivered, [Ok(()), Ok(()), Ok(()), Ok(())]);
    let asked = server.asked();
    let gets = asked.iter().filter(|asked| asked.method == "GET").count();
    let puts = asked.iter().filter(|asked| asked.method == "PUT").count();
    let sends: Vec<_> = asked
        .iter()
        .filter(|asked| asked.method == "POST")
        .collect();
    assert_eq!((gets, puts, sends.len()), (20, 1, 1));
    let entries = sends[0].json()["Entries"].clone();
    let bodies = entries.as_array().expect("entries").iter();
    let sources =
        bodies.map(|entry| entry["MessageAttributes"]["source_message_id"]["StringValue"].clone());
    assert_eq!(sources.collect::<Vec<_>>(), ["s1", "s2", "s3"]);
}

#[tokio::test]
async fn an_object_that_cannot_be_read_or_written_is_a_failure_that_says_so() {
    let denied = || (403, vec![], xml("AccessDenied"));
    let server = Server::with([denied(), denied()]).await;
    let cloud = AwsCloud::of(server.aws(), Outputs::default());
    let (read, written) = waiting(move || {
        let read = cloud.fetch(vec![object("in", "k")]).remove(0);
        let delivery = Delivery {
            place: Place::Object(object("out", "k")),
            source: "s".to_owned(),
            group: None,
            body: "[]".into(),
        };
        (read, cloud.deliver(vec![delivery]).remove(0))
    })
    .await;
    let read = read.expect_err("it is denied");
    assert_eq!(read.code, Code::ObjectNotRead);
    let why = "Amazon S3 refused it: AccessDenied (403): Why not.";
    assert_eq!(read.message, format!("cannot read the object: {why}"));
    let written = written.expect_err("it is denied");
    assert_eq!(written.code, Code::NotDelivered);
    let message = format!("the prediction cannot be written to s3://out/k: {why}");
    assert_eq!(written.message, message);
}
