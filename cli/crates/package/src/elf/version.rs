//! Versions of the C and C++ libraries, as symbols name them.

use std::collections::BTreeMap;

use mlfn_core::LibcLimit;

use super::read::Need;

/// Which `CXXABI_1.3.x` came with which `GLIBCXX_3.4.x`, as the ABI policy of libstdc++ lists them
/// (<https://gcc.gnu.org/onlinedocs/libstdc++/manual/abi.html>).
const CXXABI: [(u32, u32); 8] = [
    (33, 15),
    (31, 14),
    (29, 13),
    (26, 12),
    (23, 11),
    (22, 10),
    (21, 9),
    (20, 8),
];

/// A version that is too new.
#[derive(Debug)]
pub(super) struct Excess<'a> {
    /// What is needed.
    pub(super) need: &'a Need,
    /// The newest that there is, e.g. `GLIBC_2.34`.
    pub(super) limit: String,
}

/// Of each library, the newest version that is needed, if the target's is older.
pub(super) fn too_new(needs: &[Need], libc: LibcLimit) -> Vec<Excess<'_>> {
    let mut newest: BTreeMap<Family, (Vec<u32>, &Need)> = BTreeMap::new();
    for need in needs {
        let Some((family, number)) = parse(&need.version) else {
            continue;
        };
        let entry = newest
            .entry(family)
            .or_insert_with(|| (number.clone(), need));
        if number > entry.0 {
            *entry = (number, need);
        }
    }
    let excess = |(family, (number, need)): (Family, (Vec<u32>, _))| {
        let (limit, name) = family.limit(libc);
        (number > limit).then(|| Excess {
            need,
            limit: format!("{name}_{}", dotted(&limit)),
        })
    };
    newest.into_iter().filter_map(excess).collect()
}

/// A library that gives its symbols versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    /// The C library.
    Glibc,
    /// The C++ library.
    Glibcxx,
    /// What C++ programs need of the compiler's runtime.
    Cxxabi,
}

impl Family {
    fn limit(self, libc: LibcLimit) -> (Vec<u32>, &'static str) {
        let (major, minor, patch) = libc.glibcxx;
        match self {
            Self::Glibc => (vec![libc.glibc.0, libc.glibc.1], "GLIBC"),
            Self::Glibcxx => (vec![major, minor, patch], "GLIBCXX"),
            Self::Cxxabi => {
                let known = CXXABI.iter().find(|(from, _)| patch >= *from);
                (vec![1, 3, known.map_or(7, |(_, abi)| *abi)], "CXXABI")
            }
        }
    }
}

/// `GLIBC_2.34` -> the C library, 2.34. Others, such as `GLIBC_PRIVATE` and `CXXABI_TM_1`, cannot be
/// compared.
fn parse(version: &str) -> Option<(Family, Vec<u32>)> {
    // No symbol has it: it marks files with packed relocations, which glibc reads since 2.36.
    if version == "GLIBC_ABI_DT_RELR" {
        return Some((Family::Glibc, vec![2, 36]));
    }
    let (name, number) = version.rsplit_once('_')?;
    let family = match name {
        "GLIBC" => Family::Glibc,
        "GLIBCXX" => Family::Glibcxx,
        "CXXABI" => Family::Cxxabi,
        _ => return None,
    };
    let number: Option<Vec<u32>> = number
        .split('.')
        .map(|digits| digits.parse().ok())
        .collect();
    Some((family, number?))
}

fn dotted(number: &[u32]) -> String {
    let digits: Vec<_> = number.iter().map(u32::to_string).collect();
    digits.join(".")
}
