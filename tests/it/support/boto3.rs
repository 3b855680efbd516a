//! AWS's client for Python, as a process that is asked again and again.

use std::process::Stdio;
use std::time::Duration;

use mlfn_testkit::python::Packages;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::place::repository;

/// No call takes longer.
const LIMIT: Duration = Duration::from_mins(1);

/// A client of AWS. Ends with this.
pub(crate) struct Boto3 {
    _child: Child,
    calls: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Boto3 {
    /// Of the service at a URL.
    pub(crate) async fn at(url: &str) -> Self {
        let install = tokio::task::spawn_blocking(|| Packages::Aws.command());
        let mut command = Command::from(install.await.expect("installs"));
        let script = repository().join("tests/it/support/boto3_client.py");
        command
            .arg(script)
            .arg(url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("starts");
        let answers = BufReader::new(child.stdout.take().expect("is piped"));
        Self {
            calls: child.stdin.take().expect("is piped"),
            answers: answers.lines(),
            _child: child,
        }
    }

    /// Calls a method of AWS Lambda, and returns what it returns or raises.
    pub(crate) async fn call(&mut self, method: &str, arguments: Json) -> Json {
        self.ask("lambda", method, arguments).await
    }

    /// Calls a method of any service.
    pub(crate) async fn ask(&mut self, service: &str, method: &str, arguments: Json) -> Json {
        let call = json!({ "service": service, "call": method, "arguments": arguments });
        let call = format!("{call}\n");
        let exchange = async {
            self.calls.write_all(call.as_bytes()).await.expect("sends");
            self.answers.next_line().await.expect("reads")
        };
        let answer = tokio::time::timeout(LIMIT, exchange)
            .await
            .expect("answers");
        let answer = answer.expect("the script is still there");
        serde_json::from_str(&answer).expect("is JSON")
    }
}
