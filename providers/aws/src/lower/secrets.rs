//! Secrets that the environment refers to. They exist; mlfn sees their names and ARNs only.

use mlfn_core::{EnvironmentValue, Function, Resource, SecretRef, Service};

use super::policy::Statement;
use super::{found, is_arn, looked_up};
use crate::kinds;

/// How the value of an environment variable begins that is for a secret; the name or ARN of the
/// secret follows. The same as `SECRET_MARK` of the shim's contract.
const SECRET_MARK: &str = "mlfn:secret:";

/// Where AWS keeps a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretStore {
    /// A parameter of the SSM parameter store.
    Parameter,
    /// A secret of Secrets Manager.
    SecretsManager,
}

/// The value of the environment variable that a secret is for. The shim looks the secret up by it
/// when an instance starts.
pub fn secret_text(SecretRef(name): &SecretRef) -> String {
    format!("{SECRET_MARK}{name}")
}

/// The secret that such a value is for; none if it is for none.
pub fn secret_in(text: &str) -> Option<SecretRef> {
    let name = text.strip_prefix(SECRET_MARK)?;
    Some(SecretRef(name.to_owned()))
}

/// Where the secret of this name is: an ARN says it itself, a name that begins with `/` is the path
/// of a parameter, and every other name is one of Secrets Manager.
pub fn secret_store(SecretRef(name): &SecretRef) -> SecretStore {
    let service = name
        .strip_prefix("arn:")
        .and_then(|arn| arn.split(':').nth(1));
    if service == Some("ssm") || name.starts_with('/') {
        SecretStore::Parameter
    } else {
        SecretStore::SecretsManager
    }
}

/// What the role must be allowed.
pub(super) fn needs(function: &Function) -> impl Iterator<Item = Statement> {
    names(function).map(|secret| match secret_store(secret) {
        SecretStore::Parameter => Statement::new(
            "ReadParameters",
            &["ssm:GetParameter"],
            found(kinds::PARAMETER, &secret.0),
        ),
        SecretStore::SecretsManager => Statement::new(
            "ReadSecrets",
            &["secretsmanager:GetSecretValue"],
            found(kinds::SECRET, &secret.0),
        ),
    })
}

/// What has to be looked up.
pub(super) fn shared(service: &Service) -> impl Iterator<Item = Resource> {
    let of = |store: SecretStore| {
        let all = service.functions.iter().flat_map(names);
        all.filter(move |secret| secret_store(secret) == store)
            .map(|secret| secret.0.as_str())
            .filter(|name| !is_arn(name))
    };
    let parameters = looked_up(kinds::PARAMETER, of(SecretStore::Parameter));
    parameters.chain(looked_up(kinds::SECRET, of(SecretStore::SecretsManager)))
}

fn names(function: &Function) -> impl Iterator<Item = &SecretRef> {
    function
        .environment
        .values()
        .filter_map(|value| match value {
            EnvironmentValue::Secret(secret) => Some(secret),
            EnvironmentValue::Plain(_) => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: SecretStore) {
        assert_eq!(
            secret_store(&SecretRef(name.to_owned())),
            expected,
            "{name}"
        );
    }

    #[test]
    fn the_name_of_a_secret_tells_where_it_is() {
        check("/iris/token", SecretStore::Parameter);
        check(
            "arn:aws:ssm:eu-west-1:123456789012:parameter/token",
            SecretStore::Parameter,
        );
        check("token", SecretStore::SecretsManager);
        check("prod/token", SecretStore::SecretsManager);
        check(
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:token-AbCdEf",
            SecretStore::SecretsManager,
        );
    }
}
