//! What came of trials before, by everything that they depend on: with the same model, the same
//! manifest and the same engines there is nothing to try again, and the times that are told do not
//! change from run to run.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mlfn_core::{Digest, Function};
use mlfn_model::Model;
use sha2::{Digest as _, Sha256};

use super::Verdict;
use crate::pipeline::Packer;
use crate::shim::ShimPlace;

/// Changes with the requests, the tolerance and the form of what is kept.
const VERSION: u32 = 3;

/// Where the verdict on one model is kept.
pub(super) struct Memory {
    file: PathBuf,
}

impl Memory {
    pub(super) fn of(
        packer: &Packer<'_>,
        function: &Function,
        model: &Model,
    ) -> anyhow::Result<Self> {
        let tract = packer.parts.tract_shim.bytes(ShimPlace::Here)?;
        let onnxruntime = packer.parts.shim.bytes(ShimPlace::Here)?;
        let mut parts = vec![
            VERSION.to_string(),
            Digest::of(&tract).to_string(),
            Digest::of(&onnxruntime).to_string(),
            packer.library(function)?.sha256,
            function.timeout.to_string(),
            serde_json::to_string(&(&function.example, &function.inputs, &function.output))?,
            digest(&model.path)?,
        ];
        let folder = model.path.parent().unwrap_or(Path::new(""));
        for file in &model.external_data {
            parts.push(file.location.clone());
            parts.push(digest(&folder.join(&file.location))?);
        }
        // Texts that may have line breaks are in JSON or digests.
        let key = Digest::of(parts.join("\n").as_bytes());
        let file = format!("{}.json", key.as_str());
        Ok(Self {
            file: packer.parts.cache.join("engines").join(file),
        })
    }

    /// None also if it cannot be read: then the model is tried again.
    pub(super) fn read(&self) -> Option<Verdict> {
        let text = fs_err::read(&self.file).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Keeps it, whole or not at all.
    pub(super) fn write(&self, verdict: &Verdict) -> anyhow::Result<()> {
        let folder = self.file.parent().context("a file is in a folder")?;
        let write = || {
            fs_err::create_dir_all(folder)?;
            let file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer(&file, verdict)?;
            file.as_file().sync_all()?;
            file.persist(&self.file)?;
            anyhow::Ok(())
        };
        write().context("cannot keep what came of trying an engine")
    }
}

fn digest(path: &Path) -> anyhow::Result<String> {
    let mut file = fs_err::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer)?;
        let Some(read) = buffer.get(..read).filter(|read| !read.is_empty()) else {
            return Ok(Digest::from_sha256(&hash.finalize()).to_string());
        };
        hash.update(read);
    }
}
