//! What is deployed to this machine: that it runs, changes, comes back and goes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use serde_json::{Value as Json, json};

use crate::project::{Project, Run};

/// What the function says of the manifest's example.
const ANSWER: &str = r#""label":"setosa""#;

fn memory(project: &Project) -> Json {
    let shown = project.expect("state show aws:function/classifier --json", 0);
    shown.json()["fields"]["memory"].clone()
}

#[test]
fn a_service_is_deployed_changed_rolled_back_and_removed() {
    let project = Project::iris();
    let before = project.files();
    project.expect("deploy", 0);
    assert!(project.expect("invoke", 0).stdout.contains(ANSWER));

    project.replace("512MB", "1024MB");
    let plan = project.expect("plan --detailed-exitcode --json", 2);
    let changes: Vec<Json> = of_type(&plan, "change");
    let update = &changes[0];
    assert_eq!(update["id"], "aws:function/classifier");
    assert_eq!(update["action"], "update");
    let expected = json!([{"field": "memory", "from": {"value": 512}, "to": {"value": 1024}}]);
    assert_eq!(update["fields"], expected);
    let ids: Vec<&Json> = changes.iter().map(|change| &change["id"]).collect();
    let dependents = ["aws:function-version/classifier", "aws:alias/classifier"];
    assert_eq!(
        ids,
        ["aws:function/classifier", dependents[0], dependents[1]]
    );

    project.expect("deploy", 0);
    assert_eq!(memory(&project), 1024);
    let back = project.expect("rollback", 0).stderr;
    let way = "rolling back from deployment 2 to deployment 1";
    assert!(back.contains(way), "{back}");
    assert_eq!(memory(&project), 512);
    assert!(project.expect("invoke", 0).stdout.contains(ANSWER));
    // The rollback is not what the manifest says.
    project.expect("plan --detailed-exitcode", 2);

    // Nor is a plan that nobody applies.
    project.expect("plan --out ../unused.plan", 0);
    fs_err::remove_file(project.folder().join("../unused.plan")).expect("removes");

    project.expect("remove --yes", 0);
    assert_eq!(project.processes(), Vec::<String>::new());
    let packages = |path: &String| !path.starts_with("iris/.mlfn/package/");
    let after: Vec<String> = project.files().into_iter().filter(packages).collect();
    assert_eq!(after, before);
    let again = project.expect("remove --yes", 0);
    assert!(
        again.stdout.contains("nothing to remove"),
        "{}",
        again.stdout
    );
}

#[track_caller]
fn of_type(run: &Run, kind: &str) -> Vec<Json> {
    let lines = run.lines();
    assert_eq!(lines[0]["type"], "version");
    lines
        .into_iter()
        .filter(|line| line["type"] == kind)
        .collect()
}

#[test]
fn a_plan_shows_every_field_that_changes() {
    let project = Project::iris();
    project.expect("deploy", 0);
    project.replace("512MB", "1024MB");
    let expected = "deploy iris, stage dev, on local\n\
        \n\
        ~ update aws:function/classifier (iris-dev-classifier): 1 field changed\n\
        \u{20}   memory: 512 -> 1024\n\
        \n\
        + add a new version of aws:function-version/classifier (iris-dev-classifier@DIGEST): \
        a version never changes; earlier ones stay for rollbacks\n\
        \u{20}   revision: DIGEST -> DIGEST\n\
        \n\
        ~ update aws:alias/classifier (iris-dev-classifier:live): 1 field changed\n\
        \u{20}   version: 1 -> (known after deploy)\n\
        \n\
        2 to update, 1 new version; nothing to upload\n";
    assert_eq!(masked(&project.expect("plan", 0).stdout), expected);
    // A dry run is the same, and neither changes anything.
    assert_eq!(
        masked(&project.expect("deploy --dry-run", 0).stdout),
        expected
    );
    assert_eq!(memory(&project), 512);
}

/// With digests, which differ from build to build, as a word.
fn masked(text: &str) -> String {
    let words = text.split_inclusive(|c: char| !c.is_ascii_hexdigit());
    let mask = |word: &str| {
        let digits = word.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
        if digits.len() == 12 {
            return format!("DIGEST{}", &word[12..]);
        }
        word.to_owned()
    };
    words.map(mask).collect()
}

#[test]
fn a_second_deploy_changes_nothing() {
    let project = Project::iris();
    let first = project.expect("deploy --json", 0);
    assert_eq!(of_type(&first, "outcome")[0]["changed"], true);
    let before = project.expect("state pull", 0).stdout;
    let second = project.expect("deploy --json", 0);
    let outcome = &of_type(&second, "outcome")[0];
    assert_eq!(
        (&outcome["status"], &outcome["changed"]),
        (&json!("complete"), &json!(false))
    );
    assert_eq!(of_type(&second, "started"), Vec::<Json>::new());
    assert_eq!(project.expect("state pull", 0).stdout, before);
    assert!(project.expect("deploy", 0).stdout.starts_with("no changes"));
    project.expect("plan --detailed-exitcode", 0);
}

#[test]
fn a_model_comes_back_with_a_rollback() {
    let project = Project::iris();
    project.expect("deploy", 0);
    let digest = |run: &Run| run.json()["release"]["functions"]["classifier"]["model"].clone();
    let first = digest(&project.expect("info --json", 0));
    let other = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/wine-forest/model.onnx"
    );
    fs_err::copy(other, project.folder().join("model.onnx")).expect("copies");
    let manifest = "mlfn: 1\nservice: iris\nmodels: { classifier: model.onnx }\n";
    fs_err::write(project.folder().join("serverless.yaml"), manifest).expect("writes");
    project.expect("deploy", 0);
    assert_ne!(digest(&project.expect("info --json", 0)), first);
    let request = r#"invoke -d {"features":[5.1,3.5,1.4,0.2]}"#;
    project.expect(request, 1);
    project.expect("rollback --to 1", 0);
    assert_eq!(digest(&project.expect("info --json", 0)), first);
    assert!(project.expect(request, 0).stdout.contains(ANSWER));
    project.expect("rollback --to 9", 1);
}

#[test]
fn a_stale_plan_is_refused_and_says_what_moved() {
    let project = Project::iris();
    project.expect("plan --out first.plan", 0);
    project.expect("deploy --plan first.plan", 0);
    let run = project.expect("deploy --plan first.plan", 1);
    assert!(run.stderr.contains("the plan is stale"), "{}", run.stderr);
    assert!(
        run.stderr
            .contains("nothing was deployed then, and now there is deployment 1 of 20"),
        "{}",
        run.stderr
    );
    // What is not done is not shown as if it were.
    assert!(!run.stderr.contains("+ create"), "{}", run.stderr);
    project.replace("512MB", "1024MB");
    project.expect("plan --out second.plan", 0);
    let run = project.expect("deploy --plan second.plan", 0);
    assert!(run.stderr.contains("512 -> 1024"), "{}", run.stderr);
    assert_eq!(memory(&project), 1024);
}

#[test]
fn what_somebody_else_changed_is_shown_and_put_right_or_kept() {
    let project = Project::iris();
    project.expect("deploy", 0);
    tamper(&project, 512, 2048);
    let info = project.expect("info", 0).stdout;
    assert!(info.contains("changed by somebody else: memory"), "{info}");
    let plan = project.expect("plan", 0).stdout;
    assert!(plan.contains("deployed as 512, is 2048 now"), "{plan}");
    let kept = project
        .expect("plan --keep-drift --detailed-exitcode", 0)
        .stdout;
    assert!(kept.contains("stays as it is"), "{kept}");
    project.expect("deploy --keep-drift", 0);
    assert!(project.expect("plan", 0).stdout.contains("2048"));
    project.expect("deploy", 0);
    project.expect("plan --detailed-exitcode", 0);
    assert!(!project.expect("plan", 0).stdout.contains("2048"));
}

/// Changes the memory of the function in the record of the local cloud.
#[track_caller]
fn tamper(project: &Project, from: u64, to: u64) {
    let folder = project.folder().join(".mlfn/local/dev");
    let records = fs_err::read_dir(&folder).expect("reads").flatten();
    let mut changed = 0;
    for path in records
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
    {
        let text = fs_err::read_to_string(&path).unwrap_or_default();
        let Ok(mut record) = serde_json::from_str::<Json>(&text) else {
            continue;
        };
        let functions = record.pointer_mut("/things").and_then(Json::as_object_mut);
        for thing in functions.into_iter().flat_map(|things| things.values_mut()) {
            let memory = thing.pointer_mut("/fields/memory");
            if let Some(memory) = memory.filter(|memory| memory.as_u64() == Some(from)) {
                *memory = to.into();
                changed += 1;
            }
        }
        fs_err::write(&path, record.to_string()).expect("writes");
    }
    assert_eq!(changed, 1);
}

/// Starts `mlfn <words>` and reads its lines of JSON until there is one of the type `kind`.
#[track_caller]
fn start_until(project: &Project, words: &str, kind: &str, number: usize) -> Option<Child> {
    let mut command = project.command(words);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
    let wanted = format!(r#""type":"{kind}""#);
    for _ in 0..number {
        let found = lines
            .by_ref()
            .map_while(Result::ok)
            .find(|line| line.contains(&wanted));
        if found.is_none() {
            child.wait().expect("ends");
            return None;
        }
    }
    // Whoever writes to a pipe that nobody reads gets an error, and goes on.
    std::thread::spawn(move || lines.for_each(drop));
    Some(child)
}

#[test]
fn a_deploy_that_was_killed_anywhere_is_finished_by_the_next_one() {
    let project = Project::iris();
    let mut killed = 0;
    for (kind, number) in [
        ("started", 1),
        ("started", 3),
        ("done", 1),
        ("done", 4),
        ("started", 6),
    ] {
        if let Some(mut child) = start_until(&project, "deploy --json", kind, number) {
            killed += usize::from(child.kill().is_ok());
            child.wait().expect("ends");
        }
        project.expect("deploy", 0);
        assert!(project.expect("invoke", 0).stdout.contains(ANSWER));
        project.expect("plan --detailed-exitcode", 0);
        let child = start_until(&project, "remove --yes --json", kind, number);
        if let Some(mut child) = child {
            killed += usize::from(child.kill().is_ok());
            child.wait().expect("ends");
        }
        project.expect("remove --yes", 0);
        assert_eq!(project.processes(), Vec::<String>::new());
    }
    assert!(killed >= 5, "only {killed} runs could be killed");
}

#[test]
fn ctrl_c_finishes_the_call_in_flight_and_says_how_to_go_on() {
    let project = Project::iris();
    let mut command = project.command("deploy --verbose");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("is piped"));
    let mut line = String::new();
    while !line.contains("creating aws:log-group") {
        line.clear();
        assert_ne!(
            stderr.read_line(&mut line).expect("reads"),
            0,
            "it ended early"
        );
    }
    let killed = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(killed.expect("starts").success());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("reads");
    assert_eq!(child.wait().expect("ends").code(), Some(130), "{rest}");
    assert!(rest.contains("mlfn deploy --provider local"), "{rest}");
    assert!(rest.contains("not tried"), "{rest}");
    project.expect("deploy", 0);
    project.expect("plan --detailed-exitcode", 0);
}

#[test]
fn of_two_deploys_at_once_one_waits_or_is_refused() {
    let project = Project::iris();
    project.expect("deploy", 0);
    hold(&project);
    let refused = project.expect("deploy", 4);
    for what in [
        "alice",
        "build-7",
        "4711",
        "since",
        "until",
        "mlfn state unlock",
    ] {
        assert!(refused.stderr.contains(what), "{what}: {}", refused.stderr);
    }
    let shown = project.expect("state unlock", 0).stdout;
    assert!(shown.contains("alice"), "{shown}");
    project.expect("deploy", 0);
    let again = project.expect("state unlock", 0).stdout;
    assert!(again.contains("nobody"), "{again}");

    let deploys = [(); 3].map(|()| {
        let mut command = project.command("deploy --lock-timeout 60s");
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts")
    });
    for mut deploy in deploys {
        assert_eq!(deploy.wait().expect("ends").code(), Some(0));
    }
}

#[test]
fn whoever_waits_for_a_lock_says_for_whom() {
    let project = Project::iris();
    project.expect("deploy", 0);
    hold(&project);
    let waited = project.expect("deploy --lock-timeout 1s", 4).stderr;
    let expected = "waiting up to 1 s for alice (deploy on build-7, process 4711), who holds the \
                    lock since 20";
    assert!(waited.contains(expected), "{waited}");
    assert_eq!(waited.matches("waiting up to").count(), 1, "{waited}");
    for words in ["deploy", "rollback", "remove --yes"] {
        let run = project.run(&format!("{words} --lock-timeout 1s --json"));
        let waiting = of_type(&run, "waiting");
        let expected = words != "rollback";
        assert_eq!(
            waiting.len(),
            usize::from(expected),
            "{words}: {}",
            run.stderr
        );
        for line in waiting {
            assert_eq!(line["holder"], "alice");
            assert_eq!(line["host"], "build-7");
            assert_eq!(line["pid"], 4711);
            assert!(
                line["since"].is_string() && line["until"].is_string(),
                "{line}"
            );
            assert!(
                line["left"].as_f64().is_some_and(|left| left <= 1.0),
                "{line}"
            );
        }
    }
    project.expect("state unlock", 0);
    // Of two at once, the one that comes second waits for the first.
    let both = [(); 2].map(|()| {
        let mut command = project.command("deploy --lock-timeout 60s");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("starts")
    });
    for mut deploy in both {
        assert_eq!(deploy.wait().expect("ends").code(), Some(0));
    }
}

#[test]
fn what_may_be_wrong_is_said_when_it_is_deployed_and_not_each_time_after() {
    let project = Project::iris();
    project.replace("http: POST /predict", "http: { path: /predict, auth: iam }");
    for (words, is_said) in [
        ("plan", true),
        ("deploy", true),
        ("info", false),
        ("logs", false),
    ] {
        let run = project.expect(words, 0);
        let found = run.stderr.contains("auth-not-checked");
        assert_eq!(found, is_said, "{words}: {}", run.stderr);
    }
}

#[test]
fn where_to_put_what_functions_read_is_said() {
    let project = Project::iris();
    project.replace(
        "      - http: POST /predict",
        "      - storage: { bucket: uploads, prefix: in/, suffix: .json }",
    );
    let folder = ".mlfn/local/dev/buckets/uploads/";
    let run = project.expect("deploy", 0);
    let said = format!("mkdir -p {folder}in/ && cp FILE.json {folder}in/");
    assert!(run.stdout.contains(&said), "{}", run.stdout);
    assert!(project.folder().join(folder).is_dir());
    project.replace("prefix: in/, ", "");
    let run = project.expect("info", 0);
    let said = format!("  cp FILE.json {folder}\n");
    assert!(run.stdout.contains(&said), "{}", run.stdout);
    project.expect("remove --yes", 0);
}

#[test]
fn what_is_deployed_is_removed_though_its_record_is_lost() {
    let project = Project::iris();
    let before = project.files();
    project.expect("deploy", 0);
    project.replace("512MB", "1024MB");
    project.expect("deploy", 0);
    fs_err::remove_dir_all(project.folder().join(".mlfn/state")).expect("removes");
    let lost = "there is no record of what is deployed";
    let run = project.expect("remove --yes", 0);
    assert!(run.stderr.contains(lost), "{}", run.stderr);
    assert!(run.stdout.contains("deleted"), "{}", run.stdout);
    assert_eq!(project.processes(), Vec::<String>::new());
    let packages = |path: &String| !path.starts_with("iris/.mlfn/package/");
    let after: Vec<String> = project.files().into_iter().filter(packages).collect();
    assert_eq!(after, before);
    let again = project.expect("remove --yes", 0);
    assert!(
        again.stdout.contains("nothing to remove"),
        "{}",
        again.stdout
    );
    assert!(!again.stderr.contains(lost), "{}", again.stderr);
}

/// Takes the lock, as somebody on another machine would.
fn hold(project: &Project) {
    let path = project.folder().join(".mlfn/state/local/dev/lock.json");
    let text = fs_err::read_to_string(&path).expect("reads");
    let mut lock: Json = serde_json::from_str(&text).expect("is JSON");
    let now = lock["until"].as_u64().expect("is a time");
    lock["owner"] = "0".repeat(32).into();
    lock["holder"] = "alice".into();
    lock["host"] = "build-7".into();
    lock["machine"] = "another".into();
    lock["pid"] = 4711.into();
    lock["until"] = (now + 3600).into();
    lock["released"] = false.into();
    fs_err::write(&path, lock.to_string()).expect("writes");
}

#[test]
fn a_function_that_fails_its_health_check_is_not_switched_to() {
    let project = Project::iris();
    project.expect("deploy", 0);
    project.replace(
        "example: { features: [5.1, 3.5, 1.4, 0.2] }",
        "example: { features: [1] }",
    );
    project.replace("512MB", "1024MB");
    let run = project.expect("deploy", 6);
    assert!(
        run.stderr.contains("failed its health check"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains("mlfn deploy --provider local"),
        "{}",
        run.stderr
    );
    let request = r#"invoke -d {"features":[5.1,3.5,1.4,0.2]}"#;
    assert!(project.expect(request, 0).stdout.contains(ANSWER));
    let logs = project.expect("logs --filter REPORT", 0).stdout;
    assert!(logs.contains("Billed Duration"), "{logs}");
}

#[test]
fn what_is_not_deployed_cannot_be_called_or_shown() {
    let project = Project::iris();
    for words in [
        "invoke",
        "info",
        "logs",
        "state list",
        "state show x:y/z",
        "state pull",
    ] {
        let run = project.expect(words, 1);
        assert!(
            run.stderr.contains("nothing is deployed"),
            "{words}: {}",
            run.stderr
        );
    }
    project.expect("rollback", 1);
    project.expect("remove", 64);
}

#[test]
fn what_is_deployed_outlives_the_process_that_answers() {
    let project = Project::iris();
    project.expect("deploy", 0);
    for words in ["deploy", "invoke"] {
        for id in project.process_ids() {
            let killed = Command::new("kill").args(["-KILL", &id]).status();
            assert!(killed.expect("starts").success());
        }
        project.expect(words, 0);
        assert!(!project.processes().is_empty());
        assert!(project.expect("invoke", 0).stdout.contains(ANSWER));
    }
    project.expect("remove --yes", 0);
    assert_eq!(project.processes(), Vec::<String>::new());
}

#[test]
fn every_cloud_can_be_imitated() {
    for cloud in ["azure", "gcp"] {
        let project = Project::iris();
        project.replace(
            "provider: aws",
            &format!("provider: {{ name: local, as: {cloud} }}"),
        );
        let run = |words: &str, code| {
            let output = project.command(words).env_remove("MLFN_PROVIDER").output();
            let run = Run::from(output.expect("starts"));
            assert_eq!(
                run.code,
                Some(code),
                "{words}: {}{}",
                run.stdout,
                run.stderr
            );
            run
        };
        run("deploy", 0);
        assert!(run("invoke", 0).stdout.contains(ANSWER));
        run("deploy", 0);
        run("remove --yes", 0);
        assert_eq!(project.processes(), Vec::<String>::new());
    }
}
