//! One JSON value -> one value of a tensor, without loss.

use half::{bf16, f16};

use crate::tensor::Element;

/// Why a JSON value is no value of the tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// It is of another type.
    Type,
    /// The element type ends before.
    Range,
    /// It has a fraction.
    Fraction,
    /// It is written as a float and too large to be sure which integer is meant.
    Inexact,
    /// The engine's texts end at a NUL.
    Nul,
}

/// What tensors are made of, read from JSON.
pub(super) trait FromJson: Element {
    fn of_bool(_: bool) -> Result<Self, Mismatch> {
        Err(Mismatch::Type)
    }

    fn of_i64(_: i64) -> Result<Self, Mismatch> {
        Err(Mismatch::Type)
    }

    fn of_u64(_: u64) -> Result<Self, Mismatch> {
        Err(Mismatch::Type)
    }

    fn of_f64(_: f64) -> Result<Self, Mismatch> {
        Err(Mismatch::Type)
    }

    fn of_str(_: &str) -> Result<Self, Mismatch> {
        Err(Mismatch::Type)
    }
}

impl FromJson for bool {
    fn of_bool(value: bool) -> Result<Self, Mismatch> {
        Ok(value)
    }
}

impl FromJson for String {
    fn of_str(value: &str) -> Result<Self, Mismatch> {
        if value.contains('\0') {
            return Err(Mismatch::Nul);
        }
        Ok(value.to_owned())
    }
}

macro_rules! integers {
    ($($rust:ty),*) => {$(
        impl FromJson for $rust {
            fn of_i64(value: i64) -> Result<Self, Mismatch> {
                value.try_into().map_err(|_| Mismatch::Range)
            }

            fn of_u64(value: u64) -> Result<Self, Mismatch> {
                value.try_into().map_err(|_| Mismatch::Range)
            }

            fn of_f64(value: f64) -> Result<Self, Mismatch> {
                Self::of_i64(whole(value)?)
            }
        }
    )*};
}
integers!(i8, i16, i32, i64, u8, u16, u32, u64);

/// `3.0` is an integer, as many languages write it; `3.5` is not.
fn whole(value: f64) -> Result<i64, Mismatch> {
    /// From here on, doubles skip integers: 2^53.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    /// Beyond every integer type: 2^64.
    const BEYOND: f64 = 18_446_744_073_709_551_616.0;
    if value.fract() != 0.0 {
        return Err(Mismatch::Fraction);
    }
    if value.abs() >= BEYOND {
        return Err(Mismatch::Range);
    }
    if value.abs() >= EXACT {
        return Err(Mismatch::Inexact);
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a whole number below 2^53 is an i64"
    )]
    Ok(value as i64)
}

macro_rules! floats {
    ($($rust:ty, $from:expr;)*) => {$(
        impl FromJson for $rust {
            fn of_i64(value: i64) -> Result<Self, Mismatch> {
                #[expect(clippy::cast_precision_loss, reason = "JSON numbers become floats here")]
                Self::of_f64(value as f64)
            }

            fn of_u64(value: u64) -> Result<Self, Mismatch> {
                #[expect(clippy::cast_precision_loss, reason = "JSON numbers become floats here")]
                Self::of_f64(value as f64)
            }

            fn of_f64(value: f64) -> Result<Self, Mismatch> {
                let narrow: Self = $from(value);
                // JSON has no infinity: this one comes from rounding.
                if narrow.is_finite() { Ok(narrow) } else { Err(Mismatch::Range) }
            }
        }
    )*};
}
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding to the nearest float is what is asked for"
)]
fn to_f32(value: f64) -> f32 {
    value as f32
}
floats! {
    f16, f16::from_f64;
    bf16, bf16::from_f64;
    f32, to_f32;
    f64, std::convert::identity;
}
