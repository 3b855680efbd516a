//! Azure and Google in a local cloud: HTTP that is passed on as it is.

use std::sync::Arc;

use mlfn_core::{Provider, ProviderName};
use mlfn_emulator::{EmulatorOptions, Like, LocalCloud};
use serde_json::json;
use tempfile::TempDir;

use crate::local::{access, json_of, packed, post, request, send};
use crate::support::Package;

struct Plain {
    cloud: Arc<LocalCloud>,
    _folder: TempDir,
}

impl Plain {
    async fn new(provider: impl Provider + 'static, package: Package) -> Self {
        let platform = provider.name();
        let folder = TempDir::new().expect("makes a folder");
        let options = EmulatorOptions::new(platform, folder.path().join("cloud"));
        let cloud = LocalCloud::open(options).await.expect("starts");
        let like = Like::Functions(Box::new(provider));
        let service = mlfn_testkit::service(platform, |service| {
            service.functions[0].gcp.concurrency = Some(4);
        });
        let resources = like.lower(&service, &[packed(package, &folder, "")]);
        let session = cloud.session(&access(&service), like.kinds());
        cloud
            .reload(&session, &resources, folder.path())
            .await
            .expect("deploys");
        Self {
            cloud,
            _folder: folder,
        }
    }

    fn port(&self) -> u16 {
        self.cloud.emulator().port()
    }
}

fn azure() -> Package {
    let bindings = json!([
        { "type": "httpTrigger", "direction": "in", "name": "req", "route": "predict" },
        { "type": "http", "direction": "out", "name": "$return" },
    ]);
    Package::new(ProviderName::Azure).with_function("classifier", &bindings)
}

const DESCRIBE: &str = "{\"do\": \"describe\"}";

#[tokio::test]
async fn azure_has_its_routes_below_api() {
    let plain = Plain::new(mlfn_azure::Azure, azure()).await;
    let headers = [("x-mine", "1"), ("connection", "keep-alive")];
    let answer = send(plain.port(), post("/api/predict?k=v", &headers, DESCRIBE)).await;
    let told = json_of(answer.body());
    assert_eq!(told["path"], "/api/predict?k=v");
    assert_eq!(told["headers"]["x-mine"], "1");
    assert_eq!(
        told["environment"]["WEBSITE_SITE_NAME"],
        "iris-dev-classifier"
    );
    let error = send(
        plain.port(),
        post("/api/predict", &[], "{\"do\": \"error\"}"),
    )
    .await;
    assert_eq!(error.status(), 422);
    let crash = "{\"do\": \"exit\", \"status\": 1}";
    assert_eq!(
        send(plain.port(), post("/api/predict", &[], crash))
            .await
            .status(),
        500
    );
    let again = send(plain.port(), post("/api/predict", &[], DESCRIBE)).await;
    assert_eq!(again.status(), 200);
    assert_eq!(
        send(plain.port(), post("/predict", &[], DESCRIBE))
            .await
            .status(),
        404
    );
    plain.cloud.shut_down().await;
}

#[tokio::test]
async fn a_function_of_google_has_an_address_and_takes_cloud_events() {
    let plain = Plain::new(mlfn_gcp::Gcp, Package::new(ProviderName::Gcp)).await;
    let event = [
        ("ce-id", "1"),
        ("ce-type", "t"),
        ("ce-source", "s"),
        ("ce-specversion", "1.0"),
    ];
    for (path, seen) in [
        ("/iris-dev-classifier/", "/"),
        ("/iris-dev-classifier/predict", "/predict"),
        ("/predict", "/predict"),
    ] {
        let answer = send(plain.port(), post(path, &event, DESCRIBE)).await;
        assert_eq!(answer.status(), 200, "{path}");
        let told = json_of(answer.body());
        assert_eq!(told["path"], seen);
        assert_eq!(told["headers"]["ce-id"], "1");
        assert_eq!(told["environment"]["K_SERVICE"], "iris-dev-classifier");
    }
    assert_eq!(
        send(plain.port(), request("GET", "/", &[], ""))
            .await
            .status(),
        200
    );
    plain.cloud.shut_down().await;
}

#[tokio::test]
async fn requests_share_an_instance_where_the_platform_has_it_so() {
    let plain = Plain::new(mlfn_gcp::Gcp, Package::new(ProviderName::Gcp)).await;
    let ask = || send(plain.port(), post("/predict", &[], DESCRIBE));
    let answers = tokio::join!(ask(), ask(), ask(), ask());
    for answer in [answers.0, answers.1, answers.2, answers.3] {
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(plain.cloud.emulator().instances("iris-dev-classifier"), 1);
    plain.cloud.shut_down().await;
}
