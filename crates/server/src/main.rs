//! The binary `countermark`.

use std::process::ExitCode;

fn main() -> ExitCode {
    countermark_server::cli::run()
}
