//! AWS's own Runtime Interface Emulator.

use mlfn_testkit::python;
use mlfn_testkit::servers::{Ready, Server};
use serde_json::Value as Json;

use super::http::{Answer, post};
use super::unpacked::Unpacked;

/// An execution environment. One request at a time: a second one crashes the emulator.
pub(crate) struct Environment {
    server: Server,
}

impl Environment {
    pub(crate) fn of(package: &Unpacked) -> Self {
        Self::with(package, &[("AWS_LAMBDA_FUNCTION_TIMEOUT", "30")])
    }

    /// With variables of its own.
    pub(crate) fn with(package: &Unpacked, variables: &[(&str, &str)]) -> Self {
        let root = package.root();
        let program = python::rie();
        let server = Server::start(
            program,
            Ready::Listening,
            |command, [port, api]: [u16; 2]| {
                command
                    .args(["--log-level", "info"])
                    .args([
                        "--runtime-interface-emulator-address",
                        &format!("127.0.0.1:{port}"),
                    ])
                    .args(["--runtime-api-address", &format!("127.0.0.1:{api}")])
                    .arg(root.join("bootstrap"))
                    .current_dir(root)
                    .env_clear()
                    .env("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin")
                    .env("LAMBDA_TASK_ROOT", root)
                    .envs(variables.iter().copied());
            },
        );
        Self { server }
    }

    pub(crate) async fn invoke(&mut self, event: &Json) -> Answer {
        post(
            self.server.port,
            "/2015-03-31/functions/function/invocations",
            event,
        )
        .await
    }

    /// Returns the log.
    pub(crate) fn stop(self) -> String {
        self.server.stop().0
    }
}
