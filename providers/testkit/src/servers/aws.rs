//! AWS as two projects make it.

use std::process::Command;

use super::{Ready, Server};
use crate::python::{Packages, interpreter};

/// Credentials that both take for the owner of the account.
const OWNER: &str = "test";

/// The region of [`environment`].
const REGION: &str = "us-east-1";

/// ministack: nearly all of AWS, and it runs the functions for real. Account 000000000000.
#[derive(Debug)]
pub struct Ministack {
    server: Server,
}

impl Ministack {
    /// Empty, and everybody may do everything.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Empty, and IAM's policies are obeyed, but for the owner of the account.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start_with_policies() -> Self {
        Self::start_with(&[("AUTH", "true")])
    }

    /// Empty, with more of its own variables, e.g. `LAMBDA_ASYNC_RETRY_BASE_SECONDS`.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start_with(variables: &[(&str, &str)]) -> Self {
        let ready = Ready::Answering("/_ministack/health");
        let server = Server::start(interpreter(), ready, |command, [port]: [u16; 1]| {
            command
                .args(["-m", "ministack"])
                .env("PYTHONPATH", Packages::Aws.search_path())
                // By default it listens on all addresses of the machine.
                .env("BIND_HOST", "127.0.0.1")
                .env("GATEWAY_PORT", port.to_string())
                .envs(variables.iter().copied());
            without_credentials(command);
        });
        Self { server }
    }

    /// `http://127.0.0.1:<port>`, the endpoint of every service.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What a client of AWS needs in its environment to use this as the account's owner.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        environment(&self.server)
    }

    /// The process: its port, and what it has written.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Makes an S3 bucket.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn make_bucket(&self, name: &str) {
        make_bucket(&self.server, name);
    }

    /// Forgets everything.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn reset(&self) {
        reset(&self.server, "/_ministack/reset");
    }
}

/// moto's server: all of AWS, in less depth. Account 123456789012.
#[derive(Debug)]
pub struct Moto {
    server: Server,
}

impl Moto {
    /// Empty.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start() -> Self {
        let ready = Ready::Answering("/moto-api/");
        let server = Server::start(interpreter(), ready, |command, [port]: [u16; 1]| {
            let start = "import sys; from moto.server import main; main(sys.argv[1:])";
            command
                .args(["-c", start, "-H", "127.0.0.1", "-p", &port.to_string()])
                .env("PYTHONPATH", Packages::Moto.search_path())
                .env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true");
            without_credentials(command);
        });
        Self { server }
    }

    /// `http://127.0.0.1:<port>`, the endpoint of every service.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What a client of AWS needs in its environment to use this.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        environment(&self.server)
    }

    /// The process: its port, and what it has written.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Makes an S3 bucket.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn make_bucket(&self, name: &str) {
        make_bucket(&self.server, name);
    }

    /// Forgets everything.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn reset(&self) {
        reset(&self.server, "/moto-api/reset");
    }
}

fn environment(server: &Server) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", server.url()),
        ("AWS_ACCESS_KEY_ID", OWNER.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", OWNER.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
    ]
}

/// Whoever runs the tests may have an account; the functions that run in there shall not see it.
fn without_credentials(command: &mut Command) {
    let is_about_aws = |name: &String| name.starts_with("AWS_");
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(is_about_aws) {
        command.env_remove(name);
    }
}

#[track_caller]
fn make_bucket(server: &Server, name: &str) {
    let status = server.ask("PUT", &format!("/{name}")).expect("answers");
    assert_eq!(status, 200, "{}", server.output());
}

#[track_caller]
fn reset(server: &Server, path: &str) {
    let status = server.ask("POST", path).expect("answers");
    assert_eq!(status, 200, "{}", server.output());
}
