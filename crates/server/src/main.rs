//! The binary `countermark`.

fn main() {}
