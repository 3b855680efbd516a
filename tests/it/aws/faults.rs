//! A deploy that ends in the middle, or hears nothing of what it did, is finished by the next one.

use mlfn_testkit::proxy::{Kind, Rule, When};

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
