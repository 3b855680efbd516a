//! What an instance is started from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mlfn_core::{Memory, ProviderName};

use crate::logs::Witness;

/// What all instances of a revision have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blueprint {
    /// The platform whose protocol is spoken.
    pub platform: ProviderName,
    /// The folder of the unpacked package.
    pub root: PathBuf,
    /// The function's name on the cloud.
    pub name: String,
    /// Which revision of it: `$LATEST` or a number on Lambda, the revision's name on Cloud Run.
    pub version: String,
    /// The region that the function believes to run in; none means a usual one.
    pub region: Option<String>,
    /// The most memory of one instance.
    pub memory: Memory,
    /// The longest that one request may take.
    pub timeout: Duration,
    /// The environment variables that the user wants. Those of the platform win.
    pub environment: BTreeMap<String, String>,
}

/// What an instance has for itself.
#[derive(Debug, Clone)]
pub(crate) struct Nest {
    /// Its folder for temporary files; none means the machine's.
    pub(crate) temp: Option<PathBuf>,
    /// Whether it was started ahead of any request.
    pub(crate) is_provisioned: bool,
    /// The name of its log stream.
    pub(crate) stream: String,
    /// Where the lines of its log go.
    pub(crate) witness: Arc<dyn Witness>,
}

impl Nest {
    /// `own` beside the variables of the platform and of the user, and the folder for temporary
    /// files under the name by which every library looks for it.
    pub(crate) fn environment(
        &self,
        blueprint: &Blueprint,
        own: &[(&str, &str)],
    ) -> BTreeMap<String, String> {
        let mut environment = blueprint.environment.clone();
        let own = own.iter();
        environment.extend(own.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        if let Some(temp) = &self.temp {
            let temp = temp.to_string_lossy().into_owned();
            environment.insert("TMPDIR".to_owned(), temp);
        }
        environment
    }
}
