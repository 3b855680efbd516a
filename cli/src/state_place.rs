//! Where the record of what is deployed lies: beside the manifest, or in a bucket for all who
//! deploy. What is on this machine is recorded on this machine.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use mlfn_core::{Bucket, BucketUrl, ProviderName};
use mlfn_engine::state::{AwsSettings, Document, RemoteStore, StateStore, Surroundings};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio::sync::Mutex;

use crate::deployment;
use crate::pipeline::Checked;
use crate::registry::{Chain, Keys};

/// The place for the state of a service and stage. Makes no request.
pub(crate) async fn store(checked: &Checked) -> anyhow::Result<Box<dyn StateStore>> {
    let Some(url) = checked.bucket() else {
        return Ok(Box::new(checked.local_store()));
    };
    let surroundings = Surroundings {
        variables: checked.environment.all(),
        aws: match url.bucket {
            Bucket::S3 { .. } => Some(aws(checked).await),
            Bucket::Azure { .. } | Bucket::Google { .. } => None,
        },
    };
    let store = RemoteStore::open(url, &below(checked), &surroundings)?;
    Ok(Box::new(store))
}

/// What messages call the record.
pub(crate) fn name(checked: &Checked) -> String {
    match checked.bucket() {
        Some(BucketUrl { bucket, folder }) => {
            let parts = [bucket.to_string(), folder.clone(), below(checked)];
            let parts = parts.iter().filter(|part| !part.is_empty());
            let parts: Vec<&str> = parts.map(String::as_str).collect();
            format!("{}/{}", parts.join("/"), Document::State.file_name())
        }
        None => checked.local_store().place(Document::State),
    }
}

/// A bucket may be for many services, and each cloud has a state of its own.
fn below(checked: &Checked) -> String {
    let service = &checked.service;
    format!(
        "{}/{}/{}",
        service.name,
        checked.place_name(),
        service.stage
    )
}

/// What AWS's own tools would use here. The bucket is where the service is, unless its URL says
/// otherwise.
async fn aws(checked: &Checked) -> AwsSettings {
    let mut access = deployment::access(checked);
    if checked.service.provider != ProviderName::Aws {
        access.region = None;
    }
    let chain = Chain::load(&access).await;
    AwsSettings {
        region: chain.region(),
        endpoint: chain.endpoint(),
        credentials: Arc::new(Signer {
            chain,
            known: Mutex::default(),
        }),
    }
}

/// Gives the keys of AWS's chain to whoever signs.
#[derive(Debug)]
struct Signer {
    chain: Chain,
    known: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    keys: Arc<AwsCredential>,
    until: SystemTime,
}

/// Keys are asked for anew that much before they end.
const MARGIN: Duration = Duration::from_mins(5);

/// How long keys are used that have no end, such as those of `~/.aws/credentials`.
const ENDLESS: Duration = Duration::from_mins(15);

#[async_trait]
impl CredentialProvider for Signer {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut known = self.known.lock().await;
        let now = SystemTime::now();
        if let Some(known) = known.as_ref().filter(|known| now < known.until) {
            return Ok(Arc::clone(&known.keys));
        }
        let keys = self.chain.keys().await;
        let keys = keys.map_err(|error| object_store::Error::Unauthenticated {
            path: String::new(),
            source: error.into(),
        })?;
        let Keys {
            id,
            secret,
            token,
            until,
        } = keys;
        let keys = Arc::new(AwsCredential {
            key_id: id,
            secret_key: secret,
            token,
        });
        *known = Some(Known {
            keys: Arc::clone(&keys),
            until: until.map_or(now + ENDLESS, |until| until - MARGIN),
        });
        Ok(keys)
    }
}
