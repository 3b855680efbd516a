//! Models whose weights are mapped out of the original file.

use std::fmt::Write as _;

use crate::support::{Package, Shim};

/// The rows and columns of a matrix of 1 MiB.
const WIDTH: u16 = 512;

#[test]
fn a_mapped_model_answers_the_same_bits() {
    let whole = Shim::http(&Package::with(product()));
    let mapped = Shim::http(&Package::with(product()).mapped());
    for sample in 1..=3 {
        let mut row = String::from("0");
        for place in 1..WIDTH {
            let _ = write!(
                row,
                ",{}",
                f32::from(place % 37) / f32::from(sample * 7_u16)
            );
        }
        let request = format!(r#"{{"features": [{row}]}}"#);
        assert_eq!(mapped.predict(&request).body, whole.predict(&request).body);
        assert_eq!(whole.predict(&request).status, 200);
    }
}

#[test]
fn a_graph_without_its_weights_is_a_model_that_cannot_be_loaded() {
    let folder = Package::with(product()).mapped().write();
    fs_err::write(folder.path().join("model/model.onnx"), "cut").expect("writes");
    let root = folder.path().to_str().expect("text");
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_mlfn-shim"));
    let line = Shim::start(binary, &[("PORT", "0"), ("MLFN_ROOT", root)]).wait_for("cannot load");
    assert_eq!(line["level"], "error", "{line}");
}

/// `y[N, 512] = x[N, 512] w[512, 512]`, in the format of protobuf.
pub(crate) fn product() -> Vec<u8> {
    let weights: Vec<u8> = (0..u32::from(WIDTH) * u32::from(WIDTH))
        .flat_map(|i| f32::to_le_bytes(f32::from(i.to_le_bytes()[0]) / 256.0 - 0.5))
        .collect();
    let width = number(1, WIDTH.into());
    let tensor = [
        width.repeat(2),
        number(2, 1),
        field(8, b"w"),
        field(9, &weights),
    ]
    .concat();
    let names = [field(1, b"x"), field(1, b"w"), field(2, b"y")].concat();
    let graph = [
        field(1, &[names, field(4, b"MatMul")].concat()),
        field(2, b"product"),
        field(5, &tensor),
        field(11, &value("x")),
        field(12, &value("y")),
    ];
    let opset = number(2, 17);
    [number(1, 8), field(7, &graph.concat()), field(8, &opset)].concat()
}

/// A tensor of floats [N, 512].
fn value(name: &str) -> Vec<u8> {
    let shape = [
        field(1, &field(2, b"N")),
        field(1, &number(1, WIDTH.into())),
    ]
    .concat();
    let tensor = field(1, &[number(1, 1), field(2, &shape)].concat());
    [field(1, name.as_bytes()), field(2, &tensor)].concat()
}

fn field(key: u8, bytes: &[u8]) -> Vec<u8> {
    [
        vec![key << 3 | 2],
        varint(bytes.len() as u64),
        bytes.to_vec(),
    ]
    .concat()
}

fn number(key: u8, value: u64) -> Vec<u8> {
    [vec![key << 3], varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
    bytes
}
