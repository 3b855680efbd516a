//! A package for tract is deployed as any other, and AWS runs it: without a library, with the shim that
//! has the engine in it.

use super::Account;
use crate::engines::{mlfn_with_tract, with_engine};
use crate::support::golden::{Golden, difference};
use crate::support::mlfn::Output;

#[tokio::test]
async fn a_package_for_tract_is_deployed_answers_changes_nothing_again_and_is_removed() {
    let golden = Golden::of("iris");
    let project = with_engine("iris", "auto");
    let mut account = Account::start().await.judged();
    let run = |words: &[&str]| -> Output {
        account.proxy.forget();
        let mlfn = account.mlfn(&project, words);
        mlfn_with_tract(mlfn).run().success()
    };
    let deployed = run(&["deploy", "--yes"]);
    deployed.stderr_has("`classifier` runs with tract: ");
    for case in &golden.cases {
        let request = case.request.to_string();
        let answer = run(&["invoke", &golden.function, "--data", &request]).json();
        let difference = difference(&answer, &case.response, golden.tolerance);
        assert_eq!(difference, None, "{}: {answer}", case.name);
    }
    run(&["deploy", "--yes"]);
    let calls = account.proxy.calls();
    let changing = calls.iter().filter(|call| call.is_changing()).count();
    assert_eq!(changing, 0, "{calls:?}");
    run(&["remove", "--yes"]);
    assert_eq!(account.inventory().await, Vec::<String>::new());
    let called = account.called_as_allowed();
    assert!(called.contains("lambda CreateFunction"), "{called:?}");
}
