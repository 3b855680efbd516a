//! Old versions of a function: those that a rollback may want stay, and no others.

use serde_json::{Value as Json, json};

use super::Account;
use crate::support::mlfn::Project;

const NAME: &str = "iris-dev-classifier";

fn manifest(memory: u32) -> String {
    format!(
        "mlfn: 1\nservice: iris\nprovider: aws\nmodels:\n  classifier:\n    path: model.onnx\n    \
         memory: {memory}MB\n"
    )
}

/// The published versions, the oldest first.
async fn versions(account: &mut Account) -> Vec<u32> {
    let which = json!({"FunctionName": NAME});
    let told = account.ask("lambda", "list_versions_by_function", which);
    let told = told.await;
    let versions = told["Versions"].as_array().expect("is a list").iter();
    let numbers = versions.filter_map(|one| one["Version"].as_str()?.parse().ok());
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

/// Which version serves, and with how much memory.
async fn live(account: &mut Account) -> (Json, Json) {
    let which = json!({"FunctionName": NAME, "Qualifier": "live"});
    let told = account
        .ask("lambda", "get_function_configuration", which)
        .await;
    (told["Version"].clone(), told["MemorySize"].clone())
}

#[tokio::test]
async fn versions_stay_for_five_rollbacks_and_then_they_go() {
    let mut account = Account::start().await;
    let project = Project::copy_of("iris");
    let deploy = |account: &Account, number: u32| {
        let path = project.folder().join("serverless.yaml");
        fs_err::write(path, manifest(256 + 64 * number)).expect("writes");
        account.run(&project, &["deploy", "--yes"]);
    };
    for number in 1..=6 {
        deploy(&account, number);
    }
    assert_eq!(versions(&mut account).await, [1, 2, 3, 4, 5, 6]);
    for number in 7..=8 {
        deploy(&account, number);
    }
    assert_eq!(versions(&mut account).await, [3, 4, 5, 6, 7, 8]);

    account.run(&project, &["rollback", "--yes"]);
    assert_eq!(live(&mut account).await, (json!("7"), json!(256 + 64 * 7)));
    account.run(&project, &["remove", "--yes"]);
    assert_eq!(account.inventory().await, Vec::<String>::new());
}
