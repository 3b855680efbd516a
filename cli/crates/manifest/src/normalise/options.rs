//! The `aws:`, `azure:` and `gcp:` blocks of a model.

use mlfn_core::{AwsOptions, AzureOptions, FieldPath, GcpEngine, GcpOptions};

use super::values;
use crate::problems::{Code, Problems};
use crate::schema::v1;

const BAD_CPU: Code = Code::new("invalid-cpu", "not a number of CPUs");

pub(super) fn aws(
    written: Option<&v1::Aws>,
    at: &FieldPath,
    problems: &mut Problems,
) -> AwsOptions {
    let Some(written) = written else {
        return AwsOptions::default();
    };
    if let Some(bucket) = &written.deployment_bucket {
        values::check_reference(bucket, &at.key("deployment_bucket"), problems);
    }
    let storage = written.ephemeral_storage.as_ref();
    AwsOptions {
        ephemeral_storage: values::memory(storage, &at.key("ephemeral_storage"), problems),
        reserved_concurrency: written.reserved_concurrency,
        provisioned_concurrency: written.provisioned_concurrency,
        log_retention_days: written.log_retention_days,
        deployment_bucket: written.deployment_bucket.clone(),
        layers: written.layers.unwrap_or_default(),
    }
}

pub(super) fn azure(written: Option<&v1::Azure>) -> AzureOptions {
    written.map_or_else(AzureOptions::default, |written| AzureOptions {
        always_ready: written.always_ready,
        max_instances: written.max_instances,
        concurrency: written.concurrency,
    })
}

pub(super) fn gcp(
    written: Option<&v1::Gcp>,
    at: &FieldPath,
    problems: &mut Problems,
) -> GcpOptions {
    let Some(written) = written else {
        return GcpOptions::default();
    };
    GcpOptions {
        engine: match written.engine {
            None | Some(v1::GcpEngine::Functions) => GcpEngine::Functions,
            Some(v1::GcpEngine::CloudRun) => GcpEngine::CloudRun,
        },
        milli_cpu: written
            .cpu
            .and_then(|cpu| milli_cpu(cpu, &at.key("cpu"), problems)),
        min_instances: written.min_instances,
        max_instances: written.max_instances,
        concurrency: written.concurrency,
    }
}

/// Thousandths of a CPU, which is as fine as Google counts.
fn milli_cpu(cpu: f64, at: &FieldPath, problems: &mut Problems) -> Option<u32> {
    const LARGEST: u32 = 64_000;
    let is_nearest = |milli: &u32| (f64::from(*milli) - cpu * 1000.0).abs() < 0.5;
    let found = (1..=LARGEST).find(is_nearest);
    if found.is_none() {
        let detail = format!("`{cpu}` CPUs are not what one instance can have");
        problems.push(
            BAD_CPU
                .error(at, detail)
                .help("write for example `cpu: 1` or `cpu: 0.5`"),
        );
    }
    found
}
