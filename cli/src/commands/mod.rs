//! One file a verb: it calls one operation and says how that ended.

pub(crate) mod completion;
pub(crate) mod deploy;
pub(crate) mod doctor;
pub(crate) mod emulate;
mod events;
pub(crate) mod info;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod invoke;
pub(crate) mod local_cloud;
pub(crate) mod logs;
pub(crate) mod package;
pub(crate) mod plan;
pub(crate) mod queue;
pub(crate) mod remove;
pub(crate) mod rollback;
pub(crate) mod schema;
pub(crate) mod state;
pub(crate) mod topic;
pub(crate) mod validate;
pub(crate) mod version;
