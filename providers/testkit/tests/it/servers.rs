//! The programs of others start, answer, and end with us.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mlfn_testkit::python::{Packages, interpreter, output};
use mlfn_testkit::servers::{Azurite, Ministack, Moto, Ready, Server};
use mlfn_testkit::victim::Order;

/// What boto3 says of the buckets, after it has made one.
fn buckets(environment: Vec<(&'static str, String)>) -> String {
    let script = "import boto3; s3 = boto3.client('s3'); s3.create_bucket(Bucket='one'); \
                  print([bucket['Name'] for bucket in s3.list_buckets()['Buckets']])";
    let mut command = Packages::Aws.command();
    output(command.args(["-c", script]).envs(environment))
}

#[test]
fn ministack_keeps_what_boto3_makes_until_it_is_reset() {
    let aws = Ministack::start();
    assert_eq!(buckets(aws.environment()), "['one']\n");
    aws.reset();
    assert_eq!(buckets(aws.environment()), "['one']\n");
}

#[test]
fn ministack_refuses_what_no_policy_allows() {
    let aws = Ministack::start_with_policies();
    let script = include_str!("denied.py");
    let mut command = Packages::Aws.command();
    let said = output(command.args(["-c", script]).envs(aws.environment()));
    assert_eq!(said, "AccessDenied\n");
}

#[test]
fn moto_knows_every_service_that_we_use() {
    let aws = Moto::start();
    assert_eq!(buckets(aws.environment()), "['one']\n");
    let script = include_str!("breadth.py");
    let mut command = Packages::Aws.command();
    output(command.args(["-c", script]).envs(aws.environment()));
    aws.reset();
}

#[test]
fn azurite_answers_and_asks_for_a_signature() {
    let azure = Azurite::start();
    let server = azure.server();
    let path = format!("/{}/container/blob", Azurite::ACCOUNT);
    let status = server.ask("GET", &path).expect("answers");
    assert_eq!(status, 403, "{}", server.output());
}

/// A server with a process below it and a temporary file, as ministack with its functions; it prints
/// both ids and the file.
const FAMILY: &str = "import http.server, os, subprocess, sys, tempfile\n\
    child = subprocess.Popen(['sleep', '1000'])\n\
    file = tempfile.mkstemp()[1]\n\
    print(os.getpid(), child.pid, file, flush=True)\n\
    http.server.test(bind='127.0.0.1', port=int(sys.argv[1]))";

/// What a family has said of itself.
#[derive(Debug)]
struct Family {
    ids: [u32; 2],
    file: PathBuf,
}

impl Family {
    fn of(output: &str) -> Self {
        let line = output.lines().next().expect("has said who it is");
        let [parent, child, file] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        Self {
            ids: [parent, child].map(|id| id.parse().expect("is an id")),
            file: file.into(),
        }
    }

    fn lives(&self) -> bool {
        let stat = |id: &u32| fs_err::read_to_string(format!("/proc/{id}/stat"));
        let is_alive = |id| stat(id).is_ok_and(|stat| !stat.contains(") Z "));
        self.ids.iter().any(is_alive) || self.file.parent().expect("is in a folder").exists()
    }

    /// The kernel ends processes in its own time.
    #[track_caller]
    fn assert_gone(&self) {
        let start = Instant::now();
        while self.lives() {
            let is_early = start.elapsed() < Duration::from_secs(20);
            assert!(is_early, "{self:?} leaves something");
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_server_ends_with_all_of_its_processes_and_files() {
    let server = Server::start(
        interpreter(),
        Ready::Listening,
        |command, [port]: [u16; 1]| {
            command.args(["-c", FAMILY, &port.to_string()]);
        },
    );
    let family = Family::of(&server.output());
    assert_eq!(family.ids[0], server.id(), "nothing stands between");
    assert!(family.lives());
    drop(server);
    family.assert_gone();
}

#[test]
fn a_server_ends_even_if_its_owner_is_killed() {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_mlfn-victim"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let script = FAMILY.to_owned();
    let order = serde_json::to_string(&Order::Serve { script }).expect("plain data");
    let stdin = owner.stdin.as_mut().expect("is piped");
    writeln!(stdin, "{order}").expect("listens");
    let mut said = String::new();
    BufReader::new(owner.stdout.take().expect("is piped"))
        .read_line(&mut said)
        .expect("speaks");
    owner.kill().expect("runs");
    owner.wait().expect("ends");
    Family::of(&said).assert_gone();
}
