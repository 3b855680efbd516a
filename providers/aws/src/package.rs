//! How a package looks on AWS Lambda: a zip with the shim as `bootstrap`, nothing else of AWS's.

use std::collections::BTreeMap;

use mlfn_core::{ArchiveFormat, Function, LibcLimit, PackageSpec, RouteSpec, Target, Trigger};

use crate::limits;

/// The file that the `provided.al2023` runtime starts (Developer Guide, "Building a custom
/// runtime").
pub const SHIM: &str = "bootstrap";

/// The name of the route by way of an S3 bucket.
pub const BUCKET: &str = "bucket";

/// The name of the route on which the model is in a bucket, and fetched into `/tmp` at each start.
pub const MODEL_APART: &str = "model in bucket";

/// What is left of the largest `/tmp` for others, in bytes.
const REST_OF_TMP: u64 = 512 << 20;

/// The layout of the package of `function`.
pub fn package(function: &Function) -> PackageSpec {
    PackageSpec {
        formats: vec![ArchiveFormat::Zip],
        target: Target {
            name: "Amazon Linux 2023",
            architecture: function.architecture,
            libc: AMAZON_LINUX_2023,
        },
        shim: SHIM.to_owned(),
        files: Vec::new(),
        // EventBridge Scheduler sends the input itself.
        schedules: BTreeMap::new(),
        shares_library: function.aws.layers,
        // API Gateway and function URLs do.
        tells_browsers: false,
        record_batches: function.triggers.iter().any(hands_batches),
        routes: routes(),
        max_request: limits::PAYLOAD,
        max_response: limits::PAYLOAD,
    }
}

/// Whether several records may come in one event. SNS sends each by itself.
fn hands_batches(trigger: &Trigger) -> bool {
    match trigger {
        Trigger::Queue(queue) => queue.batch > 1,
        Trigger::Stream(stream) => stream.batch > 1,
        Trigger::Http(_) | Trigger::Schedule(_) | Trigger::Storage(_) | Trigger::Topic(_) => false,
    }
}

/// Amazon Linux 2023 has glibc 2.34 and the libstdc++ of GCC 11, whose newest symbols are
/// `GLIBCXX_3.4.29` (libstdc++ manual, "ABI Policy and Guidelines").
const AMAZON_LINUX_2023: LibcLimit = LibcLimit {
    glibc: (2, 34),
    glibcxx: (3, 4, 29),
};

/// In the request itself, or by way of a bucket, where only the unpacked size is limited, or with
/// the model by itself in a bucket.
fn routes() -> Vec<RouteSpec> {
    vec![
        RouteSpec {
            name: "direct zip",
            max_packed: Some(limits::ZIP_DIRECT),
            max_unpacked: Some(limits::UNPACKED),
            max_fetched: None,
        },
        RouteSpec {
            name: BUCKET,
            max_packed: None,
            max_unpacked: Some(limits::UNPACKED),
            max_fetched: None,
        },
        RouteSpec {
            name: MODEL_APART,
            max_packed: Some(limits::ZIP_DIRECT),
            max_unpacked: Some(limits::UNPACKED),
            max_fetched: Some((u64::from(limits::EPHEMERAL_STORAGE.max) << 20) - REST_OF_TMP),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use mlfn_core::Architecture;
    use mlfn_testkit::{function, trigger};
    use serde_json::json;

    #[test]
    fn the_package_is_a_zip_for_the_architecture_of_its_function() {
        let mut function = function("classifier");
        function.architecture = Architecture::Arm64;
        let spec = package(&function);
        assert_eq!(spec.formats, [ArchiveFormat::Zip]);
        assert_eq!(spec.target.architecture, Architecture::Arm64);
        assert_eq!((spec.shim.as_str(), spec.files.len()), ("bootstrap", 0));
        mlfn_testkit::contract::layout(&spec);
    }

    #[test]
    fn queues_and_streams_hand_over_as_many_records_as_they_may() {
        for (kind, given, expected) in [
            ("queue", json!({"batch": 10}), true),
            ("queue", json!({"batch": 1}), false),
            ("stream", json!({"batch": 2}), true),
            ("topic", json!({}), false),
            ("http", json!({}), false),
        ] {
            let mut function = function("classifier");
            function.triggers = vec![trigger(kind, given)];
            assert_eq!(package(&function).record_batches, expected, "{kind}");
        }
    }

    #[test]
    fn a_bucket_takes_what_the_request_does_not() {
        let [direct, bucket, apart] = &routes()[..] else {
            panic!("three routes");
        };
        assert_eq!(direct.max_packed, Some(52_428_800));
        assert_eq!(bucket.max_packed, None);
        assert_eq!(direct.max_unpacked, Some(262_144_000));
        assert_eq!(bucket.max_unpacked, Some(262_144_000));
        assert_eq!(apart.max_fetched, Some(9728 << 20));
    }
}
