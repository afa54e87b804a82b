//! The command line: one file a command.

mod admin;
mod backup;
mod completions;
mod demo;
mod doctor;
mod explain;
mod failure;
mod http;
mod keys;
mod migrate;
mod openapi;
mod output;
mod relocate;
mod restore;
mod secret;
mod serve;
mod shardimage_key;
mod sign;
mod token;

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use countermark_domain::rng::{Rng, SystemRng};

use output::Output;

/// The arguments of the program.
#[derive(Debug, Parser)]
#[command(
    name = "countermark",
    version,
    about = "Issues access tokens of image delivery and upload, signs URLs, decides and counts every use",
    after_help = "Exit codes: 0 done, 1 refused, 2 wrong usage or configuration, 3 unreachable or input/output error.\n\
        Commands over HTTP read COUNTERMARK_URL (default http://127.0.0.1:8080) and COUNTERMARK_KEY or COUNTERMARK_KEY_FILE.",
    disable_help_subcommand = true
)]
pub struct Arguments {
    /// Answer in JSON; errors, too, on standard error
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service
    Serve(serve::Serve),
    /// See the whole story against a private throw-away server
    Demo(demo::Demo),
    /// Sign a URL
    Sign(sign::Sign),
    /// See why a signed URL or a value would be allowed or refused
    Explain(explain::Explain),
    /// Issue, list, show and revoke tokens
    #[command(subcommand)]
    Token(token::Token),
    /// Make administrators on the database
    #[command(subcommand)]
    Admin(admin::Admin),
    /// Make keys for clients of Shardimage's API on the database
    #[command(subcommand)]
    ShardimageKey(shardimage_key::ShardimageKey),
    /// Print the OpenAPI document
    Openapi(openapi::Openapi),
    /// Bring the database's schema up to this version, or move the installation to PostgreSQL
    Migrate(migrate::Migrate),
    /// Examine the installation and say what to do
    Doctor(doctor::Doctor),
    /// Copy the database to a file, while the service may run
    Backup(backup::Backup),
    /// Bring a backup back, into an empty database of either kind
    Restore(restore::Restore),
    /// Change the master key
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Print the completions of a shell
    Completions(completions::Completions),
}

/// Does what the process's arguments say.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output { json: arguments.json };
    let done = match arguments.command {
        Command::Serve(command) => command.run(output),
        Command::Demo(command) => command.run(output),
        Command::Sign(command) => command.run(output),
        Command::Explain(command) => command.run(output),
        Command::Token(command) => command.run(output),
        Command::Admin(command) => command.run(output),
        Command::ShardimageKey(command) => command.run(output),
        Command::Openapi(command) => command.run(output),
        Command::Migrate(command) => command.run(output),
        Command::Doctor(command) => command.run(output),
        Command::Backup(command) => command.run(output),
        Command::Restore(command) => command.run(output),
        Command::Keys(command) => command.run(output),
        Command::Completions(command) => command.run(output),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit as u8)
        }
    }
}

/// Runs what needs the asynchronous machinery.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(work)
}

fn system_rng() -> Arc<dyn Rng> {
    Arc::new(SystemRng)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Arguments::command().debug_assert();
    }
}
