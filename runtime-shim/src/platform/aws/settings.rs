//! What the environment says of AWS: where its services are, and who asks them. Read when they are
//! needed first, by the names that the SDKs have:
//! <https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html>.

use std::path::PathBuf;

use hyper::Uri;

use super::AwsError;
use super::sign::Credentials;

/// A service that the shim asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AwsService {
    S3,
    Sqs,
    Ssm,
    SecretsManager,
}

impl AwsService {
    /// Its name in addresses and signatures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Sqs => "sqs",
            Self::Ssm => "ssm",
            Self::SecretsManager => "secretsmanager",
        }
    }

    /// As people call it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::S3 => "Amazon S3",
            Self::Sqs => "Amazon SQS",
            Self::Ssm => "the parameter store of AWS",
            Self::SecretsManager => "AWS Secrets Manager",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Self::S3 => "AWS_ENDPOINT_URL_S3",
            Self::Sqs => "AWS_ENDPOINT_URL_SQS",
            Self::Ssm => "AWS_ENDPOINT_URL_SSM",
            Self::SecretsManager => "AWS_ENDPOINT_URL_SECRETS_MANAGER",
        }
    }
}

/// For the addresses of all services.
const ENDPOINT: &str = "AWS_ENDPOINT_URL";

/// A server, and what its paths begin with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Endpoint {
    /// Whether TLS is spoken.
    pub(crate) secure: bool,
    /// A name or an address.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
    /// Without a slash at its end.
    pub(crate) base: String,
}

impl Endpoint {
    /// Of AWS itself.
    pub(crate) fn aws(host: String) -> Self {
        Self {
            secure: true,
            host,
            port: 443,
            base: String::new(),
        }
    }

    /// From a URL with `http` or `https`.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let secure = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        Some(Self {
            secure,
            host: uri.host()?.to_owned(),
            port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            base: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The value of the header `host`.
    pub(crate) fn authority(&self) -> String {
        let usual = if self.secure { 443 } else { 80 };
        if self.port == usual {
            return self.host.clone();
        }
        format!("{}:{}", self.host, self.port)
    }
}

/// What the environment says.
pub(crate) struct Settings {
    /// The function's own region.
    pub(crate) region: String,
    /// The function's own.
    pub(crate) credentials: Credentials,
    /// A file of certificates to believe instead of the system's.
    pub(crate) ca_bundle: Option<PathBuf>,
    endpoints: Vec<(AwsService, Endpoint)>,
    endpoint: Option<Endpoint>,
}

impl Settings {
    /// From variables by their names.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, AwsError> {
        let wanted = |name: &'static str| variable(name).ok_or(AwsError::Unset(name));
        let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
        let endpoint = |name: &'static str| match variable(name) {
            None => Ok(None),
            Some(value) => match Endpoint::parse(&value) {
                Some(endpoint) => Ok(Some(endpoint)),
                None => Err(AwsError::BadEndpoint { name, value }),
            },
        };
        let mut endpoints = Vec::new();
        for service in [
            AwsService::S3,
            AwsService::Sqs,
            AwsService::Ssm,
            AwsService::SecretsManager,
        ] {
            endpoints.extend(endpoint(service.variable())?.map(|found| (service, found)));
        }
        Ok(Self {
            region: region.ok_or(AwsError::Unset("AWS_REGION"))?,
            credentials: Credentials {
                key_id: wanted("AWS_ACCESS_KEY_ID")?,
                secret_key: wanted("AWS_SECRET_ACCESS_KEY")?,
                session_token: variable("AWS_SESSION_TOKEN"),
            },
            ca_bundle: variable("AWS_CA_BUNDLE").map(PathBuf::from),
            endpoints,
            endpoint: endpoint(ENDPOINT)?,
        })
    }

    /// Where the environment says that a service is; none if it is where AWS has it.
    pub(crate) fn endpoint(&self, service: AwsService) -> Option<&Endpoint> {
        let own = self.endpoints.iter().find(|(of, _)| *of == service);
        own.map(|(_, endpoint)| endpoint).or(self.endpoint.as_ref())
    }
}

/// The end of the names of AWS's servers in a region:
/// <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>.
pub(crate) fn domain(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Settings, String> {
        let usual = [
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ];
        let all = [variables, &usual].concat();
        let find = |name: &str| {
            let found = all.iter().find(|(found, _)| *found == name)?;
            Some(found.1.to_owned()).filter(|value| !value.is_empty())
        };
        Settings::read(find).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn check_endpoint(variables: &[(&str, &str)], expected: &str) {
        let settings = settings(variables).expect("good settings");
        let endpoint = settings.endpoint(AwsService::Sqs);
        let found =
            endpoint.map(|endpoint| (endpoint.secure, endpoint.authority(), &endpoint.base));
        assert_eq!(format!("{found:?}"), expected);
    }

    #[test]
    fn the_address_of_a_service_goes_before_that_of_all() {
        let all = ("AWS_ENDPOINT_URL", "https://all.example");
        let own = ("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:4566/sqs/");
        let other = ("AWS_ENDPOINT_URL_S3", "http://s3.example");
        check_endpoint(&[other], "None");
        check_endpoint(&[other, all], r#"Some((true, "all.example", ""))"#);
        check_endpoint(&[own, all], r#"Some((false, "127.0.0.1:4566", "/sqs"))"#);
    }

    #[track_caller]
    fn check_error(variable: (&str, &str), expected: &str) {
        assert_eq!(settings(&[variable]).err().as_deref(), Some(expected));
    }

    #[test]
    fn what_is_missing_or_wrong_is_said_with_the_name_of_its_variable() {
        check_error(
            ("AWS_SECRET_ACCESS_KEY", ""),
            "AWS_SECRET_ACCESS_KEY is not set, without which AWS cannot be asked; Lambda sets it",
        );
        check_error(
            ("AWS_ENDPOINT_URL_SSM", "localhost:4566"),
            "AWS_ENDPOINT_URL_SSM is `localhost:4566`, which is no URL with http or https; write \
             for example http://127.0.0.1:4566",
        );
    }
}
