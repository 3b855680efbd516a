//! A local cloud in this process: the record of what there is, and the emulator that answers for
//! it. Several processes may change the record; one at a time answers.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Weak};

use fs_err::File;
use mlfn_core::{
    Access, Address, Call, Inputs, KindSpec, Mutability, Observed, ProviderError, Recorded,
    Resource, ResourceId, Session, Value,
};
use serde_json::Value as Json;

use crate::cloud::record::{PROCESS_LOCK, Record, RecordError, Store, try_lock};
use crate::cloud::wire;
use crate::front;
use crate::packages::{Leases, Packages, random_hex};
use crate::session::{Host, LocalSession};
use crate::{Emulator, EmulatorError, EmulatorOptions};

/// Why a local cloud does not start.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// Another process answers for it.
    #[error("another process runs the local cloud in {folder}; end that first")]
    Running {
        /// The folder of the cloud.
        folder: String,
    },
    /// Its record cannot be used.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The emulator does not start.
    #[error(transparent)]
    Emulator(#[from] EmulatorError),
}

/// A local cloud in this process.
#[derive(Debug)]
pub struct LocalCloud {
    emulator: Arc<Emulator>,
    store: Store,
    packages: Packages,
    /// Held as long as this answers.
    _lock: File,
}

impl LocalCloud {
    /// Answers for the cloud in the folder of `options`, with everything that is in it. Needs a
    /// tokio runtime with I/O and time.
    pub async fn open(options: EmulatorOptions) -> Result<Arc<Self>, CloudError> {
        Self::open_with(options, None).await
    }

    pub(crate) async fn open_with(
        mut options: EmulatorOptions,
        control: Option<Arc<dyn front::Control>>,
    ) -> Result<Arc<Self>, CloudError> {
        options.folder = std::path::absolute(&options.folder).map_err(RecordError::from)?;
        let folder = options.folder.clone();
        let lock = try_lock(&folder, PROCESS_LOCK).map_err(RecordError::from)?;
        let lock = lock.ok_or_else(|| CloudError::Running {
            folder: folder.display().to_string(),
        })?;
        let store = Store::new(folder.clone(), options.platform);
        options.port = options.port.or(store.read()?.port);
        let emulator = Emulator::start_with(options, control).await?;
        let port = emulator.port();
        store.change(|record| {
            record.port = Some(port);
            Ok::<_, RecordError>(())
        })?;
        let cloud = Arc::new(Self {
            emulator,
            store,
            packages: Packages::new(folder.join("packages")),
            _lock: lock,
        });
        cloud.refresh()?;
        let leases = Arc::clone(cloud.emulator.live().leases());
        tokio::spawn(tidy_up(Arc::downgrade(&cloud), leases));
        Ok(cloud)
    }

    /// Removes the packages that nobody needs: neither the record, nor a request that came in
    /// before the record changed.
    fn remove_packages(&self, leases: &Leases) -> Result<(), RecordError> {
        // Under the lock of the record: what others unpack meanwhile, they look at again.
        self.store.change(|record| {
            let mut wanted = record.used_packages();
            wanted.extend(leases.in_use());
            self.packages.keep(&wanted);
            Ok(())
        })
    }

    /// What answers.
    pub fn emulator(&self) -> &Arc<Emulator> {
        &self.emulator
    }

    /// Brings the emulator to what the record says now: first what takes requests, then what sends
    /// them.
    pub(crate) fn refresh(&self) -> Result<Arc<Record>, RecordError> {
        let record = self.store.read()?;
        self.emulator.rewire(wire(&record, &self.packages));
        self.emulator.sources().refresh(&record);
        Ok(record)
    }

    /// For one service and stage.
    pub fn session(self: &Arc<Self>, access: &Access, kinds: &'static [KindSpec]) -> LocalSession {
        let options = self.emulator.options();
        let host = Host::Here(Arc::clone(self));
        LocalSession::new(access, kinds, (&options.folder, options.platform), host)
    }

    /// Brings the cloud to these resources, and nothing else. New code is tried first with the
    /// request that it must answer; if it fails, everything that was there goes on.
    pub async fn reload(
        self: &Arc<Self>,
        session: &LocalSession,
        resources: &[Resource],
        root: &Path,
    ) -> Result<(), ProviderError> {
        let mut outputs = BTreeMap::new();
        for resource in in_order(resources) {
            let inputs = resolve(resource, &outputs)?;
            let observed = bring(session, resource, &inputs, root).await?;
            outputs.insert(resource.id.clone(), observed.outputs);
        }
        for unwanted in session.others(resources)? {
            session.delete(&unwanted).await?;
        }
        Ok(())
    }

    /// Ends it in an orderly way: requests that run are finished. The record stays.
    pub async fn shut_down(&self) {
        self.emulator.shut_down().await;
    }
}

/// Removes packages as long as there is a cloud: those of a process that was killed first.
async fn tidy_up(cloud: Weak<LocalCloud>, leases: Arc<Leases>) {
    let freed = leases.freed();
    while let Some(cloud) = cloud.upgrade() {
        // What cannot be removed now can be the next time.
        let _ = cloud.remove_packages(&leases);
        drop(cloud);
        freed.notified().await;
    }
}

/// Each after what it needs. What needs itself comes in any order.
fn in_order(resources: &[Resource]) -> Vec<&Resource> {
    let mut done: BTreeSet<&ResourceId> = BTreeSet::new();
    let mut ordered = Vec::new();
    let mut left: Vec<&Resource> = resources.iter().collect();
    while !left.is_empty() {
        let is_ready = |resource: &&Resource| {
            let needs = resource.dependencies();
            needs.iter().all(|id| done.contains(id))
        };
        let (mut ready, rest): (Vec<_>, Vec<_>) = left.into_iter().partition(is_ready);
        left = rest;
        if ready.is_empty() {
            ready = std::mem::take(&mut left);
        }
        done.extend(ready.iter().map(|resource| &resource.id));
        ordered.extend(ready);
    }
    ordered
}

type AllOutputs = BTreeMap<ResourceId, BTreeMap<String, Json>>;

fn resolve(resource: &Resource, outputs: &AllOutputs) -> Result<Inputs, ProviderError> {
    let lookup = |from: &ResourceId, output: &str| outputs.get(from)?.get(output).cloned();
    let fields = resource.fields.iter().map(|(name, value)| {
        let value: Option<Value> = value.resolve(&lookup);
        let value = value.ok_or_else(|| {
            let why = format!(
                "`{}` of `{}` refers to what is not there",
                name, resource.id
            );
            ProviderError::new(mlfn_core::Failure::Other { why })
        })?;
        Ok((name.clone(), value))
    });
    Ok(Inputs::new(fields.collect::<Result<_, ProviderError>>()?))
}

/// Makes one resource what it shall be.
async fn bring(
    session: &LocalSession,
    resource: &Resource,
    inputs: &Inputs,
    root: &Path,
) -> Result<Observed, ProviderError> {
    let token = random_hex(16);
    let call = Call {
        id: &resource.id,
        remote_name: &resource.remote_name,
        inputs,
        token: &token,
        root,
        progress: &|_, _| (),
    };
    let address = Address {
        id: resource.id.clone(),
        remote_name: resource.remote_name.clone(),
        remote_id: None,
    };
    let found = session.read(&address).await?;
    let changed = found.as_ref().map(|found| differences(inputs, found));
    if changed.as_ref().is_none_or(|changed| !changed.is_empty())
        && let Some(request) = &resource.probe
    {
        session.probe(&call, request).await?;
    }
    let (Some(found), Some(changed)) = (found, changed) else {
        return session.create(&call).await;
    };
    if changed.is_empty() {
        return Ok(found);
    }
    let prior = recorded(resource, &found);
    if session.is_immutable(resource.id.kind(), &changed) {
        session.delete(&prior).await?;
        return session.create(&call).await;
    }
    session.update(&call, &prior, &changed).await
}

fn differences(inputs: &Inputs, found: &Observed) -> BTreeSet<String> {
    let fields = found.fields.iter();
    let different = fields.filter(|(name, value)| inputs.json(name) != **value);
    different.map(|(name, _)| name.clone()).collect()
}

fn recorded(resource: &Resource, found: &Observed) -> Recorded {
    Recorded {
        id: resource.id.clone(),
        remote_name: resource.remote_name.clone(),
        remote_id: found.remote_id.clone(),
        fields: found.fields.clone(),
        outputs: found.outputs.clone(),
        dependencies: BTreeSet::new(),
        within: None,
    }
}

/// Whether one of these fields of a kind cannot be changed in place.
pub(crate) fn is_immutable(kinds: &[KindSpec], kind: &str, fields: &BTreeSet<String>) -> bool {
    let spec = kinds.iter().find(|spec| spec.kind == kind);
    let fields = fields.iter().filter_map(|field| spec?.field(field));
    fields
        .into_iter()
        .any(|field| field.mutability == Mutability::Immutable)
}

impl From<io::Error> for CloudError {
    fn from(error: io::Error) -> Self {
        Self::Record(error.into())
    }
}
