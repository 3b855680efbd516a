//! The bytes of a state: a version first, then a digest, so that what cannot be understood is
//! recognised before anything is done with it.

use mlfn_core::{Digest, ServiceName, StageName};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::State;
use crate::StateError;

/// The version of the format that this code reads and writes.
pub const FORMAT: u32 = 1;

/// The outer object. Every version has the first two; the others may be anything in later ones.
#[derive(Deserialize)]
struct Envelope<'a> {
    format: u32,
    mlfn: String,
    /// Of the bytes of `state`.
    digest: Option<Digest>,
    #[serde(borrow)]
    state: Option<&'a RawValue>,
}

/// Whose state is expected.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) provider: &'a str,
    pub(crate) service: &'a ServiceName,
    pub(crate) stage: &'a StageName,
}

/// The file of a state.
pub fn write(state: &State) -> Result<Vec<u8>, StateError> {
    let body = serde_json::to_string_pretty(state).map_err(StateError::Unwritable)?;
    let digest = Digest::of(body.as_bytes());
    let version = env!("CARGO_PKG_VERSION");
    let head =
        format!("{{\n\"format\": {FORMAT},\n\"mlfn\": \"{version}\",\n\"digest\": \"{digest}\",\n");
    Ok(format!("{head}\"state\": {body}\n}}\n").into_bytes())
}

/// The state of a file. `place` is named in errors.
pub fn read(bytes: &[u8], place: &str) -> Result<State, StateError> {
    let corrupt = |why: String| StateError::Corrupt {
        place: place.to_owned(),
        why,
    };
    let envelope: Envelope<'_> =
        serde_json::from_slice(bytes).map_err(|error| corrupt(error.to_string()))?;
    if envelope.format != FORMAT {
        let (place, format, mlfn) = (place.to_owned(), envelope.format, envelope.mlfn);
        return Err(StateError::Newer {
            place,
            format,
            mlfn,
        });
    }
    let body = envelope.state.map(RawValue::get).unwrap_or_default();
    if envelope.digest != Some(Digest::of(body.as_bytes())) {
        return Err(corrupt(
            "its contents do not have the digest that it names".to_owned(),
        ));
    }
    serde_json::from_str(body).map_err(|error| corrupt(error.to_string()))
}

/// Makes sure that a state is the one of this service.
pub(crate) fn check_owner(state: &State, owner: Owner<'_>, place: &str) -> Result<(), StateError> {
    let found = (state.provider.as_str(), &state.service, &state.stage);
    if found == (owner.provider, owner.service, owner.stage) {
        return Ok(());
    }
    Err(StateError::Foreign {
        place: place.to_owned(),
        found: format!(
            "{}, stage {}, on {}",
            state.service, state.stage, state.provider
        ),
        wanted: format!(
            "{}, stage {}, on {}",
            owner.service, owner.stage, owner.provider
        ),
    })
}
