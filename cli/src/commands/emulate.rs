//! `mlfn emulate`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use mlfn_core::{Access, Address, Recorded, Resource, Session as _};
use mlfn_emulator::{CpuShare, Enforcement, LocalCloud, LocalSession, LogReader};
use mlfn_engine::state::State;

use crate::archives::Keep;
use crate::deployment::{self, Prepared};
use crate::errors::CommandError;
use crate::pipeline::Checked;
use crate::printer::Printer;
use crate::report::{Report, Serving};
use crate::settings::{EmulateSettings, ManifestSettings, PartsSettings};
use crate::status::ExitStatus;
use crate::stop::Stop;
use crate::{local, registry};

/// How often files and logs are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// What changes with the contents of a file.
type Fingerprints = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// How the folders begin that clouds have for one run, next to other people's temporary files.
const FOLDER: &str = "mlfn-emulate-";

/// Serves all functions until Ctrl-C, and follows what changes in their files.
pub(crate) async fn emulate(
    settings: EmulateSettings,
    report: Arc<dyn Report>,
    printer: Printer,
    stop: &Stop,
) -> anyhow::Result<ExitStatus> {
    report.begin()?;
    let source = Source {
        manifest: settings.manifest,
        parts: settings.parts,
        report,
        printer,
    };
    let Some(prepared) = source.prepare().await? else {
        return Ok(ExitStatus::InvalidManifest);
    };
    mlfn_emulator::remove_abandoned(&std::env::temp_dir(), FOLDER);
    let folder = tempfile::Builder::new().prefix(FOLDER).tempdir();
    let folder = folder.context("there is no room for the local cloud")?;
    let like = prepared.checked.service.provider;
    let mut options = local::options(folder.path(), like, source.manifest.environment);
    options.port = settings.port;
    options.limits.cpu_share = settings.cpu_share;
    let cloud = LocalCloud::open(options).await?;
    if let Some(port) = settings.port
        && port != cloud.emulator().port()
    {
        cloud.shut_down().await;
        return Err(taken(port).into());
    }
    if settings.cpu_share != CpuShare::Off
        && let Enforcement::Watch(reason) = cloud.emulator().enforcement()
    {
        let how =
            "processor time is shared out by stopping instances, as the kernel does not do it";
        printer.note(&format!("{how} here: {reason}"));
    }
    let server = Server {
        cloud,
        source,
        logs: BTreeMap::new(),
    };
    server.serve(prepared, stop).await?;
    // Ctrl-C is how it ends.
    Ok(ExitStatus::Ok)
}

/// Clients were told the port: on another one, nobody would find us.
fn taken(port: u16) -> CommandError {
    CommandError::failure(format!("cannot listen on 127.0.0.1:{port}"))
        .hint("the port is taken, or this user may not have it: choose another one, or leave `--port` out for any that is free")
}

/// Where functions come from.
struct Source {
    manifest: ManifestSettings,
    parts: PartsSettings,
    report: Arc<dyn Report>,
    printer: Printer,
}

impl Source {
    async fn prepare(&self) -> anyhow::Result<Option<Prepared>> {
        let (manifest, parts) = (self.manifest.clone(), self.parts.clone());
        let report = Arc::clone(&self.report);
        let keep = Keep::UntilTheNextBuild;
        deployment::prepared((manifest, parts), keep, report, self.printer).await
    }
}

struct Server {
    cloud: Arc<LocalCloud>,
    source: Source,
    logs: BTreeMap<String, LogReader>,
}

impl Server {
    async fn serve(mut self, prepared: Prepared, stop: &Stop) -> anyhow::Result<()> {
        let served = self.start(&prepared).await;
        if served.is_ok() {
            tokio::select! {
                () = stop.gently().cancelled() => {}
                () = self.follow(prepared) => {}
            }
        }
        self.cloud.shut_down().await;
        self.show_logs();
        served
    }

    async fn start(&mut self, prepared: &Prepared) -> anyhow::Result<()> {
        let state = self.bring(prepared).await?;
        let emulator = self.cloud.emulator();
        self.source.report.serving(&Serving {
            checked: &prepared.checked,
            state: &state,
            url: emulator.url(),
            folder: emulator.options().folder.clone(),
        })?;
        Ok(())
    }

    /// Looks for changes for ever. What does not work is said, and what served goes on.
    async fn follow(&mut self, mut prepared: Prepared) {
        let mut seen = fingerprints(&prepared.checked);
        loop {
            tokio::time::sleep(LOOK).await;
            self.show_logs();
            let now = fingerprints(&prepared.checked);
            if now == seen {
                continue;
            }
            seen = now;
            match self.reload().await {
                Ok(Some(next)) => {
                    seen.extend(fingerprints(&next.checked));
                    prepared = next;
                    self.source.printer.note("reloaded");
                }
                Ok(None) => self
                    .source
                    .printer
                    .note("not reloaded; what served goes on"),
                Err(error) => {
                    self.source.printer.error(&error);
                    self.source
                        .printer
                        .note("not reloaded; what served goes on");
                }
            }
        }
    }

    async fn reload(&mut self) -> anyhow::Result<Option<Prepared>> {
        let Some(prepared) = self.source.prepare().await? else {
            return Ok(None);
        };
        self.bring(&prepared).await?;
        Ok(Some(prepared))
    }

    /// Makes the cloud what is wanted, and tells what it is then.
    async fn bring(&mut self, prepared: &Prepared) -> anyhow::Result<State> {
        let Prepared {
            checked, wanted, ..
        } = prepared;
        let service = &checked.service;
        let session = self.cloud.session(
            &Access {
                service: service.name.clone(),
                stage: service.stage.clone(),
                region: service.region.clone(),
                profile: None,
                endpoint: None,
                tags: service.tags.clone(),
            },
            registry::twin(service.provider).kinds(),
        );
        self.cloud.reload(&session, wanted, &checked.folder).await?;
        let options = self.cloud.emulator().options();
        for function in &service.functions {
            let name = service.cloud_name(function.name.as_str());
            let path = options.log_path(&name);
            self.logs
                .entry(name)
                .or_insert_with(|| LogReader::new(path));
        }
        observed(checked, &session, wanted).await
    }

    /// What functions write is shown as it comes, in one piece: a busy one writes much. Of several
    /// functions, each line says whose it is.
    fn show_logs(&mut self) {
        let printer = self.source.printer;
        if !printer.notes() {
            return;
        }
        let are_several = self.logs.len() > 1;
        for (name, reader) in &mut self.logs {
            let label = if are_several {
                format!("{name}  ")
            } else {
                String::new()
            };
            let lines = reader.read().unwrap_or_default();
            let lines = lines
                .iter()
                .map(|line| label.clone() + line.text.trim_end());
            let lines: Vec<String> = lines.collect();
            if !lines.is_empty() {
                printer.note(&lines.join("\n"));
            }
        }
    }
}

/// What there is, as if it were recorded.
async fn observed(
    checked: &Checked,
    session: &LocalSession,
    wanted: &[Resource],
) -> anyhow::Result<State> {
    let service = &checked.service;
    let mut state = State::new(
        String::new(),
        session.provider(),
        service.name.clone(),
        service.stage.clone(),
    );
    for resource in wanted {
        let address = Address {
            id: resource.id.clone(),
            remote_name: resource.remote_name.clone(),
            remote_id: None,
        };
        let Some(found) = session.read(&address).await? else {
            continue;
        };
        let recorded = Recorded {
            id: resource.id.clone(),
            remote_name: resource.remote_name.clone(),
            remote_id: found.remote_id,
            fields: found.fields,
            outputs: found.outputs,
            dependencies: resource.dependencies(),
            within: resource.within.clone(),
        };
        state.resources.insert(resource.id.clone(), recorded);
    }
    Ok(state)
}

/// What manifests and models are made of: themselves, what they include, weights, variables.
const FOLLOWED: [&str; 9] = [
    "onnx",
    "onnx_data",
    "data",
    "bin",
    "weights",
    "pb",
    "yaml",
    "yml",
    "json",
];

/// Of what lies beside the manifest and beside the models.
fn fingerprints(checked: &Checked) -> Fingerprints {
    let models = checked.service.functions.iter();
    let models = models.map(|function| checked.folder.join(&function.model));
    let mut fingerprints = Fingerprints::new();
    for path in models.chain([checked.source.path().to_owned()]) {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        for entry in fs_err::read_dir(folder.unwrap_or(Path::new(".")))
            .into_iter()
            .flatten()
        {
            let metadata = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)));
            if let Ok((path, metadata)) = metadata
                && metadata.is_file()
                && is_followed(&path)
            {
                fingerprints.insert(path, (metadata.modified().ok(), metadata.len()));
            }
        }
    }
    fingerprints
}

fn is_followed(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    FOLLOWED.iter().any(|known| extension == *known) || name.starts_with(".env")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_functions_write_is_no_change() {
        for path in [
            "serverless.yaml",
            "models/a.onnx",
            "a.onnx_data",
            ".env",
            ".env.prod",
        ] {
            assert!(is_followed(Path::new(path)), "{path}");
        }
        for path in ["emulate.log", "out.txt", "model.py", "x"] {
            assert!(!is_followed(Path::new(path)), "{path}");
        }
    }
}
