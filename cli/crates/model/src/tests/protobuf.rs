//! Writes protobuf, as much as bad models need.

/// A field with bytes: text or a message.
pub(super) fn bytes(number: u8, value: &[u8]) -> Vec<u8> {
    [
        &varint((u64::from(number) << 3) | 2),
        &varint(value.len() as u64),
        value,
    ]
    .concat()
}

/// A field with a number.
pub(super) fn number(number: u8, value: u64) -> Vec<u8> {
    [varint(u64::from(number) << 3), varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(u8::try_from((value & 0x7f) | 0x80).expect("one byte"));
        value >>= 7;
    }
    out.push(u8::try_from(value).expect("one byte"));
    out
}

/// An operator set.
pub(super) fn opset(domain: &str, version: u64) -> Vec<u8> {
    bytes(
        8,
        &[bytes(1, domain.as_bytes()), number(2, version)].concat(),
    )
}

/// A graph with one output and these further fields.
pub(super) fn graph(more: &[u8]) -> Vec<u8> {
    bytes(7, &[&bytes(12, &bytes(1, b"y")), more].concat())
}

/// A model with this file version, this operator set, and these further fields of its graph.
pub(super) fn model(ir_version: u64, opset_version: u64, more: &[u8]) -> Vec<u8> {
    [number(1, ir_version), opset("", opset_version), graph(more)].concat()
}

/// An initializer of four floats in another file.
pub(super) fn external(location: &str, offset: u64) -> Vec<u8> {
    let entry = |key: &str, value: &str| {
        bytes(
            13,
            &[bytes(1, key.as_bytes()), bytes(2, value.as_bytes())].concat(),
        )
    };
    let tensor = [
        number(1, 4),
        number(2, 1),
        bytes(8, b"weights"),
        entry("location", location),
        entry("offset", &offset.to_string()),
        number(14, 1),
    ];
    bytes(5, &tensor.concat())
}
