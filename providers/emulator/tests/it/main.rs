//! The emulator against small fake handlers that speak each protocol, well and badly.

mod azure;
mod gcp;
mod lambda;
mod support;
