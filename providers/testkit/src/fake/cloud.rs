//! The things in a fake cloud.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use mlfn_core::{Failure, ProviderError};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::guard;

/// A thing in the cloud.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thing {
    /// Of which kind.
    pub kind: String,
    /// What somebody called it; unique for most kinds.
    pub name: String,
    /// As it was set.
    pub fields: BTreeMap<String, Json>,
    /// Who has it: the tags.
    pub tags: Option<(String, String)>,
    /// What it tells others.
    pub outputs: BTreeMap<String, Json>,
    /// The number of reads after which it can be used.
    pub ready_after: u32,
}

impl Thing {
    /// Becomes something of others that everybody may use.
    pub fn lend(&mut self) {
        self.tags = Some(("others".to_owned(), "lent".to_owned()));
    }

    pub(super) fn is_lent(&self) -> bool {
        let tags = self.tags.as_ref();
        tags.is_some_and(|(service, stage)| service == "others" && stage == "lent")
    }
}

/// All of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Contents {
    /// By the cloud's own name.
    pub(super) things: BTreeMap<String, Thing>,
    /// Things ever made.
    made: u64,
}

/// A cloud. With a file, everything in it outlives the process.
#[derive(Debug)]
pub struct FakeCloud {
    file: Option<PathBuf>,
    contents: Mutex<Contents>,
}

impl FakeCloud {
    /// That is gone when the process is.
    pub fn in_memory() -> Self {
        Self {
            file: None,
            contents: Mutex::default(),
        }
    }

    /// In a file, which need not exist.
    ///
    /// # Panics
    ///
    /// If it exists and is not one.
    pub fn in_file(path: &Path) -> Self {
        let contents = match fs_err::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).expect("a fake cloud"),
            Err(error) if error.kind() == ErrorKind::NotFound => Contents::default(),
            Err(error) => panic!("{error}"),
        };
        Self {
            file: Some(path.to_owned()),
            contents: Mutex::new(contents),
        }
    }

    /// Everything in it, by the cloud's own name.
    pub fn things(&self) -> BTreeMap<String, Thing> {
        self.lock().things.clone()
    }

    /// Somebody changes something by hand.
    ///
    /// # Panics
    ///
    /// If there is no such thing.
    pub fn tamper(&self, kind: &str, name: &str, change: impl FnOnce(&mut Thing)) {
        self.change(|contents| {
            let mut things = contents.things.values_mut();
            let thing = things.find(|thing| thing.kind == kind && thing.name == name);
            change(thing.expect("a thing to tamper with"));
        });
    }

    /// Somebody removes something by hand, and what is in it.
    ///
    /// # Panics
    ///
    /// If there is no such thing.
    pub fn vanish(&self, kind: &str, name: &str) {
        self.change(|contents| {
            let found = contents.find(kind, name).map(|(id, _)| id.clone());
            contents.remove(&found.expect("a thing to remove"));
        });
    }

    /// Somebody makes something that has a name that we want.
    pub fn occupy(&self, kind: &str, name: &str) {
        let thing = Thing {
            kind: kind.to_owned(),
            name: name.to_owned(),
            fields: BTreeMap::new(),
            tags: None,
            outputs: BTreeMap::new(),
            ready_after: 0,
        };
        self.change(|contents| contents.add(thing));
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Contents> {
        guard(&self.contents)
    }

    /// Changes the cloud and, if it has a file, that: whole or not at all.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Contents) -> T) -> T {
        let mut contents = self.lock();
        let result = change(&mut contents);
        if let Some(path) = &self.file {
            let bytes = serde_json::to_vec(&*contents).expect("plain data");
            let temporary = path.with_extension("new");
            fs_err::write(&temporary, bytes).expect("a folder for the fake cloud");
            fs_err::rename(&temporary, path).expect("a folder for the fake cloud");
        }
        result
    }
}

impl Contents {
    /// The first thing of that name.
    pub(super) fn find(&self, kind: &str, name: &str) -> Option<(&String, &Thing)> {
        self.things
            .iter()
            .find(|(_, thing)| thing.kind == kind && thing.name == name)
    }

    pub(super) fn add(&mut self, mut thing: Thing) -> String {
        self.made += 1;
        let number = self.made;
        let id = format!("{}#{number:04}", thing.kind);
        let outputs: &[(&str, Json)] = match thing.kind.as_str() {
            "fake:version" => &[("number", number.into())],
            "fake:function" => &[
                ("arn", format!("arn:{id}").into()),
                ("revision", number.into()),
            ],
            _ => &[("arn", format!("arn:{id}").into())],
        };
        thing.outputs.extend(
            outputs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        self.things.insert(id.clone(), thing);
        id
    }

    /// Removes a thing and what is in it.
    pub(super) fn remove(&mut self, id: &str) {
        let Some(thing) = self.things.remove(id) else {
            return;
        };
        if thing.kind == "fake:function" {
            self.things
                .retain(|_, inner| parent(inner) != Some(&thing.name));
        }
    }

    /// What must be there before a thing can be made.
    pub(super) fn check_parent(&self, kind: &str, name: &str) -> Result<(), ProviderError> {
        let Some(parent) = parent_of(kind, name) else {
            return Ok(());
        };
        match self.find("fake:function", parent) {
            Some(_) => Ok(()),
            None => Err(Failure::Rejected {
                why: format!("there is no function `{parent}`"),
            }
            .into()),
        }
    }

    /// A version that something points to stays.
    pub(super) fn check_unused(&self, id: &str) -> Result<(), ProviderError> {
        let Some(thing) = self
            .things
            .get(id)
            .filter(|thing| thing.kind == "fake:version")
        else {
            return Ok(());
        };
        let aliases = self
            .things
            .values()
            .filter(|other| other.kind == "fake:alias");
        let mut used = BTreeSet::new();
        for alias in aliases {
            used.extend(alias.fields.get("version").map(Json::to_string));
            let routing = alias.fields.get("routing").and_then(Json::as_object);
            used.extend(routing.into_iter().flat_map(|parts| parts.keys().cloned()));
        }
        match thing
            .outputs
            .get("number")
            .filter(|number| used.contains(&number.to_string()))
        {
            Some(number) => Err(Failure::Rejected {
                why: format!("an alias points to version {number}"),
            }
            .into()),
            None => Ok(()),
        }
    }
}

/// The function that a version or an alias is in.
fn parent(thing: &Thing) -> Option<&str> {
    parent_of(&thing.kind, &thing.name)
}

fn parent_of<'a>(kind: &str, name: &'a str) -> Option<&'a str> {
    match kind {
        "fake:version" => name.split_once('@').map(|(function, _)| function),
        "fake:alias" => name.split_once(':').map(|(function, _)| function),
        _ => None,
    }
}
