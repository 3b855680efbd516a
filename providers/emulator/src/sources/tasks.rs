//! Tasks by name, which are started, kept and stopped as the record changes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Tells a task that it shall end.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Whether it shall end.
    pub(crate) fn is_asked(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits until it shall end.
    pub(crate) async fn asked(&mut self) {
        // Without a sender there is nobody left to work for.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// Tasks by name, each with what it was made for. All are told to end when this is dropped.
pub(crate) struct Tasks<S> {
    running: Mutex<BTreeMap<String, Running<S>>>,
    /// Those that have been told to end and may be finishing something.
    ending: Mutex<Vec<JoinHandle<()>>>,
}

struct Running<S> {
    purpose: S,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl<S> Default for Tasks<S> {
    fn default() -> Self {
        Self {
            running: Mutex::default(),
            ending: Mutex::default(),
        }
    }
}

impl<S> fmt::Debug for Tasks<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.running().keys().cloned().collect();
        f.debug_tuple("Tasks").field(&names).finish()
    }
}

impl<S: Clone + PartialEq> Tasks<S> {
    /// Starts what is new, tells to end what is not wanted or has another purpose now, and leaves
    /// the others alone. Needs a runtime. `start` gets the purpose and hears when to end.
    pub(crate) fn bring<F>(&self, wanted: BTreeMap<String, S>, start: impl Fn(S, Stop) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut running = self.running();
        let gone: Vec<String> = running
            .iter()
            .filter(|(name, one)| wanted.get(*name) != Some(&one.purpose))
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            self.end(running.remove(&name));
        }
        for (name, purpose) in wanted {
            running.entry(name).or_insert_with(|| {
                let stop = watch::Sender::new(false);
                let task = start(purpose.clone(), Stop(stop.subscribe()));
                Running {
                    purpose,
                    stop,
                    task: tokio::spawn(task),
                }
            });
        }
    }
}

impl<S> Tasks<S> {
    /// Tells all to end, and waits until they have.
    pub(crate) async fn stop(&self) {
        let all = std::mem::take(&mut *self.running());
        for one in all.into_values() {
            self.end(Some(one));
        }
        let ending = std::mem::take(&mut *self.ending());
        for task in ending {
            let _ = task.await;
        }
    }

    fn end(&self, one: Option<Running<S>>) {
        let mut ending = self.ending();
        ending.retain(|task| !task.is_finished());
        if let Some(one) = one {
            one.stop.send_replace(true);
            ending.push(one.task);
        }
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Running<S>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ending(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    type Events = Arc<Mutex<Vec<String>>>;

    fn bring(tasks: &Tasks<u32>, wanted: &[(&str, u32)], events: &Events) {
        let wanted = wanted
            .iter()
            .map(|(name, number)| ((*name).to_owned(), *number));
        tasks.bring(wanted.collect(), |number, mut stop| {
            let events = Arc::clone(events);
            events.lock().expect("is whole").push(format!("+{number}"));
            async move {
                stop.asked().await;
                assert!(stop.is_asked());
                events.lock().expect("is whole").push(format!("-{number}"));
            }
        });
    }

    #[tokio::test]
    async fn what_stays_as_it_was_goes_on_and_the_rest_is_stopped_or_started() {
        let (tasks, events) = (Tasks::default(), Events::default());
        bring(&tasks, &[("a", 1), ("b", 2)], &events);
        bring(&tasks, &[("a", 1), ("b", 3)], &events);
        bring(&tasks, &[("b", 3), ("c", 4)], &events);
        tasks.stop().await;
        let mut found = events.lock().expect("is whole").clone();
        found.sort();
        assert_eq!(found, ["+1", "+2", "+3", "+4", "-1", "-2", "-3", "-4"]);
    }
}
