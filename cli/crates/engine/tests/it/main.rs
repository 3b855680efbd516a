//! What the engine decides, how it waits, and what it remembers. That it survives anything is
//! tested where the fake cloud is: in the testkit.

mod order;
mod plans;
mod retry;
mod state;
mod stores;
