//! AWS Lambda: limits, names and the package layout.
