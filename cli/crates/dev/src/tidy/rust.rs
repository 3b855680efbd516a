//! Rules for Rust files that clippy has no lint for.

use super::Problem;
use crate::repository::SourceFile;

/// Longer files get hard to find one's way in.
const MOST_LINES: usize = 600;

/// A pattern that may stand only in some places.
struct Rule {
    pattern: &'static str,
    /// Beginnings of paths that the rule is about.
    within: &'static [&'static str],
    /// Beginnings of paths that may use the pattern all the same.
    except: &'static [&'static str],
    reason: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        pattern: "#[ignore",
        within: &[""],
        except: &["cli/crates/dev/src/tidy/"],
        reason: "a test that cannot run must fail and say why",
    },
    Rule {
        pattern: "unsafe {",
        within: &[
            "cli/",
            "providers/",
            "templates/",
            "runtime-shim/",
            "tests/",
        ],
        except: &[
            "cli/crates/dev/src/tidy/",
            "runtime-shim/src/allocator.rs",
            "runtime-shim/src/engine/onnxruntime/shared.rs",
        ],
        reason: "two files have a reason for it: decisions 0013 and 0022",
    },
    Rule {
        pattern: "expect(clippy::print_",
        within: &["cli/", "providers/", "templates/", "runtime-shim/"],
        except: &[
            "cli/src/printer.rs",
            "cli/crates/dev/",
            "runtime-shim/src/log.rs",
        ],
        reason: "only the printer (and the shim's log) writes to the terminal",
    },
    Rule {
        pattern: "allow(",
        within: &[
            "cli/",
            "providers/",
            "templates/src/",
            "runtime-shim/",
            "tests/",
        ],
        except: &["cli/crates/dev/src/tidy/"],
        reason: "use #[expect(.., reason = \"..\")], which goes away when it is no longer needed",
    },
    Rule {
        pattern: "mlfn_aws",
        within: &[
            "cli/src/",
            "cli/crates/",
            "providers/core/",
            "providers/emulator/src/",
        ],
        except: &["cli/src/registry.rs", "cli/crates/dev/"],
        reason: "only registry.rs names the providers",
    },
    Rule {
        pattern: "mlfn_gcp",
        within: &[
            "cli/src/",
            "cli/crates/",
            "providers/core/",
            "providers/emulator/src/",
        ],
        except: &["cli/src/registry.rs", "cli/crates/dev/"],
        reason: "only registry.rs names the providers",
    },
    Rule {
        pattern: "std::env::",
        within: &[
            "providers/core/",
            "templates/src/",
            "cli/crates/package/src/",
            "cli/crates/model/src/",
        ],
        except: &["cli/crates/package/src/elf/tests.rs"],
        reason: "the environment is read in settings.rs and handed on",
    },
    Rule {
        pattern: "std::fs",
        within: &["providers/core/", "templates/src/", "providers/aws/src/"],
        except: &[],
        reason: "this crate does no I/O",
    },
    Rule {
        pattern: "std::net",
        within: &["providers/core/", "templates/", "cli/crates/"],
        except: &["cli/crates/dev/"],
        reason: "this crate does not talk to anybody",
    },
    Rule {
        pattern: "SystemTime::now",
        within: &["providers/core/", "templates/", "cli/crates/manifest/src/"],
        except: &[],
        reason: "the same input must give the same result on any day",
    },
];

/// All rules over all Rust files.
pub(super) fn check(files: &[SourceFile]) -> Vec<Problem> {
    files
        .iter()
        .filter(|file| file.is_rust())
        .flat_map(check_file)
        .collect()
}

fn check_file(file: &SourceFile) -> Vec<Problem> {
    let mut problems: Vec<Problem> = RULES
        .iter()
        .filter(|rule| rule.is_about(&file.path))
        .flat_map(|r| r.check(file))
        .collect();
    let lines = file.text.lines().count();
    if lines > MOST_LINES {
        let message = format!("{lines} lines, at most {MOST_LINES}: split it by what it is about");
        problems.push(Problem::new(&file.path, message));
    }
    if is_crate_root(&file.path) && !file.text.starts_with("//!") {
        problems.push(Problem::at(
            &file.path,
            1,
            "must open with `//!`: what is this crate for?",
        ));
    }
    problems
}

fn is_crate_root(path: &str) -> bool {
    path.ends_with("src/lib.rs") || path.ends_with("src/main.rs")
}

impl Rule {
    fn is_about(&self, path: &str) -> bool {
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
        starts(self.within) && !starts(self.except)
    }

    fn check(&self, file: &SourceFile) -> Vec<Problem> {
        let hits = file
            .text
            .lines()
            .enumerate()
            .filter(|(_, line)| self.hits(line));
        let message = format!("`{}`: {}", self.pattern, self.reason);
        hits.map(|(index, _)| Problem::at(&file.path, index + 1, message.clone()))
            .collect()
    }

    /// Comments may speak of anything; attributes are what `allow(` is looked for in.
    fn hits(&self, line: &str) -> bool {
        let line = line.trim_start();
        let comment = line.starts_with("//");
        let attribute = line.starts_with("#[") || line.starts_with("#![");
        !comment && line.contains(self.pattern) && (attribute || self.pattern != "allow(")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_one(path: &str, text: &str, expected: usize) {
        let file = SourceFile {
            path: path.into(),
            text: text.into(),
        };
        assert_eq!(check(&[file]).len(), expected, "{path}: {text}");
    }

    #[test]
    fn rules_hold_where_they_are_meant_to() {
        check_one("providers/core/src/a.rs", "use std::fs;", 1);
        check_one("providers/core/src/a.rs", "// never std::fs", 0);
        check_one("cli/src/registry.rs", "use mlfn_aws::Aws;", 0);
        check_one("cli/src/commands/plan.rs", "use mlfn_aws::Aws;", 1);
        check_one("cli/src/a.rs", "#[allow(dead_code)]", 1);
        check_one("cli/src/a.rs", "fn allow(x: u8) {}", 0);
        check_one("cli/src/lib.rs", "fn main() {}", 1);
        check_one("cli/src/a.rs", &"//\n".repeat(601), 1);
    }
}
