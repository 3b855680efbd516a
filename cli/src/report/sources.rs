//! Queues and topics of the local cloud, for people.

use mlfn_core::{ResourceId, Trigger};
use mlfn_emulator::{QueueSummary, QueuedMessage};
use mlfn_engine::Timestamp;
use mlfn_engine::state::State;
use serde::Serialize;

use super::table::{Align, table};
use crate::pipeline::Checked;
use crate::printer::Palette;

/// How something is sent to a function by way of a queue or topic.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Door {
    pub(super) function: String,
    /// The URL of the queue, or the ARN of the topic.
    pub(super) address: String,
    /// What to type.
    pub(super) command: String,
}

/// A line for each queue and topic of what is deployed here, if it is here.
pub(super) fn deployed(checked: &Checked, state: &State, palette: Palette) -> String {
    if checked.local {
        return show(&doors(checked, state, ""), palette);
    }
    String::new()
}

/// A line for each queue and topic of what is served at `url`.
pub(super) fn served(checked: &Checked, state: &State, url: &str, palette: Palette) -> String {
    show(&doors(checked, state, &format!(" --url {url}")), palette)
}

/// All queues and topics that functions read; `flags` say which local cloud is meant.
pub(super) fn doors(checked: &Checked, state: &State, flags: &str) -> Vec<Door> {
    let mut doors = Vec::new();
    for function in &checked.service.functions {
        for trigger in &function.triggers {
            let (kind, name, output, verb) = match trigger {
                Trigger::Queue(queue) => ("aws:queue", &queue.name, "url", "queue send"),
                Trigger::Topic(topic) => ("aws:topic", &topic.name, "arn", "topic publish"),
                _ => continue,
            };
            let recorded = state.resources.get(&ResourceId::new(kind, name));
            let address = recorded.and_then(|recorded| recorded.outputs.get(output)?.as_str());
            if let Some(address) = address {
                doors.push(Door {
                    function: function.name.to_string(),
                    address: address.to_owned(),
                    command: format!("mlfn {verb} {name}{}{flags}", checked.flags),
                });
            }
        }
    }
    doors
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
