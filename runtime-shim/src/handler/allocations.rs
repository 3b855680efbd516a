//! No form of a request takes an allocation for each value, going in or out: vectors grow by
//! doubling, and nothing else depends on how many values there are.

use std::fmt::Write as _;

use bytes::Bytes;
use mlfn_shim_contract::ShimConfig;

use super::{Handler, Timings};
use crate::codec::content::Form;
use crate::codec::failure::Failure;
use crate::engine::Dim;
use crate::engine::echo::{Echo, input};
use crate::tensor::ElementType;

const FEW: usize = 100;
const MANY: usize = 100_000;

/// What doubling may take from [`FEW`] to [`MANY`] values, for some six vectors on the way.
const DOUBLINGS: u64 = 32;

type Ask = fn(&Handler, &Bytes) -> Result<Vec<u8>, Failure>;

fn config() -> ShimConfig {
    ShimConfig {
        max_request: 1 << 24,
        max_response: 1 << 24,
        ..super::tests::config()
    }
}

/// As many allocations, or nearly, for many values as for few.
#[track_caller]
fn check(what: &str, request: fn(usize) -> Vec<u8>, ask: Ask) {
    let dims = vec![Dim::Symbol("N".to_owned()), Dim::Fixed(2)];
    let engine = Echo::new(vec![input("x", ElementType::Float32, dims)]);
    let handler = Handler::new(Box::new(engine), config());
    let count = |values: usize| {
        let request = Bytes::from(request(values));
        let mut length = 0;
        let counted = allocation_counter::measure(|| {
            length = ask(&handler, &request).expect("is answered").len();
        });
        assert!(
            length > values,
            "{what}: {length} bytes for {values} values"
        );
        counted.count_total
    };
    let (few, many) = (count(FEW), count(MANY));
    assert!(few > 0, "{what}: the counter counts");
    assert!(many <= few + DOUBLINGS, "{what}: {few}, then {many}");
}

/// Rows of two numbers with all the digits of a float.
fn rows(values: usize) -> String {
    let mut text = String::from("[");
    for row in 0..values / 2 {
        let comma = if row == 0 { "" } else { "," };
        let _ = write!(text, "{comma}[{row}.1234567,-0.00{row}]");
    }
    text + "]"
}

fn flat(values: usize) -> String {
    rows(values)
        .replace("],[", ",")
        .replace("[[", "[")
        .replace("]]", "]")
}

fn simple(values: usize) -> Vec<u8> {
    format!("{{\"features\": {}}}", rows(values)).into_bytes()
}

fn open(values: usize) -> Vec<u8> {
    format!(
        r#"{{"inputs": [{{"name": "x", "datatype": "FP32", "shape": [{}, 2], "data": {}}}]}}"#,
        values / 2,
        flat(values)
    )
    .into_bytes()
}

/// The head in JSON, and values that follow it as bytes.
fn binary(values: usize) -> Vec<u8> {
    let mut body = binary_head(values);
    body.extend((0..values).flat_map(|_| 1.5_f32.to_le_bytes()));
    body
}

fn binary_head(values: usize) -> Vec<u8> {
    let (rows, bytes) = (values / 2, values * size_of::<f32>());
    format!(
        r#"{{"inputs": [{{"name": "x", "datatype": "FP32", "shape": [{rows:>9}, 2],
            "parameters": {{"binary_data_size": {bytes:>9}}}}}],
            "parameters": {{"binary_data_output": true}}}}"#
    )
    .into_bytes()
}

fn npy(values: usize) -> Vec<u8> {
    let header = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, 2), }}",
        values / 2
    );
    let header = format!("{header:<117}\n");
    let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    file.extend(header.as_bytes());
    file.extend((0..values).flat_map(|_| 1.5_f32.to_le_bytes()));
    file
}

#[test]
fn values_are_not_allocated_one_by_one() {
    check("the simple format", simple, |handler, body| {
        handler.handle(body, &mut Timings::default())
    });
    check("the open protocol", open, |handler, body| {
        let found = handler.infer(body, None, &mut Timings::default());
        found.map(|content| content.body)
    });
    check("the open protocol's bytes", binary, |handler, body| {
        let head = binary_head(0).len();
        let found = handler.infer(body, Some(head), &mut Timings::default());
        found.map(|content| content.body)
    });
    check("NumPy's files", npy, |handler, body| {
        let timings = &mut Timings::default();
        let found = handler.predict_in(body, Form::Npy, Form::Npy, timings);
        found.map(|content| content.body)
    });
}
