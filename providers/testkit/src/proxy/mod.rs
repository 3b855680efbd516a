//! A proxy on this machine between a client and one HTTP server, which does on order what networks
//! and clouds do on bad days: refuse, delay, hang up, lose an answer whose call took effect. It
//! also kills its client at an exact call.
//!
//! ```no_run
//! use mlfn_testkit::proxy::{Kind, Proxy, Rule, When};
//!
//! let cloud = "127.0.0.1:4566";
//! let proxy = Proxy::start(cloud);
//! proxy.add(Rule::new(Kind::LoseAnswer).when(When::any().operation("^CreateRole$")));
//! proxy.add(Rule::new(Kind::answer(429, "{}")).when(When::changing()).skip(3).times(2));
//! // ... a client of `proxy.url()` ...
//! println!("{}", proxy.json_lines());
//! ```
//!
//! - [`Rule`]: what goes wrong, [`When`] and how often
//! - [`Call`]: what is known of a call afterwards
//! - [`Request`]: what came, whole, if that is asked for
//! - `wire`: the two sides of the connection
//!
//! Bodies are streamed. HTTP/1.1 without TLS; the head goes on as it came, `host` included, so that
//! signatures stay good.

mod wire;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use regex::Regex;
use serde::Serialize;
use tokio::sync::{Notify, watch};

use crate::guard;

/// A running proxy; it ends when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the proxy's thread and its owner both see.
#[derive(Debug)]
struct Shared {
    upstream: String,
    rules: Mutex<Vec<Counted>>,
    calls: Mutex<Vec<Call>>,
    /// What came, if it is kept.
    requests: Mutex<Option<Vec<Request>>>,
    /// The process that is killed on order.
    victim: watch::Sender<Option<u32>>,
    stop: Notify,
}

#[derive(Debug)]
struct Counted {
    rule: Rule,
    /// How many calls it was about.
    seen: u32,
}

/// Something that goes wrong: once, with the first call, unless more is said.
#[derive(Debug, Clone)]
pub struct Rule {
    kind: Kind,
    when: When,
    skip: u32,
    times: u32,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The proxy answers, and the server hears nothing.
    Answer {
        /// The status code.
        status: u16,
        /// Headers besides the length.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// The call goes on only after that time.
    Delay(Duration),
    /// The connection ends, and the server hears nothing.
    HangUp,
    /// The connection ends when the server has answered: the call took effect, and nobody knows.
    LoseAnswer,
    /// The connection ends after half of the answer's body.
    Truncate,
    /// The client gets SIGKILL, and the server hears nothing.
    KillBefore,
    /// The client gets SIGKILL when the server has answered.
    KillAfter,
}

/// Which calls are meant: those that match every pattern.
#[derive(Debug, Clone, Default)]
pub struct When {
    method: Option<Regex>,
    path: Option<Regex>,
    operation: Option<Regex>,
    changing: bool,
}

/// A call, as it came by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    /// Counted from 1, in the order in which they came.
    pub number: u32,
    /// `GET`, `POST`..
    pub method: String,
    /// With the query.
    pub path: String,
    /// What the protocols of AWS that have one path for everything call: the header `x-amz-target`,
    /// or `Action` in the query or in a form.
    pub operation: Option<String>,
    /// Bytes of the body that came from the client.
    pub sent: u64,
    /// What the client got; none if the connection ended.
    pub status: Option<u16>,
    /// What went wrong, by name.
    pub fault: Option<&'static str>,
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`..
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names are in small letters; what is not text is left out.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Bytes,
}

impl Proxy {
    /// Listens on a free port of this machine, and hands everything on to `upstream`, e.g.
    /// `127.0.0.1:4566`.
    ///
    /// # Panics
    ///
    /// If there is no port or no thread.
    pub fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            upstream: upstream.trim_start_matches("http://").to_owned(),
            rules: Mutex::default(),
            calls: Mutex::default(),
            requests: Mutex::default(),
            victim: watch::Sender::new(None),
            stop: Notify::new(),
        });
        let own = shared.clone();
        let thread = std::thread::spawn(move || wire::serve(listener, &own));
        Self {
            address,
            shared,
            thread: Some(thread),
        }
    }

    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on that goes wrong, too. Of several rules that are due, the first one holds.
    pub fn add(&self, rule: Rule) {
        guard(&self.shared.rules).push(Counted { rule, seen: 0 });
    }

    /// From now on nothing goes wrong.
    pub fn clear(&self) {
        guard(&self.shared.rules).clear();
    }

    /// The process that [`Kind::KillBefore`] and [`Kind::KillAfter`] kill. They wait until it is
    /// named, so that it may be started first.
    pub fn victim(&self, process: u32) {
        self.shared.victim.send_replace(Some(process));
    }

    /// No calls so far, and nobody to be killed.
    pub fn forget(&self) {
        guard(&self.shared.calls).clear();
        self.shared.victim.send_replace(None);
    }

    /// Everything that came by.
    pub fn calls(&self) -> Vec<Call> {
        guard(&self.shared.calls).clone()
    }

    /// From now on whole requests are kept, in memory, until they are [taken](Proxy::take_requests).
    pub fn keep_requests(&self) {
        guard(&self.shared.requests).get_or_insert_default();
    }

    /// What came since requests are kept, or were last taken.
    pub fn take_requests(&self) -> Vec<Request> {
        let mut kept = guard(&self.shared.requests);
        kept.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// How many such calls came by.
    pub fn count(&self, when: &When) -> usize {
        let calls = guard(&self.shared.calls);
        calls.iter().filter(|call| when.holds(call)).count()
    }

    /// [`Proxy::calls`], one JSON object a line.
    ///
    /// # Panics
    ///
    /// Never: calls are plain data.
    pub fn json_lines(&self) -> String {
        let line = |call: &Call| serde_json::to_string(call).expect("plain data") + "\n";
        self.calls().iter().map(line).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            // What went wrong there has failed the client already.
            let _ = thread.join();
        }
    }
}

impl Rule {
    /// That goes wrong with the first call.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            when: When::any(),
            skip: 0,
            times: 1,
        }
    }

    /// Only with such calls; the others are not counted.
    #[must_use]
    pub fn when(self, when: When) -> Self {
        Self { when, ..self }
    }

    /// Not with the first `skip`.
    #[must_use]
    pub fn skip(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    /// With that many.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// With all that follow.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u32::MAX)
    }
}

impl Counted {
    /// Counts a call; what goes wrong with it, if it is the turn of this rule.
    fn meet(&mut self, call: &Call) -> Option<Kind> {
        if !self.rule.when.holds(call) {
            return None;
        }
        self.seen = self.seen.saturating_add(1);
        let (first, times) = (self.rule.skip.saturating_add(1), self.rule.times);
        let due = self.seen >= first && self.seen - first < times;
        due.then(|| self.rule.kind.clone())
    }
}

impl Kind {
    /// An answer without headers.
    pub fn answer(status: u16, body: &str) -> Self {
        Self::Answer {
            status,
            headers: Vec::new(),
            body: body.to_owned(),
        }
    }

    /// An answer with one more header; nothing changes in other kinds.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Answer { .. } => "answer",
            Self::Delay(_) => "delay",
            Self::HangUp => "hang-up",
            Self::LoseAnswer => "lose-answer",
            Self::Truncate => "truncate",
            Self::KillBefore => "kill-before",
            Self::KillAfter => "kill-after",
        }
    }
}

impl When {
    /// All calls.
    pub fn any() -> Self {
        Self::default()
    }

    /// Calls that change something, as far as names tell: no GET and no HEAD, no operation that
    /// begins as AWS's reading ones do, and no invocation of a function.
    pub fn changing() -> Self {
        Self {
            changing: true,
            ..Self::default()
        }
    }

    /// Whose method matches this regular expression.
    #[must_use]
    pub fn method(self, pattern: &str) -> Self {
        Self {
            method: Some(regex(pattern)),
            ..self
        }
    }

    /// Whose path (with the query) matches.
    #[must_use]
    pub fn path(self, pattern: &str) -> Self {
        Self {
            path: Some(regex(pattern)),
            ..self
        }
    }

    /// Whose [operation](Call::operation) matches.
    #[must_use]
    pub fn operation(self, pattern: &str) -> Self {
        Self {
            operation: Some(regex(pattern)),
            ..self
        }
    }

    /// Whether `call` is meant.
    pub fn holds(&self, call: &Call) -> bool {
        let fits = |pattern: &Option<Regex>, text: &str| {
            pattern
                .as_ref()
                .is_none_or(|pattern| pattern.is_match(text))
        };
        fits(&self.method, &call.method)
            && fits(&self.path, &call.path)
            && fits(&self.operation, call.operation.as_deref().unwrap_or(""))
            && (!self.changing || call.is_changing())
    }
}

impl Call {
    /// What [`When::changing`] means.
    pub fn is_changing(&self) -> bool {
        const READING: [&str; 8] = [
            "BatchGet", "Describe", "Get", "Head", "List", "Query", "Scan", "Simulate",
        ];
        if let Some(operation) = &self.operation {
            let verb = operation.rsplit('.').next().unwrap_or(operation);
            return !READING.iter().any(|reading| verb.starts_with(reading));
        }
        let path = self.path.split('?').next().unwrap_or_default();
        !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
            && !path.ends_with("/invocations")
    }
}

#[track_caller]
fn regex(pattern: &str) -> Regex {
    match Regex::new(pattern) {
        Ok(regex) => regex,
        Err(error) => panic!("not a pattern: {error}"),
    }
}

impl Shared {
    /// Counts a call, and decides what goes wrong with it.
    fn arrive(&self, call: Call) -> (u32, Option<Kind>) {
        let mut calls = guard(&self.calls);
        let number = u32::try_from(calls.len()).unwrap_or(u32::MAX) + 1;
        let mut rules = guard(&self.rules);
        let mut fault = None;
        for rule in rules.iter_mut() {
            let due = rule.meet(&call);
            fault = fault.or(due);
        }
        calls.push(Call {
            number,
            fault: fault.as_ref().map(Kind::name),
            ..call
        });
        (number, fault)
    }

    /// Whether whole requests are wanted.
    fn keeps_requests(&self) -> bool {
        guard(&self.requests).is_some()
    }

    fn keep(&self, request: Request) {
        if let Some(kept) = guard(&self.requests).as_mut() {
            kept.push(request);
        }
    }

    /// Adds to what is known of a call, unless it is forgotten.
    fn learn(&self, number: u32, learn: impl FnOnce(&mut Call)) {
        let mut calls = guard(&self.calls);
        if let Some(call) = calls.iter_mut().find(|call| call.number == number) {
            learn(call);
        }
    }
}
