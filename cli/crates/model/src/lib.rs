//! Reads ONNX files: inputs, outputs, opset, producer and external data, without loading the weights.
