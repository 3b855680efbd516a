//! A deploy that ends in the middle, or hears nothing of what it did, is finished by the next one. What
//! is refused or lost for a moment is tried again.

use std::collections::BTreeSet;
use std::time::Duration;

use mlfn_testkit::proxy::{Kind, Proxy, Rule, When};

use super::Account;
use crate::support::mlfn::Project;

/// What happens to the calls that change something, in turns.
const FAULTS: [Kind; 3] = [Kind::KillBefore, Kind::LoseAnswer, Kind::KillAfter];

/// With a layer, too.
const MANIFEST: &str = r"
mlfn: 1
service: iris
provider: aws
models:
  classifier:
    path: model.onnx
    example: { features: [5.1, 3.5, 1.4, 0.2] }
    triggers: [{ http: POST /predict }]
    aws: { layers: true }
";

#[tokio::test]
async fn whichever_call_goes_wrong_the_next_deploy_finishes_it() {
    let mut account = Account::with_layers(&[]).await;
    let project = Project::copy_of("iris").with_file("serverless.yaml", MANIFEST);
    for (number, fault) in (0..).zip(FAULTS.iter().cycle()) {
        account.proxy.forget();
        let rule = Rule::new(fault.clone()).when(When::changing());
        account.proxy.add(rule.skip(number));
        let deploy = account.mlfn(&project, &["deploy", "--yes"]);
        let code = deploy.watched(|id| account.proxy.victim(id)).await;
        let calls = account.proxy.calls();
        let hit = calls.iter().find(|call| call.fault.is_some());
        // A killed process has no code; who hears nothing asks again, and finds its own.
        let expected = hit.is_none_or(|_| *fault == Kind::LoseAnswer);
        assert_eq!(
            code == Some(0),
            expected,
            "{fault:?} at {number}: {calls:?}"
        );
        account.proxy.clear();

        account.run(&project, &["deploy", "--yes"]);
        account.run(&project, &["plan", "--detailed-exitcode"]);
        account.run(&project, &["remove", "--yes"]);
        let left = account.inventory().await;
        assert_eq!(left, Vec::<String>::new(), "{fault:?} at {number}: {hit:?}");
        if hit.is_none() {
            return;
        }
    }
}

/// What happens to every third call on a bad day, in turns.
fn bad_day() -> [Kind; 7] {
    let kind = "x-amzn-errortype";
    [
        Kind::answer(429, "{}").header(kind, "TooManyRequestsException"),
        Kind::HangUp,
        Kind::answer(500, "{}").header(kind, "ServiceException"),
        Kind::LoseAnswer,
        Kind::Truncate,
        Kind::answer(503, ""),
        Kind::Delay(Duration::from_millis(300)),
    ]
}

/// The first call, which asks whose the credentials are, is answered.
fn begin(proxy: &Proxy) {
    proxy.forget();
    let turns = (1..60).step_by(3);
    for (number, kind) in turns.zip(bad_day().into_iter().cycle()) {
        proxy.add(Rule::new(kind).skip(number));
    }
}

#[tokio::test]
async fn throttles_errors_and_lost_connections_only_take_time() {
    let mut account = Account::with_layers(&[]).await;
    let project = Project::copy_of("iris").with_file("serverless.yaml", MANIFEST);
    for words in [["deploy", "--yes"], ["remove", "--yes"]] {
        begin(&account.proxy);
        account.mlfn(&project, &words).run().success();
        let calls = account.proxy.calls();
        let met = calls.iter().filter_map(|call| call.fault);
        let met: BTreeSet<&str> = met.collect();
        let all = ["answer", "delay", "hang-up", "lose-answer", "truncate"];
        assert_eq!(met, BTreeSet::from(all), "{words:?}");
        account.proxy.clear();
        if words[0] == "deploy" {
            account.run(&project, &["plan", "--detailed-exitcode"]);
        }
    }
    assert_eq!(account.inventory().await, Vec::<String>::new());
}
