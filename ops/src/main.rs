//! The binary `semper`: parses the command line and hands over to one module per command.

mod bench;
mod cli;
mod clock;
mod commands;
mod config;
mod data;
mod disk;
mod exit;
mod logging;
mod progress;
mod statements;
mod time;

use cli::{Cli, Command};
use exit::Exit;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> Exit {
    let cli = match Cli::parse_or_exit(std::env::args_os()) {
        Ok(cli) => cli,
        Err(exit) => return exit,
    };
    let exit = match cli.command {
        Command::Init(args) => commands::init::run(args, cli.json),
        Command::Serve(args) => commands::serve::run(args, cli.json),
        Command::Stamp(args) => commands::stamp::run(args, cli.json),
        Command::Verify(args) => commands::verify::run(args, cli.json),
        Command::Prove(args) => commands::prove::run(args, cli.json),
        Command::Fsck(args) => commands::fsck::run(args, cli.json),
        Command::Audit(args) => commands::audit::run(args, cli.json),
        Command::Statements(args) => commands::statements::run(&args, cli.json),
        Command::Export(args) => commands::export::run(args, cli.json),
        Command::Backup(args) => commands::backup::run(args, cli.json),
        Command::Restore(args) => commands::restore::run(args, cli.json),
        Command::Anchor(args) => commands::anchor::run(args, cli.json),
        Command::Notary(args) => commands::notary::run(args, cli.json),
        Command::Exchange(args) => commands::exchange::run(args, cli.json),
        Command::Payment(args) => commands::exchange::run_payment(args, cli.json),
        Command::Party(args) => commands::party::run(args, cli.json),
        Command::Keys(args) => commands::keys::run(args, cli.json),
        Command::Witness(args) => commands::witness::run(args, cli.json),
        Command::Monitor(args) => commands::monitor::run(args, cli.json),
        Command::Bench(args) => commands::bench::run(args, cli.json),
        Command::Demo(args) => commands::demo::run(args, cli.json),
    };
    match commands::say::lost() {
        Some(why) => {
            commands::say::trouble(false, format_args!("the result could not be written: {why}"));
            exit.and(Exit::Fault)
        }
        None => exit,
    }
}
