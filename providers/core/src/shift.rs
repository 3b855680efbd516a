//! How requests move from one revision of a function to the next.

use serde::{Deserialize, Serialize};

use crate::Seconds;

/// `traffic:` of the manifest: a new revision gets a part of the requests first, and more of them as
/// long as nothing speaks against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// The first part, in percent: 1 to 99.
    pub canary: u8,
    /// How long each part is watched before the next one.
    pub every: Seconds,
    /// What speaks against the new revision.
    pub alarm: Alarm,
}

/// What speaks against a new revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alarm {
    /// A request that the new revision fails on.
    Errors,
    /// An alarm of the cloud that somebody else has made, by its name.
    Named(String),
}

impl Traffic {
    /// The parts that the new revision gets before it gets all, in percent: each is twice the one
    /// before, since that has proven half of it.
    pub fn steps(&self) -> Vec<u8> {
        let doubled = |part: &u8| part.checked_mul(2);
        let parts = std::iter::successors(Some(self.canary), doubled);
        parts.take_while(|part| (1..100).contains(part)).collect()
    }
}

/// That a resource is a pointer whose requests move to another revision step by step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// The field that says which revision it points to.
    pub field: String,
    /// How fast, and what ends it.
    pub traffic: Traffic,
}

/// The steps of a shift that are left to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// Parts of the requests, in percent; after the last one, it gets all.
    pub parts: Vec<u8>,
    /// When the new revision got its first requests, in seconds since 1970, if an earlier run began:
    /// the first part is the one that it got to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
}

/// What a session shall look for while requests move.
#[derive(Debug, Clone, Copy)]
pub struct Watch<'a> {
    /// What speaks against the new revision.
    pub alarm: &'a Alarm,
    /// When it got its first requests, in seconds since 1970.
    pub since: u64,
    /// What time it is, in seconds since 1970.
    pub now: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(canary: u8, expected: &[u8]) {
        let traffic = Traffic {
            canary,
            every: Seconds::new(300),
            alarm: Alarm::Errors,
        };
        assert_eq!(traffic.steps(), expected);
    }

    #[test]
    fn each_part_is_twice_the_one_before_and_less_than_all() {
        check(10, &[10, 20, 40, 80]);
        check(1, &[1, 2, 4, 8, 16, 32, 64]);
        check(25, &[25, 50]);
        check(50, &[50]);
        check(99, &[99]);
    }
}
