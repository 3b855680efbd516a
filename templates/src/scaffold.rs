//! The projects that `mlfn init` writes: complete, so that they validate and run at once.
//!
//! The manifest of each opens with a comment that tells editors where its JSON schema is. That is
//! [`SCHEMA_FILE`], a file of the project itself: it works offline, in every clone, for every
//! version of mlfn, which neither a URL nor a file below the ignored `.mlfn/` does.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::{RenderError, Template};

/// The JSON schema of the manifest, in each project.
pub const SCHEMA_FILE: &str = "mlfn.schema.json";

/// The scaffold that `mlfn init` takes if nobody names one.
pub const DEFAULT: &str = "classifier";

/// The scaffold that `mlfn init --model FILE` takes.
pub const OWN_MODEL: &str = "bring-your-own";

/// All scaffolds, [`DEFAULT`] first.
pub fn scaffolds() -> &'static [Scaffold] {
    &SCAFFOLDS
}

/// A project to begin with.
#[derive(Debug)]
pub struct Scaffold {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in one line.
    pub description: &'static str,
    manifest: Template<Project>,
    readme: Template<Project>,
    /// The model that comes with it.
    model: Option<ScaffoldModel>,
}

/// A model that comes with a scaffold.
#[derive(Debug)]
struct ScaffoldModel {
    bytes: &'static [u8],
    /// A request that it can answer.
    example: fn() -> Json,
}

/// What a project is made for.
#[derive(Debug, Clone)]
pub struct ScaffoldContext {
    /// The name of the service, known to be a good one.
    pub service: String,
    /// The name of the cloud, as the manifest writes it.
    pub provider: String,
    /// The JSON schema of the manifest.
    pub schema: String,
    /// The user's own model, for the scaffold [`OWN_MODEL`]. The others have their own.
    pub model: Option<OwnModel>,
}

/// A model that the caller copies into the project.
#[derive(Debug, Clone)]
pub struct OwnModel {
    /// Its name in the project's folder.
    pub file: String,
    /// A request that it can answer.
    pub example: Json,
}

/// A file of a new project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedFile {
    /// Where it goes, relative to the project, with `/`.
    pub path: &'static str,
    /// What is in it.
    pub contents: Vec<u8>,
}

impl RenderedFile {
    fn text(path: &'static str, contents: String) -> Self {
        Self {
            path,
            contents: contents.into_bytes(),
        }
    }
}

impl Scaffold {
    /// Whether it serves a model of the user's instead of one of its own.
    pub fn needs_model(&self) -> bool {
        self.model.is_none()
    }

    /// All files of the project, the user's own model not included.
    pub fn render(&self, context: &ScaffoldContext) -> Result<Vec<RenderedFile>, RenderError> {
        let (file, example) = self.model_of(context)?;
        let project = Project {
            service: context.service.clone(),
            provider: context.provider.clone(),
            schema_file: SCHEMA_FILE,
            model: file,
            example,
        };
        let mut files = vec![
            RenderedFile::text("serverless.yaml", self.manifest.render(&project)?),
            RenderedFile::text("README.md", self.readme.render(&project)?),
            RenderedFile::text("request.json", REQUEST.render(&project)?),
            RenderedFile::text(".gitignore", GITIGNORE.render(&project)?),
            RenderedFile::text(SCHEMA_FILE, context.schema.clone()),
        ];
        files.extend(self.model.as_ref().map(|model| RenderedFile {
            path: MODEL_FILE,
            contents: model.bytes.to_vec(),
        }));
        Ok(files)
    }

    /// The name of the model's file and a request for it.
    fn model_of(&self, context: &ScaffoldContext) -> Result<(String, Json), RenderError> {
        if let Some(model) = &self.model {
            return Ok((MODEL_FILE.to_owned(), (model.example)()));
        }
        let own = context.model.as_ref();
        let own = own.ok_or(RenderError::ModelMissing { name: self.name })?;
        Ok((own.file.clone(), own.example.clone()))
    }
}

/// The name of a scaffold's own model.
const MODEL_FILE: &str = "model.onnx";

/// Fills the files of all scaffolds.
#[derive(Debug, Serialize)]
struct Project {
    service: String,
    provider: String,
    schema_file: &'static str,
    model: String,
    example: Json,
}

const REQUEST: Template<Project> = Template::new(
    "scaffold/request.json",
    include_str!("../scaffold/request.json.tera"),
);

const GITIGNORE: Template<Project> = Template::new(
    "scaffold/gitignore",
    include_str!("../scaffold/gitignore.tera"),
);

/// The models are those of `examples/iris` and `examples/diabetes`.
static SCAFFOLDS: [Scaffold; 3] = [
    Scaffold {
        name: DEFAULT,
        description: "labels and probabilities from a logistic regression (irises)",
        manifest: Template::new(
            "scaffold/classifier/serverless.yaml",
            include_str!("../scaffold/classifier/serverless.yaml.tera"),
        ),
        readme: Template::new(
            "scaffold/classifier/README.md",
            include_str!("../scaffold/classifier/README.md.tera"),
        ),
        model: Some(ScaffoldModel {
            bytes: include_bytes!("../scaffold/classifier/model.onnx"),
            example: || json!({"features": [5.1, 3.5, 1.4, 0.2]}),
        }),
    },
    Scaffold {
        name: "regression",
        description: "a number from a linear regression (diabetes)",
        manifest: Template::new(
            "scaffold/regression/serverless.yaml",
            include_str!("../scaffold/regression/serverless.yaml.tera"),
        ),
        readme: Template::new(
            "scaffold/regression/README.md",
            include_str!("../scaffold/regression/README.md.tera"),
        ),
        model: Some(ScaffoldModel {
            bytes: include_bytes!("../scaffold/regression/model.onnx"),
            example: || json!({"features": [59, 2, 32.1, 101, 157, 93.2, 38, 4, 4.8598, 87]}),
        }),
    },
    Scaffold {
        name: OWN_MODEL,
        description: "your own ONNX model, given with --model FILE",
        manifest: Template::new(
            "scaffold/bring-your-own/serverless.yaml",
            include_str!("../scaffold/bring-your-own/serverless.yaml.tera"),
        ),
        readme: Template::new(
            "scaffold/bring-your-own/README.md",
            include_str!("../scaffold/bring-your-own/README.md.tera"),
        ),
        model: None,
    },
];
