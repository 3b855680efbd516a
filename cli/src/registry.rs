//! The clouds that there are. No other file names them all.

/// AWS's own search for credentials, for records in its buckets.
pub(crate) use mlfn_aws::{Chain, Keys};
use mlfn_core::{Cloud, Provider, ProviderName};
use mlfn_emulator::Like;

use crate::errors::CommandError;

/// The provider of that name.
pub(crate) fn provider(name: ProviderName) -> &'static dyn Provider {
    match name {
        ProviderName::Aws => &mlfn_aws::Aws,
        ProviderName::Azure => &mlfn_azure::Azure,
        ProviderName::Gcp => &mlfn_gcp::Gcp,
    }
}

/// The provider of that name if it can deploy.
pub(crate) fn cloud(name: ProviderName) -> Result<Box<dyn Cloud>, CommandError> {
    if name == ProviderName::Aws {
        return Ok(Box::new(mlfn_aws::Aws));
    }
    let message = format!("this version of mlfn cannot deploy to {name} yet");
    let hint = "add `--provider local` to deploy to this machine";
    Err(CommandError::failure(message).hint(hint))
}

/// What this machine imitates when it stands for that provider.
pub(crate) fn twin(name: ProviderName) -> Like {
    match name {
        ProviderName::Aws => Like::Cloud(Box::new(mlfn_aws::Aws)),
        ProviderName::Azure => Like::Functions(Box::new(mlfn_azure::Azure)),
        ProviderName::Gcp => Like::Functions(Box::new(mlfn_gcp::Gcp)),
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
