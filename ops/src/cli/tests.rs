use std::path::Path;

use clap::CommandFactory;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

/// Each help text has an example, and the example is a command line that this very parser takes.
#[test]
fn every_help_has_an_example_that_parses() {
    let mut root = Cli::command();
    root.build();
    let mut count = 0;
    let mut waiting: Vec<(String, clap::Command)> =
        root.get_subcommands().map(|command| (String::new(), command.clone())).collect();
    while let Some((prefix, mut command)) = waiting.pop() {
        if command.get_name() == "help" {
            continue;
        }
        count += 1;
        let name = format!("{prefix}{}", command.get_name());
        waiting.extend(command.get_subcommands().map(|inner| (format!("{name} "), inner.clone())));
        let help = command.render_long_help().to_string();
        let (_, example) = help.split_once("Example:\n").unwrap_or_else(|| panic!("{name}: {help}"));
        // A long one is wrapped.
        let (first, rest) = example.split_once('\n').unwrap_or((example, ""));
        let rest = rest.lines().take_while(|line| !line.trim().is_empty() && !line.trim().starts_with("semper "));
        let line = std::iter::once(first).chain(rest).map(str::trim).collect::<Vec<_>>().join(" ");
        assert!(line.starts_with(&format!("semper {name}")), "{line}");
        parse(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(help.contains("--json"), "{name}");
        for arg in command.get_arguments() {
            assert!(arg.get_help().is_some(), "{name}: {} has no help", arg.get_id());
        }
    }
    assert_eq!(count, 96);
    assert!(root.render_long_help().to_string().contains("Example:\n  semper demo"));
}

#[test]
fn the_help_lists_every_exit_code() {
    for exit in Exit::ALL {
        let code = format!(" {}  ", exit.code());
        assert!(EXIT_CODES.contains(&code), "{exit:?}");
    }
}

#[test]
fn usage_is_64_and_help_is_0() {
    for (line, exit) in [
        ("semper --help", Exit::Ok),
        ("semper --version", Exit::Ok),
        ("semper stamp --help", Exit::Ok),
        ("semper", Exit::Usage),
        ("semper nonsense", Exit::Usage),
        ("semper serve", Exit::Usage),
        ("semper serve --data d --http localhost", Exit::Usage),
    ] {
        assert_eq!(Cli::parse_or_exit(line.split_whitespace()).unwrap_err(), exit, "{line}");
    }
}

#[test]
fn what_must_be_given_and_what_excludes_each_other() {
    let hex = "0".repeat(64);
    for line in [
        "semper init --data d",
        "semper init --data d --demo --config f",
        "semper init --demo",
        "semper stamp --url u",
        "semper stamp f",
        "semper stamp f --url u --hash md5",
        "semper verify f --token t",
        "semper verify f --trust t --policy tests",
        "semper verify f --trust t --at 2026-03-01T00:00:00Z",
        "semper verify f --trust t --signatures --at today",
        "semper verify f --trust t --signatures --document d",
        "semper verify f --trust t --signature s --token t",
        "semper prove --url u",
        "semper prove --url u --digest 00",
        "semper prove --url u --index 1 --token t",
        &format!("semper prove --url u --index 1 --digest {hex}"),
        "semper prove --url u --index -1",
        "semper fsck",
        "semper audit",
        "semper audit ca",
        "semper audit --data d ca --data d",
        "semper statements",
        "semper audit --data d --from 2026-03-01T00:00:00Z",
        "semper audit --data d --tokens --from yesterday",
        "semper audit --data d --tokens --unit tsu-ec",
        "semper audit --data d --tokens --evidence e",
        "semper export --data d",
        "semper export --out o",
        "semper backup",
        "semper backup run --data d --to t",
        "semper backup run --data d --to t --recipient a --rate 5x",
        "semper backup run --data d --to t --recipient a --rate M",
        "semper backup run --data d --to t --recipient a --rate 99999999999G",
        "semper restore --from f --identity i --data d --journal j --no-erasures",
        "semper restore --from f --identity i --data d --journal j --anchor a --new-anchor",
        "semper restore --from f --identity i --data d --journal j --unwitnessed",
        "semper restore --from f --identity i --data d --journal j --read-only --complete-from u",
        "semper anchor",
        "semper anchor remake",
        "semper bench --area archive",
        "semper witness",
        "semper witness init --data d --config f",
        "semper witness init --data d --name n",
        "semper monitor u --vkey k",
        "semper monitor u --state s",
        "semper monitor u --vkey k --state s --known-kind timestamp.token",
        "semper monitor u --vkey k --state s --known l --known-kind tokens",
        "semper monitor u --vkey k --state s --stay",
        "semper monitor u --vkey k --state s --interval-secs 0",
        "semper monitor u --vkey k --state s --expect f",
    ] {
        // With SEMPER_URL set in the environment of the tests, `stamp f` would be a whole command line.
        if line == "semper stamp f" && std::env::var_os("SEMPER_URL").is_some() {
            continue;
        }
        assert!(parse(line).is_err(), "{line}");
    }
    for line in [
        "semper init --data d --demo",
        "semper serve --data d --http 127.0.0.1:0 --admin [::1]:0 --check --json",
        "semper --json stamp f g --url u -o d --hash sha3-512 --rsa --policy 1.2.3",
        "semper verify f --trust t",
        "semper verify f --trust t --document d --document e --request r --signature s --signature u --dvc v --material m",
        "semper verify f --trust t --signatures --at 2026-03-01T00:00:00Z --anchor a --anchor b --timestamp-anchor c --token t",
        "semper verify f --trust t --signatures --content c --validation-policy p --material m --material n --json",
        "semper verify f --trust t --policy 1.2.3 --policy 2.25.340282366920938463463374607431768211455",
        &format!("semper prove --url u --digest {hex} --form cose"),
        "semper demo",
        "semper audit --data d --config f --evidence e --json",
        "semper audit --data d --tokens --unit tsu-rsa.2 --from 2026-03-01T00:00:00+01:00 --to 2026-03-01T00:00:00Z",
        "semper bench",
        "semper bench --area notary",
        "semper backup run --data d --to t --recipient a --recipient b --thorough",
        "semper backup run --data d --to t --recipient a --rate 20M",
        "semper backup run --data d --to t --recipient a --rate 0",
        "semper restore --from f --identity i --data d --no-erasures --new-anchor --unwitnessed --complete-from u",
        "semper restore --from f --identity i --data d",
        "semper anchor remake --data d --config f --compare-with u --compare-with v --unwitnessed --json",
        "semper witness init --data d --demo --log a --log b",
        "semper witness serve --data d --http 127.0.0.1:0 --json",
        "semper monitor u --vkey k --state s --once --known l --known-kind timestamp.token --known-kind ca.crl-issued",
        "semper monitor u --vkey k --state s --expect f --expect g --trust t",
        "semper monitor u --vkey k --state s --admin 127.0.0.1:0 --stay --interval-secs 1 --rollback-secs 0 --json",
    ] {
        assert!(parse(line).is_ok(), "{line}");
    }
}

#[test]
fn names_beside_the_file() {
    let Command::Verify(verify) = parse("semper verify a/contract.pdf --trust t").unwrap().command else { panic!() };
    assert_eq!(verify.token_path(), Path::new("a/contract.pdf.tst"));
    assert_eq!(verify.proof_path(), Path::new("a/contract.pdf.tlog-proof"));
    let line = "semper verify f --token x --proof y --trust t";
    let Command::Verify(verify) = parse(line).unwrap().command else { panic!() };
    assert_eq!((verify.token_path(), verify.proof_path()), ("x".into(), "y".into()));
    // Without --proof, the proof is the token's.
    for (token, proof) in [
        ("b/other.pdf.tst", "b/other.pdf.tlog-proof"),
        ("b/other.tsr", "b/other.tlog-proof"),
        ("b/other", "b/other.tlog-proof"),
        ("b.tst/other.bin", "b.tst/other.bin.tlog-proof"),
    ] {
        let line = format!("semper verify f --token {token} --trust t");
        let Command::Verify(verify) = parse(&line).unwrap().command else { panic!() };
        assert_eq!((verify.token_path(), verify.proof_path()), (token.into(), proof.into()));
    }
}
