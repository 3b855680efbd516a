//! The client side of HTTP/1.1 to a port of this machine.

use std::io;
use std::net::Ipv4Addr;

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

/// Sends `request` on a connection of its own and reads an answer of at most `limit` bytes.
pub(crate) async fn send(
    port: u16,
    request: Request<Full<Bytes>>,
    limit: usize,
) -> Result<Response<Bytes>, HttpError> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(HttpError::Connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(HttpError::Protocol)?;
    let exchange = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(HttpError::Protocol)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, limit)
            .collect()
            .await
            .map_err(read_error)?;
        Ok(Response::from_parts(head, body.to_bytes()))
    };
    tokio::pin!(exchange);
    // The connection only moves while it is polled. It may end first, with the answer on its way
    // to the exchange.
    tokio::select! {
        biased;
        result = &mut exchange => result,
        _ = connection => exchange.await,
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
