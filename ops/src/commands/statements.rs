//! `semper statements`: the practice and the disclosure statement as the next start would serve them. Opens no key and no store, so it
//! runs beside a server.

use std::path::Path;

use serde_json::json;

use super::running::Failed;
use super::say;
use crate::cli;
use crate::data::{DataError, DataFolder, Trial};
use crate::exit::Exit;
use crate::statements::Known;

/// Runs the command.
pub(crate) fn run(args: &cli::Statements, as_json: bool) -> Exit {
    write(args, as_json).map_or_else(
        |Failed(exit, sentence)| {
            say::trouble(as_json, format_args!("statements: {sentence}"));
            exit
        },
        |()| Exit::Ok,
    )
}

fn write(args: &cli::Statements, as_json: bool) -> Result<(), Failed> {
    let folder = DataFolder::open(&args.data)?;
    let config = folder.config(args.config.as_deref())?;
    config.verify().map_err(|error| Failed::usage(&error))?;
    let identity = folder.identity()?;
    // The start puts profiles on trial with the CAs; here nothing is issued by them.
    let policies = folder.policies(&config, &Trial::none(&identity.public_url))?;
    let statements = Known::of(&folder, &config, &identity, &policies)?.statements();
    match &args.out {
        Some(out) => {
            let files = [("cps.md", &statements.practice), ("pds.md", &statements.disclosure)];
            let paths = files.map(|(name, _)| out.join(name));
            files.iter().zip(&paths).try_for_each(|((_, text), path)| put(path, text))?;
            if as_json {
                say::json(&json!({ "practice": paths[0], "disclosure": paths[1] }));
            } else {
                paths.iter().for_each(|path| say::out(path.display().to_string()));
            }
        }
        None if as_json => {
            say::json(&json!({ "practice": statements.practice, "disclosure": statements.disclosure }));
        }
        None => say::out(format!("{}\n{}", statements.practice, statements.disclosure.trim_end())),
    }
    Ok(())
}

fn put(path: &Path, text: &str) -> Result<(), Failed> {
    let io = |error| DataError::Io { action: "write", path: path.to_owned(), error };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(io)?;
    }
    Ok(std::fs::write(path, text).map_err(io)?)
}
