//! Results for programs. Short commands write one document; long ones write lines, of which the
//! first says the version of the format: a new minor version only adds to it.

mod deploy;

use std::io;
use std::path::{Path, PathBuf};

use mlfn_core::{Artifact, Diagnostic, LogLine, Plan, Recorded, Severity};
use mlfn_emulator::{QueueSummary, QueuedMessage};
use mlfn_engine::state::State;
use mlfn_manifest::Source;
use mlfn_model::Model;
use mlfn_package::RouteRow;
use mlfn_templates::scaffold::Scaffold;
use serde::Serialize;
use serde_json::json;

use super::{Deployed, Events, Finished, Packaged, Report, Sent, Serving};
use crate::commands::version::Versions;
use crate::doctor::Check;
use crate::engines::Choice;
use crate::pipeline::{Problems, Verdict};
use crate::printer::Printer;

/// The version of the lines that long commands write.
const LINES: &str = "1.0";

/// Writes for programs.
#[derive(Debug)]
pub(crate) struct Json {
    printer: Printer,
}

impl Json {
    pub(crate) fn new(printer: Printer) -> Self {
        Self { printer }
    }

    fn document(&self, value: &impl Serialize) -> io::Result<()> {
        self.printer.data(&serde_json::to_string_pretty(value)?)
    }

    fn line(&self, kind: &str, value: &impl Serialize) -> io::Result<()> {
        let line = Line { kind, value };
        self.printer.data(&serde_json::to_string(&line)?)
    }
}

impl Report for Json {
    fn verdict(&self, verdict: &Verdict) -> io::Result<()> {
        self.document(&json!({
            "valid": verdict.is_valid(),
            "diagnostics": located(verdict.problems()),
        }))
    }

    fn problems(&self, problems: Problems<'_>) -> io::Result<()> {
        let lines = located(problems);
        lines
            .iter()
            .try_for_each(|diagnostic| self.line("diagnostic", diagnostic))
    }

    fn begin(&self) -> io::Result<()> {
        self.line(
            "version",
            &json!({"ui": LINES, "mlfn": env!("CARGO_PKG_VERSION")}),
        )
    }

    fn packaged(&self, packaged: &Packaged) -> io::Result<()> {
        for artifact in &packaged.built.artifacts {
            let table = mlfn_package::table(artifact, &packaged.routes);
            self.line(
                "artifact",
                &Weighed {
                    artifact,
                    routes: &table.routes,
                    written: packaged.built.fresh,
                    engine: packaged.choice.as_ref(),
                },
            )?;
        }
        packaged
            .built
            .findings
            .iter()
            .try_for_each(|finding| self.line("finding", finding))
    }

    fn model(&self, model: &Model, auto: Option<&Choice>) -> io::Result<()> {
        #[derive(Serialize)]
        struct Inspected<'a> {
            #[serde(flatten)]
            model: &'a Model,
            engine_auto: Option<&'a Choice>,
        }
        self.document(&Inspected {
            model,
            engine_auto: auto,
        })
    }

    fn examined(&self, checks: &[Check]) -> io::Result<()> {
        self.document(&json!({ "checks": checks }))
    }

    fn initialized(&self, folder: &Path, files: &[PathBuf]) -> io::Result<()> {
        self.document(&json!({ "folder": folder, "files": files }))
    }

    fn templates(&self, templates: &[Scaffold]) -> io::Result<()> {
        let templates = templates.iter();
        let templates = templates.map(|t| json!({ "name": t.name, "description": t.description }));
        self.document(&json!({ "templates": templates.collect::<Vec<_>>() }))
    }

    fn plan(&self, plan: &Plan) -> io::Result<()> {
        let changes = plan.effective();
        changes
            .map(deploy::change)
            .try_for_each(|change| self.line("change", &change))?;
        plan.drift
            .iter()
            .try_for_each(|drift| self.line("drift", drift))?;
        self.line("plan", &deploy::summary(plan))
    }

    fn planned(&self, plan: &Plan) -> io::Result<()> {
        self.plan(plan)
    }

    fn events(&self) -> Events {
        let json = Self::new(self.printer);
        Box::new(move |event| {
            if let Some((kind, value)) = deploy::event(event) {
                // A reader that is gone is no reason to stop in the middle.
                let _ = json.line(kind, &value);
            }
        })
    }

    fn finished(&self, finished: &Finished<'_>) -> io::Result<()> {
        self.line("outcome", &deploy::outcome(finished))
    }

    fn deployed(&self, deployed: &Deployed<'_>) -> io::Result<()> {
        self.document(&deploy::deployed(deployed))
    }

    fn serving(&self, serving: &Serving<'_>) -> io::Result<()> {
        self.line("serving", &deploy::serving(serving))
    }

    fn log_line(&self, line: &LogLine) -> io::Result<()> {
        self.line("log", line)
    }

    fn queues(&self, queues: &[QueueSummary]) -> io::Result<()> {
        self.document(&json!({ "queues": queues }))
    }

    fn messages(&self, messages: &[QueuedMessage]) -> io::Result<()> {
        self.document(&json!({ "messages": messages }))
    }

    fn sent(&self, sent: &Sent<'_>) -> io::Result<()> {
        self.document(sent)
    }

    fn topics(&self, topics: &[String]) -> io::Result<()> {
        self.document(&json!({ "topics": topics }))
    }

    fn state(&self, state: &State) -> io::Result<()> {
        self.document(&json!({ "resources": state.resources.values().collect::<Vec<_>>() }))
    }

    fn recorded(&self, recorded: &Recorded) -> io::Result<()> {
        self.document(recorded)
    }

    fn versions(&self, versions: &Versions) -> io::Result<()> {
        self.document(versions)
    }
}

/// A line of a long command: the value's own keys after its type.
#[derive(Serialize)]
struct Line<'a, T> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(flatten)]
    value: &'a T,
}

/// A diagnostic with the place where it is to be mended.
#[derive(Debug, Serialize)]
struct Located<'a> {
    code: &'static str,
    severity: Severity,
    summary: &'static str,
    detail: &'a str,
    help: Option<&'a str>,
    file: &'a Path,
    line: usize,
    column: usize,
    path: String,
}

/// An archive, and every way to its cloud.
#[derive(Serialize)]
struct Weighed<'a> {
    #[serde(flatten)]
    artifact: &'a Artifact,
    routes: &'a [RouteRow],
    /// Whether it was written now, or is still right from an earlier time.
    written: bool,
    /// What runs the model and why, if the manifest leaves it open or wants tract.
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<&'a Choice>,
}

fn located(problems: Problems<'_>) -> Vec<Located<'_>> {
    let diagnostics = problems.diagnostics.iter();
    diagnostics
        .map(|diagnostic| Located::new(diagnostic, problems.source))
        .collect()
}

impl<'a> Located<'a> {
    fn new(diagnostic: &'a Diagnostic, source: &'a Source) -> Self {
        let (file, position) = source.locate(diagnostic);
        let Diagnostic {
            code,
            severity,
            summary,
            detail,
            help,
            at,
        } = diagnostic;
        Self {
            code,
            severity: *severity,
            summary,
            detail,
            help: help.as_deref(),
            file,
            line: position.line,
            column: position.column,
            path: at.to_string(),
        }
    }
}
