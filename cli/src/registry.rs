//! The clouds that there are. No other file names them all.

use mlfn_core::{Provider, ProviderName};

/// The provider of that name.
pub(crate) fn provider(name: ProviderName) -> &'static dyn Provider {
    match name {
        ProviderName::Aws => &mlfn_aws::Aws,
        ProviderName::Azure => &mlfn_azure::Azure,
        ProviderName::Gcp => &mlfn_gcp::Gcp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_belongs_to_its_provider() {
        for name in ProviderName::ALL {
            assert_eq!(provider(name).name(), name);
        }
    }
}
