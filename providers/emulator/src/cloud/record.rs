//! What there is in a local cloud, in a file that is replaced as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fs_err::File;
use mlfn_core::{Digest, ProviderName};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::packages::random_hex;

/// The version of [`Record`] that this code reads and writes.
const FORMAT: u32 = 1;

/// Who holds it may change the record.
const LOCK: &str = "cloud.lock";

/// What the process that answers for a cloud holds for as long as it lives.
pub(crate) const PROCESS_LOCK: &str = "emulator.lock";

/// What there is in a local cloud.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    format: u32,
    /// The imitated cloud.
    pub(crate) platform: ProviderName,
    /// In which region everything is.
    pub(crate) region: Option<String>,
    /// The port that it answers on, and shall answer on again.
    pub(crate) port: Option<u16>,
    /// Numbers that are never given twice, by what they count.
    pub(crate) counters: BTreeMap<String, u64>,
    /// Bytes of the packages.
    pub(crate) packages: BTreeMap<Digest, u64>,
    /// By kind and name.
    pub(crate) things: BTreeMap<String, Thing>,
}

/// A resource as the cloud has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Thing {
    pub(crate) kind: String,
    /// Its name in the cloud.
    pub(crate) name: String,
    /// As it was set.
    pub(crate) fields: BTreeMap<String, Json>,
    /// Whose it is, and what else somebody wrote on it.
    pub(crate) tags: BTreeMap<String, String>,
    /// Its number, if such things have numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<u64>,
    /// What its parent was like when it was made, for revisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) snapshot: Option<BTreeMap<String, Json>>,
    /// Milliseconds since 1970.
    pub(crate) modified: u64,
}

impl Thing {
    /// A field that is a text.
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(Json::as_str)
    }

    /// Whether a field is true.
    pub(crate) fn flag(&self, field: &str) -> bool {
        self.fields.get(field) == Some(&Json::Bool(true))
    }

    /// A field that is a whole number.
    pub(crate) fn number_of(&self, field: &str) -> Option<u32> {
        number(&self.fields, field)
    }
}

/// A field that is a whole number.
pub(crate) fn number(fields: &BTreeMap<String, Json>, field: &str) -> Option<u32> {
    fields
        .get(field)
        .and_then(Json::as_u64)
        .and_then(|number| number.try_into().ok())
}

/// The digest of a field that is a file.
pub(crate) fn file(fields: &BTreeMap<String, Json>, field: &str) -> Option<Digest> {
    serde_json::from_value(fields.get(field)?.get("$file")?.clone()).ok()
}

impl Record {
    fn new(platform: ProviderName) -> Self {
        Self {
            format: FORMAT,
            platform,
            region: None,
            port: None,
            counters: BTreeMap::new(),
            packages: BTreeMap::new(),
            things: BTreeMap::new(),
        }
    }

    /// What has that kind and name.
    pub(crate) fn find(&self, kind: &str, name: &str) -> Option<&Thing> {
        self.things.get(&key(kind, name))
    }

    /// Adds something, in the place of what has its kind and name.
    pub(crate) fn put(&mut self, thing: Thing) {
        self.things.insert(key(&thing.kind, &thing.name), thing);
    }

    /// Everything of a kind.
    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Thing> {
        self.things.values().filter(move |thing| thing.kind == kind)
    }

    /// The next number of what is counted.
    pub(crate) fn count(&mut self, what: &str) -> u64 {
        let counter = self.counters.entry(what.to_owned()).or_default();
        *counter += 1;
        *counter
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.unwrap_or_default())
    }

    /// Forgets the packages that nothing refers to.
    pub(crate) fn forget_packages(&mut self) {
        let used = self.used_packages();
        self.packages.retain(|digest, _| used.contains(digest));
    }

    /// The packages that something refers to, now or as a revision.
    pub(crate) fn used_packages(&self) -> BTreeSet<Digest> {
        let things = self.things.values();
        let fields = things.flat_map(|thing| [Some(&thing.fields), thing.snapshot.as_ref()]);
        fields.flatten().flat_map(files).collect()
    }
}

fn files(fields: &BTreeMap<String, Json>) -> impl Iterator<Item = Digest> {
    fields.keys().filter_map(|field| file(fields, field))
}

/// Neither kinds nor names have spaces.
fn key(kind: &str, name: &str) -> String {
    format!("{kind} {name}")
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It was written by a newer mlfn.
    #[error("{} is of a newer version of mlfn ({found}, not {FORMAT}); use that, or remove the file and with it the local cloud", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version that it has.
        found: u64,
    },
    /// It is not what this program writes.
    #[error("{} is damaged; remove the file and with it the local cloud", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It imitates another cloud.
    #[error("{} is a local {found}, not {wanted}; remove what is deployed there first", path.display())]
    OtherCloud {
        /// The file.
        path: PathBuf,
        /// The cloud in the file.
        found: ProviderName,
        /// The cloud that is wanted.
        wanted: ProviderName,
    },
    /// The machine did not let us read or write; the message names the file.
    #[error("the local cloud cannot be read or written")]
    Machine(#[from] io::Error),
}

/// A file and what is in it.
type Last = (File, Arc<Record>);

/// The file of a local cloud.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    folder: PathBuf,
    platform: ProviderName,
    /// What was read or written last. The file is held open, so that no other file can have its
    /// number: another number, another content.
    last: Arc<Mutex<Option<Last>>>,
}

impl Store {
    /// In `folder`, which need not exist.
    pub(crate) fn new(folder: PathBuf, platform: ProviderName) -> Self {
        Self {
            folder,
            platform,
            last: Arc::default(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join("cloud.json")
    }

    /// What there is now.
    pub(crate) fn read(&self) -> Result<Arc<Record>, RecordError> {
        let path = self.path();
        let mut last = self.last();
        if let Some((file, record)) = &*last
            && is_at(file, &path)
        {
            return Ok(Arc::clone(record));
        }
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Arc::new(Record::new(self.platform)));
            }
            Err(error) => return Err(error.into()),
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let record = Arc::new(self.check(parse(&path, &bytes)?)?);
        *last = Some((file, Arc::clone(&record)));
        Ok(record)
    }

    /// A cloud without anything in it may become any other.
    fn check(&self, record: Record) -> Result<Record, RecordError> {
        if record.platform == self.platform {
            return Ok(record);
        }
        if record.things.is_empty() {
            return Ok(Record::new(self.platform));
        }
        Err(RecordError::OtherCloud {
            path: self.path(),
            found: record.platform,
            wanted: self.platform,
        })
    }

    fn last(&self) -> MutexGuard<'_, Option<Last>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what there is, unless `change` fails. One after the other, whichever process asks.
    pub(crate) fn change<T, E: From<RecordError>>(
        &self,
        change: impl FnOnce(&mut Record) -> Result<T, E>,
    ) -> Result<T, E> {
        let _turn = lock(&self.folder, LOCK).map_err(RecordError::from)?;
        let before = self.read()?;
        let mut record = Record::clone(&before);
        let done = change(&mut record)?;
        if record != *before {
            self.write(record).map_err(RecordError::from)?;
        }
        Ok(done)
    }

    /// Removes everything about a cloud that has nothing in it any more.
    pub(crate) fn clear(&self) -> Result<(), RecordError> {
        let turn = lock(&self.folder, LOCK)?;
        if !self.read()?.things.is_empty() {
            return Ok(());
        }
        // The files of the cloud first, the lock and the folder last. What somebody else put
        // there stays.
        crate::packages::Packages::new(self.folder.join("packages")).keep(&BTreeSet::new());
        if try_lock(&self.folder, PROCESS_LOCK).is_ok_and(|free| free.is_some()) {
            // Of a process that was killed.
            let _ = fs_err::remove_file(self.folder.join("endpoint.json"));
        }
        crate::sources::storage::clear(&self.folder);
        for folder in ["packages", "logs", "tmp"] {
            let _ = fs_err::remove_dir_all(self.folder.join(folder));
        }
        for file in [
            "cloud.json",
            "daemon.log",
            "start.lock",
            PROCESS_LOCK,
            crate::sources::queue::store::FILE,
            crate::sources::schedule::FILE,
            LOCK,
        ] {
            let _ = fs_err::remove_file(self.folder.join(file));
        }
        self.remove_drafts();
        drop(turn);
        let _ = fs_err::remove_dir(&self.folder);
        Ok(())
    }

    /// What [`replace`] leaves if its process is killed.
    fn remove_drafts(&self) {
        let entries = fs_err::read_dir(&self.folder).into_iter().flatten();
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_some_and(|end| end == DRAFT) {
                let _ = fs_err::remove_file(path);
            }
        }
    }

    fn write(&self, record: Record) -> io::Result<()> {
        let bytes = serde_json::to_vec_pretty(&record)?;
        let file = replace(&self.path(), &bytes)?;
        *self.last() = Some((file, Arc::new(record)));
        Ok(())
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Record, RecordError> {
    let damaged = |source| RecordError::Damaged {
        path: path.to_owned(),
        source,
    };
    let json: Json = serde_json::from_slice(bytes).map_err(damaged)?;
    match json.get("format").and_then(Json::as_u64) {
        Some(found) if found > u64::from(FORMAT) => Err(RecordError::Newer {
            path: path.to_owned(),
            found,
        }),
        _ => serde_json::from_value(json).map_err(damaged),
    }
}

/// Holds a lock on a file in `folder` until it is dropped, or the process ends.
pub(crate) fn lock(folder: &Path, name: &str) -> io::Result<File> {
    loop {
        let file = lock_file(folder, name)?;
        file.file().lock()?;
        // Whoever held it may have removed it with the folder.
        if is_at(&file, &folder.join(name)) {
            return Ok(file);
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let numbers = (file.metadata(), fs_err::metadata(path));
    matches!(numbers, (Ok(one), Ok(other)) if one.ino() == other.ino())
}

/// As [`lock`]; none if somebody else holds it.
pub(crate) fn try_lock(folder: &Path, name: &str) -> io::Result<Option<File>> {
    let file = lock_file(folder, name)?;
    match file.file().try_lock() {
        Ok(()) if is_at(&file, &folder.join(name)) => Ok(Some(file)),
        Ok(()) => try_lock(folder, name),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

fn lock_file(folder: &Path, name: &str) -> io::Result<File> {
    fs_err::create_dir_all(folder)?;
    let mut options = fs_err::OpenOptions::new();
    options.create(true).truncate(false).write(true);
    options.open(folder.join(name))
}

/// How names of files that are being written end.
const DRAFT: &str = "tmp";

/// Replaces a file, so that it has all of its old or all of its new content whenever the machine
/// stops. Only its owner may read it: environment variables are in there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let draft = path.with_extension(format!("{}.{DRAFT}", random_hex(4)));
    let written = (|| {
        let mut file = File::create(&draft)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs_err::rename(&draft, path)?;
        Ok(file)
    })();
    if written.is_err() {
        // Nobody needs half of a file; the first error is the one to tell.
        let _ = fs_err::remove_file(&draft);
    }
    written
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn thing(name: &str) -> Thing {
        Thing {
            kind: "aws:role".to_owned(),
            name: name.to_owned(),
            fields: BTreeMap::new(),
            tags: BTreeMap::new(),
            number: None,
            snapshot: None,
            modified: 0,
        }
    }

    fn add(store: &Store, name: &str) -> Result<(), RecordError> {
        store.change(|record| {
            record.put(thing(name));
            Ok(())
        })
    }

    #[test]
    fn what_is_written_is_read_again_and_a_failed_change_is_none() {
        let folder = TempDir::new().expect("makes a folder");
        let store = Store::new(folder.path().join("dev"), ProviderName::Aws);
        assert_eq!(
            *store.read().expect("reads"),
            Record::new(ProviderName::Aws)
        );
        add(&store, "a").expect("changes");
        let failed: Result<(), RecordError> = store.change(|record| {
            record.put(thing("b"));
            Err(io::Error::other("no").into())
        });
        assert!(failed.is_err());
        let record = store.read().expect("reads");
        assert!(record.find("aws:role", "a").is_some());
        assert!(record.find("aws:role", "b").is_none());
        let mode = fs_err::metadata(store.path())
            .expect("exists")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn changes_at_the_same_time_are_all_kept() {
        let folder = TempDir::new().expect("makes a folder");
        let store = Store::new(folder.path().to_owned(), ProviderName::Aws);
        std::thread::scope(|scope| {
            for number in 0..16 {
                let store = &store;
                scope.spawn(move || add(store, &number.to_string()).expect("changes"));
            }
        });
        assert_eq!(store.read().expect("reads").things.len(), 16);
        let left = fs_err::read_dir(folder.path()).expect("is there").count();
        assert_eq!(left, 2, "the record and its lock");
    }

    #[track_caller]
    fn check_refused(contents: &str, expected: &str) {
        let folder = TempDir::new().expect("makes a folder");
        let store = Store::new(folder.path().to_owned(), ProviderName::Aws);
        fs_err::write(store.path(), contents).expect("writes");
        let error = store.read().expect_err("is refused").to_string();
        assert!(error.contains(expected), "{error}");
        add(&store, "a").expect_err("is refused");
        assert_eq!(
            fs_err::read_to_string(store.path()).expect("reads"),
            contents
        );
    }

    #[test]
    fn a_file_that_is_not_ours_is_never_overwritten() {
        check_refused(
            "{\"format\": 2, \"new\": 1}",
            "newer version of mlfn (2, not 1)",
        );
        check_refused("{\"format\": 1", "is damaged");
        check_refused("", "is damaged");
        let mut other = Record::new(ProviderName::Gcp);
        other.put(thing("a"));
        let other = serde_json::to_string(&other).expect("writes");
        check_refused(&other, "is a local gcp, not aws");
    }
}
