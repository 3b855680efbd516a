//! The forms of bodies that clients declare and accept.

use crate::codec::content::Form;
use crate::codec::failure::Failure;
use crate::codec::numpy::{NPY_MAGIC, NPZ_MAGIC};
use crate::platform::envelope;

/// The form of a body. Bytes of which nothing is said are known by how they begin.
pub(super) fn declared(content_type: Option<&str>, body: &[u8]) -> Result<Form, Failure> {
    let essence = content_type.map(essence).unwrap_or_default();
    match essence.as_str() {
        "application/x-npy" => Ok(Form::Npy),
        "application/x-npz" => Ok(Form::Npz),
        "application/octet-stream" if body.starts_with(NPY_MAGIC) => Ok(Form::Npy),
        "application/octet-stream" | "application/zip" if body.starts_with(NPZ_MAGIC) => {
            Ok(Form::Npz)
        }
        _ => envelope::check_content_type(content_type).map(|()| Form::Json),
    }
}

/// A media type without its parameters.
fn essence(value: &str) -> String {
    let essence = value.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// The form that a client likes best; JSON if it likes none of them, which it can at least read.
pub(super) fn accepted(accept: Option<&str>) -> Form {
    let ranges = accept.unwrap_or_default().split(',').filter_map(|range| {
        let form = match essence(range).as_str() {
            "application/x-npy" => Form::Npy,
            "application/x-npz" => Form::Npz,
            "application/json" | "application/*" | "*/*" => Form::Json,
            _ => return None,
        };
        Some((quality(range), form))
    });
    let wanted = ranges.filter(|(quality, _)| *quality > 0);
    // The first of those that it likes best.
    let best = wanted.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.map_or(Form::Json, |(_, form)| form)
}

/// How much a client likes what an item of a list names, in thousandths: RFC 9110, 12.4.2.
pub(super) fn quality(item: &str) -> u16 {
    let mut parameters = item.split(';').skip(1).map(str::trim);
    let quality = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.eq_ignore_ascii_case("q").then_some(value)
    });
    let Some(quality) = quality else { return 1000 };
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    let fraction = format!("{fraction:0<3}");
    match (
        whole,
        fraction.get(..3).and_then(|digits| digits.parse().ok()),
    ) {
        ("0", Some(thousandths)) => thousandths,
        _ => 1000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_what_is_declared_or_how_the_bytes_begin() {
        let form = |value, body| declared(value, body).ok();
        assert_eq!(form(None, b"{}"), Some(Form::Json));
        assert_eq!(form(Some("Application/X-NPY"), b""), Some(Form::Npy));
        assert_eq!(form(Some("application/x-npz; a=b"), b""), Some(Form::Npz));
        let bytes = Some("application/octet-stream");
        assert_eq!(form(bytes, b"\x93NUMPY\x01"), Some(Form::Npy));
        assert_eq!(form(bytes, b"PK\x03\x04"), Some(Form::Npz));
        assert_eq!(form(bytes, b"{}"), None);
    }

    #[test]
    fn the_best_of_what_is_accepted_is_answered() {
        #[track_caller]
        fn check(accept: &str, expected: Form) {
            assert_eq!(accepted(Some(accept)), expected, "{accept}");
        }
        assert_eq!(accepted(None), Form::Json);
        check("*/*", Form::Json);
        check("application/x-npy", Form::Npy);
        check(
            "application/json;q=0.5, application/x-npz; q=0.7",
            Form::Npz,
        );
        check("application/x-npy;q=0, */*;q=0.1", Form::Json);
        check("application/json, application/x-npy", Form::Json);
        check("image/png", Form::Json);
    }
}
