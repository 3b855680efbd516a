//! From a Service to artifacts: layout, archives, digests, limits, ELF checks.
