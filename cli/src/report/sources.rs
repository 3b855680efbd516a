//! Queues, topics and buckets of the local cloud, for people.

use std::path::PathBuf;

use mlfn_core::{ResourceId, Trigger};
use mlfn_emulator::{QueueSummary, QueuedMessage};
use mlfn_engine::Timestamp;
use mlfn_engine::state::State;
use serde::Serialize;

use super::table::{Align, table};
use crate::pipeline::Checked;
use crate::printer::Palette;
use crate::report::Serving;
use crate::settings::quoted;

/// How something is sent to a function by way of a queue, a topic or a bucket.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Door {
    pub(super) function: String,
    /// The URL of the queue, the ARN of the topic, or the folder that is the bucket.
    pub(super) address: String,
    /// What to type.
    pub(super) command: String,
}

/// A line for each of what is deployed here, if it is here.
pub(super) fn deployed(checked: &Checked, state: &State, palette: Palette) -> String {
    if checked.local {
        return show(
            &LocalPlace::of_deployed(checked).doors(checked, state),
            palette,
        );
    }
    String::new()
}

/// A line for each of what is served.
pub(super) fn served(serving: &Serving<'_>, palette: Palette) -> String {
    let doors = LocalPlace::of_served(serving).doors(serving.checked, serving.state);
    show(&doors, palette)
}

/// A local cloud.
pub(super) struct LocalPlace {
    /// What says which one is meant.
    flags: String,
    /// What it keeps.
    folder: PathBuf,
}

impl LocalPlace {
    /// Of a stage.
    pub(super) fn of_deployed(checked: &Checked) -> Self {
        let folder = checked.own_folder().join("local");
        Self {
            flags: checked.flags.clone(),
            folder: folder.join(checked.service.stage.as_str()),
        }
    }

    /// Of `mlfn emulate`.
    pub(super) fn of_served(serving: &Serving<'_>) -> Self {
        Self {
            flags: format!("{} --url {}", serving.checked.flags, serving.url),
            folder: serving.folder.clone(),
        }
    }

    /// All queues, topics and buckets that functions read.
    pub(super) fn doors(&self, checked: &Checked, state: &State) -> Vec<Door> {
        let functions = checked.service.functions.iter();
        let doors = functions.flat_map(|function| {
            let triggers = function.triggers.iter();
            let doors = triggers.filter_map(|trigger| self.door(trigger, state));
            doors.map(|(address, command)| Door {
                function: function.name.to_string(),
                address,
                command,
            })
        });
        doors.collect()
    }

    /// The address of what a trigger reads, and what to type.
    fn door(&self, trigger: &Trigger, state: &State) -> Option<(String, String)> {
        let output = |kind: &str, name: &str, output: &str| {
            let recorded = state.resources.get(&ResourceId::new(kind, name))?;
            Some(recorded.outputs.get(output)?.as_str()?.to_owned())
        };
        let flags = &self.flags;
        match trigger {
            Trigger::Queue(queue) => {
                let (name, url) = (&queue.name, output("aws:queue", &queue.name, "url")?);
                Some((url, format!("mlfn queue send {name}{flags}")))
            }
            Trigger::Topic(topic) => {
                let (name, arn) = (&topic.name, output("aws:topic", &topic.name, "arn")?);
                Some((arn, format!("mlfn topic publish {name}{flags}")))
            }
            Trigger::Storage(storage) => {
                output("aws:bucket", &storage.bucket, "arn")?;
                // What a prefix says of names of files is for whoever names them.
                let prefix = storage.prefix.as_deref().unwrap_or_default();
                let inside = prefix.rsplit_once('/').map_or("", |(folders, _)| folders);
                let bucket = self.folder.join("buckets").join(&storage.bucket);
                // With the slash at its end that says that it is a folder.
                let folder = bucket.join(inside).join("").display().to_string();
                let suffix = storage.suffix.as_deref().unwrap_or_default();
                let there = quoted(&folder);
                // The bucket is there; a folder in it appears with its first file.
                let make = match inside {
                    "" => String::new(),
                    _ => format!("mkdir -p {there} && "),
                };
                let command = format!("{make}cp FILE{suffix} {there}");
                Some((folder, command))
            }
            Trigger::Http(_) | Trigger::Schedule(_) | Trigger::Stream(_) => None,
        }
    }
}

fn show(doors: &[Door], palette: Palette) -> String {
    let rows: Vec<Vec<String>> = doors
        .iter()
        .map(|door| {
            [&door.function, &door.address, &door.command]
                .map(String::clone)
                .into()
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = [
        ("function", Align::Left),
        ("reads", Align::Left),
        ("send with", Align::Left),
    ];
    table(&head, &rows, palette)
}

/// All queues.
pub(super) fn queues(queues: &[QueueSummary], palette: Palette) -> String {
    let row = |queue: &QueueSummary| {
        let dead_letters = queue.dead_letters.as_deref().unwrap_or("-");
        vec![
            queue.name.clone(),
            queue.visible.to_string(),
            queue.in_flight.to_string(),
            queue.delayed.to_string(),
            dead_letters.to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = queues.iter().map(row).collect();
    let head = [
        ("queue", Align::Left),
        ("waiting", Align::Right),
        ("in flight", Align::Right),
        ("delayed", Align::Right),
        ("dead letters", Align::Left),
    ];
    table(&head, &rows, palette)
}

/// Messages, the oldest first.
pub(super) fn messages(messages: &[QueuedMessage], palette: Palette) -> String {
    let row = |message: &QueuedMessage| {
        vec![
            Timestamp::from_unix(message.sent / 1000).to_string(),
            message.id.clone(),
            message.received.to_string(),
            message.body.replace('\n', " "),
        ]
    };
    let rows: Vec<Vec<String>> = messages.iter().map(row).collect();
    let head = [
        ("sent", Align::Left),
        ("message", Align::Left),
        ("tries", Align::Right),
        ("body", Align::Left),
    ];
    table(&head, &rows, palette)
}
