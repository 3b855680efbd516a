//! Buckets of the local cloud: a file that is dropped into one folder comes out of another as a
//! prediction.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::support::mlfn::Project;

const MANIFEST: &str = "
mlfn: 1
service: iris
provider: local
models:
  classifier:
    path: model.onnx
    output: { labels: [setosa, versicolor, virginica] }
    example: { features: [5.1, 3.5, 1.4, 0.2] }
    triggers:
      - storage:
          bucket: uploads
          prefix: in/
          suffix: .json
          output: { bucket: predictions, prefix: out/ }
";

/// Nothing here takes as long, even when the machine has other things to do.
const LIMIT: Duration = Duration::from_mins(2);

/// Deployed, and removed in the end whatever happens.
struct Deployed(Project);

impl Drop for Deployed {
    fn drop(&mut self) {
        self.0.mlfn(["remove", "--yes"]).run();
    }
}

impl Deployed {
    fn bucket(&self, name: &str) -> PathBuf {
        self.0.folder().join(".mlfn/local/dev/buckets").join(name)
    }

    /// As `cp` does it.
    fn upload(&self, key: &str, content: &str) {
        let path = self.bucket("uploads").join(key);
        fs_err::create_dir_all(path.parent().expect("has a parent")).expect("makes a folder");
        fs_err::write(path, content).expect("writes");
    }

    /// Asks for the log until it has a text.
    fn until_log_has(&self, text: &str) {
        let end = Instant::now() + LIMIT;
        loop {
            let log = self.0.mlfn(["logs"]).run().success().stdout;
            if log.contains(text) {
                return;
            }
            assert!(Instant::now() < end, "no `{text}` in the log:\n{log}");
        }
    }

    fn prediction(&self, key: &str) -> Json {
        let path = self.bucket("predictions").join(key);
        let text = fs_err::read_to_string(path).expect("the prediction is there");
        serde_json::from_str(&text).expect("is JSON")
    }
}

#[test]
fn a_file_in_the_bucket_s_folder_becomes_a_prediction_in_another() {
    let project = Project::copy_of("iris").with_file("serverless.yaml", MANIFEST);
    let deploy = project.mlfn(["deploy", "--yes"]).run().success();
    assert!(!deploy.stderr.contains("trigger does not fire"), "{deploy}");
    let deployed = Deployed(project);
    deployed.upload("in/today/a b.json", r#"{"features": [6.7, 3.0, 5.2, 2.3]}"#);
    deployed.until_log_has("s3://predictions/out/today/a b.json");
    let found = deployed.prediction("out/today/a b.json");
    assert_eq!(found["prediction"]["label"], "virginica");
    // What another file has wrong is said, and does no harm.
    deployed.upload("in/bad.json", r#"{"features": [1, 2]}"#);
    deployed.until_log_has("s3://uploads/in/bad.json: ");
    deployed.upload(
        "in/b.json",
        r#"{"features": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}"#,
    );
    deployed.until_log_has("s3://predictions/out/b.json");
    let found = deployed.prediction("out/b.json");
    assert_eq!(found["prediction"][0]["label"], "setosa");
    assert!(!deployed.bucket("predictions").join("out/bad.json").exists());
}
