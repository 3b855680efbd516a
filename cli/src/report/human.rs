//! Results for people: tables and sentences, readable without colours.

use std::io;
use std::path::{Path, PathBuf};

use mlfn_core::{LogLine, Plan, Recorded, Service, Severity};
use mlfn_emulator::{QueueSummary, QueuedMessage};
use mlfn_engine::Timestamp;
use mlfn_engine::state::State;
use mlfn_model::Model;
use mlfn_templates::scaffold::Scaffold;

use super::progress::Live;
use super::table::{Align, count, table};
use super::{
    Deployed, Events, Finished, Packaged, Report, Sent, Serving, info, model, outcome, package,
    plan, sources, state,
};
use crate::commands::version::Versions;
use crate::doctor::{self, Check};
use crate::engines::Choice;
use crate::pipeline::{Problems, Verdict};
use crate::printer::{Palette, Printer};

/// Writes for people.
#[derive(Debug)]
pub(crate) struct Human {
    printer: Printer,
}

impl Human {
    pub(crate) fn new(printer: Printer) -> Self {
        Self { printer }
    }
}

impl Report for Human {
    fn verdict(&self, verdict: &Verdict) -> io::Result<()> {
        self.problems(verdict.problems())?;
        let Some(service) = verdict.service.as_ref().filter(|_| verdict.is_valid()) else {
            return Ok(());
        };
        let good = self.printer.data_palette().good;
        let file = verdict.source.path().display();
        self.printer.data(&format!(
            "{file} is {good}valid{good:#}: {}",
            describe(service)
        ))
    }

    fn problems(&self, problems: Problems<'_>) -> io::Result<()> {
        let colour = self.printer.has_colour();
        for diagnostic in problems.diagnostics {
            let text = problems.source.render(diagnostic, colour);
            self.printer.block(&format!("{text}\n"));
        }
        if let Some(summary) = summary(problems) {
            self.printer.block(&summary);
        }
        Ok(())
    }

    fn begin(&self) -> io::Result<()> {
        Ok(())
    }

    fn packaged(&self, packaged: &Packaged) -> io::Result<()> {
        self.printer
            .data(&package::describe(packaged, self.printer.data_palette()))?;
        for obstacle in package::obstacles(packaged, self.printer.palette()) {
            self.printer.block(&obstacle);
        }
        Ok(())
    }

    fn model(&self, model: &Model, auto: Option<&Choice>) -> io::Result<()> {
        let text = model::describe(model, auto, self.printer.data_palette());
        self.printer.data(&text)
    }

    fn examined(&self, checks: &[Check]) -> io::Result<()> {
        let palette = self.printer.data_palette();
        let lines: String = checks.iter().map(|check| line(check, palette)).collect();
        self.printer.data(&lines)
    }

    fn initialized(&self, folder: &Path, files: &[PathBuf]) -> io::Result<()> {
        let Palette { good, strong, .. } = self.printer.data_palette();
        let wrote = |file: &PathBuf| format!("{good}wrote{good:#} {}", file.display());
        let lines = files.iter().map(wrote).collect::<Vec<_>>().join("\n");
        let is_here = folder.as_os_str().is_empty() || folder == Path::new(".");
        let there = if is_here {
            String::new()
        } else {
            format!("  cd {}\n", folder.display())
        };
        self.printer.data(&format!(
            "{lines}\n\n{strong}next{strong:#}\n{there}  mlfn invoke --local\n  mlfn package\n"
        ))
    }

    fn templates(&self, templates: &[Scaffold]) -> io::Result<()> {
        let rows: Vec<Vec<String>> = templates
            .iter()
            .map(|template| vec![template.name.to_owned(), template.description.to_owned()])
            .collect();
        let columns = [("template", Align::Left), ("what it is", Align::Left)];
        self.printer
            .data(&table(&columns, &rows, self.printer.data_palette()))
    }

    fn plan(&self, plan: &Plan) -> io::Result<()> {
        let palette = self.printer.data_palette();
        self.printer.data(&plan::describe(plan, palette))
    }

    fn planned(&self, plan: &Plan) -> io::Result<()> {
        if !plan.is_empty() {
            self.printer
                .note(&plan::describe(plan, self.printer.palette()));
        }
        Ok(())
    }

    fn events(&self) -> Events {
        let live = Live::new(self.printer);
        Box::new(move |event| live.show(event))
    }

    fn finished(&self, finished: &Finished<'_>) -> io::Result<()> {
        if let Some(text) = outcome::trouble(finished, self.printer.palette()) {
            self.printer.block(&text);
        }
        match outcome::success(finished, self.printer.data_palette()) {
            Some(text) => self.printer.data(&text),
            None => Ok(()),
        }
    }

    fn deployed(&self, deployed: &Deployed<'_>) -> io::Result<()> {
        let palette = self.printer.data_palette();
        self.printer.data(&info::describe(deployed, palette))
    }

    fn serving(&self, serving: &Serving<'_>) -> io::Result<()> {
        let palette = self.printer.data_palette();
        let Palette { good, .. } = palette;
        let service = &serving.checked.service;
        let endpoints = info::endpoints(serving.checked, serving.state, palette);
        let sources = sources::served(serving, palette);
        self.printer.data(&format!(
            "{good}serving{good:#} {}, stage {}, as {}, at {}\n\n{}",
            service.name,
            service.stage,
            service.provider,
            serving.url,
            parted(&[endpoints, sources])
        ))?;
        self.printer
            .note("Ctrl-C ends it; changes of files are followed");
        Ok(())
    }

    fn log_line(&self, line: &LogLine) -> io::Result<()> {
        let faint = self.printer.data_palette().faint;
        let (second, rest) = (line.time / 1000, line.time % 1000);
        let time = Timestamp::from_unix(second).to_string();
        let time = time.trim_end_matches('Z');
        let text = line.text.trim_end();
        self.printer
            .data(&format!("{faint}{time}.{rest:03}Z{faint:#} {text}"))
    }

    fn queues(&self, queues: &[QueueSummary]) -> io::Result<()> {
        let palette = self.printer.data_palette();
        self.printer.data(&sources::queues(queues, palette))
    }

    fn messages(&self, messages: &[QueuedMessage]) -> io::Result<()> {
        let palette = self.printer.data_palette();
        self.printer.data(&sources::messages(messages, palette))
    }

    fn sent(&self, sent: &Sent<'_>) -> io::Result<()> {
        let good = self.printer.data_palette().good;
        let Sent { to, id } = sent;
        self.printer
            .data(&format!("{good}sent{good:#} to {to}: {id}"))
    }

    fn topics(&self, topics: &[String]) -> io::Result<()> {
        topics.iter().try_for_each(|topic| self.printer.data(topic))
    }

    fn state(&self, state: &State) -> io::Result<()> {
        self.printer
            .data(&state::list(state, self.printer.data_palette()))
    }

    fn recorded(&self, recorded: &Recorded) -> io::Result<()> {
        self.printer
            .data(&state::show(recorded, self.printer.data_palette()))
    }

    fn versions(&self, versions: &Versions) -> io::Result<()> {
        self.printer.data(&format!("mlfn {}", versions.mlfn))
    }
}

/// Parts with a line between them, but for empty ones.
fn parted(parts: &[String]) -> String {
    let parts = parts.iter().filter(|part| !part.is_empty());
    parts.cloned().collect::<Vec<_>>().join("\n")
}

/// `2 errors, 1 warning in serverless.yaml`, or nothing if there is neither.
fn summary(problems: Problems<'_>) -> Option<String> {
    let part = |severity, word| {
        let diagnostics = problems.diagnostics.iter();
        let number = diagnostics
            .filter(|found| found.severity == severity)
            .count();
        (number > 0).then(|| count(number, word))
    };
    let parts = [
        part(Severity::Error, "error"),
        part(Severity::Warning, "warning"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let file = problems.source.path().display();
    (!parts.is_empty()).then(|| format!("{} in {file}", parts.join(", ")))
}

/// `1 model, 2 triggers, aws (dev)`.
fn describe(service: &Service) -> String {
    let triggers = service
        .functions
        .iter()
        .map(|function| function.triggers.len())
        .sum();
    format!(
        "{}, {}, {} ({})",
        count(service.functions.len(), "model"),
        count(triggers, "trigger"),
        service.provider,
        service.stage
    )
}

/// `ok    cache        it can be written`, and below it what to do.
fn line(check: &Check, palette: Palette) -> String {
    let (style, word) = match check.state {
        doctor::State::Ok => (palette.good, "ok"),
        doctor::State::Warning => (palette.warning, "warn"),
        doctor::State::Failure => (palette.error, "fail"),
    };
    let found = format!(
        "{style}{word:<4}{style:#}  {:<12} {}\n",
        check.name, check.message
    );
    let hint = palette.hint;
    match &check.help {
        Some(help) => format!("{found}      {:<12} {hint}hint{hint:#}: {help}\n", ""),
        None => found,
    }
}
