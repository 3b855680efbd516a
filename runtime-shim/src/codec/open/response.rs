//! Outputs of a model -> an answer of the Open Inference Protocol.

use mlfn_shim_contract::ShimConfig;
use serde_json::Value as Json;

use super::datatype;
use super::request::{Inference, Wanted};
use crate::codec::bytes;
use crate::codec::content::{Content, Form};
use crate::codec::failure::{Code, Failure};
use crate::codec::response::value::{Brackets, joined, json, scalar};
use crate::codec::table;
use crate::tensor::{Tensor, Value};

/// Writes an answer to the request of `id`, with these outputs of those that the model gave.
pub(crate) fn write(
    config: &ShimConfig,
    request: &Inference,
    names: &[String],
    values: &[Value],
) -> Result<Content, Failure> {
    let mut out = b"{\"model_name\":".to_vec();
    json(&mut out, &config.function);
    out.extend_from_slice(b",\"model_version\":");
    json(&mut out, &config.model_sha256);
    if let Some(id) = &request.id {
        out.extend_from_slice(b",\"id\":");
        json(&mut out, id);
    }
    out.extend_from_slice(b",\"outputs\":");
    let mut behind = Vec::new();
    joined(
        &mut out,
        Brackets::ARRAY,
        request.outputs.len(),
        |out, index| {
            let wanted = request.outputs[index];
            let (name, value) = (&names[wanted.index], &values[wanted.index]);
            let tensor = table::of(value).ok_or_else(|| not_a_tensor(name))?;
            output(out, name, &tensor, wanted);
            behind.extend(wanted.is_binary.then_some(tensor));
            Ok(())
        },
    )?;
    out.push(b'}');
    if !request.outputs.iter().any(|wanted| wanted.is_binary) {
        return Ok(Content::json(out));
    }
    let json_length = Some(out.len());
    out.reserve_exact(
        behind
            .iter()
            .map(|tensor| bytes::length(&tensor.data))
            .sum(),
    );
    for tensor in behind {
        bytes::write(&tensor.data, &mut out);
    }
    Ok(Content {
        form: Form::Binary,
        body: out,
        json_length,
    })
}

fn output(out: &mut Vec<u8>, name: &str, tensor: &Tensor, wanted: Wanted) {
    out.extend_from_slice(b"{\"name\":");
    json(out, name);
    out.extend_from_slice(b",\"datatype\":");
    json(out, datatype(tensor.data.element()));
    out.extend_from_slice(b",\"shape\":");
    json(out, &tensor.shape);
    if wanted.is_binary {
        out.extend_from_slice(b",\"parameters\":");
        json(
            out,
            &Json::from_iter([("binary_data_size", bytes::length(&tensor.data))]),
        );
    } else {
        out.extend_from_slice(b",\"data\":");
        // Values print themselves and cannot fail.
        let _ = joined(out, Brackets::ARRAY, tensor.data.len(), |out, index| {
            scalar(out, &tensor.data, index);
            Ok(())
        });
    }
    out.push(b'}');
}

fn not_a_tensor(name: &str) -> Failure {
    let message = format!(
        "the model's output `{name}` is not an array, so the Open Inference Protocol cannot carry \
         it; ask for others under `outputs`"
    );
    Failure::new(Code::UnsupportedOutput, message)
}
