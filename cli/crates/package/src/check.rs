//! Whether what the manifest says of a model is true of the model.

use mlfn_core::{Diagnostic, FieldPath, Function, InputSpec};
use mlfn_model::{Dimension, ElementType, ForeignDomain, Kind, Model, Value};

/// The name that the manifest may use for the only input of a model.
const ALIAS: &str = "features";

/// Everything in `function` that `model` contradicts.
pub(crate) fn check(function: &Function, model: &Model) -> Vec<Diagnostic> {
    let at = function.at();
    let mut problems: Vec<_> = function
        .inputs
        .iter()
        .flat_map(|(name, spec)| check_input(name, spec, model, &at.key("input").key(name)))
        .collect();
    problems.extend(check_twice(function, model, &at.key("input")));
    problems.extend(check_labels(
        &function.output.labels,
        model,
        &at.key("output").key("labels"),
    ));
    problems.extend(check_batching(function, model, &at.key("batching")));
    problems.extend(
        model
            .foreign_domains
            .iter()
            .map(|domain| check_domain(domain, model, &at.key("path"))),
    );
    problems
}

fn check_domain(domain: &ForeignDomain, model: &Model, at: &FieldPath) -> Diagnostic {
    let detail = format!(
        "`{}` uses {} of `{}`, which ONNX Runtime does not have.",
        model.path.display(),
        domain.operators.join(", "),
        domain.domain
    );
    Diagnostic::error(
        "unknown-operators",
        "the model has operators that do not load",
        at.clone(),
        detail,
    )
    .help("export the model with standard ONNX operators only")
}

/// The tensor that `name` under `input:` stands for; none if the model has no such input.
pub(crate) fn tensor_name<'a>(name: &str, inputs: &'a [Value]) -> Option<&'a str> {
    let exact = inputs.iter().find(|input| input.name == name);
    let alias = || {
        inputs
            .first()
            .filter(|_| name == ALIAS && inputs.len() == 1)
    };
    exact.or_else(alias).map(|input| input.name.as_str())
}

fn check_input(name: &str, spec: &InputSpec, model: &Model, at: &FieldPath) -> Vec<Diagnostic> {
    let Some(tensor) = tensor_name(name, &model.inputs) else {
        return vec![unknown_input(name, model, at)];
    };
    let Some(input) = model.inputs.iter().find(|input| input.name == tensor) else {
        return Vec::new();
    };
    check_names(name, &spec.names, &input.kind, &at.key("names"))
        .into_iter()
        .collect()
}

fn unknown_input(name: &str, model: &Model, at: &FieldPath) -> Diagnostic {
    let known: Vec<_> = model
        .inputs
        .iter()
        .map(|input| input.name.as_str())
        .collect();
    let list = known
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let detail = format!(
        "`{}` has no input called `{name}`; it has {list}.",
        model.path.display()
    );
    let help = match (nearest(name, &known), known.len()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, 1) => format!("write `{ALIAS}`, which stands for the only input, or {list}"),
        (None, _) => format!("use one of {list}"),
    };
    Diagnostic::error(
        "unknown-input",
        "the model has no such input",
        at.clone(),
        detail,
    )
    .help(help)
}

/// `features` and the tensor's own name may not both be there.
fn check_twice(function: &Function, model: &Model, at: &FieldPath) -> Option<Diagnostic> {
    let tensor = tensor_name(ALIAS, &model.inputs).filter(|tensor| *tensor != ALIAS)?;
    let both = function.inputs.contains_key(ALIAS) && function.inputs.contains_key(tensor);
    both.then(|| {
        let detail = format!("`{ALIAS}` stands for the only input, which is `{tensor}`.");
        Diagnostic::error(
            "input-twice",
            "an input is described twice",
            at.key(ALIAS),
            detail,
        )
        .help(format!("keep one of `{ALIAS}` and `{tensor}`"))
    })
}

fn check_names(input: &str, names: &[String], kind: &Kind, at: &FieldPath) -> Option<Diagnostic> {
    let wanted = last_dimension(kind)?;
    let found = names.len() as u64;
    (found != 0 && found != wanted).then(|| {
        let detail = format!(
            "The input `{input}` is {kind}: it takes {wanted} numbers, but {found} names are given."
        );
        Diagnostic::error(
            "wrong-number-of-names",
            "as many names as numbers are needed",
            at.clone(),
            detail,
        )
        .help(format!(
            "give {wanted} names, in the order in which the model was trained"
        ))
    })
}

fn check_labels(labels: &[String], model: &Model, at: &FieldPath) -> Option<Diagnostic> {
    let (output, classes) = scores(model)?;
    let found = labels.len() as u64;
    (found != 0 && found != classes).then(|| {
        let detail = format!(
            "The output `{}` is {}: it has {classes} classes, but {found} labels are given.",
            output.name, output.kind
        );
        Diagnostic::error(
            "wrong-number-of-labels",
            "as many labels as classes are needed",
            at.clone(),
            detail,
        )
        .help(format!("give {classes} labels, by class index"))
    })
}

/// Requests share runs along a leading dimension only.
fn check_batching(function: &Function, model: &Model, at: &FieldPath) -> Option<Diagnostic> {
    function.batching.filter(|_| !has_free_rows(model))?;
    let inputs = model.inputs.iter();
    let inputs: Vec<_> = inputs
        .map(|input| format!("`{}` is {}", input.name, input.kind))
        .collect();
    let detail = format!(
        "Requests share a run along a first dimension of any size, which all inputs have and which \
         stands nowhere else: {}.",
        inputs.join(", ")
    );
    let problem = Diagnostic::error(
        "no-batch-dimension",
        "the model takes one request at a time",
        at.clone(),
        detail,
    );
    Some(problem.help("leave `batching:` out, or export the model with a dynamic batch dimension"))
}

/// Whether all inputs have the same leading dimension, of free size, that stands nowhere else: what
/// the shim asks for before it stacks requests.
fn has_free_rows(model: &Model) -> bool {
    let dims = model.inputs.iter().map(|input| match &input.kind {
        Kind::Tensor { shape, .. } => shape.0.as_deref()?.split_first(),
        _ => None,
    });
    let Some(dims) = dims.collect::<Option<Vec<_>>>() else {
        return false;
    };
    let is_free = |(first, others): &(&Dimension, &[Dimension])| match first {
        Dimension::Fixed(_) => false,
        Dimension::Symbolic(_) => !others.contains(first),
        Dimension::Unknown => true,
    };
    let same = dims.windows(2).all(|pair| pair[0].0 == pair[1].0);
    !dims.is_empty() && same && dims.iter().all(is_free)
}

/// The output with a number for each class, and how many classes that are. A last dimension of 1
/// says nothing of classes.
fn scores(model: &Model) -> Option<(&Value, u64)> {
    let is_score = |output: &&Value| model.outputs.len() == 1 || output.name.contains("prob");
    let output = model.outputs.iter().find(is_score)?;
    let Kind::Tensor { element, shape } = &output.kind else {
        return None;
    };
    let floating = matches!(
        element,
        ElementType::Float16 | ElementType::Float32 | ElementType::Float64
    );
    let classes = last_dimension(&output.kind).filter(|classes| *classes > 1)?;
    (floating && shape.rank() == Some(2)).then_some((output, classes))
}

fn last_dimension(kind: &Kind) -> Option<u64> {
    let Kind::Tensor { shape, .. } = kind else {
        return None;
    };
    match shape.0.as_ref()?.last()? {
        Dimension::Fixed(length) => Some(*length),
        Dimension::Symbolic(_) | Dimension::Unknown => None,
    }
}

/// The most similar name, if it is similar enough to be a slip.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let slips =
        |other: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
    let near = known.iter().map(|other| (slips(other), *other)).min()?;
    (near.0 <= (name.chars().count() / 3).max(1)).then_some(near.1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mlfn_core::{Batching, OutputSpec, Service};
    use mlfn_model::Shape;

    use super::*;

    /// `float("x", &[0, 4])` is `float32[?, 4]`.
    fn float(name: &str, shape: &[u64]) -> Value {
        let dimension = |length: &u64| match length {
            0 => Dimension::Unknown,
            length => Dimension::Fixed(*length),
        };
        let shape = Shape(Some(shape.iter().map(dimension).collect()));
        let kind = Kind::Tensor {
            element: ElementType::Float32,
            shape,
        };
        Value {
            name: name.to_owned(),
            kind,
        }
    }

    fn model(inputs: &[Value], outputs: &[Value]) -> Model {
        Model {
            path: "model.onnx".into(),
            bytes: 1,
            ir_version: 8,
            opsets: BTreeMap::new(),
            producer: None,
            graph: String::new(),
            inputs: inputs.to_vec(),
            outputs: outputs.to_vec(),
            operators: BTreeMap::new(),
            foreign_domains: Vec::new(),
            parameters: 0,
            external_data: Vec::new(),
            metadata: BTreeMap::new(),
        }
    }

    fn texts(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("t{number}")).collect()
    }

    /// What is said of a model whose manifest has these inputs with so many names, and so many labels.
    #[track_caller]
    fn expect(model: &Model, inputs: &[(&str, usize)], labels: usize, expected: &[&str]) {
        let text = include_str!("../tests/service.json");
        let mut service: Service = serde_json::from_str(text).expect("a service");
        let mut function = service.functions.remove(0);
        let input = |(name, names): &(&str, usize)| {
            (
                (*name).to_owned(),
                InputSpec {
                    names: texts(*names),
                },
            )
        };
        function.inputs = inputs.iter().map(input).collect();
        function.output = OutputSpec {
            labels: texts(labels),
            probability: None,
        };
        let found: Vec<_> = check(&function, model)
            .iter()
            .map(|problem| {
                let help = problem.help.as_deref().unwrap_or("");
                format!(
                    "{} {}: {} | {help}",
                    problem.at, problem.code, problem.detail
                )
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn inputs_are_those_of_the_model() {
        let one = model(&[float("float_input", &[0, 4])], &[float("y", &[0, 1])]);
        expect(&one, &[("float_input", 4)], 0, &[]);
        expect(&one, &[("features", 4)], 0, &[]);
        expect(&one, &[("features", 0)], 0, &[]);
        expect(
            &one,
            &[("flot_input", 4)],
            0,
            &[
                "models.classifier.input.flot_input unknown-input: `model.onnx` has no input called \
               `flot_input`; it has `float_input`. | did you mean `float_input`?",
            ],
        );
        expect(
            &one,
            &[("pixels", 4)],
            0,
            &[
                "models.classifier.input.pixels unknown-input: `model.onnx` has no input called `pixels`; \
               it has `float_input`. | write `features`, which stands for the only input, or `float_input`",
            ],
        );
        expect(
            &one,
            &[("features", 4), ("float_input", 4)],
            0,
            &[
                "models.classifier.input.features input-twice: `features` stands for the only input, which \
               is `float_input`. | keep one of `features` and `float_input`",
            ],
        );
        let two = model(
            &[float("a", &[0, 1]), float("b", &[0])],
            &[float("y", &[0, 1])],
        );
        expect(&two, &[("a", 1), ("b", 0)], 0, &[]);
        expect(
            &two,
            &[("features", 1)],
            0,
            &[
                "models.classifier.input.features unknown-input: `model.onnx` has no input called \
               `features`; it has `a`, `b`. | use one of `a`, `b`",
            ],
        );
    }

    #[test]
    fn there_is_a_name_for_each_number() {
        let known = model(&[float("x", &[0, 4])], &[float("y", &[0, 1])]);
        let open = model(&[float("x", &[4, 0])], &[float("y", &[0, 1])]);
        expect(&open, &[("x", 9)], 0, &[]);
        expect(
            &known,
            &[("features", 3)],
            0,
            &[
                "models.classifier.input.features.names wrong-number-of-names: The input `features` is \
               float32[?, 4]: it takes 4 numbers, but 3 names are given. | give 4 names, in the order in \
               which the model was trained",
            ],
        );
    }

    #[test]
    fn there_is_a_label_for_each_class() {
        let x = [float("x", &[0, 4])];
        let problem = |output: &str| {
            format!(
                "models.classifier.output.labels wrong-number-of-labels: The output `{output}` is \
                 float32[?, 3]: it has 3 classes, but 2 labels are given. | give 3 labels, by class index"
            )
        };
        let single = model(&x, &[float("scores", &[0, 3])]);
        expect(&single, &[], 3, &[]);
        expect(&single, &[], 0, &[]);
        expect(&single, &[], 2, &[&problem("scores")]);
        let classifier = model(&x, &[float("label", &[0]), float("probabilities", &[0, 3])]);
        expect(&classifier, &[], 2, &[&problem("probabilities")]);
        // None of these says how many classes there are.
        for outputs in [
            [float("y", &[0, 1])],
            [float("y", &[0, 0])],
            [float("y", &[0, 8, 3])],
            [float("y", &[3])],
        ] {
            expect(&model(&x, &outputs), &[], 2, &[]);
        }
    }

    #[test]
    fn operators_that_do_not_load_are_named() {
        let mut model = model(&[float("x", &[0, 4])], &[float("y", &[0, 1])]);
        let operators = vec!["Fold".to_owned(), "Spin".to_owned()];
        model.foreign_domains = vec![ForeignDomain {
            domain: "com.example".to_owned(),
            operators,
        }];
        expect(
            &model,
            &[],
            0,
            &[
                "models.classifier.path unknown-operators: `model.onnx` uses Fold, Spin of `com.example`, \
               which ONNX Runtime does not have. | export the model with standard ONNX operators only",
            ],
        );
    }

    #[track_caller]
    fn check_rows(inputs: &[Value], expected: Option<&str>) {
        let text = include_str!("../tests/service.json");
        let mut service: Service = serde_json::from_str(text).expect("a service");
        let mut function = service.functions.remove(0);
        let model = model(inputs, &[float("y", &[0, 1])]);
        function.inputs.clear();
        assert_eq!(check(&function, &model), []);
        function.batching = Some(Batching {
            max: 32,
            wait_us: 2000,
            exact: true,
        });
        let found = check(&function, &model);
        let found = found.first().map(|problem| {
            assert_eq!(problem.at.to_string(), "models.classifier.batching");
            let (_, inputs) = problem.detail.split_once(": ").expect("names the inputs");
            format!("{} {inputs}", problem.code)
        });
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn requests_can_share_runs_of_models_with_a_batch_dimension_only() {
        check_rows(&[float("x", &[0, 4])], None);
        check_rows(&[float("x", &[0, 4]), float("z", &[0])], None);
        check_rows(
            &[float("x", &[1, 4])],
            Some("no-batch-dimension `x` is float32[1, 4]."),
        );
        check_rows(
            &[float("x", &[])],
            Some("no-batch-dimension `x` is float32[]."),
        );
        check_rows(
            &[float("x", &[0, 4]), float("z", &[1])],
            Some("no-batch-dimension `x` is float32[?, 4], `z` is float32[1]."),
        );
        let mut square = float("x", &[]);
        let side = || Dimension::Symbolic("N".to_owned());
        square.kind = Kind::Tensor {
            element: ElementType::Float32,
            shape: Shape(Some(vec![side(), side()])),
        };
        check_rows(&[square], Some("no-batch-dimension `x` is float32[N, N]."));
    }
}
