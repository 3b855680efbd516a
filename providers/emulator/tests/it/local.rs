//! A local cloud with the fake handler in it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use mlfn_core::{
    Access, ArchiveFormat, Artifact, Digest, Lower as _, Memory, ProviderError, ProviderName,
    Resource, Route, Seconds, Service,
};
use mlfn_emulator::{
    Call, Clock, CloudError, Done, EmulatorOptions, InvokeError, Limits, LocalCloud, LocalSession,
    LogReader,
};
use mlfn_testkit::trigger;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::support::Package;

/// The function's name in the cloud.
pub(crate) const NAME: &str = "iris-dev-classifier";

/// A local AWS with one function.
pub(crate) struct Local {
    pub(crate) cloud: Arc<LocalCloud>,
    pub(crate) session: LocalSession,
    pub(crate) service: Service,
    pub(crate) folder: TempDir,
    limits: Limits,
    pub(crate) clock: Clock,
}

impl Local {
    /// After `change` of the service.
    pub(crate) async fn new(change: impl FnOnce(&mut Service)) -> Self {
        Self::with(Limits::default(), change).await
    }

    pub(crate) async fn with(limits: Limits, change: impl FnOnce(&mut Service)) -> Self {
        Self::at(Clock::system(), limits, change).await
    }

    /// At the time of a clock.
    pub(crate) async fn at(
        clock: Clock,
        limits: Limits,
        change: impl FnOnce(&mut Service),
    ) -> Self {
        let service = mlfn_testkit::service(ProviderName::Aws, |service| {
            let function = &mut service.functions[0];
            function.memory = Memory::mib(512);
            function.timeout = Seconds::new(20);
            function.triggers = vec![trigger("http", json!({}))];
            change(service);
        });
        let folder = TempDir::new().expect("makes a folder");
        let cloud = open(&folder, limits, &clock).await;
        let session = session(&cloud, &service);
        let local = Self {
            cloud,
            session,
            service,
            folder,
            limits,
            clock,
        };
        local.deploy().await.expect("deploys");
        local
    }

    /// Brings the cloud to the service as it is now.
    pub(crate) async fn deploy(&self) -> Result<(), ProviderError> {
        self.deploy_code("").await
    }

    /// With other code: the same handler, and a file with `mark`.
    pub(crate) async fn deploy_code(&self, mark: &str) -> Result<(), ProviderError> {
        let resources = self.resources(mark);
        let root = self.folder.path();
        self.cloud.reload(&self.session, &resources, root).await
    }

    pub(crate) fn resources(&self, mark: &str) -> Vec<Resource> {
        let artifact = artifact(&self.folder, mark);
        mlfn_aws::Aws.lower(&self.service, &[artifact])
    }

    /// The process ends, and another one takes over.
    pub(crate) async fn restart(self) -> Self {
        let Self {
            cloud,
            session,
            service,
            folder,
            limits,
            clock,
        } = self;
        cloud.shut_down().await;
        // The lock is free when the last handle is gone.
        drop((cloud, session));
        let cloud = open(&folder, limits, &clock).await;
        let session = self::session(&cloud, &service);
        Self {
            cloud,
            session,
            service,
            folder,
            limits,
            clock,
        }
    }

    /// Calls the function through the alias that everybody calls.
    pub(crate) async fn try_invoke(&self, request: &Json) -> Result<Done, InvokeError> {
        let call = Call {
            function: NAME.to_owned(),
            qualifier: Some("live".to_owned()),
            payload: Bytes::from(request.to_string()),
            wants_tail: true,
            client_context: None,
        };
        self.cloud.emulator().invoke(call).await
    }

    pub(crate) async fn invoke(&self, request: Json) -> Done {
        self.try_invoke(&request).await.expect("is let in")
    }

    /// Sends HTTP to the port of the cloud.
    pub(crate) async fn http(&self, request: Request<Full<Bytes>>) -> Response<Bytes> {
        send(self.cloud.emulator().port(), request).await
    }

    /// The lines of the function's log.
    pub(crate) async fn log(&self) -> Vec<String> {
        self.cloud.emulator().flush_logs().await;
        let path = self.cloud.emulator().options().log_path(NAME);
        let lines = LogReader::new(path).read().expect("reads");
        lines.into_iter().map(|line| line.text).collect()
    }
}

async fn open(folder: &TempDir, limits: Limits, clock: &Clock) -> Arc<LocalCloud> {
    let mut options = EmulatorOptions::new(ProviderName::Aws, folder.path().join("cloud"));
    options.limits = limits;
    options.clock = clock.clone();
    options.secrets = Arc::new(|name| (name == "TOKEN").then(|| "hidden".to_owned()));
    // A process that another test is just starting has a copy of the lock of one that has ended,
    // until it is started.
    let started = async {
        loop {
            match LocalCloud::open(options.clone()).await {
                Err(CloudError::Running { .. }) => tokio::task::yield_now().await,
                other => return other.expect("starts"),
            }
        }
    };
    let limit = std::time::Duration::from_secs(20);
    let started = tokio::time::timeout(limit, started).await;
    started.expect("the lock is free")
}

fn session(cloud: &Arc<LocalCloud>, service: &Service) -> LocalSession {
    cloud.session(&access(service), mlfn_aws::Aws.kinds())
}

pub(crate) fn access(service: &Service) -> Access {
    Access {
        service: service.name.clone(),
        stage: service.stage.clone(),
        region: Some("eu-west-1".to_owned()),
        profile: None,
        endpoint: None,
        tags: BTreeMap::new(),
    }
}

/// The fake handler, packed.
pub(crate) fn artifact(folder: &TempDir, mark: &str) -> Artifact {
    packed(Package::new(ProviderName::Aws), folder, mark)
}

/// A handler, packed.
pub(crate) fn packed(package: Package, folder: &TempDir, mark: &str) -> Artifact {
    let routes = json!([{ "method": "POST", "path": "/predict" }]);
    let config = json!({
        "format": 1, "service": "iris", "stage": "dev", "function": "classifier",
        "model": "model/m.onnx", "model_sha256": "00", "library": "lib/l.so", "inputs": {},
        "output": { "labels": [], "probability": null }, "example": null,
        "max_request": 1, "max_response": 1, "timeout": 1, "routes": routes,
    });
    let package = package
        .with_file("mlfn.json", &config.to_string(), 0o644)
        .with_file("mark", mark, 0o644);
    let path = folder.path().join(format!(
        "package-{}.zip",
        Digest::of(mark.as_bytes()).short()
    ));
    write_zip(&package, &path);
    let bytes = fs_err::read(&path).expect("reads");
    Artifact {
        function: "classifier".parse().expect("is a name"),
        provider: package.platform,
        path,
        format: ArchiveFormat::Zip,
        digest: Digest::of(&bytes),
        packed: bytes.len() as u64,
        unpacked: 0,
        parts: Vec::new(),
        fetched: Vec::new(),
        layer: None,
        route: Route::Fits {
            name: "direct zip",
            max_packed: None,
            max_unpacked: None,
        },
    }
}

fn write_zip(package: &Package, path: &PathBuf) {
    let mut zip = zip::ZipWriter::new(fs_err::File::create(path).expect("creates"));
    for (name, mode) in package.files() {
        let options = zip::write::SimpleFileOptions::default()
            .unix_permissions(mode)
            .last_modified_time(zip::DateTime::default());
        zip.start_file(name, options).expect("starts");
        let bytes = fs_err::read(package.root().join(name)).expect("reads");
        zip.write_all(&bytes).expect("writes");
    }
    zip.finish().expect("ends");
}

/// Sends a request on a connection of its own.
pub(crate) async fn send(port: u16, request: Request<Full<Bytes>>) -> Response<Bytes> {
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("connects");
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.expect("shakes hands");
    tokio::spawn(connection);
    let response = sender.send_request(request).await.expect("answers");
    let (head, body) = response.into_parts();
    Response::from_parts(head, body.collect().await.expect("is whole").to_bytes())
}

/// A `POST` with a body.
pub(crate) fn post(path: &str, headers: &[(&str, &str)], body: &str) -> Request<Full<Bytes>> {
    request("POST", path, headers, body)
}

pub(crate) fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Request<Full<Bytes>> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
        .body(Full::from(body.to_owned()))
        .expect("is a request")
}

#[track_caller]
pub(crate) fn json_of(body: &Bytes) -> Json {
    serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}: {body:?}"))
}
