//! Model files, to what reads them on the user's machine.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| TempDir::new().expect("a folder"));

fuzz_target!(|bytes: &[u8]| {
    let path: PathBuf = FOLDER.path().join("model.onnx");
    std::fs::write(&path, bytes).expect("writes");
    if let Err(error) = mlfn_model::inspect(&path) {
        assert!(!error.to_string().is_empty() && !error.hint().is_empty());
    }
    // A graph whose weights are elsewhere has the inputs and outputs of the model that it is of.
    if let Ok(Some(graph)) = mlfn_model::mapped(&path) {
        let whole = mlfn_model::inspect(&path);
        let mapped = FOLDER.path().join("mapped.onnx");
        std::fs::write(&mapped, graph).expect("writes");
        if let (Ok(whole), Ok(mapped)) = (whole, mlfn_model::inspect(&mapped)) {
            assert_eq!(whole.inputs, mapped.inputs);
            assert_eq!(whole.outputs, mapped.outputs);
        }
    }
});
