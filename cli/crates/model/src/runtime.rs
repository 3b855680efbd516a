//! What ONNX Runtime 1.31 supports.
//!
//! Found by loading one-operator models of rising versions with onnxruntime 1.31.1: the first
//! that is refused is one above the number here.

/// The version of ONNX Runtime that the numbers here are of.
pub const VERSION: &str = "1.31";

/// The newest version of ONNX's file format (`ModelProto.ir_version`).
pub const NEWEST_IR_VERSION: i64 = 13;

/// The name of the domain that files leave empty.
pub const DEFAULT_DOMAIN: &str = "ai.onnx";

/// The domains that it has operators of, with the newest operator set of each. The last domain is
/// made by its own optimiser, and it does not check that one's version.
pub const DOMAINS: [(&str, i64); 10] = [
    (DEFAULT_DOMAIN, 26),
    ("ai.onnx.ml", 5),
    ("ai.onnx.preview", 1),
    ("ai.onnx.preview.training", 1),
    ("ai.onnx.training", 1),
    ("com.microsoft", 1),
    ("com.microsoft.experimental", 1),
    ("com.microsoft.nchwc", 1),
    ("org.pytorch.aten", 1),
    ("com.ms.internal.nhwc", i64::MAX),
];

/// The newest operator set of a domain that it supports; none if it does not know the domain.
pub fn newest_opset(domain: &str) -> Option<i64> {
    DOMAINS
        .iter()
        .find(|(known, _)| *known == domain)
        .map(|(_, newest)| *newest)
}
