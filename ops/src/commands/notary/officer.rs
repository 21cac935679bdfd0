//! What officers do.

use serde_json::json;

use super::words::{details, line_of, next};
use super::{place, post, remote, told};
use crate::cli;
use crate::commands::remote::json_of;
use crate::commands::running::Failed;
use crate::commands::say;
use crate::exit::Exit;

pub(super) const OFFICER: &str = "officer";

pub(super) fn worklist(args: &cli::NotaryWorklist, as_json: bool) -> Result<Exit, Failed> {
    let remote = remote(&args.of, OFFICER)?;
    let list = json_of(remote.call(async |client| client.get_json("/v1/notary/worklist").await))?;
    if as_json {
        say::json(&list);
    } else {
        if list["acts"].as_array().is_some_and(Vec::is_empty) {
            say::out("no act waits for an officer");
        }
        for act in list["acts"].as_array().into_iter().flatten() {
            say::out(line_of(act));
            details(act).into_iter().chain(next(act)).for_each(say::out);
        }
    }
    Ok(Exit::Ok)
}

pub(super) fn take(args: &cli::NotaryTake, as_json: bool) -> Result<Exit, Failed> {
    Ok(told(&post(&remote(&args.of, OFFICER)?, &place(args.act, "/take"), &json!({}))?, as_json))
}

pub(super) fn release(args: &cli::NotaryRelease, as_json: bool) -> Result<Exit, Failed> {
    Ok(told(&post(&remote(&args.of, OFFICER)?, &place(args.act, "/release"), &json!({}))?, as_json))
}

pub(super) fn approve(args: &cli::NotaryApprove, as_json: bool) -> Result<Exit, Failed> {
    let mut body = json!({ "checked": args.checked });
    if let Some(fee) = &args.fee {
        let (amount, currency) =
            fee.split_once(',').ok_or_else(|| Failed::usage(&"--fee: write it as 12000,EUR, in minor units"))?;
        body["fee"] = json!({ "amount": amount, "currency": currency });
    }
    Ok(told(&post(&remote(&args.of, OFFICER)?, &place(args.act, "/approve"), &body)?, as_json))
}

pub(super) fn refuse(args: &cli::NotaryRefuse, as_json: bool) -> Result<Exit, Failed> {
    let body = json!({ "reason": args.reason });
    // It was meant to end so.
    let _ = told(&post(&remote(&args.of, OFFICER)?, &place(args.act, "/refuse"), &body)?, as_json);
    Ok(Exit::Ok)
}
