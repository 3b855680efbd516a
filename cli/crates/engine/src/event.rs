//! What a report shows while things happen.

use std::time::Duration;

use mlfn_core::{Action, Plan, ResourceId};

use crate::state::Lock;

/// Something that happened. Reports turn these into lines or a tree; nothing depends on them.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Somebody else holds the lock, and this waits for it.
    Waiting {
        /// Who, since when, and until when unless it is renewed.
        lock: &'a Lock,
        /// How long this waits at most.
        left: Duration,
    },
    /// A plan was made and will be applied.
    Planned(&'a Plan),
    /// Work on a resource begins.
    Started {
        /// The resource.
        id: &'a ResourceId,
        /// What is done to it; a replacement is two: create and delete.
        action: Action,
    },
    /// Bytes are sent.
    Progress {
        /// The resource that they are for.
        id: &'a ResourceId,
        /// Bytes sent.
        sent: u64,
        /// All bytes.
        total: u64,
    },
    /// A try failed, and there will be another one.
    Retrying {
        /// The resource.
        id: &'a ResourceId,
        /// Why, in words.
        why: String,
        /// The pause before.
        after: Duration,
    },
    /// A part of the requests goes to a new revision now.
    Shifted {
        /// The pointer.
        id: &'a ResourceId,
        /// The part.
        percent: u8,
        /// How long it is watched before the next part.
        watched: Duration,
    },
    /// Work on a resource is done and recorded.
    Done {
        /// The resource.
        id: &'a ResourceId,
        /// What was done.
        action: Action,
        /// The time that it took.
        elapsed: Duration,
    },
    /// Work on a resource failed.
    Failed {
        /// The resource.
        id: &'a ResourceId,
        /// What was tried.
        action: Action,
        /// Why, in words.
        why: String,
    },
    /// Work on a resource was not begun, because what it needs failed or the run was stopped.
    Skipped {
        /// The resource.
        id: &'a ResourceId,
        /// What would have been done.
        action: Action,
    },
    /// The cloud tells something else than what was set: a mistake in the provider, or somebody
    /// else at work.
    Disagrees {
        /// The resource.
        id: &'a ResourceId,
        /// One sentence each.
        differences: Vec<String>,
    },
}
