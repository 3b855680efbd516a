//! Answers for the local cloud in the folder that is its argument, as `mlfn` does for users.

use std::process::ExitCode;

use mlfn_core::ProviderName;
use mlfn_emulator::{EmulatorOptions, run_detached};

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        return ExitCode::FAILURE;
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return ExitCode::FAILURE;
    };
    let options = EmulatorOptions::new(ProviderName::Aws, folder);
    let ended = runtime.block_on(run_detached(options, std::future::pending()));
    runtime.shutdown_background();
    ExitCode::from(u8::from(ended.is_err()))
}
