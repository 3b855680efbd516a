//! The port of a local cloud: the Lambda API, function URLs, HTTP APIs.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use mlfn_core::Resource;
use mlfn_emulator::Limits;
use mlfn_testkit::trigger;
use serde_json::{Value as Json, json};

use crate::local::{Local, NAME, json_of, post, request};

const INVOKE: &str = "/2015-03-31/functions/iris-dev-classifier/invocations";

#[tokio::test]
async fn a_function_answers_as_it_does_in_the_cloud() {
    let local = Local::new(|_| ()).await;
    let headers = [("x-amz-log-type", "Tail")];
    let answer = local
        .http(post(
            &format!("{INVOKE}?Qualifier=live"),
            &headers,
            "{\"a\": 1}",
        ))
        .await;
    assert_eq!(
        (answer.status().as_u16(), &answer.body()[..]),
        (200, &b"{\"a\": 1}"[..])
    );
    let header = |name: &str| answer.headers()[name].to_str().expect("is text");
    assert_eq!(header("x-amz-executed-version"), "1");
    assert_eq!(header("x-amzn-requestid").len(), 36);
    let tail = STANDARD
        .decode(header("x-amz-log-result"))
        .expect("is base64");
    let tail = String::from_utf8(tail).expect("is text");
    let id = header("x-amzn-requestid");
    assert!(tail.contains(&format!("REPORT RequestId: {id}")), "{tail}");

    let newest = local.http(post(INVOKE, &[], "")).await;
    assert_eq!(&newest.body()[..], b"{}");
    assert_eq!(newest.headers()["x-amz-executed-version"], "$LATEST");
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn an_error_of_the_function_is_an_answer_with_a_header() {
    let local = Local::new(|_| ()).await;
    let answer = local.http(post(INVOKE, &[], "{\"do\": \"error\"}")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-amz-function-error"], "Unhandled");
    assert_eq!(json_of(answer.body())["errorType"], "wrong_shape");
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn events_and_dry_runs_are_not_waited_for() {
    let local = Local::new(|_| ()).await;
    for (kind, status) in [("Event", 202), ("DryRun", 204)] {
        let headers = [("x-amz-invocation-type", kind)];
        let answer = local
            .http(post(INVOKE, &headers, "{\"do\": \"log\", \"lines\": 1}"))
            .await;
        assert_eq!(
            (answer.status().as_u16(), answer.body().len()),
            (status, 0),
            "{kind}"
        );
    }
    let delivered = async {
        while !local
            .log()
            .await
            .iter()
            .any(|line| line.starts_with("REPORT "))
        {
            tokio::task::yield_now().await;
        }
    };
    let limit = std::time::Duration::from_secs(20);
    tokio::time::timeout(limit, delivered)
        .await
        .expect("is delivered");
    let starts = local.log().await;
    let starts = starts
        .iter()
        .filter(|line| line.starts_with("START "))
        .count();
    assert_eq!(starts, 1, "a dry run runs nothing");
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn what_the_api_refuses_has_the_names_of_the_api() {
    let local = Local::new(|service| {
        service.functions[0].aws.reserved_concurrency = Some(0);
    })
    .await;
    let other = "/2015-03-31/functions/other/invocations";
    let large = "1".repeat(6 * 1024 * 1024 + 101);
    for (path, headers, body, status, kind) in [
        (other, &[][..], "{}", 404, "ResourceNotFoundException"),
        (
            &format!("{INVOKE}?Qualifier=2"),
            &[],
            "{}",
            404,
            "ResourceNotFoundException",
        ),
        (INVOKE, &[], "{no", 400, "InvalidRequestContentException"),
        (INVOKE, &[], &large, 413, "RequestTooLargeException"),
        (INVOKE, &[], "{}", 429, "TooManyRequestsException"),
        (
            INVOKE,
            &[("x-amz-invocation-type", "Maybe")],
            "{}",
            400,
            "InvalidParameterValueException",
        ),
    ] {
        let answer = local.http(post(path, headers, body)).await;
        assert_eq!(answer.status(), status, "{kind}");
        assert_eq!(answer.headers()["x-amzn-errortype"], kind);
        assert!(json_of(answer.body()).is_object());
    }
}

#[tokio::test]
async fn functions_versions_and_aliases_are_listed() {
    let local = Local::new(|service| {
        service.functions[0].aws.reserved_concurrency = Some(5);
    })
    .await;
    let get = async |path: &str| {
        let answer = local
            .http(request(
                "GET",
                &format!("/2015-03-31/functions{path}"),
                &[],
                "",
            ))
            .await;
        (answer.status().as_u16(), json_of(answer.body()))
    };
    let (_, listed) = get("/").await;
    let function = &listed["Functions"][0];
    assert_eq!(function["FunctionName"], NAME);
    assert_eq!(function["MemorySize"], 512);
    assert_eq!(function["Runtime"], "provided.al2023");
    let (_, found) = get(&format!("/{NAME}")).await;
    assert_eq!(found["Concurrency"]["ReservedConcurrentExecutions"], 5);
    assert_eq!(found["Tags"]["mlfn:service"], "iris");
    let (_, versions) = get(&format!("/{NAME}/versions")).await;
    let versions = versions["Versions"].as_array().expect("is a list").iter();
    let versions: Vec<&str> = versions.filter_map(|v| v["Version"].as_str()).collect();
    assert_eq!(versions, ["$LATEST", "1"]);
    let (_, aliases) = get(&format!("/{NAME}/aliases")).await;
    assert_eq!(aliases["Aliases"][0]["Name"], "live");
    let (_, live) = get(&format!("/{NAME}/configuration?Qualifier=live")).await;
    assert_eq!(live["Version"], "1");
    assert_eq!(get("/other").await.0, 404);
}

#[tokio::test]
async fn http_comes_as_an_event_and_goes_as_http() {
    let local = Local::new(|_| ()).await;
    for path in [
        "/predict?k=v",
        "/lambda-url/iris-dev-classifier/predict?k=v",
    ] {
        let answer = local.http(post(path, &[("cookie", "c=1")], "{}")).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["set-cookie"], "a=1");
        let event = json_of(answer.body());
        assert_eq!(event["rawPath"], "/predict");
        assert_eq!(event["queryStringParameters"], json!({"k": "v"}));
        assert_eq!(event["cookies"], json!(["c=1"]));
        assert_eq!(event["requestContext"]["http"]["method"], "POST");
    }
    for (body, status) in [
        ("{\"do\": \"error\"}", 502),
        ("{\"do\": \"exit\", \"status\": 1}", 502),
        ("{\"do\": \"pid\"}", 200),
    ] {
        assert_eq!(
            local.http(post("/predict", &[], body)).await.status(),
            status,
            "{body}"
        );
    }
    assert_eq!(local.http(post("/other", &[], "{}")).await.status(), 404);
    assert_eq!(
        local
            .http(post("/lambda-url/other/", &[], "{}"))
            .await
            .status(),
        404
    );
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn an_http_api_asks_for_tokens_and_answers_browsers() {
    let local = Local::new(|service| {
        let auth = json!({"jwt": {"issuer": "https://id.example", "audience": ["iris"]}});
        let given = json!({"auth": auth, "cors": ["https://a.example"], "path": "/p/{id}"});
        service.functions[0].triggers = vec![trigger("http", given)];
    })
    .await;
    let origin = ("origin", "https://a.example");
    let refused = local.http(post("/p/5", &[origin], "{}")).await;
    assert_eq!(refused.status(), 401);
    assert_eq!(
        refused.headers()["access-control-allow-origin"],
        "https://a.example"
    );
    let claims = json!({"iss": "https://id.example", "aud": "iris", "sub": "me"});
    let token = format!(
        "Bearer e30.{}.x",
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let answer = local
        .http(post("/p/5", &[("authorization", &token)], "{}"))
        .await;
    let event = json_of(answer.body());
    assert_eq!(event["routeKey"], "POST /p/{id}");
    assert_eq!(event["pathParameters"], json!({"id": "5"}));
    assert_eq!(
        event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"],
        "me"
    );
    let asks = [origin, ("access-control-request-method", "POST")];
    let preflight = local.http(request("OPTIONS", "/p/5", &asks, "")).await;
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.headers()["access-control-allow-methods"], "POST");
    let wrong = local.http(request("GET", "/p/5", &[], "")).await;
    assert_eq!(wrong.status(), 404);
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn an_alias_shares_its_requests_between_two_versions() {
    let local = Local::new(|_| ()).await;
    let is = |kind: &'static str| move |resource: &Resource| resource.id.kind() == kind;
    let mut resources = local.resources("new");
    let old = local.resources("").into_iter();
    resources.extend(old.filter(is("aws:function-version")));
    let deploy = async |name: &str, weights: Json| {
        let resources = resources.iter().cloned().map(|mut resource| {
            if is("aws:alias")(&resource) {
                resource.remote_name = format!("{NAME}:{name}");
                return resource.with("routing", weights.clone());
            }
            resource
        });
        let resources: Vec<Resource> = resources.collect();
        let root = local.folder.path();
        local.cloud.reload(&local.session, &resources, root).await
    };
    // The version that comes last above, the old one, is the one that it points to.
    let good = deploy("good", json!({"2": 0.5})).await;
    good.expect("deploys");
    let mut versions = BTreeSet::new();
    for _ in 0..60 {
        let path = format!("{INVOKE}?Qualifier=good");
        let answer = local.http(post(&path, &[], "{}")).await;
        let version = answer.headers()["x-amz-executed-version"].to_str();
        versions.insert(version.expect("is text").to_owned());
    }
    assert_eq!(versions, ["1", "2"].map(str::to_owned).into());
    let path = format!("/2015-03-31/functions/{NAME}/aliases/good");
    let alias = local.http(request("GET", &path, &[], "")).await;
    let alias = json_of(alias.body());
    assert_eq!(alias["FunctionVersion"], "1");
    let weights = &alias["RoutingConfig"]["AdditionalVersionWeights"];
    assert_eq!(*weights, json!({"2": 0.5}));
    for (name, weights) in [
        ("no-version", json!({"7": 0.5})),
        ("too-much", json!({"2": 1.5})),
        ("too-many", json!({"1": 0.1, "2": 0.1})),
    ] {
        let refused = deploy(name, weights).await;
        refused.expect_err(name);
    }
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn the_account_has_the_limits_of_the_local_cloud() {
    let local = Local::new(|service| {
        service.functions[0].aws.reserved_concurrency = Some(5);
    })
    .await;
    let get = async |path: &str| {
        let answer = local.http(request("GET", path, &[], "")).await;
        json_of(answer.body())
    };
    let account = get("/2016-08-19/account-settings/").await;
    let concurrency = Limits::default().concurrency;
    let limits = &account["AccountLimit"];
    assert_eq!(limits["ConcurrentExecutions"], concurrency);
    assert_eq!(limits["UnreservedConcurrentExecutions"], concurrency - 5);
    assert_eq!(account["AccountUsage"]["FunctionCount"], 1);
    let path = format!("/2019-09-30/functions/{NAME}/concurrency");
    let reserved = get(&path).await;
    assert_eq!(reserved["ReservedConcurrentExecutions"], 5);
}
