//! Checks that every cloud needs, with the cloud's own rules as data.

use std::collections::BTreeMap;

use crate::{
    Architecture, Diagnostic, FieldPath, Function, NameRule, QueueTrigger, Service, StorageTrigger,
    Trigger,
};

/// What mlfn itself adds to the tags of every resource: the service and the stage.
pub const OWN_TAGS: usize = 2;

/// An error if the region, and one for each tag that the cloud refuses.
pub fn region_and_tags(service: &Service, region: &NameRule, tags: &TagRule) -> Vec<Diagnostic> {
    let at = FieldPath::root().key("provider").key("region");
    let name = service.region.as_ref();
    let mut found: Vec<Diagnostic> = name
        .and_then(|name| region.check(name, at))
        .into_iter()
        .collect();
    found.extend(tags.check(&service.tags));
    found
}

/// An error for each bucket of the trigger at `at` whose name `rule` refuses.
pub fn bucket_names(storage: &StorageTrigger, at: &FieldPath, rule: &NameRule) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = rule
        .check(&storage.bucket, at.key("bucket"))
        .into_iter()
        .collect();
    let output = storage.output_bucket.as_ref();
    found.extend(output.and_then(|name| rule.check(name, at.key("output").key("bucket"))));
    found
}

/// What a cloud says about environment variables of functions.
#[derive(Debug, Clone, Copy)]
pub struct EnvironmentRule {
    /// Who sets the rule, e.g. `AWS Lambda`.
    pub owner: &'static str,
    /// How names look, as the end of a sentence.
    pub grammar: &'static str,
    /// Whether a name follows the grammar.
    pub fits: fn(&str) -> bool,
    /// Names that the platform sets itself.
    pub reserved: &'static [&'static str],
    /// Beginnings of names that the platform keeps for itself.
    pub reserved_prefixes: &'static [&'static str],
}

impl EnvironmentRule {
    /// An error for each variable of `function` that the cloud refuses or overwrites.
    pub fn check(&self, function: &Function) -> Vec<Diagnostic> {
        let at = |name: &String| function.at().key("environment").key(name);
        let names = function.environment.keys();
        names.filter_map(|name| self.name(name, at(name))).collect()
    }

    fn name(&self, name: &str, at: FieldPath) -> Option<Diagnostic> {
        if !(self.fits)(name) {
            return Some(self.invalid(name, at));
        }
        let (by, what) = self.keeper(name)?;
        let detail =
            format!("`{name}` is kept by {by}{what}; a value given here would be refused or lost.");
        let diagnostic = Diagnostic::error(
            "environment-name-reserved",
            "reserved environment variable",
            at,
            detail,
        );
        Some(diagnostic.help(format!(
            "Rename it, for example to `APP_{}`.",
            name.trim_start_matches('_')
        )))
    }

    fn invalid(&self, name: &str, at: FieldPath) -> Diagnostic {
        Diagnostic::error(
            "environment-name-invalid",
            "invalid environment variable name",
            at,
            format!("{} does not accept `{name}`: {}.", self.owner, self.grammar),
        )
        .help("Use capital letters, digits and `_`, starting with a letter, for example `MODEL_MODE`.")
    }

    /// Who keeps `name` for itself, and how.
    fn keeper(&self, name: &str) -> Option<(&'static str, String)> {
        // Where the package lies; only the launchers know.
        if name == "MLFN_ROOT" {
            return Some(("mlfn", " for its launcher".to_owned()));
        }
        if self.reserved.contains(&name) {
            return Some((self.owner, " for itself".to_owned()));
        }
        let prefix = self
            .reserved_prefixes
            .iter()
            .find(|prefix| name.starts_with(**prefix))?;
        Some((
            self.owner,
            format!(", as is everything that starts with `{prefix}`"),
        ))
    }
}

/// What a cloud says about tags (Google: labels).
#[derive(Debug, Clone, Copy)]
pub struct TagRule {
    /// Who sets the rule, e.g. `AWS`.
    pub owner: &'static str,
    /// The most tags of one resource, mlfn's own included.
    pub most: usize,
    /// The most characters of a key.
    pub key_length: usize,
    /// The most characters of a value.
    pub value_length: usize,
    /// How keys look, as the end of a sentence.
    pub key_grammar: &'static str,
    /// Whether a key follows the grammar.
    pub key_fits: fn(&str) -> bool,
    /// How values look, as the end of a sentence.
    pub value_grammar: &'static str,
    /// Whether a value follows the grammar.
    pub value_fits: fn(&str) -> bool,
    /// Beginnings of keys, in lower case, that the cloud keeps for itself.
    pub reserved_prefixes: &'static [&'static str],
}

impl TagRule {
    /// An error for each tag that the cloud refuses, and one if there are too many.
    pub fn check(&self, tags: &BTreeMap<String, String>) -> Vec<Diagnostic> {
        let root = FieldPath::root().key("tags");
        let mut found: Vec<Diagnostic> = self.count(tags.len(), &root).into_iter().collect();
        for (key, value) in tags {
            found.extend(self.key(key, root.key(key)));
            found.extend(self.value(key, value, root.key(key)));
        }
        found
    }

    fn count(&self, count: usize, at: &FieldPath) -> Option<Diagnostic> {
        let most = self.most - OWN_TAGS;
        let detail = || {
            format!(
                "There are {count} tags; {} allows {} on one resource, and mlfn adds {OWN_TAGS} of its own.",
                self.owner, self.most
            )
        };
        (count > most).then(|| {
            Diagnostic::error("too-many-tags", "too many tags", at.clone(), detail())
                .help(format!("Keep {most} tags at most."))
        })
    }

    fn key(&self, key: &str, at: FieldPath) -> Option<Diagnostic> {
        let lower = key.to_lowercase();
        let mut reserved = self.reserved_prefixes.iter().chain(&["mlfn:", "mlfn-"]);
        let length = key.chars().count();
        let why = if let Some(prefix) = reserved.find(|prefix| lower.starts_with(**prefix)) {
            format!("keys that start with `{prefix}` are reserved")
        } else if !(1..=self.key_length).contains(&length) {
            format!(
                "it has {length} characters, and 1 to {} are allowed",
                self.key_length
            )
        } else if !(self.key_fits)(key) {
            self.key_grammar.to_owned()
        } else {
            return None;
        };
        let detail = format!("{} does not accept the tag key `{key}`: {why}.", self.owner);
        Some(
            Diagnostic::error("tag-key-invalid", "invalid tag key", at, detail)
                .help("Use a short lower-case word such as `team`."),
        )
    }

    fn value(&self, key: &str, value: &str, at: FieldPath) -> Option<Diagnostic> {
        let length = value.chars().count();
        let why = if length > self.value_length {
            format!(
                "it has {length} characters, and at most {} are allowed",
                self.value_length
            )
        } else if !(self.value_fits)(value) {
            self.value_grammar.to_owned()
        } else {
            return None;
        };
        let detail = format!(
            "{} does not accept `{value}` as the value of the tag `{key}`: {why}.",
            self.owner
        );
        Some(
            Diagnostic::error("tag-value-invalid", "invalid tag value", at, detail)
                .help("Use a short lower-case word such as `research`."),
        )
    }
}

/// Whether a trigger can tell by a name's prefix which objects it is for, before it starts the
/// function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrefixFilter {
    /// The cloud filters: one bucket can hold requests and answers under different prefixes.
    ByCloud,
    /// Every object starts the function, its own answers too.
    None,
}

/// An error for each trigger whose answers would start the function again, for ever.
pub fn endless_loops(function: &Function, filter: PrefixFilter) -> Vec<Diagnostic> {
    let triggers = function.triggers_at();
    triggers
        .filter_map(|(at, trigger)| match trigger {
            Trigger::Queue(queue) if queue.output.as_ref() == Some(&queue.name) => {
                Some(endless_loop(
                    at.key("output"),
                    &format!(
                        "The answers go to `{}`, the queue that the requests come from",
                        queue.name
                    ),
                    format!("Name another queue, for example `{}-results`.", queue.name),
                ))
            }
            Trigger::Storage(storage) if storage_loops(storage, filter) => {
                Some(storage_loop(storage, filter, &at.key("output")))
            }
            _ => None,
        })
        .collect()
}

fn endless_loop(at: FieldPath, cause: &str, help: String) -> Diagnostic {
    let detail = format!("{cause}: each answer would be the next request, without end.");
    Diagnostic::error("endless-loop", "endless loop", at, detail).help(help)
}

fn storage_loop(storage: &StorageTrigger, filter: PrefixFilter, at: &FieldPath) -> Diagnostic {
    let bucket = &storage.bucket;
    let detail = format!("The answers go to `{bucket}`, the bucket that the requests come from");
    let another = format!("Name another bucket, for example `{bucket}-predictions`");
    match filter {
        PrefixFilter::ByCloud => endless_loop(
            at.clone(),
            &format!("{detail}, where no prefix keeps the two apart"),
            format!(
                "{another}, or different prefixes such as `prefix: in/` and `output: {{ prefix: out/ }}`."
            ),
        ),
        PrefixFilter::None => endless_loop(
            at.key("bucket"),
            &format!("{detail}, and this cloud starts the function for every object of a bucket"),
            format!("{another}."),
        ),
    }
}

fn storage_loops(storage: &StorageTrigger, filter: PrefixFilter) -> bool {
    if storage.output_bucket.as_ref() != Some(&storage.bucket) {
        return false;
    }
    let prefix = storage.prefix.as_deref().unwrap_or_default();
    let output = storage.output_prefix.as_deref().unwrap_or_default();
    filter == PrefixFilter::None || output.starts_with(prefix) || prefix.starts_with(output)
}

/// An error unless the function runs on x86, where a cloud has nothing else.
pub fn only_x86(function: &Function, owner: &str) -> Option<Diagnostic> {
    (function.architecture != Architecture::X86_64).then(|| {
        Diagnostic::error(
            "architecture-not-offered",
            "architecture not offered",
            function.at().key("architecture"),
            format!("{owner} has no `{}` processors.", function.architecture),
        )
        .help("Write `x86_64`, or remove the line.")
    })
}

/// An error if requests shall move to a new version step by step.
pub fn no_traffic(function: &Function, owner: &str) -> Option<Diagnostic> {
    function.traffic.as_ref().map(|_| {
        Diagnostic::error(
            "traffic-not-offered",
            "traffic not offered",
            function.at().key("traffic"),
            format!("mlfn cannot move requests step by step on {owner} yet."),
        )
        .help("Remove `traffic`, or write it for a stage that runs on AWS.")
    })
}

/// An error if there are settings for asynchronous requests.
pub fn no_async(function: &Function, owner: &str) -> Option<Diagnostic> {
    function.asynchronous.as_ref().map(|_| {
        Diagnostic::error(
            "async-not-offered",
            "settings of asynchronous requests not offered",
            function.at().key("async"),
            format!(
                "{owner} has no tries, ages and destinations for requests that nobody waits for; AWS Lambda has."
            ),
        )
        .help("Remove `async`; a `queue` trigger has `max_tries`, and keeps what fails as dead letters.")
    })
}

/// A warning about a window that a cloud does not wait for.
pub fn window_ignored(queue: &QueueTrigger, at: &FieldPath, owner: &str) -> Option<Diagnostic> {
    let window = queue.window?;
    let detail =
        format!("{owner} hands out messages as they come and does not wait `{window}` for more.");
    Some(
        Diagnostic::warning("window-ignored", "window ignored", at.key("window"), detail)
            .help("Remove `window`."),
    )
}

/// Settings that a cloud has once for a function, while the manifest has them for each trigger.
#[derive(Debug, Clone, Copy)]
pub struct SameSettings {
    /// Who has them once, e.g. `Azure Functions`.
    pub owner: &'static str,
    /// The kind of the triggers.
    pub kind: &'static str,
    /// The settings, as part of a sentence.
    pub keys: &'static str,
}

impl SameSettings {
    /// An error at the first trigger whose `settings` are not those of the first trigger that has
    /// any.
    pub fn check<'a, T: PartialEq>(
        &self,
        function: &'a Function,
        settings: impl Fn(&'a Trigger) -> Option<T>,
    ) -> Option<Diagnostic> {
        let triggers = function.triggers_at();
        let mut with = triggers.filter_map(|(at, trigger)| Some((at, settings(trigger)?)));
        let (first_at, first) = with.next()?;
        let (at, _) = with.find(|(_, other)| *other != first)?;
        let Self { owner, kind, keys } = self;
        let detail = format!(
            "{owner} has one setting for all {kind} triggers of a function, and {keys} must be the same here and in `{first_at}`."
        );
        let diagnostic = Diagnostic::error(
            "app-settings-differ",
            "triggers need the same settings",
            at,
            detail,
        );
        Some(diagnostic.help(
            "Write the same values, or make a second model of the same `path` for the other trigger.",
        ))
    }
}

/// An error if the name that mlfn makes for a function has more characters than `most`.
pub fn function_name_length(
    service: &Service,
    function: &Function,
    owner: &str,
    most: usize,
) -> Option<Diagnostic> {
    let name = service.cloud_name(function.name.as_str());
    let over = name.len().checked_sub(most).filter(|over| *over > 0)?;
    let detail = format!(
        "The function becomes `{name}`, which has {} characters; {owner} allows {most}.",
        name.len()
    );
    Some(
        Diagnostic::error(
            "function-name-too-long",
            "function name too long",
            function.at(),
            detail,
        )
        .help(format!(
            "Shorten the names of the service, the stage and the model together by {over}."
        )),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        bucket: &str,
        prefix: Option<&str>,
        output: (Option<&str>, Option<&str>),
        loops: [bool; 2],
    ) {
        let storage = StorageTrigger {
            bucket: bucket.to_owned(),
            prefix: prefix.map(str::to_owned),
            suffix: None,
            output_bucket: output.0.map(str::to_owned),
            output_prefix: output.1.map(str::to_owned),
        };
        let found = [PrefixFilter::ByCloud, PrefixFilter::None].map(|f| storage_loops(&storage, f));
        assert_eq!(found, loops, "{storage:?}");
    }

    #[test]
    fn answers_in_the_bucket_of_the_requests_need_a_prefix_that_tells_them_apart() {
        check("a", None, (None, None), [false, false]);
        check("a", None, (Some("b"), None), [false, false]);
        check("a", None, (Some("a"), None), [true, true]);
        check("a", Some("in/"), (Some("a"), None), [true, true]);
        check("a", None, (Some("a"), Some("out/")), [true, true]);
        check("a", Some("in/"), (Some("a"), Some("out/")), [false, true]);
        check(
            "a",
            Some("in/"),
            (Some("a"), Some("in/done/")),
            [true, true],
        );
        check(
            "a",
            Some("data/in/"),
            (Some("a"), Some("data/")),
            [true, true],
        );
    }
}
