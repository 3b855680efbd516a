//! From the URL of a bucket to the bucket, with the credentials that the cloud's own tools use.

use std::sync::Arc;
use std::time::Duration;

use mlfn_core::{Bucket, BucketUrl};
use object_store::aws::{AmazonS3Builder, AwsCredential};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::CredentialProvider;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

use super::http::Connector;
use super::{RemoteStore, failed};
use crate::state::StoreError;

/// What the surroundings of the process say about credentials and places.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Environment variables; those that start with `AWS_`, `AZURE_` and `GOOGLE_` are used.
    pub variables: Vec<(String, String)>,
    /// What AWS's own chain of settings found, for what variables do not tell: profiles, SSO.
    pub aws: Option<AwsSettings>,
}

/// Settings of AWS that come from elsewhere than from variables.
#[derive(Debug, Clone)]
pub struct AwsSettings {
    /// Who signs.
    pub credentials: Arc<dyn CredentialProvider<Credential = AwsCredential>>,
    /// Where, unless the URL says so.
    pub region: Option<String>,
    /// Instead of AWS's own, unless a variable says so.
    pub endpoint: Option<String>,
}

impl Surroundings {
    fn starting_with(&self, prefix: &'static str) -> impl Iterator<Item = (String, &String)> {
        let variables = self.variables.iter();
        let named = variables.filter(move |(name, value)| {
            // A variable without a value is one that is not set, as AWS's own tools see it.
            name.starts_with(prefix) && !value.is_empty()
        });
        named.map(|(name, value)| (name.to_ascii_lowercase(), value))
    }

    fn has(&self, name: &str) -> bool {
        let mut variables = self.variables.iter();
        variables.any(|(known, value)| known == name && !value.is_empty())
    }
}

/// Tries again for less time than a lock lasts without being renewed, so that a bucket that is out
/// of reach is noticed before others may take the lock.
fn retry() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(3),
            base: 2.0,
        },
        max_retries: 6,
        retry_timeout: Duration::from_secs(20),
    }
}

impl RemoteStore {
    /// The documents of one stage of one service, in the folder `below` of the URL's folder. Makes
    /// no request.
    pub fn open(
        url: &BucketUrl,
        below: &str,
        surroundings: &Surroundings,
    ) -> Result<Self, StoreError> {
        let objects = match &url.bucket {
            Bucket::S3 { name, region } => s3(name, region.as_deref(), surroundings),
            Bucket::Azure { account, container } => azure(account, container, surroundings),
            Bucket::Google { name } => google(name, surroundings),
        };
        let place = url.bucket.to_string();
        let objects = objects.map_err(|error| failed("open", place.clone(), &url.bucket, error))?;
        let folders = [url.folder.as_str(), below];
        let folders = folders.into_iter().filter(|folder| !folder.is_empty());
        let prefix = folders.collect::<Vec<_>>().join("/");
        Ok(Self::new(objects, url.bucket.clone(), &prefix))
    }
}

type Opened = object_store::Result<Arc<dyn ObjectStore>>;

fn s3(bucket: &str, region: Option<&str>, surroundings: &Surroundings) -> Opened {
    let mut builder = AmazonS3Builder::new();
    for (name, value) in surroundings.starting_with("AWS_") {
        if let Ok(key) = name.parse() {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(aws) = &surroundings.aws {
        builder = builder.with_credentials(Arc::clone(&aws.credentials));
    }
    let settings = surroundings.aws.as_ref();
    let region = region.or(settings.and_then(|aws| aws.region.as_deref()));
    if let Some(region) = region {
        builder = builder.with_region(region);
    }
    let names = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"];
    if !names.iter().any(|name| surroundings.has(name)) {
        let own = settings.and_then(|aws| aws.endpoint.clone());
        // China's part of AWS has a domain of its own, which object_store does not know.
        let china = region.filter(|region| region.starts_with("cn-"));
        let china = china.map(|region| format!("https://s3.{region}.amazonaws.com.cn"));
        if let Some(endpoint) = own.or(china) {
            builder = builder.with_endpoint(endpoint);
        }
    }
    let store = builder
        .with_bucket_name(bucket)
        .with_http_connector(Connector)
        .with_retry(retry())
        .build()?;
    Ok(Arc::new(store))
}

/// Any of these tells who asks; without them, it is whoever has signed in with `az login`.
const AZURE_IDENTITIES: [&str; 9] = [
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_TOKEN",
    "AZURE_CLIENT_ID",
    "AZURE_STORAGE_CLIENT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "IDENTITY_ENDPOINT",
];

fn azure(account: &str, container: &str, surroundings: &Surroundings) -> Opened {
    let mut builder = MicrosoftAzureBuilder::new();
    for (name, value) in surroundings.starting_with("AZURE_") {
        if let Ok(key) = name.parse() {
            builder = builder.with_config(key, value);
        }
    }
    for (_, endpoint) in surroundings.starting_with("IDENTITY_ENDPOINT") {
        builder = builder.with_msi_endpoint(endpoint);
    }
    if !AZURE_IDENTITIES.iter().any(|name| surroundings.has(name)) {
        builder = builder.with_use_azure_cli(true);
    }
    let store = builder
        .with_account(account)
        .with_container_name(container)
        .with_http_connector(Connector)
        .with_retry(retry())
        .build()?;
    Ok(Arc::new(store))
}

fn google(bucket: &str, surroundings: &Surroundings) -> Opened {
    let mut builder = GoogleCloudStorageBuilder::new();
    for (name, value) in surroundings.starting_with("GOOGLE_") {
        if let Ok(key) = name.parse() {
            builder = builder.with_config(key, value);
        }
    }
    let store = builder
        .with_bucket_name(bucket)
        .with_http_connector(Connector)
        .with_retry(retry())
        .build()?;
    Ok(Arc::new(store))
}
