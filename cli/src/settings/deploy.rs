//! What the verbs about deployments need to know.

use std::path::PathBuf;
use std::time::Duration;

use mlfn_core::ProviderName;
use mlfn_emulator::CpuShare;

use super::{Environment, GlobalSettings, ManifestSettings, PartsSettings, Questions};
use crate::args::{
    BuildArgs, DeployArgs, DriftArgs, EmulateArgs, InfoArgs, LocalCloudArgs, LockArgs, LogsArgs,
    PlanArgs, RemoveArgs, RollbackArgs, StateArgs, StateCommand,
};

/// Of `mlfn plan`.
#[derive(Debug)]
pub(crate) struct PlanSettings {
    pub(crate) manifest: ManifestSettings,
    pub(crate) parts: PartsSettings,
    pub(crate) out: Option<PathBuf>,
    pub(crate) detailed_exitcode: bool,
    pub(crate) policy: bool,
    pub(crate) keep_drift: bool,
}

impl PlanSettings {
    pub(crate) fn resolve(args: PlanArgs, global: GlobalSettings) -> anyhow::Result<Self> {
        let PlanArgs {
            out,
            detailed_exitcode,
            policy,
            drift: DriftArgs { keep_drift },
            build,
        } = args;
        Ok(Self {
            parts: PartsSettings::of_build(build, &global.manifest)?,
            manifest: global.manifest,
            out,
            detailed_exitcode,
            policy,
            keep_drift,
        })
    }
}

/// Of `mlfn deploy`.
#[derive(Debug)]
pub(crate) struct DeploySettings {
    pub(crate) manifest: ManifestSettings,
    pub(crate) parts: PartsSettings,
    pub(crate) how: How,
    pub(crate) keep_drift: bool,
    pub(crate) questions: Questions,
    pub(crate) lock_timeout: Duration,
}

/// How a deploy goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum How {
    /// Planned and done.
    Now,
    /// As a file says.
    Saved(PathBuf),
    /// Not at all: it is planned only.
    DryRun,
}

impl DeploySettings {
    pub(crate) fn resolve(args: DeployArgs, global: GlobalSettings) -> anyhow::Result<Self> {
        let DeployArgs {
            plan,
            dry_run,
            drift: DriftArgs { keep_drift },
            lock,
            build,
        } = args;
        Ok(Self {
            parts: PartsSettings::of_build(build, &global.manifest)?,
            manifest: global.manifest,
            how: match plan {
                _ if dry_run => How::DryRun,
                Some(path) => How::Saved(path),
                None => How::Now,
            },
            keep_drift,
            questions: global.questions,
            lock_timeout: lock_timeout(&lock),
        })
    }

    /// What `mlfn plan` would get.
    pub(crate) fn into_plan(self) -> PlanSettings {
        PlanSettings {
            manifest: self.manifest,
            parts: self.parts,
            out: None,
            detailed_exitcode: false,
            policy: false,
            keep_drift: self.keep_drift,
        }
    }
}

/// Of `mlfn info`.
#[derive(Debug)]
pub(crate) struct InfoSettings {
    pub(crate) manifest: ManifestSettings,
}

impl InfoSettings {
    pub(crate) fn resolve(args: &InfoArgs, global: GlobalSettings) -> Self {
        let InfoArgs {} = *args;
        Self {
            manifest: global.manifest,
        }
    }
}

/// Of `mlfn logs`.
#[derive(Debug)]
pub(crate) struct LogsSettings {
    pub(crate) manifest: ManifestSettings,
    pub(crate) function: Option<String>,
    pub(crate) tail: bool,
    /// How old what is shown may be.
    pub(crate) since: Option<Duration>,
    /// What is shown contains it.
    pub(crate) filter: Option<String>,
}

impl LogsSettings {
    pub(crate) fn resolve(args: LogsArgs, global: GlobalSettings) -> Self {
        let LogsArgs {
            function,
            tail,
            since,
            filter,
        } = args;
        Self {
            manifest: global.manifest,
            function,
            tail,
            since: since.map(|time| Duration::from_secs(time.get().into())),
            filter,
        }
    }
}

/// Of `mlfn emulate`.
#[derive(Debug)]
pub(crate) struct EmulateSettings {
    pub(crate) manifest: ManifestSettings,
    pub(crate) parts: PartsSettings,
    pub(crate) port: Option<u16>,
    pub(crate) cpu_share: CpuShare,
}

impl EmulateSettings {
    pub(crate) fn resolve(args: EmulateArgs, global: GlobalSettings) -> anyhow::Result<Self> {
        let EmulateArgs {
            port,
            cpu_share,
            build,
        } = args;
        let mut manifest = global.manifest;
        // The cloud that is named is the one that is imitated.
        manifest.target.local = true;
        Ok(Self {
            parts: PartsSettings::of_build(build, &manifest)?,
            manifest,
            port,
            cpu_share,
        })
    }
}

/// Of `mlfn rollback`.
#[derive(Debug)]
pub(crate) struct RollbackSettings {
    pub(crate) manifest: ManifestSettings,
    pub(crate) to: Option<u64>,
    pub(crate) questions: Questions,
    pub(crate) lock_timeout: Duration,
}

impl RollbackSettings {
    pub(crate) fn resolve(args: &RollbackArgs, global: GlobalSettings) -> Self {
        let RollbackArgs { to, lock } = args;
        Self {
            manifest: global.manifest,
            to: *to,
            questions: global.questions,
            lock_timeout: lock_timeout(lock),
        }
    }
}

/// Of `mlfn remove`.
#[derive(Debug)]
pub(crate) struct RemoveSettings {
    pub(crate) keep_logs: bool,
    pub(crate) manifest: ManifestSettings,
    pub(crate) questions: Questions,
    pub(crate) lock_timeout: Duration,
    /// For packages whose names hold their digests, when there is no record of them.
    pub(crate) parts: PartsSettings,
}

impl RemoveSettings {
    pub(crate) fn resolve(args: &RemoveArgs, global: GlobalSettings) -> anyhow::Result<Self> {
        let RemoveArgs { keep_logs, lock } = args;
        // As a deploy without flags packs.
        let build = BuildArgs {
            shim: None,
            tract_shim: None,
            onnxruntime: None,
            offline: false,
        };
        Ok(Self {
            keep_logs: *keep_logs,
            parts: PartsSettings::of_build(build, &global.manifest)?,
            manifest: global.manifest,
            questions: global.questions,
            lock_timeout: lock_timeout(lock),
        })
    }
}

/// Of `mlfn local-cloud`.
#[derive(Debug)]
pub(crate) struct LocalCloudSettings {
    pub(crate) folder: PathBuf,
    pub(crate) like: ProviderName,
    pub(crate) environment: Environment,
}

impl LocalCloudSettings {
    pub(crate) fn resolve(args: &LocalCloudArgs, global: &GlobalSettings) -> Self {
        let LocalCloudArgs {} = *args;
        Self {
            folder: PathBuf::from("."),
            like: global.manifest.target.cloud.unwrap_or(ProviderName::Aws),
            environment: global.manifest.environment,
        }
    }
}

/// Of `mlfn state`.
#[derive(Debug)]
pub(crate) struct StateSettings {
    pub(crate) manifest: ManifestSettings,
    pub(crate) command: StateCommand,
}

impl StateSettings {
    pub(crate) fn resolve(args: StateArgs, global: GlobalSettings) -> Self {
        let StateArgs { command } = args;
        Self {
            manifest: global.manifest,
            command,
        }
    }
}

fn lock_timeout(args: &LockArgs) -> Duration {
    let LockArgs { lock_timeout } = *args;
    Duration::from_secs(lock_timeout.map_or(0, |time| time.get().into()))
}
