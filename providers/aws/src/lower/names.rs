//! Names of resources: among those of their kind, and in the cloud.
//!
//! Remote names begin with `<service>-<stage>-` and the user's own name. Where mlfn needs a name of
//! its own beside those, it comes after `_`, which no service, stage or function has in its name:
//! so it cannot be what the user calls something else.

use mlfn_core::{Architecture, Digest, Function, KindSpec, ResourceId, Service};

use crate::kinds::LIVE;
use crate::limits;

/// Characters of the name of an IAM role (`CreateRole`, `RoleName`).
const ROLE: usize = 64;

/// Characters of the name of a queue (`CreateQueue`, `QueueName`).
const QUEUE: usize = 80;

/// Characters of the name of a layer (`PublishLayerVersion`, `LayerName`).
const LAYER: usize = 140;

/// Characters of the id of a statement (`AddPermission`, `StatementId`).
const STATEMENT: usize = 100;

/// Digits of an account's number.
const ACCOUNT: usize = 12;

/// The name of a resource of `kind`.
pub(super) fn id(kind: KindSpec, name: impl Into<String>) -> ResourceId {
    ResourceId::new(kind.kind, name)
}

/// What belongs to a function and something else: `classifier:jobs`. Functions have no `:` in
/// their names, so the parts cannot be taken for others.
pub(super) fn part(function: &Function, of: &str) -> String {
    format!("{}:{of}", function.name)
}

/// The remote name of a function.
pub(super) fn function(service: &Service, function: &Function) -> String {
    service.cloud_name(function.name.as_str())
}

/// The remote name of a function's alias.
pub(super) fn alias(service: &Service, of: &Function) -> String {
    format!("{}:{LIVE}", function(service, of))
}

/// `<service>-<stage>`, for what there is once.
pub(super) fn service(service: &Service) -> String {
    format!("{}-{}", service.name, service.stage)
}

/// The remote name of a role, which ends with the region.
pub(super) fn role(service: &Service, of: &Function, purpose: &str) -> String {
    let base = function(service, of) + purpose;
    format!(
        "{}-{{region}}",
        fitted(&base, ROLE - 1 - limits::REGION.max)
    )
}

/// The name of the layer with ONNX Runtime.
pub(super) fn layer(of: &Service, architecture: Architecture) -> String {
    fitted(
        &format!("{}_onnxruntime-{architecture}", service(of)),
        LAYER,
    )
}

/// The remote name of the bucket for packages, which ends with account and region.
pub(super) fn deployment_bucket(of: &Service) -> String {
    let room = limits::BUCKET_NAME.max - 1 - ACCOUNT - 1 - limits::REGION.max;
    format!("{}-{{account}}-{{region}}", fitted(&service(of), room))
}

/// The remote name of a queue of ours for dead letters from `source`, a name or an ARN; `reader`
/// tells apart what reads it, if several things do on their own.
pub(super) fn dead_letter_queue(of: &Service, reader: &str, source: &str) -> String {
    let (source, fifo) = match source.strip_suffix(".fifo") {
        Some(source) => (source, ".fifo"),
        None => (source, ""),
    };
    let name = format!("{}_{reader}_{}-dead", service(of), words(source));
    fitted(&name, QUEUE - fifo.len()) + fifo
}

/// The id of a statement about `source`, a name or an ARN.
pub(super) fn statement(kind: &str, source: &str) -> String {
    fitted(&format!("{kind}-{}", words(source)), STATEMENT)
}

/// A name or ARN in letters, digits, `-` and `_`. Of an ARN, it is the name in it; what is left out
/// or replaced is in a digest at the end, which keeps it apart from others.
fn words(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if text.chars().all(is_word) {
        return text.to_owned();
    }
    let clean = name_in(text).replace(|c| !is_word(c), "_");
    format!("{clean}-{}", digest(text))
}

/// `jobs` of `arn:aws:sqs:eu-west-1:123456789012:jobs`, `orders` of `..:table/orders/stream/..`,
/// and what is no ARN as it is.
fn name_in(text: &str) -> &str {
    let Some(resource) = text
        .strip_prefix("arn:")
        .and_then(|arn| arn.splitn(5, ':').nth(4))
    else {
        return text;
    };
    resource.split('/').nth(1).unwrap_or(resource)
}

/// The text, if it has `max` characters at most; else its beginning, and a digest that keeps it
/// apart from others. The text is ASCII.
fn fitted(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let digest = digest(text);
    let beginning: String = text.chars().take(max - 1 - digest.len()).collect();
    format!("{}-{digest}", beginning.trim_end_matches('-'))
}

/// 32 bits tell apart the few things of a service whose names are this long.
fn digest(text: &str) -> String {
    let digest = Digest::of(text.as_bytes());
    digest.as_str().chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(found: &str, max: usize, expected: &str) {
        assert_eq!(found, expected);
        assert!(found.len() <= max, "{} characters", found.len());
    }

    #[test]
    fn a_name_that_fits_stays_and_a_longer_one_ends_with_a_digest() {
        check(&fitted("iris-dev", 8), 8, "iris-dev");
        check(&fitted("iris-dev-classifier", 18), 18, "iris-dev-8ade5a11");
        check(&fitted("iris-dev-classifies", 18), 18, "iris-dev-d53323c9");
    }

    #[test]
    fn characters_that_are_not_allowed_are_replaced_without_confusing_names() {
        check(&words("a-b_C1"), 6, "a-b_C1");
        assert_ne!(words("a.b"), words("a:b"));
        assert_ne!(words("a.b"), "a_b");
    }

    #[test]
    fn an_arn_is_called_by_the_name_in_it() {
        let of =
            |service: &str, name: &str| format!("arn:aws:{service}:eu-west-1:123456789012:{name}");
        assert_eq!(name_in("jobs"), "jobs");
        assert_eq!(name_in(&of("sqs", "jobs")), "jobs");
        assert_eq!(name_in(&of("kinesis", "stream/clicks")), "clicks");
        let stream = of("dynamodb", "table/orders/stream/2026-01-01T00:00:00.000");
        assert_eq!(name_in(&stream), "orders");
        assert_ne!(words(&stream), words(&of("dynamodb", "table/orders")));
    }
}
