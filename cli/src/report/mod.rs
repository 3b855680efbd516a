//! How results are shown: to people (`human.rs`) or to programs (`json.rs`).

mod human;
mod info;
mod json;
mod model;
mod outcome;
mod package;
mod plan;
mod progress;
mod sources;
mod state;
mod table;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mlfn_core::{LogLine, Plan, Purpose, Recorded, ResourceId, RouteSpec};
use mlfn_emulator::{QueueSummary, QueuedMessage};
use mlfn_engine::state::State;
use mlfn_engine::{Event, Outcome};
use mlfn_model::Model;
use mlfn_package::Built;
use mlfn_templates::scaffold::Scaffold;

pub(crate) use self::human::Human;

use crate::commands::version::Versions;
use crate::doctor::Check;
use crate::engines::Choice;
use crate::pipeline::{Checked, Problems, Verdict};
use crate::printer::Printer;

/// Shows the results of commands.
pub(crate) trait Report: Send + Sync {
    /// Of `mlfn validate`.
    fn verdict(&self, verdict: &Verdict) -> io::Result<()>;

    /// What is wrong with a manifest on the way to something else.
    fn problems(&self, problems: Problems<'_>) -> io::Result<()>;

    /// Of `mlfn inspect`: the model, and what would run it with `engine: auto`, if that is known.
    fn model(&self, model: &Model, auto: Option<&Choice>) -> io::Result<()>;

    /// Says that a long command begins.
    fn begin(&self) -> io::Result<()>;

    /// Of `mlfn package`: one function.
    fn packaged(&self, packaged: &Packaged) -> io::Result<()>;

    /// Of `mlfn doctor`.
    fn examined(&self, checks: &[Check]) -> io::Result<()>;

    /// Of `mlfn init`: what was written.
    fn initialized(&self, folder: &Path, files: &[PathBuf]) -> io::Result<()>;

    /// Of `mlfn init --list`.
    fn templates(&self, templates: &[Scaffold]) -> io::Result<()>;

    /// Of `mlfn plan`.
    fn plan(&self, plan: &Plan) -> io::Result<()>;

    /// What is about to be done.
    fn planned(&self, plan: &Plan) -> io::Result<()>;

    /// Who shows what happens while it is done.
    fn events(&self) -> Events;

    /// Of `mlfn deploy`, `rollback` and `remove`: what came of it.
    fn finished(&self, finished: &Finished<'_>) -> io::Result<()>;

    /// Of `mlfn info`.
    fn deployed(&self, deployed: &Deployed<'_>) -> io::Result<()>;

    /// Of `mlfn emulate`: where functions answer now.
    fn serving(&self, serving: &Serving<'_>) -> io::Result<()>;

    /// Of `mlfn logs`.
    fn log_line(&self, line: &LogLine) -> io::Result<()>;

    /// Of `mlfn queue list`.
    fn queues(&self, queues: &[QueueSummary]) -> io::Result<()>;

    /// Of `mlfn queue peek`.
    fn messages(&self, messages: &[QueuedMessage]) -> io::Result<()>;

    /// Of `mlfn queue send` and `mlfn topic publish`.
    fn sent(&self, sent: &Sent<'_>) -> io::Result<()>;

    /// Of `mlfn topic list`: their ARNs.
    fn topics(&self, topics: &[String]) -> io::Result<()>;

    /// Of `mlfn state list`.
    fn state(&self, state: &State) -> io::Result<()>;

    /// Of `mlfn state show`.
    fn recorded(&self, recorded: &Recorded) -> io::Result<()>;

    /// Of `mlfn version`.
    fn versions(&self, versions: &Versions) -> io::Result<()>;
}

/// The report that the user wants.
pub(crate) fn choose(json: bool, printer: Printer) -> Arc<dyn Report> {
    if json {
        return Arc::new(json::Json::new(printer));
    }
    Arc::new(Human::new(printer))
}

/// Shows what happens.
pub(crate) type Events = Box<dyn Fn(&Event<'_>) + Send + Sync>;

/// What came of a plan.
pub(crate) struct Finished<'a> {
    /// What was typed, e.g. `deploy`.
    pub(crate) verb: &'static str,
    /// What for.
    pub(crate) purpose: Purpose,
    pub(crate) checked: &'a Checked,
    pub(crate) outcome: &'a Outcome,
    /// What is recorded now.
    pub(crate) state: Option<State>,
    /// What to type to go on.
    pub(crate) next: String,
}

/// A message that was sent.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Sent<'a> {
    /// The queue or topic, by its name in the cloud.
    pub(crate) to: &'a str,
    /// The id that the message got.
    pub(crate) id: &'a str,
}

/// What is served.
pub(crate) struct Serving<'a> {
    pub(crate) checked: &'a Checked,
    pub(crate) state: &'a State,
    /// Where the local cloud answers.
    pub(crate) url: String,
    /// What it keeps.
    pub(crate) folder: PathBuf,
}

/// What is deployed.
pub(crate) struct Deployed<'a> {
    pub(crate) checked: &'a Checked,
    pub(crate) state: &'a State,
    /// What is not as it was deployed, in words.
    pub(crate) conditions: &'a BTreeMap<ResourceId, String>,
}

/// A packed function, and how it may get to its cloud.
pub(crate) struct Packaged {
    pub(crate) built: Built,
    /// What runs the model, unless the manifest says ONNX Runtime.
    pub(crate) choice: Option<Choice>,
    pub(crate) routes: Vec<RouteSpec>,
}
