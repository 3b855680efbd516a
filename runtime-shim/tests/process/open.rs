//! The Open Inference Protocol and the other forms of requests, over HTTP and in Lambda's envelope.

use serde_json::{Value as Json, json};

use crate::support::{self, Package, RuntimeApi, Shim, post};

const INFER: &str = "/v2/models/classifier/infer";

fn request() -> String {
    let tensor = json!({ "name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2] });
    json!({ "id": "7", "inputs": [tensor] }).to_string()
}

fn answer() -> Json {
    let tensor = json!({ "name": "y", "datatype": "FP32", "shape": [1, 2], "data": [1.0, 2.0] });
    json!({
        "model_name": "classifier", "model_version": "abc", "id": "7", "outputs": [tensor],
    })
}

#[test]
fn server_and_model_say_what_they_are() {
    let mut shim = Shim::http(&Package::of("identity_float32"));
    shim.wait_for("model loaded");
    let get = |path: &str| {
        let answer = shim.connect().get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        support::json(&answer.body)
    };
    assert_eq!(get("/v2/health/live"), json!({ "live": true }));
    assert_eq!(get("/v2")["extensions"], json!(["binary_tensor_data"]));
    let tensor = |name| json!([{ "name": name, "datatype": "FP32", "shape": [-1, -1] }]);
    let model = get("/v2/models/classifier/versions/abc");
    assert_eq!(
        (&model["inputs"], &model["outputs"]),
        (&tensor("x"), &tensor("y"))
    );
    let ready = json!({ "name": "classifier", "ready": true });
    assert_eq!(get("/v2/models/classifier/ready"), ready);
    assert_eq!(get("/v2/health/ready"), json!({ "ready": true }));
    let document = get("/openapi.json");
    assert_eq!(document["openapi"], "3.1.1");
    assert!(
        document["paths"]["/predict"]["post"].is_object(),
        "{document}"
    );
}

#[test]
fn inference_over_http_is_that_of_the_protocol() {
    let shim = Shim::http(&Package::of("identity_float32"));
    let found = shim.post(INFER, &request());
    assert_eq!(support::json(&found.body), answer());
    for (path, request, status) in [
        (INFER, request().replace("FP32", "FP64"), 400),
        (INFER, "{".to_owned(), 400),
        ("/v2/models/other/infer", request(), 404),
        ("/v2/health/live", request(), 405),
    ] {
        let found = shim.post(path, &request);
        assert_eq!(found.status, status, "{}", found.body);
        assert!(
            support::json(&found.body)["error"].is_string(),
            "{}",
            found.body
        );
    }
    let large = "1".repeat(1 << 21);
    let found = shim.post(INFER, &large);
    assert_eq!(found.status, 413);
    assert!(
        support::json(&found.body)["error"].is_string(),
        "{}",
        found.body
    );
}

#[test]
fn the_version_may_be_named() {
    let mut shim = Shim::http(&Package::of("identity_float32"));
    shim.wait_for("model loaded");
    let model =
        |version: &str, rest: &str| format!("/v2/models/classifier/versions/{version}{rest}");
    let found = shim.post(&model("abc", "/infer"), &request());
    assert_eq!(support::json(&found.body), answer());
    let ready = shim.connect().get(&model("abc", "/ready"));
    let expected = json!({ "name": "classifier", "ready": true });
    assert_eq!(support::json(&ready.body), expected);
    let metadata = support::json(&shim.connect().get(&model("abc", "")).body);
    assert_eq!(metadata["versions"], json!(["abc"]));
    for found in [
        shim.post(&model("1", "/infer"), &request()),
        shim.connect().get(&model("1", "/ready")),
        shim.connect().get(&model("1", "")),
    ] {
        assert_eq!(found.status, 404, "{}", found.body);
        let message = support::json(&found.body)["error"].to_string();
        assert!(message.contains("its version is `abc`"), "{message}");
    }
}

/// The answer to a request that is good but for these members.
fn with(shim: &Shim, change: impl FnOnce(&mut Json)) -> Json {
    let mut request = support::json(&request());
    change(&mut request);
    support::json(&shim.post(INFER, &request.to_string()).body)
}

#[test]
fn what_others_may_add_to_a_request_is_no_error() {
    let shim = Shim::http(&Package::of("identity_float32"));
    // The parameters of extensions that a server does not have mean nothing to it.
    let parameters = json!({ "priority": 1, "timeout": "soon", "trace": true, "rate": 0.5 });
    let found = with(&shim, |request| {
        request["parameters"] = parameters.clone();
        request["inputs"][0]["parameters"] = parameters.clone();
        request["outputs"] = json!([{ "name": "y", "parameters": parameters }]);
        request["model_name"] = json!("classifier");
    });
    assert_eq!(found, answer());
    let found = with(&shim, |request| {
        request["parameters"] = json!({});
        request["outputs"] = json!([]);
    });
    assert_eq!(found, answer());
}

#[test]
fn a_request_is_called_what_the_client_calls_it() {
    let shim = Shim::http(&Package::of("identity_float32"));
    for id in ["", "\"\\\n", "Größe 😀"] {
        assert_eq!(with(&shim, |request| request["id"] = json!(id))["id"], id);
    }
    let found = with(&shim, |request| {
        request.as_object_mut().expect("an object").remove("id");
    });
    assert_eq!(found.get("id"), None, "{found}");
}

#[test]
fn outputs_come_as_they_are_asked_for() {
    let shim = Shim::http(&Package::of("classifier_tensor"));
    let tensor = json!({ "name": "X", "shape": [1, 2], "datatype": "FP32", "data": [1, 2] });
    let ask = |outputs: &[&str]| {
        let outputs: Vec<Json> = outputs.iter().map(|name| json!({ "name": name })).collect();
        let body = json!({ "inputs": [tensor], "outputs": outputs }).to_string();
        let found = support::json(&shim.post(INFER, &body).body)["outputs"].clone();
        let found = found.as_array().expect("a list").iter();
        let names = found.map(|output| output["name"].as_str().expect("a name").to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(ask(&["probabilities"]), ["probabilities"]);
    assert_eq!(ask(&["probabilities", "label"]), ["probabilities", "label"]);
    assert_eq!(ask(&[]), ["label", "probabilities"]);
}

#[test]
fn tensors_may_be_empty_or_scalars() {
    let shim = Shim::http(&Package::of("identity_float32"));
    let found = with(&shim, |request| {
        request["inputs"][0]["shape"] = json!([0, 2]);
        request["inputs"][0]["data"] = json!([]);
    });
    let output = &found["outputs"][0];
    assert_eq!(
        (&output["shape"], &output["data"]),
        (&json!([0, 2]), &json!([]))
    );
    let shim = Shim::http(&Package::of("scalar"));
    let found = with(&shim, |request| {
        request["inputs"][0]["shape"] = json!([]);
        request["inputs"][0]["data"] = json!([2.5]);
    });
    let output = &found["outputs"][0];
    assert_eq!(
        (&output["shape"], &output["data"]),
        (&json!([]), &json!([2.5]))
    );
}

/// The bytes of an answer's tensors to this JSON and these bytes.
fn infer_bytes(shim: &Shim, json: &str, bytes: &str) -> String {
    let length = json.len().to_string();
    let headers = [("inference-header-content-length", length.as_str())];
    let found = shim
        .connect()
        .send(&post(INFER, &headers, &format!("{json}{bytes}")));
    assert_eq!(found.status, 200, "{}", found.body);
    let json_length = found.header("inference-header-content-length");
    let json_length: usize = json_length
        .and_then(|length| length.parse().ok())
        .expect("a number");
    found.body[json_length..].to_owned()
}

#[track_caller]
fn check_large(model: &str) {
    let shim = Shim::http(&Package::of(model));
    for shift in 0..5 {
        // Letters are as good as other bytes for numbers, and easily read.
        let bytes = format!("{shift}abcdefghijk").repeat(30_000);
        let tensor = json!({
            "name": "x",
            "shape": [2, bytes.len() / 8],
            "datatype": "FP32",
            "parameters": { "binary_data_size": bytes.len() },
        });
        let request = json!({ "inputs": [tensor], "parameters": { "binary_data_output": true } });
        let json = format!("{request}{}", " ".repeat(shift));
        let found = infer_bytes(&shim, &json, &bytes);
        assert!(found == bytes, "{model}, shifted by {shift}");
    }
}

#[test]
fn large_tensors_come_back_as_they_went_wherever_they_lie() {
    check_large("identity_float32");
    check_large("same");
}

/// Why there is no answer, which is a text in this protocol.
#[track_caller]
fn check_error(shim: &Shim, request: &str, status: u16, expected: &str) {
    let found = shim.connect().send(request);
    assert_eq!(found.status, status, "{}", found.body);
    let body = support::json(&found.body);
    assert_eq!(
        body.as_object().map(serde_json::Map::len),
        Some(1),
        "{body}"
    );
    let message = body["error"].as_str().expect("a text");
    assert!(message.contains(expected), "{message}");
}

#[test]
fn every_error_has_the_form_of_the_protocol() {
    let mut package = Package::of("slow");
    package.config.timeout = 1;
    package.config.steady = false;
    package.config.max_response = 120;
    let shim = Shim::http(&package);
    let count = |n: u64| {
        let tensor = json!({ "name": "n", "shape": [], "datatype": "INT64", "data": [n] });
        json!({ "inputs": [tensor] }).to_string()
    };
    let long = json!({ "id": "x".repeat(200), "inputs": [
        { "name": "n", "shape": [], "datatype": "INT64", "data": [1] }
    ] });
    let length = ("inference-header-content-length", "many");
    let packed = ("content-encoding", "gzip");
    for (request, status, expected) in [
        (
            post(INFER, &[length], &count(1)),
            400,
            "must be a number of bytes",
        ),
        (post(INFER, &[packed], "no archive"), 400, "gzip"),
        (post(INFER, &[], ""), 400, "no JSON"),
        (post(INFER, &[], &long.to_string()), 500, "bytes"),
        (post(INFER, &[], &count(9_000_000_000_000)), 504, "timeout"),
        (post("/v2/nothing", &[], ""), 404, "there is nothing"),
    ] {
        check_error(&shim, &request, status, expected);
    }
    shim.stopped();
}

#[test]
fn a_model_that_cannot_be_loaded_is_not_ready() {
    let mut shim = Shim::http(&Package::of("broken"));
    shim.wait_for("cannot load the model");
    for path in ["/v2/health/ready", "/v2/models/classifier/ready"] {
        assert_eq!(shim.connect().get(path).status, 503, "{path}");
    }
    assert_eq!(shim.connect().get("/v2/health/live").status, 200);
    let found = shim.post(INFER, &request());
    assert_eq!(found.status, 500);
    assert!(
        support::json(&found.body)["error"].is_string(),
        "{}",
        found.body
    );
}

#[test]
fn dictionaries_of_scikit_learn_are_a_table() {
    let shim = Shim::http(&Package::of("classifier_int"));
    let tensor = json!({ "name": "X", "shape": [1, 2], "datatype": "FP32", "data": [1, 2] });
    let found = shim.post(INFER, &json!({ "inputs": [tensor] }).to_string());
    let outputs = &support::json(&found.body)["outputs"];
    assert_eq!(outputs[0]["datatype"], "INT64", "{}", found.body);
    assert_eq!(outputs[1]["datatype"], "FP32", "{}", found.body);
    let classes = outputs[1]["shape"][1].as_u64().expect("a table");
    assert_eq!(
        outputs[1]["data"].as_array().map(Vec::len),
        usize::try_from(classes).ok()
    );
}

#[test]
fn pages_may_ask_where_the_configuration_lets_them() {
    let mut package = Package::of("identity_float32");
    package.config.routes[0].cors = vec!["https://a.example".to_owned()];
    let shim = Shim::http(&package);
    let ask = |origin: &str| {
        let head = "OPTIONS /predict HTTP/1.1\r\nhost: x\r\naccess-control-request-method: POST";
        shim.connect()
            .send(&format!("{head}\r\norigin: {origin}\r\n\r\n"))
    };
    let found = ask("https://a.example");
    assert_eq!(found.status, 204);
    assert_eq!(
        found.header("access-control-allow-origin"),
        Some("https://a.example")
    );
    assert_eq!(found.header("access-control-allow-methods"), Some("POST"));
    assert_eq!(ask("https://b.example").status, 405);
    let predict = |origin| {
        let request = post("/predict", &[("origin", origin)], r#"{"x": [[1, 2]]}"#);
        let found = shim.connect().send(&request);
        found
            .header("access-control-allow-origin")
            .map(str::to_owned)
    };
    assert_eq!(
        predict("https://a.example").as_deref(),
        Some("https://a.example")
    );
    assert_eq!(predict("https://b.example"), None);
}

/// What a page of the allowed origin, and one of another, learn about an answer to the head of a
/// request.
#[track_caller]
fn check_readable(shim: &Shim, head: &str, body: &str, status: u16) {
    for (origin, allowed) in [
        ("https://a.example", Some("https://a.example")),
        ("https://b.example", None),
    ] {
        let length = body.len();
        let request = format!(
            "{head} HTTP/1.1\r\nhost: x\r\norigin: {origin}\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let found = shim.connect().send(&request);
        assert_eq!(found.status, status, "{head}: {}", found.body);
        let readable = found.header("access-control-allow-origin");
        assert_eq!(readable, allowed, "{head}");
        let all = || found.headers.iter();
        let varies = all().any(|(name, value)| name == "vary" && value == "origin");
        assert!(varies, "{head}: {:?}", found.headers);
        let names = all().filter(|(name, _)| name.starts_with("access-control-allow-origin"));
        assert_eq!(names.count(), usize::from(allowed.is_some()), "{head}");
    }
}

fn with_origin(mut package: Package) -> Package {
    package.config.routes[0].cors = vec!["https://a.example".to_owned()];
    package
}

#[test]
fn pages_can_read_every_answer_errors_included() {
    let mut shim = Shim::http(&with_origin(Package::of("identity_float32")));
    shim.wait_for("model loaded");
    let good = r#"{"x": [[1, 2]]}"#;
    let large = "1".repeat(1 << 21);
    for (head, body, status) in [
        ("POST /predict", good, 200),
        ("POST /predict", "{", 400),
        ("POST /predict", large.as_str(), 413),
        ("GET /predict", "", 405),
        ("DELETE /v2", "", 405),
        ("POST /other", good, 404),
        ("GET /v2/models/other", "", 404),
        ("POST /", good, 200),
        ("GET /", "", 200),
        ("GET /health", "", 200),
        ("GET /v2/health/live", "", 200),
        ("GET /v2/models/classifier/ready", "", 200),
        ("GET /openapi.json", "", 200),
    ] {
        check_readable(&shim, head, body, status);
    }
}

#[test]
fn pages_can_read_that_a_model_is_broken() {
    let mut shim = Shim::http(&with_origin(Package::of("broken")));
    shim.wait_for("cannot load the model");
    for (head, status) in [
        ("POST /predict", 500),
        ("GET /", 503),
        ("GET /v2/health/ready", 503),
        ("GET /v2/models/classifier", 500),
    ] {
        check_readable(&shim, head, "", status);
    }
}

#[test]
fn an_answer_that_is_too_large_for_lambda_is_an_error_of_the_protocol_that_was_spoken() {
    let mut api = RuntimeApi::start();
    let variables = [("AWS_LAMBDA_RUNTIME_API", api.address())];
    let mut package = Package::of("identity_float32");
    package.config.max_response = 300;
    let _shim = Shim::with(&package, &variables);
    // The envelope and its quotes make it too large, and not the answer itself.
    let id = "\"".repeat(60);
    let tensor = json!({ "name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2] });
    let event = json!({
        "version": "2.0", "rawPath": INFER, "headers": {},
        "requestContext": { "http": { "method": "POST" } },
        "body": json!({ "id": id, "inputs": [tensor] }).to_string(), "isBase64Encoded": false,
    });
    let found = support::json(&api.invoke(&event.to_string()).expect("an answer"));
    assert_eq!(found["statusCode"], 500, "{found}");
    let body = support::json(found["body"].as_str().expect("text"));
    assert!(body["error"].is_string(), "{body}");
}

#[test]
fn lambdas_envelope_carries_the_protocol_too() {
    let mut api = RuntimeApi::start();
    let variables = [("AWS_LAMBDA_RUNTIME_API", api.address())];
    let _shim = Shim::with(&Package::of("identity_float32"), &variables);
    let mut ask = |method: &str, path: &str, headers: Json, body: &str, is_base64: bool| {
        let event = json!({
            "version": "2.0", "rawPath": path, "headers": headers,
            "requestContext": { "http": { "method": method } },
            "body": body, "isBase64Encoded": is_base64,
        });
        support::json(&api.invoke(&event.to_string()).expect("an answer"))
    };
    let found = ask("POST", INFER, json!({}), &request(), false);
    assert_eq!(found["statusCode"], 200, "{found}");
    assert_eq!(
        support::json(found["body"].as_str().expect("text")),
        answer()
    );
    let found = ask("GET", "/v2/models/classifier/ready", json!({}), "", false);
    assert_eq!(found["statusCode"], 200, "{found}");
    let found = ask(
        "POST",
        "/predict",
        json!({ "Accept": "application/x-npy" }),
        "{\"x\": [[1]]}",
        false,
    );
    assert_eq!(found["isBase64Encoded"], true, "{found}");
    assert_eq!(
        found["headers"]["content-type"], "application/x-npy",
        "{found}"
    );
    // The magic of NumPy.
    let body = found["body"].as_str().expect("text");
    assert!(body.starts_with("k05VTVBZ"), "{body}");
    let found = ask(
        "POST",
        "/predict",
        json!({ "content-type": "application/x-npy" }),
        body,
        true,
    );
    assert_eq!(found["body"], r#"{"prediction":[1.0]}"#, "{found}");
}
