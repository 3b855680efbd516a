//! The record of what is deployed, in a bucket: two machines deploy the same service to AWS, as
//! ministack makes it.

use mlfn_testkit::python::{Packages, output};
use mlfn_testkit::servers::Ministack;
use serde_json::Value as Json;

use crate::support::mlfn::{Mlfn, Project};

/// An AWS with a bucket for states, and the folder of a service on two machines.
struct Team {
    aws: Ministack,
    laptop: Project,
    runner: Project,
}

impl Team {
    fn new(aws: Ministack) -> Self {
        aws.make_bucket("team-states");
        Self {
            aws,
            laptop: Project::copy_of("iris"),
            runner: Project::copy_of("iris"),
        }
    }

    fn on(&self, machine: &Project, words: &[&str]) -> Mlfn {
        let mlfn = machine.mlfn(words).env("MLFN_STATE", "s3://team-states/ml");
        let variables = self.aws.environment().into_iter();
        variables.fold(mlfn, |mlfn, (name, value)| mlfn.env(name, value))
    }
}

#[test]
fn what_one_machine_deploys_another_one_knows_updates_and_removes() {
    let team = Team::new(Ministack::start());
    let (laptop, runner) = (&team.laptop, &team.runner);
    team.on(laptop, &["deploy", "--yes"]).run().success();
    assert!(!laptop.folder().join(".mlfn/state").exists());

    let words = ["plan", "--detailed-exitcode"];
    team.on(runner, &words).run().success();
    let pull = |machine| {
        let pulled = team.on(machine, &["state", "pull"]).run().success();
        pulled.json()["state"].clone()
    };
    let first = pull(runner);
    assert_eq!(first, pull(laptop));
    assert_eq!(first["history"].as_array().map(Vec::len), Some(1));
    let listed = team.on(runner, &["state", "list"]).run().success();
    assert!(listed.stdout.contains("aws:function"), "{listed}");

    // Packages are the same bytes everywhere, so that only the setting differs.
    let manifest = fs_err::read_to_string(runner.folder().join("serverless.yaml"));
    let manifest = manifest.expect("reads").replace("512MB", "1024MB");
    fs_err::write(runner.folder().join("serverless.yaml"), manifest).expect("writes");
    team.on(runner, &["deploy", "--yes"]).run().success();
    assert_eq!(pull(laptop)["history"].as_array().map(Vec::len), Some(2));

    team.on(laptop, &["remove", "--yes"]).run().success();
    let left = pull(runner);
    assert_eq!(left["resources"], Json::Object([].into_iter().collect()));
}

#[test]
fn a_rollback_says_which_package_is_on_another_machine() {
    let team = Team::new(Ministack::start());
    let (laptop, runner) = (&team.laptop, &team.runner);
    team.on(laptop, &["deploy", "--yes"]).run().success();
    let other = Project::copy_of("breast-cancer");
    let other = other.folder().join("model.onnx");
    let manifest = "mlfn: 1\nservice: iris\nmodels: { classifier: model.onnx }\n";
    for (path, contents) in [
        ("model.onnx", fs_err::read(other).expect("reads")),
        ("serverless.yaml", manifest.into()),
    ] {
        fs_err::write(runner.folder().join(path), contents).expect("writes");
    }
    team.on(runner, &["deploy", "--yes"]).run().success();
    let refused = team.on(runner, &["rollback", "--yes"]).run().code(1);
    assert!(refused.stderr.contains("is not here"), "{refused}");
    assert!(
        refused.stderr.contains("the machine that deployed it"),
        "{refused}"
    );
    team.on(laptop, &["rollback", "--yes"]).run().success();
    team.on(laptop, &["remove", "--yes"]).run().success();
}

#[test]
fn what_is_wrong_with_a_bucket_is_said() {
    let team = Team::new(Ministack::start());
    let check = |url: &str, code: i32, said: &[&str]| {
        let mlfn = team.on(&team.laptop, &["state", "list"]);
        let refused = mlfn.env("MLFN_STATE", url).run().code(code);
        for text in said {
            assert!(refused.stderr.contains(text), "{text}: {refused}");
        }
    };
    check(
        "s3://nobodys",
        1,
        &["there is no bucket `s3://nobodys`", "aws s3 mb"],
    );
    check(
        "s3://team-states/ml",
        1,
        &["nothing is deployed", "s3://team-states/ml/iris/aws/dev"],
    );
    check(
        "s3a://team-states",
        64,
        &["did you mean `s3://bucket/folder`?"],
    );

    let manifest = "mlfn: 1\nservice: iris\nstate: gcs://a\nmodels: { classifier: model.onnx }\n";
    let project = Project::copy_of("iris").with_file("serverless.yaml", manifest);
    let refused = project.mlfn(["state", "list"]).run().code(3);
    assert!(refused.stderr.contains("^^^^^^^"), "{refused}");
}

#[test]
fn whoever_may_not_use_the_bucket_is_told_what_is_needed() {
    let team = Team::new(Ministack::start_with_policies());
    let script = "import boto3, json; iam = boto3.client('iam'); iam.create_user(UserName='eve'); \
                  key = iam.create_access_key(UserName='eve')['AccessKey']; \
                  print(json.dumps([key['AccessKeyId'], key['SecretAccessKey']]))";
    let mut command = Packages::Aws.command();
    let keys = output(command.args(["-c", script]).envs(team.aws.environment()));
    let keys: [String; 2] = serde_json::from_str(&keys).expect("are two");
    let refused = team
        .on(&team.laptop, &["state", "list"])
        .env("AWS_ACCESS_KEY_ID", &keys[0])
        .env("AWS_SECRET_ACCESS_KEY", &keys[1])
        .run()
        .code(5);
    assert!(refused.stderr.contains("you may not read"), "{refused}");
    assert!(refused.stderr.contains("s3:ListBucket"), "{refused}");
}

#[test]
fn a_profile_gives_the_credentials_of_the_bucket() {
    let team = Team::new(Ministack::start());
    let credentials = "[work]\naws_access_key_id = test\naws_secret_access_key = test\n";
    let config = format!(
        "[profile work]\nregion = eu-central-1\nendpoint_url = {}\n",
        team.aws.url()
    );
    let folder = team.laptop.home().join(".aws");
    fs_err::create_dir_all(&folder).expect("makes a folder");
    fs_err::write(folder.join("credentials"), credentials).expect("writes");
    fs_err::write(folder.join("config"), config).expect("writes");
    let list = |url: &str| {
        let mlfn = team.laptop.mlfn(["state", "list", "--state", url]);
        mlfn.env("AWS_PROFILE", "work").run().code(1)
    };
    // The bucket is not where the profile is.
    let refused = list("s3://team-states");
    let shown = "s3://team-states?region=us-east-1";
    assert!(refused.stderr.contains(shown), "{refused}");
    let answered = list(shown);
    assert!(
        answered.stderr.contains("nothing is deployed"),
        "{answered}"
    );
}

#[test]
fn the_local_cloud_keeps_its_state_on_its_machine() {
    let project = Project::copy_of("iris");
    let mlfn = project.mlfn(["state", "list", "--provider", "local"]);
    // Nobody is asked there, so that it does not matter that nobody is there.
    let refused = mlfn.env("MLFN_STATE", "s3://nobodys").run().code(1);
    assert!(
        refused.stderr.contains(".mlfn/state/local/dev"),
        "{refused}"
    );
}
