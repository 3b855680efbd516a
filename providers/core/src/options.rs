//! What only one cloud has, typed: the `aws:`, `azure:` and `gcp:` blocks of a model.

use serde::{Deserialize, Serialize};

use crate::Memory;

/// The `aws:` block of a model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AwsOptions {
    /// Size of `/tmp`; Lambda's own default is 512 MB.
    pub ephemeral_storage: Option<Memory>,
    /// Instances set aside for this function, and the most it may use.
    pub reserved_concurrency: Option<u32>,
    /// Instances kept warm.
    pub provisioned_concurrency: Option<u32>,
    /// How long logs are kept, in days.
    pub log_retention_days: Option<u32>,
    /// A bucket of the user's for packages over the direct limit.
    pub deployment_bucket: Option<String>,
    /// Whether ONNX Runtime is uploaded by itself, as a layer that the functions of a service
    /// share.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub layers: bool,
}

/// The `azure:` block of a model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AzureOptions {
    /// Instances kept warm for HTTP.
    pub always_ready: Option<u32>,
    /// The most instances.
    pub max_instances: Option<u32>,
    /// Requests that one instance gets at the same time.
    pub concurrency: Option<u32>,
}

/// The `gcp:` block of a model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GcpOptions {
    /// Which of Google's two ways runs the package.
    pub engine: GcpEngine,
    /// Whole or fractional virtual CPUs in thousandths, e.g. 1000 for one.
    pub milli_cpu: Option<u32>,
    /// Instances kept warm.
    pub min_instances: Option<u32>,
    /// The most instances.
    pub max_instances: Option<u32>,
    /// Requests that one instance gets at the same time.
    pub concurrency: Option<u32>,
}

/// Which of Google's two ways runs the package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GcpEngine {
    /// Cloud Functions (generally available): a zip that Cloud Build turns into a container.
    #[default]
    Functions,
    /// Cloud Run without a build (preview): a tar.gz on Google's own base image.
    CloudRun,
}
