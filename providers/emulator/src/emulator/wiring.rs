//! What a local cloud consists of, as far as requests are concerned: what every imitated cloud's
//! resources come down to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use mlfn_core::{Digest, Memory, ProviderName};
use mlfn_shim_contract::Route;
use serde_json::Value as Json;

/// Everything that takes requests.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wiring {
    /// The imitated cloud.
    pub(crate) platform: ProviderName,
    /// The region that functions believe to run in.
    pub(crate) region: Option<String>,
    /// By their names in the cloud.
    pub(crate) functions: BTreeMap<String, FunctionWiring>,
    /// Addresses of single functions.
    pub(crate) urls: Vec<Url>,
    /// Tables of routes to functions.
    pub(crate) apis: Vec<Api>,
}

impl Wiring {
    /// Of a cloud with nothing in it.
    pub(crate) fn empty(platform: ProviderName) -> Self {
        Self {
            platform,
            region: None,
            functions: BTreeMap::new(),
            urls: Vec::new(),
            apis: Vec::new(),
        }
    }
}

/// A function and its revisions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FunctionWiring {
    /// By number, and `$LATEST`.
    pub(crate) revisions: BTreeMap<String, Revision>,
    /// Pointers to revisions.
    pub(crate) aliases: BTreeMap<String, Alias>,
    /// What becomes of asynchronous requests, by alias.
    pub(crate) asynchronous: BTreeMap<String, Asynchronous>,
    /// Requests at a time that are set aside for it, and the most that it gets.
    pub(crate) reserved: Option<u32>,
    /// How many instances of a revision are kept warm.
    pub(crate) warm: BTreeMap<String, u32>,
    /// Those that people see.
    pub(crate) tags: BTreeMap<String, String>,
}

/// A pointer to a revision, which may give a part of its requests to others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Alias {
    /// The revision that gets what no other gets.
    pub(crate) version: String,
    /// The parts of the others, from 0 to 1.
    pub(crate) weights: BTreeMap<String, f64>,
}

impl Alias {
    /// The revision of a request that has drawn `number`, which is from 0 to 1.
    pub(crate) fn choose(&self, mut number: f64) -> &str {
        for (version, weight) in &self.weights {
            if number < *weight {
                return version;
            }
            number -= weight;
        }
        &self.version
    }
}

/// What becomes of asynchronous requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asynchronous {
    /// How often a function gets a request that it fails on.
    pub(crate) tries: u32,
    /// How old a request may become.
    pub(crate) max_age: Duration,
    /// The ARN of the queue or topic that is told of what was done.
    pub(crate) on_success: Option<String>,
    /// The ARN of the queue or topic that is told of what was given up.
    pub(crate) on_failure: Option<String>,
}

/// As Lambda has it if nobody says (`PutFunctionEventInvokeConfig`).
impl Default for Asynchronous {
    fn default() -> Self {
        Self {
            tries: 3,
            max_age: Duration::from_hours(6),
            on_success: None,
            on_failure: None,
        }
    }
}

/// What was deployed at one time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Revision {
    /// What the cloud calls it, if that is not the key that it has here.
    pub(crate) label: Option<String>,
    /// Of the package.
    pub(crate) digest: Digest,
    /// Bytes of the package.
    pub(crate) bytes: u64,
    /// Where it is unpacked.
    pub(crate) root: PathBuf,
    /// Where the files of its layers are, if it has any.
    pub(crate) layers: Option<PathBuf>,
    pub(crate) memory: Memory,
    pub(crate) timeout: Duration,
    /// Size of `/tmp`.
    pub(crate) scratch: Memory,
    pub(crate) environment: BTreeMap<String, Variable>,
    /// Requests that one instance gets at a time.
    pub(crate) seats: u32,
    /// The most instances; none means what the machine is good for.
    pub(crate) instances: Option<u32>,
    /// Paths that it answers.
    pub(crate) routes: Vec<Route>,
    /// What else the cloud says about it, in the cloud's own words.
    pub(crate) facts: BTreeMap<String, Json>,
    /// Milliseconds since 1970.
    pub(crate) modified: u64,
}

/// The value of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Variable {
    Plain(String),
    /// Of a secret with this name.
    Secret(String),
}

/// The address of a function.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Url {
    pub(crate) function: String,
    /// Which alias or revision it leads to; none means the newest.
    pub(crate) qualifier: Option<String>,
    pub(crate) cors: Option<Cors>,
}

/// A table of routes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Api {
    pub(crate) id: String,
    pub(crate) routes: Vec<ApiRoute>,
    pub(crate) cors: Option<Cors>,
}

/// A route to a function.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiRoute {
    /// `POST /predict`, with `{name}` and `{name+}` for what varies, or `$default`.
    pub(crate) key: String,
    pub(crate) function: String,
    pub(crate) qualifier: Option<String>,
    /// How long the table waits for the function.
    pub(crate) timeout: Duration,
    /// Whose tokens are asked for.
    pub(crate) tokens: Option<Tokens>,
}

/// Which tokens are good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) issuer: String,
    pub(crate) audience: Vec<String>,
}

/// What browsers may do.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Cors {
    pub(crate) allow_origins: Vec<String>,
    pub(crate) allow_methods: Vec<String>,
    pub(crate) allow_headers: Vec<String>,
    pub(crate) max_age: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_gives_each_revision_its_part() {
        let weights = [("2".to_owned(), 0.25), ("3".to_owned(), 0.5)];
        let alias = Alias {
            version: "1".to_owned(),
            weights: weights.into(),
        };
        for (number, expected) in [
            (0.0, "2"),
            (0.24, "2"),
            (0.25, "3"),
            (0.74, "3"),
            (0.75, "1"),
        ] {
            assert_eq!(alias.choose(number), expected, "{number}");
        }
        let plain = Alias {
            weights: BTreeMap::new(),
            ..alias
        };
        assert_eq!(plain.choose(0.0), "1");
    }
}
