//! Functions that are served until Ctrl-C.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value as Json;

use crate::project::Project;

/// `mlfn emulate`, ended with its owner.
struct Served {
    child: Child,
    url: String,
    stdout: BufReader<ChildStdout>,
}

impl Served {
    #[track_caller]
    fn start(project: &Project, words: &str) -> Self {
        let mut command = project.command(&format!("emulate --json {words}"));
        let command = command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("starts");
        let stdout = child.stdout.take().expect("is piped");
        // From here on it ends with this, whatever it says.
        let mut served = Self {
            child,
            url: String::new(),
            stdout: BufReader::new(stdout),
        };
        let serving = served.line(r#""type":"serving""#);
        let serving: Json = serde_json::from_str(&serving).expect("is JSON");
        let url = &serving["endpoints"][0]["url"];
        let url = url.as_str().expect("has an endpoint");
        served.url.push_str(url);
        served
    }

    /// The next line that has `text` in it.
    #[track_caller]
    fn line(&mut self, text: &str) -> String {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            let read = self.stdout.read_line(&mut line);
            assert_ne!(read.expect("reads"), 0, "it ended early");
        }
        line
    }

    /// The status and the body of the answer.
    #[track_caller]
    fn ask(&self) -> (u16, String) {
        let rest = self.url.strip_prefix("http://").expect("is HTTP");
        let (place, path) = rest.split_once('/').expect("has a path");
        let body = r#"{"features":[5.1,3.5,1.4,0.2]}"#;
        let mut stream = TcpStream::connect(place).expect("connects");
        let length = body.len();
        let request = format!(
            "POST /{path} HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("writes");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("reads");
        let (head, body) = answer.split_once("\r\n\r\n").expect("has a body");
        let status = head.split(' ').nth(1).expect("has a status");
        (status.parse().expect("is a number"), body.to_owned())
    }

    /// Asks until the answer has `text` in it. No answer on the way is an error.
    #[track_caller]
    fn ask_until(&self, text: &str) {
        for _ in 0..10_000 {
            let (status, body) = self.ask();
            assert_eq!(status, 200, "{body}");
            if body.contains(text) {
                return;
            }
        }
        panic!("`{text}` never came");
    }

    #[track_caller]
    fn interrupt(mut self) {
        let id = self.child.id().to_string();
        let killed = Command::new("kill").args(["-INT", &id]).status();
        assert!(killed.expect("starts").success());
        assert_eq!(self.child.wait().expect("ends").code(), Some(0));
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn changes_are_followed_without_a_failed_request_until_ctrl_c() {
    let project = Project::iris();
    let served = Served::start(&project, "");
    served.ask_until(r#""label":"setosa""#);
    project.replace("labels: [setosa", "labels: [bristle");
    served.ask_until(r#""label":"bristle""#);
    // What is wrong does not end what served.
    project.replace("models:", "modls:");
    served.ask_until("bristle");
    project.replace("modls:", "models:");
    project.replace("labels: [bristle", "labels: [setosa");
    served.ask_until(r#""label":"setosa""#);
    served.interrupt();
    assert_eq!(project.processes(), Vec::<String>::new());
}

#[test]
fn every_cloud_can_be_served() {
    for cloud in ["azure", "gcp"] {
        let project = Project::iris();
        let served = Served::start(&project, &format!("--as {cloud}"));
        served.ask_until(r#""label":"setosa""#);
        served.interrupt();
        assert_eq!(project.processes(), Vec::<String>::new());
    }
}

#[test]
fn a_port_that_is_taken_is_said_and_nothing_is_left() {
    let project = Project::iris();
    let taken = TcpListener::bind("127.0.0.1:0").expect("listens");
    let port = taken.local_addr().expect("has an address").port();
    let mut command = project.command(&format!("emulate --port {port}"));
    let output = command.output().expect("starts");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    let message = format!("cannot listen on 127.0.0.1:{port}");
    assert!(said.contains(&message), "{said}");
    assert!(said.contains("leave `--port` out"), "{said}");
    assert_eq!(project.processes(), Vec::<String>::new());
}
