//! Errors of the command line itself, and which exit status belongs to which error of the others.

use std::error::Error;
use std::fmt::Display;

use mlfn_core::{Failure, ProviderError};
use mlfn_engine::plan_file::PlanFileError;
use mlfn_engine::state::{LockError, StoreError};
use mlfn_engine::{EngineError, StateError};
use mlfn_manifest::LoadError;
use mlfn_model::ModelError;
use mlfn_onnxruntime::FetchError;
use mlfn_package::PackageError;

use crate::status::ExitStatus;

/// What the user asked for cannot be done.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CommandError {
    status: ExitStatus,
    message: String,
    hint: Option<String>,
}

impl CommandError {
    /// The command line or the environment says something that makes no sense.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self::new(ExitStatus::Usage, message)
    }

    /// It makes sense and does not work.
    pub(crate) fn failure(message: impl Display) -> Self {
        Self::new(ExitStatus::Failure, message)
    }

    /// Adds what to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    fn new(status: ExitStatus, message: impl Display) -> Self {
        Self {
            status,
            message: message.to_string(),
            hint: None,
        }
    }
}

/// How the program ends after this error.
pub(crate) fn status(error: &anyhow::Error) -> ExitStatus {
    let known = |cause: &(dyn Error + 'static)| {
        let own = cause.downcast_ref().map(|own: &CommandError| own.status);
        own.or_else(|| cause.downcast_ref().and_then(of_engine))
            .or_else(|| cause.downcast_ref().and_then(of_lock))
            .or_else(|| cause.downcast_ref().and_then(of_store))
            .or_else(|| cause.downcast_ref().and_then(of_provider))
    };
    error.chain().find_map(known).unwrap_or(ExitStatus::Failure)
}

fn of_engine(error: &EngineError) -> Option<ExitStatus> {
    match error {
        EngineError::Lock(error) => of_lock(error),
        EngineError::State(StateError::Store(error)) => of_store(error),
        error => error.provider().and_then(of_provider),
    }
}

fn of_lock(error: &LockError) -> Option<ExitStatus> {
    match error {
        LockError::Held { .. } => Some(ExitStatus::Locked),
        LockError::Store(error) => of_store(error),
        LockError::Lost { .. } | LockError::Corrupt { .. } => None,
    }
}

/// Of a bucket that refuses.
fn of_store(error: &StoreError) -> Option<ExitStatus> {
    matches!(error, StoreError::Denied { .. }).then_some(ExitStatus::Unauthorized)
}

/// Of what a cloud refused.
pub(crate) fn of_provider(error: &ProviderError) -> Option<ExitStatus> {
    let is_about_rights = matches!(
        error.failure,
        Failure::PermissionDenied { .. } | Failure::Unauthenticated { .. }
    );
    is_about_rights.then_some(ExitStatus::Unauthorized)
}

/// What to do about it, as far as the messages do not say it already.
pub(crate) fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        let own = cause
            .downcast_ref()
            .and_then(|error: &CommandError| error.hint.clone());
        own.or_else(|| cause.downcast_ref().and_then(PackageError::help))
            .or_else(|| cause.downcast_ref().and_then(EngineError::hint))
            .or_else(|| cause.downcast_ref().and_then(StateError::hint))
            .or_else(|| cause.downcast_ref().and_then(ProviderError::hint))
            .or_else(|| cause.downcast_ref().and_then(LockError::hint))
            .or_else(|| cause.downcast_ref().and_then(StoreError::hint))
            .or_else(|| {
                let hint = cause.downcast_ref().map(PlanFileError::hint);
                hint.map(str::to_owned)
            })
            .or_else(|| cause.downcast_ref().map(FetchError::hint))
            .or_else(|| cause.downcast_ref().map(ModelError::hint))
            .or_else(|| {
                cause
                    .downcast_ref()
                    .map(|error: &LoadError| error.hint().to_owned())
            })
    })
}

/// The cloud's name for the call that failed, which its support asks for.
pub(crate) fn request_id(error: &anyhow::Error) -> Option<&str> {
    error.chain().find_map(|cause| {
        let provider = cause.downcast_ref::<ProviderError>();
        provider.and_then(|error| error.request_id.as_deref())
    })
}

/// `did you mean` for the nearest of `known`, if one is near.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn an_error_keeps_its_status_under_context() {
        let usage = Err::<(), _>(CommandError::usage("no").hint("say yes"));
        let error = usage.context("cannot start").expect_err("is an error");
        assert_eq!(status(&error), ExitStatus::Usage);
        assert_eq!(hint(&error).as_deref(), Some("say yes"));
    }

    #[test]
    fn an_error_of_somebody_else_is_a_failure() {
        assert_eq!(status(&anyhow::anyhow!("no")), ExitStatus::Failure);
    }

    #[test]
    fn only_near_words_are_suggested() {
        let known = ["classifier", "regressor"];
        assert_eq!(nearest("clasifier", known), Some("classifier"));
        assert_eq!(nearest("zebra", known), None);
    }
}
