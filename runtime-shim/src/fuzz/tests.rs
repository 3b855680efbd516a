//! The seeds of the fuzzer and what it has found, as they are and changed at random.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;

use super::request;

const SEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/request");

static SEEDS_READ: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let entries = fs_err::read_dir(SEEDS).expect("the folder is there");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let seeds = paths.iter().map(|path| fs_err::read(path).expect("reads"));
    seeds.collect()
});

#[test]
fn every_seed_gets_an_answer() {
    assert!(SEEDS_READ.len() > 20, "{} seeds", SEEDS_READ.len());
    for seed in &*SEEDS_READ {
        request(seed);
    }
}

/// What happens to a seed.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Remove(Index, Index),
    Repeat(Index, Index),
    /// Goes on as another seed does.
    Cross(Index, Index),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let index = any::<Index>;
    let change = prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Change::Flip(at, byte)),
        (index(), index()).prop_map(|(from, to)| Change::Remove(from, to)),
        (index(), index()).prop_map(|(from, to)| Change::Repeat(from, to)),
        (index(), index()).prop_map(|(seed, at)| Change::Cross(seed, at)),
    ];
    proptest::collection::vec(change, 1..6)
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    let range = |from: &Index, to: &Index| {
        let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
        from.min(to)..from.max(to)
    };
    match change {
        Change::Flip(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] ^= byte;
        }
        Change::Remove(from, to) => drop(bytes.drain(range(from, to))),
        Change::Repeat(from, to) => {
            let range = range(from, to);
            bytes.extend_from_within(range);
        }
        Change::Cross(seed, at) => {
            let other = seed.get(&SEEDS_READ);
            let at = at.index(bytes.len());
            bytes.truncate(at);
            bytes.extend_from_slice(other.get(at..).unwrap_or_default());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn changed_seeds_get_an_answer(seed: Index, changes in changes()) {
        let mut bytes = seed.get(&SEEDS_READ).clone();
        for change in &changes {
            apply(&mut bytes, change);
        }
        request(&bytes);
    }

    #[test]
    fn any_bytes_get_an_answer(form in "[jobnzlagpx][0-5]", bytes: Vec<u8>) {
        request(&[form.as_bytes(), &bytes].concat());
    }
}
