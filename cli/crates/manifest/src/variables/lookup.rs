//! The kinds of variables, and where each looks.

use mlfn_core::Diagnostic;

use super::git::Repository;
use super::{Resolver, Spot, dotenv, include};
use crate::problems::Code;
use crate::suggest;
use crate::yaml::{Content, Node, Style};

const UNKNOWN: Code = Code::new("unknown-variable", "a variable of no known kind");
const ARGUMENT: Code = Code::new("variable-argument", "a variable with a wrong argument");

/// All kinds, as they are suggested.
const KINDS: [&str; 7] = ["env", "param", "stage", "service", "self", "file", "git"];

const FORMS: &str = "there are `${env:NAME}`, `${param:name}`, `${stage}`, `${service}`, `${self:path.to.value}`, `${file:path}` and `${git:sha}`; for a literal `${` write `$${`";

/// What became of a variable.
pub(super) enum Lookup {
    Found(Node),
    /// There is no value; the variable's default holds if it has one.
    Missing {
        detail: String,
        help: String,
    },
    /// A mistake that a default does not mend.
    Wrong(Diagnostic),
    /// A mistake that has been reported already.
    Reported,
}

impl Resolver<'_> {
    pub(super) fn look_up(&mut self, kind: &str, argument: Option<&str>, spot: Spot<'_>) -> Lookup {
        match (kind, argument) {
            ("stage", None) => {
                let stage = self.inputs.options.stage.as_str();
                Lookup::Found(Node::scalar(stage, Style::Quoted, spot.place))
            }
            ("service", None) => self.service(spot),
            ("stage" | "service", Some(_)) => wrong_argument(
                spot,
                format!("`{kind}` takes no argument"),
                format!("write `${{{kind}}}`"),
            ),
            ("env" | "param" | "self" | "file" | "git", None | Some("")) => {
                let help = format!("write `${{{kind}:{}}}`", example(kind));
                wrong_argument(
                    spot,
                    format!("`{kind}` needs to know what to look for"),
                    help,
                )
            }
            ("env", Some(name)) => self.environment(name, spot),
            ("param", Some(name)) => self.parameter(name, spot),
            ("self", Some(path)) => self.own_value(path, spot),
            ("file", Some(argument)) => self.file(argument, spot),
            ("git", Some(what)) => self.git(what, spot),
            _ => unknown(kind, argument, spot),
        }
    }

    fn service(&mut self, spot: Spot<'_>) -> Lookup {
        match self.tree.get("service") {
            Some(node) => self.reference("service".to_owned(), node, spot),
            None => Lookup::Missing {
                detail: "the manifest does not name its service".to_owned(),
                help: "add `service: <name>`".to_owned(),
            },
        }
    }

    /// The process's environment, then `.env.<stage>`, then `.env`.
    fn environment(&mut self, name: &str, spot: Spot<'_>) -> Lookup {
        if let Some(value) = (self.inputs.options.environment)(name) {
            return self.outside(name, value, spot.place);
        }
        let variables = self.dotenv.get_or_insert_with(|| {
            let options = self.inputs.options;
            let (variables, problems) =
                dotenv::read(self.inputs.folder, &options.stage, self.inputs.files);
            self.inputs.problems.extend(problems);
            variables
        });
        if let Some(value) = variables.get(name).cloned() {
            return self.outside(name, value, spot.place);
        }
        let close = suggest::closest(name, variables.keys().map(String::as_str));
        let stage = &self.inputs.options.stage;
        Lookup::Missing {
            detail: format!(
                "the environment variable `{name}` is not set, and not in `.env.{stage}` or `.env`"
            ),
            help: match close {
                Some(close) => format!("did you mean `{close}`, which is in a `.env` file?"),
                None => {
                    format!("set it, add it to `.env`, or give a default: `${{env:{name}, value}}`")
                }
            },
        }
    }

    /// `--param`, then `params` of the stage, then `params`. The last two are one mapping here.
    fn parameter(&mut self, name: &str, spot: Spot<'_>) -> Lookup {
        if let Some(value) = self.inputs.options.params.get(name).cloned() {
            return self.outside(name, value, spot.place);
        }
        let tree = self.tree;
        let params = tree.get("params");
        if let Some(node) = params.and_then(|params| params.get(name)) {
            return self.reference(format!("param:{name}"), node, spot);
        }
        let written = params
            .map_or(&[][..], Node::entries)
            .iter()
            .map(|entry| &entry.key);
        let known = written.chain(self.inputs.options.params.keys());
        let close = suggest::closest(name, known.map(String::as_str));
        Lookup::Missing {
            detail: format!("there is no parameter `{name}`"),
            help: match close {
                Some(close) => format!("did you mean `${{param:{close}}}`?"),
                None => format!(
                    "add it under `params:`, pass `--param {name}=value`, or give a default"
                ),
            },
        }
    }

    /// A value of the manifest, as it holds for the stage.
    fn own_value(&mut self, path: &str, spot: Spot<'_>) -> Lookup {
        let tree = self.tree;
        match descend(tree, path) {
            Ok(node) => self.reference(format!("self:{path}"), node, spot),
            Err(NoSuchKey { key, around }) => {
                let close = suggest::closest(&key, around.entries().iter().map(|e| e.key.as_str()));
                Lookup::Missing {
                    detail: format!("the manifest has no value at `{path}`"),
                    help: match close {
                        Some(close) => format!("did you mean `{close}` instead of `{key}`?"),
                        None => "add it, or give a default".to_owned(),
                    },
                }
            }
        }
    }

    fn file(&mut self, argument: &str, spot: Spot<'_>) -> Lookup {
        let (path, keys) = match argument.split_once(':') {
            Some((path, keys)) => (path.trim(), Some(keys.trim())),
            None => (argument, None),
        };
        match include::read(self, path, keys, spot) {
            Ok(node) if include::is_tree(path) => {
                self.reference(format!("file:{argument}"), &node, spot)
            }
            Ok(text) => Lookup::Found(text),
            Err(lookup) => lookup,
        }
    }

    fn git(&mut self, what: &str, spot: Spot<'_>) -> Lookup {
        let missing = |detail: &str| Lookup::Missing {
            detail: detail.to_owned(),
            help: format!("give a default: `${{git:{what}, none}}`"),
        };
        let repository = Repository::around(self.inputs.folder);
        let (value, without) = match what {
            "sha" => (
                repository.as_ref().and_then(Repository::commit),
                "the git repository has no commit that can be read",
            ),
            "branch" => (
                repository.as_ref().and_then(Repository::branch),
                "no branch is checked out in the git repository",
            ),
            other => {
                let detail = format!("`{other}` is nothing that mlfn asks git for");
                return wrong_argument(
                    spot,
                    detail,
                    "write `${git:sha}` or `${git:branch}`".to_owned(),
                );
            }
        };
        match (value, repository) {
            (Some(value), _) => Lookup::Found(Node::scalar(value, Style::Quoted, spot.place)),
            (None, Some(_)) => missing(without),
            (None, None) => missing("the manifest is not in a git repository"),
        }
    }
}

fn example(kind: &str) -> &'static str {
    match kind {
        "env" => "NAME",
        "param" => "name",
        "self" => "path.to.value",
        "file" => "path",
        _ => "sha",
    }
}

fn wrong_argument(spot: Spot<'_>, detail: String, help: String) -> Lookup {
    Lookup::Wrong(ARGUMENT.error(spot.at, detail).help(help))
}

fn unknown(kind: &str, argument: Option<&str>, spot: Spot<'_>) -> Lookup {
    let detail = match kind {
        "" => "`${` must be followed by what to insert".to_owned(),
        kind => format!("`{kind}` is no kind of variable"),
    };
    // `${HOME}`, as a shell has it.
    let is_shell = argument.is_none() && kind.starts_with(|c: char| c.is_ascii_uppercase());
    let help = match (is_shell, suggest::closest(kind, KINDS)) {
        (true, _) => format!("environment variables are written `${{env:{kind}}}`"),
        (false, Some(close)) => match argument {
            Some(argument) => format!("did you mean `${{{close}:{argument}}}`?"),
            None => format!("did you mean `${{{close}}}`?"),
        },
        (false, None) => FORMS.to_owned(),
    };
    Lookup::Wrong(UNKNOWN.error(spot.at, detail).help(help))
}

/// A step of a path that leads nowhere.
pub(super) struct NoSuchKey<'a> {
    pub(super) key: String,
    /// The value that does not have it.
    pub(super) around: &'a Node,
}

/// `a.b.0` or `a.b[0]`, from the root of a tree.
pub(super) fn descend<'a>(root: &'a Node, path: &str) -> Result<&'a Node, NoSuchKey<'a>> {
    let steps = path.split(['.', '[', ']']).filter(|step| !step.is_empty());
    let mut here = root;
    for step in steps {
        let next = match &here.content {
            Content::Scalar(_) => None,
            Content::List(items) => step
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get(index)),
            Content::Map(_) => here.get(step),
        };
        here = next.ok_or_else(|| NoSuchKey {
            key: step.to_owned(),
            around: here,
        })?;
    }
    Ok(here)
}
