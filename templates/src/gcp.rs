//! The files by which a Python function of Google Cloud becomes the shim.

use serde::Serialize;

use crate::Template;

/// `mlfn_boot.py`: replaces the process with the shim.
pub const BOOT: Template<Boot> =
    Template::new("gcp/mlfn_boot.py", include_str!("../gcp/mlfn_boot.py.tera"));

/// Fills [`BOOT`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Boot {
    /// The shim's file, beside the launcher.
    pub program: String,
}

/// `sitecustomize.py`: runs the launcher before anything else.
pub const SITE: Template<Site> = Template::new(
    "gcp/sitecustomize.py",
    include_str!("../gcp/sitecustomize.py.tera"),
);

/// Fills [`SITE`], which has no holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Site {}

/// `main.py`: runs the launcher when the functions framework imports it.
pub const MAIN: Template<Main> = Template::new("gcp/main.py", include_str!("../gcp/main.py.tera"));

/// Fills [`MAIN`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Main {
    /// The name of the Python function that Google is told about.
    pub entry_point: String,
}

/// `requirements.txt`: nothing but a comment, so that the build looks for no packages.
pub const REQUIREMENTS: Template<Requirements> = Template::new(
    "gcp/requirements.txt",
    include_str!("../gcp/requirements.txt.tera"),
);

/// Fills [`REQUIREMENTS`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Requirements {
    /// The service.
    pub service: String,
}
