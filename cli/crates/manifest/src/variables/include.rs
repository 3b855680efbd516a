//! `${file:path}` and `${file:path.yaml:key.path}`.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use super::lookup::{self, Lookup, NoSuchKey};
use super::{Resolver, Spot};
use crate::problems::{Code, Problem};
use crate::read;
use crate::source::SourceFile;
use crate::suggest;
use crate::yaml::{self, Node, Style};

const OUTSIDE: Code = Code::new(
    "file-outside",
    "an included file is outside of the manifest's folder",
);
const UNREADABLE: Code = Code::new("file-unreadable", "an included file cannot be read");
const KEYS_OF_TEXT: Code = Code::new("file-keys", "a path into a file that is not YAML or JSON");

/// The text of a file, or the value in it for YAML and JSON. Variables in it are not replaced yet.
pub(super) fn read(
    resolver: &mut Resolver<'_>,
    path: &str,
    keys: Option<&str>,
    spot: Spot<'_>,
) -> Result<Node, Lookup> {
    let root = if let Some(known) = resolver.included.get(path) {
        known.clone().ok_or(Lookup::Reported)?
    } else {
        let file = locate(resolver.inputs.folder, path, spot)?;
        let root = open(resolver, &file, path, spot)?.map(Rc::new);
        resolver.included.insert(path.to_owned(), root.clone());
        root.ok_or(Lookup::Reported)?
    };
    match keys {
        None => Ok((*root).clone()),
        Some(_) if !is_tree(path) => {
            let detail = format!("`{path}` is taken as text, because of its name");
            let problem = KEYS_OF_TEXT.error(spot.at, detail);
            Err(Lookup::Wrong(
                problem.help("only `.yaml`, `.yml` and `.json` files have keys"),
            ))
        }
        Some(keys) => match lookup::descend(&root, keys) {
            Ok(node) => Ok(node.clone()),
            Err(wrong) => Err(no_such_key(&wrong, path, keys)),
        },
    }
}

fn no_such_key(wrong: &NoSuchKey<'_>, path: &str, keys: &str) -> Lookup {
    let known = wrong
        .around
        .entries()
        .iter()
        .map(|entry| entry.key.as_str());
    Lookup::Missing {
        detail: format!("`{path}` has no value at `{keys}`"),
        help: match suggest::closest(&wrong.key, known) {
            Some(close) => format!("did you mean `{close}` instead of `{}`?", wrong.key),
            None => "add it, or give a default".to_owned(),
        },
    }
}

/// The file, which must be in the manifest's folder even when symbolic links are followed: a
/// manifest from somebody else must not read the keys of whoever deploys it.
fn locate(folder: &Path, path: &str, spot: Spot<'_>) -> Result<PathBuf, Lookup> {
    let outside = || {
        let detail = format!("`{path}` is not below the folder of the manifest");
        let problem = OUTSIDE.error(spot.at, detail);
        Lookup::Wrong(
            problem.help("copy the file into the folder, or use `${env:..}` for what is secret"),
        )
    };
    let relative = Path::new(path);
    let leaves = |part: Component<'_>| !matches!(part, Component::Normal(_) | Component::CurDir);
    if relative.components().any(leaves) {
        return Err(outside());
    }
    let file = fs_err::canonicalize(folder.join(relative))
        .map_err(|error| unreadable(&error, path, spot))?;
    match fs_err::canonicalize(folder) {
        Ok(folder) if file.starts_with(&folder) => Ok(file),
        _ => Err(outside()),
    }
}

fn unreadable(error: &io::Error, path: &str, spot: Spot<'_>) -> Lookup {
    if error.kind() == io::ErrorKind::NotFound {
        return Lookup::Missing {
            detail: format!("there is no file `{path}` in the folder of the manifest"),
            help: "paths are relative to the manifest; check the name, or give a default"
                .to_owned(),
        };
    }
    let reason = match error.kind() {
        io::ErrorKind::PermissionDenied => "you have no permission to read it".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        other => other.to_string(),
    };
    let problem = UNREADABLE.error(spot.at, format!("`{path}`: {reason}"));
    Lookup::Wrong(problem.help("name a text file below the folder of the manifest"))
}

/// None if there is something wrong in the file itself, which is reported.
fn open(
    resolver: &mut Resolver<'_>,
    file: &Path,
    path: &str,
    spot: Spot<'_>,
) -> Result<Option<Node>, Lookup> {
    let bytes = read::bytes(file).map_err(|error| unreadable(&error, path, spot))?;
    let number = resolver.inputs.files.len();
    let (text, mut problem) = read::text(bytes, number);
    if !is_tree(path) {
        // Control characters are YAML's concern only.
        problem = problem.filter(|problem| problem.diagnostic.code != "control-character");
    }
    let shown = resolver.inputs.folder.join(path);
    resolver.inputs.files.push(SourceFile {
        path: shown.strip_prefix(".").map(Path::to_owned).unwrap_or(shown),
        text: text.clone(),
    });
    if let Some(problem) = problem {
        resolver.inputs.problems.push(problem);
        return Ok(None);
    }
    if !is_tree(path) {
        let line_end = text
            .strip_suffix('\n')
            .map(|text| text.strip_suffix('\r').unwrap_or(text));
        return Ok(Some(Node::scalar(
            line_end.unwrap_or(&text),
            Style::Quoted,
            spot.place,
        )));
    }
    let (tree, problems) = yaml::compose(&text, number);
    let broken = problems.iter().any(|p: &Problem| p.diagnostic.is_error());
    resolver.inputs.problems.extend(problems);
    Ok(tree
        .filter(|_| !broken)
        .or_else(|| (!broken).then(|| empty(spot))))
}

fn empty(spot: Spot<'_>) -> Node {
    Node::scalar("", Style::Plain, spot.place)
}

/// Whether a file is read as a tree. JSON is a part of YAML.
pub(super) fn is_tree(path: &str) -> bool {
    let extension = Path::new(path)
        .extension()
        .and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml" | "json"))
}
