//! What the calls for batches have in common.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::error::ApiError;

/// Entries of a batch (`SendMessageBatch`).
const MAX_ENTRIES: usize = 10;

/// Several requests for one queue.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Batch<T> {
    pub(super) queue_url: String,
    pub(super) entries: Vec<Entry<T>>,
}

/// One of them.
#[derive(Debug, Deserialize)]
pub(super) struct Entry<T> {
    #[serde(rename = "Id")]
    pub(super) id: String,
    #[serde(flatten)]
    pub(super) request: T,
}

/// That it has entries, not too many, each with a name of its own.
pub(super) fn check_batch<T>(batch: &Batch<T>) -> Result<(), ApiError> {
    let ids: BTreeSet<&str> = batch
        .entries
        .iter()
        .map(|entry| entry.id.as_str())
        .collect();
    let (kind, old_kind, message) = match batch.entries.len() {
        0 => (
            "EmptyBatchRequest",
            "AWS.SimpleQueueService.EmptyBatchRequest",
            "The batch request doesn't contain any entries.",
        ),
        entries if entries > MAX_ENTRIES => (
            "TooManyEntriesInBatchRequest",
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            "Maximum number of entries per request are 10.",
        ),
        entries if entries > ids.len() => (
            "BatchEntryIdsNotDistinct",
            "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
            "Two or more batch entries have the same Id.",
        ),
        _ => return Ok(()),
    };
    Err(ApiError::new(kind, old_kind, message))
}

/// What became of the entries.
pub(super) fn answer(successful: &[Json], failed: &[Json]) -> Json {
    json!({ "Successful": successful, "Failed": failed })
}

/// The same for entries of which those that are done have nothing to tell.
pub(super) fn answer_of(entries: Vec<(String, Result<(), ApiError>)>) -> Json {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, done) in entries {
        match done {
            Ok(()) => successful.push(json!({ "Id": id })),
            Err(error) => failed.push(error.entry(&id)),
        }
    }
    answer(&successful, &failed)
}
