//! Tensors in files: the `.npy` format of `NumPy`
//! (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>).

use serde_json::Value as Json;

/// What starts every file.
const MAGIC: &[u8] = b"\x93NUMPY";

/// A file that is no tensor, or none that can be sent as JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TensorFileError(String);

/// How the bytes are to be read.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    kind: u8,
    size: usize,
    big_endian: bool,
    shape: Vec<usize>,
}

/// A tensor as nested arrays.
pub(crate) fn npy(bytes: &[u8]) -> Result<Json, TensorFileError> {
    let (header, data) = split(bytes)?;
    let header = parse(&header)?;
    let numbers = numbers(&header, data)?;
    let shape = header.shape.iter();
    let count = shape.fold(1_usize, |count, length| count.saturating_mul(*length));
    if count == 0 {
        return Err(error("it is empty"));
    }
    if numbers.len() != count {
        let (found, shape) = (numbers.len(), &header.shape);
        return Err(error(format!(
            "it has {found} numbers, and its shape is {shape:?}"
        )));
    }
    Ok(nest(&mut numbers.into_iter(), &header.shape))
}

/// The header's text and the bytes after it.
fn split(bytes: &[u8]) -> Result<(String, &[u8]), TensorFileError> {
    let not_one = || error("it is not a file of NumPy's `.npy` format");
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(not_one)?;
    let (length, rest) = match rest {
        [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => {
            let length = u32::from_le_bytes([*a, *b, *c, *d]);
            (usize::try_from(length).map_err(|_| not_one())?, rest)
        }
        _ => return Err(not_one()),
    };
    let (header, data) = rest.split_at_checked(length).ok_or_else(not_one)?;
    Ok((String::from_utf8_lossy(header).into_owned(), data))
}

/// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }`.
fn parse(header: &str) -> Result<Header, TensorFileError> {
    let after = |key: &str| {
        let start = header.find(&format!("'{key}':"))? + key.len() + 3;
        Some(header.get(start..)?.trim_start())
    };
    let incomplete = || error(format!("its header cannot be read: {header}"));
    let quoted = after("descr").and_then(|text| text.strip_prefix('\''));
    let descr = quoted.and_then(|text| text.split('\'').next());
    let order = after("fortran_order").ok_or_else(incomplete)?;
    if order.starts_with("True") {
        return Err(error(
            "it is in Fortran's order; save it with `numpy.ascontiguousarray`",
        ));
    }
    let list = after("shape").and_then(|text| text.strip_prefix('('));
    let list = list.and_then(|text| text.split(')').next());
    let shape = list.ok_or_else(incomplete)?.split(',').map(str::trim);
    let shape: Option<Vec<usize>> = shape
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().ok())
        .collect();
    let shape = shape.ok_or_else(incomplete)?;
    match descr.ok_or_else(incomplete)?.as_bytes() {
        [order @ (b'<' | b'>' | b'|' | b'='), kind, size] if size.is_ascii_digit() => Ok(Header {
            kind: *kind,
            size: usize::from(size - b'0'),
            big_endian: *order == b'>',
            shape,
        }),
        _ => Err(error(format!(
            "its numbers are of the type {}, which JSON does not have",
            descr.unwrap_or_default()
        ))),
    }
}

fn numbers(header: &Header, data: &[u8]) -> Result<Vec<Json>, TensorFileError> {
    let Header { kind, size, .. } = header;
    let known = matches!(
        (kind, size),
        (b'f', 4 | 8) | (b'i' | b'u', 1 | 2 | 4 | 8) | (b'b', 1)
    );
    if !known {
        let kind = char::from(*kind);
        return Err(error(format!(
            "its numbers are of the type {kind}{size}; save it as float32, float64, an integer or bool"
        )));
    }
    let number = |chunk: &[u8]| {
        let mut bytes = [0; 8];
        let (start, negative) = (8 - chunk.len(), *kind == b'i' && is_negative(header, chunk));
        if negative {
            bytes = [0xff; 8];
        }
        let target = &mut bytes[start..];
        target.copy_from_slice(chunk);
        if !header.big_endian {
            target.reverse();
        }
        value(header, bytes)
    };
    Ok(data.chunks_exact(*size).map(number).collect())
}

fn is_negative(header: &Header, chunk: &[u8]) -> bool {
    let highest = if header.big_endian {
        chunk.first()
    } else {
        chunk.last()
    };
    highest.is_some_and(|byte| byte & 0x80 != 0)
}

/// Of eight bytes, the highest first.
fn value(header: &Header, bytes: [u8; 8]) -> Json {
    let [_, _, _, _, low @ ..] = bytes;
    match (header.kind, header.size) {
        // The shortest text that is this number; as 64 bits, 5.1 would be 5.099999904632568.
        (b'f', 4) => {
            let text = f32::from_be_bytes(low).to_string();
            text.parse::<f64>().map_or(Json::Null, Json::from)
        }
        (b'f', _) => Json::from(f64::from_be_bytes(bytes)),
        (b'i', _) => Json::from(i64::from_be_bytes(bytes)),
        (b'b', _) => Json::from(bytes != [0; 8]),
        _ => Json::from(u64::from_be_bytes(bytes)),
    }
}

fn nest(numbers: &mut impl Iterator<Item = Json>, shape: &[usize]) -> Json {
    match shape {
        [] => numbers.next().unwrap_or(Json::Null),
        [length, inner @ ..] => {
            let mut items = Vec::new();
            for _ in 0..*length {
                items.push(nest(numbers, inner));
            }
            Json::Array(items)
        }
    }
}

fn error(message: impl Into<String>) -> TensorFileError {
    TensorFileError(message.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        with_header(
            &format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"),
            data,
        )
    }

    fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(header.len()).expect("is short");
        let parts = [
            MAGIC,
            &[1, 0],
            &length.to_le_bytes(),
            header.as_bytes(),
            data,
        ];
        parts.concat()
    }

    #[track_caller]
    fn check(descr: &str, shape: &str, data: &[u8], expected: &Json) {
        assert_eq!(npy(&file(descr, shape, data)).as_ref(), Ok(expected));
    }

    #[test]
    fn numbers_of_every_type_are_read() {
        let floats = [5.1_f32, -0.2].map(f32::to_le_bytes).concat();
        check("<f4", "(1, 2)", &floats, &json!([[5.1, -0.2]]));
        check("<f8", "(1,)", &0.1_f64.to_le_bytes(), &json!([0.1]));
        check("<i8", "()", &(-5_i64).to_le_bytes(), &json!(-5));
        check(">i2", "(2,)", &[0xff, 0xfe, 1, 0], &json!([-2, 256]));
        check("|u1", "(2, 1)", &[0, 255], &json!([[0], [255]]));
        check("|b1", "(2,)", &[0, 1], &json!([false, true]));
    }

    #[track_caller]
    fn check_refused(bytes: &[u8], expected: &str) {
        let error = npy(bytes).expect_err("is refused").to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        check_refused(b"PK\x03\x04", "not a file");
        check_refused(&file("<f2", "(1,)", &[0, 0]), "f2");
        check_refused(&file("<U5", "(1,)", &[0; 20]), "U5");
        check_refused(&file("<f4", "(3,)", &[0; 4]), "it has 1 numbers");
        check_refused(&file("<f4", "(x,)", &[0; 4]), "header");
        check_refused(&file("<f4", "(0, 4)", &[]), "empty");
        let fortran = "{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }";
        check_refused(&with_header(fortran, &[0; 4]), "Fortran");
        check_refused(&with_header("{}", &[]), "header");
    }
}
