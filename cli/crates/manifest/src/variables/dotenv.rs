//! `.env` and `.env.<stage>`.

use std::collections::HashMap;
use std::path::Path;

use mlfn_core::{FieldPath, StageName};

use crate::problems::{Code, Problem};
use crate::read;
use crate::source::SourceFile;
use crate::yaml::Place;

const BAD_LINE: Code = Code::new("bad-env-file", "a line of a `.env` file cannot be read");
const UNREADABLE: Code = Code::new("unreadable-env-file", "a `.env` file cannot be read");

/// The variables of the files beside the manifest; those of `.env.<stage>` win.
///
/// The process's own environment is not changed; `dotenvy` reads it for `$NAME` inside of values.
pub(super) fn read(
    folder: &Path,
    stage: &StageName,
    files: &mut Vec<SourceFile>,
) -> (HashMap<String, String>, Vec<Problem>) {
    let mut variables = HashMap::new();
    let mut problems = Vec::new();
    for name in [".env".to_owned(), format!(".env.{stage}")] {
        let path = folder.join(name);
        // A folder of this name is somebody's virtual environment of Python.
        if !path.is_file() {
            continue;
        }
        let file = files.len();
        // Without its text: messages must not show lines that are full of secrets.
        files.push(SourceFile {
            path: path.clone(),
            text: String::new(),
        });
        match read::bytes(&path) {
            Ok(bytes) => read_file(bytes, file, &mut variables, &mut problems),
            Err(error) => problems.push(problem(file, UNREADABLE, error.to_string())),
        }
    }
    (variables, problems)
}

fn read_file(
    bytes: read::Bytes,
    file: usize,
    variables: &mut HashMap<String, String>,
    problems: &mut Vec<Problem>,
) {
    let (text, broken) = read::text(bytes, file);
    if let Some(broken) = broken {
        let place = Place {
            file,
            start: 0,
            end: 0,
        };
        problems.push(Problem::at(place, broken.diagnostic));
        return;
    }
    for line in dotenvy::from_read_iter(text.as_bytes()) {
        match line {
            Ok((name, value)) => {
                variables.insert(name, value);
            }
            Err(dotenvy::Error::LineParse(line, _)) => {
                let number = text
                    .split('\n')
                    .position(|l| l.contains(line.lines().next().unwrap_or("")));
                let detail = match number {
                    Some(index) => format!("line {} is not `NAME=value`", index + 1),
                    None => "one of its lines is not `NAME=value`".to_owned(),
                };
                problems.push(problem(file, BAD_LINE, detail));
            }
            Err(error) => problems.push(problem(file, UNREADABLE, error.to_string())),
        }
    }
}

fn problem(file: usize, code: Code, detail: String) -> Problem {
    let diagnostic = code
        .error(&FieldPath::root(), detail)
        .help("write `NAME=value`, and put a value with spaces, `#` or quotes in single quotes");
    Problem::at(
        Place {
            file,
            start: 0,
            end: 0,
        },
        diagnostic,
    )
}
