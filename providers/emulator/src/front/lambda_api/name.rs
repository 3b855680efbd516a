//! The forms in which the API takes a function's name
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>, `FunctionName`).

use hyper::StatusCode;
use percent_encoding::percent_decode_str;

use super::ApiError;

/// A function, and which revision of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) function: String,
    pub(super) qualifier: Option<String>,
}

impl Target {
    /// From a step of the path, which may have a qualifier, and from the query.
    pub(super) fn read(step: &str, query: Option<&str>) -> Result<Self, ApiError> {
        let text = percent_decode_str(step).decode_utf8_lossy().into_owned();
        let (function, own) = split(&text).ok_or_else(|| invalid(&text))?;
        let given = query_value(query, "Qualifier");
        if let (Some(own), Some(given)) = (&own, &given)
            && own != given
        {
            return Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                "InvalidParameterValueException",
                "The derived qualifier from the function name does not match the specified qualifier.",
            ));
        }
        Ok(Self {
            function,
            qualifier: own.or(given),
        })
    }
}

/// `name`, `name:qualifier`, `account:function:name[:qualifier]`, or an ARN.
fn split(text: &str) -> Option<(String, Option<String>)> {
    let parts: Vec<&str> = text.split(':').collect();
    let (name, qualifier) = match parts.as_slice() {
        ["arn", _, "lambda", _, _, "function", rest @ ..] | [_, "function", rest @ ..] | rest => {
            pair(rest)?
        }
    };
    let is_sound = |part: &str| !part.is_empty();
    (is_sound(name) && qualifier.is_none_or(is_sound))
        .then(|| (name.to_owned(), qualifier.map(str::to_owned)))
}

fn pair<'a>(rest: &[&'a str]) -> Option<(&'a str, Option<&'a str>)> {
    match rest {
        [name] => Some((name, None)),
        [name, qualifier] => Some((name, Some(qualifier))),
        _ => None,
    }
}

/// The value of a key in a query.
pub(super) fn query_value(query: Option<&str>, key: &str) -> Option<String> {
    let pairs = query?.split('&');
    let value = pairs
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| *name == key);
    value.map(|(_, value)| percent_decode_str(value).decode_utf8_lossy().into_owned())
}

fn invalid(text: &str) -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "ValidationException",
        &format!("`{text}` is not the name or ARN of a function"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(step: &str, query: Option<&str>, expected: Option<(&str, Option<&str>)>) {
        let found = Target::read(step, query).ok();
        let found = found.as_ref();
        let found = found.map(|t| (t.function.as_str(), t.qualifier.as_deref()));
        assert_eq!(found, expected, "{step} {query:?}");
    }

    #[test]
    fn every_form_of_a_name_is_understood() {
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:f";
        check("f", None, Some(("f", None)));
        check("f:live", None, Some(("f", Some("live"))));
        check(
            "f",
            Some("Qualifier=%24LATEST"),
            Some(("f", Some("$LATEST"))),
        );
        check("123456789012:function:f", None, Some(("f", None)));
        check(arn, None, Some(("f", None)));
        check(
            &format!("{arn}:3").replace(':', "%3A"),
            None,
            Some(("f", Some("3"))),
        );
        check("f:1", Some("Qualifier=1"), Some(("f", Some("1"))));
        check("f:1", Some("Qualifier=2"), None);
        check("f:1:2", None, None);
        check("f:", None, None);
        check("arn:aws:s3:::bucket", None, None);
    }
}
