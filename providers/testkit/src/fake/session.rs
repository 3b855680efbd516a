//! The fake cloud as a provider's session sees it. Also the shortest example of a session.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use mlfn_core::{
    Address, Call, Failure, Observed, Ownership, ProviderError, Recorded, ServiceName, Session,
    StageName,
};
use serde_json::Value as Json;

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
            owner: Ownership::by_tags(tag, &self.service, &self.stage),
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
}

fn json_fields(call: &Call<'_>) -> BTreeMap<String, Json> {
    let fields = call.inputs.fields().iter();
    fields
        .map(|(name, value)| (name.clone(), value.to_json()))
        .collect()
}
