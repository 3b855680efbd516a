//! A model for people.

use std::fmt::Write as _;

use mlfn_model::{ExternalFile, Model, Value};

use super::table::{Align, size, table};
use crate::engines::Choice;
use crate::printer::Palette;
use crate::shim::ShimKind;

/// Everything that `mlfn inspect` shows.
pub(super) fn describe(model: &Model, auto: Option<&Choice>, palette: Palette) -> String {
    let sections = [
        head(model, auto),
        values("input", &model.inputs, palette),
        values("output", &model.outputs, palette),
        external(&model.external_data, palette),
        operators(model, palette),
        foreign(model, palette),
    ];
    let filled: Vec<String> = sections
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    filled.join("\n")
}

fn head(model: &Model, auto: Option<&Choice>) -> String {
    let opsets: Vec<String> = model
        .opsets
        .iter()
        .map(|(domain, version)| format!("{domain} {version}"))
        .collect();
    let mut text = format!("{}\n", model.path.display());
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(text, "  {key:<11} {value}");
    };
    line("size", &size(model.bytes));
    line("parameters", &model.parameters.to_string());
    if let Some(producer) = &model.producer {
        line(
            "producer",
            format!("{} {}", producer.name, producer.version).trim_end(),
        );
    }
    line("IR version", &model.ir_version.to_string());
    line("opsets", &opsets.join(", "));
    if let Some(choice) = auto {
        line("engine", &engine(choice));
    }
    text
}

/// What runs the model if the manifest says nothing, and what if it says `auto`.
fn engine(auto: &Choice) -> String {
    match auto.kind() {
        ShimKind::OnnxRuntime => {
            format!("onnxruntime, also with `engine: auto`: {}", auto.reason())
        }
        ShimKind::Tract => {
            format!("onnxruntime; with `engine: auto` tract: {}", auto.reason())
        }
    }
}

fn values(word: &'static str, values: &[Value], palette: Palette) -> String {
    let rows: Vec<Vec<String>> = values
        .iter()
        .map(|value| vec![value.name.clone(), value.kind.to_string()])
        .collect();
    table(
        &[(word, Align::Left), ("type", Align::Left)],
        &rows,
        palette,
    )
}

fn external(files: &[ExternalFile], palette: Palette) -> String {
    if files.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = files
        .iter()
        .map(|file| {
            vec![
                file.location.clone(),
                size(file.bytes),
                file.tensors.to_string(),
            ]
        })
        .collect();
    let columns = [
        ("external data", Align::Left),
        ("size", Align::Right),
        ("tensors", Align::Right),
    ];
    table(&columns, &rows, palette)
}

fn operators(model: &Model, palette: Palette) -> String {
    let rows: Vec<Vec<String>> = model
        .operators
        .iter()
        .map(|(name, uses)| vec![name.clone(), uses.to_string()])
        .collect();
    table(
        &[("operator", Align::Left), ("uses", Align::Right)],
        &rows,
        palette,
    )
}

fn foreign(model: &Model, palette: Palette) -> String {
    let warning = palette.warning;
    model.foreign_domains.iter().fold(String::new(), |text, foreign| {
        let operators = foreign.operators.join(", ");
        text + &format!(
            "{warning}warning{warning:#}: ONNX Runtime does not have the operators of `{}` ({operators}); \
             the model will not load\n",
            foreign.domain
        )
    })
}
