//! Bodies that are packed for the way: `gzip` and `deflate` of RFC 9110, 8.4.1.

use std::io::{self, Read, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};

use super::{Headers, media};
use crate::codec::failure::{Code, Failure, shortened};
use crate::platform::Reply;

/// Smaller answers gain nothing: they fit into one packet anyway. In bytes.
const WORTH: usize = 1400;

/// The body as it was before it was packed, of at most `limit` bytes.
pub(super) fn unpack(headers: Headers<'_>, body: &Bytes, limit: u64) -> Result<Bytes, Failure> {
    let coding = headers("content-encoding").unwrap_or_default().trim();
    match coding.to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(body.clone()),
        "gzip" | "x-gzip" => read(MultiGzDecoder::new(&**body), limit),
        // Meant is zlib's form; some send what is inside of it.
        "deflate" if is_zlib(body) => read(ZlibDecoder::new(&**body), limit),
        "deflate" => read(DeflateDecoder::new(&**body), limit),
        other => {
            let coding = shortened(other);
            let message = format!("the body is packed by `{coding}`; use gzip or deflate");
            Err(Failure::new(Code::WrongContentType, message))
        }
    }
}

/// The header of RFC 1950: method 8, and a checksum that makes it a multiple of 31.
fn is_zlib(body: &[u8]) -> bool {
    let header = body.first_chunk().map(|bytes| u16::from_be_bytes(*bytes));
    header.is_some_and(|header| header >> 8 & 15 == 8 && header % 31 == 0)
}

fn read(packed: impl Read, limit: u64) -> Result<Bytes, Failure> {
    let mut body = Vec::new();
    // One byte more tells what is too large.
    let read = packed.take(limit + 1).read_to_end(&mut body);
    read.map_err(|error| {
        let message = format!("the body is not packed as its header says: {error}");
        Failure::new(Code::BadEncoding, message)
    })?;
    if body.len() as u64 > limit {
        let message = format!("the body has more than {limit} bytes unpacked");
        return Err(Failure::new(Code::RequestTooLarge, message));
    }
    Ok(body.into())
}

/// Packs an answer that is worth it, if the client can unpack it.
pub(super) fn pack(headers: Headers<'_>, mut reply: Reply) -> Reply {
    if reply.body.len() < WORTH {
        return reply;
    }
    reply.headers.push(("vary", "accept-encoding".into()));
    let Some(coding) = accepted(headers("accept-encoding").unwrap_or_default()) else {
        return reply;
    };
    let packed = if coding == "gzip" {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        written(encoder.write_all(&reply.body), || encoder.finish())
    } else {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        written(encoder.write_all(&reply.body), || encoder.finish())
    };
    // Bytes without order do not get smaller.
    if let Some(packed) = packed.filter(|packed| packed.len() < reply.body.len()) {
        reply.headers.push(("content-encoding", coding.into()));
        reply.body = packed;
        reply.is_text = false;
    }
    reply
}

fn written(all: io::Result<()>, end: impl FnOnce() -> io::Result<Vec<u8>>) -> Option<Vec<u8>> {
    all.and_then(|()| end()).ok()
}

/// The coding that a client likes best of those that there are.
fn accepted(accept: &str) -> Option<&'static str> {
    let codings = accept.split(',').filter_map(|item| {
        let name = item.split(';').next().unwrap_or_default().trim();
        let coding = match name.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" | "*" => "gzip",
            "deflate" => "deflate",
            _ => return None,
        };
        Some((media::quality(item), coding))
    });
    let wanted = codings.filter(|(quality, _)| *quality > 0);
    let best = wanted.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.map(|(_, coding)| coding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(coding: &str, body: &[u8]) -> Result<Vec<u8>, &'static str> {
        let headers = |name: &str| (name == "content-encoding").then_some(coding);
        let unpacked = unpack(&headers, &Bytes::copy_from_slice(body), 10);
        unpacked
            .map(Vec::from)
            .map_err(|failure| failure.code.name())
    }

    #[test]
    fn bodies_are_unpacked_and_bombs_are_not() {
        let gzip = |text: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder
                .write_all(text)
                .and_then(|()| encoder.finish())
                .expect("packs")
        };
        assert_eq!(
            packed("gzip", &gzip(b"1234567890")),
            Ok(b"1234567890".to_vec())
        );
        assert_eq!(packed("GZIP", &gzip(&[0; 5000])), Err("request_too_large"));
        assert_eq!(packed("identity", b"12"), Ok(b"12".to_vec()));
        assert_eq!(packed("gzip", b"12"), Err("bad_encoding"));
        assert_eq!(packed("br", b"12"), Err("wrong_content_type"));
    }

    #[test]
    fn both_meanings_of_deflate_are_understood() {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        let zlib = encoder
            .write_all(b"12")
            .and_then(|()| encoder.finish())
            .expect("packs");
        assert_eq!(packed("deflate", &zlib), Ok(b"12".to_vec()));
        // Without the header and the checksum.
        assert_eq!(
            packed("deflate", &zlib[2..zlib.len() - 4]),
            Ok(b"12".to_vec())
        );
    }

    #[test]
    fn answers_are_packed_if_that_is_wanted_and_worth_it() {
        let coding = |accept: &'static str, size| {
            let headers = |name: &str| (name == "accept-encoding").then_some(accept);
            let reply = pack(&headers, Reply::success(vec![b'1'; size]));
            let mut found = reply.headers.into_iter();
            let found = found.find(|(name, _)| *name == "content-encoding");
            found.map(|(_, value)| value.into_owned())
        };
        assert_eq!(coding("gzip, deflate, br", 5000).as_deref(), Some("gzip"));
        assert_eq!(
            coding("gzip;q=0.1, deflate", 5000).as_deref(),
            Some("deflate")
        );
        assert_eq!(coding("gzip;q=0", 5000), None);
        assert_eq!(coding("", 5000), None);
        assert_eq!(coding("gzip", 50), None);
    }
}
