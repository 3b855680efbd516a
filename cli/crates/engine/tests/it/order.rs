//! In which order changes are made.

use std::collections::BTreeMap;

use fastrand::Rng;
use mlfn_core::{Action, Change, Reason, Recorded, ReplaceOrder, Resource, ResourceId};
use mlfn_engine::{Part, graph};

fn id(name: usize) -> ResourceId {
    ResourceId::new("x:y", format!("r{name:02}"))
}

/// A change of resource `name` that needs `wanted` in the future and needed `prior` before.
fn change(name: usize, action: Action, wanted: &[usize], prior: &[usize]) -> Change {
    let resource = wanted
        .iter()
        .fold(Resource::new(id(name), "n"), |r, other| r.after(id(*other)));
    let recorded = Recorded {
        id: id(name),
        remote_name: "n".to_owned(),
        remote_id: "n".to_owned(),
        fields: BTreeMap::new(),
        outputs: BTreeMap::new(),
        dependencies: prior.iter().map(|other| id(*other)).collect(),
        within: None,
    };
    Change {
        id: id(name),
        action,
        reason: Reason::Missing,
        wanted: (action != Action::Delete).then_some(resource),
        prior: (action != Action::Create).then_some(recorded),
        fields: Vec::new(),
        kept: BTreeMap::new(),
        steps: None,
    }
}

#[track_caller]
fn check(changes: &[Change], expected: &str) {
    let graph = graph(changes).expect("an order");
    let words = graph.steps.iter().map(|step| {
        let sign = if step.part == Part::Make { '+' } else { '-' };
        format!("{sign}{}", &changes[step.change].id.name()[2..])
    });
    assert_eq!(words.collect::<Vec<_>>().join(" "), expected);
}

const DELETE_FIRST: Action = Action::Replace(ReplaceOrder::DeleteThenCreate);
const CREATE_FIRST: Action = Action::Replace(ReplaceOrder::CreateThenDelete);

#[test]
fn what_others_need_is_made_first_and_removed_last() {
    use Action::{Create, Delete, Keep, Update};
    check(
        &[change(1, Create, &[2], &[]), change(2, Create, &[], &[])],
        "+2 +1",
    );
    check(
        &[change(1, Delete, &[], &[]), change(2, Delete, &[], &[1])],
        "-2 -1",
    );
    check(
        &[change(1, Keep, &[], &[]), change(2, Create, &[1], &[])],
        "+2",
    );
    // 2 needed 1, and no longer does.
    check(
        &[change(1, Delete, &[], &[]), change(2, Update, &[], &[1])],
        "+2 -1",
    );
    check(
        &[change(2, Create, &[], &[]), change(1, Create, &[], &[])],
        "+1 +2",
    );
}

#[test]
fn the_halves_of_a_replacement_surround_what_needs_it() {
    use Action::Update;
    check(
        &[
            change(1, CREATE_FIRST, &[], &[]),
            change(2, Update, &[1], &[1]),
        ],
        "+1 +2 -1",
    );
    check(
        &[
            change(1, DELETE_FIRST, &[], &[]),
            change(2, Update, &[1], &[1]),
        ],
        "-1 +1 +2",
    );
    check(
        &[
            change(1, DELETE_FIRST, &[], &[]),
            change(2, DELETE_FIRST, &[1], &[1]),
        ],
        "-2 -1 +1 +2",
    );
    check(
        &[
            change(1, CREATE_FIRST, &[], &[]),
            change(2, CREATE_FIRST, &[1], &[1]),
        ],
        "+1 +2 -2 -1",
    );
    check(
        &[
            change(1, CREATE_FIRST, &[], &[]),
            change(2, DELETE_FIRST, &[1], &[1]),
        ],
        "+1 -2 +2 -1",
    );
}

#[test]
fn a_preference_never_makes_a_circle() {
    use Action::{Delete, Update};
    // 3 leaves 2 for 1; 2 needs the old 1, which has to go before the new 1 comes.
    check(
        &[
            change(1, DELETE_FIRST, &[], &[]),
            change(2, Delete, &[], &[1]),
            change(3, Update, &[1], &[2]),
        ],
        "-2 -1 +1 +3",
    );
}

#[test]
fn resources_that_need_each_other_are_an_error() {
    let circle = [
        change(1, Action::Create, &[2], &[]),
        change(2, Action::Create, &[1], &[]),
    ];
    assert!(graph(&circle).is_err());
}

#[test]
fn random_changes_have_an_order_that_does_not_depend_on_theirs() {
    for seed in 0..500 {
        let mut chance = Rng::with_seed(seed);
        let mut changes: Vec<Change> = (0..chance.usize(1..12))
            .map(|n| random(n, &mut chance))
            .collect();
        let names = |changes: &[Change]| {
            let graph = graph(changes).expect("an order");
            for (index, needs) in graph.needs.iter().enumerate() {
                assert!(needs.iter().all(|need| *need < index), "{seed}: {graph:?}");
            }
            let name = |s: &mlfn_engine::Step| (changes[s.change].id.clone(), s.part);
            graph.steps.iter().map(name).collect::<Vec<_>>()
        };
        let before = names(&changes);
        chance.shuffle(&mut changes);
        assert_eq!(before, names(&changes), "{seed}");
    }
}

/// Needs only what has a smaller number; what there was before knows no such rule.
fn random(name: usize, chance: &mut Rng) -> Change {
    let actions = [
        Action::Keep,
        Action::Create,
        Action::Update,
        Action::Delete,
        DELETE_FIRST,
        CREATE_FIRST,
    ];
    let action = chance.choice(actions).expect("one");
    let wanted: Vec<usize> = (0..name).filter(|_| chance.u8(0..3) == 0).collect();
    let prior: Vec<usize> = (0..12).filter(|_| chance.u8(0..4) == 0).collect();
    change(name, action, &wanted, &prior)
}
