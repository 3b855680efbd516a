//! Google Cloud Functions and Cloud Run: limits, names and the package layout.
