//! What no file of the repository may say.

use super::Problem;
use crate::repository::SourceFile;

/// A text that must not stand anywhere, in pieces so that this file does not contain it.
struct Forbidden {
    pieces: &'static [&'static str],
    reason: &'static str,
}

impl Forbidden {
    const fn new(pieces: &'static [&'static str], reason: &'static str) -> Self {
        Self { pieces, reason }
    }
}

const REGISTRY: &str = "names the host of a package registry; name the package and its client, so \
                        that a user's own mirror settings hold";
const MACHINE: &str = "is a path of one machine";
const UNFINISHED: &str = "is unfinished work; finish it or write an issue";

/// The list.
const FORBIDDEN: &[Forbidden] = &[
    Forbidden::new(&["crates", ".io"], REGISTRY),
    Forbidden::new(&["pypi", ".org"], REGISTRY),
    Forbidden::new(&["files.python", "hosted"], REGISTRY),
    Forbidden::new(&["registry.npm", "js"], REGISTRY),
    Forbidden::new(&["npm", "js.com"], REGISTRY),
    Forbidden::new(&["deb.", "debian.org"], REGISTRY),
    Forbidden::new(&["static.rust", "-lang.org"], REGISTRY),
    Forbidden::new(&["/wo", "rk/"], MACHINE),
    Forbidden::new(&["/ro", "ot/"], MACHINE),
    Forbidden::new(&["FIX", "ME"], UNFINISHED),
    Forbidden::new(&["TO", "DO:"], UNFINISHED),
    Forbidden::new(&["XX", "X:"], UNFINISHED),
    Forbidden::new(&["unimple", "mented!"], UNFINISHED),
];

/// Files whose text other programs write.
fn is_exempt(path: &str) -> bool {
    path.ends_with("Cargo.lock")
}

/// Every line of every text file against every forbidden text.
pub(super) fn check(files: &[SourceFile]) -> Vec<Problem> {
    files
        .iter()
        .filter(|file| !is_exempt(&file.path))
        .flat_map(check_file)
        .collect()
}

fn check_file(file: &SourceFile) -> Vec<Problem> {
    let found = |line: &str, forbidden: &Forbidden| line.contains(&forbidden.pieces.concat());
    let mut problems = Vec::new();
    for forbidden in FORBIDDEN {
        let lines = file
            .text
            .lines()
            .enumerate()
            .filter(|(_, line)| found(line, forbidden));
        problems.extend(lines.map(|(index, _)| {
            let message = format!("`{}` {}", forbidden.pieces.concat(), forbidden.reason);
            Problem::at(&file.path, index + 1, message)
        }));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_host_is_found_with_its_line() {
        let host = ["crates", ".io"].concat();
        let file = SourceFile {
            path: "a.md".into(),
            text: format!("fine\nsee {host}\n"),
        };
        let problems = check(&[file]);
        assert_eq!(problems.len(), 1);
        assert!(
            problems
                .iter()
                .all(|problem| problem.to_string().starts_with("a.md:2: "))
        );
    }
}
