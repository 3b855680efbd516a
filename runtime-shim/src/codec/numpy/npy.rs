//! One array: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use ::bytes::Bytes;

use super::NPY_MAGIC;
use crate::codec::bytes::{self, Order};
use crate::codec::failure::{Code, Failure, shortened};
use crate::tensor::{Data, ElementType, Tensor, count};

/// The data begin at a multiple of this.
const ALIGNMENT: usize = 64;

/// What stands before the data.
struct Header<'a> {
    /// The type, e.g. `<f4`.
    descr: &'a str,
    /// Whether the first index changes fastest.
    is_fortran: bool,
    shape: Vec<usize>,
}

/// Reads an array. `name` is for messages.
pub(super) fn read(file: &Bytes, name: &str) -> Result<Tensor, Failure> {
    let wrong = |what: &str| {
        let message = format!("`{name}` is not an array as `numpy.save` writes it: {what}");
        Failure::new(Code::NotAnArray, message)
    };
    let (header, data) = split(file).ok_or_else(|| wrong("it has no header"))?;
    let header = Header::read(header).ok_or_else(|| wrong("its header has another form"))?;
    let count = count(&header.shape);
    let count = count.ok_or_else(|| wrong("it has more values than there can be"))?;
    let values = values(header.descr, &file.slice_ref(data)).ok_or_else(|| {
        let descr = shortened(header.descr);
        wrong(&format!(
            "values of the type `{descr}` cannot be read or end too early"
        ))
    })?;
    if values.len() != count {
        let found = values.len();
        return Err(wrong(&format!(
            "it has {found} values, but its shape has {count}"
        )));
    }
    let data = if header.is_fortran {
        c_order(&values, &header.shape).ok_or_else(|| wrong("its values end too early"))?
    } else {
        values
    };
    Ok(Tensor {
        shape: header.shape,
        data,
    })
}

fn split(file: &[u8]) -> Option<(&str, &[u8])> {
    let rest = file.strip_prefix(NPY_MAGIC)?;
    let ([major, _minor], rest) = rest.split_first_chunk()?;
    let (length, rest) = match major {
        1 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::try_from(u32::from_le_bytes(*length)).ok()?, rest)
        }
        _ => return None,
    };
    let (header, data) = rest.split_at_checked(length)?;
    Some((str::from_utf8(header).ok()?, data))
}

impl<'a> Header<'a> {
    /// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`, the keys in any order.
    fn read(text: &'a str) -> Option<Self> {
        let after = |key: &str| {
            let (_, rest) = text.split_once(key)?;
            Some(rest.trim_start().strip_prefix(':')?.trim_start())
        };
        let descr = after("'descr'")?.strip_prefix('\'')?;
        let (descr, _) = descr.split_once('\'')?;
        let is_fortran = after("'fortran_order'")?;
        let is_fortran = match is_fortran.as_bytes().first()? {
            b'T' => true,
            b'F' => false,
            _ => return None,
        };
        let (shape, _) = after("'shape'")?.strip_prefix('(')?.split_once(')')?;
        let sizes = shape.split(',').map(str::trim);
        let sizes = sizes.filter(|size| !size.is_empty());
        let shape = sizes.map(|size| size.parse().ok());
        Some(Self {
            descr,
            is_fortran,
            shape: shape.collect::<Option<_>>()?,
        })
    }
}

fn values(descr: &str, data: &Bytes) -> Option<Data> {
    let order = match descr.as_bytes().first()? {
        b'>' => Order::Big,
        b'<' | b'|' | b'=' => Order::Little,
        _ => return None,
    };
    let kind = descr.get(1..2)?;
    let size: usize = descr.get(2..)?.parse().ok()?;
    let element = match (kind, size) {
        ("b", 1) => ElementType::Bool,
        ("i", 1) => ElementType::Int8,
        ("i", 2) => ElementType::Int16,
        ("i", 4) => ElementType::Int32,
        ("i", 8) => ElementType::Int64,
        ("u", 1) => ElementType::Uint8,
        ("u", 2) => ElementType::Uint16,
        ("u", 4) => ElementType::Uint32,
        ("u", 8) => ElementType::Uint64,
        ("f", 2) => ElementType::Float16,
        ("f", 4) => ElementType::Float32,
        ("f", 8) => ElementType::Float64,
        ("U", 1..) => return unicode(data, size.checked_mul(4)?, order),
        ("S", 1..) => return ascii(data, size),
        _ => return None,
    };
    bytes::read(element, data, order)
}

/// Texts of characters of 4 bytes, filled up with zeros.
fn unicode(data: &Bytes, size: usize, order: Order) -> Option<Data> {
    let Data::Uint32(codes) = bytes::read(ElementType::Uint32, data, order)? else {
        return None;
    };
    let texts = codes.chunks(size / 4).map(|text| {
        let end = text
            .iter()
            .rposition(|code| *code != 0)
            .map_or(0, |last| last + 1);
        let characters = text[..end].iter();
        // A NUL inside of a text is something that the engine's texts cannot hold.
        let characters = characters.map(|code| char::from_u32(*code).filter(|c| *c != '\0'));
        characters.collect::<Option<String>>()
    });
    texts.collect::<Option<_>>().map(Data::String)
}

/// Texts of bytes, filled up with zeros.
fn ascii(data: &[u8], size: usize) -> Option<Data> {
    let texts = data.chunks(size).map(|text| {
        let end = text
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        let text = str::from_utf8(&text[..end]).ok()?;
        (!text.contains('\0')).then(|| text.to_owned())
    });
    texts.collect::<Option<_>>().map(Data::String)
}

/// Values of which the first index changes fastest, as others that have the last one do so.
fn c_order(values: &Data, shape: &[usize]) -> Option<Data> {
    let mut indices = vec![0; shape.len()];
    let mut order = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        // Horner's scheme, from the index that changes slowest.
        let pairs = indices.iter().zip(shape).rev();
        order.push(pairs.fold(0, |place, (index, size)| place * size + index));
        for (index, size) in indices.iter_mut().zip(shape).rev() {
            *index += 1;
            if *index < *size {
                break;
            }
            *index = 0;
        }
    }
    values.pick(&order)
}

/// Writes an array, in version 1 of the format.
pub(super) fn write(tensor: &Tensor) -> Vec<u8> {
    let (descr, data) = descr(&tensor.data);
    let sizes: Vec<String> = tensor.shape.iter().map(|size| format!("{size},")).collect();
    let shape = sizes.join(" ");
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    // Magic, version and length take 10 bytes, and a newline ends the header.
    let size = (NPY_MAGIC.len() + 4 + header.len() + 1).next_multiple_of(ALIGNMENT);
    let length = size - NPY_MAGIC.len() - 4;
    let mut out = NPY_MAGIC.to_vec();
    out.extend_from_slice(&[1, 0]);
    // A shape has few dimensions.
    out.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(header.as_bytes());
    out.resize(size - 1, b' ');
    out.push(b'\n');
    out.extend_from_slice(&data);
    out
}

/// The name of the type of values, and their bytes.
fn descr(data: &Data) -> (String, Vec<u8>) {
    let mut out = Vec::new();
    let name = match data {
        Data::Bool(_) => "|b1",
        Data::Int8(_) => "|i1",
        Data::Int16(_) => "<i2",
        Data::Int32(_) => "<i4",
        Data::Int64(_) => "<i8",
        Data::Uint8(_) => "|u1",
        Data::Uint16(_) => "<u2",
        Data::Uint32(_) => "<u4",
        Data::Uint64(_) => "<u8",
        Data::Float16(_) => "<f2",
        Data::Float32(_) => "<f4",
        Data::Float64(_) => "<f8",
        // NumPy has no such type; each of these is also a float of 32 bits.
        Data::Bfloat16(values) => {
            let values = values.iter().map(|value| value.to_f32());
            bytes::write(&Data::Float32(values.collect()), &mut out);
            return ("<f4".to_owned(), out);
        }
        Data::String(values) => {
            let longest = values.iter().map(|text| text.chars().count()).max();
            // NumPy has no texts of no size.
            let longest = longest.unwrap_or(0).max(1);
            for text in values.iter() {
                let codes = text.chars().map(u32::from).chain(std::iter::repeat(0));
                out.extend(codes.take(longest).flat_map(u32::to_le_bytes));
            }
            return (format!("<U{longest}"), out);
        }
    };
    bytes::write(data, &mut out);
    (name.to_owned(), out)
}
