//! What services become on AWS: one golden file a case, and what holds for all cases.
//! `UPDATE_EXPECT=1` rewrites the files.

#![expect(clippy::expect_used, reason = "a failing helper is a failing test")]

mod cases;
mod golden;
mod limits;
mod revisions;
mod rules;
