//! HTTP/1.1 to AWS's servers: connections that are kept, TLS when it is spoken, and bounds.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::rt::{Read, Write};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::{load_certs_from_paths, load_native_certs};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::settings::Endpoint;

/// For a connection with everything that belongs to it.
const CONNECT: Duration = Duration::from_secs(5);

/// From the request to the head of the answer, and the whole answer then.
const ANSWER: Duration = Duration::from_mins(1);

/// What is read of a refusal, in bytes.
const REFUSAL: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// Nobody answers there, or nobody that can be trusted.
    #[error("cannot connect to {authority}")]
    Connect {
        /// `host:port`.
        authority: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The connection broke.
    #[error("the connection to {authority} broke")]
    Broken {
        /// `host:port`.
        authority: String,
        /// How.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It takes too long.
    #[error("no answer from {authority} within {} s", .limit.as_secs())]
    Slow {
        /// `host:port`.
        authority: String,
        /// How long it may take.
        limit: Duration,
    },
    /// The answer is larger than anybody wants it.
    #[error("the answer has more than {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: usize,
        /// What it says of itself, in bytes.
        size: Option<u64>,
    },
    /// There are no certificates to tell servers from impostors by.
    #[error("cannot tell whom to trust with TLS")]
    Trust(#[source] Box<dyn Error + Send + Sync>),
}

impl HttpError {
    /// Whether the same may go well another time.
    pub(crate) fn may_pass(&self) -> bool {
        !matches!(self, Self::TooLarge { .. } | Self::Trust(_))
    }
}

type Sender = SendRequest<Full<Bytes>>;

/// A client. Its connections belong to the runtime in which it is used, so that is always the same.
#[derive(Default)]
pub(crate) struct HttpClient {
    ca_bundle: Option<PathBuf>,
    idle: Mutex<BTreeMap<Endpoint, Vec<Sender>>>,
    tls: tokio::sync::OnceCell<TlsConnector>,
}

impl HttpClient {
    /// A client that believes the certificates of this file, if there is one, or the system's.
    pub(crate) fn new(ca_bundle: Option<PathBuf>) -> Self {
        Self {
            ca_bundle,
            ..Self::default()
        }
    }

    /// Sends a request, and reads an answer of at most `limit` bytes.
    pub(crate) async fn send(
        &self,
        endpoint: &Endpoint,
        request: Request<Full<Bytes>>,
        limit: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let mut sender = match self.take(endpoint) {
            Some(sender) => sender,
            None => self.connect(endpoint).await?,
        };
        let exchange = async {
            let broken = |source: hyper::Error| HttpError::Broken {
                authority: endpoint.authority(),
                source: source.into(),
            };
            sender.ready().await.map_err(broken)?;
            let answer = sender.send_request(request).await.map_err(broken)?;
            read(answer, limit, endpoint).await
        };
        let answer = timeout(ANSWER, exchange).await;
        let answer = answer.unwrap_or_else(|_| {
            Err(HttpError::Slow {
                authority: endpoint.authority(),
                limit: ANSWER,
            })
        });
        match answer {
            Ok(answer) => {
                self.keep(endpoint, sender);
                Ok(answer)
            }
            Err(error) => {
                // The others are of the same age, and may have been closed as well.
                self.idle().remove(endpoint);
                Err(error)
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, BTreeMap<Endpoint, Vec<Sender>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, endpoint: &Endpoint) -> Option<Sender> {
        let mut idle = self.idle();
        let senders = idle.get_mut(endpoint)?;
        senders.retain(|sender| !sender.is_closed());
        senders.pop()
    }

    fn keep(&self, endpoint: &Endpoint, sender: Sender) {
        let mut idle = self.idle();
        idle.entry(endpoint.clone()).or_default().push(sender);
    }

    async fn connect(&self, endpoint: &Endpoint) -> Result<Sender, HttpError> {
        let tls = if endpoint.secure {
            Some(self.tls().await?)
        } else {
            None
        };
        let connected = timeout(CONNECT, connect(endpoint, tls)).await;
        let connected = connected.map_err(|_| HttpError::Slow {
            authority: endpoint.authority(),
            limit: CONNECT,
        })?;
        connected.map_err(|source| HttpError::Connect {
            authority: endpoint.authority(),
            source,
        })
    }

    /// Reading all certificates takes a millisecond or two: nobody pays who speaks no TLS.
    async fn tls(&self) -> Result<&TlsConnector, HttpError> {
        let connector = || async { connector(self.ca_bundle.as_deref()) };
        let connector = self.tls.get_or_try_init(connector).await;
        connector.map_err(HttpError::Trust)
    }
}

async fn connect(
    endpoint: &Endpoint,
    tls: Option<&TlsConnector>,
) -> Result<Sender, Box<dyn Error + Send + Sync>> {
    // A URL has brackets around an address of IPv6, which are no part of it.
    let host = endpoint.host.trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, endpoint.port)).await?;
    stream.set_nodelay(true)?;
    match tls {
        None => speak(TokioIo::new(stream)).await,
        Some(tls) => {
            let name = ServerName::try_from(host.to_owned())?;
            speak(TokioIo::new(tls.connect(name, stream).await?)).await
        }
    }
}

async fn speak<S>(stream: S) -> Result<Sender, Box<dyn Error + Send + Sync>>
where
    S: Read + Write + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(stream).await?;
    // Its errors reach whoever waits for the answer.
    tokio::spawn(connection);
    Ok(sender)
}

fn connector(ca_bundle: Option<&Path>) -> Result<TlsConnector, Box<dyn Error + Send + Sync>> {
    let found = match ca_bundle {
        Some(path) => load_certs_from_paths(Some(path), None),
        None => load_native_certs(),
    };
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        let why = found.errors.into_iter().next();
        return Err(match why {
            Some(error) => error.into(),
            None => io::Error::other("there are no root certificates on this system").into(),
        });
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn read(
    answer: Response<Incoming>,
    limit: usize,
    endpoint: &Endpoint,
) -> Result<Response<Bytes>, HttpError> {
    let (head, body) = answer.into_parts();
    let limit = if head.status.is_success() {
        limit
    } else {
        limit.max(REFUSAL)
    };
    let size = body.size_hint().exact();
    let too_large = HttpError::TooLarge { limit, size };
    if size.is_some_and(|size| size > limit as u64) {
        return Err(too_large);
    }
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large),
        Err(source) => Err(HttpError::Broken {
            authority: endpoint.authority(),
            source,
        }),
    }
}
