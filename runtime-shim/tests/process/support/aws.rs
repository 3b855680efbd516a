//! AWS, as far as a function asks it: objects, one queue, and secrets.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use serde_json::{Value as Json, json};

use super::runtime_api::{answer, answer_bytes, headers};

/// What there is.
#[derive(Debug, Default)]
pub(crate) struct Stock {
    /// By their paths, e.g. `/uploads/in/a.json`.
    pub(crate) objects: BTreeMap<String, String>,
    /// Objects that are read in pieces, by their paths.
    pub(crate) models: BTreeMap<String, Vec<u8>>,
    /// What was asked for of them, as `Range` has it.
    pub(crate) ranges: Vec<String>,
    /// By their names.
    pub(crate) secrets: BTreeMap<String, String>,
    /// Bodies of the messages that were sent.
    pub(crate) messages: Vec<Json>,
    /// Requests without a signature.
    pub(crate) unsigned: usize,
}

/// A server on the loopback interface.
pub(crate) struct Aws {
    url: String,
    stock: Arc<Mutex<Stock>>,
}

impl Aws {
    /// Starts it.
    pub(crate) fn start(stock: Stock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let stock = Arc::new(Mutex::new(stock));
        let own = Arc::clone(&stock);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let own = Arc::clone(&own);
                // An error means that the client has gone.
                thread::spawn(move || serve(stream, &own));
            }
        });
        Self { url, stock }
    }

    /// What there is now.
    pub(crate) fn stock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().expect("no panic")
    }

    /// What tells a function where it is, and who the function is.
    pub(crate) fn variables(&self) -> [(&str, &str); 5] {
        [
            ("AWS_ENDPOINT_URL", &self.url),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "KEY"),
            ("AWS_SECRET_ACCESS_KEY", "very-secret"),
            ("AWS_SESSION_TOKEN", "token"),
        ]
    }
}

fn serve(stream: TcpStream, stock: &Mutex<Stock>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let headers = headers(&mut stream)?;
        let header = |name: &str| headers.iter().find(|(found, _)| found == name);
        let length = header("content-length").map_or(0, |(_, value)| value.parse().unwrap_or(0));
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let mut stock = stock.lock().expect("no panic");
        let signed = header("authorization");
        if !signed.is_some_and(|(_, value)| value.starts_with("AWS4-HMAC-SHA256 Credential=KEY/")) {
            stock.unsigned += 1;
        }
        let target = header("x-amz-target").map(|(_, value)| value.as_str());
        let mut words = line.split(' ');
        let request = [words.next(), words.next()].map(Option::unwrap_or_default);
        if let Some((_, range)) = header("range") {
            let piece = stock.piece(request[1], range);
            answer_bytes(&mut stream, "206 Partial Content", "", &piece)?;
            continue;
        }
        let (status, text) = stock.reply(request, target, String::from_utf8_lossy(&body).as_ref());
        answer(&mut stream, status, "", &text)?;
    }
}

impl Stock {
    /// A piece of a model; nothing of one that is not there.
    fn piece(&mut self, path: &str, range: &str) -> Vec<u8> {
        self.ranges.push(range.to_owned());
        let ends = range
            .strip_prefix("bytes=")
            .and_then(|ends| ends.split_once('-'));
        let (first, last) = ends.expect("a range");
        let [first, last]: [usize; 2] = [first, last].map(|end| end.parse().expect("a number"));
        let model = self.models.get(path).map_or(&[][..], Vec::as_slice);
        model.get(first..=last).unwrap_or_default().to_vec()
    }

    fn reply(
        &mut self,
        [method, path]: [&str; 2],
        target: Option<&str>,
        body: &str,
    ) -> (&'static str, String) {
        const MISSING: &str = "404 Not Found";
        let json = || serde_json::from_str::<Json>(body).expect("JSON");
        let found = match (method, target) {
            ("GET", _) => self.objects.get(path).cloned(),
            ("PUT", _) => {
                self.objects.insert(path.to_owned(), body.to_owned());
                Some(String::new())
            }
            (_, Some("AmazonSSM.GetParameter")) => {
                let value = self
                    .secrets
                    .get(json()["Name"].as_str().unwrap_or_default());
                value.map(|value| json!({"Parameter": {"Value": value}}).to_string())
            }
            (_, Some("secretsmanager.GetSecretValue")) => {
                let value = self
                    .secrets
                    .get(json()["SecretId"].as_str().unwrap_or_default());
                value.map(|value| json!({"SecretString": value}).to_string())
            }
            (_, Some("AmazonSQS.SendMessageBatch")) => {
                let entries = json()["Entries"].as_array().cloned().unwrap_or_default();
                self.messages.extend(entries);
                Some("{}".to_owned())
            }
            _ => None,
        };
        found.map_or((MISSING, String::new()), |text| ("200 OK", text))
    }
}
