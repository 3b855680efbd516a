//! Folders of buckets, as `state:` names them.

use std::fmt;
use std::str::FromStr;

/// A folder of a bucket: `s3://bucket/folder`, `az://account/container/folder` or
/// `gs://bucket/folder`. The folder may be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketUrl {
    /// The bucket itself.
    pub bucket: Bucket,
    /// The folder, with `/` between its parts and none at its ends; may be empty.
    pub folder: String,
}

/// A bucket of one of the clouds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bucket {
    /// Of Amazon S3, or of another service with its protocol.
    S3 {
        /// Its name.
        name: String,
        /// Where it is, if that is not where everything else is: `?region=eu-west-1`.
        region: Option<String>,
    },
    /// A container of Azure Blob Storage.
    Azure {
        /// The storage account.
        account: String,
        /// The container in it.
        container: String,
    },
    /// Of Google Cloud Storage.
    Google {
        /// Its name.
        name: String,
    },
}

/// Why a text is not the URL of a bucket. [`BucketUrlError::help`] says how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketUrlError {
    /// No `://`.
    #[error("`{0}` is not a URL")]
    NoScheme(String),
    /// Another scheme.
    #[error("`{found}://` is no place for state")]
    UnknownScheme {
        /// What stands before `://`.
        found: String,
        /// How a URL looks that may have been meant.
        meant: Option<&'static str>,
    },
    /// Too little after `://`.
    #[error("{what} is missing")]
    Missing {
        /// Which part, with its article.
        what: &'static str,
        /// How such URLs look.
        form: &'static str,
    },
    /// A name that the cloud refuses.
    #[error("`{name}` is not the name of {what}")]
    BadName {
        /// The name.
        name: String,
        /// Of what, with its article.
        what: &'static str,
        /// What the cloud allows.
        rule: &'static str,
    },
    /// A part of the folder that some store would change.
    #[error("`{part}` cannot be a part of a folder")]
    BadFolder {
        /// The part.
        part: String,
        /// What is allowed.
        rule: &'static str,
    },
    /// Something after `?` that nobody reads.
    #[error("`?{0}` means nothing here")]
    UnknownOption(String),
}

impl BucketUrlError {
    /// What to write instead.
    pub fn help(&self) -> String {
        match self {
            Self::NoScheme(_) => "write for example `s3://bucket/folder`".to_owned(),
            Self::UnknownScheme { meant: None, .. } => {
                "use `s3://`, `az://` or `gs://`, or leave it out to keep the state in `.mlfn/`"
                    .to_owned()
            }
            Self::UnknownScheme {
                meant: Some(form), ..
            } => format!("did you mean `{form}`?"),
            Self::Missing { form, .. } => format!("write `{form}`"),
            Self::BadName { rule, .. } | Self::BadFolder { rule, .. } => (*rule).to_owned(),
            Self::UnknownOption(_) => {
                "only `s3://` takes an option: `?region=eu-west-1`".to_owned()
            }
        }
    }
}

/// A letter or digit first and last; `rest` tells what is allowed between. Lengths are of bytes,
/// of which every allowed character has one.
fn is_name(text: &str, lengths: std::ops::RangeInclusive<usize>, rest: &[char]) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    lengths.contains(&text.len())
        && text.chars().all(|c| is_plain(c) || rest.contains(&c))
        && text.starts_with(is_plain)
        && text.ends_with(is_plain)
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
const S3_RULE: &str = "it has 3 to 63 lower-case letters, digits, `-` and `.`, with a letter or \
                       digit first and last";

/// <https://learn.microsoft.com/azure/storage/common/storage-account-overview#storage-account-name>
const ACCOUNT_RULE: &str = "it has 3 to 24 lower-case letters and digits";

/// <https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata>
const CONTAINER_RULE: &str = "it has 3 to 63 lower-case letters, digits and single `-`, with a \
                              letter or digit first and last";

/// <https://cloud.google.com/storage/docs/buckets#naming>
const GOOGLE_RULE: &str = "it has 3 to 222 lower-case letters, digits, `-`, `_` and `.`, with a \
                           letter or digit first and last";

/// What no store changes, and what needs no quotes in a shell.
const FOLDER_RULE: &str = "use letters, digits, `-`, `_`, `.` and `=`, and neither `.` nor `..` \
                           nor nothing between two `/`";

/// Room for what comes below it: keys have at most 1024 bytes everywhere.
const MAX_FOLDER: usize = 512;

impl FromStr for BucketUrl {
    type Err = BucketUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let no_scheme = || BucketUrlError::NoScheme(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(no_scheme)?;
        let (path, options) = match rest.split_once('?') {
            Some((path, options)) => (path, Some(options)),
            None => (rest, None),
        };
        let mut parts = path.split('/');
        let bucket = match scheme {
            "s3" => s3(&mut parts, options)?,
            "az" => azure(&mut parts)?,
            "gs" => google(&mut parts)?,
            other => return Err(unknown_scheme(other)),
        };
        match (&bucket, options) {
            (Bucket::S3 { .. }, _) | (_, None) => (),
            (_, Some(options)) => return Err(BucketUrlError::UnknownOption(options.to_owned())),
        }
        let folder = folder(parts)?;
        Ok(Self { bucket, folder })
    }
}

type Parts<'a> = std::str::Split<'a, char>;

fn s3(parts: &mut Parts<'_>, options: Option<&str>) -> Result<Bucket, BucketUrlError> {
    let name = part(parts, "the bucket", "s3://bucket/folder")?;
    let is_good = is_name(name, 3..=63, &['-', '.']) && !name.contains("..");
    check(is_good, name, "an S3 bucket", S3_RULE)?;
    Ok(Bucket::S3 {
        name: name.to_owned(),
        region: options.map(region).transpose()?,
    })
}

fn region(options: &str) -> Result<String, BucketUrlError> {
    let unknown = || BucketUrlError::UnknownOption(options.to_owned());
    let region = options.strip_prefix("region=").ok_or_else(unknown)?;
    if !is_name(region, 1..=63, &['-']) {
        return Err(unknown());
    }
    Ok(region.to_owned())
}

fn azure(parts: &mut Parts<'_>) -> Result<Bucket, BucketUrlError> {
    const FORM: &str = "az://account/container/folder";
    let account = part(parts, "the storage account", FORM)?;
    let is_good = is_name(account, 3..=24, &[]);
    check(is_good, account, "a storage account", ACCOUNT_RULE)?;
    let container = part(parts, "the container", FORM)?;
    let is_good = is_name(container, 3..=63, &['-']) && !container.contains("--");
    check(is_good, container, "a container", CONTAINER_RULE)?;
    Ok(Bucket::Azure {
        account: account.to_owned(),
        container: container.to_owned(),
    })
}

fn google(parts: &mut Parts<'_>) -> Result<Bucket, BucketUrlError> {
    let name = part(parts, "the bucket", "gs://bucket/folder")?;
    let is_good = is_name(name, 3..=222, &['-', '_', '.']) && !name.contains("..");
    check(is_good, name, "a bucket of Google's", GOOGLE_RULE)?;
    let name = name.to_owned();
    Ok(Bucket::Google { name })
}

fn part<'a>(
    parts: &mut Parts<'a>,
    what: &'static str,
    form: &'static str,
) -> Result<&'a str, BucketUrlError> {
    let part = parts.next().filter(|part| !part.is_empty());
    part.ok_or(BucketUrlError::Missing { what, form })
}

fn check(
    is_good: bool,
    name: &str,
    what: &'static str,
    rule: &'static str,
) -> Result<(), BucketUrlError> {
    if is_good {
        return Ok(());
    }
    let name = name.to_owned();
    Err(BucketUrlError::BadName { name, what, rule })
}

fn folder(parts: Parts<'_>) -> Result<String, BucketUrlError> {
    let mut parts: Vec<&str> = parts.collect();
    // A folder may be written as one.
    if parts.last() == Some(&"") {
        parts.pop();
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.=".contains(c);
    let is_good = |part: &&str| !matches!(*part, "" | "." | "..") && part.chars().all(is_plain);
    let refused = |part: &str, rule| BucketUrlError::BadFolder {
        part: part.to_owned(),
        rule,
    };
    if let Some(bad) = parts.iter().find(|part| !is_good(part)) {
        return Err(refused(bad, FOLDER_RULE));
    }
    let folder = parts.join("/");
    if folder.len() > MAX_FOLDER {
        return Err(refused(&folder, "it has more than 512 characters"));
    }
    Ok(folder)
}

/// What others call the same stores.
fn unknown_scheme(found: &str) -> BucketUrlError {
    let meant = match found.to_ascii_lowercase().as_str() {
        "s3" | "s3a" | "s3n" | "aws" => Some("s3://bucket/folder"),
        "az" | "azure" | "azurerm" | "azblob" | "abfs" | "abfss" | "adl" | "wasb" | "wasbs" => {
            Some("az://account/container/folder")
        }
        "gs" | "gcs" | "gcp" | "google" => Some("gs://bucket/folder"),
        _ => None,
    };
    let found = found.to_owned();
    BucketUrlError::UnknownScheme { found, meant }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { name, .. } => write!(f, "s3://{name}"),
            Self::Azure { account, container } => write!(f, "az://{account}/{container}"),
            Self::Google { name } => write!(f, "gs://{name}"),
        }
    }
}

impl fmt::Display for BucketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, folder } = self;
        write!(f, "{bucket}")?;
        if !folder.is_empty() {
            write!(f, "/{folder}")?;
        }
        match bucket {
            Bucket::S3 {
                region: Some(region),
                ..
            } => write!(f, "?region={region}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a URL is read as, and that it is written so that it is read as the same.
    #[track_caller]
    fn reads(text: &str, expected: &str) {
        let url: BucketUrl = text.parse().expect("is one");
        assert_eq!(url.to_string(), expected);
        assert_eq!(expected.parse(), Ok(url));
    }

    #[test]
    fn a_bucket_and_a_folder_are_read() {
        reads("s3://states", "s3://states");
        reads("s3://states/", "s3://states");
        reads("s3://my.states/team/ml/", "s3://my.states/team/ml");
        reads(
            "s3://states/a?region=eu-west-1",
            "s3://states/a?region=eu-west-1",
        );
        reads("az://account1/states", "az://account1/states");
        reads("az://account1/states/team", "az://account1/states/team");
        reads("gs://my_states/team=ml", "gs://my_states/team=ml");
    }

    #[test]
    fn the_parts_of_a_url_have_names() {
        let url: BucketUrl = "az://account1/states/a/b".parse().expect("is one");
        let bucket = Bucket::Azure {
            account: "account1".to_owned(),
            container: "states".to_owned(),
        };
        let folder = "a/b".to_owned();
        assert_eq!(url, BucketUrl { bucket, folder });
    }

    #[track_caller]
    fn refuses(text: &str, expected: &str) {
        let error = text.parse::<BucketUrl>().expect_err("is refused");
        let said = format!("{error}; {}", error.help());
        assert!(said.contains(expected), "{text}: {said}");
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_write() {
        refuses("states/team", "write for example `s3://bucket/folder`");
        refuses("", "`` is not a URL");
        refuses("s3a://states", "did you mean `s3://bucket/folder`?");
        refuses("S3://states", "did you mean `s3://bucket/folder`?");
        refuses(
            "azure://a/b",
            "did you mean `az://account/container/folder`?",
        );
        refuses("gcs://states", "did you mean `gs://bucket/folder`?");
        refuses("https://states", "use `s3://`, `az://` or `gs://`");
        refuses("s3://", "the bucket is missing; write `s3://bucket/folder`");
        refuses("s3:///team", "the bucket is missing");
        refuses("az://account1", "the container is missing");
        refuses("az://account1/", "the container is missing");
        refuses("gs://", "the bucket is missing");
    }

    #[test]
    fn names_that_the_clouds_refuse_are_refused() {
        refuses(
            "s3://My-States",
            "`My-States` is not the name of an S3 bucket",
        );
        refuses("s3://my_states", "3 to 63");
        refuses("s3://ab", "3 to 63");
        refuses("s3://a..b", "an S3 bucket");
        refuses("s3://-ab", "an S3 bucket");
        refuses("s3://user@states", "an S3 bucket");
        refuses("az://my-account/states", "a storage account");
        refuses("az://account1/my--states", "a container");
        refuses("gs://.ab", "a bucket of Google's");
    }

    #[test]
    fn folders_that_stores_would_change_are_refused() {
        refuses("s3://states//a", "`` cannot be a part of a folder");
        refuses("s3://states/a//b", "`` cannot be a part");
        refuses("s3://states/../b", "`..` cannot be a part");
        refuses("s3://states/a b", "`a b` cannot be a part");
        refuses("s3://states/a#b", "`a#b` cannot be a part");
        refuses("s3://states/ü", "`ü` cannot be a part");
        let long = format!("s3://states/{}", "a".repeat(513));
        refuses(&long, "more than 512 characters");
    }

    #[test]
    fn only_s3_takes_an_option_and_only_a_region() {
        refuses("s3://states?zone=a", "`?zone=a` means nothing here");
        refuses("s3://states?region=", "`?region=` means nothing here");
        refuses("gs://states?region=eu", "`?region=eu` means nothing here");
    }
}
