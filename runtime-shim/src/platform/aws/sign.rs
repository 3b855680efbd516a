//! Signature Version 4:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::SystemTime;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::log::rfc3339;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Who signs. There is no way to print it.
pub(crate) struct Credentials {
    /// The id of the key.
    pub(crate) key_id: String,
    /// The key.
    pub(crate) secret_key: String,
    /// What goes with keys that expire.
    pub(crate) session_token: Option<String>,
}

/// What a signature is good for.
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    /// The service, by its name in signatures.
    pub(super) service: &'a str,
    pub(super) time: SystemTime,
}

/// A request. It has no query: none of ours needs one.
pub(super) struct Unsigned<'a> {
    pub(super) method: &'a str,
    /// As it is sent.
    pub(super) path: &'a str,
    /// The digest of the body, in hexadecimal.
    pub(super) payload: &'a str,
}

/// Adds the headers that sign a request to the others, all of which are signed. Their names are in
/// lower case, and `host` is among them.
pub(super) fn sign(
    credentials: &Credentials,
    scope: &Scope<'_>,
    request: &Unsigned<'_>,
    headers: &mut BTreeMap<&'static str, String>,
) {
    let time = timestamp(scope.time);
    let date = time.get(..8).unwrap_or_default();
    headers.insert("x-amz-date", time.clone());
    if let Some(token) = &credentials.session_token {
        headers.insert("x-amz-security-token", token.clone());
    }
    let names: Vec<&str> = headers.keys().copied().collect();
    let names = names.join(";");
    let scope_text = format!("{date}/{}/{}/aws4_request", scope.region, scope.service);
    let canonical = hex_digest(canonical(request, headers, &names).as_bytes());
    let text = format!("{ALGORITHM}\n{time}\n{scope_text}\n{canonical}");
    let secret = format!("AWS4{}", credentials.secret_key);
    let steps = [date, scope.region, scope.service, "aws4_request"];
    let key = steps
        .iter()
        .fold(secret.into_bytes(), |key, step| mac(&key, step.as_bytes()));
    let signature = hex(&mac(&key, text.as_bytes()));
    let key_id = &credentials.key_id;
    let authorization = format!(
        "{ALGORITHM} Credential={key_id}/{scope_text}, SignedHeaders={names}, Signature={signature}"
    );
    headers.insert("authorization", authorization);
}

/// The SHA-256 of these bytes in hexadecimal.
pub(super) fn hex_digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn canonical(
    request: &Unsigned<'_>,
    headers: &BTreeMap<&'static str, String>,
    names: &str,
) -> String {
    let mut text = format!("{}\n{}\n\n", request.method, request.path);
    for (name, value) in headers {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{name}:{}", value.trim());
    }
    text + "\n" + names + "\n" + request.payload
}

/// `20261120T081500Z`.
fn timestamp(time: SystemTime) -> String {
    let text = rfc3339(time);
    let seconds = text.split('.').next().unwrap_or_default();
    seconds.replace(['-', ':'], "") + "Z"
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// The digest of nothing.
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// 2013-05-24T00:00:00Z and 2015-08-30T12:36:00Z.
    const S3_TIME: u64 = 1_369_353_600;
    const SUITE_TIME: u64 = 1_440_938_160;

    struct Vector<'a> {
        secret_key: &'a str,
        service: &'a str,
        seconds: u64,
        request: Unsigned<'a>,
    }

    #[track_caller]
    fn check(vector: &Vector<'_>, headers: &[(&'static str, &str)], expected: &str) {
        let mut headers: BTreeMap<_, _> = headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        let credentials = Credentials {
            key_id: "AKIDEXAMPLE".to_owned(),
            secret_key: vector.secret_key.to_owned(),
            session_token: headers.remove("x-amz-security-token"),
        };
        let scope = Scope {
            region: "us-east-1",
            service: vector.service,
            time: UNIX_EPOCH + Duration::from_secs(vector.seconds),
        };
        sign(&credentials, &scope, &vector.request, &mut headers);
        let signature = headers["authorization"].rsplit('=').next();
        assert_eq!(signature, Some(expected), "{headers:?}");
    }

    /// The examples of
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>.
    #[track_caller]
    fn check_s3(
        method: &str,
        path: &str,
        body: &str,
        headers: &[(&'static str, &str)],
        expected: &str,
    ) {
        let digest = hex_digest(body.as_bytes());
        let vector = Vector {
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            service: "s3",
            seconds: S3_TIME,
            request: Unsigned {
                method,
                path,
                payload: &digest,
            },
        };
        let own = [
            ("host", "examplebucket.s3.amazonaws.com"),
            ("x-amz-content-sha256", digest.as_str()),
        ];
        check(&vector, &[&own, headers].concat(), expected);
    }

    #[test]
    fn the_examples_of_s3_get_their_signatures() {
        check_s3(
            "GET",
            "/test.txt",
            "",
            &[("range", "bytes=0-9")],
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        );
        check_s3(
            "PUT",
            "/test%24file.text",
            "Welcome to Amazon S3.",
            &[
                ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ],
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        );
    }

    /// Cases of AWS's Signature Version 4 test suite, by their names.
    #[track_caller]
    fn check_suite(method: &str, token: Option<&'static str>, expected: &str) {
        let vector = Vector {
            secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            service: "service",
            seconds: SUITE_TIME,
            request: Unsigned {
                method,
                path: "/",
                payload: EMPTY,
            },
        };
        let mut headers = vec![("host", "example.amazonaws.com")];
        headers.extend(token.map(|token| ("x-amz-security-token", token)));
        check(&vector, &headers, expected);
    }

    #[test]
    fn the_suite_s_requests_get_their_signatures() {
        // get-vanilla
        check_suite(
            "GET",
            None,
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        );
        // post-vanilla
        check_suite(
            "POST",
            None,
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        );
        // post-sts-header-before
        let token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
        check_suite(
            "POST",
            Some(token),
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
        );
    }

    #[test]
    fn the_key_goes_by_its_id_and_all_headers_are_named() {
        let mut headers = BTreeMap::from([("host", "h".to_owned()), ("range", "r".to_owned())]);
        let credentials = Credentials {
            key_id: "K".to_owned(),
            secret_key: "never seen".to_owned(),
            session_token: None,
        };
        let scope = Scope {
            region: "eu-west-1",
            service: "s3",
            time: UNIX_EPOCH + Duration::from_secs(S3_TIME),
        };
        let request = Unsigned {
            method: "GET",
            path: "/",
            payload: EMPTY,
        };
        sign(&credentials, &scope, &request, &mut headers);
        let found = &headers["authorization"];
        let start = "AWS4-HMAC-SHA256 Credential=K/20130524/eu-west-1/s3/aws4_request, \
                     SignedHeaders=host;range;x-amz-date, Signature=";
        assert!(found.starts_with(start), "{found}");
        assert!(!found.contains("never seen"), "{found}");
    }
}
