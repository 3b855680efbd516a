//! Azure Functions on the Flex Consumption plan: what it allows, and how its packages look.
//!
//! - [`check`](mod@check): a service against the limits; one diagnostic for each violation
//! - [`limits`]: the numbers and the grammars of names, each with its source
//! - [`package`]: the layout of a package
//! - [`schedule`]: `every` and Unix cron as NCRONTAB

pub mod check;
pub mod limits;
pub mod package;
pub mod schedule;

use mlfn_core::{Diagnostic, Function, PackageSpec, Provider, ProviderName, Service};

/// Azure Functions with a custom handler on Flex Consumption. One app for each function.
#[derive(Debug, Clone, Copy, Default)]
pub struct Azure;

impl Provider for Azure {
    fn name(&self) -> ProviderName {
        ProviderName::Azure
    }

    fn check(&self, service: &Service) -> Vec<Diagnostic> {
        check::check(service)
    }

    fn package(&self, service: &Service, function: &Function) -> PackageSpec {
        package::package(service, function)
    }
}
