//! Where predictions go besides the log: what the deploy wrote into `MLFN_OUTPUTS`.

use mlfn_shim_contract::env::OUTPUTS;
use serde::Deserialize;

use super::aws::objects::Object;
use crate::codec::failure::{Code, Failure, json_problem};

/// The end of the key of every prediction.
const SUFFIX: &str = ".json";

/// All places for predictions.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Outputs(Vec<Output>);

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Output {
    /// The ARN of the queue or bucket that events come from.
    source: String,
    #[serde(default)]
    source_prefix: String,
    #[serde(default)]
    source_suffix: String,
    #[serde(flatten)]
    target: Target,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Target {
    Queue {
        /// Its URL.
        queue: String,
    },
    Bucket {
        bucket: String,
        prefix: String,
    },
}

/// Where one prediction goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// To the queue with this URL.
    Queue(String),
    /// Into this object.
    Object(Object),
}

impl Place {
    /// Its address, for people.
    pub(crate) fn uri(&self) -> String {
        match self {
            Self::Queue(url) => url.clone(),
            Self::Object(object) => object.uri(),
        }
    }
}

impl Outputs {
    /// From the value of the variable.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, Failure> {
        let Some(text) = text else {
            return Ok(Self::default());
        };
        serde_json::from_str(text).map_err(|error| {
            let problem = json_problem(&error);
            let message = format!("{OUTPUTS} is not what a deploy writes: {problem}; deploy again");
            Failure::new(Code::WrongConfiguration, message)
        })
    }

    /// For what came in a message of this queue.
    pub(crate) fn of_queue(&self, arn: &str) -> Option<Place> {
        let output = self.0.iter().find(|output| output.source == arn)?;
        match &output.target {
            Target::Queue { queue } => Some(Place::Queue(queue.clone())),
            Target::Bucket { .. } => None,
        }
    }

    /// For what was in this object. The same object always has the same place: events of buckets
    /// may come twice.
    pub(crate) fn of_object(&self, object: &Object) -> Option<Place> {
        let output = self.0.iter().find(|output| output.has(object))?;
        let Target::Bucket { bucket, prefix } = &output.target else {
            return None;
        };
        let name = without_folder(&object.key, &output.source_prefix);
        let suffix = if name.ends_with(SUFFIX) { "" } else { SUFFIX };
        Some(Place::Object(Object {
            bucket: bucket.clone(),
            key: format!("{prefix}{name}{suffix}"),
            size: None,
        }))
    }
}

impl Output {
    fn has(&self, object: &Object) -> bool {
        // The ARN of a bucket ends with its name: arn:aws:s3:::name
        let bucket = self.source.rsplit(':').next();
        bucket == Some(&*object.bucket)
            && object.key.starts_with(&self.source_prefix)
            && object.key.ends_with(&self.source_suffix)
    }
}

/// The key without the folders that all keys of the trigger are in.
fn without_folder<'a>(key: &'a str, prefix: &str) -> &'a str {
    let folder = prefix.rfind('/').map_or(0, |slash| slash + 1);
    key.get(folder..).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `mlfn deploy` writes for a queue and two buckets.
    const TEXT: &str = r#"[
        {"queue": "https://sqs.eu-west-1.amazonaws.com/1/results", "source": "arn:aws:sqs:eu-west-1:1:jobs"},
        {"bucket": "out", "prefix": "p/", "source": "arn:aws:s3:::in", "source_prefix": "a/b", "source_suffix": ".json"},
        {"bucket": "out", "prefix": "", "source": "arn:aws:s3:::in", "source_prefix": "c/", "source_suffix": ""}
    ]"#;

    #[track_caller]
    fn check(key: &str, expected: Option<&str>) {
        let outputs = Outputs::parse(Some(TEXT)).expect("good outputs");
        let object = Object {
            bucket: "in".to_owned(),
            key: key.to_owned(),
            size: None,
        };
        let found = outputs.of_object(&object).map(|place| place.uri());
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn a_prediction_has_the_name_of_its_object_in_the_output_s_folder() {
        check("a/b.json", Some("s3://out/p/b.json"));
        check("a/b/c d.json", Some("s3://out/p/b/c d.json"));
        check("c/x.npy", Some("s3://out/x.npy.json"));
        check("c/x/y.json", Some("s3://out/x/y.json"));
    }

    #[test]
    fn what_no_trigger_is_for_goes_nowhere() {
        check("a/b.csv", None);
        check("b.json", None);
        let outputs = Outputs::parse(None).expect("none are good");
        assert_eq!(outputs.of_queue("arn:aws:sqs:eu-west-1:1:jobs"), None);
    }

    #[test]
    fn a_queue_has_another_queue() {
        let outputs = Outputs::parse(Some(TEXT)).expect("good outputs");
        let found = outputs.of_queue("arn:aws:sqs:eu-west-1:1:jobs");
        let expected = "https://sqs.eu-west-1.amazonaws.com/1/results";
        assert_eq!(found.map(|place| place.uri()).as_deref(), Some(expected));
        assert_eq!(outputs.of_queue("arn:aws:sqs:eu-west-1:1:other"), None);
    }

    #[test]
    fn outputs_that_no_deploy_writes_are_a_failure() {
        let failure = Outputs::parse(Some("[{}]")).expect_err("it is none");
        assert_eq!(failure.code, Code::WrongConfiguration);
    }
}
