//! The chain that every verb is a prefix of: load the manifest, check it against its cloud,
//! package its functions.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use anyhow::Context as _;
use mlfn_core::{ArchiveFormat, BucketUrl, Diagnostic, FieldPath, Function, Provider, Service};
use mlfn_engine::state::LocalStore;
use mlfn_manifest::{LoadOptions, Source};
use mlfn_onnxruntime::{Candidate, Library, Options, Platform, Progress};
use mlfn_package::{BuildOptions, Built, Formats, PackageError};
use tempfile::TempDir;

use crate::archives;
use crate::engines::{self, Choice};
use crate::errors::{CommandError, nearest};
use crate::printer::Printer;
use crate::registry;
use crate::report::Report;
use crate::settings::{Environment, LOCAL, ManifestSettings, PartsSettings, Target};
use crate::shim::{ShimKind, ShimPlace};

/// A manifest, and everything that is wrong with it.
pub(crate) struct Verdict {
    /// What it says, unless it is too wrong to tell.
    pub(crate) service: Option<Service>,
    /// Whether this machine stands for the cloud.
    pub(crate) local: bool,
    /// The bucket that the state lies in, if it does.
    state: Option<BucketUrl>,
    /// What is wrong with it, and what may be.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Its text.
    pub(crate) source: Source,
    /// Its folder.
    pub(crate) folder: PathBuf,
}

impl Verdict {
    /// Whether a service can be made of it.
    pub(crate) fn is_valid(&self) -> bool {
        self.service.is_some() && !self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// What is wrong with it, to be shown.
    pub(crate) fn problems(&self) -> Problems<'_> {
        Problems {
            source: &self.source,
            diagnostics: &self.diagnostics,
        }
    }
}

/// A manifest without errors, and its cloud.
pub(crate) struct Checked {
    pub(crate) service: Service,
    pub(crate) provider: &'static dyn Provider,
    /// Whether this machine stands for the cloud.
    pub(crate) local: bool,
    /// The bucket that the state lies in, if it does.
    pub(crate) state: Option<BucketUrl>,
    /// The variables.
    pub(crate) environment: Environment,
    /// What has to be typed after a verb to mean the same.
    pub(crate) flags: String,
    pub(crate) source: Source,
    /// The folder of the manifest.
    pub(crate) folder: PathBuf,
}

/// Diagnostics and the text that they point into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Problems<'a> {
    pub(crate) source: &'a Source,
    pub(crate) diagnostics: &'a [Diagnostic],
}

/// Reads the manifest and checks it against its cloud, and finds all problems at once.
pub(crate) fn judge(settings: &ManifestSettings) -> anyhow::Result<Verdict> {
    let loaded = mlfn_manifest::load(&LoadOptions {
        folder: PathBuf::from("."),
        file: settings.file.clone(),
        stage: settings.stage.clone(),
        provider: settings.target.cloud,
        region: settings.region.clone(),
        params: settings.params.clone(),
        environment: &|name| settings.environment.get(name),
    })?;
    let state = settings.state.clone().or(loaded.state);
    let mut diagnostics = loaded.diagnostics;
    let complete = |service| with_default_region(service, settings);
    let (service, partial) = (loaded.service.map(complete), loaded.partial.map(complete));
    let Target { cloud, local } = settings.target;
    // Who names a cloud on the command line does not mean the manifest's place.
    let local = local || (loaded.local && cloud.is_none());
    if let Some(known) = service.as_ref().or(partial.as_ref()) {
        let mut found = registry::provider(known.provider).check(known);
        if local {
            found.extend(mlfn_emulator::not_imitated(known));
        }
        let wrong: BTreeSet<FieldPath> = diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.is_error())
            .map(|diagnostic| diagnostic.at.clone())
            .collect();
        found.retain(|diagnostic| !follows(&diagnostic.at, &wrong));
        diagnostics.extend(found);
    }
    Ok(Verdict {
        service,
        local,
        state,
        diagnostics,
        source: loaded.source,
        folder: loaded.folder,
    })
}

/// Whether what is said about `at` may only be so because something else is `wrong`: itself, what it
/// is part of, or which cloud is meant.
fn follows(at: &FieldPath, wrong: &BTreeSet<FieldPath>) -> bool {
    let provider = FieldPath::root().key("provider");
    let around = |at: &FieldPath| std::iter::successors(Some(at.clone()), FieldPath::parent);
    let mut inside = around(at).filter(|path| *path != FieldPath::root());
    inside.any(|path| wrong.contains(&path))
        || wrong
            .iter()
            .any(|path| around(path).any(|path| path == provider))
}

/// Reads and checks the manifest, and shows what is wrong; none if that is an error.
pub(crate) fn check(
    settings: &ManifestSettings,
    report: &dyn Report,
) -> anyhow::Result<Option<Checked>> {
    let verdict = judge(settings)?;
    report.problems(verdict.problems())?;
    Ok(checked(verdict, settings))
}

/// As [`check`], for what is deployed already: what may be wrong with it was said then.
pub(crate) fn check_again(
    settings: &ManifestSettings,
    report: &dyn Report,
) -> anyhow::Result<Option<Checked>> {
    let verdict = judge(settings)?;
    if !verdict.is_valid() {
        report.problems(verdict.problems())?;
    }
    Ok(checked(verdict, settings))
}

fn checked(verdict: Verdict, settings: &ManifestSettings) -> Option<Checked> {
    if !verdict.is_valid() {
        return None;
    }
    verdict.service.map(|service| Checked {
        provider: registry::provider(service.provider),
        local: verdict.local,
        state: verdict.state,
        environment: settings.environment,
        flags: settings.flags(),
        service,
        source: verdict.source,
        folder: verdict.folder,
    })
}

/// The function of that name, or the only one.
pub(crate) fn function<'a>(
    service: &'a Service,
    name: Option<&str>,
) -> Result<&'a Function, CommandError> {
    let names = || {
        service
            .functions
            .iter()
            .map(|function| function.name.as_str())
    };
    match (name, service.functions.as_slice()) {
        (None, [only]) => Ok(only),
        (None, _) => {
            let list: Vec<&str> = names().collect();
            let message = "the manifest has several functions, and none is named";
            Err(CommandError::usage(message).hint(format!("name one of: {}", list.join(", "))))
        }
        (Some(name), _) => service.function(name).ok_or_else(|| {
            let message = format!(
                "there is no function `{name}` in service `{}`",
                service.name
            );
            let list: Vec<&str> = names().collect();
            CommandError::usage(message).hint(match nearest(name, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are: {}", list.join(", ")),
            })
        }),
    }
}

/// The user's file names regions by cloud, for manifests that name none.
fn with_default_region(mut service: Service, settings: &ManifestSettings) -> Service {
    let default = settings.default_regions.get(&service.provider);
    service.region = service.region.or_else(|| default.cloned());
    service
}

impl Checked {
    /// Where archives go unless the user says otherwise.
    pub(crate) fn package_folder(&self) -> PathBuf {
        self.own_folder().join("package")
    }

    /// The bucket that the record of what is deployed lies in. What is on this machine means nothing
    /// to others.
    pub(crate) fn bucket(&self) -> Option<&BucketUrl> {
        self.state.as_ref().filter(|_| !self.local)
    }

    /// Where the record lies if it is in no bucket: each place and stage has its own.
    pub(crate) fn local_store(&self) -> LocalStore {
        LocalStore::new(self.state_folder())
    }

    /// Archives that are or were deployed.
    pub(crate) fn release_folder(&self) -> PathBuf {
        self.own_folder().join("release")
    }

    /// What plans and states call the place where it runs.
    pub(crate) fn place_name(&self) -> &'static str {
        if self.local {
            return LOCAL;
        }
        self.service.provider.as_str()
    }

    /// Where its packages run.
    pub(crate) fn place(&self) -> Place {
        if self.local {
            Place::Here
        } else {
            Place::Cloud
        }
    }

    /// Removes the record of what is deployed, because nothing is.
    pub(crate) fn forget(&self) -> io::Result<()> {
        let folder = self.state_folder();
        archives::if_there(fs_err::remove_dir_all(&folder))?;
        // Those above are of all stages, and of all places.
        let mut above = folder.ancestors().skip(1).take(2);
        above.try_for_each(archives::remove_if_empty)?;
        archives::remove_if_empty(&self.own_folder().join("local"))
    }

    fn state_folder(&self) -> PathBuf {
        let folder = self.own_folder().join("state").join(self.place_name());
        folder.join(self.service.stage.as_str())
    }

    /// What mlfn keeps beside the manifest.
    pub(crate) fn own_folder(&self) -> PathBuf {
        let folder = self.folder.strip_prefix(".").unwrap_or(&self.folder);
        folder.join(".mlfn")
    }
}

/// Where a package will run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On its cloud.
    Cloud,
    /// On this machine.
    Here,
}

/// Everything that packing needs besides the function.
#[derive(Clone)]
pub(crate) struct Packer<'a> {
    pub(crate) checked: &'a Checked,
    pub(crate) parts: &'a PartsSettings,
    pub(crate) output: PathBuf,
    pub(crate) place: Place,
    pub(crate) formats: Formats,
    pub(crate) report: &'a dyn Report,
    pub(crate) printer: Printer,
}

/// A function that is packed.
pub(crate) struct Packed {
    pub(crate) built: Built,
    /// What runs the model, unless the manifest says ONNX Runtime.
    pub(crate) choice: Option<Choice>,
}

impl Packer<'_> {
    /// Packs a function; none if the manifest does not agree with the model, which is shown.
    pub(crate) fn pack(&self, function: &Function) -> anyhow::Result<Option<Packed>> {
        let choice = engines::choose(self, function)?;
        let kind = choice.as_ref().map_or(ShimKind::OnnxRuntime, Choice::kind);
        let built = self.pack_with(function, kind)?;
        Ok(built.map(|built| Packed { built, choice }))
    }

    /// Packs a function with a shim of this kind, whatever the manifest says.
    pub(crate) fn pack_with(
        &self,
        function: &Function,
        kind: ShimKind,
    ) -> anyhow::Result<Option<Built>> {
        let Checked {
            service, provider, ..
        } = self.checked;
        let place = match self.place {
            Place::Cloud => ShimPlace::Cloud(function.architecture),
            Place::Here => ShimPlace::Here,
        };
        let (shim, library) = match kind {
            ShimKind::OnnxRuntime => {
                let shim = self.parts.shim.bytes(place)?;
                (shim, Some(self.library(function)?.path))
            }
            ShimKind::Tract => (self.parts.tract_shim.bytes(place)?, None),
        };
        let message = format!("packaging {} for {}", function.name, service.provider);
        let progress = self.printer.progress(&message, false);
        let built = mlfn_package::build(
            service,
            function,
            *provider,
            &BuildOptions {
                folder: &self.checked.folder,
                output: &self.output,
                shim: &shim,
                library: library.as_deref(),
                formats: self.formats,
                cache: Some(&self.parts.cache.join("packed")),
            },
        );
        drop(progress);
        match built {
            Err(PackageError::Invalid(diagnostics)) => {
                self.report.problems(Problems {
                    source: &self.checked.source,
                    diagnostics: &diagnostics,
                })?;
                Ok(None)
            }
            other => Ok(Some(other?)),
        }
    }

    /// The inference library for where the function will run, which may have to be fetched.
    pub(crate) fn library(&self, function: &Function) -> anyhow::Result<Library> {
        let platform = match self.place {
            Place::Cloud => Platform::for_architecture(function.architecture.as_str()),
            Place::Here => Platform::host(),
        }?;
        let shown = RefCell::new(None);
        let library = mlfn_onnxruntime::library(
            platform,
            &Options {
                cache: self.parts.cache.clone(),
                candidates: Candidate::standard(),
                override_path: self.parts.onnxruntime.clone(),
                offline: self.parts.offline,
                progress: &|progress| {
                    shown
                        .borrow_mut()
                        .get_or_insert_with(|| self.printer.progress(&describe(progress), true));
                },
            },
        )?;
        self.printer
            .detail(&format!("ONNX Runtime is `{}`", library.path.display()));
        Ok(library)
    }
}

/// What takes so long.
fn describe(progress: Progress<'_>) -> String {
    match progress {
        Progress::Waiting { lock } => {
            format!(
                "waiting for another mlfn that fetches ONNX Runtime (it holds `{}`)",
                lock.display()
            )
        }
        Progress::Fetching {
            version, platform, ..
        } => {
            format!("fetching ONNX Runtime {version} for {platform} (23 MB, once)")
        }
        Progress::Extracting { path } => format!("unpacking ONNX Runtime to `{}`", path.display()),
    }
}

/// A folder with the unpacked package of a function, as it starts on this machine; none if it
/// cannot be packed because of the manifest, which is shown.
pub(crate) fn unpacked(
    packer: &Packer<'_>,
    function: &Function,
) -> anyhow::Result<Option<TempDir>> {
    let Some(Packed { built, choice }) = packer.pack(function)? else {
        return Ok(None);
    };
    if let Some(choice) = choice {
        packer.printer.detail(&format!("engine {choice}"));
    }
    for finding in &built.findings {
        packer.printer.warning(&format!(
            "{}: {} ({})",
            finding.file, finding.detail, finding.help
        ));
    }
    unpack(&built).map(Some)
}

/// A folder with an unpacked package, as it starts on this machine.
pub(crate) fn unpack(built: &Built) -> anyhow::Result<TempDir> {
    let artifact = built.artifacts.first().context("nothing was packed")?;
    let folder = tempfile::Builder::new()
        .prefix("mlfn-")
        .tempdir()
        .context("there is no room to unpack the function")?;
    mlfn_package::unpack(&artifact.path, artifact.format, folder.path())?;
    if let Some(layer) = &artifact.layer {
        // The shim looks beside itself first.
        mlfn_package::unpack(&layer.path, ArchiveFormat::Zip, folder.path())?;
    }
    for file in &artifact.fetched {
        // There is no bucket that it could come from.
        let place = folder.path().join(&file.path);
        fs_err::create_dir_all(place.parent().unwrap_or(folder.path()))?;
        fs_err::copy(&file.source, place)?;
    }
    Ok(folder)
}
