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

