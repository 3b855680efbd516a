//! From a path to a [`Model`], or to the reason why there is none.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::collect::{Collected, Walk};
use crate::error::{ModelError, Newer};
use crate::foreign::{self, Format, Sample};
use crate::model::{ForeignDomain, Model, Producer};
use crate::wire::{Reader, WireError};
use crate::{external, runtime};

/// How much of the start of a file is looked at to tell what it is. Its end as well: that is
/// where a zip archive has its table of contents.
const SAMPLE: u64 = 16 << 10;

/// Reads a model file. Weights are not read: a file of gigabytes takes milliseconds.
pub fn inspect(path: &Path) -> Result<Model, ModelError> {
    let bytes = regular_file(path)?;
    let mut file = fs_err::File::open(path).map_err(|source| unreadable(path, source))?;
    let collected = read(&mut file, bytes, path)?;
    check_versions(&collected, path)?;
    let external_data = external::check(path, &collected.external)?;
    let foreign_domains = foreign_domains(&collected);
    let graph = collected.graph.unwrap_or_default();
    let mut inputs = graph.inputs;
    inputs.retain(|input| !graph.initializers.contains(&input.name));
    let operators = collected.operators.into_iter();
    Ok(Model {
        path: path.to_owned(),
        bytes,
        ir_version: collected.ir_version,
        opsets: collected.opsets,
        producer: producer(collected.producer_name, collected.producer_version),
        graph: graph.name,
        inputs,
        outputs: graph.outputs,
        operators: operators
            .map(|((domain, operator), count)| (format!("{domain}.{operator}"), count))
            .collect(),
        foreign_domains,
        parameters: collected.parameters,
        external_data,
        metadata: collected.metadata,
    })
}

/// The length of a file that has bytes.
fn regular_file(path: &Path) -> Result<u64, ModelError> {
    let metadata = fs_err::metadata(path).map_err(|source| unreadable(path, source))?;
    let path = path.to_owned();
    if metadata.is_dir() {
        return Err(match foreign::folder(&path) {
            Some(format) => ModelError::Foreign { path, format },
            None => ModelError::Folder {
                inside: model_inside(&path),
                path,
            },
        });
    }
    // Opening a pipe could wait for ever.
    if !metadata.is_file() {
        return Err(ModelError::NotAFile { path });
    }
    if metadata.len() == 0 {
        return Err(ModelError::Empty { path });
    }
    Ok(metadata.len())
}

/// The first model file of a folder.
fn model_inside(folder: &Path) -> Option<PathBuf> {
    let entries = fs_err::read_dir(folder).ok()?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "onnx"))
        .min()
}

/// Walks over the file, and tells what it is if it is not a model.
pub(crate) fn read(
    file: &mut (impl Read + Seek),
    bytes: u64,
    path: &Path,
) -> Result<Collected, ModelError> {
    let (head, tail) = sample(file, bytes).map_err(|source| unreadable(path, source))?;
    let sample = Sample {
        path,
        bytes,
        head: &head,
        tail: &tail,
    };
    let foreign = |format| ModelError::Foreign {
        path: path.to_owned(),
        format,
    };
    if let Some(format) = foreign::certain(&sample) {
        return Err(foreign(format));
    }
    let mut reader = Reader::new(file, bytes);
    let mut walk = Walk::new(&mut reader);
    let walked = walk.model();
    let collected = walk.collected;
    let error = match walked {
        Err(error) => Some(explain(error, collected.recognised, bytes, path)),
        Ok(()) => incomplete(&collected, path),
    };
    match error {
        None => Ok(collected),
        Some(error) => Err(foreign_after_all(&error, &sample).map_or(error, foreign)),
    }
}

/// What a file is that could not be read as ONNX, if that can be told.
fn foreign_after_all(error: &ModelError, sample: &Sample<'_>) -> Option<Format> {
    let content = || match error {
        // Such a file is a model, only not a whole one.
        ModelError::Truncated { .. } | ModelError::Damaged { .. } => None,
        _ => foreign::probable(sample),
    };
    match error {
        ModelError::Io { .. } => None,
        _ => content()
            .or_else(|| foreign::by_name(sample.path))
            .or_else(|| foreign::text(sample)),
    }
}

/// The start and the end of a file, which is left at its start.
fn sample(file: &mut (impl Read + Seek), bytes: u64) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    file.by_ref().take(SAMPLE).read_to_end(&mut head)?;
    if bytes > SAMPLE {
        file.seek(SeekFrom::Start(SAMPLE.max(bytes - SAMPLE)))?;
        file.by_ref().take(SAMPLE).read_to_end(&mut tail)?;
    }
    file.rewind()?;
    Ok((head, tail))
}

/// What an error on the wire says of the file.
fn explain(error: WireError, recognised: bool, bytes: u64, path: &Path) -> ModelError {
    let path = path.to_owned();
    match error {
        WireError::Io(source) => ModelError::Io { path, source },
        WireError::TooComplex => ModelError::TooComplex { path },
        WireError::Ends { needed, .. } if recognised => ModelError::Truncated {
            path,
            bytes,
            needed: Some(needed).filter(|needed| (1..u64::MAX).contains(needed)),
        },
        WireError::Ends { at, .. } => ModelError::NotOnnx {
            path,
            problem: "the file ends in the middle of a field",
            at,
        },
        WireError::Damaged { at, problem } if recognised => {
            ModelError::Damaged { path, problem, at }
        }
        WireError::Damaged { at, problem } => ModelError::NotOnnx { path, problem, at },
    }
}

/// What a file that is well-formed lacks to be a model.
fn incomplete(collected: &Collected, path: &Path) -> Option<ModelError> {
    let path = path.to_owned();
    if !collected.recognised {
        let problem = "no field that a model has, from the start";
        return Some(ModelError::NotOnnx {
            path,
            problem,
            at: 0,
        });
    }
    let graph = collected.graph.as_ref();
    let missing = if graph.is_none() {
        "graph"
    } else if graph.is_some_and(|graph| graph.outputs.is_empty()) {
        "outputs"
    } else if collected.opsets.is_empty() && collected.ir_version >= 3 {
        // The third version of the format brought operator sets.
        "operator set"
    } else {
        return None;
    };
    Some(ModelError::Incomplete { path, missing })
}

fn check_versions(collected: &Collected, path: &Path) -> Result<(), ModelError> {
    let too_new = |newer| ModelError::TooNew {
        path: path.to_owned(),
        newer,
    };
    let found = collected.ir_version;
    if found > runtime::NEWEST_IR_VERSION {
        return Err(too_new(Newer::IrVersion { found }));
    }
    for (domain, &found) in &collected.opsets {
        let newest = runtime::newest_opset(domain).unwrap_or(i64::MAX);
        if found > newest {
            let domain = domain.clone();
            return Err(too_new(Newer::Opset {
                domain,
                found,
                newest,
            }));
        }
    }
    Ok(())
}

/// The operators that neither ONNX Runtime nor the model itself defines.
fn foreign_domains(collected: &Collected) -> Vec<ForeignDomain> {
    let mut found: BTreeMap<&String, BTreeSet<&String>> = BTreeMap::new();
    for key in collected.operators.keys() {
        let (domain, operator) = key;
        if runtime::newest_opset(domain).is_none() && !collected.functions.contains(key) {
            found.entry(domain).or_default().insert(operator);
        }
    }
    let found = found.into_iter();
    found
        .map(|(domain, operators)| ForeignDomain {
            domain: domain.clone(),
            operators: operators.into_iter().cloned().collect(),
        })
        .collect()
}

fn producer(name: String, version: String) -> Option<Producer> {
    let says = !name.is_empty() || !version.is_empty();
    says.then_some(Producer { name, version })
}

fn unreadable(path: &Path, source: io::Error) -> ModelError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => match fs_err::read_link(&path) {
            Ok(target) => ModelError::LinkBroken { path, target },
            Err(_) => ModelError::NotFound { path },
        },
        _ => ModelError::Io { path, source },
    }
}
