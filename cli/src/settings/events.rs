//! What `mlfn queue` and `mlfn topic` need to know.

use std::io::{self, IsTerminal as _};

use super::invoke::request_source;
use super::{GlobalSettings, ManifestSettings, RequestSource};
use crate::args::{CloudArgs, MessageArgs, QueueArgs, QueueCommand, TopicArgs, TopicCommand};

/// Of `mlfn queue`.
#[derive(Debug)]
pub(crate) struct QueueSettings {
    pub(crate) manifest: ManifestSettings,
    /// Where the local cloud answers, if it is not the deployed one.
    pub(crate) url: Option<String>,
    pub(crate) action: QueueAction,
}

/// What is done with queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum QueueAction {
    /// Send a message.
    Send {
        queue: String,
        message: RequestSource,
    },
    /// List them.
    List,
    /// Look at messages.
    Peek {
        queue: String,
        dead: bool,
        most: u32,
    },
    /// Remove messages.
    Purge { queue: String, dead: bool },
}

/// Of `mlfn topic`.
#[derive(Debug)]
pub(crate) struct TopicSettings {
    pub(crate) manifest: ManifestSettings,
    /// Where the local cloud answers, if it is not the deployed one.
    pub(crate) url: Option<String>,
    pub(crate) action: TopicAction,
}

/// What is done with topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TopicAction {
    /// Publish a message.
    Publish {
        topic: String,
        message: RequestSource,
    },
    /// List them.
    List,
}

impl QueueSettings {
    pub(crate) fn resolve(args: QueueArgs, global: GlobalSettings) -> Self {
        let QueueArgs { place, command } = args;
        let CloudArgs { url } = place;
        Self {
            manifest: global.manifest,
            url,
            action: match command {
                QueueCommand::Send { queue, message } => QueueAction::Send {
                    queue,
                    message: source(message),
                },
                QueueCommand::List => QueueAction::List,
                QueueCommand::Peek { queue, dead, most } => QueueAction::Peek { queue, dead, most },
                QueueCommand::Purge { queue, dead } => QueueAction::Purge { queue, dead },
            },
        }
    }
}

impl TopicSettings {
    pub(crate) fn resolve(args: TopicArgs, global: GlobalSettings) -> Self {
        let TopicArgs { place, command } = args;
        let CloudArgs { url } = place;
        Self {
            manifest: global.manifest,
            url,
            action: match command {
                TopicCommand::Publish { topic, message } => TopicAction::Publish {
                    topic,
                    message: source(message),
                },
                TopicCommand::List => TopicAction::List,
            },
        }
    }
}

fn source(message: MessageArgs) -> RequestSource {
    let MessageArgs { data, path } = message;
    request_source(data, path, io::stdin().is_terminal())
}
