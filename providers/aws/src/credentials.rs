//! Who deploys: AWS's own chain of credentials (variables, `~/.aws`, SSO, web identity, the
//! machine's role), and the account that they belong to.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use aws_config::{SdkConfig, profile};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env, Fs};
use mlfn_core::{Access, Failure, ProviderError};
use tokio::sync::Mutex;

use crate::client::Clients;
use crate::errors;

/// AWS's own chain of settings and credentials, for those who sign requests themselves.
#[derive(Debug)]
pub struct Chain {
    config: SdkConfig,
    profile: Option<String>,
}

/// What signs a request.
pub struct Keys {
    /// Names the key.
    pub id: String,
    /// The key itself.
    pub secret: String,
    /// Goes with keys that end.
    pub token: Option<String>,
    /// When they end, if they do.
    pub until: Option<SystemTime>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Keys");
        shown.field("id", &self.id).field("until", &self.until);
        shown.finish_non_exhaustive()
    }
}

impl Chain {
    /// Reads the user's settings, without a call.
    pub async fn load(access: &Access) -> Self {
        Self {
            config: crate::client::configuration(access).await,
            profile: access.profile.clone(),
        }
    }

    /// Where things are, unless they say otherwise.
    pub fn region(&self) -> Option<String> {
        self.config.region().map(ToString::to_string)
    }

    /// Where S3 is, if that is not AWS's own.
    pub fn endpoint(&self) -> Option<String> {
        self.config.endpoint_url().map(str::to_owned)
    }

    /// The keys as they are now.
    pub async fn keys(&self) -> Result<Keys, ProviderError> {
        check_profile(self.profile.as_deref()).await?;
        let chain = self.config.credentials_provider();
        let chain = chain.ok_or_else(|| unauthenticated(NOTHING_FOUND.to_owned()))?;
        let found = chain.provide_credentials().await;
        let found = found.map_err(|error| no_credentials(&error, self.profile.as_deref()))?;
        Ok(Keys {
            id: found.access_key_id().to_owned(),
            secret: found.secret_access_key().to_owned(),
            token: found.session_token().map(str::to_owned),
            until: found.expiry(),
        })
    }
}

/// Where the session works, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// `aws`, or that of China or the US government: the second part of every ARN.
    pub(crate) partition: String,
    /// 12 digits.
    pub(crate) account: String,
    /// E.g. `eu-west-1`.
    pub(crate) region: String,
}

/// Makes sure that there are a region and credentials, and that AWS accepts them.
pub(crate) async fn identify(
    config: &SdkConfig,
    clients: &Clients,
    access: &Access,
) -> Result<Identity, ProviderError> {
    let region = config.region().ok_or_else(no_region)?.to_string();
    let chain = config.credentials_provider();
    let chain = chain.ok_or_else(|| unauthenticated(NOTHING_FOUND.to_owned()))?;
    let found = chain.provide_credentials().await;
    found.map_err(|error| no_credentials(&error, access.profile.as_deref()))?;
    let asked = clients.sts().get_caller_identity().send().await;
    let answer = asked.map_err(|error| {
        let called = errors::Called {
            action: "sts:GetCallerIdentity",
            what: "the credentials",
            endpoint: clients.endpoint("sts"),
        };
        called.failed(error)
    })?;
    let arn = answer.arn().unwrap_or_default();
    let partition = arn.split(':').nth(1).filter(|text| !text.is_empty());
    Ok(Identity {
        partition: partition.unwrap_or("aws").to_owned(),
        account: answer.account().unwrap_or_default().to_owned(),
        region,
    })
}

/// Makes sure that the profile exists which is named here or by `AWS_PROFILE`. AWS's chain would go on
/// without, and end with the role of the machine, which may be that of another account.
pub(crate) async fn check_profile(named: Option<&str>) -> Result<(), ProviderError> {
    let named = named.map(|name| Cow::Owned(name.to_owned()));
    let files = EnvConfigFiles::default();
    let profiles = profile::load(&Fs::real(), &Env::real(), &files, named).await;
    // What is wrong with the files, the chain says.
    let Ok(profiles) = profiles else {
        return Ok(());
    };
    let name = profiles.selected_profile();
    if name == DEFAULT_PROFILE || profiles.get_profile(name).is_some() {
        return Ok(());
    }
    Err(unauthenticated(no_profile(name, profiles.profiles())))
}

/// The profile of whoever names none.
const DEFAULT_PROFILE: &str = "default";

fn no_profile<'a>(name: &str, there: impl Iterator<Item = &'a str>) -> String {
    let mut there: Vec<String> = there.map(|name| format!("`{name}`")).collect();
    there.sort();
    let there = if there.is_empty() {
        "nor any other".to_owned()
    } else {
        format!("but {}", there.join(", "))
    };
    format!("there is no profile `{name}` in `~/.aws/config` or `~/.aws/credentials`, {there}")
}

/// How long before their end credentials are replaced: what begins with them must also end with them.
const BEFORE_END: Duration = Duration::from_mins(5);

/// The same settings, of which everybody gets the credentials that were found once. To find them
/// may be a call that assumes a role, or a program that asks somebody for a number.
pub(crate) fn keeping_credentials(config: SdkConfig) -> SdkConfig {
    let Some(chain) = config.credentials_provider() else {
        return config;
    };
    let found = Mutex::default();
    let kept = SharedCredentialsProvider::new(Kept { chain, found });
    config.into_builder().credentials_provider(kept).build()
}

#[derive(Debug)]
struct Kept<P> {
    chain: P,
    found: Mutex<Option<Credentials>>,
}

impl<P: ProvideCredentials> Kept<P> {
    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let mut found = self.found.lock().await;
        if let Some(good) = found.as_ref().filter(|found| !ends_soon(found)) {
            return Ok(good.clone());
        }
        let new = self.chain.provide_credentials().await?;
        *found = Some(new.clone());
        Ok(new)
    }
}

impl<P: ProvideCredentials> ProvideCredentials for Kept<P> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

fn ends_soon(credentials: &Credentials) -> bool {
    let end = credentials.expiry();
    end.is_some_and(|end| end < SystemTime::now() + BEFORE_END)
}

fn no_region() -> ProviderError {
    let why = "no region is set; write `provider: { name: aws, region: eu-west-1 }` in the \
               manifest, add `--region eu-west-1`, or set `AWS_REGION`";
    let why = why.to_owned();
    Failure::Rejected { why }.into()
}

const NOTHING_FOUND: &str = "no credentials for AWS were found; type `aws configure` or `aws sso \
                             login`, or set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or \
                             name a profile with `AWS_PROFILE`";

fn unauthenticated(why: String) -> ProviderError {
    Failure::Unauthenticated { why }.into()
}

/// Why the chain gave none, and what to type next.
fn no_credentials(error: &CredentialsError, profile: Option<&str>) -> ProviderError {
    let text = errors::innermost(error);
    let login = profile.map_or_else(
        || "aws sso login".to_owned(),
        |profile| format!("aws sso login --profile {profile}"),
    );
    let why = match error {
        CredentialsError::CredentialsNotLoaded(_) => NOTHING_FOUND.to_owned(),
        CredentialsError::InvalidConfiguration(_) => {
            "the settings in `~/.aws` cannot be used; check them with `aws configure list`"
                .to_owned()
        }
        CredentialsError::ProviderTimedOut(_) => {
            "whoever gives the credentials did not answer in time; run the command again".to_owned()
        }
        _ if is_about_sso(error) => format!("the sign-in has ended; type `{login}`"),
        _ => "the credentials could not be loaded; try them with `aws sts get-caller-identity`"
            .to_owned(),
    };
    unauthenticated(why).caused_by(text)
}

/// The chain tells its reasons as texts only.
fn is_about_sso(error: &CredentialsError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let text = error.to_string().to_lowercase();
        if text.contains("sso") || text.contains("token has expired") {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Gives other credentials each time, which last that long.
    #[derive(Debug)]
    struct Counter {
        asked: AtomicU32,
        last: Option<Duration>,
    }

    impl ProvideCredentials for Counter {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let key = self.asked.fetch_add(1, Ordering::Relaxed).to_string();
            let end = self.last.map(|last| SystemTime::now() + last);
            let new = Credentials::new(key, "secret", None, end, "a test");
            future::ProvideCredentials::ready(Ok(new))
        }
    }

    #[tokio::test]
    async fn credentials_are_found_once_and_again_before_they_end() {
        for (last, expected) in [
            (None, ["0", "0"]),
            (Some(Duration::from_hours(1)), ["0", "0"]),
            (Some(Duration::from_mins(4)), ["0", "1"]),
        ] {
            let asked = AtomicU32::default();
            let chain = Counter { asked, last };
            let found = Mutex::default();
            let kept = Kept { chain, found };
            for expected in expected {
                let found = kept.credentials().await.expect("are there");
                assert_eq!(found.access_key_id(), expected, "{last:?}");
            }
        }
    }

    #[test]
    fn who_names_no_profile_that_exists_is_told_which_do() {
        let told = no_profile("prd", ["prod", "dev"].into_iter());
        assert!(
            told.ends_with("`~/.aws/credentials`, but `dev`, `prod`"),
            "{told}"
        );
        let told = no_profile("prd", [].into_iter());
        assert!(
            told.ends_with("`~/.aws/credentials`, nor any other"),
            "{told}"
        );
    }

    #[track_caller]
    fn check(error: &CredentialsError, profile: Option<&str>, expected: &str) {
        let error = no_credentials(error, profile);
        let Failure::Unauthenticated { why } = &error.failure else {
            panic!("{error:?}")
        };
        assert!(why.contains(expected), "{why}");
    }

    #[test]
    fn what_is_missing_is_said_with_what_to_type_next() {
        let not_loaded = || CredentialsError::not_loaded_no_source();
        check(&not_loaded(), None, "`aws configure`");
        let sso = || CredentialsError::provider_error("the SSO token has expired");
        check(&sso(), None, "type `aws sso login`");
        check(&sso(), Some("work"), "type `aws sso login --profile work`");
        let bad = CredentialsError::invalid_configuration("no such profile");
        check(&bad, None, "`aws configure list`");
        let other = CredentialsError::provider_error("exit status 1");
        check(&other, None, "`aws sts get-caller-identity`");
    }
}
