//! `http: POST /predict`.

use mlfn_core::{FieldPath, HttpAuth, HttpMethod, HttpTrigger};

use crate::problems::{Code, Problems};
use crate::schema::v1;
use crate::suggest;

const BAD_METHOD: Code = Code::new("invalid-http-method", "not a method of HTTP");
const BAD_PATH: Code = Code::new("invalid-http-path", "not a path of a URL");
const BAD_SHORT_FORM: Code = Code::new("invalid-http", "not a method and a path");
const BAD_ISSUER: Code = Code::new("invalid-issuer", "not the URL of an issuer");
const BAD_AUDIENCE: Code = Code::new("invalid-audience", "a token needs an audience");
const BAD_ORIGIN: Code = Code::new("invalid-origin", "not the origin of a web page");

const METHODS: [(&str, HttpMethod); 6] = [
    ("GET", HttpMethod::Get),
    ("POST", HttpMethod::Post),
    ("PUT", HttpMethod::Put),
    ("PATCH", HttpMethod::Patch),
    ("DELETE", HttpMethod::Delete),
    ("ANY", HttpMethod::Any),
];

const MAX_PATH: usize = 256;

pub(super) fn trigger(
    written: &v1::Http,
    at: &FieldPath,
    problems: &mut Problems,
) -> Option<HttpTrigger> {
    match written {
        v1::Http::Short(text) => short(text, at, problems),
        v1::Http::Long(long) => self::long(long, at, problems),
    }
}

fn short(text: &str, at: &FieldPath, problems: &mut Problems) -> Option<HttpTrigger> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (written_method, written_path) = match words.as_slice() {
        [path] if path.starts_with('/') => ("POST", *path),
        [method, path] => (*method, *path),
        _ => {
            let detail = format!("`{text}` is not a method, a space and a path");
            let problem = BAD_SHORT_FORM.error(at, detail);
            problems.push(problem.help("write for example `http: POST /predict`"));
            return None;
        }
    };
    let method = method(written_method, at, problems);
    let path = path(written_path, at, problems);
    Some(HttpTrigger {
        method: method?,
        path: path?,
        auth: HttpAuth::None,
        cors: Vec::new(),
    })
}

fn long(written: &v1::HttpOptions, at: &FieldPath, problems: &mut Problems) -> Option<HttpTrigger> {
    let method = match &written.method {
        Some(method) => self::method(method, &at.key("method"), problems),
        None => Some(HttpMethod::Post),
    };
    let path = written
        .path
        .as_deref()
        .and_then(|path| self::path(path, &at.key("path"), problems));
    let auth = match &written.auth {
        Some(auth) => self::auth(auth, &at.key("auth"), problems),
        None => Some(HttpAuth::None),
    };
    let cors = one_or_many(written.cors.as_ref());
    let cors_at = at.key("cors");
    for (index, origin) in cors.iter().enumerate() {
        let at = match &written.cors {
            Some(v1::OneOrMany::Many(_)) => cors_at.index(index),
            _ => cors_at.clone(),
        };
        check_origin(origin, &at, problems);
    }
    Some(HttpTrigger {
        method: method?,
        path: path?,
        auth: auth?,
        cors,
    })
}

fn method(text: &str, at: &FieldPath, problems: &mut Problems) -> Option<HttpMethod> {
    let upper = text.to_ascii_uppercase();
    let found = METHODS
        .iter()
        .find(|(name, _)| *name == upper || (upper == "*" && *name == "ANY"));
    if let Some((_, method)) = found {
        return Some(*method);
    }
    let names = METHODS.map(|(name, _)| name);
    let problem = BAD_METHOD.error(at, format!("`{text}` is none that can be used"));
    problems.push(match suggest::closest(text, names) {
        Some(close) => problem.help(format!("did you mean `{close}`?")),
        None => problem.help(format!("choose {}", suggest::list(&names))),
    });
    None
}

/// Segments of unreserved characters (RFC 3986, section 2.3): what no gateway rewrites.
fn path(text: &str, at: &FieldPath, problems: &mut Problems) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '.' | '_' | '~');
    let segments: Vec<&str> = text.split('/').skip(1).collect();
    let (detail, help) = if !text.starts_with('/') {
        (
            format!("`{text}` does not start with `/`"),
            format!("write `/{text}`"),
        )
    } else if text.contains(['{', '}', '*', ':']) {
        let help = "give each path a trigger of its own; values go into the request's body";
        (
            format!("`{text}` has a placeholder, and paths are fixed"),
            help.to_owned(),
        )
    } else if text.contains(['?', '#']) {
        (
            format!("`{text}` has a query or a fragment"),
            "end it before `?` or `#`".to_owned(),
        )
    } else if let Some(bad) = text.chars().find(|c| !allowed(*c)) {
        let help = "use letters, digits, `-`, `.`, `_`, `~` and `/`".to_owned();
        (format!("`{text}` contains `{bad}`"), help)
    } else if text != "/" && segments.iter().any(|s| matches!(*s, "" | "." | "..")) {
        let help = "remove double slashes, a slash at the end, `.` and `..`".to_owned();
        (format!("`{text}` has a part that gateways remove"), help)
    } else if text.len() > MAX_PATH {
        let detail = format!(
            "it has {} characters, at most {MAX_PATH} are allowed",
            text.len()
        );
        (detail, "choose a shorter one".to_owned())
    } else {
        return Some(text.to_owned());
    };
    problems.push(BAD_PATH.error(at, detail).help(help));
    None
}

fn auth(written: &v1::Auth, at: &FieldPath, problems: &mut Problems) -> Option<HttpAuth> {
    let long = match written {
        v1::Auth::Kind(v1::AuthKind::None) => return Some(HttpAuth::None),
        v1::Auth::Kind(v1::AuthKind::Iam) => return Some(HttpAuth::Iam),
        v1::Auth::Kind(v1::AuthKind::Key) => return Some(HttpAuth::Key),
        v1::Auth::Long(long) => long.jwt.as_ref()?,
    };
    let at = at.key("jwt");
    let issuer = long.issuer.clone()?;
    if host(&issuer, &["https://"]).is_none() {
        let detail = format!("`{issuer}` does not start with `https://` and a host");
        let problem = BAD_ISSUER.error(&at.key("issuer"), detail);
        problems.push(problem.help("write what the tokens have as `iss`"));
    }
    let audience = one_or_many(long.audience.as_ref());
    if long.audience.is_some() && (audience.is_empty() || audience.iter().any(String::is_empty)) {
        let detail = "without one, tokens for every other service of the issuer would be accepted";
        let problem = BAD_AUDIENCE.error(&at.key("audience"), detail);
        problems.push(problem.help("write what the tokens have as `aud`"));
    }
    Some(HttpAuth::Jwt { issuer, audience })
}

/// A scheme, a host and perhaps a port: RFC 6454, section 6.2.
fn check_origin(origin: &str, at: &FieldPath, problems: &mut Problems) {
    if origin == "*" {
        return;
    }
    let rest = host(origin, &["https://", "http://"]);
    if rest.is_some_and(|rest| !rest.contains(['/', '?', '#', '@'])) {
        return;
    }
    let detail = format!("`{origin}` is not a scheme and a host");
    let problem = BAD_ORIGIN.error(at, detail);
    problems.push(
        problem.help("write for example `https://example.com`, without a path, or `\"*\"` for all"),
    );
}

/// What follows the scheme, if it is one of these.
fn host<'a>(url: &'a str, schemes: &[&str]) -> Option<&'a str> {
    let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme))?;
    let is_host = rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    (is_host && !rest.contains(char::is_whitespace)).then_some(rest)
}

fn one_or_many(written: Option<&v1::OneOrMany>) -> Vec<String> {
    match written {
        None => Vec::new(),
        Some(v1::OneOrMany::One(text)) => vec![text.clone()],
        Some(v1::OneOrMany::Many(texts)) => texts.clone(),
    }
}
