//! Why a command of the engine did nothing at all, or could not start.

use mlfn_core::{Ownership, ProviderError, ResourceId};

use crate::retry::GaveUp;
use crate::state::{LockError, StoreError};

/// Why nothing was changed. What goes wrong later is in the [`Outcome`](crate::Outcome).
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The state cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// Somebody else works on it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// There is no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The cloud did not tell what there is.
    #[error("cannot read `{id}`")]
    Read {
        /// What was read.
        id: ResourceId,
        /// Why not.
        #[source]
        error: Box<GaveUp>,
    },
    /// The plan is not about what there is now.
    #[error("the plan is stale:{}", list(moved))]
    Stale {
        /// What moved since it was made, one sentence each.
        moved: Vec<String>,
    },
    /// A file is not what it was when the plan was made.
    #[error("`{path}` is not what the plan was made from: {why}")]
    File {
        /// As the plan names it.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// There is no such deployment.
    #[error("there is no deployment {}to go back to", number.map(|n| format!("{n} ")).unwrap_or_default())]
    NoDeployment {
        /// The one that was asked for.
        number: Option<u64>,
        /// The ones that there are.
        known: Vec<u64>,
    },
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Names that we want are taken by others.
    #[error("names are taken:{}", list(&foreign.iter().map(ToString::to_string).collect::<Vec<_>>()))]
    Foreign {
        /// All of them.
        foreign: Vec<Foreign>,
    },
    /// A rollback to a secret value that nobody kept.
    #[error("the earlier value of `{field}` of `{id}` is a secret, and only its digest was kept")]
    SecretNotKept {
        /// The resource.
        id: ResourceId,
        /// The field.
        field: String,
    },
    /// A mistake in a provider.
    #[error(
        "the provider contradicts itself; this is a bug of mlfn:{}",
        list(problems)
    )]
    Provider {
        /// For its author, one sentence each.
        problems: Vec<String>,
    },
}

/// A name that belongs to somebody else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{remote_name}` (wanted for `{id}`) belongs to {owner}")]
pub struct Foreign {
    /// The resource that wants it.
    pub id: ResourceId,
    /// The name.
    pub remote_name: String,
    /// Who has it.
    pub owner: Ownership,
}

/// Why the state cannot be used. Such a state is never written over.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Cut off, changed by hand, or not a state at all.
    #[error("the state `{place}` is damaged: {why}")]
    Corrupt {
        /// Of the state.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// Of another version.
    #[error("the state `{place}` has format {format}, written by mlfn {mlfn}; this one reads 1")]
    Newer {
        /// Of the state.
        place: String,
        /// Its format.
        format: u32,
        /// Who wrote it.
        mlfn: String,
    },
    /// Of another service, stage or cloud.
    #[error("the state `{place}` is of {found}, not of {wanted}")]
    Foreign {
        /// Of the state.
        place: String,
        /// Whose it is.
        found: String,
        /// Whose was wanted.
        wanted: String,
    },
    /// The place failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be put into JSON.
    #[error("the state cannot be written as JSON")]
    Unwritable(#[source] serde_json::Error),
}

impl EngineError {
    /// What to do about it, if that can be said.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::State(error) => return error.hint(),
            Self::Lock(error) => return error.hint(),
            Self::Plan(error) => return error.hint(),
            Self::Read { error, .. } => return error.error.hint(),
            Self::Stale { .. } => "Make a new plan, and read it before you apply it.".to_owned(),
            Self::File { .. } => "Package the service and plan again.".to_owned(),
            Self::NoDeployment { known, .. } if known.is_empty() => {
                "Nothing was deployed before; deploy first.".to_owned()
            }
            Self::NoDeployment { known, .. } => match known.as_slice() {
                [only] => format!("There is only deployment {only}, the one that is there now."),
                _ => format!("There are these: {}.", numbers(known)),
            },
        })
    }

    /// What the cloud said, if it was the cloud.
    pub fn provider(&self) -> Option<&ProviderError> {
        match self {
            Self::Read { error, .. } => Some(&error.error),
            _ => None,
        }
    }
}

impl PlanError {
    /// What to do about it, if that can be said.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Foreign { .. } => {
                "Rename the service or the model, or remove what has the name; \
                                     mlfn does not touch what others own."
                    .to_owned()
            }
            Self::SecretNotKept { .. } => {
                "Deploy the earlier manifest instead of rolling back.".to_owned()
            }
            Self::Provider { .. } => return None,
        })
    }
}

impl StateError {
    /// What to do about it, if that can be said.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Corrupt { place, .. } => format!(
                "Put a copy of `{place}` back. Without one, move the file away: the next deploy \
                 finds what is there by name and tags, and goes on from that."
            ),
            Self::Newer { .. } => "Use that version of mlfn, or a newer one.".to_owned(),
            Self::Foreign { .. } => {
                "If the service was renamed, remove it under its old name first, or deploy the \
                 new one from another folder: each service, stage and provider has a state of its \
                 own."
                    .to_owned()
            }
            Self::Store(error) => return error.hint(),
            Self::Unwritable(_) => return None,
        })
    }
}

fn numbers(numbers: &[u64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    numbers.join(", ")
}

/// One line each.
fn list(items: &[String]) -> String {
    items
        .iter()
        .fold(String::new(), |lines, item| lines + "\n  - " + item)
}
