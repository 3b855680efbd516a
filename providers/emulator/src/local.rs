//! The local twin as a provider: it takes the resources that the imitated cloud would get, and
//! replaces only the connection.

use std::path::PathBuf;

use async_trait::async_trait;
use mlfn_core::{
    Access, Artifact, Cloud, Diagnostic, Function, KindSpec, Lower, PackageSpec, Provider,
    ProviderError, ProviderName, Resource, Service, Session,
};

use crate::cloud::plain;
use crate::daemon::{Daemon, Launcher};
use crate::session::{Host, LocalSession};

/// The local twin of a cloud.
pub struct Local {
    like: Like,
    folder: PathBuf,
    launcher: Launcher,
}

/// The provider of the imitated cloud.
pub enum Like {
    /// One that says what a service becomes there.
    Cloud(Box<dyn Lower>),
    /// One that does not yet: functions that answer HTTP.
    Functions(Box<dyn Provider>),
}

impl Local {
    /// Of the cloud `like`, in `folder`, by a process that `launcher` starts.
    pub fn new(like: Like, folder: impl Into<PathBuf>, launcher: Launcher) -> Self {
        Self {
            like,
            folder: folder.into(),
            launcher,
        }
    }

    /// Starts the process that answers, if it does not run: it does not outlive the machine, and
    /// what is deployed does.
    pub async fn wake(&self) -> Result<(), ProviderError> {
        let daemon = Daemon::new(self.folder.clone(), self.launcher.clone());
        daemon.ensure().await
    }

    fn provider(&self) -> &dyn Provider {
        match &self.like {
            Like::Cloud(cloud) => &**cloud,
            Like::Functions(provider) => &**provider,
        }
    }
}

impl Provider for Local {
    fn name(&self) -> ProviderName {
        self.provider().name()
    }

    fn check(&self, service: &Service) -> Vec<Diagnostic> {
        self.provider().check(service)
    }

    fn package(&self, service: &Service, function: &Function) -> PackageSpec {
        self.provider().package(service, function)
    }
}

impl Like {
    /// What [`Lower::kinds`] says, or would say.
    pub fn kinds(&self) -> &'static [KindSpec] {
        match self {
            Self::Cloud(cloud) => cloud.kinds(),
            Self::Functions(_) => plain::KINDS,
        }
    }

    /// What [`Lower::lower`] says, or would say.
    pub fn lower(&self, service: &Service, artifacts: &[Artifact]) -> Vec<Resource> {
        match self {
            Self::Cloud(cloud) => cloud.lower(service, artifacts),
            Self::Functions(_) => plain::lower(service, artifacts),
        }
    }
}

impl Lower for Local {
    fn kinds(&self) -> &'static [KindSpec] {
        self.like.kinds()
    }

    fn lower(&self, service: &Service, artifacts: &[Artifact]) -> Vec<Resource> {
        self.like.lower(service, artifacts)
    }
}

#[async_trait]
impl Cloud for Local {
    async fn connect(&self, access: &Access) -> Result<Box<dyn Session>, ProviderError> {
        let daemon = Daemon::new(self.folder.clone(), self.launcher.clone());
        let place = (self.folder.as_path(), self.name());
        let session = LocalSession::new(access, self.kinds(), place, Host::Detached(daemon));
        Ok(Box::new(session))
    }
}
