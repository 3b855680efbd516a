//! Fetches the ONNX Runtime library of a target, pinned, into the user's cache.
