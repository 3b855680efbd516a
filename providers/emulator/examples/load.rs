//! How many requests a second a local cloud answers:
//!
//! ```text
//! cargo run --release -p mlfn-emulator --example load -- PACKAGE.zip CONNECTIONS SECONDS BODY
//! ```

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a tool for developers, which ends when something is wrong"
)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mlfn_core::{Access, ArchiveFormat, Artifact, Digest, Lower as _, Memory, ProviderName, Route};
use mlfn_emulator::{EmulatorOptions, LocalCloud};
use mlfn_testkit::service;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [package, connections, seconds, body] = &arguments[..] else {
        println!("arguments: PACKAGE.zip CONNECTIONS SECONDS BODY");
        return;
    };
    let connections: usize = connections.parse().expect("a number");
    let time = Duration::from_secs(seconds.parse().expect("a number"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .expect("a runtime")
        .block_on(run(package.into(), connections, time, body.clone()));
}

async fn run(package: PathBuf, connections: usize, time: Duration, body: String) {
    let folder = tempfile::TempDir::new().expect("a folder");
    let options = EmulatorOptions::new(ProviderName::Aws, folder.path());
    let cloud = LocalCloud::open(options).await.expect("starts");
    let service = service(ProviderName::Aws, |service| {
        service.functions[0].memory = Memory::mib(1769);
    });
    let artifact = artifact(&package);
    let access = Access {
        service: service.name.clone(),
        stage: service.stage.clone(),
        region: None,
        profile: None,
        endpoint: None,
        tags: [].into(),
    };
    let aws = mlfn_aws::Aws;
    let session = cloud.session(&access, aws.kinds());
    let resources = aws.lower(&service, &[artifact]);
    cloud
        .reload(&session, &resources, Path::new("/"))
        .await
        .expect("deploys");
    println!("{}", cloud.emulator().url());
    let port = cloud.emulator().port();
    let load = tokio::task::spawn_blocking(move || load(port, connections, time, &body));
    load.await.expect("ends");
    cloud.shut_down().await;
}

fn artifact(package: &Path) -> Artifact {
    let path = std::path::absolute(package).expect("a path");
    let bytes = fs_err::read(&path).expect("reads");
    Artifact {
        function: "classifier".parse().expect("a name"),
        provider: ProviderName::Aws,
        path,
        format: ArchiveFormat::Zip,
        digest: Digest::of(&bytes),
        packed: bytes.len() as u64,
        unpacked: 0,
        parts: Vec::new(),
        fetched: Vec::new(),
        layer: None,
        route: Route::Fits {
            name: "direct zip",
            max_packed: None,
            max_unpacked: None,
        },
    }
}

fn load(port: u16, connections: usize, time: Duration, body: &str) {
    let path = "/2015-03-31/functions/iris-dev-classifier:live/invocations";
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let request = Arc::new(request.into_bytes());
    let threads: Vec<_> = (0..connections)
        .map(|_| {
            let request = Arc::clone(&request);
            std::thread::spawn(move || one(port, &request, time))
        })
        .collect();
    let mut all: Vec<Duration> = threads
        .into_iter()
        .flat_map(|thread| thread.join().expect("ends"))
        .collect();
    all.sort();
    let at = |share: usize| all[(all.len() - 1) * share / 100].as_secs_f64() * 1000.0;
    let rate = u32::try_from(all.len()).map_or(0.0, f64::from) / time.as_secs_f64();
    println!(
        "{connections} connections: {rate:.0}/s, p50 {:.3} ms, p99 {:.3} ms",
        at(50),
        at(99)
    );
}

/// The times of all requests of one connection, after the first ones.
fn one(port: u16, request: &[u8], time: Duration) -> Vec<Duration> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connects");
    stream.set_nodelay(true).expect("sets");
    for _ in 0..20 {
        exchange(&mut stream, request);
    }
    let begin = Instant::now();
    let mut times = Vec::new();
    while begin.elapsed() < time {
        let sent = Instant::now();
        exchange(&mut stream, request);
        times.push(sent.elapsed());
    }
    times
}

fn exchange(stream: &mut TcpStream, request: &[u8]) {
    stream.write_all(request).expect("sends");
    let mut buffer = vec![0; 64 * 1024];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).expect("reads");
        assert!(read > 0, "the connection ended");
        filled += read;
        let text = String::from_utf8_lossy(&buffer[..filled]);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        assert!(head.starts_with("HTTP/1.1 200"), "{text}");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if length.and_then(|text| text.parse().ok()) == Some(body.len()) {
            return;
        }
    }
}
