//! The local twin as a provider: it takes the resources that the imitated cloud would get, and
//! replaces only the connection.

use std::path::PathBuf;

use async_trait::async_trait;
use mlfn_core::{
    Access, Artifact, Cloud, Diagnostic, FieldPath, Function, HttpAuth, HttpTrigger, KindSpec,
    Lower, PackageSpec, Provider, ProviderError, ProviderName, Resource, Service, Session, Trigger,
};

use crate::cloud::plain;
use crate::cloud::record::Store;
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

    /// Makes sure that what is recorded is what answers. The process does not outlive the machine,
    /// and what is deployed does; and who changed the record may have been killed before it said so.
    pub async fn wake(&self) -> Result<(), ProviderError> {
        let daemon = Daemon::new(self.folder.clone(), self.launcher.clone());
        daemon.ensure().await?;
        daemon.reload().await
    }

    /// Removes what an interrupted removal left of a local cloud in which nothing is any more: its
    /// process, and its files. A cloud in which something is stays as it is.
    pub async fn clear(&self) -> Result<(), ProviderError> {
        let store = Store::new(self.folder.clone(), self.name());
        if !self.folder.exists() || !store.read()?.things.is_empty() {
            return Ok(());
        }
        let daemon = Daemon::new(self.folder.clone(), self.launcher.clone());
        daemon.stop().await?;
        Ok(store.clear()?)
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
        let mut diagnostics = self.provider().check(service);
        diagnostics.extend(not_imitated(service));
        diagnostics
    }

    fn package(&self, service: &Service, function: &Function) -> PackageSpec {
        self.provider().package(service, function)
    }
}

/// A warning for each trigger that the local cloud records and does not fire, since a function that
/// is never called must not look like one that works; and for each that it fires for anybody.
pub fn not_imitated(service: &Service) -> Vec<Diagnostic> {
    let triggers = service.functions.iter().flat_map(Function::triggers_at);
    let found = triggers.filter_map(|(at, trigger)| match trigger {
        Trigger::Http(http) => open(service.provider, at, http),
        _ => (!fires(service.provider, trigger)).then(|| warning(at, trigger)),
    });
    found.collect()
}

/// For a door that is closed in the cloud, and not here.
fn open(imitated: ProviderName, at: FieldPath, http: &HttpTrigger) -> Option<Diagnostic> {
    let unchecked = match http.auth {
        HttpAuth::None => return None,
        HttpAuth::Jwt { .. } if imitated == ProviderName::Aws => return None,
        HttpAuth::Jwt { .. } => "tokens",
        HttpAuth::Iam => "signatures",
        HttpAuth::Key => "keys",
    };
    let detail = format!("The local cloud does not check {unchecked}: it answers whoever asks.");
    let warning = Diagnostic::warning("auth-not-checked", "anybody may call it here", at, detail);
    Some(warning.help("It answers on this machine only."))
}

fn fires(imitated: ProviderName, trigger: &Trigger) -> bool {
    match trigger {
        Trigger::Http(_) => true,
        Trigger::Schedule(_)
        | Trigger::Queue(_)
        | Trigger::Topic(_)
        | Trigger::Storage(_)
        | Trigger::Stream(_) => imitated == ProviderName::Aws,
    }
}

fn warning(at: FieldPath, trigger: &Trigger) -> Diagnostic {
    let detail = format!(
        "The local cloud keeps this {} trigger in mind, but nothing fires it.",
        trigger.kind()
    );
    Diagnostic::warning(
        "trigger-not-fired",
        "trigger does not fire here",
        at,
        detail,
    )
    .help("Send what the trigger would send with `mlfn invoke <function> -d '..'`.")
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

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    #[track_caller]
    fn check(imitated: ProviderName, silent: &[&str]) {
        let kinds = ["http", "schedule", "queue", "topic", "storage", "stream"];
        let triggers = kinds.map(|kind| mlfn_testkit::trigger(kind, json!({})));
        let service = mlfn_testkit::service(imitated, |service| {
            service.functions[0].triggers = triggers.into();
        });
        let found = not_imitated(&service);
        assert!(found.iter().all(|warning| !warning.is_error()));
        let places: Vec<String> = found.iter().map(|one| one.at.to_string()).collect();
        let kinds: Vec<&str> = places
            .iter()
            .filter_map(|at| at.rsplit('.').next())
            .collect();
        assert_eq!(kinds, silent, "{imitated}");
    }

    #[test]
    fn what_nothing_fires_is_said_trigger_by_trigger() {
        check(ProviderName::Aws, &[]);
        let events = ["schedule", "queue", "topic", "storage", "stream"];
        check(ProviderName::Azure, &events);
        check(ProviderName::Gcp, &events);
    }

    #[track_caller]
    fn check_open(imitated: ProviderName, auth: &Json, expected: Option<&str>) {
        let trigger = mlfn_testkit::trigger("http", json!({ "auth": auth }));
        let service = mlfn_testkit::service(imitated, |service| {
            service.functions[0].triggers = vec![trigger];
        });
        let found = not_imitated(&service);
        let details: Vec<&str> = found.iter().map(|one| one.detail.as_str()).collect();
        let said =
            |what| format!("The local cloud does not check {what}: it answers whoever asks.");
        let expected: Vec<String> = expected.map(said).into_iter().collect();
        assert_eq!(details, expected, "{imitated}");
    }

    #[test]
    fn a_door_that_is_closed_only_in_the_cloud_is_told() {
        let jwt = json!({"jwt": {"issuer": "https://a.example", "audience": ["a"]}});
        check_open(ProviderName::Aws, &json!("none"), None);
        check_open(ProviderName::Aws, &json!("iam"), Some("signatures"));
        check_open(ProviderName::Azure, &json!("key"), Some("keys"));
        check_open(ProviderName::Aws, &jwt, None);
        check_open(ProviderName::Gcp, &jwt, Some("tokens"));
    }
}
