//! `countermark._native`: the core of Countermark for Python. Thin classes; every rule is the core's.

mod answers;
mod arguments;
mod batch;
mod exceptions;
mod expiry;
mod facts;
mod interpreter;
mod key_ring;
mod looks_signed;
mod members;
mod question;
mod secrets;
mod signer;
mod token;
mod token_record;
mod token_value;
mod upload_extra;
mod verdicts;
mod verified_url;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    use pyo3::prelude::*;
    use pyo3::types::PySequence;

    #[pymodule_export]
    use crate::looks_signed::looks_signed;
    #[pymodule_export]
    use crate::signer::{Signer, unverified_token_id};
    #[pymodule_export]
    use crate::token::Token;
    #[pymodule_export]
    use crate::token_value::TokenValue;
    #[pymodule_export]
    use crate::upload_extra::{direct_upload, failed_constraints, read_upload_extra};
    #[pymodule_export]
    use crate::verdicts::Verdicts;
    #[pymodule_export]
    use crate::verified_url::VerifiedUrl;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::interpreter::must_be_the_first(module.py())?;
        PySequence::register::<Verdicts>(module.py())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
