//! `countermark completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Arguments;
use super::failure::Failure;
use super::output::Output;

/// The arguments of `completions`.
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, output: Output) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "countermark", &mut script);
        output.raw(&String::from_utf8_lossy(&script));
        Ok(())
    }
}
