//! What the verbs that plan and deploy have in common: from the manifest to what is wanted, and
//! from there, through the engine, to what came of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use mlfn_core::{
    Access, Artifact, Cloud, FunctionRelease, PartKind, Plan, Purpose, Release, Resource, Session,
};
use mlfn_core::{Digest, KindSpec};
use mlfn_engine::state::{LockPolicy, State, StateStore};
use mlfn_engine::{Cancel, DriftPolicy, Engine, Event, Freshness, Outcome, Request, Status};
use mlfn_engine::{Settings, StepError, SystemHost};
use mlfn_package::Formats;

use crate::archives::{self, Keep};
use crate::errors::{self, CommandError};
use crate::local;
use crate::pipeline::{self, Checked, Packed, Packer, Place};
use crate::printer::Printer;
use crate::report::{Finished, Report};
use crate::settings::{Environment, ManifestSettings, PartsSettings, Questions};
use crate::shim;
use crate::state_place;
use crate::status::ExitStatus;
use crate::stop::Stop;

/// What a manifest asks for, packed and ready to be compared with what there is.
pub(crate) struct Prepared {
    pub(crate) checked: Checked,
    pub(crate) wanted: Vec<Resource>,
    pub(crate) release: Release,
}

/// Packs the functions; none if one of them does not agree with its model, which is shown.
fn pack(
    mut checked: Checked,
    parts: &PartsSettings,
    keep: Keep,
    report: &dyn Report,
    printer: Printer,
) -> anyhow::Result<Option<Prepared>> {
    let cloud = local::cloud(&checked)?;
    let output = suited(&mut checked, printer);
    let packer = Packer {
        checked: &checked,
        parts,
        output,
        place: checked.place(),
        formats: Formats::Deployed,
        report,
        printer,
    };
    let mut artifacts = Vec::new();
    for function in &checked.service.functions {
        let Some(Packed { built, choice }) = packer.pack(function)? else {
            return Ok(None);
        };
        if let Some(choice) = choice {
            printer.note(&format!("`{}` runs with {choice}", function.name));
        }
        artifacts.push(archives::checked(built, keep, &checked, printer)?);
    }
    let release = release(&checked, &artifacts)?;
    let wanted = cloud.lower(&checked.service, &artifacts);
    Ok(Some(Prepared {
        checked,
        wanted,
        release,
    }))
}

/// On this machine, functions are for this machine's processor, and their packages lie elsewhere
/// if that is not the cloud's. Answers where.
fn suited(checked: &mut Checked, printer: Printer) -> PathBuf {
    let folder = checked.package_folder();
    let here = shim::host_architecture();
    if checked.place() == Place::Cloud {
        return folder;
    }
    let mut differs = false;
    for function in &mut checked.service.functions {
        let there = std::mem::replace(&mut function.architecture, here);
        if there != here {
            differs = true;
            printer.warning(&format!(
                "`{}` runs on {here} here, and on {there} in the cloud",
                function.name
            ));
        }
    }
    if differs {
        folder.join(here.as_str())
    } else {
        folder
    }
}

fn release(checked: &Checked, artifacts: &[Artifact]) -> anyhow::Result<Release> {
    let model = |artifact: &Artifact| {
        let part = artifact
            .parts
            .iter()
            .find(|part| part.kind == PartKind::Model);
        part.map_or_else(|| Digest::of(b""), |part| part.digest.clone())
    };
    let functions = artifacts.iter().map(|artifact| {
        let release = FunctionRelease {
            model: model(artifact),
            package: artifact.digest.clone(),
        };
        (artifact.function.clone(), release)
    });
    Ok(Release {
        manifest: Some(Digest::of(&fs_err::read(checked.source.path())?)),
        functions: functions.collect(),
    })
}

/// Everything that an engine works with, connected.
pub(crate) struct Bench {
    pub(crate) checked: Checked,
    pub(crate) session: Box<dyn Session>,
    kinds: &'static [KindSpec],
    store: Box<dyn StateStore>,
    host: SystemHost,
    settings: Settings,
}

impl Bench {
    /// Connects to where the service runs.
    pub(crate) async fn connect(
        checked: Checked,
        environment: Environment,
        lock_timeout: Duration,
    ) -> anyhow::Result<Self> {
        let session = connect(&*local::cloud(&checked)?, &checked).await?;
        Self::new((checked, session), environment, lock_timeout).await
    }

    /// With a connection that is there.
    pub(crate) async fn new(
        (checked, session): (Checked, Box<dyn Session>),
        environment: Environment,
        lock_timeout: Duration,
    ) -> anyhow::Result<Self> {
        let settings = Settings {
            lock: LockPolicy {
                patience: lock_timeout,
                ..LockPolicy::default()
            },
            root: checked.folder.clone(),
            holder: holder(environment),
            ..Settings::default()
        };
        let store = state_place::store(&checked).await?;
        Ok(Self {
            kinds: local::cloud(&checked)?.kinds(),
            store,
            host: SystemHost::new(),
            checked,
            session,
            settings,
        })
    }

    /// An engine on it.
    pub(crate) fn engine<'a>(
        &'a self,
        events: &'a (dyn Fn(&Event<'_>) + Send + Sync),
        cancel: &'a Cancel,
    ) -> Engine<'a> {
        Engine {
            service: &self.checked.service.name,
            stage: &self.checked.service.stage,
            session: &*self.session,
            kinds: self.kinds,
            store: &*self.store,
            host: &self.host,
            events,
            cancel,
            settings: self.settings.clone(),
        }
    }
}

/// Connects to the cloud of a service.
pub(crate) async fn connect(
    cloud: &dyn Cloud,
    checked: &Checked,
) -> anyhow::Result<Box<dyn Session>> {
    let session = cloud.connect(&access(checked)).await;
    session.with_context(|| format!("cannot connect to {}", checked.place_name()))
}

/// What a cloud asks about the service before it connects.
pub(crate) fn access(checked: &Checked) -> Access {
    let service = &checked.service;
    Access {
        service: service.name.clone(),
        stage: service.stage.clone(),
        region: service.region.clone(),
        profile: None,
        endpoint: None,
        tags: service.tags.clone(),
    }
}

/// Who this is, for those who meet the lock.
fn holder(environment: Environment) -> String {
    let names = ["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "USER", "LOGNAME"];
    let name = names.iter().find_map(|name| environment.get(name));
    name.filter(|name| !name.is_empty())
        .unwrap_or_else(|| "somebody".to_owned())
}

/// What is to be done, and how.
pub(crate) struct Job<'a> {
    pub(crate) bench: &'a Bench,
    /// As it is typed, e.g. `deploy`.
    pub(crate) verb: &'static str,
    pub(crate) questions: Questions,
    pub(crate) report: &'a dyn Report,
    pub(crate) printer: Printer,
    pub(crate) stop: &'a Stop,
}

impl Job<'_> {
    /// Plans and applies what is asked for, after the user has agreed if one is there.
    pub(crate) async fn carry_out(&self, request: &Request) -> anyhow::Result<ExitStatus> {
        let before = self.quietly().state().await?;
        let status = self.plan_and_apply(request).await?;
        self.tidy(status, before.as_ref(), request.purpose).await
    }

    /// Applies a plan from a file, which somebody has read already.
    pub(crate) async fn apply(&self, plan: &Plan) -> anyhow::Result<ExitStatus> {
        let before = self.quietly().state().await?;
        let status = self.go(plan, Freshness::Cloud).await?;
        self.tidy(status, before.as_ref(), plan.purpose).await
    }

    /// What comes after a success: nothing stays that nobody needs, and what is deployed answers.
    async fn tidy(
        &self,
        status: ExitStatus,
        before: Option<&State>,
        purpose: Purpose,
    ) -> anyhow::Result<ExitStatus> {
        let checked = &self.bench.checked;
        if status != ExitStatus::Ok {
            return Ok(status);
        }
        let done = "everything is done, but for the removal of files that are not needed";
        if checked.local && purpose == Purpose::Remove {
            // An earlier removal may have been killed when nothing was left but files.
            local::clear(checked).await.context(done)?;
        }
        let after = self.quietly().state().await.context(done)?;
        let states = (before, after.as_ref());
        archives::sweep(checked, states, purpose).context(done)?;
        // A deploy without changes may find that the process that answered has ended.
        if checked.local && purpose != Purpose::Remove {
            local::wake(checked).await?;
        }
        Ok(status)
    }

    async fn plan_and_apply(&self, request: &Request) -> anyhow::Result<ExitStatus> {
        if self.questions == Questions::Ask {
            let plan = self.quietly().plan(request).await?;
            return self.after_question(&plan).await;
        }
        let events = self.report.events();
        let show = |event: &Event<'_>| self.tell(event, &events);
        let engine = self.bench.engine(&show, self.stop.gently());
        let outcome = engine.deploy(request).await?;
        drop(engine);
        drop(events);
        self.finish(&outcome, request.purpose).await
    }

    async fn after_question(&self, plan: &Plan) -> anyhow::Result<ExitStatus> {
        self.report.planned(&named(plan, &*self.bench.session))?;
        if !plan.is_empty() && !self.agreed().await? {
            return Err(CommandError::failure("nothing was changed").into());
        }
        self.go(plan, Freshness::State).await
    }

    async fn go(&self, plan: &Plan, freshness: Freshness) -> anyhow::Result<ExitStatus> {
        let events = self.report.events();
        let show = |event: &Event<'_>| match (event, freshness) {
            // Somebody has seen it already, and agreed.
            (Event::Planned(_), Freshness::State) => {}
            _ => self.tell(event, &events),
        };
        let engine = self.bench.engine(&show, self.stop.gently());
        let outcome = engine.apply(plan, freshness).await?;
        drop(engine);
        drop(events);
        self.finish(&outcome, plan.purpose).await
    }

    fn tell(&self, event: &Event<'_>, events: &(dyn Fn(&Event<'_>) + Send + Sync)) {
        if let Event::Planned(plan) = event {
            // What a terminal does not take is not worth stopping for.
            let _ = self.report.planned(&named(plan, &*self.bench.session));
        }
        events(event);
    }

    /// Reading a line would keep Ctrl-C from being seen, so another thread does it.
    async fn agreed(&self) -> anyhow::Result<bool> {
        let printer = self.printer;
        let question = format!("{} now?", self.verb);
        Ok(tokio::task::spawn_blocking(move || printer.confirm(&question)).await??)
    }

    /// An engine that tells nobody what happens.
    pub(crate) fn quietly(&self) -> Engine<'_> {
        self.bench.engine(&|_| (), self.stop.gently())
    }

    async fn finish(&self, outcome: &Outcome, purpose: Purpose) -> anyhow::Result<ExitStatus> {
        self.report.finished(&Finished {
            verb: self.verb,
            purpose,
            checked: &self.bench.checked,
            outcome,
            state: self.quietly().state().await.ok().flatten(),
            next: format!("mlfn {}{}", self.verb, self.bench.checked.flags),
        })?;
        Ok(status(outcome))
    }
}

/// A plan to look at, with the names that the cloud shows.
pub(crate) fn named(plan: &Plan, session: &dyn Session) -> Plan {
    let mut plan = plan.clone();
    for change in &mut plan.changes {
        let wanted = change.wanted.as_mut().map(|wanted| &mut wanted.remote_name);
        let prior = change.prior.as_mut().map(|prior| &mut prior.remote_name);
        for name in wanted.into_iter().chain(prior) {
            *name = session.full_name(name);
        }
    }
    plan
}

/// How the program ends after this.
fn status(outcome: &Outcome) -> ExitStatus {
    match outcome.status {
        Status::Complete => ExitStatus::Ok,
        Status::Interrupted => ExitStatus::Interrupted,
        Status::LockLost => ExitStatus::Locked,
        Status::Failed if outcome.done.is_empty() => {
            let mut refused = outcome.failed.iter().map(|failed| &failed.error);
            let refused = refused.find_map(StepError::provider);
            refused
                .and_then(errors::of_provider)
                .unwrap_or(ExitStatus::Partial)
        }
        Status::Failed => ExitStatus::Partial,
    }
}

/// What is done about drift.
pub(crate) fn drift(keep: bool) -> DriftPolicy {
    if keep {
        return DriftPolicy::Keep;
    }
    DriftPolicy::PutRight
}

/// Checks and packs the service, away from the thread that waits for Ctrl-C; none if something is
/// wrong with the manifest, which is shown.
pub(crate) async fn prepared(
    (manifest, parts): (ManifestSettings, PartsSettings),
    keep: Keep,
    report: Arc<dyn Report>,
    printer: Printer,
) -> anyhow::Result<Option<Prepared>> {
    let prepare = move || match pipeline::check(&manifest, &*report)? {
        Some(checked) => pack(checked, &parts, keep, &*report, printer),
        None => Ok(None),
    };
    tokio::task::spawn_blocking(prepare).await?
}

/// [`prepared`], and a connection, which is made while the functions are packed: looking for
/// credentials and asking whose they are takes about as long. What is wrong with a package is told
/// first.
pub(crate) async fn prepared_and_connected(
    (manifest, parts): (ManifestSettings, PartsSettings),
    keep: Keep,
    report: Arc<dyn Report>,
    printer: Printer,
) -> anyhow::Result<Option<(Prepared, Box<dyn Session>)>> {
    let reported = Arc::clone(&report);
    let check = move || pipeline::check(&manifest, &*reported);
    let Some(checked) = tokio::task::spawn_blocking(check).await?? else {
        return Ok(None);
    };
    let (cloud, access, place) = (
        local::cloud(&checked)?,
        access(&checked),
        checked.place_name(),
    );
    let pack = move || pack(checked, &parts, keep, &*report, printer);
    let packing = tokio::task::spawn_blocking(pack);
    let (packed, session) = tokio::join!(packing, cloud.connect(&access));
    let Some(prepared) = packed?? else {
        return Ok(None);
    };
    let session = session.with_context(|| format!("cannot connect to {place}"))?;
    Ok(Some((prepared, session)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_says_how_a_deploy_ended() {
        #[track_caller]
        fn check(status: Status, expected: ExitStatus) {
            let outcome = Outcome {
                status,
                done: Vec::new(),
                failed: Vec::new(),
                not_tried: Vec::new(),
                deployment: None,
            };
            assert_eq!(super::status(&outcome), expected);
        }
        check(Status::Complete, ExitStatus::Ok);
        check(Status::Interrupted, ExitStatus::Interrupted);
        check(Status::LockLost, ExitStatus::Locked);
        check(Status::Failed, ExitStatus::Partial);
    }
}
