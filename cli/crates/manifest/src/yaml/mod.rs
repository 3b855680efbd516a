//! YAML text -> a tree in which every key and value knows where it stands.

mod compose;
mod node;
mod scalar;
mod syntax;

pub(crate) use compose::compose;
pub(crate) use node::{
    Content, Entry, MAX_BYTES, MAX_DEPTH, MAX_NODES, Node, Place, Scalar, Style,
};
pub(crate) use syntax::too_deep;
