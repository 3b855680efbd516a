//! Every example, packaged for every platform, answers what its scikit-learn estimator answered.

use mlfn_core::ProviderName;

use crate::support::golden::{Golden, difference};
use crate::support::mlfn::Project;
use crate::support::place::repository;
use crate::support::unpacked::Unpacked;

/// One test for each example, so that they run side by side.
macro_rules! examples {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                check($name).await;
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
fn every_example_is_tested() {
    let examples = fs_err::read_dir(repository().join("examples")).expect("lists");
    let mut names: Vec<String> = examples
        .map(|entry| entry.expect("lists"))
        .filter(|entry| entry.path().join("serverless.yaml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, TESTED);
}

/// All recorded requests to one instance on each platform, and the first by `mlfn invoke`, too.
async fn check(example: &str) {
    let golden = Golden::of(example);
    let project = Project::copy_of(example);
    for platform in ProviderName::ALL {
        let package = Unpacked::from(&project, platform);
        golden.check(&package, platform).await;
        check_command(&golden, &project, platform);
    }
}

fn check_command(golden: &Golden, project: &Project, platform: ProviderName) {
    let case = &golden.cases[0];
    let request = case.request.to_string();
    let arguments = [
        "invoke",
        "--local",
        "--platform",
        platform.as_str(),
        "--data",
        &request,
    ];
    let output = project.mlfn(arguments).run().success();
    let difference = difference(&output.json(), &case.response, golden.tolerance);
    assert_eq!(difference, None, "{platform}: {output}");
}
