//! The local twin: packaged functions as processes behind their platform's wire protocol.
