//! The local cloud as the engine sees it: a session that writes down what there is, and lets the
//! process that answers know.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use mlfn_core::{
    Access, Address, Call, Failure, FileRef, KindSpec, Observed, Ownership, ProviderError,
    ProviderName, Recorded, Resource, ResourceId, Session, Watch,
};
use serde_json::{Value as Json, json};

use crate::InvokeError;
use crate::clock::Clock;
use crate::cloud::record::{Record, RecordError, Store, Thing};
use crate::cloud::{admit, aws, dismiss, outputs, remote_id, remove};
use crate::daemon::Daemon;
use crate::emulator;
use crate::local_cloud::{LocalCloud, is_immutable};
use crate::packages::{PackageError, Packages};

/// Who answers for a local cloud.
#[derive(Debug)]
pub(crate) enum Host {
    /// This process.
    Here(Arc<LocalCloud>),
    /// One that stays when this one ends.
    Detached(Daemon),
}

/// A local cloud for one service and stage.
#[derive(Debug)]
pub struct LocalSession {
    access: Access,
    kinds: &'static [KindSpec],
    store: Store,
    packages: Packages,
    host: Host,
}

impl LocalSession {
    pub(crate) fn new(
        access: &Access,
        kinds: &'static [KindSpec],
        (folder, platform): (&Path, ProviderName),
        host: Host,
    ) -> Self {
        Self {
            access: access.clone(),
            kinds,
            store: Store::new(folder.to_owned(), platform),
            packages: Packages::new(folder.join("packages")),
            host,
        }
    }

    /// Kinds and names of everything that has the tags of the service and stage, sorted.
    pub fn inventory(&self) -> Result<Vec<String>, ProviderError> {
        let record = self.store.read()?;
        let ours = record
            .things
            .iter()
            .filter(|(_, thing)| self.owner(thing) == Ownership::Ours);
        Ok(ours.map(|(key, _)| key.clone()).collect())
    }

    /// Everything of ours that is not among `wanted`, in an order in which it can go.
    pub(crate) fn others(&self, wanted: &[Resource]) -> Result<Vec<Recorded>, ProviderError> {
        let wanted: BTreeSet<(&str, &str)> = wanted
            .iter()
            .map(|one| (one.id.kind(), one.remote_name.as_str()))
            .collect();
        let record = self.store.read()?;
        let unwanted = record.things.values().filter(|thing| {
            let name = (thing.kind.as_str(), thing.name.as_str());
            self.owner(thing) == Ownership::Ours && !wanted.contains(&name)
        });
        let mut unwanted: Vec<&Thing> = unwanted.collect();
        // What an alias points to stays until that is gone.
        unwanted.sort_by_key(|thing| thing.kind != "aws:alias");
        Ok(unwanted
            .into_iter()
            .map(|thing| self.recorded(&record, thing))
            .collect())
    }

    pub(crate) fn is_immutable(&self, kind: &str, fields: &BTreeSet<String>) -> bool {
        is_immutable(self.kinds, kind, fields)
    }

    fn recorded(&self, record: &Record, thing: &Thing) -> Recorded {
        Recorded {
            id: ResourceId::new(thing.kind.clone(), thing.name.clone()),
            remote_name: thing.name.clone(),
            remote_id: remote_id(record, thing),
            fields: self.fields(thing),
            outputs: outputs(record, thing),
            dependencies: BTreeSet::new(),
            within: None,
        }
    }

    fn owner(&self, thing: &Thing) -> Ownership {
        let tag = |name: &str| thing.tags.get(name).cloned();
        Ownership::by_tags(tag, &self.access.service, &self.access.stage)
    }

    /// Every field of the kind; what is not set is null.
    fn fields(&self, thing: &Thing) -> BTreeMap<String, Json> {
        let spec = self.kinds.iter().find(|spec| spec.kind == thing.kind);
        let names = spec.into_iter().flat_map(|spec| spec.fields);
        let mut fields: BTreeMap<String, Json> = names
            .map(|field| (field.name.to_owned(), Json::Null))
            .collect();
        fields.extend(thing.fields.clone());
        fields
    }

    fn observe(&self, record: &Record, thing: &Thing) -> Observed {
        Observed {
            remote_id: remote_id(record, thing),
            fields: self.fields(thing),
            outputs: outputs(record, thing),
            owner: self.owner(thing),
            pending: None,
        }
    }

    fn tag(&self, thing: &mut Thing) {
        let ours = [
            ("mlfn:service", self.access.service.as_str()),
            ("mlfn:stage", self.access.stage.as_str()),
        ];
        let ours = ours.map(|(name, value)| (name.to_owned(), value.to_owned()));
        thing.tags.extend(self.access.tags.clone());
        thing.tags.extend(ours);
    }

    /// Changes the record. It takes no longer than writing a small file, and is not done halfway
    /// or later when this process ends or gives up.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Record) -> Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        self.store.change(|record| {
            if let Some(region) = &self.access.region {
                record.region = Some(region.clone());
            }
            change(record)
        })
    }

    fn unpacking(&self, call: &Call<'_>) -> Unpacking {
        let mut files = Vec::new();
        for value in call.inputs.fields().values() {
            value.for_each_file(&mut |file| files.push((call.root.join(&file.path), file.clone())));
        }
        Unpacking {
            packages: self.packages.clone(),
            are_archives: !aws::is_of_a_model(call.id.kind(), call.remote_name),
            files,
        }
    }
}

/// The packages that a change brings.
#[derive(Clone)]
struct Unpacking {
    packages: Packages,
    are_archives: bool,
    files: Vec<(PathBuf, FileRef)>,
}

impl Unpacking {
    /// That all bytes are there.
    fn tell(&self, call: &Call<'_>) {
        let total = self.files.iter().map(|(_, file)| file.bytes).sum();
        (call.progress)(total, total);
    }

    /// In a thread of its own, since that takes a while.
    async fn unpack(&self) -> Result<(), ProviderError> {
        let own = self.clone();
        let unpacked = tokio::task::spawn_blocking(move || own.unpack_now()).await;
        unpacked.unwrap_or_else(|error| {
            let why = "unpacking was interrupted".to_owned();
            Err(ProviderError::new(Failure::Unavailable { why }).caused_by(error))
        })
    }

    /// Does nothing for those that are there.
    fn unpack_now(&self) -> Result<(), ProviderError> {
        for (path, file) in &self.files {
            if self.are_archives {
                self.packages.unpack(path, &file.digest)?;
            } else {
                self.packages.copy(path, &file.digest)?;
            }
        }
        Ok(())
    }

    /// Under the lock of the record, since others may have taken them for unused until now.
    fn record(&self, record: &mut Record) -> Result<(), ProviderError> {
        self.unpack_now()?;
        let files = self.files.iter();
        record
            .packages
            .extend(files.map(|(_, file)| (file.digest.clone(), file.bytes)));
        Ok(())
    }
}

#[async_trait]
impl Session for LocalSession {
    fn provider(&self) -> &'static str {
        "local"
    }

    fn full_name(&self, remote_name: &str) -> String {
        let recorded = || self.store.read().ok()?.region.clone();
        let region = self.access.region.clone().or_else(recorded);
        aws::full_name(region.as_deref(), remote_name)
    }

    async fn read(&self, address: &Address) -> Result<Option<Observed>, ProviderError> {
        let record = self.store.read()?;
        let thing = record.find(address.id.kind(), &address.remote_name);
        Ok(thing.map(|thing| self.observe(&record, thing)))
    }

    async fn create(&self, call: &Call<'_>) -> Result<Observed, ProviderError> {
        self.host.ensure().await?;
        let mut thing = Thing {
            kind: call.id.kind().to_owned(),
            name: call.remote_name.to_owned(),
            fields: set_fields(call),
            tags: BTreeMap::new(),
            number: None,
            snapshot: None,
            modified: self.host.now(),
        };
        self.tag(&mut thing);
        let unpacking = self.unpacking(call);
        unpacking.unpack().await?;
        let record = self.change(|record| {
            if let Some(found) = record.find(&thing.kind, &thing.name) {
                return Err(ProviderError::new(Failure::AlreadyExists {
                    what: thing.name.clone(),
                    owner: self.owner(found),
                }));
            }
            unpacking.record(record)?;
            admit(record, &mut thing)?;
            record.put(thing.clone());
            Ok(record.clone())
        })?;
        unpacking.tell(call);
        self.host.changed(false).await?;
        Ok(self.observe(&record, &thing))
    }

    async fn update(
        &self,
        call: &Call<'_>,
        _prior: &Recorded,
        changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        self.host.ensure().await?;
        let (kind, name) = (call.id.kind(), call.remote_name);
        let unpacking = self.unpacking(call);
        unpacking.unpack().await?;
        let (record, thing) = self.change(|record| {
            unpacking.record(record)?;
            let found = record.find(kind, name).cloned();
            let mut thing = found.ok_or_else(|| Failure::NotFound {
                what: name.to_owned(),
            })?;
            thing.fields.retain(|field, _| !changed.contains(field));
            // What `shift` began ends here.
            thing.fields.remove("routing");
            let fields = set_fields(call).into_iter();
            thing
                .fields
                .extend(fields.filter(|(field, _)| changed.contains(field)));
            thing.modified = self.host.now();
            self.tag(&mut thing);
            aws::points_to_something(record, &thing)?;
            record.put(thing.clone());
            record.forget_packages();
            Ok((record.clone(), thing))
        })?;
        unpacking.tell(call);
        self.host.changed(false).await?;
        Ok(self.observe(&record, &thing))
    }

    async fn delete(&self, prior: &Recorded) -> Result<(), ProviderError> {
        let (kind, name) = (prior.id.kind().to_owned(), prior.remote_name.clone());
        let is_empty = self.change(|record| {
            if let Some(thing) = record.find(&kind, &name) {
                dismiss(record, thing)?;
            }
            remove(record, &kind, &name);
            record.forget_packages();
            Ok(record.things.is_empty())
        })?;
        self.host.changed(is_empty).await?;
        if is_empty && matches!(self.host, Host::Detached(_)) {
            self.store.clear()?;
        }
        Ok(())
    }

    async fn shift(
        &self,
        call: &Call<'_>,
        prior: &Recorded,
        percent: u8,
    ) -> Result<Observed, ProviderError> {
        self.host.ensure().await?;
        let new = call.inputs.text("version").unwrap_or_default();
        let old = prior.fields.get("version").cloned().unwrap_or_default();
        let (record, thing) = self.change(|record| {
            let found = record.find(call.id.kind(), call.remote_name).cloned();
            let mut thing = found.ok_or_else(|| Failure::NotFound {
                what: call.remote_name.to_owned(),
            })?;
            thing.fields.insert("version".to_owned(), old);
            thing.fields.remove("routing");
            if percent > 0 {
                let part = json!({ new: f64::from(percent) / 100.0 });
                thing.fields.insert("routing".to_owned(), part);
            }
            aws::points_to_something(record, &thing)?;
            record.put(thing.clone());
            Ok((record.clone(), thing))
        })?;
        self.host.changed(false).await?;
        Ok(self.observe(&record, &thing))
    }

    /// There are no alarms here, so that only failed requests speak against a version.
    async fn watch(
        &self,
        call: &Call<'_>,
        _watch: &Watch<'_>,
    ) -> Result<Option<String>, ProviderError> {
        let function = call.remote_name.split(':').next().unwrap_or_default();
        let version = call.inputs.text("version").unwrap_or_default();
        let failures = self.host.failures(function, &version).await?;
        Ok((failures > 0).then(|| format!("version {version} failed on {failures} requests")))
    }

    async fn probe(&self, call: &Call<'_>, request: &Json) -> Result<(), ProviderError> {
        let function = call.remote_name.split(':').next().unwrap_or_default();
        let version = call.inputs.text("version");
        let payload = Bytes::from(request.to_string());
        self.host.ensure().await?;
        // Whoever published what is probed may have been killed before it said so.
        self.host.changed(false).await?;
        match self
            .host
            .invoke(function, version.as_deref(), payload)
            .await?
        {
            Ok(_) => Ok(()),
            Err(answer) => {
                let why = String::from_utf8_lossy(&answer).into_owned();
                Err(Failure::Unhealthy { why }.into())
            }
        }
    }
}

fn set_fields(call: &Call<'_>) -> BTreeMap<String, Json> {
    let fields = call.inputs.fields().iter();
    let fields = fields.map(|(name, value)| (name.clone(), value.to_json()));
    fields.filter(|(_, value)| !value.is_null()).collect()
}

impl Host {
    /// What time it is there, in milliseconds since 1970: what fires goes by the same clock.
    fn now(&self) -> u64 {
        match self {
            Self::Here(cloud) => cloud.emulator().options().clock.milliseconds(),
            Self::Detached(_) => Clock::system().milliseconds(),
        }
    }

    /// Makes sure that somebody answers.
    async fn ensure(&self) -> Result<(), ProviderError> {
        match self {
            Self::Here(_) => Ok(()),
            Self::Detached(daemon) => daemon.ensure().await,
        }
    }

    /// Lets whoever answers know that the record has changed.
    async fn changed(&self, is_empty: bool) -> Result<(), ProviderError> {
        match self {
            Self::Here(cloud) => {
                cloud.refresh()?;
                Ok(())
            }
            Self::Detached(daemon) if is_empty => daemon.stop().await,
            Self::Detached(daemon) => daemon.reload().await,
        }
    }

    /// How many requests a version failed on that it got as its part of an alias's.
    async fn failures(&self, function: &str, version: &str) -> Result<u64, ProviderError> {
        match self {
            Self::Here(cloud) => Ok(cloud.emulator().failures(function, version)),
            Self::Detached(daemon) => daemon.failures(function, version).await,
        }
    }

    /// The answer of a function, good or bad.
    async fn invoke(
        &self,
        function: &str,
        qualifier: Option<&str>,
        payload: Bytes,
    ) -> Result<Result<Bytes, Bytes>, ProviderError> {
        let cloud = match self {
            Self::Here(cloud) => cloud,
            Self::Detached(daemon) => return daemon.invoke(function, qualifier, payload).await,
        };
        let call = emulator::Call {
            function: function.to_owned(),
            qualifier: qualifier.map(str::to_owned),
            payload,
            ..emulator::Call::default()
        };
        match cloud.emulator().invoke(call).await {
            Ok(done) if done.ending.is_success() => Ok(Ok(done.body)),
            Ok(done) => Ok(Err(done.body)),
            Err(InvokeError::NotFound(what)) => Err(Failure::NotFound { what }.into()),
            Err(InvokeError::Throttled(_)) => Err(Failure::Throttled { after: None }.into()),
        }
    }
}

impl From<RecordError> for ProviderError {
    /// The error itself is told by the failure; only what is below it becomes the cause.
    fn from(error: RecordError) -> Self {
        let why = error.to_string();
        match error {
            RecordError::Machine(source) => {
                Self::new(Failure::Unavailable { why }).caused_by(source)
            }
            RecordError::Damaged { source, .. } => {
                Self::new(Failure::Rejected { why }).caused_by(source)
            }
            RecordError::Newer { .. } | RecordError::OtherCloud { .. } => {
                Failure::Rejected { why }.into()
            }
        }
    }
}

impl From<PackageError> for ProviderError {
    fn from(error: PackageError) -> Self {
        let why = error.to_string();
        let failure = Self::new(Failure::Rejected { why });
        match error {
            PackageError::Archive { source, .. } => failure.caused_by(source),
            PackageError::Machine(source) => failure.caused_by(source),
            PackageError::Changed { .. } => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io;

    use super::*;

    /// The error and what it comes from, from above.
    #[track_caller]
    fn check(error: impl Into<ProviderError>, expected: &[&str]) {
        let error = error.into();
        let mut found = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(next) = cause {
            found.push(next.to_string());
            cause = next.source();
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn an_error_is_told_once() {
        let disk = || io::Error::other("the disk is gone");
        let read = "the cloud failed: the local cloud cannot be read or written";
        check(RecordError::Machine(disk()), &[read, "the disk is gone"]);
        let unpack = "refused: cannot unpack the package";
        check(PackageError::Machine(disk()), &[unpack, "the disk is gone"]);
        let path = PathBuf::from("a.zip");
        let changed = "refused: a.zip is not what it was when it was planned; \
                       package it again";
        check(PackageError::Changed { path }, &[changed]);
    }
}
