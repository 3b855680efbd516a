//! The fake cloud as a provider's session sees it. Also the shortest example of a session.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use mlfn_core::{
    Address, Call, Failure, Observed, Ownership, ProviderError, Recorded, ServiceName, Session,
    StageName, Watch,
};
use serde_json::{Value as Json, json};

use super::cloud::{FakeCloud, Thing};

/// For one service and stage.
#[derive(Debug, Clone)]
pub struct FakeSession {
    cloud: Arc<FakeCloud>,
    service: ServiceName,
    stage: StageName,
}

impl FakeSession {
    /// With all rights.
    pub fn new(cloud: Arc<FakeCloud>, service: ServiceName, stage: StageName) -> Self {
        Self {
            cloud,
            service,
            stage,
        }
    }

    fn tags(&self) -> (String, String) {
        (self.service.to_string(), self.stage.to_string())
    }

    fn observe(&self, id: &str, thing: &Thing) -> Observed {
        let tag = |key: &str| {
            let (service, stage) = thing.tags.clone()?;
            Some(if key == "mlfn:service" {
                service
            } else {
                stage
            })
        };
        let mut fields = thing.fields.clone();
        // A cloud never tells a secret, and tells notes in a form of its own.
        fields.remove("token");
        fields
            .entry("note".to_owned())
            .and_modify(|note| *note = format!("<{note}>").into());
        Observed {
            remote_id: id.to_owned(),
            fields,
            outputs: thing.outputs.clone(),
            owner: if thing.is_lent() {
                Ownership::Borrowed
            } else {
                Ownership::by_tags(tag, &self.service, &self.stage)
            },
            pending: (thing.ready_after > 0).then(|| "starting".to_owned()),
        }
    }
}

#[async_trait]
impl Session for FakeSession {
    fn provider(&self) -> &'static str {
        "fake"
    }

    async fn read(&self, address: &Address) -> Result<Option<Observed>, ProviderError> {
        let mut contents = self.cloud.lock();
        let found = contents.find(address.id.kind(), &address.remote_name);
        let Some(id) = found.map(|(id, _)| id.clone()) else {
            return Ok(None);
        };
        let Some(thing) = contents.things.get_mut(&id) else {
            return Ok(None);
        };
        let observed = self.observe(&id, thing);
        thing.ready_after = thing.ready_after.saturating_sub(1);
        Ok(Some(observed))
    }

    async fn create(&self, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let (kind, name) = (call.id.kind(), call.remote_name);
        (call.progress)(1, 1);
        self.cloud.change(|contents| {
            contents.check_parent(kind, name)?;
            // The names of APIs are not unique.
            if let Some((id, thing)) = contents.find(kind, name).filter(|_| kind != "fake:api") {
                let (what, owner) = (name.to_owned(), self.observe(id, thing).owner);
                return Err(Failure::AlreadyExists { what, owner }.into());
            }
            let id = contents.add(Thing {
                kind: kind.to_owned(),
                name: name.to_owned(),
                fields: json_fields(call),
                tags: Some(self.tags()),
                outputs: BTreeMap::new(),
                ready_after: u32::from(kind == "fake:function"),
            });
            Ok(self.observe(&id, &contents.things[&id]))
        })
    }

    async fn update(
        &self,
        call: &Call<'_>,
        prior: &Recorded,
        changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        self.cloud.change(|contents| {
            let thing = contents.things.get_mut(&prior.remote_id);
            let thing = thing.ok_or_else(|| Failure::NotFound {
                what: prior.remote_name.clone(),
            })?;
            thing.tags = Some(self.tags());
            for field in changed {
                thing.fields.insert(field.clone(), call.inputs.json(field));
            }
            if thing.kind == "fake:alias" {
                thing.fields.insert("routing".to_owned(), Json::Null);
            }
            if let Some(revision) = thing.outputs.get_mut("revision") {
                *revision = Json::from(revision.as_u64().unwrap_or_default() + 1);
            }
            Ok(self.observe(&prior.remote_id, &contents.things[&prior.remote_id]))
        })
    }

    async fn delete(&self, prior: &Recorded) -> Result<(), ProviderError> {
        self.cloud.change(|contents| {
            contents.check_unused(&prior.remote_id)?;
            if !contents.things.contains_key(&prior.remote_id) {
                return Err(Failure::NotFound {
                    what: prior.remote_name.clone(),
                }
                .into());
            }
            contents.remove(&prior.remote_id);
            Ok(())
        })
    }

    async fn probe(&self, call: &Call<'_>, _request: &Json) -> Result<(), ProviderError> {
        let contents = self.cloud.lock();
        let number = call.inputs.json("version");
        let mut versions = contents.things.values();
        let version = versions.find(|thing| thing.outputs.get("number") == Some(&number));
        let broken = mlfn_core::file_mark(&mlfn_core::Digest::of(b"broken"));
        match version.and_then(|version| version.fields.get("code")) {
            Some(code) if *code == broken => Err(Failure::Unhealthy {
                why: "it answered 500".to_owned(),
            }
            .into()),
            Some(_) => Ok(()),
            None => Err(Failure::Rejected {
                why: format!("there is no version {number}"),
            }
            .into()),
        }
    }

    async fn shift(
        &self,
        call: &Call<'_>,
        prior: &Recorded,
        percent: u8,
    ) -> Result<Observed, ProviderError> {
        let old = prior.fields.get("version").cloned().unwrap_or_default();
        let routing = match percent {
            0 => Json::Null,
            _ => json!({ version(call): percent }),
        };
        self.cloud.change(|contents| {
            let thing = contents.things.get_mut(&prior.remote_id);
            let thing = thing.ok_or_else(|| Failure::NotFound {
                what: prior.remote_name.clone(),
            })?;
            thing.fields.insert("version".to_owned(), old);
            thing.fields.insert("routing".to_owned(), routing);
            Ok(self.observe(&prior.remote_id, &contents.things[&prior.remote_id]))
        })
    }

    /// Code that is called `flaky` fails as soon as it gets half of the requests.
    async fn watch(
        &self,
        call: &Call<'_>,
        _watch: &Watch<'_>,
    ) -> Result<Option<String>, ProviderError> {
        let flaky = mlfn_core::file_mark(&mlfn_core::Digest::of(b"flaky"));
        let (contents, new) = (self.cloud.lock(), version(call));
        let alias = contents.find(call.id.kind(), call.remote_name);
        let part = alias.and_then(|(_, alias)| alias.fields.get("routing")?.get(&new)?.as_u64());
        let mut versions = contents.things.values();
        let number = Some(call.inputs.json("version"));
        let code = versions.find(|thing| thing.outputs.get("number") == number.as_ref());
        let is_flaky = code.is_some_and(|version| version.fields.get("code") == Some(&flaky));
        let fails = is_flaky && part.is_some_and(|part| part >= 20);
        Ok(fails.then(|| format!("version {new} failed on 3 requests")))
    }
}

/// The version that a call points an alias to, as a key of `routing`.
fn version(call: &Call<'_>) -> String {
    call.inputs.json("version").to_string()
}

fn json_fields(call: &Call<'_>) -> BTreeMap<String, Json> {
    let fields = call.inputs.fields().iter();
    fields
        .map(|(name, value)| (name.clone(), value.to_json()))
        .collect()
}
