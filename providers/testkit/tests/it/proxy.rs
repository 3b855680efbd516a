//! The proxy between a client and its cloud, with a server that sends back what it gets.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, server};
use hyper_util::rt::TokioIo;
use mlfn_testkit::proxy::{Call, Kind, Proxy, Rule, When};

/// Sends every body back as it comes, and counts.
struct Echo {
    address: SocketAddr,
    calls: Arc<AtomicU32>,
    runtime: tokio::runtime::Runtime,
}

impl Echo {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let calls = Arc::new(AtomicU32::new(0));
        let counter = calls.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let counter = counter.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    counter.fetch_add(1, Ordering::SeqCst);
                    async move { Ok::<_, Infallible>(Response::new(request.into_body())) }
                });
                let connection = server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self {
            address,
            calls,
            runtime,
        }
    }

    fn proxy(&self) -> Proxy {
        Proxy::start(&self.address.to_string())
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    fn stop(self) {
        self.runtime.shutdown_background();
    }
}

/// Sends a request, and reads until the connection ends.
fn send(proxy: &Proxy, request: &str) -> String {
    let mut stream = TcpStream::connect(proxy.address()).expect("listens");
    stream.write_all(request.as_bytes()).expect("sends");
    let mut answer = Vec::new();
    // A connection that is reset has ended, too.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn request(line: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{line} HTTP/1.1\r\nhost: cloud\r\nconnection: close\r\n{headers}\
         content-length: {length}\r\n\r\n{body}"
    )
}

fn post(proxy: &Proxy) -> String {
    send(proxy, &request("POST /things", "", "0123456789"))
}

/// One call under one rule: how its answer begins and ends, and whether the server heard of it.
#[track_caller]
fn check(kind: Kind, begins: &str, ends: &str, heard: u32) -> Call {
    let (echo, name) = (Echo::start(), format!("{kind:?}"));
    let proxy = echo.proxy();
    proxy.add(Rule::new(kind));
    let answer = post(&proxy);
    assert!(answer.starts_with(begins), "{name}: {answer}");
    assert!(answer.ends_with(ends), "{name}: {answer}");
    assert_eq!(begins.is_empty(), answer.is_empty(), "{name}: {answer}");
    assert_eq!(echo.calls(), heard, "{name}");
    // The rule was for one call.
    assert!(post(&proxy).ends_with("\r\n\r\n0123456789"), "{name}");
    let call = proxy.calls().into_iter().next().expect("a call");
    echo.stop();
    call
}

#[test]
fn everything_that_can_go_wrong_goes_wrong_once() {
    let refusal = Kind::answer(429, "slow down").header("retry-after", "1");
    let call = check(refusal, "HTTP/1.1 429", "\r\n\r\nslow down", 0);
    assert_eq!((call.status, call.fault), (Some(429), Some("answer")));
    assert_eq!(call.sent, 10, "the body is read before the answer");
    check(Kind::HangUp, "", "", 0);
    let call = check(Kind::LoseAnswer, "", "", 1);
    assert_eq!((call.status, call.fault), (None, Some("lose-answer")));
    check(Kind::Truncate, "HTTP/1.1 200", "\r\n\r\n01234", 1);
    let slow = Kind::Delay(Duration::from_millis(50));
    let start = Instant::now();
    check(slow, "HTTP/1.1 200", "0123456789", 1);
    assert!(start.elapsed() >= Duration::from_millis(50));
}

#[test]
fn headers_of_an_ordered_answer_arrive() {
    let echo = Echo::start();
    let proxy = echo.proxy();
    proxy.add(Rule::new(Kind::answer(503, "")).always());
    proxy.add(Rule::new(Kind::HangUp).always());
    for _ in 0..3 {
        assert!(
            post(&proxy).starts_with("HTTP/1.1 503"),
            "the first rule holds"
        );
    }
    proxy.clear();
    proxy.add(Rule::new(Kind::answer(429, "").header("retry-after", "7")));
    assert!(post(&proxy).contains("retry-after: 7\r\n"));
    echo.stop();
}

/// Which of six calls go wrong.
#[track_caller]
fn check_turns(rule: Rule, expected: [bool; 6]) {
    let echo = Echo::start();
    let proxy = echo.proxy();
    proxy.add(rule);
    let found = [(); 6].map(|()| post(&proxy).starts_with("HTTP/1.1 500"));
    assert_eq!(found, expected);
    echo.stop();
}

#[test]
fn a_rule_skips_and_lasts_as_it_is_told() {
    let rule = || Rule::new(Kind::answer(500, ""));
    let (x, o) = (true, false);
    check_turns(rule(), [x, o, o, o, o, o]);
    check_turns(rule().skip(2), [o, o, x, o, o, o]);
    check_turns(rule().skip(1).times(3), [o, x, x, x, o, o]);
    check_turns(rule().skip(4).always(), [o, o, o, o, x, x]);
    check_turns(rule().times(0), [o; 6]);
    check_turns(rule().when(When::any().method("^GET$")).always(), [o; 6]);
}

/// Whether a pattern means a call, and what its operation is.
#[track_caller]
fn check_when(raw: &str, operation: Option<&str>, changing: bool, when: &When) {
    let echo = Echo::start();
    let proxy = echo.proxy();
    assert!(send(&proxy, raw).starts_with("HTTP/1.1 200"), "{raw}");
    let call = &proxy.calls()[0];
    assert_eq!(call.operation.as_deref(), operation, "{raw}");
    assert_eq!(call.is_changing(), changing, "{raw}");
    assert_eq!(proxy.count(&When::changing()), usize::from(changing));
    assert!(when.holds(call), "{raw}");
    assert!(!when.clone().path("^/nowhere").holds(call), "{raw}");
    echo.stop();
}

#[test]
fn calls_are_told_apart_as_aws_names_them() {
    let any = When::any;
    let get = request("GET /2015-03-31/functions/f?Qualifier=live", "", "");
    check_when(&get, None, false, &any().method("GET").path("functions/f"));
    let put = request("PUT /bucket/key", "", "x");
    check_when(&put, None, true, &When::changing());
    let invoke = request("POST /2015-03-31/functions/f/invocations?x=1", "", "{}");
    check_when(&invoke, None, false, &any().path("invocations"));
    let form = "content-type: application/x-www-form-urlencoded; charset=utf-8\r\n";
    let role = request(
        "POST /",
        form,
        "Version=2010-05-08&Action=CreateRole&RoleName=r",
    );
    check_when(
        &role,
        Some("CreateRole"),
        true,
        &any().operation("^CreateRole$"),
    );
    let role = request("POST /", form, "Action=GetRole&RoleName=r");
    check_when(&role, Some("GetRole"), false, &any().operation("Role"));
    let queue = request("GET /?Action=CreateQueue", "", "");
    check_when(&queue, Some("CreateQueue"), true, &When::changing());
    let logs = "x-amz-target: Logs_20140328.DescribeLogGroups\r\n";
    let logs = request("POST /", logs, "{}");
    let operation = "Logs_20140328.DescribeLogGroups";
    check_when(
        &logs,
        Some(operation),
        false,
        &any().operation("LogGroups$"),
    );
}

#[test]
fn a_form_arrives_whole() {
    let echo = Echo::start();
    let proxy = echo.proxy();
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let answer = send(&proxy, &request("POST /", form, "Action=A&B=c"));
    assert!(answer.ends_with("\r\n\r\nAction=A&B=c"), "{answer}");
    echo.stop();
}

#[test]
fn bodies_in_chunks_arrive_as_they_come() {
    let echo = Echo::start();
    let proxy = echo.proxy();
    let mut stream = TcpStream::connect(proxy.address()).expect("listens");
    let head = "POST /x HTTP/1.1\r\nhost: cloud\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("sends");
    let mut answer = String::new();
    // The second chunk is sent only when the first one has come back.
    for chunk in ["first", "second"] {
        let framed = format!("{:x}\r\n{chunk}\r\n", chunk.len());
        stream.write_all(framed.as_bytes()).expect("sends");
        while !answer.ends_with(&framed) {
            let mut buffer = [0; 1024];
            let read = stream.read(&mut buffer).expect("answers");
            assert_ne!(read, 0, "{answer}");
            answer.push_str(std::str::from_utf8(&buffer[..read]).expect("text"));
        }
    }
    assert!(answer.contains("transfer-encoding: chunked"), "{answer}");
    assert_eq!(proxy.calls()[0].sent, 11);
    echo.stop();
}

#[test]
fn a_large_body_arrives_whole() {
    let echo = Echo::start();
    let proxy = echo.proxy();
    let body: String = ('a'..='z').cycle().take(20_000_000).collect();
    let mut stream = TcpStream::connect(proxy.address()).expect("listens");
    let mut sender = stream.try_clone().expect("a second handle");
    let sent = request("PUT /object", "expect: 100-continue\r\n", &body);
    let thread = std::thread::spawn(move || sender.write_all(sent.as_bytes()));
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("reads");
    thread.join().expect("ends").expect("sends");
    assert!(answer.ends_with(&body), "{} bytes", answer.len());
    assert_eq!(proxy.calls()[0].sent, 20_000_000);
    echo.stop();
}

#[test]
fn a_server_that_is_not_there_is_a_bad_gateway() {
    let echo = Echo::start();
    let proxy = echo.proxy();
    // Dropping the runtime ends the server at once.
    drop(echo);
    assert!(post(&proxy).starts_with("HTTP/1.1 502"), "nobody listens");
}

/// A client in a process of its own: the shell, by its own `/dev/tcp`.
fn client(proxy: &Proxy) -> std::process::Child {
    let port = proxy.address().port();
    let request = "PUT /thing HTTP/1.1\\r\\nhost: cloud\\r\\ncontent-length: 1\\r\\n\\r\\nx";
    let script = format!(
        "for i in 1 2 3; do exec 3<>/dev/tcp/127.0.0.1/{port}; printf '{request}' >&3; \
         read -r line <&3; done"
    );
    Command::new("bash")
        .args(["-c", &script])
        .stdin(Stdio::null())
        .spawn()
        .expect("bash")
}

#[test]
fn a_client_is_killed_before_or_after_a_call() {
    for (kind, heard) in [(Kind::KillBefore, 1), (Kind::KillAfter, 2)] {
        let echo = Echo::start();
        let proxy = echo.proxy();
        proxy.add(Rule::new(kind).when(When::changing()).skip(1));
        let mut child = client(&proxy);
        proxy.victim(child.id());
        let status = child.wait().expect("ends");
        assert_eq!(status.signal(), Some(9), "{status:?}");
        assert_eq!(echo.calls(), heard);
        assert_eq!(proxy.calls().len(), 2);
        proxy.forget();
        let mut child = client(&proxy);
        proxy.victim(child.id());
        assert!(child.wait().expect("ends").success(), "the rule is over");
        echo.stop();
    }
}

#[test]
fn calls_are_kept_as_lines_of_json() {
    let echo = Echo::start();
    let proxy = echo.proxy();
    post(&proxy);
    send(&proxy, &request("GET /a?b=c", "", ""));
    let expected = "\
        {\"number\":1,\"method\":\"POST\",\"path\":\"/things\",\"operation\":null,\"sent\":10,\
        \"status\":200,\"fault\":null}\n\
        {\"number\":2,\"method\":\"GET\",\"path\":\"/a?b=c\",\"operation\":null,\"sent\":0,\
        \"status\":200,\"fault\":null}\n";
    assert_eq!(proxy.json_lines(), expected);
    echo.stop();
}
