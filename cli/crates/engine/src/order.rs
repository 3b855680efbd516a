//! In which order changes can be made. Pure, and the same for the same changes.

use std::collections::BTreeSet;

use mlfn_core::{Action, Change, ReplaceOrder, Resource, ResourceId};

use crate::PlanError;

/// Half of a change, or all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// The index of the change.
    pub change: usize,
    /// Which part of it.
    pub part: Part,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Makes the wanted resource be there.
    Make,
    /// Makes the prior one not be there.
    Clear,
}

/// Steps, and which others each needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    /// In an order in which they can be done one by one.
    pub steps: Vec<Step>,
    /// For each step the indices of those that must be done before.
    pub needs: Vec<BTreeSet<usize>>,
}

/// The steps of changes, and their order: what others need is made first and cleared last. Ties
/// are decided by name.
///
/// Two rules are strict: a resource is made after what it needs, and the halves of a replacement
/// follow its order. The others (something is cleared after those that need it are cleared or no
/// longer need it) are kept unless they contradict the strict ones: then some cloud may refuse,
/// but no order would be better.
pub fn graph(changes: &[Change]) -> Result<Graph, PlanError> {
    let mut builder = Builder::new(changes);
    builder.strict();
    if let Some(stuck) = builder.stuck() {
        let names: Vec<String> = stuck.iter().map(|id| format!("`{id}`")).collect();
        let problem = format!("{} need each other", names.join(", "));
        return Err(PlanError::Provider {
            problems: vec![problem],
        });
    }
    builder.preferred();
    Ok(builder.finish())
}

struct Builder<'a> {
    changes: &'a [Change],
    steps: Vec<Step>,
    needs: Vec<BTreeSet<usize>>,
}

impl<'a> Builder<'a> {
    fn new(changes: &'a [Change]) -> Self {
        let mut steps: Vec<Step> = (0..changes.len())
            .flat_map(|change| {
                parts(&changes[change])
                    .iter()
                    .map(move |&part| Step { change, part })
            })
            .collect();
        let name = |step: &Step| (&changes[step.change].id, changes[step.change].remote_name());
        steps.sort_by(|a, b| name(a).cmp(&name(b)).then(a.part.cmp(&b.part)));
        let needs = vec![BTreeSet::new(); steps.len()];
        Self {
            changes,
            steps,
            needs,
        }
    }

    fn change(&self, step: usize) -> &'a Change {
        &self.changes[self.steps[step].change]
    }

    fn all(&self, part: Part) -> Vec<usize> {
        (0..self.steps.len())
            .filter(|&step| self.steps[step].part == part)
            .collect()
    }

    fn strict(&mut self) {
        let (makes, clears) = (self.all(Part::Make), self.all(Part::Clear));
        for &make in &makes {
            let needed = self
                .change(make)
                .wanted
                .iter()
                .flat_map(Resource::dependencies);
            let needed: BTreeSet<ResourceId> = needed.collect();
            let others = makes
                .iter()
                .copied()
                .filter(|&o| needed.contains(&self.change(o).id));
            let others: Vec<usize> = others.collect();
            self.needs[make].extend(others);
        }
        for &clear in &clears {
            let change = self.steps[clear].change;
            let Some(&make) = makes
                .iter()
                .find(|&&make| self.steps[make].change == change)
            else {
                continue;
            };
            match self.change(clear).action {
                Action::Replace(ReplaceOrder::DeleteThenCreate) => self.needs[make].insert(clear),
                _ => self.needs[clear].insert(make),
            };
        }
    }

    fn preferred(&mut self) {
        let (makes, clears) = (self.all(Part::Make), self.all(Part::Clear));
        // First what is cleared together, then those that change over.
        for later in [&clears, &makes] {
            for &clear in &clears {
                for &user in later {
                    if user != clear && self.uses(user, clear) && !self.reaches(user, clear) {
                        self.needs[clear].insert(user);
                    }
                }
            }
        }
    }

    /// Whether what there is of `user` needs what is cleared.
    fn uses(&self, user: usize, clear: usize) -> bool {
        let prior = self.change(user).prior.as_ref();
        prior.is_some_and(|prior| prior.dependencies.contains(&self.change(clear).id))
    }

    /// Whether `from` needs `to`, directly or not.
    fn reaches(&self, from: usize, to: usize) -> bool {
        let (mut open, mut visited) = (vec![from], BTreeSet::new());
        while let Some(step) = open.pop() {
            if step == to {
                return true;
            }
            if visited.insert(step) {
                open.extend(&self.needs[step]);
            }
        }
        false
    }

    /// The resources of steps that can never be done.
    fn stuck(&self) -> Option<BTreeSet<&'a ResourceId>> {
        let done: BTreeSet<usize> = self.sequence().into_iter().collect();
        let stuck = (0..self.steps.len()).filter(|step| !done.contains(step));
        let stuck: BTreeSet<_> = stuck.map(|step| &self.change(step).id).collect();
        (!stuck.is_empty()).then_some(stuck)
    }

    /// As many steps as can be done, always the first by name of those that can be next.
    fn sequence(&self) -> Vec<usize> {
        let mut order = Vec::new();
        let mut left: BTreeSet<usize> = (0..self.steps.len()).collect();
        let next = |left: &BTreeSet<usize>| {
            left.iter()
                .copied()
                .find(|&step| self.needs[step].is_disjoint(left))
        };
        while let Some(step) = next(&left) {
            left.remove(&step);
            order.push(step);
        }
        order
    }

    fn finish(self) -> Graph {
        let order = self.sequence();
        let mut place = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            place[old] = new;
        }
        let needs = |&old: &usize| self.needs[old].iter().map(|&need| place[need]).collect();
        Graph {
            steps: order.iter().map(|&old| self.steps[old]).collect(),
            needs: order.iter().map(needs).collect(),
        }
    }
}

/// The steps that a change has.
fn parts(change: &Change) -> &'static [Part] {
    match change.action {
        Action::Keep => &[],
        Action::Create
        | Action::Update
        | Action::Adopt
        | Action::Replace(ReplaceOrder::CreateThenKeep { .. }) => &[Part::Make],
        Action::Replace(_) => &[Part::Make, Part::Clear],
        Action::Delete | Action::Forget | Action::Release => &[Part::Clear],
    }
}
