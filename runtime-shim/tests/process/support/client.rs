//! A plain HTTP/1.1 client, so that the shim's own library does not test itself.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// What a server said.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The headers, with names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Status and error code of a failure, e.g. `400 wrong_shape`.
    #[track_caller]
    pub(crate) fn failure(&self) -> String {
        let body = super::json(&self.body);
        let code = body["error"]["code"].as_str().expect("a code");
        format!("{} {code}", self.status)
    }
}

/// The text of a POST.
pub(crate) fn post(path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut head = format!("POST {path} HTTP/1.1\r\nhost: test\r\n");
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    format!("{head}content-length: {}\r\n\r\n{body}", body.len())
}

/// A connection that stays open.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// To a server.
    #[track_caller]
    pub(crate) fn to(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        let limit = Some(Duration::from_mins(2));
        stream.set_read_timeout(limit).expect("a limit");
        stream.set_nodelay(true).expect("no delay");
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Writes some of a request.
    #[track_caller]
    pub(crate) fn write(&mut self, text: &str) {
        self.stream
            .get_mut()
            .write_all(text.as_bytes())
            .expect("the server reads");
    }

    /// Sends a request and reads the answer.
    #[track_caller]
    pub(crate) fn send(&mut self, request: &str) -> Answer {
        self.write(request);
        self.read()
    }

    /// A GET.
    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n"))
    }

    /// Sends the head of a request and waits until the server asks for the body: from then on the
    /// request is in flight.
    #[track_caller]
    pub(crate) fn begin(&mut self, path: &str, body: &str) {
        let request = post(path, &[("expect", "100-continue")], body);
        let (head, _) = request.split_at(request.len() - body.len());
        self.write(head);
        assert_eq!(self.line(), "HTTP/1.1 100 Continue");
        assert_eq!(self.line(), "");
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream
            .read_line(&mut line)
            .expect("the server answers");
        line.trim_end().to_owned()
    }

    /// Reads an answer.
    #[track_caller]
    pub(crate) fn read(&mut self) -> Answer {
        let status = self.line();
        let status = status
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.map_or(0, |(_, value)| value.parse().expect("a number"));
        let mut body = vec![0; length];
        self.stream
            .read_exact(&mut body)
            .expect("the server sends a body");
        Answer {
            status: status.expect("a status line"),
            headers,
            body: String::from_utf8(body).expect("text"),
        }
    }

    /// Whether the server has closed it.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.stream.fill_buf().is_ok_and(<[u8]>::is_empty)
    }
}
