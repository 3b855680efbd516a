//! The HTTP client of the buckets: hyper and rustls, which the clients of the clouds bring along
//! anyway. `object_store` would bring a second one of each (decision 0015).

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use hyper_util::rt::TokioExecutor;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest,
    HttpRequestBody, HttpResponse, HttpService,
};
use object_store::{ClientOptions, Error, Result};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long an answer may take, with all of its body: a few kilobytes, or a part of a package.
const ANSWER: Duration = Duration::from_secs(30);

/// How long an unused connection stays. Servers close them after 5 s or more, and a request that
/// meets the close has to be sent again.
const IDLE: Duration = Duration::from_secs(3);

/// Who gives credentials to programs that run in a cloud; nobody answers there elsewhere.
const METADATA: [&str; 3] = ["169.254.169.254", "metadata.google.internal", "metadata"];

/// Makes clients for `object_store`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> Result<HttpClient> {
        let allows = options.get_config_value(&ClientConfigKey::AllowHttp);
        let mut tcp = TcpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        let crypto = rustls::crypto::ring::default_provider();
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(crypto)
            .map_err(failed)?
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(HttpClient::new(Hyper {
            client,
            allows_http: allows.as_deref() == Some("true"),
        }))
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::Generic {
        store: "HTTP",
        source: error.into(),
    }
}

#[derive(Debug)]
struct Hyper {
    client: Client<HttpsConnector<TcpConnector>, HttpRequestBody>,
    /// Also to other machines.
    allows_http: bool,
}

/// What an answer or its absence tells that the errors of `object_store` do not.
#[derive(Debug, thiserror::Error)]
pub(super) enum Told {
    /// Credentials in the clear.
    #[error("`{0}` is plain HTTP to another machine; use https, or set `AWS_ALLOW_HTTP=true`")]
    PlainHttp(Uri),
    /// Nobody gives this machine credentials, and none were given otherwise.
    #[error("no credentials were given, and nobody gives them to this machine at `{0}`")]
    NoIdentity(String),
    /// The bucket is elsewhere.
    #[error("the bucket is in the region `{0}`")]
    OtherRegion(String),
    /// Too slow.
    #[error("no answer within {} s", ANSWER.as_secs())]
    TooSlow,
}

#[async_trait]
impl HttpService for Hyper {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let uri = request.uri().clone();
        if !self.allows_http && uri.scheme_str() == Some("http") && !is_this_machine(&uri) {
            return Err(told(HttpErrorKind::Unknown, Told::PlainHttp(uri)));
        }
        let answer = tokio::time::timeout(ANSWER, self.exchange(request)).await;
        match answer {
            Ok(answer) => answer.map_err(|error| at_metadata(&uri, error)),
            Err(_) => Err(told(HttpErrorKind::Timeout, Told::TooSlow)),
        }
    }
}

impl Hyper {
    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.client.request(request).await.map_err(|error| {
            // All that is sent may be sent twice: writes are conditional, and whoever writes looks
            // whether what it finds is its own.
            let kind = if error.is_connect() {
                HttpErrorKind::Connect
            } else {
                HttpErrorKind::Request
            };
            HttpError::new(kind, error)
        })?;
        let (head, body) = answer.into_parts();
        if let Some(region) = head.headers.get("x-amz-bucket-region")
            && head.status == StatusCode::MOVED_PERMANENTLY
        {
            let region = String::from_utf8_lossy(region.as_bytes()).into_owned();
            return Err(told(HttpErrorKind::Unknown, Told::OtherRegion(region)));
        }
        let body = body.collect().await;
        let body = body.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))?;
        let body: Full<Bytes> = body.to_bytes().into();
        let body = body.map_err(|never| match never {});
        Ok(HttpResponse::from_parts(
            head,
            object_store::client::HttpResponseBody::new(body),
        ))
    }
}

fn told(kind: HttpErrorKind, told: Told) -> HttpError {
    HttpError::new(kind, told)
}

/// Outside of a cloud there is nobody, and trying again does not change that.
fn at_metadata(uri: &Uri, error: HttpError) -> HttpError {
    let host = uri.host().unwrap_or_default();
    if error.kind() == HttpErrorKind::Connect && METADATA.contains(&host) {
        return told(HttpErrorKind::Unknown, Told::NoIdentity(host.to_owned()));
    }
    error
}

fn is_this_machine(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = |address: core::net::IpAddr| address.is_loopback();
    host == "localhost" || host.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_by_its_names() {
        let check = |uri: &str| is_this_machine(&uri.parse().expect("is a URI"));
        for uri in [
            "http://127.0.0.1:9/a",
            "http://127.8.8.8/",
            "http://localhost:1",
            "http://[::1]:9/a",
        ] {
            assert!(check(uri), "{uri}");
        }
        for uri in ["http://10.0.0.1/", "http://localhost.example/", "http://a/"] {
            assert!(!check(uri), "{uri}");
        }
    }
}
