//! `${..}`: everything in a manifest that depends on where and for what it is read.
//!
//! `expression` is the grammar, `lookup` finds values, and this file replaces variables in the
//! tree: with a value's type where the variable stands alone, with its text within a longer text.

mod dotenv;
mod expression;
mod git;
mod include;
mod lookup;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;

use mlfn_core::{Diagnostic, FieldPath};

use self::expression::{Default, Part, Variable};
use self::lookup::Lookup;
use crate::LoadOptions;
use crate::problems::{Code, Problem, Problems};
use crate::secrets::{self, Secrets};
use crate::source::SourceFile;
use crate::yaml::{
    self, Content, Entry, MAX_BYTES, MAX_DEPTH, MAX_NODES, Node, Place, Scalar, Style,
};

const SYNTAX: Code = Code::new("variable-syntax", "a variable cannot be read");
const TOO_LARGE: Code = Code::new(
    "variables-too-large",
    "variables make the manifest too large",
);
const NOT_TEXT: Code = Code::new("variable-not-text", "a list or mapping within a text");
const CYCLE: Code = Code::new("variable-cycle", "variables that need each other");
const NOT_FOUND: Code = Code::new("variable-not-found", "a variable has no value");

/// The key below which variables stay as they are: those of other stages need not have a value.
const STAGES: &str = "stages";

/// What variables can refer to, beside the tree.
pub(crate) struct Inputs<'a> {
    pub(crate) options: &'a LoadOptions<'a>,
    pub(crate) folder: &'a Path,
    pub(crate) files: &'a mut Vec<SourceFile>,
    pub(crate) problems: &'a mut Problems,
    pub(crate) secrets: &'a mut Secrets,
}

/// The tree with every variable replaced. What cannot be replaced is reported, and marked as
/// [`Style::Unresolved`].
pub(crate) fn resolve(tree: &Node, inputs: Inputs<'_>) -> Node {
    let mut resolver = Resolver {
        tree,
        inputs,
        dotenv: None,
        included: HashMap::new(),
        chain: Vec::new(),
        depth: 0,
        nodes: 0,
        bytes: 0,
        exhausted: false,
        circles: HashSet::new(),
    };
    let root = FieldPath::root();
    let entries = tree.entries().iter().map(|entry| Entry {
        value: match entry.key.as_str() {
            STAGES => unresolved(&entry.value),
            key => resolver.node(&entry.value, &root.key(key)),
        },
        ..entry.clone()
    });
    Node::new(Content::Map(entries.collect()), tree.place)
}

/// The same, with every text that contains a variable marked.
fn unresolved(node: &Node) -> Node {
    let content = match &node.content {
        Content::Scalar(scalar) if expression::has_variables(&scalar.text) => {
            Content::Scalar(Scalar {
                text: scalar.text.clone(),
                style: Style::Unresolved,
            })
        }
        Content::Scalar(scalar) => Content::Scalar(scalar.clone()),
        Content::List(items) => Content::List(items.iter().map(unresolved).collect()),
        Content::Map(entries) => Content::Map(
            entries
                .iter()
                .map(|entry| Entry {
                    value: unresolved(&entry.value),
                    ..entry.clone()
                })
                .collect(),
        ),
    };
    Node { content, ..*node }
}

struct Resolver<'a> {
    /// The manifest with variables in it.
    tree: &'a Node,
    inputs: Inputs<'a>,
    /// Read when the first `${env:..}` asks for it.
    dotenv: Option<HashMap<String, String>>,
    /// Trees of included files, none for those that cannot be read.
    included: HashMap<String, Option<Rc<Node>>>,
    /// What is being resolved, the outermost first.
    chain: Vec<String>,
    depth: usize,
    nodes: usize,
    bytes: usize,
    /// Whether it was reported that there are too many of them.
    exhausted: bool,
    /// Circles that were reported, each as its sorted links.
    circles: HashSet<Vec<String>>,
}

/// A variable without a value; the reason has been reported.
struct Failed;

/// Where a variable stands: the path and place of its text.
#[derive(Clone, Copy)]
struct Spot<'a> {
    at: &'a FieldPath,
    place: Place,
}

impl Resolver<'_> {
    fn node(&mut self, node: &Node, at: &FieldPath) -> Node {
        self.nodes += 1;
        self.bytes += node.text().map_or(0, str::len);
        let spot = Spot {
            at,
            place: node.place,
        };
        if !self.within_budget(spot) {
            return unresolvable(node);
        }
        self.depth += 1;
        let content = match &node.content {
            Content::Scalar(scalar) if expression::has_variables(&scalar.text) => {
                let resolved = self.scalar(scalar, spot);
                self.depth -= 1;
                return resolved.unwrap_or_else(|Failed| unresolvable(node));
            }
            Content::Scalar(scalar) => Content::Scalar(scalar.clone()),
            Content::List(items) => {
                let items = items.iter().enumerate();
                Content::List(
                    items
                        .map(|(i, item)| self.node(item, &at.index(i)))
                        .collect(),
                )
            }
            Content::Map(entries) => {
                let resolved = entries.iter().map(|entry| Entry {
                    value: self.node(&entry.value, &at.key(&entry.key)),
                    ..entry.clone()
                });
                Content::Map(resolved.collect())
            }
        };
        self.depth -= 1;
        Node { content, ..*node }
    }

    /// Chains of variables can double a text at each step, and nest lists into lists.
    fn within_budget(&mut self, spot: Spot<'_>) -> bool {
        if self.depth > MAX_DEPTH {
            let problem = Problem::at(spot.place, yaml::too_deep());
            self.inputs.problems.push(problem);
            return false;
        }
        if self.nodes > MAX_NODES || self.bytes > MAX_BYTES {
            if !self.exhausted {
                self.exhausted = true;
                let detail = format!(
                    "with all variables replaced there would be more than {MAX_NODES} values or {MAX_BYTES} bytes"
                );
                let problem = TOO_LARGE
                    .error(spot.at, detail)
                    .help("the variables here multiply each other; write the values out");
                self.inputs.problems.push(Problem::at(spot.place, problem));
            }
            return false;
        }
        true
    }

    fn scalar(&mut self, scalar: &Scalar, spot: Spot<'_>) -> Result<Node, Failed> {
        let parts = match expression::parse(&scalar.text) {
            Ok(parts) => parts,
            Err(error) => {
                let problem = SYNTAX.error(spot.at, error.detail).help(error.help);
                let place = self.inner_place(spot.place, &scalar.text, error.range);
                return self.report(place, problem);
            }
        };
        if let [Part::Variable(variable)] = parts.as_slice() {
            return self.variable(variable, &scalar.text, spot);
        }
        let only_text = parts.iter().all(|part| matches!(part, Part::Text(_)));
        let style = match scalar.style {
            Style::Plain if !only_text => Style::Loose,
            _ => Style::Quoted,
        };
        let (text, secret) = self.text(&parts, &scalar.text, spot)?;
        Ok(Node {
            secret,
            ..Node::scalar(text, style, spot.place)
        })
    }

    /// Parts as one text, and whether there is a secret in it.
    fn text(
        &mut self,
        parts: &[Part],
        whole: &str,
        spot: Spot<'_>,
    ) -> Result<(String, bool), Failed> {
        let mut joined = String::new();
        let mut secret = false;
        for part in parts {
            match part {
                Part::Text(text) => joined.push_str(text),
                Part::Variable(variable) => {
                    let node = self.variable(variable, whole, spot)?;
                    let Some(text) = node.text() else {
                        let place = self.inner_place(spot.place, whole, variable.range.clone());
                        let detail = format!(
                            "the value of this variable is {}, which has no text",
                            node.kind()
                        );
                        let problem = NOT_TEXT.error(spot.at, detail);
                        let help = "use the variable alone, or one of its items: `${self:path.0}`";
                        return self.report(place, problem.help(help));
                    };
                    joined.push_str(text);
                    secret |= node.secret;
                }
            }
        }
        self.bytes += joined.len();
        if self.within_budget(spot) {
            Ok((joined, secret))
        } else {
            Err(Failed)
        }
    }

    fn variable(
        &mut self,
        variable: &Variable,
        whole: &str,
        spot: Spot<'_>,
    ) -> Result<Node, Failed> {
        let spot = Spot {
            place: self.inner_place(spot.place, whole, variable.range.clone()),
            ..spot
        };
        let argument = match &variable.argument {
            Some(parts) => Some(self.text(parts, whole, spot)?.0),
            None => None,
        };
        match (
            self.look_up(&variable.kind, argument.as_deref(), spot),
            &variable.default,
        ) {
            (Lookup::Found(node), _) => {
                self.bytes += node.bytes();
                if self.within_budget(spot) {
                    Ok(node)
                } else {
                    Err(Failed)
                }
            }
            (Lookup::Reported, _) => Err(Failed),
            (Lookup::Wrong(diagnostic), _) => self.report(spot.place, diagnostic),
            (Lookup::Missing { .. }, Some(Default::Quoted(text))) => {
                Ok(Node::scalar(text, Style::Quoted, spot.place))
            }
            (Lookup::Missing { .. }, Some(Default::Parts(parts))) => {
                self.default(parts, whole, spot)
            }
            (Lookup::Missing { detail, help }, None) => {
                self.report(spot.place, NOT_FOUND.error(spot.at, detail).help(help))
            }
        }
    }

    fn default(&mut self, parts: &[Part], whole: &str, spot: Spot<'_>) -> Result<Node, Failed> {
        if let [Part::Variable(variable)] = parts {
            return self.variable(variable, whole, spot);
        }
        let (text, secret) = self.text(parts, whole, spot)?;
        Ok(Node {
            secret,
            ..Node::scalar(text, Style::Loose, spot.place)
        })
    }

    /// A value that may contain variables itself. `name` is how it was referred to.
    fn reference(&mut self, name: String, node: &Node, spot: Spot<'_>) -> Lookup {
        if let Some(start) = self.chain.iter().position(|known| *known == name) {
            let links = self.chain.iter().skip(start).chain([&name]);
            let mut circle: Vec<String> = self.chain.iter().skip(start).cloned().collect();
            circle.sort();
            if !self.circles.insert(circle) {
                return Lookup::Reported;
            }
            let links: Vec<String> = links.map(|link| format!("`${{{link}}}`")).collect();
            let problem = CYCLE
                .error(
                    spot.at,
                    format!("{} goes round in a circle", links.join(" -> ")),
                )
                .help("give one of them a value of its own");
            return Lookup::Wrong(problem);
        }
        self.chain.push(name);
        let node = self.node(node, spot.at);
        self.chain.pop();
        if node.is_unresolved() {
            Lookup::Reported
        } else {
            Lookup::Found(node)
        }
    }

    /// A value from outside of YAML, by the name of the variable that has it.
    fn outside(&mut self, name: &str, text: String, place: Place) -> Lookup {
        let secret = secrets::is_secret_name(name);
        if secret {
            self.inputs.secrets.add_text(&text);
        }
        Lookup::Found(Node {
            secret,
            ..Node::scalar(text, Style::Loose, place)
        })
    }

    fn report<T>(&mut self, place: Place, diagnostic: Diagnostic) -> Result<T, Failed> {
        self.inputs.problems.push(Problem::at(place, diagnostic));
        Err(Failed)
    }

    /// Where a part of a scalar stands; all of it where quotes and folds get in the way.
    fn inner_place(&self, place: Place, whole: &str, range: std::ops::Range<usize>) -> Place {
        let file = self.inputs.files.get(place.file);
        let written = file.and_then(|file| file.text.get(place.start..place.end));
        let part = whole.get(range);
        match written
            .zip(part)
            .and_then(|(written, part)| Some((written.find(part)?, part)))
        {
            Some((offset, part)) => Place {
                start: place.start + offset,
                end: place.start + offset + part.len(),
                ..place
            },
            None => place,
        }
    }
}

fn unresolvable(node: &Node) -> Node {
    let text = node.text().unwrap_or_default();
    Node::scalar(text, Style::Unresolved, node.place)
}
