//! Who may write where. Results go to stdout, everything else to stderr; nothing else in mlfn
//! writes to the terminal.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressBar};

use crate::errors;
use crate::settings::Environment;

/// How much is said on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// Warnings and errors.
    Quiet,
    /// And what takes long.
    Normal,
    /// And every step.
    Verbose,
}

/// The two streams of the program, and how they may be used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer {
    verbosity: Verbosity,
    stdout_colour: bool,
    stderr_colour: bool,
    animated: bool,
}

/// The styles of one stream; all of them plain if it has no colours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette {
    pub(crate) strong: Style,
    pub(crate) faint: Style,
    pub(crate) good: Style,
    pub(crate) warning: Style,
    pub(crate) error: Style,
    pub(crate) hint: Style,
}

impl Printer {
    /// For the terminal that the program was started from.
    pub(crate) fn new(verbosity: Verbosity, no_color: bool, environment: Environment) -> Self {
        let colour = |is_terminal| is_coloured(no_color, environment, is_terminal);
        let terminal = io::stderr().is_terminal();
        let is_dumb = environment.get("TERM").as_deref() == Some("dumb");
        Self {
            verbosity,
            stdout_colour: colour(io::stdout().is_terminal()),
            stderr_colour: colour(terminal),
            animated: terminal && !is_dumb && !environment.is_set("CI"),
        }
    }

    /// The styles for results.
    pub(crate) fn data_palette(self) -> Palette {
        Palette::new(self.stdout_colour)
    }

    /// The styles for everything else.
    pub(crate) fn palette(self) -> Palette {
        Palette::new(self.stderr_colour)
    }

    /// Whether stderr has colours.
    pub(crate) fn has_colour(self) -> bool {
        self.stderr_colour
    }

    /// Writes a result, and ends the line if it does not. A reader that has had enough
    /// (`mlfn .. | head`) is no error.
    pub(crate) fn data(self, text: &str) -> io::Result<()> {
        self.data_bytes(text.as_bytes())
    }

    /// [`Self::data`] for what may not be text.
    #[expect(clippy::unused_self, reason = "only who has a printer may write")]
    pub(crate) fn data_bytes(self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        let end: &[u8] = if bytes.ends_with(b"\n") { b"" } else { b"\n" };
        let written = stdout
            .write_all(bytes)
            .and_then(|()| stdout.write_all(end))
            .and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Whether [`Self::note`] says anything.
    pub(crate) fn notes(self) -> bool {
        self.verbosity >= Verbosity::Normal
    }

    /// Says what is done, unless it shall be quiet.
    pub(crate) fn note(self, text: &str) {
        if self.notes() {
            write_stderr(text);
        }
    }

    /// Says what is of interest only if something goes wrong.
    pub(crate) fn detail(self, text: &str) {
        if self.verbosity >= Verbosity::Verbose {
            let faint = self.palette().faint;
            write_stderr(&format!("{faint}{text}{faint:#}"));
        }
    }

    /// Says something that works in another way than the user may expect.
    pub(crate) fn warning(self, text: &str) {
        let style = self.palette().warning;
        write_stderr(&format!("{style}warning{style:#}: {text}"));
    }

    /// Says why the command failed: the whole chain once, then what to do.
    pub(crate) fn error(self, error: &anyhow::Error) {
        let palette = self.palette();
        write_stderr(&chain(error, palette));
    }

    /// Writes lines that are formatted already, e.g. diagnostics.
    #[expect(clippy::unused_self, reason = "only who has a printer may write")]
    pub(crate) fn block(self, text: &str) {
        write_stderr(text);
    }

    /// Shows that something is going on, until the answer is dropped. Where nothing can move,
    /// says it once if it takes `long`, else only when verbose.
    pub(crate) fn progress(self, message: &str, takes_long: bool) -> Progress {
        if self.animated && self.verbosity >= Verbosity::Normal {
            let bar = ProgressBar::new_spinner().with_message(message.to_owned());
            bar.enable_steady_tick(Duration::from_millis(100));
            return Progress(Some(bar));
        }
        if takes_long {
            self.note(message);
        } else {
            self.detail(message);
        }
        Progress(None)
    }

    /// Room for several things that go on at once; none where nothing can move.
    pub(crate) fn tree(self) -> Option<MultiProgress> {
        let moves = self.animated && self.verbosity >= Verbosity::Normal;
        moves.then(MultiProgress::new)
    }

    /// Asks a question that is answered with yes or no; no if nobody answers.
    #[expect(clippy::unused_self, reason = "only who has a printer may ask")]
    pub(crate) fn confirm(self, question: &str) -> io::Result<bool> {
        let mut stderr = io::stderr().lock();
        write!(stderr, "{question} [y/N] ")?;
        stderr.flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }
}

impl Palette {
    /// With colours or without.
    pub(crate) fn new(coloured: bool) -> Self {
        let style = |style| if coloured { style } else { Style::new() };
        Self {
            strong: style(Style::new().bold()),
            faint: style(Style::new().dimmed()),
            good: style(AnsiColor::Green.on_default().bold()),
            warning: style(AnsiColor::Yellow.on_default().bold()),
            error: style(AnsiColor::Red.on_default().bold()),
            hint: style(AnsiColor::Cyan.on_default().bold()),
        }
    }
}

fn write_stderr(text: &str) {
    // There is nowhere left to say that stderr is gone.
    let _ = io::stderr().lock().write_all(with_end(text).as_bytes());
}

/// Something that is going on; it vanishes from the terminal when this is dropped.
#[derive(Debug)]
#[must_use = "it vanishes when it is dropped"]
pub(crate) struct Progress(Option<ProgressBar>);

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// <https://no-color.org>, <https://force-color.org>: a wish not to see colours wins.
fn is_coloured(no_color: bool, environment: Environment, is_terminal: bool) -> bool {
    if no_color || environment.is_set("NO_COLOR") {
        return false;
    }
    if environment.is_set("FORCE_COLOR") {
        return environment.get("FORCE_COLOR").as_deref() != Some("0");
    }
    is_terminal && environment.get("TERM").as_deref() != Some("dumb")
}

fn chain(error: &anyhow::Error, palette: Palette) -> String {
    let Palette {
        error: red, hint, ..
    } = palette;
    let mut lines = vec![format!("{red}error{red:#}: {error}")];
    let causes = error.chain().skip(1);
    lines.extend(causes.map(|cause| format!("  because: {}", indent(&cause.to_string()))));
    if let Some(id) = errors::request_id(error) {
        lines.push(format!("  request id: {id}"));
    }
    if let Some(advice) = errors::hint(error) {
        lines.push(format!("\n{hint}hint{hint:#}: {advice}"));
    }
    lines.join("\n") + "\n"
}

/// The lines after the first, moved under it.
fn indent(text: &str) -> String {
    text.replace('\n', "\n    ")
}

fn with_end(text: &str) -> Cow<'_, str> {
    if text.ends_with('\n') {
        return text.into();
    }
    format!("{text}\n").into()
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;
    use crate::errors::CommandError;

    #[track_caller]
    fn check_colour(environment: Environment, no_color: bool, terminal: bool, expected: bool) {
        assert_eq!(is_coloured(no_color, environment, terminal), expected);
    }

    #[test]
    fn colours_are_for_terminals_and_for_those_who_want_them() {
        let nothing = Environment::new(|_| None);
        let no = Environment::new(|name| (name == "NO_COLOR").then(|| "1".to_owned()));
        let empty = Environment::new(|name| (name == "NO_COLOR").then(String::new));
        let force = Environment::new(|name| (name == "FORCE_COLOR").then(|| "1".to_owned()));
        let zero = Environment::new(|name| (name == "FORCE_COLOR").then(|| "0".to_owned()));
        let both = Environment::new(|name| name.ends_with("_COLOR").then(|| "1".to_owned()));
        let dumb = Environment::new(|name| (name == "TERM").then(|| "dumb".to_owned()));
        check_colour(nothing, false, true, true);
        check_colour(nothing, false, false, false);
        check_colour(nothing, true, true, false);
        check_colour(no, false, true, false);
        check_colour(empty, false, true, true);
        check_colour(force, false, false, true);
        check_colour(force, true, true, false);
        check_colour(zero, false, true, false);
        check_colour(both, false, true, false);
        check_colour(dumb, false, true, false);
    }

    #[test]
    fn an_error_is_told_once_with_its_causes_and_what_to_do() {
        let error = Err::<(), _>(CommandError::failure("the disk is full").hint("make room"))
            .context("cannot write the package")
            .expect_err("is an error");
        let expected =
            "error: cannot write the package\n  because: the disk is full\n\nhint: make room\n";
        assert_eq!(chain(&error, Palette::new(false)), expected);
    }
}
