//! JSON Web Tokens at a route that asks for them (RFC 7519). Who signed a token is not checked,
//! since that would need the issuer's keys from the network; everything else is: its form, issuer,
//! audience and times.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hyper::header::{AUTHORIZATION, HeaderMap};
use serde_json::{Map, Value as Json};

use crate::emulator::wiring::Tokens;
use crate::identifiers::since_epoch;

/// The claims of a request's token; none if it has none that is good.
pub(super) fn claims(wanted: &Tokens, headers: &HeaderMap) -> Option<Map<String, Json>> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let token = header.strip_prefix("Bearer ").unwrap_or(header).trim();
    let claims = decode(token)?;
    let now = since_epoch().as_secs();
    let time = |name: &str| claims.get(name).and_then(Json::as_u64);
    let is_current =
        time("exp").is_none_or(|end| now < end) && time("nbf").is_none_or(|begin| now >= begin);
    let is_issued = claims.get("iss").and_then(Json::as_str) == Some(&wanted.issuer);
    (is_current && is_issued && is_meant(wanted, &claims)).then_some(claims)
}

fn decode(token: &str) -> Option<Map<String, Json>> {
    let parts: Vec<&str> = token.split('.').collect();
    let [_, claims, _] = parts[..] else {
        return None;
    };
    serde_json::from_slice(&BASE64.decode(claims).ok()?).ok()
}

/// Some issuers tell the audience as `client_id`, and HTTP APIs accept that.
fn is_meant(wanted: &Tokens, claims: &Map<String, Json>) -> bool {
    let audience = claims.get("aud").or_else(|| claims.get("client_id"));
    let is_wanted = |json: &Json| {
        json.as_str()
            .is_some_and(|text| wanted.audience.iter().any(|wanted| wanted == text))
    };
    match audience {
        Some(Json::Array(all)) => all.iter().any(is_wanted),
        Some(one) => is_wanted(one),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(claims: &Json, expected: bool) {
        let wanted = Tokens {
            issuer: "https://id.example".to_owned(),
            audience: vec!["iris".to_owned(), "lab".to_owned()],
        };
        let token = format!("Bearer e30.{}.sig", BASE64.encode(claims.to_string()));
        let headers = HeaderMap::from_iter([(AUTHORIZATION, token.parse().expect("is a value"))]);
        assert_eq!(
            super::claims(&wanted, &headers).is_some(),
            expected,
            "{claims}"
        );
    }

    #[test]
    fn a_token_must_be_for_us_from_the_right_issuer_and_current() {
        let issuer = "https://id.example";
        check(&json!({"iss": issuer, "aud": "lab"}), true);
        check(
            &json!({"iss": issuer, "aud": ["x", "iris"], "exp": u32::MAX}),
            true,
        );
        check(&json!({"iss": issuer, "client_id": "iris"}), true);
        check(&json!({"iss": issuer, "aud": "lab", "exp": 1}), false);
        check(
            &json!({"iss": issuer, "aud": "lab", "nbf": u32::MAX}),
            false,
        );
        check(&json!({"iss": issuer, "aud": "other"}), false);
        check(
            &json!({"iss": "https://other.example", "aud": "lab"}),
            false,
        );
        check(&json!({"aud": "lab"}), false);
        check(&json!("no object"), false);
    }
}
