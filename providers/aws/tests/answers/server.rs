//! A server that answers what AWS documents that it answers, one answer a call, in order.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use mlfn_aws::AwsSession;
use mlfn_core::{Access, ProviderError};
use serde_json::{Value as Json, json};

/// What AWS answers to one call.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    /// Of a service that speaks JSON.
    pub(crate) fn json(body: &Json) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: body.to_string(),
        }
    }

    /// Of a service that speaks XML.
    pub(crate) fn xml(body: &str) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: body.to_owned(),
        }
    }

    /// A refusal of Lambda.
    pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Self {
        Self {
            status,
            headers: vec![("x-amzn-errortype", code.to_owned())],
            body: json!({ "Type": "User", "message": message }).to_string(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    fn bytes(&self) -> Vec<u8> {
        let Self {
            status,
            headers,
            body,
        } = self;
        let headers = headers.iter().fold(String::new(), |all, (name, value)| {
            all + name + ": " + value + "\r\n"
        });
        let length = body.len();
        format!(
            "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}\r\n\
             x-amzn-requestid: request-1\r\n{headers}\r\n{body}"
        )
        .into_bytes()
    }
}

/// A call as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Method and path with query.
    pub(crate) line: String,
    pub(crate) body: String,
}

/// The server; it lives as long as the test's process.
pub(crate) struct Aws {
    url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
}

/// What a service that has nothing to say would hang up with.
const NOTHING: &[u8] = b"";

impl Aws {
    /// After the answer that `connect` asks for; further calls get no answer.
    pub(crate) fn answering(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
        let url = format!("http://{}", listener.local_addr().expect("has an address"));
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let all = Arc::clone(&heard);
        std::thread::spawn(move || {
            let mut answers = answers.into_iter();
            for stream in listener.incoming() {
                let mut stream = stream.expect("connects");
                let Some(call) = hear(&stream) else { continue };
                let is_identity = call.body.contains("GetCallerIdentity");
                let answer = if is_identity {
                    Some(identity())
                } else {
                    all.lock().expect("no panic").push(call);
                    answers.next()
                };
                let bytes = answer.map_or(NOTHING.to_vec(), |answer| answer.bytes());
                // Who hangs up while it is answered is of no interest.
                let _ = stream.write_all(&bytes);
            }
        });
        Self { url, heard }
    }

    pub(crate) async fn session(&self) -> AwsSession {
        self.connect().await.expect("connects")
    }

    pub(crate) async fn connect(&self) -> Result<AwsSession, ProviderError> {
        let access = Access {
            service: "iris".parse().expect("is a name"),
            stage: "dev".parse().expect("is a name"),
            region: Some("eu-west-1".to_owned()),
            profile: None,
            endpoint: Some(self.url.clone()),
            tags: [].into(),
        };
        AwsSession::connect_as(&access, ("key", "secret")).await
    }

    /// The calls so far, but for those about the credentials.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("no panic").clone()
    }
}

fn identity() -> Answer {
    Answer::xml(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/ci</Arn>\
         <UserId>AIDA</UserId><Account>123456789012</Account></GetCallerIdentityResult>\
         </GetCallerIdentityResponse>",
    )
}

/// A whole request; none if nothing comes.
fn hear(stream: &TcpStream) -> Option<Heard> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end() {
            "" if lines.is_empty() => return None,
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    let length = lines.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or_default()];
    reader.read_exact(&mut body).ok()?;
    let line = lines.first()?.trim_end_matches(" HTTP/1.1").to_owned();
    Some(Heard {
        line,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}
