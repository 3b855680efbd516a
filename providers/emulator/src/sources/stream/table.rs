//! The items of a table as far as its stream needs them: what was there before a change.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

/// The attribute that is the key of every table here: the schema of a table that exists somewhere
/// else is not known.
pub(crate) const KEY: &str = "id";

/// Attributes by name, each a value with its type, such as `{"N": "1"}`.
pub(crate) type Item = Map<String, Json>;

/// What shall become of an item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    /// It is this from now on.
    Put(Item),
    /// The item with this key is removed.
    Delete(Json),
}

/// What became of an item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ItemChange {
    pub(crate) key: Json,
    pub(crate) old: Option<Item>,
    pub(crate) new: Option<Item>,
}

impl ItemChange {
    /// As the event names it.
    pub(super) fn name(&self) -> &'static str {
        match (&self.old, &self.new) {
            (None, _) => "INSERT",
            (Some(_), Some(_)) => "MODIFY",
            (Some(_), None) => "REMOVE",
        }
    }

    /// About how many bytes it has.
    pub(super) fn weight(&self) -> usize {
        let images = [&self.old, &self.new].into_iter().flatten();
        images
            .map(|image| serde_json::to_string(image).map_or(0, |text| text.len()))
            .sum()
    }
}

/// The items of a table.
#[derive(Debug, Default)]
pub(crate) struct Table {
    items: BTreeMap<String, Item>,
}

impl Table {
    /// Carries a change out. None if nothing is another than before, which no stream tells.
    pub(crate) fn apply(&mut self, change: Change) -> Option<ItemChange> {
        let (key, new) = match change {
            Change::Put(item) => (item.get(KEY).cloned().unwrap_or_default(), Some(item)),
            Change::Delete(key) => (key, None),
        };
        let name = key.to_string();
        let old = match &new {
            Some(item) => self.items.insert(name, item.clone()),
            None => self.items.remove(&name),
        };
        (old != new).then_some(ItemChange { key, old, new })
    }
}
