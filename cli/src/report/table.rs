//! Columns that line up.

use crate::printer::Palette;

/// Where the text of a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows below a head, two spaces between columns.
pub(super) fn table(head: &[(&str, Align)], rows: &[Vec<String>], palette: Palette) -> String {
    let strong = palette.strong;
    let titles: Vec<String> = head.iter().map(|(title, _)| (*title).to_owned()).collect();
    let widths: Vec<usize> = (0..head.len())
        .map(|column| width(std::iter::once(&titles).chain(rows), column))
        .collect();
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(head).zip(&widths);
        let padded: Vec<String> = cells
            .map(|((cell, (_, align)), width)| pad(cell, *align, *width))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut text = format!("{strong}{}{strong:#}\n", line(&titles));
    for row in rows {
        text += &line(row);
        text.push('\n');
    }
    text
}

/// Bytes as the limits of clouds are given, rounded up, so that nothing over a limit looks like it.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let Some((unit, factor)) = UNITS.iter().find(|(_, factor)| bytes >= *factor) else {
        return format!("{bytes} B");
    };
    let tenths = (u128::from(bytes) * 10).div_ceil(u128::from(*factor));
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// A text in which no digest is longer than people read: the first 12 digits of it.
pub(super) fn shortened(text: &str) -> String {
    let mut short = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c: char| !c.is_ascii_hexdigit());
        let (digits, after) = from.split_at(end.unwrap_or(from.len()));
        short.push_str(before);
        short.push_str(if digits.len() < 40 {
            digits
        } else {
            &digits[..12]
        });
        rest = after;
    }
    short + rest
}

/// `1 model`, `2 models`.
pub(super) fn count(number: usize, word: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {word}{end}")
}

fn width<'a>(rows: impl Iterator<Item = &'a Vec<String>>, column: usize) -> usize {
    let cells = rows.filter_map(|row| row.get(column));
    cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
}

fn pad(cell: &str, align: Align, width: usize) -> String {
    match align {
        Align::Left => format!("{cell:<width$}"),
        Align::Right => format!("{cell:>width$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let head = [("part", Align::Left), ("size", Align::Right)];
        let rows = [
            vec!["shim".to_owned(), "1".to_owned()],
            vec!["runtime".to_owned(), "100000".to_owned()],
        ];
        let expected = "part       size\nshim          1\nruntime  100000\n";
        assert_eq!(table(&head, &rows, Palette::new(false)), expected);
    }

    #[test]
    fn sizes_have_one_decimal() {
        let sizes = [0, 1023, 1024, 1025, 23 << 20, (2 << 30) + 1].map(size);
        let expected = ["0 B", "1023 B", "1.0 KiB", "1.1 KiB", "23.0 MiB", "2.1 GiB"];
        assert_eq!(sizes, expected);
    }

    #[test]
    fn digests_are_short() {
        let digest = "0123456789abcdef".repeat(4);
        assert_eq!(
            shortened(&format!("a@{digest}: {digest} cafe")),
            "a@0123456789ab: 0123456789ab cafe"
        );
        assert_eq!(shortened("iris-dev-classifier"), "iris-dev-classifier");
    }

    #[test]
    fn more_than_one_is_a_plural() {
        assert_eq!(
            [0, 1, 2].map(|n| count(n, "model")),
            ["0 models", "1 model", "2 models"]
        );
    }
}
