//! The real program, on this machine's local cloud, killed at every moment of a verb: before and
//! after each change of its files (see [`mod@crate::trace`]). Every change of the local cloud is
//! one of them, and so is every write of the state. After each kill the same verb runs again, has
//! to finish what was begun, and a removal has to leave nothing: no resource, no process, no file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use crate::guard;
use crate::trace::{End, Moment, Traced, trace};

/// What is needed to run `mlfn` somewhere.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Where it keeps downloads: ONNX Runtime is unpacked once for all runs.
    pub cache: PathBuf,
    /// A folder with `serverless.yaml` and `model.onnx`: `examples/iris`, whose text is edited.
    pub example: PathBuf,
}

/// What is going on when the program is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Nothing is deployed yet.
    FirstDeploy,
    /// As before, and nobody deploys again: it is removed at once.
    Abandoned,
    /// Fields change in place.
    Update,
    /// Fields change that cannot be changed in place.
    Replace,
    /// To the deployment before.
    Rollback,
    /// All of it goes.
    Remove,
    /// All of it goes, and nobody knows what there is: the record is lost.
    Unrecorded,
}

/// What came of killing the program at every moment of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Changes of the local cloud in a run that is not killed.
    pub calls: usize,
    /// Writes of the state in it.
    pub writes: usize,
    /// Other changes of files in it: the lock, packages, logs.
    pub others: usize,
    /// Programs that were killed before a change.
    pub before: usize,
    /// Programs that were killed after a change.
    pub after: usize,
    /// How many of the killed were followed by a run that finished all.
    pub converged: usize,
    /// Names of what was left after everything was removed; there should be none.
    pub orphans: Vec<String>,
    /// What did not go as it should, in words; there should be nothing.
    pub failures: Vec<String>,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::FirstDeploy,
        Self::Abandoned,
        Self::Update,
        Self::Replace,
        Self::Rollback,
        Self::Remove,
        Self::Unrecorded,
    ];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::FirstDeploy => "first deploy",
            Self::Abandoned => "first deploy, then removed at once",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Rollback => "rollback",
            Self::Remove => "remove",
            Self::Unrecorded => "remove without a record",
        }
    }

    /// What is killed.
    fn verb(self) -> &'static str {
        match self {
            Self::FirstDeploy | Self::Abandoned | Self::Update | Self::Replace => "deploy",
            Self::Rollback => "rollback --to 1",
            Self::Remove | Self::Unrecorded => REMOVE,
        }
    }

    /// What is killed is run again; or what else is done.
    fn then(self) -> &'static str {
        match self {
            Self::Abandoned => REMOVE,
            _ => self.verb(),
        }
    }

    /// Brings a project to where the operation begins.
    fn prepare(self, project: &Project) -> Result<(), String> {
        match self {
            Self::FirstDeploy | Self::Abandoned => Ok(()),
            Self::Remove => project.expect("deploy"),
            Self::Unrecorded => {
                project.expect("deploy")?;
                let record = project.folder().join(".mlfn/state");
                fs_err::remove_dir_all(record).map_err(|error| error.to_string())
            }
            Self::Update | Self::Replace => {
                project.expect("deploy")?;
                project.edit(self)
            }
            Self::Rollback => {
                project.expect("deploy")?;
                project.edit(self)?;
                project.expect("deploy")?;
                // The manifest says again what the rollback brings.
                project.restore()
            }
        }
    }

    /// What stands in the manifest, and what takes its place.
    fn edit(self) -> (&'static str, &'static str) {
        match self {
            Self::Replace => (
                "http: POST /predict",
                "http: { method: POST, path: /predict, auth: iam }",
            ),
            _ => ("512MB", "1024MB"),
        }
    }
}

const REMOVE: &str = "remove --yes";

/// The most projects at the same time.
const PARALLEL: usize = 3;

impl Program {
    /// Kills the program at every moment of `operation`, or at every `step`-th one.
    pub fn sweep(&self, operation: Operation, step: usize) -> Tally {
        let project = Project::new(self);
        let whole = match attempt(&project, operation, None) {
            Ok((whole, _)) => whole,
            Err(failure) => {
                return Tally {
                    failures: vec![failure],
                    ..Tally::default()
                };
            }
        };
        drop(project);
        let total = whole.changes.len();
        let mut moments = (1..=total).flat_map(|n| [Moment::Before(n), Moment::After(n)]);
        let moments: Vec<Moment> = moments.by_ref().step_by(step.max(1)).collect();
        let tally = Mutex::new(counted(&whole));
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..PARALLEL {
                scope.spawn(|| {
                    let mut project = Project::new(self);
                    while let Some(moment) = moments.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let result = attempt(&project, operation, Some(*moment));
                        if result.as_ref().is_ok_and(|(_, left)| left.is_empty()) {
                            guard(&tally).note(*moment, result);
                        } else {
                            guard(&tally).note(*moment, result);
                            // Nothing of this attempt shall disturb the next one.
                            project = Project::new(self);
                        }
                    }
                });
            }
        });
        tally.into_inner().unwrap_or_default()
    }
}

/// A run that was not killed.
fn counted(whole: &Traced) -> Tally {
    let count = |name: &str| {
        let changes = whole.changes.iter();
        changes.filter(|path| path.ends_with(name)).count()
    };
    let (calls, writes) = (count("cloud.json"), count("state.json"));
    Tally {
        calls,
        writes,
        others: whole.changes.len() - calls - writes,
        ..Tally::default()
    }
}

impl Tally {
    fn note(&mut self, moment: Moment, result: Result<(Traced, Vec<String>), String>) {
        let (traced, left) = match result {
            Ok(found) => found,
            Err(failure) => {
                self.failures.push(format!("{moment:?}: {failure}"));
                return;
            }
        };
        self.orphans.extend(left);
        if traced.end != End::Killed {
            // Threads do not always make the same number of writes.
            return;
        }
        match moment {
            Moment::Before(_) => self.before += 1,
            Moment::After(_) => self.after += 1,
        }
        self.converged += 1;
    }

    /// How many programs were killed.
    pub fn kills(&self) -> usize {
        self.before + self.after
    }
}

/// Kills the program at `moment`, goes on, and removes all. What is left in the end, by name.
fn attempt(
    project: &Project,
    operation: Operation,
    moment: Option<Moment>,
) -> Result<(Traced, Vec<String>), String> {
    project.restore()?;
    operation.prepare(project)?;
    let command = project.command(operation.verb());
    let traced = trace(&command, project.home.path(), moment);
    if traced.end != End::Killed && traced.end != End::Exited(0) {
        return Err(format!(
            "`{}` ended with {:?}",
            operation.verb(),
            traced.end
        ));
    }
    let told = |failure: String| match traced.changes.last() {
        Some(last) if moment.is_some() => format!("at {}: {failure}", last.display()),
        _ => failure,
    };
    project.expect(operation.then()).map_err(told)?;
    if operation.then() != REMOVE {
        // Nothing is left to do.
        project.expect("plan --detailed-exitcode").map_err(told)?;
        project.expect(REMOVE).map_err(told)?;
    }
    Ok((traced.clone(), project.left()))
}

/// A service in a folder of its own, with an empty home.
struct Project {
    home: TempDir,
    program: Program,
    /// What is there when nothing is deployed.
    files: BTreeSet<PathBuf>,
}

impl Project {
    /// Whose function is packed.
    fn new(program: &Program) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let mut project = Self {
            home,
            program: program.clone(),
            files: BTreeSet::new(),
        };
        fs_err::create_dir(project.folder()).expect("a folder");
        let model = project.folder().join("model.onnx");
        fs_err::copy(program.example.join("model.onnx"), model).expect("a model");
        project.restore().expect("a manifest");
        for words in ["deploy", REMOVE] {
            project.expect(words).expect("works when nobody is killed");
        }
        project.files = project.files_now();
        project
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("iris")
    }

    fn restore(&self) -> Result<(), String> {
        self.write(str::to_owned)
    }

    fn edit(&self, operation: Operation) -> Result<(), String> {
        let (from, to) = operation.edit();
        self.write(|text| text.replacen(from, to, 1))
    }

    fn write(&self, edit: impl Fn(&str) -> String) -> Result<(), String> {
        let manifest = |folder: &Path| folder.join("serverless.yaml");
        let text = fs_err::read_to_string(manifest(&self.program.example));
        let written = text.and_then(|text| fs_err::write(manifest(&self.folder()), edit(&text)));
        written.map_err(|error| error.to_string())
    }

    /// `mlfn <words>` here, with none of the caller's settings.
    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(&self.program.path);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("MLFN_") || text.starts_with("XDG_") {
                command.env_remove(&name);
            }
        }
        command
            .args(words.split_whitespace())
            .env("HOME", self.home.path())
            .env("XDG_CACHE_HOME", &self.program.cache)
            .env("MLFN_PROVIDER", "local")
            .current_dir(self.folder())
            .stdin(Stdio::null());
        command
    }

    /// Runs it, and it succeeds.
    fn expect(&self, words: &str) -> Result<(), String> {
        let output = self.command(words).output();
        let output = output.map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        Err(format!("`{words}` ended with {}: {text}", output.status))
    }

    /// Files and processes that should be gone.
    fn left(&self) -> Vec<String> {
        let files = self.files_now();
        let files = files.difference(&self.files);
        let files = files.map(|path| path.display().to_string());
        files.chain(self.processes()).collect()
    }

    fn files_now(&self) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        collect(self.home.path(), &mut files);
        files
    }

    /// The local cloud and what it started: processes whose folder is in the home.
    fn processes(&self) -> Vec<String> {
        let home = self.home.path().canonicalize().unwrap_or_default();
        let Ok(entries) = fs_err::read_dir("/proc") else {
            return Vec::new();
        };
        let names = entries.flatten().map(|entry| entry.file_name());
        let ids = names.filter_map(|name| name.to_str()?.parse::<i32>().ok());
        let here = ids.filter(|id| {
            let folder = fs_err::read_link(format!("/proc/{id}/cwd"));
            folder.is_ok_and(|folder| folder.starts_with(&home))
        });
        here.map(|id| format!("process {id}")).collect()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        // After a failure, something may still run.
        let _ = self.expect(REMOVE);
        for process in self.processes() {
            let id = process.trim_start_matches("process ").parse().ok();
            if let Some(id) = id.and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
            }
        }
    }
}

/// Everything below a folder, folders included.
fn collect(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    let Ok(entries) = fs_err::read_dir(folder) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() && !path.is_symlink() {
            collect(&path, found);
        }
        found.insert(path);
    }
}
