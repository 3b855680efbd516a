//! How much memory a large model takes, in a process that does nothing else.
#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::io::Write as _;

#[path = "it/support.rs"]
#[expect(dead_code, reason = "this test needs a part of what the others need")]
mod support;

use support::{Project, noise};

/// What the project promises for 2 GB; memory does not grow with the model.
const MOST: u64 = 300 << 20;

#[test]
fn a_model_of_a_gigabyte_is_packed_in_bounded_memory() {
    let project = Project::new(&["weights.bin"]);
    let path = project.path("weights.bin");
    let mut file = fs_err::File::create(&path).expect("creates");
    // Blocks that are stored, then a hole that is compressed.
    file.write_all(&noise(64 << 20, 1)).expect("writes");
    file.set_len(1 << 30).expect("grows");
    drop(file);
    let built = project.build();
    for artifact in &built.artifacts {
        assert!(artifact.unpacked > 1 << 30);
        assert!(
            (64 << 20..70 << 20).contains(&artifact.packed),
            "{}",
            artifact.packed
        );
    }
    let status = fs_err::read_to_string("/proc/self/status").expect("Linux says it");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("the peak");
    let kib: u64 = line
        .trim()
        .trim_end_matches("kB")
        .trim()
        .parse()
        .expect("a number");
    assert!(kib << 10 < MOST, "{kib} KiB at the peak");
}
