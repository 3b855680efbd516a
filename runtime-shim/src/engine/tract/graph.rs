//! What a graph says of its inputs and outputs, and how tract gets to see it: without `ZipMap`, whose
//! lists of dictionaries it does not have, with numbers for classes that are texts, with names for
//! all open dimensions, and with what `rewrite` makes of operators that it does not know.

use std::collections::{BTreeMap, BTreeSet};

use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, ValueInfoProto, type_proto};

use super::super::{Dim, Input, InputKind, Signature};
use super::rewrite::{self, attribute};
use super::tensor::datum_type;
use crate::tensor::{Data, ElementType};

/// The sets of operators that tract's names are of; a name alone means nothing.
const DOMAINS: [&str; 3] = ["", "ai.onnx", "ai.onnx.ml"];

/// The attribute of classes that are texts.
const TEXTS: &str = "classlabels_strings";

/// `TensorProto.DataType` of texts.
const STRING: i64 = 8;

/// What the graph said before it was changed.
pub(super) struct Prepared {
    pub(super) signature: Signature,
    /// By the order of the signature's outputs.
    pub(super) outputs: Vec<Output>,
}

/// How an output of tract becomes one of the model.
pub(super) struct Output {
    /// The type of the values that tract answers.
    pub(super) element: ElementType,
    /// What is made of them.
    pub(super) form: Form,
}

/// What is made of a tensor of tract.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    /// Nothing.
    Plain,
    /// Each row is a dictionary with these keys.
    Dictionaries(Data),
    /// Each value is the place of a text in this list.
    Texts(Vec<String>),
}

/// Reads the signature and changes the graph into one for tract, which `knows` some operators.
/// Otherwise says what it cannot run.
pub(super) fn prepare(
    proto: &mut ModelProto,
    knows: &dyn Fn(&str) -> bool,
) -> Result<Prepared, String> {
    if !proto.functions.is_empty() {
        return Err("tract cannot run functions that a model defines".to_owned());
    }
    let graph = proto.graph.as_mut().ok_or("the file has no graph")?;
    if !graph.sparse_initializer.is_empty() {
        return Err("tract cannot read sparse weights".to_owned());
    }
    // An input that has a value in the graph is a weight, in the style of older exporters.
    let weights: BTreeSet<&str> = graph.initializer.iter().map(|w| &*w.name).collect();
    let is_weight = |input: &ValueInfoProto| weights.contains(&*input.name);
    let inputs = graph.input.iter().filter(|input| !is_weight(input));
    let inputs: Vec<Input> = inputs.map(input).collect::<Result<_, _>>()?;
    let mut signature = Signature {
        inputs,
        outputs: graph.output.iter().map(|o| o.name.clone()).collect(),
        output_kinds: Vec::new(),
    };
    let zipped = unzip(graph)?;
    let texts = number_classes(graph)?;
    let mut outputs = Vec::new();
    for (output, form) in graph.output.iter().zip(zipped) {
        let form = match texts.get(&output.name) {
            Some(texts) => Form::Texts(texts.clone()),
            None => form,
        };
        let (kind, element) = kind(output, &form)?;
        signature.output_kinds.push(kind);
        outputs.push(Output { element, form });
    }
    rewrite::rewrite(graph)?;
    check_operators(graph, knows)?;
    name_dimensions(graph);
    Ok(Prepared { signature, outputs })
}

fn input(info: &ValueInfoProto) -> Result<Input, String> {
    let name = &info.name;
    let (element, dims) = tensor_type(info)
        .ok_or_else(|| format!("tract cannot take the input `{name}`, which is no tensor"))?;
    let element = element
        .filter(|element| datum_type(*element).is_some())
        .ok_or_else(|| format!("tract does not know the type of the input `{name}`"))?;
    let dims = dims.ok_or_else(|| format!("the graph gives no shape for the input `{name}`"))?;
    Ok(Input {
        name: name.clone(),
        kind: InputKind::Tensor { element, dims },
    })
}

/// What an output is, and the type of the values that tract answers for it.
fn kind(info: &ValueInfoProto, form: &Form) -> Result<(InputKind, ElementType), String> {
    if let Form::Dictionaries(keys) = form {
        let element = ElementType::Float32;
        let words = format!(
            "sequence(map({}, {}))",
            keys.element().name(),
            element.name()
        );
        return Ok((InputKind::Unsupported(words), element));
    }
    let name = &info.name;
    let (element, dims) = tensor_type(info)
        .ok_or_else(|| format!("tract cannot make the output `{name}`, which is no tensor"))?;
    let element = element
        .filter(|element| datum_type(*element).is_some())
        .ok_or_else(|| format!("tract does not know the type of the output `{name}`"))?;
    let dims = dims.unwrap_or_default();
    let answered = match form {
        Form::Texts(_) => ElementType::Int64,
        Form::Plain | Form::Dictionaries(_) => element,
    };
    Ok((InputKind::Tensor { element, dims }, answered))
}

type TensorType = (Option<ElementType>, Option<Vec<Dim>>);

fn tensor_type(info: &ValueInfoProto) -> Option<TensorType> {
    let type_proto::Value::TensorType(tensor) = info.r#type.as_ref()?.value.as_ref()?;
    let shape = tensor.shape.as_ref();
    let dims = shape.map(|shape| shape.dim.iter().map(dim).collect());
    Some((element(tensor.elem_type), dims))
}

fn dim(dim: &Dimension) -> Dim {
    match &dim.value {
        Some(dimension::Value::DimValue(size)) => {
            usize::try_from(*size).map_or(Dim::Any, Dim::Fixed)
        }
        Some(dimension::Value::DimParam(name)) if !name.is_empty() => Dim::Symbol(name.clone()),
        _ => Dim::Any,
    }
}

/// By the numbers of `TensorProto.DataType`: <https://onnx.ai/onnx/repo-docs/IR.html>.
fn element(number: i32) -> Option<ElementType> {
    Some(match number {
        1 => ElementType::Float32,
        2 => ElementType::Uint8,
        3 => ElementType::Int8,
        4 => ElementType::Uint16,
        5 => ElementType::Int16,
        6 => ElementType::Int32,
        7 => ElementType::Int64,
        8 => ElementType::String,
        9 => ElementType::Bool,
        10 => ElementType::Float16,
        11 => ElementType::Float64,
        12 => ElementType::Uint32,
        13 => ElementType::Uint64,
        16 => ElementType::Bfloat16,
        _ => return None,
    })
}

/// Takes each `ZipMap` out whose list is an output; that becomes the table that it was made of.
/// Answers with what is made of each output.
fn unzip(graph: &mut GraphProto) -> Result<Vec<Form>, String> {
    let is_zip = |node: &&NodeProto| node.op_type == "ZipMap" && node.domain == "ai.onnx.ml";
    let mut all = Vec::new();
    for output in &mut graph.output {
        let mut zips = graph.node.iter().filter(is_zip);
        let Some(zip) = zips.find(|node| node.output.first() == Some(&output.name)) else {
            all.push(Form::Plain);
            continue;
        };
        all.push(Form::Dictionaries(keys(zip)?));
        let table = zip.input.first().ok_or("a ZipMap has no input")?;
        output.name.clone_from(table);
        output.r#type = None;
    }
    let outputs: BTreeSet<&str> = graph.output.iter().map(|output| &*output.name).collect();
    let inputs = graph.node.iter().filter(is_zip).map(|zip| &zip.input);
    let inputs: Vec<String> = inputs.flatten().cloned().collect();
    if !inputs.iter().all(|table| outputs.contains(&**table)) {
        return Err("tract cannot run the operator ZipMap inside of a graph".to_owned());
    }
    graph.node.retain(|node| !is_zip(&node));
    Ok(all)
}

fn keys(zip: &NodeProto) -> Result<Data, String> {
    if let Some(texts) = texts(zip)? {
        return Ok(Data::String(texts.into()));
    }
    let labels = attribute(zip, "classlabels_int64s").ok_or("a ZipMap has no classes")?;
    Ok(Data::Int64(labels.ints.clone().into()))
}

/// The classes of a node that are texts.
fn texts(node: &NodeProto) -> Result<Option<Vec<String>>, String> {
    let labels = attribute(node, TEXTS).filter(|labels| !labels.strings.is_empty());
    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone());
    let texts = labels.map(|labels| labels.strings.iter().map(text).collect());
    texts
        .transpose()
        .map_err(|_| "a class is not UTF-8".to_owned())
}

/// Gives classifiers numbers for classes that are texts, which tract cannot look up, and answers with
/// the texts by the name of the output that has them.
fn number_classes(graph: &mut GraphProto) -> Result<BTreeMap<String, Vec<String>>, String> {
    let mut all = BTreeMap::new();
    for node in &mut graph.node {
        let numbers = match (&*node.domain, &*node.op_type) {
            ("ai.onnx.ml", "LinearClassifier") => "classlabels_ints",
            ("ai.onnx.ml", "TreeEnsembleClassifier") => "classlabels_int64s",
            _ => continue,
        };
        let (Some(texts), Some(label)) = (texts(node)?, node.output.first()) else {
            continue;
        };
        all.insert(label.clone(), texts.clone());
        node.attribute.retain(|found| found.name != TEXTS);
        let places = (0..).zip(&texts).map(|(place, _)| place).collect();
        node.attribute.push(rewrite::integers(numbers, places));
    }
    hand_on(graph, &mut all);
    let is_copy = |node: &&NodeProto| {
        let output = node.output.first();
        output.is_some_and(|output| all.contains_key(output))
    };
    let others = graph.node.iter().filter(|node| !is_copy(node));
    let mut used = others.flat_map(|node| &node.input);
    if let Some(label) = used.find(|input| all.contains_key(*input)) {
        return Err(format!("tract cannot compute with the texts of `{label}`"));
    }
    Ok(all)
}

/// What only copies texts copies their numbers: exporters cast texts to texts. `all` is by the names
/// of outputs. Nodes come after those that they depend on.
fn hand_on(graph: &mut GraphProto, all: &mut BTreeMap<String, Vec<String>>) {
    for node in &mut graph.node {
        let ([input], [output]) = (&*node.input, &*node.output) else {
            continue;
        };
        let to_text = || attribute(node, "to").is_some_and(|to| to.i == STRING);
        let copies = match &*node.op_type {
            "Identity" => true,
            "Cast" => to_text(),
            _ => false,
        };
        if copies && let Some(texts) = all.get(input).cloned() {
            all.insert(output.clone(), texts);
            "Identity".clone_into(&mut node.op_type);
            node.attribute.clear();
        }
    }
}

fn check_operators(graph: &GraphProto, knows: &dyn Fn(&str) -> bool) -> Result<(), String> {
    for node in &graph.node {
        let domain = &*node.domain;
        if !DOMAINS.contains(&domain) {
            let name = &node.op_type;
            return Err(format!("tract cannot run the operator {domain}.{name}"));
        }
        if !knows(&node.op_type) {
            return Err(format!("tract cannot run the operator {}", node.op_type));
        }
        let inner = node.attribute.iter().filter_map(|a| a.g.as_ref());
        for graph in inner {
            check_operators(graph, knows)?;
        }
    }
    Ok(())
}

/// tract computes with sizes that are not known yet only if they have names.
fn name_dimensions(graph: &mut GraphProto) {
    for (number, input) in graph.input.iter_mut().enumerate() {
        let of = input.r#type.as_mut().and_then(|of| of.value.as_mut());
        let Some(type_proto::Value::TensorType(tensor)) = of else {
            continue;
        };
        let dims = tensor.shape.iter_mut().flat_map(|shape| &mut shape.dim);
        for (axis, size) in dims.enumerate() {
            if dim(size) == Dim::Any {
                let name = format!("mlfn_{number}_{axis}");
                size.value = Some(dimension::Value::DimParam(name));
            }
        }
    }
}
