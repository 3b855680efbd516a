//! Secrets that environment variables refer to. Lambda knows their names only; their values are
//! looked up when an instance starts.
//!
//! - <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html>
//! - <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;

use mlfn_shim_contract::SECRET_MARK;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::settings::AwsService;
use super::{Aws, AwsError};
use crate::codec::failure::{Code, Failure, json_problem, list, to_bytes};

/// Why a secret has no value. Nothing of a value is ever in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// It was not given.
    #[error("cannot read the secret `{name}` of the environment")]
    Aws {
        /// The secret.
        name: String,
        /// Why.
        source: AwsError,
    },
    /// It has bytes, and variables have text.
    #[error(
        "the secret `{name}` has no text; store it as text (`SecretString`), because it is for an \
         environment variable"
    )]
    Binary {
        /// The secret.
        name: String,
    },
    /// Looking it up ended without a result: a bug, of which the log has the panic.
    #[error("the secret `{name}` was not looked up; the log has the details")]
    Lost {
        /// The secret.
        name: String,
    },
    /// It would be looked up again and again.
    #[error(
        "the value of the secret `{name}` begins with `{SECRET_MARK}`, as if it were a reference; \
         store the secret itself"
    )]
    Reference {
        /// The secret.
        name: String,
    },
}

/// If variables (`references`, by name) are for secrets, looks their values up and starts the shim
/// anew in this process, with the values in its environment: so everything in it, libraries
/// included, finds what the user wrote, as if Lambda had known it.
pub(crate) async fn settle(references: &BTreeMap<String, String>) -> Result<(), Failure> {
    if references.is_empty() {
        return Ok(());
    }
    let unavailable = |message: String| Failure::new(Code::SecretUnavailable, message);
    let variables = list(references.keys());
    let aws = Aws::from_environment();
    let values = match aws {
        Ok(aws) => aws
            .values(references)
            .await
            .map_err(|error| crate::chain(&error)),
        Err(error) => Err(crate::chain(&error)),
    };
    let values = values.map_err(|why| unavailable(format!("no value for {variables}: {why}")))?;
    let program = env::current_exe();
    let program = program.map_err(|error| unavailable(format!("where is the shim? {error}")))?;
    let error = Command::new(program)
        .args(env::args_os().skip(1))
        .envs(values)
        .exec();
    Err(unavailable(format!("cannot start the shim anew: {error}")))
}

impl Aws {
    /// The values of variables that refer to secrets. Each secret is asked for once, and all at
    /// the same time.
    pub(super) async fn values(
        self,
        references: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, SecretError> {
        let aws = Arc::new(self);
        let names: BTreeSet<&String> = references.values().collect();
        let mut lookups = JoinSet::new();
        for name in names {
            let (aws, name) = (Arc::clone(&aws), name.clone());
            lookups.spawn(async move {
                let value = aws.secret(&name).await;
                (name, value)
            });
        }
        let mut values = BTreeMap::new();
        while let Some(done) = lookups.join_next().await {
            // A task that panicked has no value, which is told below.
            if let Ok((name, value)) = done {
                values.insert(name, value?);
            }
        }
        let of = references.iter().map(|(variable, name)| {
            let value = values.get(name).cloned();
            let value = value.ok_or_else(|| SecretError::Lost { name: name.clone() })?;
            Ok((variable.clone(), value))
        });
        of.collect()
    }

    async fn secret(&self, name: &str) -> Result<String, SecretError> {
        let value = match store(name) {
            AwsService::Ssm => self.parameter(name).await.map(Some),
            _ => self.secret_value(name).await,
        };
        let failed = |source| SecretError::Aws {
            name: name.to_owned(),
            source,
        };
        let name = || name.to_owned();
        match value.map_err(failed)? {
            None => Err(SecretError::Binary { name: name() }),
            Some(value) if value.starts_with(SECRET_MARK) => {
                Err(SecretError::Reference { name: name() })
            }
            Some(value) => Ok(value),
        }
    }

    async fn parameter(&self, name: &str) -> Result<String, AwsError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Get<'a> {
            name: &'a str,
            with_decryption: bool,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Got {
            parameter: Parameter,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Parameter {
            value: String,
        }
        let get = Get {
            name,
            with_decryption: true,
        };
        let got: Got = self
            .lookup(AwsService::Ssm, "AmazonSSM.GetParameter", name, &get)
            .await?;
        Ok(got.parameter.value)
    }

    async fn secret_value(&self, name: &str) -> Result<Option<String>, AwsError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Get<'a> {
            secret_id: &'a str,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Got {
            secret_string: Option<String>,
        }
        let get = Get { secret_id: name };
        let target = "secretsmanager.GetSecretValue";
        let got: Got = self
            .lookup(AwsService::SecretsManager, target, name, &get)
            .await?;
        Ok(got.secret_string)
    }

    async fn lookup<T: for<'a> Deserialize<'a>>(
        &self,
        service: AwsService,
        target: &str,
        name: &str,
        body: &impl Serialize,
    ) -> Result<T, AwsError> {
        let mut call = self.json_call(service, target, to_bytes(body));
        // arn:<partition>:<service>:<region>:<account>:<name>
        if let Some(region) = name
            .strip_prefix("arn:")
            .and_then(|arn| arn.split(':').nth(2))
        {
            region.clone_into(&mut call.region);
            call.endpoint = self.endpoint(service, region);
        }
        let answer = self.call(&call).await?;
        serde_json::from_slice(answer.body()).map_err(|error| AwsError::Strange {
            service,
            // What was read is not repeated: it may be the secret.
            what: json_problem(&error),
        })
    }
}

/// Where the secret of this name is; the same rule by which its role is allowed to read it.
fn store(name: &str) -> AwsService {
    let service = name
        .strip_prefix("arn:")
        .and_then(|arn| arn.split(':').nth(1));
    if service == Some("ssm") || name.starts_with('/') {
        AwsService::Ssm
    } else {
        AwsService::SecretsManager
    }
}
