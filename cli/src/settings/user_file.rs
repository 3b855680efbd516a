//! Defaults of the user's own.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use anyhow::Context as _;
use etcetera::BaseStrategy as _;
use mlfn_core::ProviderName;
use serde::Deserialize;

/// The user's own defaults: `~/.config/mlfn/config.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UserFile {
    /// The stage, instead of `dev`.
    pub(super) stage: Option<String>,
    /// Regions by cloud, for manifests that name none.
    pub(super) region: BTreeMap<ProviderName, String>,
    /// Never use colours.
    pub(super) no_color: bool,
}

impl UserFile {
    /// Reads it; it need not be there.
    pub(crate) fn load() -> anyhow::Result<Self> {
        let Ok(folders) = etcetera::choose_base_strategy() else {
            return Ok(Self::default());
        };
        Self::load_from(&folders.config_dir().join("mlfn").join("config.yaml"))
    }

    fn load_from(path: &Path) -> anyhow::Result<Self> {
        let text = match fs_err::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other?,
        };
        serde_saphyr::from_str(&text)
            .with_context(|| format!("`{}` cannot be used", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_file_may_be_missing_and_may_not_hold_unknown_keys() {
        let folder = tempfile::tempdir().expect("creates");
        let path = folder.path().join("config.yaml");
        assert_eq!(
            UserFile::load_from(&path).expect("reads"),
            UserFile::default()
        );
        fs_err::write(&path, "region: { aws: eu-west-1 }\n").expect("writes");
        let user = UserFile::load_from(&path).expect("reads");
        assert_eq!(
            user.region.get(&ProviderName::Aws).map(String::as_str),
            Some("eu-west-1")
        );
        fs_err::write(&path, "regoin: eu-west-1\n").expect("writes");
        UserFile::load_from(&path).expect_err("is refused");
    }
}
