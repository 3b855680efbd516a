//! A packed function for people.

use mlfn_core::{Artifact, Layer, Route, Severity};
use mlfn_package::{RouteRow, Row};

use super::Packaged;
use super::table::{Align, size, table};
use crate::printer::Palette;

/// The archives, what is in them, and the ways to the cloud.
pub(super) fn describe(packaged: &Packaged, palette: Palette) -> String {
    let archives: Vec<String> = packaged
        .built
        .artifacts
        .iter()
        .map(|artifact| archive(artifact, packaged, palette))
        .collect();
    archives.join("\n")
}

/// Why the cloud would not take or start it.
pub(super) fn obstacles(packaged: &Packaged, palette: Palette) -> Vec<String> {
    let Palette { error, warning, .. } = palette;
    let findings = packaged.built.findings.iter().map(|finding| {
        let (style, word) = match finding.severity {
            Severity::Error => (error, "error"),
            Severity::Warning => (warning, "warning"),
        };
        format!(
            "{style}{word}{style:#}: {}: {}\n  {}",
            finding.file, finding.detail, finding.help
        )
    });
    let deployed = packaged.built.artifacts.first();
    let too_large = deployed.and_then(|artifact| match &artifact.route {
        Route::TooLarge { advice } => Some(format!(
            "{error}error{error:#}: `{}` is too large for {}: {advice}",
            artifact.function, artifact.provider
        )),
        Route::Fits { .. } => None,
    });
    findings.chain(too_large).collect()
}

fn archive(artifact: &Artifact, packaged: &Packaged, palette: Palette) -> String {
    let strong = palette.strong;
    let state = if packaged.built.fresh {
        "written"
    } else {
        "unchanged"
    };
    let weighed = mlfn_package::table(artifact, &packaged.routes);
    let choice = packaged.choice.as_ref();
    let engine = choice.map_or_else(String::new, |choice| format!("engine {choice}\n"));
    format!(
        "{strong}{}{strong:#} for {}: {} ({state}, sha256 {})\n{}{engine}\n{}\n{}",
        artifact.function,
        artifact.provider,
        artifact.path.display(),
        artifact.digest.short(),
        artifact.layer.as_ref().map_or_else(String::new, layer),
        parts(&weighed.rows, palette),
        routes(&weighed.routes, palette)
    )
}

fn layer(layer: &Layer) -> String {
    format!(
        "layer {} (sha256 {}), shared by all models and uploaded once\n",
        layer.path.display(),
        layer.digest.short()
    )
}

fn parts(rows: &[Row], palette: Palette) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| vec![row.part.to_owned(), size(row.size), size(row.packed)])
        .collect();
    let columns = [
        ("part", Align::Left),
        ("size", Align::Right),
        ("packed", Align::Right),
    ];
    table(&columns, &rows, palette)
}

fn routes(rows: &[RouteRow], palette: Palette) -> String {
    let limit = |limit: Option<u64>| limit.map_or_else(|| "none".to_owned(), size);
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.name.to_owned(),
                limit(row.max_unpacked),
                limit(row.max_packed),
                verdict(row),
            ]
        })
        .collect();
    let columns = [
        ("route", Align::Left),
        ("limit", Align::Right),
        ("packed limit", Align::Right),
        ("", Align::Left),
    ];
    table(&columns, &rows, palette)
}

fn verdict(row: &RouteRow) -> String {
    match (row.chosen, row.packed_over.max(row.unpacked_over)) {
        (true, _) => "used".to_owned(),
        (false, 0) => "fits".to_owned(),
        (false, over) => format!("{} too large", size(over)),
    }
}
