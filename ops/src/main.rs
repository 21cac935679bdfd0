//! Skeleton.

mod cli;
mod clock;
mod commands;
mod config;
mod data;
mod exit;
mod logging;
mod progress;

fn main() -> exit::Exit {
    match cli::Cli::parse_or_exit(std::env::args_os()) {
        Ok(cli) => match cli.command {
            cli::Command::Init(args) => commands::init::run(args, cli.json),
            _ => exit::Exit::Usage,
        },
        Err(exit) => exit,
    }
}
