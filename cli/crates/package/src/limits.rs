//! Whether an artifact fits, before anything is uploaded.

use mlfn_core::{Artifact, ArtifactPart, PartKind, Route, RouteSpec};
use serde::Serialize;

/// What an artifact weighs, part by part, and which ways to the cloud it may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    /// One for each part, then all of it. If the library has an archive of its own, that is the
    /// part `layer`, and the archive of the others is before it as `function`.
    pub rows: Vec<Row>,
    /// One for each way that the cloud has, the preferred first.
    pub routes: Vec<RouteRow>,
}

/// The weight of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// `config`, `model`, `shim`, `runtime`, `function`, `layer` or `total`.
    pub part: &'static str,
    /// Bytes of the files.
    pub size: u64,
    /// Bytes in the archive.
    pub packed: u64,
}

/// A way to the cloud, and whether the artifact may take it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteRow {
    /// E.g. `direct zip`.
    pub name: &'static str,
    /// The most bytes of the archive.
    pub max_packed: Option<u64>,
    /// The most bytes of all files in it.
    pub max_unpacked: Option<u64>,
    /// The most bytes of the model's files, if this way leaves them out of the archive.
    pub max_fetched: Option<u64>,
    /// Bytes over the limit of the archive; 0 if it fits.
    pub packed_over: u64,
    /// Bytes over the limit of the files; 0 if they fit.
    pub unpacked_over: u64,
    /// Bytes over the limit of the model's files; 0 if they fit.
    pub fetched_over: u64,
    /// Whether this is the way that the artifact takes.
    pub chosen: bool,
}

/// What `artifact` weighs, beside the limits of `routes` (those of its `PackageSpec`).
pub fn table(artifact: &Artifact, routes: &[RouteSpec]) -> Table {
    let part = |part: &ArtifactPart| Row {
        part: part.kind.as_str(),
        size: part.unpacked,
        packed: part.packed,
    };
    let mut parts: Vec<_> = artifact.parts.iter().collect();
    if artifact.layer.is_some() {
        parts.retain(|part| part.kind != PartKind::Runtime);
    }
    let mut rows: Vec<_> = parts.into_iter().map(part).collect();
    rows.extend(layered(artifact).into_iter().flatten());
    let layer = artifact.layer.as_ref();
    let weight = Weight {
        packed: artifact.packed,
        unpacked: artifact.unpacked + layer.map_or(0, |layer| layer.unpacked),
        fetched: artifact.fetched.iter().map(|file| file.bytes).sum(),
    };
    rows.push(Row {
        part: "total",
        size: weight.unpacked + weight.fetched,
        packed: weight.packed + layer.map_or(0, |layer| layer.packed) + weight.fetched,
    });
    let mut routes: Vec<_> = routes.iter().map(|route| row(route, weight)).collect();
    if let Some(chosen) = routes.iter_mut().find(|route| route.fits()) {
        chosen.chosen = true;
    }
    Table { rows, routes }
}

/// The two archives, if there are two.
fn layered(artifact: &Artifact) -> Option<[Row; 2]> {
    let layer = artifact.layer.as_ref()?;
    let row = |part, size, packed| Row { part, size, packed };
    Some([
        row("function", artifact.unpacked, artifact.packed),
        row("layer", layer.unpacked, layer.packed),
    ])
}

impl RouteRow {
    /// Whether the artifact is within all limits.
    pub fn fits(&self) -> bool {
        self.over() == 0
    }

    /// How far it is over the limit that it breaks most, in bytes.
    pub fn over(&self) -> u64 {
        self.packed_over
            .max(self.unpacked_over)
            .max(self.fetched_over)
    }
}

/// Bytes of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weight {
    /// Of the archive, without that of the layer, which is uploaded by itself.
    pub(crate) packed: u64,
    /// Of the files in it and in the layer, which count together.
    pub(crate) unpacked: u64,
    /// Of the files that it leaves out.
    pub(crate) fetched: u64,
}

/// Whether the model's files, which have `model` bytes of all `unpacked` bytes, must be left out of
/// the archive: then some way can take them so, and none with them in it.
pub(crate) fn leaves_model_out(unpacked: u64, model: u64, routes: &[RouteSpec]) -> bool {
    let takes =
        |route: &RouteSpec, unpacked: u64| route.max_unpacked.is_none_or(|limit| unpacked <= limit);
    let (apart, whole): (Vec<_>, Vec<_>) =
        routes.iter().partition(|route| route.max_fetched.is_some());
    let mut apart = apart.into_iter();
    !whole.into_iter().any(|route| takes(route, unpacked))
        && apart.any(|route| takes(route, unpacked.saturating_sub(model)))
}

/// The first way that takes the artifact, or what to do if there is none.
pub(crate) fn choose(weight: Weight, parts: &[ArtifactPart], routes: &[RouteSpec]) -> Route {
    let rows: Vec<_> = routes.iter().map(|route| row(route, weight)).collect();
    match rows.iter().find(|row| row.fits()) {
        Some(row) => Route::Fits {
            name: row.name,
            max_packed: row.max_packed,
            max_unpacked: row.max_unpacked,
        },
        None => Route::TooLarge {
            advice: advice(&rows, parts),
        },
    }
}

/// A way that has the model in the archive is held against all bytes. (Weights hardly compress.)
fn row(route: &RouteSpec, weight: Weight) -> RouteRow {
    let over = |size: u64, limit: Option<u64>| limit.map_or(0, |limit| size.saturating_sub(limit));
    let inside = match route.max_fetched {
        Some(_) => 0,
        None => weight.fetched,
    };
    RouteRow {
        name: route.name,
        max_packed: route.max_packed,
        max_unpacked: route.max_unpacked,
        max_fetched: route.max_fetched,
        packed_over: over(weight.packed + inside, route.max_packed),
        unpacked_over: over(weight.unpacked + inside, route.max_unpacked),
        fetched_over: over(weight.fetched - inside, route.max_fetched),
        chosen: false,
    }
}

/// The way that comes nearest to taking it, and what would help.
fn advice(rows: &[RouteRow], parts: &[ArtifactPart]) -> String {
    let nearest = rows
        .iter()
        .min_by_key(|row| row.packed_over + row.unpacked_over + row.fetched_over);
    let mut sentences: Vec<_> = nearest.into_iter().flat_map(complaints).collect();
    let heaviest = parts.iter().max_by_key(|part| part.unpacked);
    sentences.push(match heaviest {
        Some(part) if part.kind == PartKind::Model => format!(
            "The model is {} of it: make it smaller (float16 weights halve it, int8 weights quarter it), \
             or choose a provider or engine that takes more.",
            human(part.unpacked)
        ),
        _ => "Choose a provider or engine that takes more.".to_owned(),
    });
    sentences.join(" ")
}

fn complaints(row: &RouteRow) -> Vec<String> {
    let complaint = |what: &str, over: u64, limit: Option<u64>| {
        let limit = limit.filter(|_| over > 0)?;
        Some(format!(
            "`{}` takes {what} of {}, and this is {} over it.",
            row.name,
            human(limit),
            human(over)
        ))
    };
    let packed = complaint("an archive", row.packed_over, row.max_packed);
    let unpacked = complaint("files", row.unpacked_over, row.max_unpacked);
    let fetched = complaint("a model", row.fetched_over, row.max_fetched);
    packed.into_iter().chain(unpacked).chain(fetched).collect()
}

/// `1536` -> `1.5 KiB`; rounded up, so that nothing over a limit is called 0.
fn human(bytes: u64) -> String {
    let (unit, name) = match bytes {
        1 => return "1 byte".to_owned(),
        0..1024 => return format!("{bytes} bytes"),
        1024..0x10_0000 => (1024, "KiB"),
        0x10_0000..0x4000_0000 => (0x10_0000, "MiB"),
        _ => (0x4000_0000, "GiB"),
    };
    let tenths = (u128::from(bytes) * 10).div_ceil(unit);
    match tenths % 10 {
        0 => format!("{} {name}", tenths / 10),
        rest => format!("{}.{rest} {name}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use mlfn_core::Digest;

    use super::*;

    const MIB: u64 = 1 << 20;

    const ROUTES: [RouteSpec; 3] = [
        RouteSpec {
            name: "direct zip",
            max_packed: Some(50 * MIB),
            max_unpacked: Some(250 * MIB),
            max_fetched: None,
        },
        RouteSpec {
            name: "bucket",
            max_packed: None,
            max_unpacked: Some(250 * MIB),
            max_fetched: None,
        },
        RouteSpec {
            name: "apart",
            max_packed: Some(50 * MIB),
            max_unpacked: Some(250 * MIB),
            max_fetched: Some(1024 * MIB),
        },
    ];

    fn part(kind: PartKind, unpacked: u64) -> ArtifactPart {
        ArtifactPart {
            kind,
            digest: Digest::of(b""),
            unpacked,
            packed: unpacked,
        }
    }

    #[track_caller]
    fn check(weight: Weight, expected: Result<&str, &str>) {
        let unpacked = weight.unpacked + weight.fetched;
        let parts = [
            part(PartKind::Model, unpacked - 30 * MIB),
            part(PartKind::Runtime, 30 * MIB),
        ];
        match (choose(weight, &parts, &ROUTES), expected) {
            (Route::Fits { name, .. }, Ok(expected)) => assert_eq!(name, expected),
            (Route::TooLarge { advice }, Err(expected)) => assert_eq!(advice, expected),
            (found, _) => panic!("{found:?}"),
        }
    }

    fn whole(packed: u64, unpacked: u64) -> Weight {
        Weight {
            packed,
            unpacked,
            fetched: 0,
        }
    }

    fn apart(fetched: u64) -> Weight {
        Weight {
            packed: 10 * MIB,
            unpacked: 30 * MIB,
            fetched,
        }
    }

    #[test]
    fn the_first_way_that_fits_is_taken() {
        check(whole(50 * MIB, 100 * MIB), Ok("direct zip"));
        check(whole(50 * MIB + 1, 100 * MIB), Ok("bucket"));
        check(whole(240 * MIB, 250 * MIB), Ok("bucket"));
        check(apart(220 * MIB + 1), Ok("apart"));
        check(apart(1024 * MIB), Ok("apart"));
        check(
            apart(1024 * MIB + 1),
            Err(
                "`apart` takes a model of 1 GiB, and this is 1 byte over it. \
                 The model is 1.1 GiB of it: make it smaller (float16 weights halve it, int8 weights \
                 quarter it), or choose a provider or engine that takes more.",
            ),
        );
    }

    #[test]
    fn a_model_stays_in_the_archive_if_it_can() {
        let table = [
            (250 * MIB, 220 * MIB, false),
            (250 * MIB + 1, 220 * MIB, true),
            // The rest alone is too large.
            (700 * MIB, 400 * MIB, false),
        ];
        for (unpacked, model, expected) in table {
            let found = leaves_model_out(unpacked, model, &ROUTES);
            assert_eq!(found, expected, "{unpacked} {model}");
        }
        assert!(!leaves_model_out(1 << 40, 1 << 39, &ROUTES[..2]), "no way");
    }

    #[test]
    fn the_table_has_every_part_and_every_way() {
        let parts = vec![
            part(PartKind::Model, 20 * MIB),
            part(PartKind::Runtime, 40 * MIB),
        ];
        let artifact = Artifact {
            function: "classifier".parse().expect("a name"),
            provider: mlfn_core::ProviderName::Aws,
            path: "a.zip".into(),
            format: mlfn_core::ArchiveFormat::Zip,
            digest: Digest::of(b""),
            packed: 60 * MIB + 22,
            unpacked: 60 * MIB,
            route: choose(whole(60 * MIB + 22, 60 * MIB), &parts, &ROUTES),
            parts,
            fetched: Vec::new(),
            layer: None,
        };
        let table = table(&artifact, &ROUTES);
        let rows: Vec<_> = table
            .rows
            .iter()
            .map(|row| (row.part, row.size, row.packed))
            .collect();
        let expected = [
            ("model", 20 * MIB, 20 * MIB),
            ("runtime", 40 * MIB, 40 * MIB),
            ("total", 60 * MIB, 60 * MIB + 22),
        ];
        assert_eq!(rows, expected);
        let routes: Vec<_> = table
            .routes
            .iter()
            .map(|route| {
                (
                    route.name,
                    route.packed_over,
                    route.unpacked_over,
                    route.chosen,
                )
            })
            .collect();
        assert_eq!(
            routes,
            [
                ("direct zip", 10 * MIB + 22, 0, false),
                ("bucket", 0, 0, true),
                ("apart", 10 * MIB + 22, 0, false)
            ]
        );
    }

    #[test]
    fn sizes_are_rounded_up() {
        let table = [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (1025, "1.1 KiB"),
            (MIB, "1 MiB"),
        ];
        for (bytes, text) in table {
            assert_eq!(human(bytes), text);
        }
        assert_eq!(human(3 * 1024 * MIB), "3 GiB");
    }
}
