//! The Lambda Runtime API, as far as a runtime sees it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What happens next.
enum Event {
    /// An invocation with this id and payload.
    Invoke(String, String),
    /// The connection breaks in the middle of the wait.
    HangUp,
}

/// What the runtime posted.
#[derive(Debug)]
pub(crate) struct Post {
    /// The path after the version.
    pub(crate) path: String,
    /// The type of an error, from its header.
    pub(crate) error_type: Option<String>,
    /// The body.
    pub(crate) body: String,
}

/// A server on the loopback interface.
pub(crate) struct RuntimeApi {
    address: String,
    events: Sender<Event>,
    posts: Receiver<Post>,
    taken: Receiver<String>,
    count: u32,
}

impl RuntimeApi {
    /// Starts it.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let address = listener.local_addr().expect("an address").to_string();
        let (events, waiting) = channel();
        let (sender, posts) = channel();
        let (handed_out, taken) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (waiting, sender) = (Arc::clone(&waiting), sender.clone());
                let handed_out = handed_out.clone();
                // An error means that the runtime has gone.
                thread::spawn(move || serve(stream, &waiting, &sender, &handed_out));
            }
        });
        Self {
            address,
            events,
            posts,
            taken,
            count: 0,
        }
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Hands in an event without waiting for its answer: its id.
    pub(crate) fn begin(&mut self, payload: &str) -> String {
        self.count += 1;
        let id = format!("request-{}", self.count);
        let event = Event::Invoke(id.clone(), payload.to_owned());
        self.events.send(event).expect("the server runs");
        id
    }

    /// Breaks the connection on which the runtime waits.
    pub(crate) fn hang_up(&self) {
        self.events.send(Event::HangUp).expect("the server runs");
    }

    /// Waits until the runtime has asked for an event and got this one.
    #[track_caller]
    pub(crate) fn wait_until_taken(&self, id: &str) {
        let mut taken = self.taken.iter();
        assert!(taken.any(|found| found == id), "the server has ended");
    }

    /// The next that the runtime posts.
    #[track_caller]
    pub(crate) fn post(&self) -> Post {
        self.posts
            .recv_timeout(Duration::from_mins(2))
            .expect("the runtime posts")
    }

    /// Hands in an event and waits: whether it was answered, and with what.
    #[track_caller]
    pub(crate) fn invoke(&mut self, payload: &str) -> Result<String, Post> {
        let id = self.begin(payload);
        let post = self.post();
        if post.path == format!("/invocation/{id}/response") {
            return Ok(post.body);
        }
        assert_eq!(post.path, format!("/invocation/{id}/error"));
        Err(post)
    }
}

fn serve(
    stream: TcpStream,
    waiting: &Mutex<Receiver<Event>>,
    posts: &Sender<Post>,
    taken: &Sender<String>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let path = path
            .strip_prefix("/2018-06-01/runtime")
            .unwrap_or(&path)
            .to_owned();
        let headers = headers(&mut stream)?;
        if path == "/invocation/next" {
            let event = waiting.lock().expect("no panic").recv();
            let Ok(Event::Invoke(id, payload)) = event else {
                return Ok(());
            };
            let head = format!(
                "lambda-runtime-aws-request-id: {id}\r\nlambda-runtime-trace-id: Root=1\r\n"
            );
            answer(&mut stream, "200 OK", &head, &payload)?;
            // Nobody waits for it when a test is over.
            let _ = taken.send(id);
            continue;
        }
        let header = |name: &str| headers.iter().find(|(found, _)| found == name);
        let length = header("content-length").map_or(0, |(_, value)| value.parse().unwrap_or(0));
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let error_type =
            header("lambda-runtime-function-error-type").map(|(_, value)| value.clone());
        let body = String::from_utf8_lossy(&body).into_owned();
        // Nobody waits for it when a test is over.
        let _ = posts.send(Post {
            path,
            error_type,
            body,
        });
        answer(&mut stream, "202 Accepted", "", "{\"status\":\"OK\"}")?;
    }
}

pub(super) fn headers(stream: &mut BufReader<TcpStream>) -> std::io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else {
            return Ok(headers);
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

pub(super) fn answer(
    stream: &mut BufReader<TcpStream>,
    status: &str,
    headers: &str,
    body: &str,
) -> std::io::Result<()> {
    answer_bytes(stream, status, headers, body.as_bytes())
}

pub(super) fn answer_bytes(
    stream: &mut BufReader<TcpStream>,
    status: &str,
    headers: &str,
    body: &[u8],
) -> std::io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n");
    stream
        .get_mut()
        .write_all(&[head.as_bytes(), body].concat())
}
