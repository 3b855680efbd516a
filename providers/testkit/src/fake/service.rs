//! What a fake service is lowered to.

use std::collections::BTreeMap;

use mlfn_core::{
    Alarm, Digest, FieldSpec, FileRef, KindSpec, ReplaceOrder, Resource, ResourceId, Seconds,
    Traffic, Value,
};
use serde_json::json;

/// Every kind of the fake cloud.
pub const KINDS: &[KindSpec] = &[
    KindSpec {
        kind: "fake:role",
        fields: &[FieldSpec::mutable("policy"), FieldSpec::immutable("path")],
        replace: ReplaceOrder::DeleteThenCreate,
        volatile: &[],
    },
    KindSpec {
        kind: "fake:function",
        fields: &[
            FieldSpec::mutable("memory"),
            FieldSpec::mutable("role"),
            FieldSpec::mutable("token").sensitive(),
            FieldSpec::mutable("note").unread(),
            FieldSpec::mutable("code"),
            FieldSpec::immutable("architecture"),
        ],
        replace: ReplaceOrder::DeleteThenCreate,
        volatile: &["revision"],
    },
    KindSpec {
        kind: "fake:version",
        fields: &[FieldSpec::immutable("code")],
        replace: ReplaceOrder::CreateThenKeep { most: 2 },
        volatile: &[],
    },
    KindSpec {
        kind: "fake:alias",
        fields: &[FieldSpec::mutable("routing"), FieldSpec::mutable("version")],
        replace: ReplaceOrder::DeleteThenCreate,
        volatile: &[],
    },
    KindSpec {
        kind: "fake:api",
        fields: &[
            FieldSpec::mutable("target"),
            FieldSpec::immutable("protocol"),
        ],
        replace: ReplaceOrder::CreateThenDelete,
        volatile: &[],
    },
    KindSpec {
        kind: "fake:bucket",
        fields: &[
            FieldSpec::mutable("note").unread(),
            FieldSpec::immutable("region"),
        ],
        replace: ReplaceOrder::DeleteThenCreate,
        volatile: &[],
    },
];

/// A service as tests change it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FakeService {
    /// By name.
    pub functions: BTreeMap<String, FakeFunction>,
    /// The region and the note of a bucket.
    pub bucket: Option<(String, String)>,
}

/// A function as tests change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeFunction {
    /// Changes in place.
    pub memory: u32,
    /// Cannot be read back.
    pub token: String,
    /// Makes a new version.
    pub code: String,
    /// Makes a new function.
    pub architecture: String,
    /// Makes a new role.
    pub path: String,
    /// Makes a new API.
    pub protocol: Option<String>,
    /// Answered before the alias is switched.
    pub probe: bool,
    /// The first part of the requests that a new version gets, in percent.
    pub canary: Option<u8>,
}

impl Default for FakeFunction {
    fn default() -> Self {
        Self {
            memory: 512,
            token: "secret".to_owned(),
            code: "one".to_owned(),
            architecture: "x86_64".to_owned(),
            path: "/".to_owned(),
            protocol: None,
            probe: true,
            canary: None,
        }
    }
}

impl FakeService {
    /// With one function of the default kind.
    pub fn small() -> Self {
        Self {
            functions: [("a".to_owned(), FakeFunction::default())].into(),
            bucket: None,
        }
    }

    /// With everything that there is.
    pub fn full() -> Self {
        let http = FakeFunction {
            protocol: Some("http".to_owned()),
            ..FakeFunction::default()
        };
        Self {
            functions: [
                ("a".to_owned(), http),
                ("b".to_owned(), FakeFunction::default()),
            ]
            .into(),
            bucket: Some(("here".to_owned(), "x".to_owned())),
        }
    }

    /// The resources that the service needs.
    pub fn lower(&self) -> Vec<Resource> {
        let bucket = self.bucket.iter().map(|(region, note)| {
            Resource::new(ResourceId::new("fake:bucket", "data"), "s-dev-data")
                .with("region", region.as_str())
                .with("note", note.as_str())
        });
        let functions = self
            .functions
            .iter()
            .flat_map(|(name, function)| function.lower(name));
        bucket.chain(functions).collect()
    }

    /// Files that are called like their contents, so that lowered services can be deployed.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.functions
            .values()
            .map(|function| function.code.as_str())
    }
}

impl FakeFunction {
    fn lower(&self, name: &str) -> Vec<Resource> {
        let id = |kind: &str| ResourceId::new(kind, name);
        let remote = format!("s-dev-{name}");
        let code = file(&self.code);
        let version_name = format!("{remote}@{}", code.digest.short());
        let (role, function, version) = (id("fake:role"), id("fake:function"), id("fake:version"));
        let mut all = vec![
            Resource::new(role.clone(), remote.clone())
                .with("policy", json!({ "allow": ["logs"] }))
                .with("path", self.path.as_str()),
            Resource::new(function.clone(), remote.clone())
                .with("memory", self.memory)
                .with("role", Value::output(&role, "arn"))
                .with("token", self.token.as_str())
                .with("note", "n")
                .with("code", code.clone())
                .with("architecture", self.architecture.as_str()),
            Resource::new(version.clone(), version_name)
                .with("code", code)
                .within(function.clone()),
            Resource::new(id("fake:alias"), format!("{remote}:live"))
                .with("routing", json!(null))
                .with("version", Value::output(&version, "number"))
                .within(function.clone())
                .probed(self.probe.then(|| json!({ "features": [1] })))
                .shifted("version", self.canary.map(traffic)),
        ];
        all.extend(self.protocol.as_ref().map(|protocol| {
            let target = Value::Text(vec!["to ".into(), Value::output(&function, "arn")]);
            Resource::new(id("fake:api"), format!("{remote}-{protocol}"))
                .with("protocol", protocol.as_str())
                .with("target", target)
                .after(id("fake:alias"))
        }));
        all
    }
}

fn traffic(canary: u8) -> Traffic {
    Traffic {
        canary,
        every: Seconds::new(15),
        alarm: Alarm::Errors,
    }
}

/// A file that is called like its contents.
fn file(contents: &str) -> FileRef {
    FileRef {
        path: contents.to_owned(),
        digest: Digest::of(contents.as_bytes()),
        bytes: contents.len() as u64,
    }
}
