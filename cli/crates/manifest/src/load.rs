//! Folder, stage and options -> a service, or everything that is wrong.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use mlfn_core::{BucketUrl, Diagnostic, FieldPath, Function, ProviderName, Service, StageName};
use serde::Deserialize as _;
use serde_json::Value as Json;

use crate::normalise::{self, Draft, Located};
use crate::problems::{Code, Problem, Problems, Spot, TOO_MANY};
use crate::readable::readable;
use crate::schema::{self, v1};
use crate::secrets::{MASK, Secrets};
use crate::source::{Source, SourceFile};
use crate::variables::{self, Inputs};
use crate::version::{self, Verdict};
use crate::yaml::{Content, Node, Place};
use crate::{effective, read, stage, structure, validate, yaml};

/// Names of the manifest in the order in which they are looked for.
pub const FILE_NAMES: [&str; 3] = ["mlfn.yaml", "serverless.yaml", "serverless.yml"];

/// The schema that structures are checked against.
static SCHEMA: LazyLock<Json> = LazyLock::new(schema::json_schema);

const MISREAD: Code = Code::new("misread-structure", "the structure cannot be read");

/// What to load, for what, and with which values from outside.
pub struct LoadOptions<'a> {
    /// Where the manifest is, and what its paths are relative to.
    pub folder: PathBuf,
    /// The manifest itself, relative to `folder`, if it is none of [`FILE_NAMES`].
    pub file: Option<PathBuf>,
    /// The stage.
    pub stage: StageName,
    /// A cloud instead of the manifest's. The manifest's region holds for the manifest's cloud
    /// only, so another cloud has none unless `region` gives one.
    pub provider: Option<ProviderName>,
    /// A region instead of the manifest's.
    pub region: Option<String>,
    /// Values for `${param:..}`, which win over those of the manifest.
    pub params: BTreeMap<String, String>,
    /// The process's environment.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

/// A manifest that could be read; whether it could be understood, `service` says.
#[derive(Debug)]
pub struct Loaded {
    /// The service; none if and only if there is an error among the diagnostics.
    pub service: Option<Service>,
    /// What could be made sense of although there is an error, for finding what else is wrong: each
    /// value that is wrong is left out or has its default. None if there is a service.
    pub partial: Option<Service>,
    /// Whether the manifest says that the user's machine stands for the cloud: `provider: local`.
    pub local: bool,
    /// The bucket that the state lies in; none if it lies beside the manifest.
    pub state: Option<BucketUrl>,
    /// Everything that is wrong, or worth knowing.
    pub diagnostics: Vec<Diagnostic>,
    /// What the diagnostics point into.
    pub source: Source,
    /// The folder of the manifest, which model paths are relative to.
    pub folder: PathBuf,
    /// The manifest with the stage's overrides and all variables replaced, for printing; secrets
    /// are masked. Null if the file is not YAML.
    pub resolved: Json,
}

/// Why there is nothing to diagnose.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No manifest.
    #[error("there is no manifest in `{}`: looked for {looked_for}", folder.display())]
    NotFound {
        /// Where.
        folder: PathBuf,
        /// The names.
        looked_for: String,
    },
    /// A manifest, or something of that name, that the operating system does not hand out.
    #[error("the manifest `{}` cannot be read", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl LoadError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => {
                "run `mlfn init` to write one, or say where it is with `-C <folder>` or `-c <file>`"
            }
            Self::Unreadable { source, .. } => match source.kind() {
                io::ErrorKind::IsADirectory => "it is a folder; name the file in it with `-c`",
                io::ErrorKind::PermissionDenied => "give yourself the permission to read it",
                _ => "check the file and the disk that it is on",
            },
        }
    }
}

/// Reads a manifest and checks everything about it that needs no cloud and no model.
pub fn load(options: &LoadOptions<'_>) -> Result<Loaded, LoadError> {
    let path = find(options)?;
    let bytes = read::bytes(&path).map_err(|source| LoadError::Unreadable {
        path: path.clone(),
        source,
    })?;
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let (text, broken) = read::text(bytes, 0);
    let shown = path.strip_prefix(".").map(Path::to_owned).unwrap_or(path);
    let mut loader = Loader {
        options,
        folder: if folder.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            folder
        },
        source: Source {
            files: vec![SourceFile { path: shown, text }],
            ..Source::default()
        },
        problems: Problems::default(),
    };
    let understood = match broken {
        Some(problem) => {
            loader.problems.push(problem);
            None
        }
        None => loader.understand(),
    };
    Ok(loader.finish(understood))
}

fn find(options: &LoadOptions<'_>) -> Result<PathBuf, LoadError> {
    let names: Vec<PathBuf> = match &options.file {
        Some(file) => vec![file.clone()],
        None => FILE_NAMES.iter().map(PathBuf::from).collect(),
    };
    let paths = names.iter().map(|name| options.folder.join(name));
    // A broken link or a forbidden folder is something else than no file.
    let found = paths
        .into_iter()
        .find(|path| match fs_err::symlink_metadata(path) {
            Ok(_) => true,
            Err(error) => !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ),
        });
    found.ok_or_else(|| LoadError::NotFound {
        folder: options.folder.clone(),
        looked_for: names
            .iter()
            .map(|n| n.display().to_string())
            .collect::<Vec<_>>()
            .join(", "),
    })
}

struct Loader<'a> {
    options: &'a LoadOptions<'a>,
    folder: PathBuf,
    source: Source,
    problems: Problems,
}

/// What became of a manifest.
struct Understood {
    draft: Draft,
    resolved: Json,
}

impl Loader<'_> {
    /// The steps from text to service, each going on with what the one before could make sense of.
    fn understand(&mut self) -> Option<Understood> {
        let text = self.source.files.first().map_or("", |file| &file.text);
        let (written, problems) = yaml::compose(text, 0);
        let is_yaml = written.is_some() || problems.is_empty();
        self.problems.extend(problems);
        if !is_yaml {
            return None;
        }
        self.source.tree.clone_from(&written);
        if version::probe(written.as_ref(), &mut self.problems) == Verdict::Stop {
            return None;
        }
        let selected = stage::select(&written?, &self.options.stage, &mut self.problems);
        let mut tree = self.replace_variables(&selected);
        let source = &mut self.source;
        effective::mark_secrets(&mut tree, &source.files, &mut source.secrets);
        source.tree = Some(effective::expand(&tree));

        let rest = structure::check(&tree, &SCHEMA, &mut self.problems);
        let manifest = self.decode(rest);
        let draft = normalise::normalise(&manifest, self.options, &mut self.problems);
        validate::validate(&draft.functions, &mut self.problems);
        self.plain_secrets(&draft);
        Some(Understood {
            draft,
            resolved: printable(&tree, &self.source.secrets),
        })
    }

    fn replace_variables(&mut self, tree: &Node) -> Node {
        let inputs = Inputs {
            options: self.options,
            folder: &self.folder,
            files: &mut self.source.files,
            problems: &mut self.problems,
            secrets: &mut self.source.secrets,
        };
        variables::resolve(tree, inputs)
    }

    /// What is checked against the schema of the types fits to the types; if it ever does not, it
    /// is said rather than ignored.
    fn decode(&mut self, rest: Json) -> v1::Manifest {
        v1::Manifest::deserialize(rest).unwrap_or_else(|error| {
            let problem = MISREAD.error(&FieldPath::root(), error.to_string());
            self.problems
                .push(problem.help("this is a mistake in mlfn; please report it"));
            v1::Manifest::default()
        })
    }

    fn plain_secrets(&mut self, draft: &Draft) {
        let Self {
            source, problems, ..
        } = self;
        for located in &draft.functions {
            let at = located.at.key("environment");
            let is_written = |at: &FieldPath| source.is_written(at);
            validate::plain_secrets(&located.function.environment, &at, is_written, problems);
        }
    }

    fn finish(mut self, understood: Option<Understood>) -> Loaded {
        let failed = self.problems.has_errors();
        let problems = std::mem::take(&mut self.problems).into_vec();
        let problems: Vec<Problem> = problems.into_iter().map(|p| self.masked(p)).collect();
        let exact = problems.iter().filter_map(|Problem { diagnostic, spot }| {
            let place = match spot {
                Spot::Value => None,
                Spot::Key => self.source.key_place(&diagnostic.at),
                Spot::Exact(place) => Some(*place),
            };
            Some((diagnostic.clone(), place?))
        });
        self.source.exact = exact.collect();
        let mut diagnostics: Vec<Diagnostic> = problems.into_iter().map(|p| p.diagnostic).collect();
        diagnostics.sort_by_key(|diagnostic| self.source.order(diagnostic));
        let (draft, resolved) = match understood {
            Some(Understood { draft, resolved }) => (Some(draft), resolved),
            None => (None, Json::Null),
        };
        let local = draft.as_ref().is_some_and(|draft| draft.local);
        let state = draft.as_ref().and_then(|draft| draft.state.clone());
        let service = draft.and_then(|draft| service(draft, self.options));
        let (service, partial) = if failed {
            (None, service)
        } else {
            (service, None)
        };
        Loaded {
            local,
            state,
            service,
            partial,
            diagnostics,
            source: self.source,
            folder: self.folder,
            resolved,
        }
    }

    fn masked(&self, problem: Problem) -> Problem {
        let known = &self.source.secrets;
        let Problem { diagnostic, spot } = problem;
        let printable = |text: &str| readable(&known.mask(text)).into_owned();
        let diagnostic = Diagnostic {
            detail: printable(&diagnostic.detail),
            help: diagnostic.help.as_deref().map(printable),
            ..diagnostic
        };
        Problem { diagnostic, spot }
    }
}

fn service(draft: Draft, options: &LoadOptions<'_>) -> Option<Service> {
    Some(Service {
        name: draft.name?,
        stage: options.stage.clone(),
        provider: draft.provider,
        region: draft.region,
        tags: draft.tags,
        functions: draft.functions.into_iter().map(function).collect(),
    })
}

/// Whoever diagnoses triggers counts them, so that those behind one that is left out have to go,
/// too. Of a manifest without errors, none is left out.
fn function(located: Located) -> Function {
    let Located {
        mut function,
        triggers,
        ..
    } = located;
    let counted = function.triggers_at().zip(&triggers);
    let counted = counted.take_while(|((at, _), place)| at == *place).count();
    function.triggers.truncate(counted);
    function
}

/// The tree without `stages`, which have been applied, and with secrets masked.
fn printable(tree: &Node, secrets: &Secrets) -> Json {
    let entries = tree.entries().iter().filter(|entry| entry.key != "stages");
    let masked = entries.map(|entry| (entry.key.clone(), masked_json(&entry.value, secrets)));
    Json::Object(masked.collect())
}

/// A secret is masked wherever a variable has carried it.
fn masked_json(node: &Node, secrets: &Secrets) -> Json {
    if node.secret {
        return Json::String(MASK.to_owned());
    }
    match &node.content {
        Content::Scalar(scalar) => match secrets.mask(&scalar.text) {
            Cow::Borrowed(_) => scalar.to_json(),
            Cow::Owned(masked) => Json::String(masked),
        },
        Content::List(items) => items
            .iter()
            .map(|item| masked_json(item, secrets))
            .collect(),
        Content::Map(entries) => {
            let masked = entries
                .iter()
                .map(|e| (e.key.clone(), masked_json(&e.value, secrets)));
            Json::Object(masked.collect())
        }
    }
}

impl Source {
    /// Diagnostics are listed as they stand in the text, the manifest before other files, and last
    /// that there are more.
    fn order(&self, diagnostic: &Diagnostic) -> (bool, usize, usize) {
        let place = self.place(diagnostic).unwrap_or(Place {
            file: usize::MAX,
            ..Place::default()
        });
        (diagnostic.code == TOO_MANY.name, place.file, place.start)
    }
}
