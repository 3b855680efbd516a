//! Workflows for continuous integration, for `mlfn init --ci`.

use serde::Serialize;

use crate::scaffold::RenderedFile;
use crate::{RenderError, Template};

/// The services that there are workflows for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CiService {
    /// GitHub Actions.
    Github,
}

impl CiService {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Github];

    /// The name that the command line uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
        }
    }

    /// The workflow that validates and packages `service` on every change.
    pub fn render(self, service: &str) -> Result<RenderedFile, RenderError> {
        let Self::Github = self;
        let contents = GITHUB.render(&Workflow {
            service: service.to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            repository: env!("CARGO_PKG_REPOSITORY"),
        })?;
        Ok(RenderedFile {
            path: ".github/workflows/mlfn.yml",
            contents: contents.into_bytes(),
        })
    }
}

const GITHUB: Template<Workflow> =
    Template::new("ci/github.yml", include_str!("../ci/github.yml.tera"));

#[derive(Debug, Serialize)]
struct Workflow {
    service: String,
    version: &'static str,
    repository: &'static str,
}
