//! The length of a hypotenuse, which tract's dependencies ask C's library for. glibc 2.35 has it
//! under a new version, so that a program that is linked on such a system does not start where there
//! is an older one, as on AWS Lambda. Programs that define it do not ask.

#![expect(
    unsafe_code,
    reason = "a function of C's name is how the linker finds it before that of glibc"
)]

/// Makes sure that this file is linked.
pub(super) fn define() {
    std::hint::black_box((
        hypot as extern "C" fn(_, _) -> _,
        hypotf as extern "C" fn(_, _) -> _,
    ));
}

/// The square root of `x * x + y * y`, without too large or too small squares on the way.
// SAFETY: it has the signature and the meaning of C's function of this name.
#[unsafe(no_mangle)]
extern "C" fn hypot(x: f64, y: f64) -> f64 {
    if x.is_infinite() || y.is_infinite() {
        return f64::INFINITY;
    }
    let (x, y) = (x.abs(), y.abs());
    let (long, short) = if x < y { (y, x) } else { (x, y) };
    if long == 0.0 {
        return long + short;
    }
    let ratio = short / long;
    long * (ratio * ratio + 1.0).sqrt()
}

/// The same of smaller numbers.
// SAFETY: it has the signature and the meaning of C's function of this name.
#[unsafe(no_mangle)]
extern "C" fn hypotf(x: f32, y: f32) -> f32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "C's function answers a float"
    )]
    let length = hypot(f64::from(x), f64::from(y)) as f32;
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hypotenuses_are_those_of_c() {
        let table = [
            (3.0, 4.0, 5.0),
            (-4.0, 3.0, 5.0),
            (0.0, -2.0, 2.0),
            (0.0, 0.0, 0.0),
            (3e300, 4e300, 5e300),
            (3e-300, 4e-300, 5e-300),
            (f64::INFINITY, f64::NAN, f64::INFINITY),
        ];
        for (x, y, expected) in table {
            let found = hypot(x, y);
            let is_it = (found - expected).abs() <= expected * 1e-15
                || found.to_bits() == expected.to_bits();
            assert!(is_it, "{x} {y}: {found}");
        }
        assert!(hypot(f64::NAN, 1.0).is_nan());
        assert!(hypot(0.0, f64::NAN).is_nan());
        assert!((hypotf(3.0, 4.0) - 5.0).abs() < 1e-6);
    }
}
