//! What a request has written, by its id: from CloudWatch Logs, where ministack writes `START`, `END` and
//! `REPORT` around the lines of the shim, as Lambda does.

use serde_json::{Value as Json, json};

use super::Account;
use crate::support::mlfn::Project;

const GOOD: &str = r#"{"features": [5.1, 3.5, 1.4, 0.2]}"#;

const BAD: &str = r#"{"features": [1]}"#;

/// A deployed function, with those who call it.
struct House {
    account: Account,
    project: Project,
}

impl House {
    async fn open() -> Self {
        let account = Account::start().await.judged();
        let project = Project::copy_of("iris");
        account.run(&project, &["deploy", "--yes"]);
        Self { account, project }
    }

    /// The lines that `mlfn logs` shows.
    fn logs(&self, words: &[&str]) -> Vec<Json> {
        let words = [&["logs", "classifier", "--json"], words].concat();
        let (shown, _) = self.account.run(&self.project, &words);
        let lines = shown.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("is JSON"))
            .collect()
    }

    /// Asks by mlfn. Returns the id of the request, which the end of the log that it shows has.
    fn ask(&self, request: &str, code: i32) -> String {
        let words = ["invoke", "classifier", "--log", "--data", request];
        let asked = self.account.mlfn(&self.project, &words).run().code(code);
        id_in(&asked.stderr)
    }

    /// Asks by boto3. Returns the id of the request, which the end of the log that comes with the answer
    /// has.
    async fn ask_by_boto3(&mut self) -> String {
        let call = json!({
            "FunctionName": "iris-dev-classifier", "Qualifier": "live", "LogType": "Tail",
            "Payload": GOOD,
        });
        let told = self.account.ask("lambda", "invoke", call).await;
        id_in(told["LogResult"].as_str().expect("is text"))
    }
}

/// The id of the only request in a log, as the function got it from Lambda.
#[track_caller]
fn id_in(log: &str) -> String {
    let ours = log.lines().filter(|line| line.starts_with('{'));
    let ids = ours.filter_map(|line| {
        let line: Json = serde_json::from_str(line).expect("is JSON");
        line["request_id"].as_str().map(str::to_owned)
    });
    let ids: Vec<String> = ids.collect();
    let [id] = &ids[..] else {
        panic!("not one request: {log}")
    };
    id.clone()
}

#[track_caller]
fn text(line: &Json) -> &str {
    line["text"].as_str().expect("is text")
}

/// Of all `lines`, those of a request are Lambda's around the shim's, and no others name it.
#[track_caller]
fn has_request(lines: &[Json], id: &str, status: u16) {
    let ours = |line: &&Json| line["request"] == id;
    let texts: Vec<&str> = lines.iter().filter(ours).map(text).collect();
    let [start, of_the_shim @ .., end, report] = &texts[..] else {
        panic!("{id}: {lines:?}")
    };
    assert!(
        start.starts_with(&format!("START RequestId: {id} Version: ")),
        "{texts:?}"
    );
    assert_eq!(*end, format!("END RequestId: {id}"));
    let beginning = format!("REPORT RequestId: {id}\tDuration: ");
    assert!(report.starts_with(&beginning), "{texts:?}");
    assert!(report.contains("\tMemory Size: 512 MB\t"), "{texts:?}");
    let shim = of_the_shim.last().expect("it says something");
    let shim: Json = serde_json::from_str(shim).expect("is JSON");
    assert_eq!(shim["request_id"], id, "{texts:?}");
    assert_eq!(shim["status"], status, "{texts:?}");
    let naming = lines.iter().filter(|line| text(line).contains(id)).count();
    assert!(naming <= texts.len(), "{id} is named elsewhere: {lines:?}");
}

#[tokio::test]
async fn lines_are_shown_with_their_request_from_start_to_report() {
    let mut house = House::open().await;
    let good = house.ask(GOOD, 0);
    let bad = house.ask(BAD, 1);
    let other = house.ask_by_boto3().await;
    let lines = house.logs(&[]);
    for (id, status) in [(&good, 200), (&bad, 400), (&other, 200)] {
        has_request(&lines, id, status);
    }

    let report = format!("REPORT RequestId: {good}");
    let found = house.logs(&["--filter", &report]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(text(&found[0]).starts_with(&report), "{found:?}");
    assert_eq!(found[0]["request"], good);
    // Without the lines around them, too, what the shim writes is known as that of its request.
    let found = house.logs(&["--filter", "answered"]);
    let found: Vec<&Json> = found.iter().map(|line| &line["request"]).collect();
    // The first was asked by the deploy: whether the new version is well.
    assert_eq!(found[1..], [&json!(good), &json!(other)]);
    let called = house.account.called_as_allowed();
    assert!(called.contains("logs FilterLogEvents"), "{called:?}");
}

#[tokio::test]
async fn a_log_that_is_followed_goes_on_with_the_report_of_the_next_request() {
    let mut house = House::open().await;
    let first = house.ask(GOOD, 0);
    let words = ["logs", "classifier", "--tail", "--json"];
    let mut tail = house.account.mlfn(&house.project, &words).follow();
    let mut lines: Vec<Json> = Vec::new();
    for id in [first, house.ask_by_boto3().await, house.ask(GOOD, 0)] {
        let report = format!("REPORT RequestId: {id}");
        while !lines
            .last()
            .is_some_and(|last| text(last).starts_with(&report))
        {
            lines.push(tail.json().await);
        }
        has_request(&lines, &id, 200);
    }
    assert_eq!(tail.interrupt().await, Some(130));
    assert_eq!(lines, house.logs(&[]), "no line is missing or told twice");
}

#[tokio::test]
async fn an_event_reaches_its_model_while_nobody_waits_and_a_dry_run_reaches_none() {
    let house = House::open().await;
    let ask = |kind: &str, said: &str| {
        let words = ["invoke", "classifier", "--type", kind, "--data", GOOD];
        let (asked, _) = house.account.run(&house.project, &words);
        assert_eq!(asked.stderr_has(said).stdout, "");
    };
    ask("DryRun", "`classifier` can be called");
    ask("Event", "`classifier` has the request");
    let words = ["logs", "classifier", "--tail", "--json"];
    let mut tail = house.account.mlfn(&house.project, &words).follow();
    let mut lines: Vec<Json> = Vec::new();
    let is_report = |line: &&Json| text(line).starts_with("REPORT ");
    // The first was asked by the deploy.
    while lines.iter().filter(is_report).count() < 2 {
        lines.push(tail.json().await);
    }
    assert_eq!(tail.interrupt().await, Some(130));
    let id = lines.last().expect("is there")["request"].clone();
    has_request(&lines, id.as_str().expect("is text"), 200);

    let other = house.ask(GOOD, 0);
    let reports = house.logs(&["--filter", "REPORT"]);
    let reports: Vec<&Json> = reports.iter().map(|line| &line["request"]).collect();
    assert_eq!(reports[1..], [&id, &json!(other)]);
}
