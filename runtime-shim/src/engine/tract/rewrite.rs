//! Operators that tract does not know, in terms of those that it does. That the result is the same
//! is seen when a model is packaged: its answers are compared with ONNX Runtime's.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto};

/// `TensorProto.DataType` of float32 and of int64.
const FLOAT: i32 = 1;
const INT64: i32 = 7;

/// The fewest classes for which tract's ensembles of trees answer one score each, and not a
/// probability and what it leaves to 1.
const FEWEST_CLASSES: i64 = 3;

/// How inner nodes of trees compare. tract takes `BRANCH_GTE` for the end of a branch.
const COMPARISONS: [&[u8]; 6] = [
    b"LEAF",
    b"BRANCH_LEQ",
    b"BRANCH_LT",
    b"BRANCH_GT",
    b"BRANCH_EQ",
    b"BRANCH_NEQ",
];

/// An attribute by its name.
pub(super) fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    let mut all = node.attribute.iter();
    all.find(|attribute| attribute.name == name)
}

/// Replaces what can be replaced.
pub(super) fn rewrite(graph: &mut GraphProto) -> Result<(), String> {
    let mut made = Made::default();
    for node in std::mem::take(&mut graph.node) {
        match (&*node.domain, &*node.op_type) {
            ("ai.onnx.ml", "Scaler") => scaler(&node, &mut made)?,
            ("ai.onnx.ml", "TreeEnsembleRegressor") => regressor(node, &mut made)?,
            ("ai.onnx.ml", "TreeEnsembleClassifier") => {
                let numbers = attribute(&node, "classlabels_int64s");
                check_trees(&node, numbers.map_or(0, |found| found.ints.len()))?;
                made.nodes.push(node);
            }
            _ => made.nodes.push(node),
        }
    }
    graph.node = made.nodes;
    graph.initializer.extend(made.constants);
    Ok(())
}

/// What a graph consists of then.
#[derive(Default)]
struct Made {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
}

impl Made {
    /// Adds a node with one output.
    fn node(&mut self, operator: &str, inputs: [&str; 2], output: &str) -> &mut NodeProto {
        self.nodes.push(NodeProto {
            op_type: operator.to_owned(),
            name: output.to_owned(),
            input: inputs
                .iter()
                .filter(|input| !input.is_empty())
                .map(|input| (*input).to_owned())
                .collect(),
            output: vec![output.to_owned()],
            ..NodeProto::default()
        });
        let last = self.nodes.len() - 1;
        &mut self.nodes[last]
    }

    /// Adds a vector of floats.
    fn floats(&mut self, name: &str, values: Vec<f32>) -> Result<(), String> {
        self.constants.push(TensorProto {
            name: name.to_owned(),
            dims: vec![i64::try_from(values.len()).map_err(|error| error.to_string())?],
            data_type: FLOAT,
            float_data: values,
            ..TensorProto::default()
        });
        Ok(())
    }

    /// Adds a vector of one integer.
    fn integer(&mut self, name: &str, value: i64) {
        self.constants.push(TensorProto {
            name: name.to_owned(),
            dims: vec![1],
            data_type: INT64,
            int64_data: vec![value],
            ..TensorProto::default()
        });
    }
}

fn ends(node: &NodeProto) -> Result<(&str, &str), String> {
    match (node.input.first(), node.output.first()) {
        (Some(input), Some(output)) => Ok((input, output)),
        _ => Err(format!("a {} has no input or no output", node.op_type)),
    }
}

/// An attribute of integers.
pub(super) fn integers(name: &str, values: Vec<i64>) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Ints.into(),
        ints: values,
        ..AttributeProto::default()
    }
}

fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Int.into(),
        i: value,
        ..AttributeProto::default()
    }
}

/// `(x - offset) * scale`, in float32 whatever it is given.
fn scaler(node: &NodeProto, made: &mut Made) -> Result<(), String> {
    let (input, output) = ends(node)?;
    let inner = |part: &str| format!("{output}/mlfn/{part}");
    let floats = |name, otherwise: f32| match attribute(node, name) {
        Some(found) if !found.floats.is_empty() => found.floats.clone(),
        _ => vec![otherwise],
    };
    let [float, centred, offset, scale] = ["float", "centred", "offset", "scale"].map(inner);
    made.floats(&offset, floats("offset", 0.0))?;
    made.floats(&scale, floats("scale", 1.0))?;
    let cast = made.node("Cast", [input, ""], &float);
    cast.attribute.push(integer("to", FLOAT.into()));
    made.node("Sub", [&float, &offset], &centred);
    made.node("Mul", [&centred, &scale], output);
    Ok(())
}

/// What tract would answer something else for, instead of refusing it. The leaves of the trees add to
/// one of so many `sums`.
fn check_trees(node: &NodeProto, sums: usize) -> Result<(), String> {
    let all = &node.attribute;
    if all.iter().any(|found| found.name.ends_with("_as_tensor")) {
        return Err("tract cannot run trees with numbers of 64 bits".to_owned());
    }
    let modes = attribute(node, "nodes_modes");
    let mut modes = modes.iter().flat_map(|found| &found.strings);
    if let Some(mode) = modes.find(|mode| !COMPARISONS.contains(&mode.as_slice())) {
        let mode = String::from_utf8_lossy(mode);
        return Err(format!("tract cannot run trees that compare by {mode}"));
    }
    let ids = attribute(node, "target_ids").or(attribute(node, "class_ids"));
    let mut ids = ids.iter().flat_map(|found| &found.ints);
    let is_there = |id: &i64| usize::try_from(*id).is_ok_and(|id| id < sums);
    match ids.find(|id| !is_there(id)) {
        Some(id) => Err(format!("a tree adds to the sum {id}, of {sums}")),
        None => Ok(()),
    }
}

/// A classifier's scores are the sums that a regressor answers.
fn regressor(mut node: NodeProto, made: &mut Made) -> Result<(), String> {
    let (input, output) = ends(&node)?;
    let (input, output) = (input.to_owned(), output.to_owned());
    let inner = |part: &str| format!("{output}/mlfn/{part}");
    let [scores, labels, start, end, axis, first, trees] =
        ["scores", "labels", "start", "end", "axis", "first", "trees"].map(inner);
    let text = |name: &str| attribute(&node, name).map(|found| found.s.clone());
    let averages = match text("aggregate_function").as_deref() {
        None | Some(b"SUM") => false,
        Some(b"AVERAGE") => true,
        Some(_) => return Err("tract cannot run trees of which one counts".to_owned()),
    };
    if text("post_transform").is_some_and(|transform| transform != b"NONE") {
        return Err("tract cannot transform what trees add up to".to_owned());
    }
    let targets = attribute(&node, "n_targets").map_or(1, |found| found.i);
    check_trees(&node, usize::try_from(targets).unwrap_or_default())?;
    let count = attribute(&node, "nodes_treeids").and_then(|ids| ids.ints.iter().max());
    let count = u16::try_from(count.map_or(1, |last| last + 1));
    let count = f32::from(count.map_err(|_| "tract cannot run so many trees")?);
    let classes = targets.max(FEWEST_CLASSES);
    become_classifier(&mut node, classes);
    let base = attribute(&node, "base_values").map(|found| found.floats.clone());
    let base = base.filter(|base| !base.is_empty());
    node.attribute.retain(|found| found.name != "base_values");
    node.input = vec![input];
    node.output = vec![labels, scores.clone()];
    made.nodes.push(node);
    made.integer(&start, 0);
    made.integer(&end, targets);
    made.integer(&axis, 1);
    let slice = made.node("Slice", [&scores, &start], &first);
    slice.input.extend([end, axis]);
    let factor = if averages { 1.0 / count } else { 1.0 };
    made.floats(&trees, vec![factor])?;
    let (product, bias) = (inner("product"), inner("bias"));
    made.node("Mul", [&first, &trees], &product);
    made.floats(&bias, base.unwrap_or_else(|| vec![0.0]))?;
    made.node("Add", [&product, &bias], &output);
    Ok(())
}

/// Renames what the two call differently.
fn become_classifier(node: &mut NodeProto, classes: i64) {
    const LEFT_OUT: [&str; 3] = ["n_targets", "aggregate_function", "post_transform"];
    "TreeEnsembleClassifier".clone_into(&mut node.op_type);
    node.attribute
        .retain(|found| !LEFT_OUT.contains(&&*found.name));
    for found in &mut node.attribute {
        if let Some(rest) = found.name.strip_prefix("target_") {
            found.name = format!("class_{rest}");
        }
    }
    let labels = (0..classes).collect();
    node.attribute.push(integers("classlabels_int64s", labels));
}
