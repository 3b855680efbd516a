//! AWS Lambda: what it allows, and how its packages look.
//!
//! - [`check`](mod@check): a service against the limits; one diagnostic for each violation
//! - [`limits`]: the numbers and the grammars of names, each with its source
//! - [`package`]: the layout of a package
//! - [`schedule`]: `every` and Unix cron in the dialect of EventBridge Scheduler

pub mod check;
pub mod limits;
pub mod package;
pub mod schedule;

use mlfn_core::{Diagnostic, Function, PackageSpec, Provider, ProviderName, Service};

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
