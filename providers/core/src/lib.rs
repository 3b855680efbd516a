//! The vocabulary that every part of mlfn shares.
//!
//! Data flows one way through these types: the manifest crate makes a [`Service`], the package
//! crate makes an [`Artifact`] of each of its functions, a [`Provider`] says what its cloud
//! allows and how a package has to look there.
//!
//! This crate does no I/O, reads no clock and no environment, and has no async runtime.

mod artifact;
pub mod common;
mod cron;
mod diagnostic;
mod limit;
mod names;
mod options;
mod provider;
mod schedule;
mod service;
mod trigger;
mod units;

pub use artifact::{Artifact, ArtifactPart, Digest, PartKind, Route};
pub use cron::{Cron, CronError, CronField, EveryFields, every_as_cron, nearest_every};
pub use diagnostic::{Diagnostic, FieldPath, Severity};
pub use limit::{Limit, NameRule, Unit};
pub use names::{FunctionName, NameError, ProviderName, ServiceName, StageName};
pub use options::{AwsOptions, AzureOptions, GcpEngine, GcpOptions};
pub use provider::{
    ArchiveFormat, LibcLimit, PackageFile, PackageSpec, Provider, RouteSpec, Target,
};
pub use schedule::{Untranslatable, check_schedule, read_cron};
pub use service::{
    Architecture, EnvironmentValue, Function, InputSpec, OutputSpec, SecretRef, Service,
};
pub use trigger::{
    HttpAuth, HttpMethod, HttpTrigger, QueueTrigger, Schedule, ScheduleTrigger, StorageTrigger,
    StreamSource, StreamStart, StreamTrigger, TopicTrigger, Trigger,
};
pub use units::{Memory, Seconds, UnitError};
