//! The client side of HTTP/1.1 to a port of this machine.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::EmulatorError;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// Nobody listens on the port.
    #[error("nobody listens")]
    Connect(#[source] io::Error),
    /// Somebody does, and what comes is not HTTP, or ends in the middle.
    #[error("the answer is not valid HTTP ({0})")]
    Protocol(hyper::Error),
    /// The body of the answer is over the limit.
    #[error("the answer is too large")]
    TooLarge,
}

/// A request with a body, for a server of this machine.
pub(crate) fn request(
    method: &str,
    path: &str,
    headers: &[(&'static str, &str)],
    body: &[u8],
) -> Result<Request<Full<Bytes>>, EmulatorError> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1")
        .header(
            "user-agent",
            concat!("mlfn-emulator/", env!("CARGO_PKG_VERSION")),
        );
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
        .body(Full::from(body.to_vec()))
        .map_err(|error| EmulatorError::Machine {
            action: "make an HTTP request of the function's route",
            source: io::Error::other(error),
        })
}

/// Connections to one port, which are used again.
#[derive(Debug)]
pub(crate) struct Client {
    port: u16,
    idle: Mutex<Vec<Sender>>,
}

type Sender = http1::SendRequest<Full<Bytes>>;

impl Client {
    /// Of a port of this machine.
    pub(crate) fn of(port: u16) -> Self {
        Self {
            port,
            idle: Mutex::default(),
        }
    }

    /// Sends `request` and reads an answer of at most `limit` bytes.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        limit: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let mut sender = match self.idle_sender() {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let response = match sender.try_send_request(request).await {
            Ok(response) => response,
            Err(mut error) => match error.take_message() {
                // The other side closed the connection while nobody used it.
                Some(request) => {
                    sender = self.connect().await?;
                    let sent = sender.send_request(request).await;
                    sent.map_err(HttpError::Protocol)?
                }
                None => return Err(HttpError::Protocol(error.into_error())),
            },
        };
        let (head, body) = response.into_parts();
        let body = Limited::new(body, limit)
            .collect()
            .await
            .map_err(read_error)?;
        self.keep(sender);
        Ok(Response::from_parts(head, body.to_bytes()))
    }

    fn idle_sender(&self) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|sender| !sender.is_closed());
        let ready = idle.iter().position(Sender::is_ready)?;
        Some(idle.swap_remove(ready))
    }

    fn keep(&self, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(sender);
    }

    async fn connect(&self) -> Result<Sender, HttpError> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
            .await
            .map_err(HttpError::Connect)?;
        // Without it, a request in two packets waits for the other side's delayed answer.
        stream.set_nodelay(true).map_err(HttpError::Connect)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(HttpError::Protocol)?;
        // It ends with the sender. What goes wrong there, the sender hears.
        tokio::spawn(connection);
        Ok(sender)
    }
}

fn read_error(error: Box<dyn std::error::Error + Send + Sync>) -> HttpError {
    match error.downcast::<hyper::Error>() {
        Ok(error) => HttpError::Protocol(*error),
        Err(error) => {
            debug_assert!(error.is::<LengthLimitError>(), "{error}");
            HttpError::TooLarge
        }
    }
}
