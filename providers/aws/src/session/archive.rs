//! Archives in requests to Lambda: base64 within JSON. A package may have 50 MB, so it is read, encoded
//! and sent piece by piece. It is read twice, because a signature holds a digest of the whole body.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use aws_runtime::auth::PayloadSigningOverride;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::base64;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;

use mlfn_core::{BoxError, Call, Digest, Failure, ProviderError};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

/// Bytes of the archive that are encoded at a time. Three of them are four characters, so that pieces
/// can be joined.
const PIECE: usize = 3 << 18;

/// Pieces that are ready before the network takes them.
const READY: usize = 2;

/// Where the archive is in the request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// From the beginning of the request to the archive.
    before: &'static str,
    /// From the archive to the next member of the request.
    after: &'static str,
}

impl Place {
    /// Of `UpdateFunctionCode`.
    pub(super) const TOP: Self = Self {
        before: r#"{"ZipFile":""#,
        after: r#"""#,
    };
    /// Of `CreateFunction`.
    pub(super) const CODE: Self = Self {
        before: r#"{"Code":{"ZipFile":""#,
        after: r#""}"#,
    };
    /// Of `PublishLayerVersion`.
    pub(super) const CONTENT: Self = Self {
        before: r#"{"Content":{"ZipFile":""#,
        after: r#""}"#,
    };
}

/// Puts the archive of a call into its request, if it goes there and not through a bucket.
#[derive(Debug)]
pub(super) struct Attachment(Option<Encoded>);

#[derive(Debug)]
struct Encoded {
    path: PathBuf,
    place: Place,
    /// Characters of the archive in base64.
    length: u64,
    /// Of the request up to the end of these.
    hash: Sha256,
}

impl Attachment {
    /// The file that `field` of the call names, if it does.
    pub(super) async fn new(
        call: &Call<'_>,
        field: &str,
        place: Place,
    ) -> Result<Self, ProviderError> {
        let Some(file) = call.inputs.file(field) else {
            return Ok(Self(None));
        };
        let path = call.root.join(&file.path);
        let encoded = tokio::task::spawn_blocking(move || Encoded::new(path, place)).await;
        let encoded = encoded.map_err(io::Error::other).and_then(|read| read);
        encoded.map(|encoded| Self(Some(encoded))).map_err(|error| {
            let why = "the package cannot be read".to_owned();
            ProviderError::new(Failure::Other { why }).caused_by(error)
        })
    }
}

impl Encoded {
    fn new(path: PathBuf, place: Place) -> io::Result<Self> {
        let (mut hash, mut length) = (Sha256::new_with_prefix(place.before), 0);
        for_each_piece(&path, |piece| {
            hash.update(&piece);
            length += piece.len() as u64;
            true
        })?;
        Ok(Self {
            path,
            place,
            length,
            hash,
        })
    }

    /// What comes behind the archive in a request that has the members of `rest`, a JSON object.
    fn tail(&self, rest: &str) -> String {
        let members = rest.trim_start_matches('{');
        let separator = if members == "}" { "" } else { "," };
        [self.place.after, separator, members].concat()
    }

    /// SHA-256 of the request with that tail, in hexadecimal.
    fn digest(&self, tail: &str) -> String {
        let hash = self.hash.clone().chain_update(tail);
        Digest::from_sha256(&hash.finalize()).to_string()
    }

    /// The bytes of the request with that tail.
    fn length(&self, tail: &str) -> u64 {
        (self.place.before.len() + tail.len()) as u64 + self.length
    }

    /// The request with that tail, which is read as it is sent.
    fn body(&self, tail: String) -> SdkBody {
        let (sender, mut receiver) = mpsc::channel(READY);
        let (path, before) = (self.path.clone(), self.place.before);
        tokio::task::spawn_blocking(move || {
            // Whoever listens no more has given up the call.
            let send =
                |bytes: io::Result<Bytes>| sender.blocking_send(bytes.map(Frame::data)).is_ok();
            if !send(Ok(Bytes::from_static(before.as_bytes()))) {
                return;
            }
            match for_each_piece(&path, |piece| send(Ok(piece.into()))) {
                Ok(()) => send(Ok(tail.into())),
                Err(error) => send(Err(error)),
            };
        });
        SdkBody::from_body_1_x(StreamBody::new(stream::poll_fn(move |context| {
            receiver.poll_recv(context)
        })))
    }
}

impl Intercept for Attachment {
    fn name(&self) -> &'static str {
        "Attachment"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(encoded) = &self.0 else {
            return Ok(());
        };
        let request = context.request_mut();
        let rest = request.body().bytes().ok_or("the request has no body")?;
        let tail = encoded.tail(str::from_utf8(rest)?);
        let (digest, length) = (encoded.digest(&tail), encoded.length(&tail));
        *request.body_mut() = encoded.body(tail);
        let headers = request.headers_mut();
        headers.insert("content-length", length.to_string());
        let digest = PayloadSigningOverride::Precomputed(digest);
        config.interceptor_state().store_put(digest);
        Ok(())
    }
}

/// Reads a file, and hands on its bytes in base64 until nobody wants more of them.
fn for_each_piece(path: &Path, mut take: impl FnMut(String) -> bool) -> io::Result<()> {
    let mut file = fs_err::File::open(path)?;
    let mut piece = Vec::with_capacity(PIECE);
    loop {
        piece.clear();
        (&mut file).take(PIECE as u64).read_to_end(&mut piece)?;
        if piece.is_empty() || !take(base64::encode(&piece)) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use serde_json::{Value as Json, json};

    use super::*;

    async fn check(bytes: &[u8], place: Place, rest: &Json, expected: Json) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("archive");
        fs_err::write(&path, bytes).expect("writes");
        let encoded = Encoded::new(path, place).expect("reads");
        let tail = encoded.tail(&rest.to_string());
        let (digest, length) = (encoded.digest(&tail), encoded.length(&tail));
        let body = encoded.body(tail).collect().await.expect("reads");
        let body = body.to_bytes();
        assert_eq!(body.len() as u64, length);
        assert_eq!(Digest::of(&body).as_str(), digest);
        let body: Json = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body, expected);
    }

    #[tokio::test]
    async fn a_request_is_the_archive_in_its_place_beside_the_rest() {
        let nothing = json!({});
        check(b"PK", Place::TOP, &nothing, json!({ "ZipFile": "UEs=" })).await;
        let rest = json!({ "Architectures": ["arm64"] });
        let expected = json!({ "ZipFile": "UEs=", "Architectures": ["arm64"] });
        check(b"PK", Place::TOP, &rest, expected).await;
        let rest = json!({ "Runtime": "provided" });
        let expected = json!({ "Code": { "ZipFile": "UEs=" }, "Runtime": "provided" });
        check(b"PK", Place::CODE, &rest, expected).await;
        let expected = json!({ "Content": { "ZipFile": "UEs=" } });
        check(b"PK", Place::CONTENT, &nothing, expected).await;
    }

    #[tokio::test]
    async fn the_pieces_of_an_archive_are_joined_without_a_seam() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 2] {
            let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
            let expected = json!({ "ZipFile": base64::encode(&bytes), "a": 1 });
            check(&bytes, Place::TOP, &json!({ "a": 1 }), expected).await;
        }
    }
}
