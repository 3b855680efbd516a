//! AWS Lambda: what it allows, how its packages look, and what a service becomes there.
//!
//! - [`check`](mod@check): a service against the limits; one diagnostic for each violation
//! - [`kinds`]: every kind of resource, and what the APIs can change in place
//! - [`limits`]: the numbers and the grammars of names, each with its source
//! - [`lower`](mod@lower): a service as resources
//! - [`package`]: the layout of a package
//! - [`schedule`]: `every` and Unix cron in the dialect of EventBridge Scheduler

pub mod check;
pub mod kinds;
pub mod limits;
pub mod lower;
pub mod package;
pub mod schedule;

use mlfn_core::{
    Artifact, Diagnostic, Function, KindSpec, Lower, PackageSpec, Provider, ProviderName, Resource,
    Service,
};

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
