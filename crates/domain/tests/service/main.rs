//! The use-cases over a real SQLite store, with a clock that stands still and seeded randomness.

mod counting;
mod ending;
mod installation;
mod issuing;
mod rights;
mod time;
mod updating;
