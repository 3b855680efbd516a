//! Azure's blob storage, as Microsoft makes it for developers.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use super::{Ready, Server};
use crate::programs::{installed, output, own_file};
use crate::python;

/// The owner's key in base64; any will do.
const KEY: &str = "bWxmbi10ZXN0LWtleS1vZi1hei1hY2NvdW50LW9uLWxvb3BiYWNrLW9ubHk=";

/// Azurite's blob service. Everything is in memory.
#[derive(Debug)]
pub struct Azurite {
    server: Server,
}

impl Azurite {
    /// The only account.
    pub const ACCOUNT: &str = "mlfntest";

    /// Empty: the account has no container.
    ///
    /// # Panics
    ///
    /// If it does not start, or there is no Node.js.
    pub fn start() -> Self {
        let server = Server::start("node", Ready::Listening, |command, [port]: [u16; 1]| {
            command
                .arg(program())
                .args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()])
                .args(["--inMemoryPersistence", "--silent", "--disableTelemetry"])
                .arg("--skipApiVersionCheck")
                .env("AZURITE_ACCOUNTS", format!("{}:{KEY}", Self::ACCOUNT));
        });
        Self { server }
    }

    /// `http://127.0.0.1:<port>/<account>`, the endpoint of the account.
    pub fn url(&self) -> String {
        format!("{}/{}", self.server.url(), Self::ACCOUNT)
    }

    /// The owner's key, in base64.
    pub fn key(&self) -> &'static str {
        KEY
    }

    /// What a client of `object_store`'s needs in its environment to use this as the owner.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AZURE_STORAGE_ENDPOINT", self.url()),
            ("AZURE_STORAGE_ACCOUNT_KEY", KEY.to_owned()),
        ]
    }

    /// Makes a container.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn make_container(&self, name: &str) {
        let script = own_file("scripts/make_container.py");
        let port = self.server.port.to_string();
        let mut command = Command::new(python::interpreter());
        command.arg(script).args([&port, Self::ACCOUNT, KEY, name]);
        python::output(&mut command);
    }

    /// The process: its port, and what it has written.
    pub fn server(&self) -> &Server {
        &self.server
    }
}

/// Its script, installed through npm with the versions of `package-lock.json`.
fn program() -> PathBuf {
    const MANIFEST: &str = include_str!("../../node/azurite/package.json");
    const LOCK: &str = include_str!("../../node/azurite/package-lock.json");
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        installed("azurite", &[MANIFEST, LOCK].join("\n"), |folder| {
            fs_err::write(folder.join("package.json"), MANIFEST).expect("writes");
            fs_err::write(folder.join("package-lock.json"), LOCK).expect("writes");
            let words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
            output(
                Command::new("npm").args(words).current_dir(folder),
                "the tests of Azure's storage need Node.js 20 or newer with npm, and at the first \
                 time a registry that npm can reach",
            );
        })
    });
    FOLDER.join("node_modules/azurite/dist/src/blob/main.js")
}
