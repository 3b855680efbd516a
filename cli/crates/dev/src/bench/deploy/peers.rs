//! Those who deploy, and the account to which they do. Other people's tools are installed under
//! `target/bench/deploy/`, in exact versions of themselves; what they need they choose.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use mlfn_testkit::python::{self, Packages};
use mlfn_testkit::servers::{Ready, Server};

use super::Step;
use super::subject::{Subject, run};

const SAM: &str = "aws-sam-cli==1.170.0";
const SERVERLESS: &str = "serverless@3.40.0";
/// Takes `serverless@3` to another endpoint than AWS's.
const SERVERLESS_ELSEWHERE: &str = "serverless-localstack@1.3.1";
const OSLS: &str = "osls@4.3.1";

const BUCKET: &str = "sam-packages";

/// Somebody who deploys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Mlfn,
    Script,
    Sam,
    Serverless,
    Osls,
}

impl Tool {
    pub(super) const ALL: [Self; 5] = [
        Self::Mlfn,
        Self::Script,
        Self::Sam,
        Self::Serverless,
        Self::Osls,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mlfn => "mlfn",
            Self::Script => "a boto3 script",
            Self::Sam => "SAM CLI, looking every 0.5 s",
            Self::Serverless => "Serverless Framework 3",
            Self::Osls => "osls",
        }
    }
}

/// The tools, and the account.
pub(super) struct Peers {
    work: PathBuf,
    script: PathBuf,
    aws: Server,
    mlfn: PathBuf,
    project: PathBuf,
    files: PathBuf,
    memory: std::cell::Cell<u32>,
}

impl Peers {
    /// Installs and starts.
    pub(super) fn start(root: &Path, subject: &Subject) -> anyhow::Result<Self> {
        let work = fs_err::canonicalize(root.join("target/bench/deploy"))?;
        let sam = work.join("sam");
        once(&sam, |folder| {
            let mut venv = Command::new(python::interpreter());
            run(venv.args(["-m", "venv"]).arg(folder))?;
            let mut pip = Command::new(folder.join("bin/pip"));
            run(pip.args(["install", "--quiet", SAM]))
        })?;
        let node = |name: &str, packages: &[&str]| {
            once(&work.join(name), |folder| {
                fs_err::create_dir_all(folder)?;
                fs_err::write(folder.join("package.json"), "{\"private\": true}\n")?;
                let mut npm = Command::new("npm");
                npm.args(["install", "--no-audit", "--no-fund", "--silent"]);
                run(npm.args(packages).current_dir(folder))
            })
        };
        node("serverless", &[SERVERLESS, SERVERLESS_ELSEWHERE])?;
        node("osls", &[OSLS])?;
        Ok(Self {
            aws: ministack(&sam)?,
            script: root.join("cli/crates/dev/python/deploy_with_boto3.py"),
            mlfn: fs_err::canonicalize(&subject.mlfn)?,
            project: subject.project.clone(),
            files: subject.files.clone(),
            memory: std::cell::Cell::new(subject.memory()),
            work,
        })
    }

    /// What was measured.
    pub(super) fn versions() -> String {
        let ours = env!("CARGO_PKG_VERSION");
        format!("mlfn {ours}, {SAM}, {SERVERLESS}, {OSLS}")
    }

    /// Nothing is in the account but a bucket for SAM, which wants one.
    pub(super) fn empty(&self) {
        for (method, path) in [("POST", "/_ministack/reset"), ("PUT", "/sam-packages")] {
            // What did not work is told by the first tool that needs it.
            let _ = self.aws.ask(method, path);
        }
    }

    /// Writes what a tool reads; not measured.
    pub(super) fn prepare(&self, tool: Tool, subject: &Subject) -> anyhow::Result<()> {
        self.memory.set(subject.memory());
        match tool {
            Tool::Mlfn | Tool::Script => Ok(()),
            Tool::Sam => self.prepare_sam(),
            Tool::Serverless => self.prepare_serverless("serverless", true),
            Tool::Osls => self.prepare_serverless("osls", false),
        }
    }

    fn prepare_sam(&self) -> anyhow::Result<()> {
        let (files, memory) = (self.files.display(), self.memory.get());
        let template = format!(
            "AWSTemplateFormatVersion: '2010-09-09'\n\
             Transform: AWS::Serverless-2016-10-31\n\
             Resources:\n  Model:\n    Type: AWS::Serverless::Function\n    Properties:\n      \
             Runtime: provided.al2023\n      Handler: bootstrap\n      CodeUri: {files}\n      \
             MemorySize: {memory}\n      Timeout: 30\n      AutoPublishAlias: live\n      \
             AutoPublishAliasAllProperties: true\n      FunctionUrlConfig: {{AuthType: NONE}}\n      \
             Events:\n        Clock: {{Type: Schedule, Properties: {{Schedule: rate(5 minutes)}}}}\n"
        );
        let folder = self.work.join("sam-project");
        fs_err::create_dir_all(&folder)?;
        Ok(fs_err::write(folder.join("template.yaml"), template)?)
    }

    fn prepare_serverless(&self, name: &str, needs_plugin: bool) -> anyhow::Result<()> {
        let folder = self.work.join(name).join("project");
        fs_err::create_dir_all(&folder)?;
        let mut copy = Command::new("cp");
        run(copy.args(["-r", "."]).arg(&folder).current_dir(&self.files))?;
        let port = self.aws.port;
        let plugin = format!(
            "plugins: [serverless-localstack]\ncustom:\n  localstack:\n    \
             host: http://127.0.0.1\n    edgePort: {port}\n    stages: [dev]\n    \
             autostart: false\n"
        );
        let plugin = if needs_plugin { plugin } else { String::new() };
        let memory = self.memory.get();
        let service = format!(
            "service: {name}\nframeworkVersion: '*'\nprovider:\n  name: aws\n  \
             runtime: provided.al2023\n  region: us-east-1\n  stage: dev\n  \
             memorySize: {memory}\n  timeout: 30\n  deploymentMethod: direct\n\
             package:\n  patterns: ['!**', bootstrap, 'lib/**', 'model/**', mlfn.json]\n\
             functions:\n  model:\n    handler: bootstrap\n    url: true\n    \
             events:\n      - schedule: rate(5 minutes)\n{plugin}"
        );
        fs_err::write(folder.join("package.json"), "{\"private\": true}\n")?;
        Ok(fs_err::write(folder.join("serverless.yml"), service)?)
    }

    /// What is measured.
    pub(super) fn run(&self, tool: Tool, step: Step) -> anyhow::Result<()> {
        let mut command = self.command(tool, step);
        command
            .env("AWS_ENDPOINT_URL", self.aws.url())
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("HOME", self.work.join("home"))
            .env("CI", "1")
            .env("SAM_CLI_TELEMETRY", "0")
            .env("SAM_CLI_POLL_DELAY", "0.5")
            .env("SLS_TELEMETRY_DISABLED", "1")
            .env("NODE_NO_WARNINGS", "1");
        fs_err::create_dir_all(self.work.join("home"))?;
        run(&mut command)
    }

    fn command(&self, tool: Tool, step: Step) -> Command {
        let removes = step == Step::Remove;
        let verb = if removes { "remove" } else { "deploy" };
        match tool {
            Tool::Mlfn => {
                let mut command = Command::new(&self.mlfn);
                command.args([verb, "--yes"]).current_dir(&self.project);
                command
            }
            Tool::Script => {
                let mut command = Packages::Aws.command();
                command.arg(&self.script).args([verb, "by-hand"]);
                command.arg(&self.files).arg(self.memory.get().to_string());
                command
            }
            Tool::Sam => self.sam(removes),
            Tool::Serverless => self.node("serverless", verb),
            Tool::Osls => self.node("osls", verb),
        }
    }

    fn sam(&self, removes: bool) -> Command {
        let mut command = Command::new(self.work.join("sam/bin/sam"));
        command.current_dir(self.work.join("sam-project"));
        if removes {
            command.args(["delete", "--stack-name", "bench", "--no-prompts"]);
            return command;
        }
        command
            .args(["deploy", "--stack-name", "bench", "--s3-bucket", BUCKET])
            .args(["--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
            .args(["--no-confirm-changeset", "--no-fail-on-empty-changeset"])
            .arg("--no-progressbar");
        command
    }

    fn node(&self, name: &str, verb: &str) -> Command {
        let folder = self.work.join(name);
        let program = folder.join("node_modules/.bin").join(name);
        let mut command = Command::new(program);
        command.arg(verb).current_dir(folder.join("project"));
        command
    }
}

/// Installs something into a folder, unless it is there already.
fn once(folder: &Path, install: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let done = folder.join("installed");
    if done.exists() {
        return Ok(());
    }
    install(folder).with_context(|| format!("installing into {}", folder.display()))?;
    Ok(fs_err::write(done, "")?)
}

/// With what it needs for SAM's templates, which comes with SAM.
fn ministack(sam: &Path) -> anyhow::Result<Server> {
    let mut version = Command::new(sam.join("bin/python"));
    let script = "import sysconfig; print(sysconfig.get_path('purelib'))";
    let output = version.args(["-c", script]).output()?;
    ensure!(output.status.success(), "SAM's interpreter does not answer");
    let site = String::from_utf8(output.stdout)?.trim().to_owned();
    let ours = Packages::Aws.search_path();
    let folders = std::env::split_paths(&ours).chain([PathBuf::from(site)]);
    let path: OsString = std::env::join_paths(folders)?;
    let ready = Ready::Answering("/_ministack/health");
    Ok(Server::start(
        python::interpreter(),
        ready,
        |command, [port]: [u16; 1]| {
            command
                .args(["-m", "ministack"])
                .env("PYTHONPATH", &path)
                .env("BIND_HOST", "127.0.0.1")
                .env("GATEWAY_PORT", port.to_string());
        },
    ))
}
