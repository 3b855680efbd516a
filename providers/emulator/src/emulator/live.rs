//! What takes requests at the moment. Made anew from the wiring at each change, with the pools of
//! everything that stayed as it was, so that a change drops no request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mlfn_core::ProviderName;
use mlfn_shim_contract::env;

use super::EmulatorOptions;
use super::wiring::{Alias, FunctionWiring, Revision, Variable, Wiring};
use crate::blueprint::Blueprint;
use crate::log_file::LogFile;
use crate::packages::Leases;
use crate::pool::{Gate, Groups, Pool, PoolSpec, Scale};

/// How long Cloud Run keeps a request waiting for an instance
/// (<https://cloud.google.com/run/docs/about-instance-autoscaling>); the Functions host is no
/// shorter.
const PATIENCE: Duration = Duration::from_secs(10);

/// What takes requests.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) wiring: Wiring,
    pub(crate) functions: BTreeMap<String, LiveFunction>,
    /// For everything that has no gate of its own, and how many it lets in.
    shared: (u32, Arc<Gate>),
    groups: Option<Arc<Groups>>,
    leases: Arc<Leases>,
}

/// A function that takes requests.
#[derive(Debug)]
pub(crate) struct LiveFunction {
    pools: BTreeMap<String, Arc<Pool>>,
    aliases: BTreeMap<String, Alias>,
    log: Arc<LogFile>,
    /// Its own gate, and how many it lets in.
    reserved: Option<(u32, Arc<Gate>)>,
    /// Requests that revisions failed on which an alias gives a part of its requests to.
    failures: Mutex<BTreeMap<String, u64>>,
}

impl LiveFunction {
    /// The revision that a revision's name, an alias or the newest stands for. For an alias with
    /// several revisions, each call chooses anew.
    pub(crate) fn revision<'a>(&'a self, qualifier: Option<&'a str>) -> &'a str {
        let qualifier = qualifier.unwrap_or(LATEST);
        let alias = self.aliases.get(qualifier);
        alias.map_or(qualifier, |alias| alias.choose(fastrand::f64()))
    }

    /// The pool of what is asked for, as [`LiveFunction::revision`] chooses it.
    pub(crate) fn pool(&self, qualifier: Option<&str>) -> Option<&Arc<Pool>> {
        self.pool_of(self.revision(qualifier))
    }

    /// The pool of a revision.
    pub(crate) fn pool_of(&self, revision: &str) -> Option<&Arc<Pool>> {
        self.pools.get(revision)
    }

    /// Notes that a revision failed on a request, if it has a part of an alias's requests.
    pub(crate) fn failed(&self, revision: &str) {
        if is_shared(&self.aliases, revision) {
            *self.counts().entry(revision.to_owned()).or_default() += 1;
        }
    }

    /// How many requests a revision failed on since it got a part of an alias's requests.
    pub(crate) fn failures(&self, revision: &str) -> u64 {
        self.counts().get(revision).copied().unwrap_or_default()
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of its pools.
    pub(crate) fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.pools.values()
    }

    /// Its log.
    pub(crate) fn log(&self) -> &Arc<LogFile> {
        &self.log
    }
}

/// Whether an alias gives a part of its requests to a revision.
fn is_shared(aliases: &BTreeMap<String, Alias>, revision: &str) -> bool {
    let mut aliases = aliases.values();
    aliases.any(|alias| alias.weights.contains_key(revision))
}

/// What Lambda calls the revision that has not been published.
pub(crate) const LATEST: &str = "$LATEST";

impl Live {
    /// With nothing in it.
    pub(crate) fn empty(options: &EmulatorOptions, groups: Option<Groups>) -> Self {
        let seats = options.limits.concurrency;
        Self {
            wiring: Wiring::empty(options.platform),
            functions: BTreeMap::new(),
            shared: (seats, shared_gate(seats)),
            groups: groups.map(Arc::new),
            leases: Arc::default(),
        }
    }

    /// After a change of the wiring. What is new has no instances yet.
    /// `url` is where the cloud answers.
    pub(crate) fn next(&self, wiring: Wiring, options: &EmulatorOptions, url: &str) -> Self {
        let reserved: u32 = wiring.functions.values().filter_map(|f| f.reserved).sum();
        let seats = options.limits.concurrency.saturating_sub(reserved).max(1);
        let shared = match &self.shared {
            (old, gate) if *old == seats => (seats, Arc::clone(gate)),
            _ => (seats, shared_gate(seats)),
        };
        let maker = Maker {
            region: wiring.region.as_deref(),
            url,
            options,
            shared: &shared.1,
            groups: self.groups.as_ref(),
            leases: &self.leases,
        };
        let functions = wiring.functions.iter().map(|(name, function)| {
            let old = self.functions.get(name);
            (name.clone(), maker.function(name, function, old))
        });
        let functions = functions.collect();
        Self {
            wiring,
            functions,
            shared,
            groups: self.groups.clone(),
            leases: Arc::clone(&self.leases),
        }
    }

    /// Notes that a revision of a function failed on a request.
    pub(crate) fn failed(&self, function: &str, revision: &str) {
        if let Some(function) = self.functions.get(function) {
            function.failed(revision);
        }
    }

    /// Which packages are in use, by what is live or was.
    pub(crate) fn leases(&self) -> &Arc<Leases> {
        &self.leases
    }

    /// The pools that are not in `next`.
    pub(crate) fn gone<'a>(&'a self, next: &'a Self) -> impl Iterator<Item = &'a Arc<Pool>> {
        let stays = |pool: &Arc<Pool>| {
            let mut all = next.functions.values().flat_map(LiveFunction::pools);
            all.any(|other| Arc::ptr_eq(pool, other))
        };
        let pools = self.functions.values().flat_map(LiveFunction::pools);
        pools.filter(move |pool| !stays(pool))
    }
}

fn shared_gate(seats: u32) -> Arc<Gate> {
    Gate::new(seats, None, "ConcurrentInvocationLimitExceeded")
}

/// Makes what takes requests.
struct Maker<'a> {
    region: Option<&'a str>,
    url: &'a str,
    options: &'a EmulatorOptions,
    shared: &'a Arc<Gate>,
    groups: Option<&'a Arc<Groups>>,
    leases: &'a Leases,
}

impl Maker<'_> {
    fn function(
        &self,
        name: &str,
        wiring: &FunctionWiring,
        old: Option<&LiveFunction>,
    ) -> LiveFunction {
        let log = old.map_or_else(
            || LogFile::open(self.options.log_path(name)),
            |old| Arc::clone(&old.log),
        );
        let reserved = wiring.reserved.map(|seats| {
            let old = old.and_then(|old| old.reserved.clone());
            old.filter(|(old, _)| *old == seats)
                .unwrap_or_else(|| (seats, reserved_gate(seats)))
        });
        let own_gate = reserved.as_ref().map(|(_, gate)| gate);
        let pools = wiring.revisions.iter().map(|(version, revision)| {
            let spec = self.spec(name, version, revision, &log);
            let scale = Scale {
                gate: self.gate(revision, own_gate),
                warm: wiring.warm.get(version).copied().unwrap_or_default(),
                idle: self.options.limits.idle,
            };
            let old = old.and_then(|old| old.pools.get(version));
            (version.clone(), pool(spec, scale, old))
        });
        let mut failures = old.map(|old| old.counts().clone()).unwrap_or_default();
        failures.retain(|revision, _| is_shared(&wiring.aliases, revision));
        LiveFunction {
            pools: pools.collect(),
            aliases: wiring.aliases.clone(),
            log,
            reserved,
            failures: Mutex::new(failures),
        }
    }

    fn spec(&self, name: &str, version: &str, of: &Revision, log: &Arc<LogFile>) -> PoolSpec {
        let environment = of.environment.iter().filter_map(|(name, value)| {
            let value = match value {
                Variable::Plain(text) => Some(text.clone()),
                // By the name of the variable, as for one function alone: a user can set that.
                Variable::Secret(_) => (self.options.secrets)(name),
            };
            Some((name.clone(), value?))
        });
        let layers = of.layers.as_ref();
        let layers = layers.map(|path| (env::LAYERS.to_owned(), path.display().to_string()));
        let environment = self.surroundings().chain(environment).chain(layers);
        PoolSpec {
            blueprint: Blueprint {
                platform: self.options.platform,
                root: of.root.clone(),
                name: name.to_owned(),
                version: of.label.as_deref().unwrap_or(version).to_owned(),
                region: self.region.map(str::to_owned),
                memory: of.memory,
                timeout: of.timeout,
                environment: environment.collect(),
            },
            scratch: of.scratch,
            scratch_root: self.options.folder.join("tmp"),
            log: Arc::clone(log),
            seats: of.seats,
            groups: self.groups.cloned(),
            share: self.options.limits.cpu_share,
            lease: self.leases.lease(&of.digest),
        }
    }

    /// What leads a function to this cloud and nowhere else, by the names that all SDKs know: who
    /// it is, and where everything is. Signatures are not checked.
    fn surroundings(&self) -> impl Iterator<Item = (String, String)> {
        let variables = [
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_SESSION_TOKEN", "local"),
            ("AWS_ENDPOINT_URL", self.url),
        ];
        let is_aws = self.options.platform == ProviderName::Aws;
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        variables.map(owned).into_iter().filter(move |_| is_aws)
    }

    /// Lambda turns away what is too much; the others let it wait for a while.
    fn gate(&self, revision: &Revision, own: Option<&Arc<Gate>>) -> Arc<Gate> {
        if self.options.platform == ProviderName::Aws {
            return Arc::clone(own.unwrap_or(self.shared));
        }
        let seats = match revision.instances {
            Some(instances) => instances.saturating_mul(revision.seats),
            None => self.options.limits.concurrency.max(revision.seats),
        };
        Gate::new(seats, Some(PATIENCE), "no instance was free")
    }
}

fn reserved_gate(seats: u32) -> Arc<Gate> {
    Gate::new(
        seats,
        None,
        "ReservedFunctionConcurrentInvocationLimitExceeded",
    )
}

fn pool(spec: PoolSpec, scale: Scale, old: Option<&Arc<Pool>>) -> Arc<Pool> {
    match old {
        Some(old) if old.is_like(&spec) => {
            old.scale_to(scale);
            Arc::clone(old)
        }
        _ => Pool::new(spec, scale),
    }
}
