//! What the tests are made of.

pub(crate) mod boto3;
pub(crate) mod golden;
pub(crate) mod http;
pub(crate) mod mlfn;
pub(crate) mod place;
pub(crate) mod rie;
pub(crate) mod transcript;
pub(crate) mod unpacked;
