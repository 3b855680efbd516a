//! A queue of the local cloud, from `mlfn queue send` to the model and to the dead letters.

use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::support::mlfn::{Output, Project};

const MANIFEST: &str = "
mlfn: 1
service: iris
provider: local
models:
  classifier:
    path: model.onnx
    timeout: 1s
    output: { labels: [setosa, versicolor, virginica] }
    example: { features: [5.1, 3.5, 1.4, 0.2] }
    triggers:
      - queue: { name: jobs, max_tries: 1 }
      - topic: news
";

/// Nothing here takes as long: a message that failed is hidden for six seconds.
const LIMIT: Duration = Duration::from_mins(2);

/// Deployed, and removed in the end whatever happens.
struct Deployed(Project);

impl Drop for Deployed {
    fn drop(&mut self) {
        self.0.mlfn(["remove", "--yes"]).run();
    }
}

impl Deployed {
    fn mlfn(&self, words: &[&str]) -> Output {
        self.0.mlfn(words).run().success()
    }

    /// Asks again until the answer is good.
    fn until(&self, words: &[&str], is_good: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + LIMIT;
        while Instant::now() < end {
            let answer = self.mlfn(words).stdout;
            if is_good(&answer) {
                return answer;
            }
        }
        let log = self.mlfn(&["logs"]).stdout;
        panic!(
            "`mlfn {}` never says what it should; the log:\n{log}",
            words.join(" ")
        );
    }
}

#[test]
fn a_message_is_predicted_on_and_a_bad_one_is_a_dead_letter() {
    let project = Project::copy_of("iris").with_file("serverless.yaml", MANIFEST);
    let deploy = project.mlfn(["deploy", "--yes"]).run().success();
    let deployed = Deployed(project);
    for shown in [
        "/123456789012/iris-dev-jobs",
        "mlfn queue send jobs",
        "mlfn topic publish news",
    ] {
        assert!(deploy.stdout.contains(shown), "{shown} in {deploy}");
    }
    let good = r#"{"features": [6.7, 3.0, 5.2, 2.3]}"#;
    let sent = deployed
        .mlfn(&["queue", "send", "jobs", "-d", good, "--json"])
        .json();
    assert_eq!(sent["to"], "iris-dev-jobs");
    let id = sent["id"].as_str().expect("has an id");
    let log = deployed.until(&["logs"], |log| {
        log.contains("1 message of iris-dev-jobs done")
    });
    let predicted = log
        .lines()
        .find(|line| line.contains(id) && line.contains("predicted"));
    assert!(
        predicted.is_some_and(|line| line.contains("virginica")),
        "{log}"
    );

    deployed.mlfn(&["topic", "publish", "news", "-d", good]);
    let is_predicted = |line: &&str| line.contains("predicted") && line.contains("virginica");
    let both = |log: &str| log.lines().filter(is_predicted).count() == 2;
    deployed.until(&["logs"], both);

    let bad = r#"{"features": [1, 2]}"#;
    deployed.mlfn(&["queue", "send", "jobs", "-d", bad]);
    let peek = ["queue", "peek", "jobs", "--dead", "--json"];
    let dead = deployed.until(&peek, |answer| answer.contains("[1, 2]"));
    let dead: Json = serde_json::from_str(&dead).expect("is JSON");
    assert_eq!(dead["messages"][0]["body"], bad);
    deployed.mlfn(&["queue", "purge", "jobs", "--dead"]);
    let queues = deployed.mlfn(&["queue", "list", "--json"]).json();
    let waiting: Vec<&Json> = queues["queues"]
        .as_array()
        .expect("a list")
        .iter()
        .collect();
    assert_eq!(waiting.len(), 2);
    assert!(
        waiting.iter().all(|queue| queue["visible"] == 0),
        "{queues}"
    );
}
