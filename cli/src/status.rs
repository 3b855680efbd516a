//! How the program ends.

use std::process::ExitCode;

/// What the program's exit code says. Scripts rely on the numbers: they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitStatus {
    /// Done, or there was nothing to do.
    Ok = 0,
    /// Something went wrong.
    Failure = 1,
    /// A plan has changes. Nothing else ever ends so.
    Changes = 2,
    /// The manifest is invalid.
    InvalidManifest = 3,
    /// Somebody else is at it.
    Locked = 4,
    /// Not logged in, or not allowed.
    Unauthorized = 5,
    /// Some of it is done; doing it again goes on from there.
    Partial = 6,
    /// The command line is wrong (`EX_USAGE` of `sysexits.h`).
    Usage = 64,
    /// Ctrl-C (128 + SIGINT, as shells count).
    Interrupted = 130,
}

impl ExitStatus {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::Failure,
        Self::Changes,
        Self::InvalidManifest,
        Self::Locked,
        Self::Unauthorized,
        Self::Partial,
        Self::Usage,
        Self::Interrupted,
    ];

    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// What it means, for the reference pages.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done, or there was nothing to do",
            Self::Failure => "something went wrong",
            Self::Changes => "a plan has changes",
            Self::InvalidManifest => "the manifest is invalid",
            Self::Locked => "somebody else is at it",
            Self::Unauthorized => "not logged in, or not allowed",
            Self::Partial => "some of it is done; doing it again goes on from there",
            Self::Usage => "the command line is wrong",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        status.code().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_documented_ones() {
        let codes = ExitStatus::ALL.map(ExitStatus::code);
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 64, 130]);
    }
}
