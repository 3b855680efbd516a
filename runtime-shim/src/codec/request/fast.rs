//! Nested arrays of plain numbers, read at several times the speed of the general way.
//!
//! Images are megabytes of JSON and nearly all of it is floats. What is not exactly of that form, or
//! is wrong in any way, is left to the general way, which can say what is wrong.

use super::array::Found;
use super::{FEATURES, Request, fit, rows};
use crate::codec::names::Names;
use crate::engine::{InputKind, Signature};
use crate::tensor::{Data, ElementType, Tensor};

/// Deeper arrays are left to the general way.
const MAX_DEPTH: usize = 8;

/// Powers of ten that doubles hold exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Digits that a `u64` holds whatever they are.
const MAX_DIGITS: usize = 19;

/// A request that is one array of numbers for the only input of a model of 32-bit floats.
pub(super) fn read(body: &[u8], signature: &Signature, names: &Names) -> Option<Request> {
    let [input] = signature.inputs.as_slice() else {
        return None;
    };
    let InputKind::Tensor {
        element: ElementType::Float32,
        dims,
    } = &input.kind
    else {
        return None;
    };
    let mut text = Text { rest: body };
    text.expect(b'{')?;
    text.expect(b'"')?;
    let end = text.rest.iter().position(|byte| *byte == b'"')?;
    let key = str::from_utf8(text.rest.get(..end)?).ok()?;
    if key != input.name && key != FEATURES {
        return None;
    }
    text.rest = &text.rest[end + 1..];
    text.expect(b':')?;
    let (shape, values) = text.arrays()?;
    text.expect(b'}')?;
    text.end()?;
    let (shape, found) = fit::fit(&fit::Given {
        key,
        shape: &shape,
        dims,
        names: names.of(&input.name),
        is_one_object: false,
    })
    .ok()?;
    let found = Found {
        tensor: Tensor {
            shape,
            data: Data::Float32(values.into()),
        },
        rows: found,
    };
    let rows = rows(std::slice::from_ref(&found));
    Some(Request {
        inputs: vec![found.tensor],
        rows,
    })
}

/// Arrays of numbers that stand alone: 32-bit floats in the shape that was found.
pub(super) fn values(text: &[u8]) -> Option<Tensor> {
    let mut text = Text { rest: text };
    let (shape, values) = text.arrays()?;
    text.end()?;
    Some(Tensor {
        shape,
        data: Data::Float32(values.into()),
    })
}

/// What is not read yet.
struct Text<'a> {
    rest: &'a [u8],
}

/// Values as they come, and the size of the arrays of each depth.
#[derive(Default)]
struct Arrays {
    values: Vec<f32>,
    sizes: Vec<usize>,
    /// How deep the numbers stand.
    depth: Option<usize>,
}

impl Text<'_> {
    fn arrays(&mut self) -> Option<(Vec<usize>, Vec<f32>)> {
        let mut arrays = Arrays::default();
        // Numbers of several digits and a comma: to have nothing to copy later.
        arrays.values.reserve(self.rest.len() / 16);
        self.expect(b'[')?;
        self.array(0, &mut arrays)?;
        Some((arrays.sizes, arrays.values))
    }

    /// What follows an opening bracket, to the closing one.
    fn array(&mut self, depth: usize, arrays: &mut Arrays) -> Option<()> {
        if depth >= MAX_DEPTH {
            return None;
        }
        let place = arrays.sizes.len() == depth;
        if place {
            // Known as soon as this array ends.
            arrays.sizes.push(usize::MAX);
        }
        let mut count = 0;
        loop {
            self.skip();
            if self.rest.first() == Some(&b'[') {
                self.rest = &self.rest[1..];
                self.array(depth + 1, arrays)?;
            } else {
                if *arrays.depth.get_or_insert(depth) != depth {
                    return None;
                }
                arrays.values.push(self.number()?);
            }
            count += 1;
            self.skip();
            let (next, rest) = self.rest.split_first()?;
            self.rest = rest;
            match next {
                b',' => {}
                b']' => break,
                _ => return None,
            }
        }
        let size = arrays.sizes.get_mut(depth)?;
        if place {
            *size = count;
        }
        (*size == count).then_some(())
    }

    fn skip(&mut self) {
        while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.skip();
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        (*first == byte).then_some(())
    }

    fn end(&mut self) -> Option<()> {
        self.skip();
        self.rest.is_empty().then_some(())
    }

    /// A number of JSON, as the 32-bit float next to the double next to it.
    fn number(&mut self) -> Option<f32> {
        let text = self.rest;
        let is_negative = self.take(b'-');
        let mut digits = Digits::default();
        let leading = self.rest.first();
        self.digits(&mut digits);
        if digits.count == 0 || (digits.count > 1 && leading == Some(&b'0')) {
            return None;
        }
        let mut exponent = 0;
        if self.take(b'.') {
            let before = digits.count;
            self.digits(&mut digits);
            let fraction = digits.count - before;
            exponent = -i32::try_from(fraction).ok().filter(|count| *count > 0)?;
        }
        if matches!(self.rest.first(), Some(b'e' | b'E')) {
            self.rest = &self.rest[1..];
            exponent = exponent.checked_add(self.exponent()?)?;
        }
        let value = digits.value(exponent);
        let value = value.or_else(|| {
            let length = text.len() - self.rest.len();
            let text = str::from_utf8(&text[..length]).ok()?;
            // The sign comes below.
            text.trim_start_matches('-').parse().ok().map(narrow)
        })?;
        let value = if is_negative { -value } else { value };
        value.is_finite().then_some(value)
    }

    fn exponent(&mut self) -> Option<i32> {
        let is_negative = self.take(b'-');
        if !is_negative {
            self.take(b'+');
        }
        let mut digits = Digits::default();
        self.digits(&mut digits);
        let size = i32::try_from(digits.value).ok();
        let size = size.filter(|_| (1..=MAX_DIGITS).contains(&digits.count))?;
        Some(if is_negative { -size } else { size })
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.rest.first() == Some(&byte);
        if is_next {
            self.rest = &self.rest[1..];
        }
        is_next
    }

    fn digits(&mut self, digits: &mut Digits) {
        while let Some((chunk, rest)) = self.rest.split_first_chunk() {
            let Some(eight) = eight_digits(u64::from_le_bytes(*chunk)) else {
                break;
            };
            digits.push(eight, 100_000_000, 8);
            self.rest = rest;
        }
        while let [digit @ b'0'..=b'9', rest @ ..] = self.rest {
            digits.push(u64::from(digit - b'0'), 10, 1);
            self.rest = rest;
        }
    }
}

/// Eight characters at once, if all of them are digits: each step adds up neighbours.
fn eight_digits(text: u64) -> Option<u64> {
    const HIGH: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    const THREES: u64 = 0x3333_3333_3333_3333;
    let above = (text.wrapping_add(0x0606_0606_0606_0606) & HIGH) >> 4;
    if (text & HIGH) | above != THREES {
        return None;
    }
    let ones = text & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = (ones.wrapping_mul(2561) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(6_553_601) >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(42_949_672_960_001) >> 32)
}

/// The digits of a number as an integer, right for as many as it holds.
#[derive(Default)]
struct Digits {
    value: u64,
    count: usize,
}

impl Digits {
    fn push(&mut self, digits: u64, scale: u64, count: usize) {
        self.value = self.value.wrapping_mul(scale).wrapping_add(digits);
        self.count += count;
    }

    /// The float next to the double next to `self * 10^exponent`; none if that is not sure.
    fn value(&self, exponent: i32) -> Option<f32> {
        /// Up to here, doubles hold every integer: 2^53.
        const EXACT: u64 = 1 << 53;
        /// Twice the error of a rounded integer divided by a power of ten: 2^-51.
        const ERROR: f64 = 2.0 * f64::EPSILON;
        if self.count > MAX_DIGITS {
            return None;
        }
        let power = *POWERS.get(usize::try_from(exponent.unsigned_abs()).ok()?)?;
        #[expect(clippy::cast_precision_loss, reason = "it is looked at below")]
        let digits = self.value as f64;
        let value = if exponent < 0 {
            digits / power
        } else {
            digits * power
        };
        if self.value <= EXACT {
            return Some(narrow(value));
        }
        let (low, high) = (narrow(value * (1.0 - ERROR)), narrow(value * (1.0 + ERROR)));
        (low.to_bits() == high.to_bits()).then_some(low)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the model has floats of 32 bits"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the general way makes of a number.
    #[track_caller]
    fn check(number: &str) {
        let text = format!("[{number}]");
        let expected: Option<f64> = serde_json::from_str(number).ok();
        let expected = expected.map(narrow).filter(|value| value.is_finite());
        let found = values(text.as_bytes()).map(|tensor| tensor.data);
        let found = found.and_then(|data| match data {
            Data::Float32(values) => Some(values[0].to_bits()),
            _ => None,
        });
        assert_eq!(found, expected.map(f32::to_bits), "{number}");
    }

    #[test]
    fn numbers_are_read_as_in_the_general_way() {
        for number in [
            "0",
            "-0",
            "-0.0",
            "1",
            "12",
            "1e5",
            "1E-5",
            "1.5e+2",
            "00",
            "01",
            "1.",
            ".5",
            "-",
            "+1",
            "1e",
            "1e+",
            "0.1",
            "3.4028235e38",
            "3.4028236e38",
            "1e39",
            "1e-46",
            "7e-46",
            "1e400",
            "16777217",
            "16777217.0000000000001",
            "9007199254740993",
            "18446744073709551616",
            "123456789012345678901234567890",
            "0.000000000000000000000000000001",
            "1.17549435082228750796873653722e-38",
            "0.12345678955316544",
            "1 2",
            "1a",
            "NaN",
            "null",
        ] {
            check(number);
        }
    }

    proptest! {
        #[test]
        fn doubles_are_read_as_in_the_general_way(bits: u64, small in -1e6_f64..1e6) {
            let value = f64::from_bits(bits);
            if value.is_finite() {
                check(&format!("{value:?}"));
            }
            check(&format!("{small:?}"));
        }

        #[test]
        fn floats_are_read_as_they_were_written(bits: u32) {
            let value = f32::from_bits(bits);
            if value.is_finite() {
                check(&format!("{value:?}"));
                check(&format!("{:?}", f64::from(value)));
            }
        }

        #[test]
        fn texts_are_read_as_in_the_general_way(text in "-?[0-9]{1,25}(\\.[0-9]{0,25})?([eE][-+]?[0-9]{1,3})?") {
            check(&text);
        }
    }

    #[test]
    fn arrays_are_read_in_their_shape_or_left_alone() {
        #[track_caller]
        fn check(text: &str, expected: Option<&[usize]>) {
            let shape = values(text.as_bytes()).map(|tensor| tensor.shape);
            assert_eq!(shape.as_deref(), expected, "{text}");
        }
        check(" [ 1 , 2.5e0 ]\n", Some(&[2]));
        check("[[1,2],[3,4],[5,6]]", Some(&[3, 2]));
        check("[[[1]],[[2]]]", Some(&[2, 1, 1]));
        for text in [
            "",
            "[",
            "[]",
            "[1",
            "[1,]",
            "[1]]",
            "[1] 2",
            "[[1],[2,3]]",
            "[[1],2]",
            "[1,[2]]",
            "[[],[]]",
            "[\"a\"]",
            "[true]",
            "[null]",
            "[{}]",
            "[[[[[[[[[1]]]]]]]]]",
        ] {
            check(text, None);
        }
    }
}
