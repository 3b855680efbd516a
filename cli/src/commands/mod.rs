//! One file a verb: it calls one operation and says how that ended.

pub(crate) mod completion;
pub(crate) mod version;
