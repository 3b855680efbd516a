//! What a function answers, as a document of `OpenAPI` 3.1: <https://spec.openapis.org/oas/v3.1.1.html>.
//! Made when somebody asks for it.

use mlfn_shim_contract::{Route, ShimConfig};
use serde_json::{Map, Value as Json, json};

use super::content::Form;
use super::failure::to_bytes;
use super::names::{FEATURES, Names};
use super::open::datatype;
use crate::engine::{Dim, Input, InputKind, Signature};
use crate::tensor::ElementType;

/// The methods that a route of any method is documented with: those of requests with a body.
const ANY: [&str; 1] = ["post"];

/// The document.
pub(crate) fn document(signature: &Signature, names: &Names, config: &ShimConfig) -> Vec<u8> {
    let mut paths = open_paths(signature, config);
    for route in &config.routes {
        let operation = predict(config);
        let item = paths.entry(&route.path).or_insert_with(|| json!({}));
        for method in methods(route) {
            item[method] = operation.clone();
        }
    }
    let document = json!({
        "openapi": "3.1.1",
        "info": {
            "title": format!("{} / {}", config.service, config.function),
            "version": config.model_sha256,
        },
        "paths": paths,
        "components": { "schemas": {
            "Request": request(signature, names),
            "Prediction": {
                "type": "object",
                "required": ["prediction"],
                "properties": { "prediction": {} },
                "additionalProperties": false,
            },
            "Failure": failure(),
            "InferenceRequest": inference_request(signature),
            "InferenceResponse": inference_response(),
            "InferenceFailure": {
                "type": "object",
                "required": ["error"],
                "properties": { "error": { "type": "string" } },
            },
        } },
    });
    to_bytes(&document)
}

fn methods(route: &Route) -> Vec<String> {
    if route.method == "ANY" {
        return ANY.map(str::to_owned).to_vec();
    }
    vec![route.method.to_ascii_lowercase()]
}

fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn answer(description: &str, schema: &Json) -> Json {
    json!({
        "description": description,
        "content": { "application/json": { "schema": schema } },
    })
}

/// A request in the simple format.
fn predict(config: &ShimConfig) -> Json {
    let arrays = json!({ "schema": { "type": "string", "format": "binary" } });
    let (npy, npz) = (Form::Npy.media_type(), Form::Npz.media_type());
    let mut body = json!({ "schema": reference("Request") });
    if let Some(example) = &config.example {
        body["example"] = example.clone();
    }
    json!({
        "summary": format!("Predictions of {}", config.function),
        "requestBody": {
            "required": true,
            "content": { "application/json": body, npy: arrays, npz: arrays },
        },
        "responses": {
            "200": {
                "description": "The prediction, in the form that the request accepts",
                "content": {
                    "application/json": { "schema": reference("Prediction") },
                    npy: arrays,
                    npz: arrays,
                },
            },
            "4XX": answer("The request is wrong; the answer says how", &reference("Failure")),
            "5XX": answer("The function failed", &reference("Failure")),
        },
    })
}

/// `{"features": ..}` of a model with one input, or all inputs by name.
fn request(signature: &Signature, names: &Names) -> Json {
    if let [only] = signature.inputs.as_slice() {
        let schema = input(only, names.of(&only.name));
        return json!({
            "type": "object",
            "required": [FEATURES],
            "properties": { FEATURES: schema },
            "additionalProperties": false,
        });
    }
    let required: Vec<&String> = signature.inputs.iter().map(|input| &input.name).collect();
    let properties = signature.inputs.iter();
    let properties = properties.map(|one| (one.name.clone(), input(one, names.of(&one.name))));
    json!({
        "type": "object",
        "required": required,
        "properties": properties.collect::<Map<_, _>>(),
        "additionalProperties": false,
    })
}

/// A batch, one sample, or the features of one sample by name.
fn input(input: &Input, names: &[String]) -> Json {
    let InputKind::Tensor { element, dims } = &input.kind else {
        return json!({});
    };
    let whole = array(*element, dims);
    let Some((first, sample)) = dims.split_first() else {
        return whole;
    };
    let mut forms = vec![whole];
    // A list for a column is a batch.
    let is_column = matches!(sample, [Dim::Fixed(1)]);
    if first.allows(1) && !is_column {
        forms.push(array(*element, sample));
    }
    if !names.is_empty() && dims.len() == 2 {
        let properties = names.iter().map(|name| (name.clone(), value(*element)));
        forms.push(json!({
            "type": "object",
            "required": names,
            "properties": properties.collect::<Map<_, _>>(),
            "additionalProperties": false,
        }));
    }
    json!({ "anyOf": forms })
}

fn array(element: ElementType, dims: &[Dim]) -> Json {
    let leaf = value(element);
    dims.iter().rev().fold(leaf, |items, dim| {
        let (least, most) = match dim {
            Dim::Fixed(size) => (*size, Some(*size)),
            Dim::Symbol(_) | Dim::Any => (1, None),
        };
        let mut array = json!({ "type": "array", "items": items, "minItems": least });
        if let Some(most) = most {
            array["maxItems"] = most.into();
        }
        array
    })
}

fn value(element: ElementType) -> Json {
    let whole =
        |least: i64, most: u64| json!({ "type": "integer", "minimum": least, "maximum": most });
    // The first double that rounds to infinity, half a step beyond the largest number.
    let float = |beyond: f64| json!({ "type": "number", "exclusiveMinimum": -beyond, "exclusiveMaximum": beyond });
    match element {
        ElementType::Bool => json!({ "type": "boolean" }),
        // NUL ends the texts of the engine.
        ElementType::String => json!({ "type": "string", "pattern": "^[^\\u0000]*$" }),
        ElementType::Int8 => whole(i8::MIN.into(), 127),
        ElementType::Int16 => whole(i16::MIN.into(), 32_767),
        ElementType::Int32 => whole(i32::MIN.into(), 2_147_483_647),
        ElementType::Int64 => whole(i64::MIN, 9_223_372_036_854_775_807),
        ElementType::Uint8 => whole(0, u8::MAX.into()),
        ElementType::Uint16 => whole(0, u16::MAX.into()),
        ElementType::Uint32 => whole(0, u32::MAX.into()),
        ElementType::Uint64 => whole(0, u64::MAX),
        ElementType::Float16 => float(65_520.0),
        ElementType::Bfloat16 => float(3.396_177_529_230_46e38),
        ElementType::Float32 => float(3.402_823_567_797_336_6e38),
        ElementType::Float64 => json!({ "type": "number" }),
    }
}

fn failure() -> Json {
    json!({
        "type": "object",
        "required": ["error"],
        "properties": { "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": { "type": "string" },
                "message": { "type": "string" },
                "expected": { "type": "object" },
            },
        } },
    })
}

/// The paths of the Open Inference Protocol.
fn open_paths(signature: &Signature, config: &ShimConfig) -> Map<String, Json> {
    let get = |summary: &str| {
        json!({ "get": {
            "summary": summary,
            "responses": {
                "200": answer("As the Open Inference Protocol says", &json!({ "type": "object" })),
                "4XX": answer("It is not", &json!({ "type": "object" })),
                "5XX": answer("It is not", &json!({ "type": "object" })),
            },
        } })
    };
    let model = format!("/v2/models/{}", config.function);
    let failed = reference("InferenceFailure");
    let mut content = json!({ "application/json": { "schema": reference("InferenceRequest") } });
    if signature.inputs.is_empty() {
        content = json!({});
    }
    let infer = json!({ "post": {
        "summary": "Inference by the Open Inference Protocol",
        "requestBody": { "required": true, "content": content },
        "responses": {
            "200": answer("The outputs", &reference("InferenceResponse")),
            "4XX": answer("The request is wrong", &failed),
            "5XX": answer("The function failed", &failed),
        },
    } });
    Map::from_iter([
        ("/v2".to_owned(), get("The server")),
        (
            "/v2/health/live".to_owned(),
            get("Whether the process lives"),
        ),
        (
            "/v2/health/ready".to_owned(),
            get("Whether the model is loaded"),
        ),
        (format!("{model}/ready"), get("Whether the model is loaded")),
        (format!("{model}/infer"), infer),
        (model, get("The model")),
    ])
}

fn inference_request(signature: &Signature) -> Json {
    let inputs = signature
        .inputs
        .iter()
        .filter_map(|input| match &input.kind {
            InputKind::Tensor { element, dims } => Some((&input.name, *element, dims)),
            InputKind::Unsupported(_) => None,
        });
    let tensors = inputs.map(|(name, element, dims)| {
        let sizes = dims.iter().map(|dim| match dim {
            Dim::Fixed(size) => json!({ "const": size }),
            Dim::Symbol(_) | Dim::Any => json!({ "type": "integer", "minimum": 1 }),
        });
        let sizes: Vec<Json> = sizes.collect();
        let mut shape = json!({ "type": "array", "minItems": sizes.len() });
        if !sizes.is_empty() {
            shape["maxItems"] = sizes.len().into();
            shape["prefixItems"] = sizes.into();
        }
        json!({
            "type": "object",
            "required": ["name", "shape", "datatype", "data"],
            "properties": {
                "name": { "const": name },
                "shape": shape,
                "datatype": { "const": datatype(element) },
                "data": { "type": "array", "items": value(element) },
            },
        })
    });
    let tensors: Vec<Json> = tensors.collect();
    let count = tensors.len();
    json!({
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": { "type": "string" },
            "inputs": {
                "type": "array",
                "prefixItems": tensors,
                "minItems": count,
                "maxItems": count,
            },
        },
    })
}

fn inference_response() -> Json {
    json!({
        "type": "object",
        "required": ["model_name", "outputs"],
        "properties": {
            "model_name": { "type": "string" },
            "model_version": { "type": "string" },
            "id": { "type": "string" },
            "outputs": { "type": "array", "items": {
                "type": "object",
                "required": ["name", "shape", "datatype"],
                "properties": {
                    "name": { "type": "string" },
                    "shape": { "type": "array", "items": { "type": "integer" } },
                    "datatype": { "type": "string" },
                    "data": { "type": "array" },
                },
            } },
        },
    })
}
