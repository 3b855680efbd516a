//! The cases, and how they are lowered.

use mlfn_aws::Aws;
use mlfn_core::{
    Alarm, Architecture, ArchiveFormat, Artifact, AsyncSettings, Destination, Digest,
    EnvironmentValue, FetchedFile, Function, Layer, Lower as _, Memory, Provider as _,
    ProviderName, Resource, Route, RouteSpec, Seconds, SecretRef, Service, Traffic,
};
use mlfn_testkit::{function, listing, service, trigger};
use serde_json::{Value as Json, json};

/// A service, and the name of the way that its packages take.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) service: Service,
    route: &'static str,
}

impl Case {
    /// Its resources.
    pub(crate) fn resources(&self) -> Vec<Resource> {
        Aws.lower(&self.service, &artifacts(&self.service, self.route))
    }
}

const DIRECT: &str = "direct zip";
const BUCKET: &str = "bucket";
const APART: &str = "model in bucket";
const ACCOUNT: &str = "eu-west-1:123456789012";

/// Every case; AWS has nothing to say against any.
pub(crate) fn all() -> Vec<Case> {
    let all = [
        smallest(),
        http(),
        sources(),
        references(),
        options(),
        vec![everything()],
    ];
    let all: Vec<Case> = all.into_iter().flatten().collect();
    for case in &all {
        let errors = Aws.check(&case.service);
        assert!(
            !errors.iter().any(mlfn_core::Diagnostic::is_error),
            "{}: {}",
            case.name,
            listing(&errors)
        );
    }
    all
}

/// A package for each function, with contents of its own, by the route of that name.
pub(crate) fn artifacts(service: &Service, route: &str) -> Vec<Artifact> {
    let artifact = |function: &Function| {
        let routes = Aws.package(service, function).routes;
        let route = routes.into_iter().find(|spec| spec.name == route);
        let route = route.expect("a route of the provider");
        let fetched = FetchedFile {
            path: "model/model.onnx".to_owned(),
            source: format!("models/{}.onnx", function.name).into(),
            digest: Digest::of(b"the model"),
            bytes: 700_000_000,
        };
        Artifact {
            function: function.name.clone(),
            provider: ProviderName::Aws,
            path: format!(".mlfn/packages/{}.zip", function.name).into(),
            format: ArchiveFormat::Zip,
            digest: Digest::of(function.name.as_str().as_bytes()),
            packed: 12_000_000,
            unpacked: 33_000_000,
            parts: Vec::new(),
            fetched: route.max_fetched.map(|_| fetched).into_iter().collect(),
            layer: function.aws.layers.then(|| layer(&route)),
            route: Route::Fits {
                name: route.name,
                max_packed: route.max_packed,
                max_unpacked: route.max_unpacked,
            },
        }
    };
    service.functions.iter().map(artifact).collect()
}

/// One that is too large for a request where packages are.
fn layer(route: &RouteSpec) -> Layer {
    Layer {
        path: ".mlfn/packages/onnxruntime.zip".into(),
        digest: Digest::of(b"the library"),
        packed: if route.name == BUCKET {
            60_000_000
        } else {
            11_000_000
        },
        unpacked: 90_000_000,
    }
}

fn case(name: &'static str, change: impl FnOnce(&mut Service)) -> Case {
    Case {
        name,
        service: service(ProviderName::Aws, change),
        route: DIRECT,
    }
}

/// With triggers of the only function.
fn with_triggers(name: &'static str, triggers: &[(&str, Json)]) -> Case {
    case(name, |s| add(&mut s.functions[0], triggers))
}

fn add(function: &mut Function, triggers: &[(&str, Json)]) {
    let triggers = triggers.iter();
    let triggers = triggers.map(|(kind, given)| trigger(kind, given.clone()));
    function.triggers.extend(triggers);
}

/// With a second function `ranker`.
fn two(name: &'static str, first: &[(&str, Json)], second: &[(&str, Json)]) -> Case {
    case(name, |s| {
        add(&mut s.functions[0], first);
        let mut ranker = function("ranker");
        add(&mut ranker, second);
        s.functions.push(ranker);
    })
}

fn smallest() -> Vec<Case> {
    let given = |mut case: Case| {
        case.service.functions[0].aws.deployment_bucket = Some("my-packages".into());
        case
    };
    let apart = |name| Case {
        route: APART,
        ..case(name, |_| ())
    };
    let layered = |mut case: Case| {
        for function in &mut case.service.functions {
            function.aws.layers = true;
        }
        case
    };
    vec![
        layered(two("layers", &[], &[])),
        layered(bucket_route("layers-by-bucket")),
        case("model-alone", |_| ()),
        two("two-functions", &[], &[]),
        bucket_route("bucket-route"),
        given(bucket_route("bucket-route-given")),
        apart("model-apart"),
        given(apart("model-apart-given")),
    ]
}

fn bucket_route(name: &'static str) -> Case {
    Case {
        route: BUCKET,
        ..case(name, |s| {
            s.tags = [("team".into(), "research".into())].into();
        })
    }
}

fn http() -> Vec<Case> {
    let jwt = json!({"jwt": {"issuer": "https://login.example.com", "audience": ["iris"]}});
    let cors = json!(["https://example.com"]);
    vec![
        with_triggers("http-url", &[("http", json!({}))]),
        with_triggers(
            "http-url-cors-iam",
            &[
                ("http", json!({"auth": "iam", "cors": cors})),
                ("http", json!({"auth": "iam", "method": "GET", "path": "/"})),
            ],
        ),
        with_triggers(
            "http-api-alone",
            &[
                ("http", json!({"auth": jwt})),
                (
                    "http",
                    json!({"auth": "iam", "method": "GET", "path": "/openapi.json"}),
                ),
            ],
        ),
        two(
            "http-api-shared",
            &[("http", json!({"auth": jwt}))],
            &[("http", json!({"auth": jwt, "path": "/rank"}))],
        ),
        two(
            "http-api",
            &[
                ("http", json!({"auth": jwt, "cors": cors})),
                (
                    "http",
                    json!({"auth": jwt, "path": "/more", "method": "ANY"}),
                ),
                ("http", json!({"auth": "iam", "path": "/internal"})),
                (
                    "http",
                    json!({"path": "/public", "method": "GET", "cors": ["https://other.example.com"]}),
                ),
            ],
            &[("http", json!({"path": "/rank"}))],
        ),
    ]
}

fn sources() -> Vec<Case> {
    let cron = json!({"cron": "0 6 * * 1-5"});
    let mut fifo = with_triggers(
        "queue-fifo",
        &[(
            "queue",
            json!({"name": "jobs.fifo", "output": "results.fifo"}),
        )],
    );
    fifo.service.functions[0].timeout = Seconds::new(900);
    let mut schedule = with_triggers(
        "schedule",
        &[
            ("schedule", json!({"input": {"features": [1, 2]}})),
            (
                "schedule",
                json!({"schedule": cron, "timezone": "Europe/Berlin"}),
            ),
        ],
    );
    schedule.service.functions[0].example = Some(json!({"features": [3, 4]}));
    vec![
        schedule,
        fifo,
        with_triggers(
            "queue",
            &[(
                "queue",
                json!({"batch": 100, "window": 5, "max_tries": 3, "output": "results"}),
            )],
        ),
        two(
            "queue-shared",
            &[("queue", json!({"output": "results", "max_tries": 2}))],
            &[
                ("queue", json!({"window": 20})),
                ("queue", json!({"name": "results"})),
            ],
        ),
        with_triggers("topic", &[("topic", json!({}))]),
        two(
            "storage",
            &[
                (
                    "storage",
                    json!({"suffix": ".json", "prefix": "in/", "output_bucket": "predictions", "output_prefix": "out/"}),
                ),
                ("storage", json!({"suffix": ".csv"})),
            ],
            &[("storage", json!({"prefix": "rank*/", "suffix": ".txt"}))],
        ),
        with_triggers(
            "stream",
            &[
                ("stream", json!({"window": 5, "start": "oldest"})),
                ("stream", json!({"source": {"dynamodb": "orders.v2"}})),
            ],
        ),
    ]
}

fn references() -> Vec<Case> {
    let arn = |service: &str, name: &str| format!("arn:aws:{service}:{ACCOUNT}:{name}");
    let table = arn("dynamodb", "table/orders/stream/2026-01-01T00:00:00.000");
    let secret = |name: &str| EnvironmentValue::Secret(SecretRef(name.into()));
    vec![
        with_triggers(
            "references",
            &[
                (
                    "queue",
                    json!({"name": arn("sqs", "jobs"), "output": arn("sqs", "results")}),
                ),
                ("topic", json!({"name": arn("sns", "news")})),
                (
                    "stream",
                    json!({"source": {"kinesis": arn("kinesis", "stream/clicks")}}),
                ),
                ("stream", json!({"source": {"dynamodb": table}})),
                (
                    "stream",
                    json!({"source": {"dynamodb": arn("dynamodb", "table/people")}}),
                ),
            ],
        ),
        case("environment", |s| {
            s.functions[0].environment = [
                ("MODE".into(), EnvironmentValue::Plain("fast".into())),
                ("PARAMETER".into(), secret("/iris/token")),
                (
                    "PARAMETER_BY_ARN".into(),
                    secret(&arn("ssm", "parameter/iris/other")),
                ),
                ("TOKEN".into(), secret("iris-token")),
                ("TOKEN_AGAIN".into(), secret("iris-token")),
                (
                    "TOKEN_BY_ARN".into(),
                    secret(&arn("secretsmanager", "secret:iris-AbCdEf")),
                ),
            ]
            .into();
        }),
    ]
}

fn options() -> Vec<Case> {
    vec![
        case("options", |s| {
            s.tags = [("team".into(), "research".into())].into();
            let function = &mut s.functions[0];
            function.architecture = Architecture::Arm64;
            function.memory = Memory::mib(1024);
            function.example = Some(json!({"features": [5.1, 3.5, 1.4, 0.2]}));
            function.aws.ephemeral_storage = Some(Memory::mib(1024));
            function.aws.log_retention_days = Some(14);
        }),
        case("traffic", |s| {
            s.functions[0].traffic = Some(Traffic {
                canary: 10,
                every: Seconds::new(300),
                alarm: Alarm::Named("too slow".to_owned()),
            });
        }),
        case("async", |s| {
            s.functions[0].asynchronous = Some(AsyncSettings {
                max_tries: Some(2),
                max_age: Some(Seconds::new(3600)),
                on_success: Some(Destination::Queue("done".to_owned())),
                on_failure: Some(Destination::Topic("alerts".to_owned())),
            });
        }),
        two_sharing_a_destination(),
        case("concurrency", |s| {
            s.functions[0].aws.reserved_concurrency = Some(5);
            s.functions[0].aws.provisioned_concurrency = Some(2);
        }),
        longest_names(),
    ]
}

/// One function sends where the other reads, and to what exists already.
fn two_sharing_a_destination() -> Case {
    let mut case = two("async-shared", &[], &[("queue", json!({"name": "again"}))]);
    case.service.functions[0].asynchronous = Some(AsyncSettings {
        on_success: Some(Destination::Topic(format!("arn:aws:sns:{ACCOUNT}:news"))),
        on_failure: Some(Destination::Queue("again".to_owned())),
        ..AsyncSettings::default()
    });
    case
}

fn longest_names() -> Case {
    let text = |c: &str, length| c.repeat(length);
    let queue = |c: &str| text(c, 80 - 38);
    let mut case = case("longest-names", |s| {
        s.name = text("s", 24).parse().expect("a name");
        s.stage = text("t", 12).parse().expect("a name");
        s.functions[0].name = text("f", 25).parse().expect("a name");
        let fifo = format!("{}.fifo", text("r", 80 - 38 - 5));
        let triggers = [
            ("http", json!({})),
            ("schedule", json!({})),
            ("queue", json!({"name": queue("q"), "output": queue("o")})),
            ("queue", json!({"name": fifo})),
            ("topic", json!({"name": text("n", 256 - 38)})),
            (
                "storage",
                json!({"bucket": text("b", 63), "output_bucket": text("c", 63)}),
            ),
            ("stream", json!({"source": {"kinesis": text("k", 128)}})),
            ("stream", json!({"source": {"dynamodb": text("d", 255)}})),
        ];
        add(&mut s.functions[0], &triggers);
    });
    case.route = BUCKET;
    case
}

/// All kinds of triggers at once.
fn everything() -> Case {
    let mut case = two(
        "everything",
        &[
            ("http", json!({})),
            ("schedule", json!({})),
            ("queue", json!({"output": "results"})),
            ("topic", json!({})),
            ("storage", json!({"output_bucket": "predictions"})),
            ("stream", json!({})),
        ],
        &[
            (
                "http",
                json!({"auth": {"jwt": {"issuer": "https://login.example.com", "audience": ["rank"]}}, "path": "/rank"}),
            ),
            ("queue", json!({"name": "results"})),
            ("topic", json!({})),
        ],
    );
    case.service.tags = [("team".into(), "research".into())].into();
    case
}
