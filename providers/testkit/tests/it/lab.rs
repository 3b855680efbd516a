//! Fake clouds in memory.

use async_trait::async_trait;
use mlfn_testkit::bench::{FakeTwin, Twin};
use mlfn_testkit::fake::FakeCloud;
use mlfn_testkit::lifecycle::Lab;
use tempfile::TempDir;

/// One folder of code for all clouds.
pub(crate) struct FakeLab(TempDir);

impl FakeLab {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        FakeTwin::write_codes(folder.path());
        Self(folder)
    }

    pub(crate) fn twin(&self) -> FakeTwin {
        FakeTwin::new(FakeCloud::in_memory(), self.0.path())
    }
}

#[async_trait]
impl Lab for FakeLab {
    async fn fresh(&self) -> Box<dyn Twin> {
        Box::new(self.twin())
    }
}
