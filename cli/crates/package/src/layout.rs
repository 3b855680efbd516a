//! Which files a package has, where, and in which order.

use std::collections::BTreeSet;
use std::path::Path;

use mlfn_core::{Digest, PackageSpec, PartKind, RouteSpec};
use mlfn_model::Model;
use mlfn_shim_contract::{CONFIG_FILE, LIBRARY_FOLDER, MODEL_FOLDER, ShimConfig};

use crate::PackageError;
use crate::limits::leaves_model_out;
use crate::source::{Entry, Source};

/// The inference library in each package.
const LIBRARY: &str = "libonnxruntime.so";

/// Programs and libraries.
const EXECUTABLE: u32 = 0o755;

/// Everything else.
const READABLE: u32 = 0o644;

/// The order of parts in the archive is that of reading at a cold start: what is unpacked or
/// fetched first is the program, then what it reads first.
const READING_ORDER: [PartKind; 4] = [
    PartKind::Shim,
    PartKind::Config,
    PartKind::Runtime,
    PartKind::Model,
];

/// The files of a package, except the configuration: that one names the digest of the model.
#[derive(Debug)]
pub(crate) struct Layout {
    entries: Vec<Entry>,
    left_out: Vec<Entry>,
    layer: Vec<Entry>,
}

/// What a layout is made of.
pub(crate) struct Contents<'a> {
    pub(crate) shim: &'a [u8],
    pub(crate) library: Option<&'a Path>,
    pub(crate) model: &'a Model,
    /// The model without its weights, if it is worth having.
    pub(crate) graph: Option<Vec<u8>>,
    pub(crate) spec: &'a PackageSpec,
}

impl Layout {
    /// Where everything goes. The model is called `model`, relative to the package.
    pub(crate) fn new(contents: Contents<'_>, model: &str) -> Result<Self, PackageError> {
        let mut entries = vec![
            entry(
                &contents.spec.shim,
                EXECUTABLE,
                PartKind::Shim,
                Source::Bytes(contents.shim.into()),
            ),
            entry(
                model,
                READABLE,
                PartKind::Model,
                Source::File(contents.model.path.clone()),
            ),
        ];
        entries.extend(contents.library.map(|library| {
            entry(
                &library_path(),
                EXECUTABLE,
                PartKind::Runtime,
                Source::File(library.to_owned()),
            )
        }));
        entries.extend(external_data(contents.model));
        let graph = contents.graph.map(|graph| Source::Bytes(graph.into()));
        entries.extend(graph.map(|graph| entry(&graph_path(), READABLE, PartKind::Model, graph)));
        entries.extend(contents.spec.files.iter().map(|file| {
            entry(
                &file.path,
                READABLE,
                PartKind::Config,
                Source::Bytes(file.contents.as_bytes().into()),
            )
        }));
        check(&entries)?;
        let mut layout = Self {
            entries,
            left_out: Vec::new(),
            layer: Vec::new(),
        };
        // What is in the layer counts, too.
        layout.leave_out(&contents.spec.routes)?;
        if contents.spec.shares_library {
            let library = |entry: &mut Entry| entry.part == PartKind::Runtime;
            layout.layer = layout.entries.extract_if(.., library).collect();
        }
        Ok(layout)
    }

    /// All files in the archive but the configuration, in no particular order.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The files of the archive that functions share; none if there is no such archive.
    pub(crate) fn layer(&self) -> &[Entry] {
        &self.layer
    }

    /// The files of the model that the archive leaves out because they are too large for it.
    pub(crate) fn left_out(&self) -> &[Entry] {
        &self.left_out
    }

    fn leave_out(&mut self, routes: &[RouteSpec]) -> Result<(), PackageError> {
        let (mut all, mut model) = (0, 0);
        for entry in &self.entries {
            let size = entry.source.size().map_err(PackageError::Read)?;
            all += size;
            model += if is_of_model(entry) { size } else { 0 };
        }
        if leaves_model_out(all, model, routes) {
            self.left_out = self
                .entries
                .extract_if(.., |entry| is_of_model(entry))
                .collect();
        }
        Ok(())
    }
}

/// Whether it is a file of the model that the user has, and none that was made of it.
fn is_of_model(entry: &Entry) -> bool {
    entry.part == PartKind::Model && matches!(entry.source, Source::File(_))
}

/// The file that the shim reads.
pub(crate) fn config_entry(mut config: ShimConfig, model: &Digest) -> Result<Entry, PackageError> {
    config.model_sha256 = model.to_string();
    let mut text =
        serde_json::to_vec_pretty(&config).map_err(|error| PackageError::Read(error.into()))?;
    text.push(b'\n');
    Ok(entry(
        CONFIG_FILE,
        READABLE,
        PartKind::Config,
        Source::Bytes(text.into()),
    ))
}

/// Where in the archive an entry stands.
pub(crate) fn position(entry: &Entry) -> (usize, &str) {
    let part = READING_ORDER.iter().position(|part| *part == entry.part);
    (part.unwrap_or(READING_ORDER.len()), &entry.path)
}

/// `lib/libonnxruntime.so`.
pub(crate) fn library_path() -> String {
    format!("{LIBRARY_FOLDER}/{LIBRARY}")
}

/// `model/mlfn-graph.onnx`: beside the model, in which its weights are.
pub(crate) fn graph_path() -> String {
    format!("{MODEL_FOLDER}/mlfn-graph.onnx")
}

/// `model/<file name>`.
pub(crate) fn model_path(model: &Path) -> Result<String, PackageError> {
    let name = model
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| PackageError::Layout {
            path: model.display().to_string(),
            reason: "the name of the model file is not UTF-8; rename the file",
        })?;
    Ok(format!("{MODEL_FOLDER}/{name}"))
}

/// Beside the model in the package as beside it on the disk.
fn external_data(model: &Model) -> impl Iterator<Item = Entry> + '_ {
    let folder = model.path.parent().unwrap_or(Path::new(""));
    model.external_data.iter().map(move |file| {
        let path = format!("{MODEL_FOLDER}/{}", file.location);
        entry(
            &path,
            READABLE,
            PartKind::Model,
            Source::File(folder.join(&file.location)),
        )
    })
}

fn entry(path: &str, mode: u32, part: PartKind, source: Source) -> Entry {
    Entry {
        path: path.to_owned(),
        mode,
        part,
        source,
    }
}

/// Every path can be unpacked, and none stands in the way of another.
fn check(entries: &[Entry]) -> Result<(), PackageError> {
    let mut files = BTreeSet::from([CONFIG_FILE]);
    for entry in entries {
        check_path(&entry.path)?;
        if !files.insert(&entry.path) {
            return refuse(&entry.path, "two files have this path");
        }
    }
    for file in &files {
        let folders = file
            .char_indices()
            .filter(|(_, c)| *c == '/')
            .filter_map(|(end, _)| file.get(..end));
        for folder in folders {
            if files.contains(folder) {
                return refuse(folder, "another file needs it to be a folder");
            }
        }
    }
    Ok(())
}

/// Relative, normal, and without characters that systems read differently.
fn check_path(path: &str) -> Result<(), PackageError> {
    if path.len() > 1024 {
        return refuse(path, "the path is longer than 1024 bytes");
    }
    if path.chars().any(|c| c.is_control() || c == '\\') {
        return refuse(path, "the path has a control character or a `\\`");
    }
    if path.split('/').any(|step| matches!(step, "" | "." | "..")) {
        return refuse(
            path,
            "the path is not a plain path below the package's root",
        );
    }
    Ok(())
}

fn refuse<T>(path: &str, reason: &'static str) -> Result<T, PackageError> {
    Err(PackageError::Layout {
        path: path.to_owned(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_paths(paths: &[&str], expected: Result<(), &str>) {
        let entries: Vec<_> = paths
            .iter()
            .map(|path| entry(path, READABLE, PartKind::Config, Source::Bytes([].into())))
            .collect();
        let found = check(&entries).map_err(|error| error.to_string());
        assert_eq!(
            found,
            expected.map_err(|text| format!("the package cannot hold {text}"))
        );
    }

    #[test]
    fn no_file_stands_in_the_way_of_another() {
        check_paths(
            &["bootstrap", "lib/a.so", "model/m.onnx", "model/sub/w.bin"],
            Ok(()),
        );
        check_paths(&["a", "a"], Err("`a`: two files have this path"));
        check_paths(&["mlfn.json"], Err("`mlfn.json`: two files have this path"));
        check_paths(
            &["a/b", "a"],
            Err("`a`: another file needs it to be a folder"),
        );
        check_paths(
            &["a", "a/b/c"],
            Err("`a`: another file needs it to be a folder"),
        );
    }

    #[test]
    fn every_path_stays_below_the_root() {
        for path in ["", "/a", "a//b", "a/", "../a", "a/../b", "./a"] {
            let reason = "the path is not a plain path below the package's root";
            check_paths(&[path], Err(&format!("`{path}`: {reason}")));
        }
        check_paths(
            &["a\\b"],
            Err("`a\\b`: the path has a control character or a `\\`"),
        );
        check_paths(
            &["a\nb"],
            Err("`a\nb`: the path has a control character or a `\\`"),
        );
        check_paths(
            &[&"x".repeat(1025)],
            Err(&format!(
                "`{}`: the path is longer than 1024 bytes",
                "x".repeat(1025)
            )),
        );
    }
}
