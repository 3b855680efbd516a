//! The program as scripts and shells see it. Its words are in the transcripts of `tests/`.

#![expect(clippy::expect_used, reason = "a test may fail")]

mod deploy;
mod emulate;
mod init;
#[cfg(target_os = "linux")]
mod kills;
mod process;
mod project;

use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The program, started in an empty home and folder, with none of the caller's settings.
fn mlfn(home: &TempDir, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlfn"));
    command.args(words.split_whitespace());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let ours = name.starts_with("MLFN_") || name.starts_with("XDG_");
        if ours || name == "ORT_DYLIB_PATH" || name.ends_with("_COLOR") {
            command.env_remove(&*name);
        }
    }
    command
        .env("HOME", home.path())
        .current_dir(home.path())
        .stdin(Stdio::null());
    command
}
