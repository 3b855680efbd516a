//! The life of every example: it is deployed, answers, is called by its trigger, changes, goes back,
//! and is gone.

use std::collections::BTreeSet;

use mlfn_testkit::proxy::Call;
use serde_json::{Value as Json, json};

use super::Account;
use crate::support::golden::{Golden, difference};
use crate::support::http;
use crate::support::mlfn::Project;
use crate::support::place::repository;

/// No call but that with a package carries more.
const SMALL: u64 = 10_000;

/// One test for each example, so that they run side by side.
macro_rules! examples {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                Life::of($name).await.run().await;
            }
        )*
        const TESTED: &[&str] = &[$($name),*];
    };
}

examples! {
    breast_cancer: "breast-cancer",
    cartpole_policy: "cartpole-policy",
    diabetes: "diabetes",
    digits_svm: "digits-svm",
    iris: "iris",
    iris_kmeans: "iris-kmeans",
    label_spreading: "label-spreading",
    wine_forest: "wine-forest",
}

#[test]
fn every_example_has_its_calls_and_every_file_is_of_an_example() {
    let files = fs_err::read_dir(repository().join("tests/it/aws/calls")).expect("lists");
    let files = files.map(|file| file.expect("lists").path());
    let mut names: Vec<String> = files
        .filter_map(|file| Some(file.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    assert_eq!(names, TESTED);
}

/// An example, deployed to an account of its own.
struct Life {
    account: Account,
    project: Project,
    example: &'static str,
    golden: Golden,
    /// Its name on AWS.
    name: String,
    /// What was called, by command.
    calls: String,
}

impl Life {
    async fn of(example: &'static str) -> Self {
        let project = Project::copy_of(example);
        let golden = Golden::of(example);
        let manifest = project.folder().join("serverless.yaml");
        let manifest = fs_err::read_to_string(manifest).expect("reads");
        let mut lines = manifest.lines();
        let service = lines.find_map(|line| line.strip_prefix("service: "));
        let service = service.expect("has a name").to_owned();
        Self {
            account: Account::start().await.judged(),
            name: format!("{service}-dev-{}", golden.function),
            project,
            example,
            golden,
            calls: String::new(),
        }
    }

    async fn run(mut self) {
        self.command("deploy", &["deploy", "--yes"]);
        self.is_as_declared().await;
        self.answers().await;
        self.is_called_by_its_url().await;
        let again = self.command("deploy again", &["deploy", "--yes"]);
        let changing = again.iter().filter(|call| call.is_changing()).count();
        assert_eq!(changing, 0, "{again:?}");

        self.set_memory();
        let update = self.command("deploy with more memory", &["deploy", "--yes"]);
        let sent = update.iter().map(|call| call.sent).max();
        assert!(sent < Some(SMALL), "the package was sent again: {update:?}");
        assert_eq!(self.live().await, ("2".to_owned(), json!(2048)));
        self.answers().await;
        self.command("rollback", &["rollback", "--yes"]);
        let (version, memory) = self.live().await;
        assert_eq!((version.as_str(), memory != 2048), ("1", true));
        self.command("remove", &["remove", "--yes"]);
        assert_eq!(self.account.inventory().await, Vec::<String>::new());
        self.calls_are_those_recorded();
        let called = self.account.called_as_allowed();
        assert!(called.contains("lambda CreateFunction"), "{called:?}");
    }

    /// Runs it, and notes its calls.
    #[track_caller]
    fn command(&mut self, title: &str, words: &[&str]) -> Vec<Call> {
        let (_, calls) = self.account.run(&self.project, words);
        self.calls += &listing(title, &calls);
        calls
    }

    /// What boto3 reads is what the manifest says, with mlfn's defaults.
    async fn is_as_declared(&mut self) {
        let live = json!({"FunctionName": self.name, "Qualifier": "live"});
        let told = self.account.ask("lambda", "get_function", live.clone());
        let told = told.await;
        let tags = json!({"FunctionName": self.name});
        let tags = self.account.ask("lambda", "get_function", tags).await;
        let configuration = &told["Configuration"];
        let log = format!("/aws/lambda/{}", self.name);
        for (key, value) in [
            ("Architectures", json!(["x86_64"])),
            ("EphemeralStorage", json!({"Size": 512})),
            ("Handler", json!("bootstrap")),
            ("PackageType", json!("Zip")),
            ("Runtime", json!("provided.al2023")),
            ("State", json!("Active")),
            ("Version", json!("1")),
        ] {
            assert_eq!(configuration[key], value, "{key}");
        }
        assert_eq!(configuration["LoggingConfig"]["LogGroup"], log);
        assert_eq!(tags["Tags"]["mlfn:stage"], "dev", "{tags}");
        let url = self.account.ask("lambda", "get_function_url_config", live);
        assert_eq!(url.await["AuthType"], "NONE");
        let groups = json!({"logGroupNamePrefix": log});
        let groups = self.account.ask("logs", "describe_log_groups", groups);
        assert_eq!(groups.await["logGroups"][0]["retentionInDays"], 30);
    }

    /// Every recorded request, by mlfn and by boto3 in turns, to the alias.
    async fn answers(&mut self) {
        let cases = std::mem::take(&mut self.golden.cases);
        for (number, case) in cases.iter().enumerate() {
            let request = case.request.to_string();
            let answer = if number == 0 {
                let words = ["invoke", &self.golden.function, "--data", &request];
                self.account.run(&self.project, &words).0.json()
            } else {
                let call = json!({
                    "FunctionName": self.name, "Qualifier": "live", "Payload": request,
                });
                let told = self.account.ask("lambda", "invoke", call).await;
                assert_eq!(told.get("FunctionError"), None, "{told}");
                parsed(told["Payload"].as_str().expect("is text"))
            };
            self.is_right(&answer, &case.response, &case.name);
        }
        self.golden.cases = cases;
    }

    async fn is_called_by_its_url(&mut self) {
        let info = self
            .account
            .run(&self.project, &["info", "--json"])
            .0
            .json();
        let url = info["endpoints"][0]["url"].as_str().expect("is text");
        let (host, path) = url
            .trim_start_matches("https://")
            .split_once('/')
            .expect("has a path");
        let id = host.split('.').next().expect("has an id");
        // Instead of a name that is made for it, as the host.
        let path = format!("/_aws/lambda-url/{id}/{path}");
        let case = &self.golden.cases[0];
        let answer = http::post(self.account.port(), &path, &case.request).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.is_right(&answer.json(), &case.response, "by its URL");
    }

    #[track_caller]
    fn is_right(&self, answer: &Json, expected: &Json, case: &str) {
        let difference = difference(answer, expected, self.golden.tolerance);
        assert_eq!(difference, None, "{case}: {answer}");
    }

    fn set_memory(&self) {
        let path = self.project.folder().join("serverless.yaml");
        let manifest = fs_err::read_to_string(&path).expect("reads");
        let lines = manifest.lines().map(|line| match line.trim_start() {
            memory if memory.starts_with("memory:") => String::new(),
            model if model.starts_with("path:") => {
                let indent = &line[..line.len() - model.len()];
                format!("{line}\n{indent}memory: 2048MB\n")
            }
            _ => format!("{line}\n"),
        });
        fs_err::write(path, lines.collect::<String>()).expect("writes");
    }

    /// The version that the alias points to, and its memory in MB.
    async fn live(&mut self) -> (String, Json) {
        let live = json!({"FunctionName": self.name, "Qualifier": "live"});
        let told = self
            .account
            .ask("lambda", "get_function_configuration", live);
        let told = told.await;
        let version = told["Version"].as_str().expect("is text").to_owned();
        (version, told["MemorySize"].clone())
    }

    #[track_caller]
    fn calls_are_those_recorded(&self) {
        let path = format!("tests/it/aws/calls/{}.txt", self.example);
        let path = repository().join(path);
        if std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1") {
            fs_err::write(path, &self.calls).expect("writes");
            return;
        }
        let expected = fs_err::read_to_string(path).expect("reads");
        similar_asserts::assert_eq!(found: self.calls, expected: expected);
    }
}

/// The calls that change something, as often as they were made, and the others once: how often
/// something is looked at depends on how long it takes. In alphabetical order, as some are made
/// side by side.
fn listing(title: &str, calls: &[Call]) -> String {
    let named = |call: &Call| match &call.operation {
        Some(operation) => format!("  {operation}\n"),
        None => format!("  {} {}\n", call.method, call.path),
    };
    let (changing, reading): (Vec<&Call>, Vec<&Call>) =
        calls.iter().partition(|call| call.is_changing());
    let mut changing: Vec<String> = changing.into_iter().map(named).collect();
    changing.sort();
    let reading: BTreeSet<String> = reading.into_iter().map(named).collect();
    let lines = |lines: String| {
        if lines.is_empty() {
            "  nothing\n".to_owned()
        } else {
            lines
        }
    };
    let (changing, reading) = (
        lines(changing.concat()),
        lines(reading.into_iter().collect()),
    );
    format!("{title} changes:\n{changing}{title} reads:\n{reading}\n")
}

#[track_caller]
fn parsed(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
