//! The vocabulary that every part of mlfn shares.
//!
//! Data flows one way through these types: the manifest crate makes a [`Service`], the package
//! crate makes an [`Artifact`] of each of its functions, a [`Provider`] says what its cloud
//! allows and how a package has to look there and [lowers](Lower) both to [`Resource`]s, the engine
//! makes a [`Plan`] of them, and the [`Session`] of a [`Cloud`] carries it out.
//!
//! This crate does no I/O, reads no clock and no environment, and has no async runtime.

mod artifact;
mod bucket;
pub mod common;
mod cron;
mod diagnostic;
mod limit;
mod names;
mod operate;
mod options;
mod plan;
mod provider;
mod provider_error;
mod resource;
mod schedule;
mod service;
mod session;
mod shift;
mod trigger;
mod units;
mod value;

pub use artifact::{Artifact, ArtifactPart, Digest, FetchedFile, Layer, PartKind, Route};
pub use bucket::{Bucket, BucketUrl, BucketUrlError};
pub use cron::{Cron, CronError, CronField, EveryFields, every_as_cron, nearest_every};
pub use diagnostic::{Diagnostic, FieldPath, Severity};
pub use limit::{Limit, NameRule, Unit};
pub use names::{FunctionName, NameError, ProviderName, ServiceName, StageName};
pub use operate::{
    Answer, Invocation, InvocationKind, LogCursor, LogLine, LogPage, LogQuery, Operate,
};
pub use options::{AwsOptions, AzureOptions, GcpEngine, GcpOptions};
pub use plan::{
    Action, Basis, Change, Drift, DriftOutcome, FieldChange, FunctionRelease, Plan, Purpose,
    Reason, Recorded, Release, Shown,
};
pub use provider::{
    ArchiveFormat, LibcLimit, PackageFile, PackageSpec, Provider, RouteSpec, Target,
};
pub use provider_error::{BoxError, Failure, ProviderError, RetryClass};
pub use resource::{
    DriftCheck, Exposure, FieldSpec, KindSpec, Mutability, ReplaceOrder, Resource, ResourceId,
    ResourceIdError,
};
pub use schedule::{Untranslatable, check_schedule, read_cron};
pub use service::{
    Architecture, AsyncSettings, Batching, Destination, EnvironmentValue, Function, InputSpec,
    ModelEngine, OutputSpec, SecretRef, Service,
};
pub use session::{Access, Address, Call, Cloud, Inputs, Lower, Observed, Ownership, Session};
pub use shift::{Alarm, Shift, Steps, Traffic, Watch};
pub use trigger::{
    HttpAuth, HttpMethod, HttpTrigger, QueueTrigger, Schedule, ScheduleTrigger, StorageTrigger,
    StreamSource, StreamStart, StreamTrigger, TopicTrigger, Trigger,
};
pub use units::{Memory, Seconds, UnitError};
pub use value::{FileRef, Outputs, Value, file_mark, sorted};
