//! Weights in other files: they have to lie in the model's folder, and to be long enough.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::collect::ExternalNeed;
use crate::error::ModelError;
use crate::model::ExternalFile;

/// Checks the files that a model keeps weights in; answers them sorted.
pub(crate) fn check(
    model: &Path,
    needs: &BTreeMap<String, ExternalNeed>,
) -> Result<Vec<ExternalFile>, ModelError> {
    let mut files: BTreeMap<String, ExternalFile> = BTreeMap::new();
    for (location, need) in needs {
        let file = check_one(model, location, need)?;
        // `weights.bin` and `./weights.bin` are one file.
        files
            .entry(file.location.clone())
            .and_modify(|known| known.tensors += file.tensors)
            .or_insert(file);
    }
    Ok(files.into_values().collect())
}

fn check_one(
    model: &Path,
    location: &str,
    need: &ExternalNeed,
) -> Result<ExternalFile, ModelError> {
    let escapes = |problem| ModelError::ExternalEscapes {
        path: model.to_owned(),
        location: location.to_owned(),
        problem,
    };
    let relative = relative(location).map_err(escapes)?;
    let folder = model.parent().unwrap_or(Path::new(""));
    let file = folder.join(&relative);
    let lies_inside = is_inside(&file, folder);
    if !lies_inside.map_err(|error| unreadable(model, location, error))? {
        return Err(escapes(
            "is a link to a place outside of the model's folder",
        ));
    }
    let metadata = fs_err::metadata(&file).map_err(|error| unreadable(model, location, error))?;
    if !metadata.is_file() {
        return Err(escapes("is not a regular file"));
    }
    let bytes = metadata.len();
    if bytes < need.bytes {
        return Err(ModelError::ExternalTruncated {
            path: model.to_owned(),
            location: location.to_owned(),
            bytes,
            needed: need.bytes,
            tensor: need.tensor.as_str().into(),
        });
    }
    Ok(ExternalFile {
        location: relative,
        bytes,
        tensors: need.tensors,
    })
}

/// The location with `/` between plain names, or what is wrong with it.
fn relative(location: &str) -> Result<String, &'static str> {
    if location.is_empty() {
        return Err("is no name");
    }
    if location.contains(['\\', '\0']) || location.get(1..2) == Some(":") {
        return Err("is not a portable relative path; separate folders with `/`");
    }
    let mut names = Vec::new();
    for component in Path::new(location).components() {
        match component {
            Component::Normal(name) => names.push(name.to_string_lossy()),
            Component::CurDir => {}
            Component::ParentDir => return Err("leaves the model's folder"),
            Component::RootDir | Component::Prefix(_) => return Err("is an absolute path"),
        }
    }
    if names.is_empty() {
        return Err("is a folder");
    }
    Ok(names.join("/"))
}

/// Whether a file lies in a folder when links are followed.
fn is_inside(file: &Path, folder: &Path) -> io::Result<bool> {
    let folder = match folder.as_os_str() {
        here if here.is_empty() => PathBuf::from("."),
        _ => folder.to_owned(),
    };
    let folder = fs_err::canonicalize(folder)?;
    Ok(fs_err::canonicalize(file)?.starts_with(folder))
}

fn unreadable(model: &Path, location: &str, error: io::Error) -> ModelError {
    let path = model.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ModelError::ExternalMissing {
            path,
            location: location.to_owned(),
        },
        _ => ModelError::Io {
            path,
            source: error,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(location: &str, expected: Result<&str, &str>) {
        let found = relative(location);
        let found = found.as_ref().map(String::as_str).map_err(|error| *error);
        assert_eq!(found, expected, "{location}");
    }

    #[test]
    fn locations_are_plain_relative_paths() {
        check("weights.bin", Ok("weights.bin"));
        check("./weights.bin", Ok("weights.bin"));
        check("sub//weights.bin", Ok("sub/weights.bin"));
        check("", Err("is no name"));
        check("./", Err("is a folder"));
        check("../weights.bin", Err("leaves the model's folder"));
        check("a/../../weights.bin", Err("leaves the model's folder"));
        check("a/..", Err("leaves the model's folder"));
        check("/etc/passwd", Err("is an absolute path"));
        let portable = "is not a portable relative path; separate folders with `/`";
        check("a\\b.bin", Err(portable));
        check("..\\b.bin", Err(portable));
        check("C:b.bin", Err(portable));
        check("C:/b.bin", Err(portable));
        check("a\0b", Err(portable));
    }
}
