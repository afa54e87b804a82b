//! Strict JSON: what is not exactly as expected is refused by pointer, and no value is repeated.

mod fault;
mod field;
mod free;
mod object;
#[cfg(test)]
mod tests;

pub use fault::read;
pub use field::{Labels, LabelsPatch, List, Members, Text, UnixTime, Whole};
pub use free::Free;
pub use object::{Choice, Obj, Patch, object, optional_object};
