//! Azure Functions: limits, names and the package layout.
