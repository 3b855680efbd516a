//! From a function to its artifacts.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mlfn_core::{
    ArchiveFormat, Artifact, ArtifactPart, Digest, FetchedFile, Function, Layer, PackageSpec,
    PartKind, Provider, Service,
};
use mlfn_model::Model;
use mlfn_shim_contract::ShimConfig;

use crate::archive::{self, PackedEntry, Written};
use crate::elf::{self, Finding};
use crate::index::{Index, IndexPart, Memory, Stamp};
use crate::layout::{self, Contents, Layout};
use crate::limits::Weight;
use crate::pack::{Packed, Store};
use crate::source::{Entry, Source};
use crate::{PackageError, cache, check, config, inspect, limits};

/// How an archive is packed that functions share: as AWS's layers are, which are the only ones.
const LAYER_FORMAT: ArchiveFormat = ArchiveFormat::Zip;

/// Where things are, and what is wanted.
#[derive(Debug, Clone, Copy)]
pub struct BuildOptions<'a> {
    /// The folder of the manifest, which model paths are relative to.
    pub folder: &'a Path,
    /// Where archives go, e.g. `.mlfn/package`; made if it is not there.
    pub output: &'a Path,
    /// The shim, for the architecture of the function.
    pub shim: &'a [u8],
    /// ONNX Runtime's library, for the architecture of the function; none if the shim runs the model
    /// by itself.
    pub library: Option<&'a Path>,
    /// Which archives to build.
    pub formats: Formats,
    /// Where compressed libraries are kept between builds, if anywhere; made if it is not there.
    pub cache: Option<&'a Path>,
}

/// Which of the archives that a cloud takes are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Formats {
    /// The one that is deployed.
    Deployed,
    /// All of them.
    All,
}

/// What [`build`] made.
#[derive(Debug, Clone)]
pub struct Built {
    /// The archives; the first is the one that is deployed.
    pub artifacts: Vec<Artifact>,
    /// What the model file says.
    pub model: Model,
    /// Why the package may not start on its target. For a deploy, those of severity `Error` are
    /// errors; on another machine, they may not matter.
    pub findings: Vec<Finding>,
    /// Whether anything was written: false if the archives of an earlier build are still right.
    pub fresh: bool,
}

/// Packs `function` of `service` for the cloud of `provider`.
pub fn build(
    service: &Service,
    function: &Function,
    provider: &dyn Provider,
    options: &BuildOptions<'_>,
) -> Result<Built, PackageError> {
    // Without `./`, which nobody wrote.
    let path = if options.folder == Path::new(".") {
        function.model.clone()
    } else {
        options.folder.join(&function.model)
    };
    let before = Stamp::at(&path);
    let model = inspect::inspect(function, &path)?;
    let problems = check::check(function, &model);
    if !problems.is_empty() {
        return Err(PackageError::Invalid(problems));
    }
    let spec = provider.package(service, function);
    let findings = check_binaries(&spec, options)?;
    let path = layout::model_path(&model.path)?;
    let graph = inspect::graph(function, &model.path)?;
    let config = ShimConfig {
        graph: graph.as_ref().map(|_| layout::graph_path()),
        library: options
            .library
            .map_or_else(String::new, |_| layout::library_path()),
        ..config::compile(service, function, &model, &spec, path.clone())
    };
    let contents = Contents {
        shim: options.shim,
        library: options.library,
        model: &model,
        graph,
        spec: &spec,
    };
    let layout = Layout::new(contents, &path)?;
    let job = Job {
        config: ShimConfig {
            fetched: sizes(layout.left_out())?,
            library_in_layer: !layout.layer().is_empty(),
            ..config
        },
        layout,
        archives: archives(service, function, &spec, options),
        layer: options.output.join(layer_name(function)),
        output: options.output,
        cache: options.cache,
    };
    let Made {
        outcomes,
        rest,
        fresh,
    } = job.run()?;
    // The configuration is that of the model that was inspected.
    if Stamp::at(&model.path) != before {
        return Err(PackageError::Changed(model.path.display().to_string()));
    }
    let artifacts = outcomes
        .into_iter()
        .map(|outcome| outcome.artifact((service, function), &spec, &rest))
        .collect();
    Ok(Built {
        artifacts,
        model,
        findings,
        fresh,
    })
}

/// Removes what builds into `output` left that were killed. It is no failure if that does not work:
/// the next build does it, too.
pub fn remove_leftovers(output: &Path) {
    let lock = output.is_dir().then(|| lock(output));
    if let Some(Ok(_lock)) = lock {
        archive::remove_leftovers(output, Duration::ZERO);
    }
}

/// Gives an archive that [`build`] made another name on the same disk, under which it stays when the
/// next build puts another one in its place. Not all file systems can do that.
pub fn link(archive: &Path, to: &Path) -> Result<(), PackageError> {
    let folder = archive.parent().unwrap_or(Path::new("."));
    let failed = |error| PackageError::write(folder, error);
    let _lock = lock(folder).map_err(failed)?;
    Index::link(archive, to)
}

fn check_binaries(
    spec: &PackageSpec,
    options: &BuildOptions<'_>,
) -> Result<Vec<Finding>, PackageError> {
    let mut findings = elf::check(&spec.shim, options.shim, &spec.target);
    if let Some(library) = options.library {
        let library = elf::check_file(&layout::library_path(), library, &spec.target);
        findings.extend(library.map_err(PackageError::Read)?);
    }
    Ok(findings)
}

/// `<function>.<stage>.<provider>.<extension>`: names have no dots, so that no two are the same.
fn archives(
    service: &Service,
    function: &Function,
    spec: &PackageSpec,
    options: &BuildOptions<'_>,
) -> Vec<(PathBuf, ArchiveFormat)> {
    let count = match options.formats {
        Formats::Deployed => 1,
        Formats::All => spec.formats.len(),
    };
    let stem = format!("{}.{}.{}", function.name, service.stage, service.provider);
    let path = |format: ArchiveFormat| {
        options
            .output
            .join(format!("{stem}.{}", format.extension()))
    };
    spec.formats
        .iter()
        .take(count)
        .map(|format| (path(*format), *format))
        .collect()
}

/// `onnxruntime-<architecture>.zip`, which no function's archive is called: those have two dots
/// more. It is for all functions and stages.
fn layer_name(function: &Function) -> String {
    let (architecture, end) = (function.architecture, LAYER_FORMAT.extension());
    format!("onnxruntime-{architecture}.{end}")
}

/// What there is to do, once everything is known to be right.
struct Job<'a> {
    layout: Layout,
    config: ShimConfig,
    archives: Vec<(PathBuf, ArchiveFormat)>,
    /// The archive that functions share, if there is one.
    layer: PathBuf,
    output: &'a Path,
    cache: Option<&'a Path>,
}

/// An archive that is there now.
struct Outcome {
    path: PathBuf,
    format: ArchiveFormat,
    index: Index,
}

/// What a job leaves.
struct Made {
    outcomes: Vec<Outcome>,
    rest: Rest,
    /// Whether any archive was written.
    fresh: bool,
}

/// What the archives of the function leave out.
struct Rest {
    fetched: Vec<FetchedFile>,
    layer: Option<Outcome>,
}

/// The sizes of files by their paths in the package.
fn sizes(entries: &[Entry]) -> Result<BTreeMap<String, u64>, PackageError> {
    let size = |entry: &Entry| Ok((entry.path.clone(), entry.source.size()?));
    let sizes: io::Result<_> = entries.iter().map(size).collect();
    sizes.map_err(PackageError::Read)
}

impl Job<'_> {
    fn run(&self) -> Result<Made, PackageError> {
        let failed = |error| PackageError::write(self.output, error);
        fs_err::create_dir_all(self.output).map_err(failed)?;
        let _lock = lock(self.output).map_err(failed)?;
        // Whoever made them has ended, or would hold the lock.
        archive::remove_leftovers(self.output, Duration::ZERO);
        let mut memory = Memory::read(self.output);
        let (outcomes, fresh) = match self.reuse(&mut memory)? {
            Some(outcomes) => (outcomes, false),
            None => (self.write(&mut memory)?, true),
        };
        let (layer, fresh_layer) = self.layer(&mut memory)?.unzip();
        let fetched = self.fetched(&mut memory)?;
        memory.write()?;
        Ok(Made {
            outcomes,
            rest: Rest { fetched, layer },
            fresh: fresh || fresh_layer == Some(true),
        })
    }

    /// The archive that functions share, and whether it was written: the first function that is
    /// packed does it for all.
    fn layer(&self, memory: &mut Memory) -> Result<Option<(Outcome, bool)>, PackageError> {
        let entries = self.layout.layer();
        if entries.is_empty() {
            return Ok(None);
        }
        let digest = |entry: &Entry| Ok((entry.clone(), memory.digest(&entry.source)?));
        let digests: Vec<_> = entries
            .iter()
            .map(digest)
            .collect::<Result<_, PackageError>>()?;
        let parts = part_digests(digests.iter().map(|(entry, digest)| (entry, digest)));
        if let Some(index) = Index::read(&self.layer, LAYER_FORMAT)
            && index.has(&parts)
        {
            let outcome = Outcome {
                path: self.layer.clone(),
                format: LAYER_FORMAT,
                index,
            };
            return Ok(Some((outcome, false)));
        }
        let entries = self.pack_all(entries, &Store::temporary(self.output)?, memory)?;
        let written = write_archive(&self.layer, LAYER_FORMAT, &entries)?;
        Ok(Some((written, true)))
    }

    /// What the archives leave out.
    fn fetched(&self, memory: &mut Memory) -> Result<Vec<FetchedFile>, PackageError> {
        let mut files = Vec::new();
        for entry in self.layout.left_out() {
            if let Source::File(source) = &entry.source {
                files.push(FetchedFile {
                    path: entry.path.clone(),
                    source: source.clone(),
                    digest: memory.digest(&entry.source)?,
                    bytes: entry.source.size().map_err(PackageError::Read)?,
                });
            }
        }
        Ok(files)
    }

    /// That of the model's own file, if it is not in the archive.
    fn model_digest(&self, memory: &mut Memory) -> Result<Digest, PackageError> {
        let mut left_out = self.layout.left_out().iter();
        match left_out.find(|entry| entry.path == self.config.model) {
            Some(entry) => memory.digest(&entry.source),
            None => Ok(Digest::of(b"")),
        }
    }

    /// What an earlier run left, if building again would give the same.
    fn reuse(&self, memory: &mut Memory) -> Result<Option<Vec<Outcome>>, PackageError> {
        let known = self.archives.iter().map(|(path, format)| {
            let index = Index::read(path, *format)?;
            Some(Outcome {
                path: path.clone(),
                format: *format,
                index,
            })
        });
        let Some(known) = known.collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let parts = self.digests(memory)?;
        Ok(known
            .iter()
            .all(|outcome| outcome.index.has(&parts))
            .then_some(known))
    }

    /// The digest of each part, without compressing anything.
    fn digests<'a>(
        &'a self,
        memory: &mut Memory,
    ) -> Result<BTreeMap<PartKind, Digest>, PackageError> {
        let digest = |entry: &'a Entry| Ok((entry, memory.digest(&entry.source)?));
        let entries = self.layout.entries().iter().map(digest);
        let mut entries: Vec<(&Entry, Digest)> = entries.collect::<Result<_, PackageError>>()?;
        let mut packed = entries.iter();
        let model = match packed.find(|(entry, _)| entry.path == self.config.model) {
            Some((_, digest)) => digest.clone(),
            None => self.model_digest(memory)?,
        };
        let config = layout::config_entry(self.config.clone(), &model)?;
        let digest = config.source.digest().map_err(PackageError::Read)?;
        entries.push((&config, digest));
        entries.sort_by(|(a, _), (b, _)| layout::position(a).cmp(&layout::position(b)));
        Ok(part_digests(
            entries.iter().map(|(entry, digest)| (*entry, digest)),
        ))
    }

    fn write(&self, memory: &mut Memory) -> Result<Vec<Outcome>, PackageError> {
        let entries = self.pack(memory)?;
        let archives = self.archives.iter();
        archives
            .map(|(path, format)| write_archive(path, *format, &entries))
            .collect()
    }

    /// All entries with their compressed forms, in the order of the archive.
    fn pack(&self, memory: &mut Memory) -> Result<Vec<PackedEntry>, PackageError> {
        let store = Store::temporary(self.output)?;
        let mut entries = self.pack_all(self.layout.entries(), &store, memory)?;
        let packed = entries
            .iter()
            .find(|packed| packed.entry.path == self.config.model);
        let model = match packed {
            Some(packed) => packed.packed.digest.clone(),
            None => self.model_digest(memory)?,
        };
        let entry = layout::config_entry(self.config.clone(), &model)?;
        let packed = Packed::new(&entry.source, &store)?;
        entries.push(PackedEntry { entry, packed });
        entries.sort_by(|a, b| layout::position(&a.entry).cmp(&layout::position(&b.entry)));
        Ok(entries)
    }

    fn pack_all(
        &self,
        entries: &[Entry],
        store: &Arc<Store>,
        memory: &mut Memory,
    ) -> Result<Vec<PackedEntry>, PackageError> {
        let pack = |entry: &Entry| {
            let packed = self.pack_one(entry, store, memory)?;
            Ok(PackedEntry {
                entry: entry.clone(),
                packed,
            })
        };
        entries.iter().map(pack).collect()
    }

    fn pack_one(
        &self,
        entry: &Entry,
        store: &Arc<Store>,
        memory: &mut Memory,
    ) -> Result<Packed, PackageError> {
        match (self.cache, entry.part) {
            (Some(cache), PartKind::Runtime | PartKind::Shim) => {
                pack_cached(&entry.source, cache, store, memory)
            }
            _ => memory.pack(&entry.source, || Packed::new(&entry.source, store)),
        }
    }
}

/// The archive, and beside it what tells the next build what is in it.
fn write_archive(
    path: &Path,
    format: ArchiveFormat,
    entries: &[PackedEntry],
) -> Result<Outcome, PackageError> {
    let written = archive::write(path, format, entries)?;
    let parts = parts(entries, &written);
    let index = Index::new(path, format, written.digest, parts)
        .map_err(|error| PackageError::write(path, error))?;
    index.write(path)?;
    Ok(Outcome {
        path: path.to_owned(),
        format,
        index,
    })
}

/// Waits until no other process packs into `folder`, and keeps others waiting until it is dropped:
/// an index must not describe an archive that somebody else has put there meanwhile.
fn lock(folder: &Path) -> io::Result<fs_err::File> {
    let file = fs_err::File::create(folder.join(".lock"))?;
    match file.file().lock() {
        // Some file systems of networks have no locks. There, nobody should pack twice at a time.
        Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(error),
        _ => Ok(file),
    }
}

fn pack_cached(
    source: &Source,
    cache: &Path,
    store: &Arc<Store>,
    memory: &mut Memory,
) -> Result<Packed, PackageError> {
    let digest = memory.digest(source)?;
    if let Some(packed) = cache::read(cache, &digest) {
        return Ok(packed);
    }
    let packed = Packed::new(source, store)?;
    if packed.is_compressed() {
        // A cache that cannot be written to makes the next run slower, and this one no worse.
        let _ = cache::write(cache, source, &packed);
    }
    Ok(packed)
}

/// Of names, modes and contents of the files of each part; `entries` are in archive order.
fn part_digests<'a>(
    entries: impl Iterator<Item = (&'a Entry, &'a Digest)>,
) -> BTreeMap<PartKind, Digest> {
    let mut lists: BTreeMap<PartKind, String> = BTreeMap::new();
    for (entry, digest) in entries {
        // Paths have no control characters (the layout refuses them), so that lines are distinct.
        let line = format!("{digest} {:o} {}\n", entry.mode, entry.path);
        lists.entry(entry.part).or_default().push_str(&line);
    }
    lists
        .into_iter()
        .map(|(part, list)| (part, Digest::of(list.as_bytes())))
        .collect()
}

fn parts(entries: &[PackedEntry], written: &Written) -> Vec<IndexPart> {
    let digests = part_digests(
        entries
            .iter()
            .map(|packed| (&packed.entry, &packed.packed.digest)),
    );
    let part = |(kind, digest)| {
        let of_part = || {
            entries
                .iter()
                .zip(&written.entries)
                .filter(|(packed, _)| packed.entry.part == kind)
        };
        IndexPart {
            kind,
            digest,
            unpacked: of_part().map(|(packed, _)| packed.packed.size).sum(),
            packed: of_part().map(|(_, packed)| packed).sum(),
        }
    };
    digests.into_iter().map(part).collect()
}

impl Outcome {
    fn artifact(
        self,
        (service, function): (&Service, &Function),
        spec: &PackageSpec,
        Rest { fetched, layer }: &Rest,
    ) -> Artifact {
        let unpacked = self.unpacked();
        let layer_unpacked = layer.as_ref().map_or(0, Self::unpacked);
        let weight = Weight {
            packed: self.index.packed(),
            unpacked: unpacked + layer_unpacked,
            fetched: fetched.iter().map(|file| file.bytes).sum(),
        };
        let shared = layer.iter().flat_map(|layer| layer.index.parts.clone());
        let parts = self.index.parts.into_iter().chain(shared);
        let parts = with_fetched(parts.map(ArtifactPart::from).collect(), fetched);
        Artifact {
            function: function.name.clone(),
            provider: service.provider,
            path: self.path,
            format: self.format,
            digest: self.index.digest,
            packed: weight.packed,
            unpacked,
            route: limits::choose(weight, &parts, &spec.routes),
            parts,
            fetched: fetched.clone(),
            layer: layer.as_ref().map(Self::layer),
        }
    }

    fn layer(&self) -> Layer {
        Layer {
            path: self.path.clone(),
            digest: self.index.digest.clone(),
            packed: self.index.packed(),
            unpacked: self.unpacked(),
        }
    }

    /// Bytes of all files.
    fn unpacked(&self) -> u64 {
        self.index.parts.iter().map(|part| part.unpacked).sum()
    }
}

/// The model is one part, wherever its files are.
fn with_fetched(mut parts: Vec<ArtifactPart>, fetched: &[FetchedFile]) -> Vec<ArtifactPart> {
    if fetched.is_empty() {
        return parts;
    }
    let mut list = String::new();
    for file in fetched {
        list.extend([file.digest.as_str(), " ", &file.path, "\n"]);
    }
    let bytes: u64 = fetched.iter().map(|file| file.bytes).sum();
    let packed = parts
        .extract_if(.., |part| part.kind == PartKind::Model)
        .next();
    if let Some(packed) = &packed {
        list.push_str(packed.digest.as_str());
    }
    parts.push(ArtifactPart {
        kind: PartKind::Model,
        digest: Digest::of(list.as_bytes()),
        unpacked: bytes + packed.as_ref().map_or(0, |part| part.unpacked),
        packed: bytes + packed.as_ref().map_or(0, |part| part.packed),
    });
    parts.sort_by_key(|part| part.kind);
    parts
}

impl From<IndexPart> for ArtifactPart {
    fn from(part: IndexPart) -> Self {
        Self {
            kind: part.kind,
            digest: part.digest,
            unpacked: part.unpacked,
            packed: part.packed,
        }
    }
}
