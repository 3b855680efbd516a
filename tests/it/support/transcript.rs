//! Transcripts: files that show commands and what these say, and are held against what they say.
//!
//! A line starts with what it is:
//!
//! ```text
//! # a comment
//! @ example iris              the project is a copy of examples/iris; else it is empty
//! @ file serverless.yaml      the project has this file, with the lines that follow
//! | mlfn: 1
//! @ env MLFN_STAGE=prod       for the next command
//! @ stdin {"features": [1]}   for the next command
//! $ mlfn validate             the command; 'quotes' and "quotes" keep words together
//! ? 3                         its exit code, unless that is 0
//! > a line of stdout
//! ! a line of stderr
//! ```
//!
//! With `UPDATE_EXPECT=1` in the environment the files are rewritten instead.

use std::path::{Path, PathBuf};

use regex::Regex;

use super::mlfn::{Mlfn, Output, Project};
use super::place::{repository, shared_cache};

/// Plays `tests/it/transcripts/<name>.txt`.
#[track_caller]
pub(crate) fn play(name: &str) {
    let path = folder().join(format!("{name}.txt"));
    let expected = fs_err::read_to_string(&path).expect("reads");
    let found = Player::new(&expected).play();
    if std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1") {
        fs_err::write(path, found).expect("writes");
    } else {
        similar_asserts::assert_eq!(found: found, expected: expected, "UPDATE_EXPECT=1 accepts it");
    }
}

/// All transcripts, by name.
pub(crate) fn names() -> Vec<String> {
    let files = fs_err::read_dir(folder())
        .expect("lists")
        .map(|entry| entry.expect("lists").path());
    let mut names: Vec<String> = files.filter_map(|path| name(&path)).collect();
    names.sort();
    names
}

fn folder() -> PathBuf {
    repository().join("tests/it/transcripts")
}

fn name(path: &Path) -> Option<String> {
    let is_transcript = path.extension().is_some_and(|extension| extension == "txt");
    let name = path.file_stem()?.to_string_lossy().into_owned();
    is_transcript.then_some(name)
}

/// Goes through a transcript, line by line, and writes the one that it finds.
struct Player<'a> {
    lines: Vec<&'a str>,
    project: Project,
    /// What the next command is set up with.
    settings: Vec<(&'a str, &'a str)>,
    found: String,
}

impl<'a> Player<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            lines: text.lines().collect(),
            project: Project::empty(),
            settings: Vec::new(),
            found: String::new(),
        }
    }

    #[track_caller]
    fn play(mut self) -> String {
        for (at, line) in self.lines.clone().into_iter().enumerate() {
            // What was said last time is said again by the command.
            if line.starts_with(['?', '>', '!']) {
                continue;
            }
            self.found.push_str(line);
            self.found.push('\n');
            match line.split_at_checked(2) {
                Some(("@ ", directive)) => self.direct(directive, at),
                Some(("$ ", command)) => self.run(command),
                _ => {}
            }
        }
        self.found
    }

    #[track_caller]
    fn direct(&mut self, directive: &'a str, at: usize) {
        match directive.split_once(' ') {
            Some(("example", name)) => self.project = Project::copy_of(name),
            Some(("file", path)) => self.add_file(path, at),
            Some(setting @ ("env" | "stdin", _)) => self.settings.push(setting),
            _ => panic!("`@ {directive}` is not known"),
        }
    }

    #[track_caller]
    fn add_file(&mut self, path: &str, at: usize) {
        let lines = self.lines[at + 1..]
            .iter()
            .map_while(|line| line.strip_prefix('|'));
        let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
        let contents: String = lines.flat_map(|line| [line, "\n"]).collect();
        let project = std::mem::replace(&mut self.project, Project::empty());
        self.project = project.with_file(path, contents);
    }

    #[track_caller]
    fn run(&mut self, command: &str) {
        let words = words(command);
        let (program, arguments) = words.split_first().expect("has a program");
        assert_eq!(program, "mlfn");
        let command = self
            .settings
            .drain(..)
            .fold(self.project.mlfn(arguments), set);
        let output = command.run();
        let filter = Filter::new(&self.project);
        self.found.push_str(&shown(&output, &filter));
    }
}

fn set(command: Mlfn, (kind, value): (&str, &str)) -> Mlfn {
    match (kind, value.split_once('=')) {
        ("env", Some((name, value))) => command.env(name, value),
        _ => command.stdin(value),
    }
}

fn shown(output: &Output, filter: &Filter) -> String {
    let mut text = match output.code {
        Some(0) => String::new(),
        Some(code) => format!("? {code}\n"),
        None => "? killed\n".to_owned(),
    };
    for (mark, stream) in [('>', &output.stdout), ('!', &output.stderr)] {
        for line in filter.apply(stream).lines() {
            text.push_str(format!("{mark} {line}").trim_end());
            text.push('\n');
        }
    }
    text
}

/// What a shell makes of a line that has quotes, and nothing else that is special.
fn words(line: &str) -> Vec<String> {
    let word = Regex::new(r#"(?:'[^']*'|"[^"]*"|[^\s'"])+"#).expect("is a pattern");
    let unquoted = Regex::new(r#"'([^']*)'|"([^"]*)""#).expect("is a pattern");
    let words = word.find_iter(line);
    words
        .map(|word| unquoted.replace_all(word.as_str(), "$1$2").into_owned())
        .collect()
}

/// Takes out what differs from run to run and from machine to machine.
struct Filter {
    literals: Vec<(String, &'static str)>,
    patterns: Vec<(Regex, &'static str)>,
}

impl Filter {
    fn new(project: &Project) -> Self {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let pattern = |pattern| Regex::new(pattern).expect("is a pattern");
        Self {
            literals: vec![
                (text(project.folder()), "[PROJECT]"),
                (text(project.home()), "[HOME]"),
                (text(shared_cache()), "[CACHE]"),
                (env!("CARGO_PKG_VERSION").to_owned(), "[VERSION]"),
            ],
            patterns: vec![
                (pattern(r"\b[0-9a-f]{64}\b"), "[SHA256]"),
                (pattern(r"\b[0-9a-f]{12}\b"), "[DIGEST]"),
                (pattern(r"\b\d+\.\d+ ms\b"), "[TIME]"),
                // Said by whichever run is the first.
                (pattern(r"(?m)^fetching ONNX Runtime .* once\)\n"), ""),
            ],
        }
    }

    fn apply(&self, text: &str) -> String {
        let literals = self.literals.iter();
        let text = literals.fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        let patterns = self.patterns.iter();
        patterns.fold(text, |text, (from, to)| {
            from.replace_all(&text, *to).into_owned()
        })
    }
}

#[test]
fn words_are_split_as_a_shell_does() {
    assert_eq!(words("mlfn  version"), ["mlfn", "version"]);
    assert_eq!(
        words(r#"-d '{"a": 1}' "b c"d"#),
        ["-d", r#"{"a": 1}"#, "b cd"]
    );
}
