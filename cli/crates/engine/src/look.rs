//! Asks the cloud what there is, before anything is decided. Changes nothing.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use mlfn_core::{Address, Observed, Resource, ResourceId, Session};

use crate::EngineError;
use crate::retry::Retry;
use crate::state::State;

/// What the cloud says, by kind and remote name. A name that is missing here was not asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen(BTreeMap<(String, String), Option<Observed>>);

impl Seen {
    /// Notes an answer.
    pub fn insert(&mut self, kind: &str, remote_name: &str, observed: Option<Observed>) {
        self.0
            .insert((kind.to_owned(), remote_name.to_owned()), observed);
    }

    /// What there is under a name, whoever owns it.
    pub fn get(&self, id: &ResourceId, remote_name: &str) -> Option<&Observed> {
        self.0
            .get(&(id.kind().to_owned(), remote_name.to_owned()))?
            .as_ref()
    }

    /// What there is under a name, if it is ours to use.
    pub(crate) fn ours(&self, id: &ResourceId, remote_name: &str) -> Option<&Observed> {
        self.get(id, remote_name)
            .filter(|observed| observed.owner.is_usable())
    }
}

/// Reads everything that is wanted, recorded or in the journal, `parallel` at once.
pub(crate) async fn look(
    session: &dyn Session,
    retry: &Retry<'_>,
    parallel: usize,
    addresses: Vec<Address>,
) -> Result<Seen, EngineError> {
    let answers = stream::iter(addresses).map(|address| async move {
        let observed = retry.run(async |_| session.read(&address).await).await;
        match observed {
            Ok(observed) => Ok((address, observed)),
            Err(error) => Err(EngineError::Read {
                id: address.id,
                error: Box::new(error),
            }),
        }
    });
    let answers: Vec<_> = answers.buffer_unordered(parallel).try_collect().await?;
    let mut seen = Seen::default();
    for (address, observed) in answers {
        seen.insert(address.id.kind(), &address.remote_name, observed);
    }
    Ok(seen)
}

/// What to ask for, each name once.
pub(crate) fn addresses(named: &[&Resource], state: Option<&State>) -> Vec<Address> {
    let mut all = BTreeMap::new();
    let mut add = |id: &ResourceId, name: &str, remote_id: Option<&String>| {
        let key = (id.kind().to_owned(), name.to_owned());
        let address = all.entry(key).or_insert_with(|| Address {
            id: id.clone(),
            remote_name: name.to_owned(),
            remote_id: None,
        });
        address.remote_id = address.remote_id.take().or_else(|| remote_id.cloned());
    };
    for resource in named {
        add(&resource.id, &resource.remote_name, None);
    }
    if let Some(state) = state {
        for recorded in state.resources.values().chain(&state.superseded) {
            add(
                &recorded.id,
                &recorded.remote_name,
                Some(&recorded.remote_id),
            );
        }
        for intent in &state.pending {
            add(&intent.id, &intent.remote_name, None);
        }
    }
    all.into_values().collect()
}
