//! Cold starts under `mlfn emulate`, of packages as users have them.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mlfn_testkit::servers::{Ready, Server};

use super::setup::{MODELS, Setup};
use super::start::{Start, ask};
use crate::bench::machine::built;

/// A service with all models, and the command that serves it.
pub(super) struct Emulated {
    mlfn: PathBuf,
    folder: PathBuf,
}

impl Emulated {
    /// Writes the service. Its models are packaged by the first start.
    pub(super) fn make(repository: &Path, setup: &Setup) -> anyhow::Result<Self> {
        let folder = setup.root.join("service");
        fs_err::create_dir_all(&folder)?;
        let mut manifest = String::from("mlfn: 1\nservice: cold\nprovider: aws\nmodels:\n");
        for name in MODELS {
            fs_err::copy(setup.model(name), folder.join(format!("{name}.onnx")))?;
            // The memory of one whole processor, as for everybody here.
            let _ = writeln!(
                manifest,
                "  {name}: {{ path: {name}.onnx, memory: 1769MB, timeout: 60s }}"
            );
        }
        fs_err::write(folder.join("serverless.yaml"), manifest)?;
        Ok(Self {
            mlfn: built(repository, &["--workspace"], "mlfn")?,
            folder,
        })
    }

    /// One cold start of each model, in a cloud that starts anew.
    pub(super) fn start(&self, event: fn(&str) -> String) -> anyhow::Result<Vec<Start>> {
        let ready = Ready::Answering("/2015-03-31/functions/cold-dev-iris/aliases/live");
        let server = Server::start(&self.mlfn, ready, |command, [port]: [u16; 1]| {
            command
                .args(["emulate", "--quiet", "--port", &port.to_string(), "-C"])
                .arg(&self.folder);
        });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port));
        let start = |name: &&str| {
            let begin = Instant::now();
            let function = format!("cold-dev-{name}:live");
            let answer = ask(address, &function, &event(name), begin)?;
            let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
            ensure!(
                answer.starts_with("HTTP/1.1 200") && !answer.contains("errorType"),
                "{answer}"
            );
            Ok(Start {
                init: reported_init(&answer).with_context(|| format!("no start in {answer}"))?,
                answer: milliseconds,
            })
        };
        let starts = MODELS.iter().map(start).collect();
        // Killed, it would leave its copies of the packages.
        server.stop();
        starts
    }
}

/// What the REPORT line says, in the end of the log that the answer brings along.
fn reported_init(answer: &str) -> Option<f64> {
    let (head, _) = answer.split_once("\r\n\r\n")?;
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    let (_, log) = headers.find(|(name, _)| name.eq_ignore_ascii_case("x-amz-log-result"))?;
    let log = String::from_utf8(BASE64_STANDARD.decode(log.trim()).ok()?).ok()?;
    let (_, rest) = log.split_once("Init Duration: ")?;
    rest.split_once(" ms")?.0.parse().ok()
}
