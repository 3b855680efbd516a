//! A connection to an account: one file a kind or service, each with the same four functions.
//!
//! | file | kinds |
//! |---|---|
//! | `role` | role |
//! | `log_group` | log-group |
//! | `packages` (and `upload`) | deployment-bucket, code-object |
//! | `layer` | layer |
//! | `function` | function |
//! | `version` | function-version |
//! | `alias` | alias, provisioned-concurrency |
//! | `event_invoke` | event-invoke-config |
//! | `permission` | permission |
//! | `function_url` | function-url |
//! | `http_api` | http-api, http-integration, http-authorizer, http-route, http-stage |
//! | `schedule` | schedule-group, schedule |
//! | `queue` | queue |
//! | `mapping` | event-source-mapping |
//! | `topic` | topic |
//! | `subscription` | subscription |
//! | `bucket` | bucket |
//! | `notification` | bucket-notification |
//! | `streams` (by `existing`) | kinesis-stream, dynamodb-stream |
//! | `secrets` (by `existing` and `ssm`) | parameter, secret |
//!
//! `cloudwatch` tells what speaks against a version. It and `ssm` make calls without a client (`signed`).
//!
//! `role` is a good example. What all kinds share is in `context`, what those of S3 share is in `s3`,
//! and what AWS's errors mean is in `errors`.

mod alias;
mod archive;
mod bucket;
mod cloudwatch;
mod context;
mod event_invoke;
mod existing;
mod function;
mod function_url;
mod http_api;
mod invoke;
mod layer;
mod log_group;
mod logs;
mod mapping;
mod notification;
mod packages;
mod permission;
mod queue;
mod role;
mod s3;
mod schedule;
mod secrets;
mod signed;
mod ssm;
mod streams;
mod subscription;
mod topic;
mod upload;
mod version;

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use mlfn_core::Plan;
use mlfn_core::{
    Access, Address, Answer, Call, Failure, Invocation, LogPage, LogQuery, Observed, Operate,
    ProviderError, Recorded, ResourceId, Session, Watch,
};
use serde_json::Value as Json;

pub(crate) use self::context::Context;
use crate::client::{self, Clients};
use crate::{credentials, kinds, rights};

/// What a session can do with the resources of one kind: [`Session`], with the connection as an
/// argument. What that says about `read`, `create`, `update` and `delete` holds here.
///
/// A `create` that fails with `AlreadyExists` need not know the owner: the session reads it.
#[async_trait]
trait Kind: Send + Sync {
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError>;

    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError>;

    async fn update(
        &self,
        context: &Context,
        call: &Call<'_>,
        prior: &Recorded,
        changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError>;

    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError>;
}

/// Who knows about a kind; none if nobody does.
fn kind(name: &str) -> Option<&'static dyn Kind> {
    let is = |spec: mlfn_core::KindSpec| name == spec.kind;
    Some(match () {
        () if is(kinds::ROLE) => &role::Role,
        () if is(kinds::LOG_GROUP) => &log_group::LogGroup,
        () if is(kinds::DEPLOYMENT_BUCKET) => &packages::DeploymentBucket,
        () if is(kinds::CODE_OBJECT) => &packages::CodeObject,
        () if is(kinds::LAYER) => &layer::Layer,
        () if is(kinds::FUNCTION) => &function::Function,
        () if is(kinds::FUNCTION_VERSION) => &version::Version,
        () if is(kinds::ALIAS) => &alias::Alias,
        () if is(kinds::PROVISIONED_CONCURRENCY) => &alias::ProvisionedConcurrency,
        () if is(kinds::EVENT_INVOKE_CONFIG) => &event_invoke::EventInvokeConfig,
        () if is(kinds::PERMISSION) => &permission::Permission,
        () if is(kinds::FUNCTION_URL) => &function_url::FunctionUrl,
        () if is(kinds::HTTP_API) => &http_api::Api,
        () if is(kinds::HTTP_INTEGRATION) => &http_api::Integration,
        () if is(kinds::HTTP_AUTHORIZER) => &http_api::Authorizer,
        () if is(kinds::HTTP_ROUTE) => &http_api::Route,
        () if is(kinds::HTTP_STAGE) => &http_api::Stage,
        () if is(kinds::SCHEDULE_GROUP) => &schedule::Group,
        () if is(kinds::SCHEDULE) => &schedule::Schedule,
        () if is(kinds::QUEUE) => &queue::Queue,
        () if is(kinds::EVENT_SOURCE_MAPPING) => &mapping::Mapping,
        () if is(kinds::TOPIC) => &topic::Topic,
        () if is(kinds::SUBSCRIPTION) => &subscription::Subscription,
        () if is(kinds::BUCKET) => &bucket::Bucket,
        () if is(kinds::BUCKET_NOTIFICATION) => &notification::Notification,
        () if is(kinds::KINESIS_STREAM) => &streams::Kinesis,
        () if is(kinds::DYNAMODB_STREAM) => &streams::DynamoDb,
        () if is(kinds::PARAMETER) => &secrets::Parameter,
        () if is(kinds::SECRET) => &secrets::Secret,
        () => return None,
    })
}

/// An account and a region, for one service and stage.
#[derive(Debug)]
pub struct AwsSession {
    context: Context,
}

impl AwsSession {
    /// Reads the user's settings, and asks AWS whose the credentials are.
    pub async fn connect(access: &Access) -> Result<Self, ProviderError> {
        credentials::check_profile(access.profile.as_deref()).await?;
        Self::with(client::configuration(access).await, access).await
    }

    /// The same with this key, an id and a secret, instead of the user's credentials.
    pub async fn connect_as(
        access: &Access,
        (id, secret): (&str, &str),
    ) -> Result<Self, ProviderError> {
        let config = client::configuration(access).await;
        let key = Credentials::new(id, secret, None, None, "mlfn");
        let config = config.into_builder();
        let config = config.credentials_provider(SharedCredentialsProvider::new(key));
        Self::with(config.build(), access).await
    }

    async fn with(config: SdkConfig, access: &Access) -> Result<Self, ProviderError> {
        let clients = Clients::new(config.clone());
        let identity = credentials::identify(&config, &clients, access).await?;
        let access = access.clone();
        Ok(Self {
            context: Context {
                clients,
                identity,
                access,
            },
        })
    }
}

fn known(id: &ResourceId) -> Result<&'static dyn Kind, ProviderError> {
    kind(id.kind()).ok_or_else(|| {
        let why = format!("this version of mlfn cannot make `{id}`: it does not know its kind");
        Failure::Rejected { why }.into()
    })
}

#[async_trait]
impl Session for AwsSession {
    fn provider(&self) -> &'static str {
        "aws"
    }

    async fn read(&self, address: &Address) -> Result<Option<Observed>, ProviderError> {
        known(&address.id)?.read(&self.context, address).await
    }

    async fn create(&self, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let kind = known(call.id)?;
        let error = match kind.create(&self.context, call).await {
            Ok(observed) => return Ok(observed),
            Err(error) => error,
        };
        if !matches!(error.failure, Failure::AlreadyExists { .. }) {
            return Err(error);
        }
        let what = call.remote_name.to_owned();
        let address = Address {
            id: call.id.clone(),
            remote_name: what.clone(),
            remote_id: None,
        };
        match kind.read(&self.context, &address).await? {
            Some(Observed { owner, .. }) => Err(ProviderError {
                failure: Failure::AlreadyExists { what, owner },
                ..error
            }),
            // It belongs to another account, or has just gone.
            None => Err(error),
        }
    }

    async fn update(
        &self,
        call: &Call<'_>,
        prior: &Recorded,
        changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        let kind = known(call.id)?;
        kind.update(&self.context, call, prior, changed).await
    }

    async fn delete(&self, prior: &Recorded) -> Result<(), ProviderError> {
        known(&prior.id)?.delete(&self.context, prior).await
    }

    async fn probe(&self, call: &Call<'_>, request: &Json) -> Result<(), ProviderError> {
        invoke::probe(&self.context, call, request).await
    }

    async fn shift(
        &self,
        call: &Call<'_>,
        prior: &Recorded,
        percent: u8,
    ) -> Result<Observed, ProviderError> {
        alias::shift(&self.context, call, prior, percent).await
    }

    async fn watch(
        &self,
        call: &Call<'_>,
        watch: &Watch<'_>,
    ) -> Result<Option<String>, ProviderError> {
        cloudwatch::watch(&self.context, call, watch).await
    }

    fn full_name(&self, remote_name: &str) -> String {
        self.context.full_name(remote_name)
    }

    fn policy(&self, plan: &Plan) -> Option<Json> {
        Some(rights::policy(&self.context.identity, plan))
    }

    fn operate(&self) -> Option<&dyn Operate> {
        Some(self)
    }
}

#[async_trait]
impl Operate for AwsSession {
    async fn invoke(&self, invocation: &Invocation) -> Result<Answer, ProviderError> {
        invoke::invoke(&self.context, invocation).await
    }

    async fn logs(&self, query: &LogQuery) -> Result<LogPage, ProviderError> {
        logs::logs(&self.context, query).await
    }
}
