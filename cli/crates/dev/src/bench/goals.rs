//! Goals beside what was measured.

use std::fmt::Write as _;

/// A table, as it grows.
pub(super) struct Goals(String);

impl Goals {
    /// Without a goal.
    pub(super) fn new() -> Self {
        Self("| goal | measured | |\n|---|---:|---|\n".to_owned())
    }

    /// One more: what is wanted, what was measured, and whether that is what is wanted.
    pub(super) fn add(&mut self, goal: &str, measured: &str, is_met: bool) {
        let met = if is_met { "met" } else { "missed" };
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "| {goal} | {measured} | {met} |");
    }

    /// In Markdown.
    pub(super) fn table(self) -> String {
        self.0
    }
}
