//! The engine, held to its contract on the fake cloud.

mod lab;
mod lifecycle;
mod processes;
mod schedules;
