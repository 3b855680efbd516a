//! Buckets as folders: `buckets/<name>/` of the cloud. Whatever makes a file there (a program, a
//! copy by hand, the door of the S3 API) makes an object, and functions are told as S3 tells them.
//!
//! - [`bucket`]: objects as files
//! - [`watch`]: which files are new and complete; [`notices`] is what the system tells of them
//! - [`event`]: what a function gets

pub(crate) mod bucket;
mod event;
mod notices;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use async_trait::async_trait;
use bytes::Bytes;

use self::bucket::{Bucket, ObjectInfo};
use self::watch::Watcher;
use super::tasks::Tasks;
use super::{Source, Surroundings};
use crate::cloud::aws;
use crate::cloud::record::{Record, Thing};
use crate::identifiers;
use crate::packages::Packages;
use crate::platform::REGION;

/// The folder of all buckets in that of the cloud.
const FOLDER: &str = "buckets";

/// Where objects are that are not yet written; no bucket can have the name.
const STAGING: &str = ".staging";

/// The log stream of what is noted here.
const STREAM: &str = "storage";

/// Who wants to be told of which objects.
#[derive(Debug, Clone, PartialEq)]
struct Target {
    /// Its name.
    id: String,
    /// The ARN of the function.
    function: String,
    prefix: String,
    suffix: String,
}

/// All buckets of a cloud.
#[derive(Debug)]
pub(crate) struct Buckets {
    surroundings: Surroundings,
    content: RwLock<Content>,
    watchers: Tasks<String>,
}

#[derive(Debug, Default)]
struct Content {
    buckets: BTreeMap<String, Arc<Bucket>>,
    /// The files of models that functions fetch, by bucket and key.
    models: BTreeMap<(String, String), PathBuf>,
    /// By bucket.
    targets: BTreeMap<String, Vec<Target>>,
    region: String,
}

impl Buckets {
    pub(super) fn new(surroundings: Surroundings) -> Arc<Self> {
        Arc::new(Self {
            surroundings,
            content: RwLock::default(),
            watchers: Tasks::default(),
        })
    }

    /// The names of all buckets.
    pub(crate) fn all(&self) -> Vec<String> {
        self.content().buckets.keys().cloned().collect()
    }

    /// The bucket of that name.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Bucket>> {
        self.content().buckets.get(name).cloned()
    }

    /// The file of a model that functions fetch.
    pub(crate) fn model(&self, bucket: &str, key: &str) -> Option<PathBuf> {
        let name = (bucket.to_owned(), key.to_owned());
        self.content().models.get(&name).cloned()
    }

    fn content(&self) -> RwLockReadGuard<'_, Content> {
        self.content.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the functions of a bucket where it is, in their logs.
    fn introduce(&self, name: &str) {
        let content = self.content();
        let Some(bucket) = content.buckets.get(name) else {
            return;
        };
        let folder = bucket.folder().display();
        let text = format!("mlfn: bucket {name} is the folder {folder}");
        for target in content.targets.get(name).into_iter().flatten() {
            if let Some(function) = self.surroundings.function(&target.function) {
                function.note(STREAM, text.clone());
            }
        }
    }

    /// Tells everybody who wants to know of an object.
    fn tell(&self, bucket: &str, object: &ObjectInfo) {
        let content = self.content();
        let targets = content.targets.get(bucket).into_iter().flatten();
        let wants = |target: &&Target| {
            object.key.starts_with(&target.prefix) && object.key.ends_with(&target.suffix)
        };
        for target in targets.filter(wants) {
            let Some(function) = self.surroundings.function(&target.function) else {
                continue;
            };
            let time = identifiers::iso(self.surroundings.clock().now());
            let about = event::About {
                bucket,
                object,
                region: &content.region,
                target: &target.id,
                time: &time,
            };
            let text = format!("mlfn: bucket {bucket} has a new object {}", object.key);
            function.note(STREAM, text);
            function.hand_over(Bytes::from(event::event(&about).to_string()));
        }
    }
}

/// A handle for [`Sources`](super::Sources), whose watchers need the buckets as long as they watch.
#[derive(Debug, Clone)]
pub(super) struct StorageSource(pub(super) Arc<Buckets>);

#[async_trait]
impl Source for StorageSource {
    fn refresh(&self, record: &Record) {
        let buckets = &self.0;
        let content = content(record, buckets.surroundings.folder());
        let watched = content.targets.keys();
        let watched: BTreeMap<String, String> =
            watched.map(|name| (name.clone(), name.clone())).collect();
        *buckets
            .content
            .write()
            .unwrap_or_else(PoisonError::into_inner) = content;
        buckets.watchers.bring(watched, |name, stop| {
            let found = buckets.find(&name);
            // What is there by now is old, and what comes after this is new.
            let watcher = found.map(Watcher::new);
            buckets.introduce(&name);
            let buckets = Arc::clone(buckets);
            async move {
                if let Some(watcher) = watcher {
                    let tell = |object: &ObjectInfo| buckets.tell(&name, object);
                    watcher.run(tell, stop).await;
                }
            }
        });
    }

    async fn stop(&self) {
        self.0.watchers.stop().await;
    }
}

/// Removes what the buckets of a cloud leave when it ends. Objects stay: they are the user's.
pub(crate) fn clear(cloud: &Path) {
    let folder = cloud.join(FOLDER);
    let _ = fs_err::remove_dir_all(folder.join(STAGING));
    for bucket in bucket::entries(&folder).into_iter().flatten() {
        let _ = fs_err::remove_dir(bucket.path());
    }
    let _ = fs_err::remove_dir(folder);
}

/// What the record says of buckets. Their folders are made.
fn content(record: &Record, cloud: &Path) -> Content {
    let folder = cloud.join(FOLDER);
    let packages = Packages::of(cloud);
    let models = aws::models(record).map(|(name, digest)| (name, packages.file(&digest)));
    let things = record.of_kind("aws:bucket");
    let bucket = |thing: &Thing| {
        let bucket = Bucket::new(folder.join(&thing.name), folder.join(STAGING));
        // What cannot be made now is told by whoever writes into it.
        let _ = bucket.prepare();
        (thing.name.clone(), Arc::new(bucket))
    };
    let mut targets: BTreeMap<String, Vec<Target>> = BTreeMap::new();
    for notification in record.of_kind("aws:bucket-notification") {
        let bucket = notification.name.split('/').next().unwrap_or_default();
        let entries = notification.fields.get("entries");
        let entries = entries.and_then(serde_json::Value::as_array);
        let of = targets.entry(bucket.to_owned()).or_default();
        of.extend(entries.into_iter().flatten().map(target));
    }
    Content {
        buckets: things.map(bucket).collect(),
        models: models.collect(),
        targets,
        region: record.region.as_deref().unwrap_or(REGION).to_owned(),
    }
}

fn target(entry: &serde_json::Value) -> Target {
    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    Target {
        id: text("id"),
        function: text("function"),
        prefix: text("prefix"),
        suffix: text("suffix"),
    }
}
