//! One file a verb: it calls one operation and says how that ended.

pub(crate) mod completion;
pub(crate) mod doctor;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod invoke;
pub(crate) mod package;
pub(crate) mod schema;
pub(crate) mod validate;
pub(crate) mod version;
