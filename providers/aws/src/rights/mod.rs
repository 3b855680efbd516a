//! What whoever deploys must be allowed: for exactly one plan, and nothing beyond.
//!
//! - `table`: for each kind, which actions on what its operations need
//! - this: the sum over a plan, as a policy document of IAM

mod table;

use std::collections::{BTreeMap, BTreeSet};

use mlfn_core::{Action, Alarm, Change, Plan, Value};
use serde_json::{Value as Json, json};

use self::table::{NEEDS, Need, Needs, SEES_ALARMS, SEES_ERRORS};
use crate::credentials::Identity;

/// The policy document that lets its owner make and carry out `plan`, and nothing else.
///
/// What is not changed must be read. A right on everything is given only where IAM knows no less.
pub(crate) fn policy(identity: &Identity, plan: &Plan) -> Json {
    let mut rights: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for change in &plan.changes {
        for need in needed(change) {
            let place = Place {
                identity,
                plan,
                change,
            };
            let resources = need.on.iter().map(|pattern| place.arn(pattern));
            let resources: Vec<String> = resources.collect();
            for action in need.actions {
                rights.entry(action).or_default().extend(resources.clone());
            }
        }
    }
    json!({ "Version": "2012-10-17", "Statement": statements(&rights) })
}

/// Actions of one service on the same things are one statement.
fn statements(rights: &BTreeMap<&str, BTreeSet<String>>) -> Vec<Json> {
    let mut groups: BTreeMap<(&str, &BTreeSet<String>), Vec<&str>> = BTreeMap::new();
    for (action, resources) in rights {
        let service = action.split(':').next().unwrap_or_default();
        groups.entry((service, resources)).or_default().push(action);
    }
    let statement = |(_, resources): (&str, &BTreeSet<String>), actions: Vec<&str>| json!({ "Effect": "Allow", "Action": actions, "Resource": resources });
    groups
        .into_iter()
        .map(|(of, actions)| statement(of, actions))
        .collect()
}

/// What a change needs.
fn needed(change: &Change) -> Vec<&'static Need> {
    let Some(needs) = NEEDS.iter().find(|needs| needs.kind == change.id.kind()) else {
        return Vec::new();
    };
    let Needs {
        read,
        create,
        update,
        delete,
        probe,
        ..
    } = needs;
    let probed = change.wanted.as_ref().is_some_and(|r| r.probe.is_some());
    let parts: &[&'static [Need]] = match change.action {
        Action::Keep | Action::Adopt | Action::Forget | Action::Release => &[read],
        Action::Create if probed => &[read, create, probe],
        Action::Create => &[read, create],
        Action::Update if probed => &[read, update, probe],
        Action::Update => &[read, update],
        Action::Replace(_) => &[read, create, delete],
        Action::Delete => &[read, delete],
    };
    let watched = change.steps.as_ref().map_or(&[][..], |_| watch(change));
    parts.iter().copied().flatten().chain(watched).collect()
}

/// What whoever moves requests step by step has to see.
fn watch(change: &Change) -> &'static [Need] {
    let shift = change.wanted.as_ref().and_then(|r| r.shift.as_ref());
    match shift.map(|shift| &shift.traffic.alarm) {
        None => &[],
        Some(Alarm::Errors) => SEES_ERRORS,
        Some(Alarm::Named(_)) => SEES_ALARMS,
    }
}

/// What the patterns of a change are about.
struct Place<'a> {
    identity: &'a Identity,
    plan: &'a Plan,
    change: &'a Change,
}

impl Place<'_> {
    /// A pattern of the table as an ARN: `{head}` is what stands before the last `/` of the
    /// remote name, `{bucket}` what stands before the first, `{table}` what stands
    /// after the last, `{function}` what stands before `:`, `@` or `/`.
    fn arn(&self, pattern: &str) -> String {
        let name = self.filled(self.change.remote_name());
        let head = name
            .rsplit_once('/')
            .map_or(name.as_str(), |(head, _)| head);
        let function = name.split([':', '@', '/']).next().unwrap_or_default();
        // A topic may be given by its ARN.
        if pattern.contains("{head}") && head.starts_with("arn:") {
            return head.to_owned();
        }
        let role = self.role().unwrap_or_default();
        let words = [
            ("{name}", name.as_str()),
            ("{head}", head),
            ("{function}", function),
            ("{bucket}", name.split('/').next().unwrap_or_default()),
            ("{table}", name.rsplit('/').next().unwrap_or_default()),
            ("{role}", &role),
        ];
        let mut arn = self.filled(pattern);
        for (word, text) in words {
            arn = arn.replace(word, text);
        }
        arn
    }

    /// With what only the session knows.
    fn filled(&self, text: &str) -> String {
        let Identity {
            partition,
            account,
            region,
        } = self.identity;
        text.replace("{partition}", partition)
            .replace("{account}", account)
            .replace("{region}", region)
    }

    /// The name of the role that is handed over: it is another resource of the plan.
    fn role(&self) -> Option<String> {
        let wanted = self.change.wanted.as_ref()?;
        let Value::AfterApply { from, .. } = wanted.fields.get("role")? else {
            return None;
        };
        let is = |change: &&Change| change.id == *from;
        let role = self.plan.changes.iter().find(is)?;
        Some(self.filled(role.remote_name()))
    }
}

#[cfg(test)]
mod tests;
