//! Packages around the fake handlers in `handlers/`, and how to look at what comes of them.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use mlfn_core::{Memory, ProviderName, Seconds};
use mlfn_emulator::{EmulatorError, Invocation, LocalFunction, Start};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

/// A package with a fake handler in it.
pub(crate) struct Package {
    pub(crate) platform: ProviderName,
    pub(crate) folder: TempDir,
    files: BTreeMap<String, u32>,
    timeout: u32,
    environment: BTreeMap<String, String>,
}

impl Package {
    pub(crate) fn new(platform: ProviderName) -> Self {
        let folder = TempDir::new().expect("makes a folder");
        let (script, file) = match platform {
            ProviderName::Aws => (include_str!("handlers/aws.py"), "bootstrap"),
            ProviderName::Azure => (include_str!("handlers/http.py"), "handler"),
            ProviderName::Gcp => (include_str!("handlers/http.py"), "bootstrap"),
        };
        // The platforms' PATH need not have the Python that runs here.
        let script = format!("#!{}\n{script}", python());
        let package = Self {
            platform,
            folder,
            files: BTreeMap::new(),
            timeout: 20,
            environment: BTreeMap::new(),
        };
        package.with_file(file, &script, 0o755)
    }

    /// With what the platform needs to send requests to it.
    pub(crate) fn answering(platform: ProviderName) -> Self {
        let package = Self::new(platform);
        if platform != ProviderName::Azure {
            return package;
        }
        let methods = ["get", "post"];
        let bindings = json!([
            { "type": "httpTrigger", "direction": "in", "name": "req", "methods": methods, "route": "predict" },
            { "type": "http", "direction": "out", "name": "res" },
        ]);
        package.with_function("classifier", &bindings)
    }

    /// On Lambda, with a handler that starts quickly and can do little.
    pub(crate) fn light() -> Self {
        let script = format!("#!{} -IS\n{}", python(), mlfn_testkit::LIGHT_RUNTIME);
        Self::new(ProviderName::Aws).with_file("bootstrap", &script, 0o755)
    }

    /// Adds an Azure function with these bindings, and `host.json`.
    pub(crate) fn with_function(self, name: &str, bindings: &Json) -> Self {
        let host = json!({
            "version": "2.0",
            "customHandler": {
                "description": { "defaultExecutablePath": "handler" },
                "enableProxyingHttpRequest": true,
            },
        });
        let function = json!({ "bindings": bindings }).to_string();
        self.with_file("host.json", &host.to_string(), 0o644)
            .with_file(&format!("{name}/function.json"), &function, 0o644)
    }

    pub(crate) fn with_file(mut self, path: &str, contents: &str, mode: u32) -> Self {
        self.files.insert(path.to_owned(), mode);
        let path = self.root().join(path);
        fs_err::create_dir_all(path.parent().expect("has a parent")).expect("makes a folder");
        fs_err::write(&path, contents).expect("writes");
        fs_err::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("sets the mode");
        self
    }

    pub(crate) fn without_file(self, path: &str) -> Self {
        fs_err::remove_file(self.root().join(path)).expect("removes");
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// In seconds.
    pub(crate) fn timeout(mut self, timeout: u32) -> Self {
        self.timeout = timeout;
        self
    }

    /// Their names and modes.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, u32)> {
        self.files.iter().map(|(name, mode)| (name.as_str(), *mode))
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn start(&self) -> Result<LocalFunction, EmulatorError> {
        LocalFunction::start(&Start {
            platform: self.platform,
            root: self.root(),
            service: &"iris".parse().expect("is a name"),
            stage: &"dev".parse().expect("is a name"),
            function: &"classifier".parse().expect("is a name"),
            region: Some("eu-west-1"),
            memory: Memory::mib(512),
            timeout: Seconds::new(self.timeout),
            environment: &self.environment,
        })
        .await
    }

    /// Starts, sends one request, stops.
    pub(crate) async fn invoke(&self, request: Json) -> Invocation {
        let function = self.start().await.expect("starts");
        let invocation = function
            .invoke(request.to_string().as_bytes())
            .await
            .expect("invokes");
        function.stop().await;
        invocation
    }

    /// The message of a start that must fail.
    pub(crate) async fn start_error(&self) -> String {
        self.start().await.expect_err("must not start").to_string()
    }
}

/// The body of an answer as JSON.
#[track_caller]
pub(crate) fn body(invocation: &Invocation) -> Json {
    let text = String::from_utf8_lossy(&invocation.body);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A connection that a process holds as long as it lives: the end of the process, whoever else
/// reaps it, is the end of the connection.
pub(crate) struct Lifeline(TcpListener);

impl Lifeline {
    pub(crate) async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.expect("listens"))
    }

    pub(crate) fn port(&self) -> String {
        self.0
            .local_addr()
            .expect("has an address")
            .port()
            .to_string()
    }

    /// Waits for the end of the process that holds it.
    pub(crate) async fn cut(self) {
        let wait = async {
            let (mut stream, _) = self.0.accept().await.expect("was taken");
            stream.read_to_end(&mut Vec::new()).await.expect("ends");
        };
        tokio::time::timeout(Duration::from_secs(20), wait)
            .await
            .expect("the process is gone");
    }
}

fn python() -> &'static str {
    static PYTHON: OnceLock<String> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let output = Command::new("python3")
            .args(["-c", "import sys; print(sys.executable)"])
            .output()
            .expect("python3 is installed");
        let text = String::from_utf8(output.stdout).expect("is text");
        text.trim().to_owned()
    })
}
