//! The use-cases of Countermark over its pure core.

pub mod store;
