//! What is shown while a deploy goes on: a live tree on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use mlfn_core::{Action, ResourceId};
use mlfn_engine::Event;
use mlfn_engine::state::Lock;

use super::outcome::did;
use super::table::size;
use crate::printer::Printer;

/// Takes events as they come. What it shows vanishes with it, except for lines that last.
pub(super) struct Live {
    printer: Printer,
    tree: Option<Tree>,
    waits: Mutex<Waits>,
}

/// What is waited for, and since when: a cloud is asked many times a second whether it is ready, and
/// one line is enough for that.
#[derive(Default)]
struct Waits(BTreeMap<ResourceId, (String, Duration)>);

/// After so much waiting for the same, there is another line.
const REMINDER: Duration = Duration::from_secs(10);

struct Tree {
    bars: MultiProgress,
    running: Mutex<BTreeMap<ResourceId, ProgressBar>>,
}

impl Live {
    pub(super) fn new(printer: Printer) -> Self {
        let tree = printer.tree().map(|bars| Tree {
            bars,
            running: Mutex::default(),
        });
        Self {
            printer,
            tree,
            waits: Mutex::default(),
        }
    }

    pub(super) fn show(&self, event: &Event<'_>) {
        match event {
            Event::Waiting { lock, left } => self.line(&waiting(lock, *left)),
            Event::Started { id, action } => self.started(id, *action),
            Event::Progress { id, sent, total } if *total > 0 => {
                let part = format!("{} of {}", size(*sent), size(*total));
                self.note(id, &part);
            }
            Event::Retrying { id, why, after } => self.retrying(id, why, *after),
            Event::Shifted {
                id,
                percent,
                watched,
            } => {
                let watched = watched.as_secs();
                self.line(&format!(
                    "  {id}: the new version gets {percent} % of the requests; watching it for \
                     {watched} s"
                ));
            }
            Event::Done {
                id,
                action,
                elapsed,
            } => {
                self.ended(id);
                let good = self.printer.palette().good;
                let (done, time) = (did(*action), seconds(*elapsed));
                self.line(&format!("  {good}{done}{good:#} {id} ({time})"));
            }
            Event::Failed { id, action, why } => {
                self.ended(id);
                let error = self.printer.palette().error;
                let action = action.as_str();
                self.line(&format!("  {error}failed{error:#} to {action} {id}: {why}"));
            }
            Event::Disagrees { id, differences } => {
                let differences = differences.join("; ");
                self.line(&format!("  {id} is not what was asked for: {differences}"));
            }
            _ => {}
        }
    }

    fn started(&self, id: &ResourceId, action: Action) {
        let text = format!("{} {id}", doing(action));
        let Some(tree) = &self.tree else {
            return self.printer.detail(&format!("  {text}"));
        };
        let bar = tree.bars.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(text);
        bar.enable_steady_tick(Duration::from_millis(100));
        tree.running().insert(id.clone(), bar);
    }

    fn note(&self, id: &ResourceId, note: &str) {
        if let Some(bar) = self
            .tree
            .as_ref()
            .and_then(|tree| tree.running().get(id).cloned())
        {
            bar.set_message(format!("uploading {id}: {note}"));
        }
    }

    fn ended(&self, id: &ResourceId) {
        if let Some(bar) = self
            .tree
            .as_ref()
            .and_then(|tree| tree.running().remove(id))
        {
            bar.finish_and_clear();
        }
    }

    fn retrying(&self, id: &ResourceId, why: &str, after: Duration) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        if waits.is_news(id, why, after) {
            drop(waits);
            self.line(&format!("  {id}: {why}; {}", again(after)));
        }
    }

    fn line(&self, text: &str) {
        match &self.tree {
            // The tree moves down for the line.
            Some(tree) => tree.bars.suspend(|| self.printer.note(text)),
            None => self.printer.note(text),
        }
    }
}

impl Waits {
    /// Whether there is something to say of another pause.
    fn is_news(&mut self, id: &ResourceId, why: &str, after: Duration) -> bool {
        if let Some((known, waited)) = self.0.get_mut(id)
            && known == why
            && *waited + after < REMINDER
        {
            *waited += after;
            return false;
        }
        self.0.insert(id.clone(), (why.to_owned(), after));
        true
    }
}

impl Tree {
    fn running(&self) -> std::sync::MutexGuard<'_, BTreeMap<ResourceId, ProgressBar>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.running()
            .values()
            .for_each(ProgressBar::finish_and_clear);
    }
}

fn waiting(lock: &Lock, left: Duration) -> String {
    let Lock {
        holder,
        operation,
        host,
        pid,
        since,
        until,
        ..
    } = lock;
    // The second that has begun counts: what is left of one is not none.
    let seconds = left.as_millis().div_ceil(1000);
    format!(
        "waiting up to {seconds} s for {holder} ({operation} on {host}, process {pid}), who holds \
         the lock since {since}, until {until}"
    )
}

fn doing(action: Action) -> &'static str {
    match action {
        Action::Keep => "keeping",
        Action::Create => "creating",
        Action::Update => "updating",
        Action::Replace(_) => "replacing",
        Action::Delete => "deleting",
        Action::Adopt => "recording",
        Action::Forget => "forgetting",
        Action::Release => "releasing",
    }
}

/// What is soon has no time.
fn again(after: Duration) -> String {
    if after < Duration::from_secs(1) {
        return "trying again".to_owned();
    }
    format!("trying again in {}", seconds(after))
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f32())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_once_and_again_when_it_is_long() {
        let id = |name: &str| ResourceId::new("aws:function", name);
        let mut waits = Waits::default();
        let mut check = |name, why, milliseconds, expected| {
            let after = Duration::from_millis(milliseconds);
            assert_eq!(
                waits.is_news(&id(name), why, after),
                expected,
                "{name} {why}"
            );
        };
        check("one", "not ready", 50, true);
        check("one", "not ready", 60, false);
        check("other", "not ready", 50, true);
        check("one", "throttled", 400, true);
        check("one", "throttled", 5000, false);
        check("one", "throttled", 5000, true);
        check("one", "throttled", 4000, false);
    }

    #[test]
    fn a_pause_has_a_time_if_it_is_one_to_notice() {
        assert_eq!(again(Duration::from_millis(50)), "trying again");
        assert_eq!(again(Duration::from_millis(2500)), "trying again in 2.5 s");
    }
}
