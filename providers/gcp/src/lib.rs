//! Google Cloud Functions and Cloud Run: what they allow, and how their packages look.
//!
//! - [`check`](mod@check): a service against the limits; one diagnostic for each violation
//! - [`limits`]: the numbers and the grammars of names, each with its source
//! - [`package`]: the layout of a package, with the launcher that starts the shim
//! - [`schedule`]: `every` and Unix cron as Cloud Scheduler has them

pub mod check;
pub mod limits;
pub mod package;
pub mod schedule;

use mlfn_core::{Diagnostic, Function, PackageSpec, Provider, ProviderName, Service};

/// Google Cloud, by one of its two engines ([`mlfn_core::GcpEngine`]).
#[derive(Debug, Clone, Copy, Default)]
pub struct Gcp;

impl Provider for Gcp {
    fn name(&self) -> ProviderName {
        ProviderName::Gcp
    }

    fn check(&self, service: &Service) -> Vec<Diagnostic> {
        check::check(service)
    }

    fn package(&self, service: &Service, function: &Function) -> PackageSpec {
        package::package(service, function)
    }
}
