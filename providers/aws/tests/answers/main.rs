//! Answers as AWS documents them, of things that no imitation does: replayed, one a call.
//!
//! - `server`: who answers
//! - `refusals`: what each refusal means
//! - `canary`: requests that move to a new version
//! - `states`: functions, versions and instances that are not ready

#![expect(clippy::expect_used, reason = "a failing helper is a failing test")]

mod canary;
mod refusals;
mod server;
mod states;

use mlfn_core::{Address, Call, Inputs, KindSpec, Recorded, ResourceId, Value};
use serde_json::Value as Json;

/// What a test says about a resource.
pub(crate) struct Subject {
    id: ResourceId,
    remote_name: &'static str,
    inputs: Inputs,
}

impl Subject {
    pub(crate) fn new(kind: KindSpec, remote_name: &'static str, fields: &Json) -> Self {
        let fields = fields.as_object().expect("an object").iter();
        let fields = fields.map(|(name, value)| (name.clone(), Value::Known(value.clone())));
        Self {
            id: ResourceId::new(kind.kind, "classifier"),
            remote_name,
            inputs: Inputs::new(fields.collect()),
        }
    }

    pub(crate) fn call(&self) -> Call<'_> {
        Call {
            id: &self.id,
            remote_name: self.remote_name,
            inputs: &self.inputs,
            token: "0123456789abcdef0123456789abcdef",
            root: ".".as_ref(),
            progress: &|_, _| (),
        }
    }

    pub(crate) fn address(&self) -> Address {
        Address {
            id: self.id.clone(),
            remote_name: self.remote_name.to_owned(),
            remote_id: None,
        }
    }

    pub(crate) fn recorded(&self) -> Recorded {
        Recorded {
            id: self.id.clone(),
            remote_name: self.remote_name.to_owned(),
            remote_id: "arn".to_owned(),
            fields: [].into(),
            outputs: [].into(),
            dependencies: [].into(),
            within: None,
        }
    }
}
