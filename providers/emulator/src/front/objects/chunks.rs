//! Bodies that come in signed chunks:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>. The signatures and the
//! checksums at the end are not checked.

use hyper::HeaderMap;
use hyper::header::CONTENT_ENCODING;

/// Whether a body is in chunks.
pub(super) fn are_in(headers: &HeaderMap) -> bool {
    let has = |name: &str, text: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.contains(text))
    };
    has(CONTENT_ENCODING.as_str(), "aws-chunked") || has("x-amz-content-sha256", "STREAMING-")
}

/// What is in the chunks; none if they are not of the form `<size>;chunk-signature=..`, content.
pub(super) fn joined(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let end = body.windows(2).position(|pair| pair == b"\r\n")?;
        let head = std::str::from_utf8(&body[..end]).ok()?;
        let size = head.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        body = &body[end + 2..];
        if size == 0 {
            return Some(content);
        }
        content.extend_from_slice(body.get(..size)?);
        body = body.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_put_together() {
        let body = b"3;chunk-signature=ab\r\na\r\n\r\n1\r\nb\r\n0;chunk-signature=c\r\nx-amz-checksum-crc32:AA==\r\n\r\n";
        assert_eq!(joined(body).as_deref(), Some(&b"a\r\nb"[..]));
        assert_eq!(joined(b"0\r\n\r\n").as_deref(), Some(&b""[..]));
    }

    #[test]
    fn chunks_that_end_early_are_none() {
        for body in [
            &b"3\r\nab"[..],
            b"",
            b"3\r\nabc\r\n",
            b"x\r\nabc\r\n0\r\n\r\n",
        ] {
            assert_eq!(joined(body), None);
        }
    }
}
