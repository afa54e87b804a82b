//! `countermark openapi`.

use clap::Args;

use super::failure::Failure;
use super::output::Output;
use crate::api_docs;
use crate::app::document;
use crate::config::FacadeSettings;

/// The arguments of `openapi`.
#[derive(Args, Debug)]
pub struct Openapi {}

impl Openapi {
    pub(super) fn run(self, output: Output) -> Result<(), Failure> {
        output.raw(&api_docs::to_json(&document(&FacadeSettings::all_open())));
        Ok(())
    }
}
