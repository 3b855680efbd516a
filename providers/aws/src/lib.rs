//! AWS Lambda: what it allows, how its packages look, what a service becomes there, and how it is
//! brought there.
//!
//! - [`check`](mod@check): a service against the limits; one diagnostic for each violation
//! - `client`, `credentials`: the APIs, and whose account it is
//! - `errors`: what AWS's errors mean
//! - [`kinds`]: every kind of resource, and what the APIs can change in place
//! - [`limits`]: the numbers and the grammars of names, each with its source
//! - [`lower`](mod@lower): a service as resources
//! - [`package`]: the layout of a package
//! - `rights`: what whoever deploys must be allowed
//! - [`schedule`]: `every` and Unix cron in the dialect of EventBridge Scheduler
//! - [`session`]: an account, connected: one file a kind of resource

pub mod check;
mod client;
mod credentials;
mod errors;
pub mod kinds;
pub mod limits;
pub mod lower;
pub mod package;
mod rights;
pub mod schedule;
pub mod session;

use async_trait::async_trait;
use mlfn_core::{
    Access, Artifact, Cloud, Diagnostic, Function, KindSpec, Lower, PackageSpec, Provider,
    ProviderError, ProviderName, Resource, Service, Session,
};

pub use self::credentials::{Chain, Keys};
pub use self::session::AwsSession;

/// AWS Lambda on Amazon Linux 2023 (`provided.al2023`).
#[derive(Debug, Clone, Copy, Default)]
pub struct Aws;

impl Provider for Aws {
    fn name(&self) -> ProviderName {
        ProviderName::Aws
    }

    fn check(&self, service: &Service) -> Vec<Diagnostic> {
        check::check(service)
    }

    fn package(&self, _service: &Service, function: &Function) -> PackageSpec {
        package::package(function)
    }
}

impl Lower for Aws {
    fn kinds(&self) -> &'static [KindSpec] {
        kinds::KINDS
    }

    fn lower(&self, service: &Service, artifacts: &[Artifact]) -> Vec<Resource> {
        lower::lower(service, artifacts)
    }
}

#[async_trait]
impl Cloud for Aws {
    fn logs(&self) -> &'static [&'static str] {
        &[kinds::LOG_GROUP.kind]
    }

    async fn connect(&self, access: &Access) -> Result<Box<dyn Session>, ProviderError> {
        Ok(Box::new(AwsSession::connect(access).await?))
    }
}
