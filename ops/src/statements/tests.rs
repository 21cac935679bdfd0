use std::path::PathBuf;

use semper_ttp::ca::profile::Profile;
use semper_ttp::policy::roles::{TrustedRole, TrustedRoles};

use super::*;
use crate::data::testing::demonstration;

/// Both statements of a demonstration whose settings, policies or keys are changed.
fn written(change: impl FnOnce(&mut Config, &mut Policies)) -> (String, String) {
    let dir = demonstration();
    let folder = DataFolder::open(dir.path()).unwrap();
    let (mut config, identity) = (folder.config(None).unwrap(), folder.identity().unwrap());
    let mut policies = Policies::builtin();
    change(&mut config, &mut policies);
    let known = Known::of(&folder, &config, &identity, &policies).unwrap();
    let statements = known.statements();
    (statements.practice, statements.disclosure)
}

/// Each figure follows the settings: what is said with the usual ones is gone, and the other is there.
#[test]
fn each_figure_follows_its_setting() {
    type Change = fn(&mut Config, &mut Policies);
    let table: [(Change, &[&str], &[&str]); 18] = [
        (|c, _| c.ca.crl_delay_secs = 90, &["after 5 seconds"], &["after 90 seconds"]),
        (|c, _| c.ca.crl_delay_secs = 0, &["after 5 seconds"], &["after 0 seconds"]),
        (|c, _| c.ca.crl_shards = 16, &["one list for each CA"], &["16 lists for each issuing CA", "within 1 hour"]),
        (|c, _| c.ca.application_days = 7, &["ends after 30 days"], &["ends after 7 days"]),
        (|c, _| c.tsa.accuracy_ms = 333, &[], &["333 ms"]),
        (
            |c, _| c.notices.days_before = vec![2, 14, 14],
            &["there 30, 7 and 1 days before"],
            &["there 14 and 2 days before"],
        ),
        (|c, _| c.notices.days_before.clear(), &["named a webhook"], &["No holder is told"]),
        (
            |c, _| c.ca.qualified = true,
            &["No certificate and no timestamp"],
            &["states that certificates by profiles with QcCompliance"],
        ),
        (
            |c, _| c.tsa.qualified = true,
            &["No certificate and no timestamp"],
            &["states that its timestamps are qualified"],
        ),
        (|c, _| c.ledger.mmd_ms = Some(1_234), &["within 5000 ms"], &["within 1234 ms"]),
        (
            |c, _| {
                c.clock.source = ClockSource::Kernel;
                c.clock.utc_laboratories = vec!["PTB".to_owned(), "OP".to_owned()];
                c.clock.offset_bound_ms = 77;
                c.clock.sample_interval_ms = 888;
            },
            &["TEST SERVICE", "believed without any check", "1.3.6.1.5.5.7.13.1"],
            &["laboratories: PTB, OP", "within 77 ms", "every 888 ms"],
        ),
        (|c, _| c.clock.source = ClockSource::Kernel, &["TEST SERVICE"], &["the operator names no laboratory"]),
        (|c, _| c.witnesses.policy_path = Some(PathBuf::from("w")), &["No witness"], &["cosigned by witnesses"]),
        (
            |c, _| c.statements.contact = Some("pki@example.org".to_owned()),
            &["Contact: Not stated"],
            &["Contact: pki@example.org"],
        ),
        (|c, _| c.statements.law = Some("That of France.".to_owned()), &[], &["That of France."]),
        (|c, _| c.statements.audits = Some("Every year.".to_owned()), &[], &["Every year."]),
        (|_, p| p.set_terms(b"Pay.".to_vec()), &["There are no terms"], &["accept the terms "]),
        (
            |_, p| {
                let grants = [[1; 32], [2; 32]].map(|d| (TrustedRole::Auditor, semper_ttp::digest::Digest(d)));
                p.set_roles(TrustedRoles::file(&grants).into()).unwrap();
            },
            &["auditor: 0"],
            &["auditor: 2"],
        ),
    ];
    let (usual, usual_disclosure) = written(|_, _| {});
    for (change, gone, there) in table {
        let (practice, disclosure) = written(change);
        for text in gone {
            assert!(usual.contains(text) && !practice.contains(text), "{text}\n{practice}");
        }
        for text in there {
            assert!(!usual.contains(text), "{text}");
            assert!(practice.contains(text), "{text}\n{practice}");
        }
        assert!(practice != usual || disclosure != usual_disclosure);
    }
}

#[test]
fn what_is_disclosed_follows_the_same_settings() {
    let (_, disclosure) = written(|config, policies| {
        config.ca.crl_delay_secs = 90;
        config.tsa.accuracy_ms = 333;
        config.statements.liability = Some("None above 10 EUR.".to_owned());
        policies.set_terms(b"Pay.".to_vec());
    });
    let terms = semper_ttp::digest::Digest::of(b"Pay.").to_string();
    for text in [
        "in it after 90 seconds",
        "accurate to 333 ms",
        "None above 10 EUR.",
        &terms,
        "valid for 1 day",
        "at most 60 days",
    ] {
        assert!(disclosure.contains(text), "{text}\n{disclosure}");
    }
}

/// What a notary does is stated where there is one, and only there.
#[test]
fn a_notary_is_stated() {
    let (practice, _) = written(|_, _| ());
    assert!(practice.contains("notarial acts, data validation") && !practice.contains("6.9"), "{practice}");
    let (practice, _) = written(|config, _| config.notary.enabled = true);
    assert!(!practice.contains("notarial acts, data validation"), "{practice}");
    for text in
        ["### 6.9 Notarial acts", "An officer decides about these kinds: copy, contract.", "`notary-act`: not with"]
    {
        assert!(practice.contains(text), "{text}\n{practice}");
    }
}

/// What an arbiter promises is stated where there is one, and by its settings.
#[test]
fn an_arbiter_is_stated() {
    let (practice, _) = written(|_, _| ());
    assert!(practice.contains("fair exchange, payments, disputes") && !practice.contains("6.10"), "{practice}");
    let enabled = |change: fn(&mut Config)| {
        written(|config, policies| {
            config.exchange.enabled = true;
            change(config);
            policies.set_exchange(config.exchange.policy(config.ledger.mmd_ms()));
        })
        .0
    };
    let practice = enabled(|_| ());
    assert!(!practice.contains("fair exchange, payments, disputes"), "{practice}");
    for text in [
        "### 6.10 Fair exchange",
        "within the last 1 day before",
        "within 1 minute, by a signed receipt",
        "Items of at most 8388608 octets",
        "for 30 days after the decision",
        "ETSI EN 319 522",
        "No payments are held",
        "`arbiter-verdict`: not with",
        "`arbiter-escrow`: not with",
    ] {
        assert!(practice.contains(text), "{text}\n{practice}");
    }
    let practice = enabled(|config| {
        let exchange = &mut config.exchange;
        (exchange.delta_hours, exchange.answer_within_secs, exchange.delivery_days) = (36, 0, 0);
        (exchange.item_bytes_max, exchange.mailbox_mib) = (0, 0);
        let sim = r#"name = "sim"
kind = "simulator"
class = "funded""#;
        exchange.rail = vec![toml::from_str(sim).unwrap()];
    });
    for text in [
        "within the last 36 hours before",
        "Every request is answered at once",
        "No items pass",
        "Deliveries are not registered",
        "Messages between parties are not kept",
        "- Payments by `sim`: a simulator: **no money is behind it**; the money is held with the service.",
    ] {
        assert!(practice.contains(text), "{text}\n{practice}");
    }
}

/// Every profile in force is described, also one of the operator's, by the figures of its file; keys are where they are.
#[test]
fn profiles_and_keys_are_those_that_there_are() {
    let legal = Profile::named("party-legal");
    let own = std::str::from_utf8(legal.bytes()).unwrap();
    let own = own.replace("name = \"party-legal\"", "name = \"party-vip\"").replace("officers = 1", "officers = 2");
    let own = std::sync::Arc::new(Profile::parse(&own).unwrap());
    let line = format!("| party-vip | {} | ca-party | {} |", own.title(), own.life_days());
    for text in <[String; 2]>::from(written(|_, policies| policies.set_profile(own.clone()))) {
        assert!(text.contains(&line) && text.contains(&own.digest().to_string()), "{text}");
        assert!(semper_ttp::ca::profile::builtin().iter().all(|known| text.contains(&format!("| {} |", known.name()))));
    }
    let (practice, _) = written(|_, policies| policies.set_profile(own.clone()));
    assert!(practice.contains("two for the profiles ") && practice.contains("party-vip"));

    let dir = demonstration();
    let folder = DataFolder::open(dir.path()).unwrap();
    for name in ["keys/ca-root.1.p8", "keys/tls.1.p8"] {
        std::fs::remove_file(folder.path(name)).unwrap();
    }
    let (config, identity) = (folder.config(None).unwrap(), folder.identity().unwrap());
    let policies = Policies::builtin();
    let practice = Known::of(&folder, &config, &identity, &policies).unwrap().statements().practice;
    assert!(practice.contains("- `ca-root`: not with the service\n- `ca-party.1`: encrypted file"), "{practice}");
    assert!(practice.contains("HTTPS listener: there is none"), "{practice}");
    assert!(practice.contains("- `root`: as each list says; the root's key is kept offline"), "{practice}");
    std::fs::write(folder.path("keys/ca-root.1.p11"), r#"{"token":"main","public_key":"04"}"#).unwrap();
    let moved = Known::of(&folder, &config, &identity, &policies).unwrap().statements().practice;
    assert!(moved.contains("- `ca-root.1`: PKCS#11 token \"main\"\n"), "{moved}");
    assert!(moved.contains("- `root`: 60 days\n"), "{moved}");
    for (_, _, certificate) in Known::of(&folder, &config, &identity, &policies).unwrap().authorities {
        assert!(practice.contains(&certificate.digest().to_string()));
    }
}

#[test]
fn spans_are_in_whole_units() {
    let table = [
        (0, "0 seconds"),
        (1, "1 second"),
        (90, "90 seconds"),
        (120, "2 minutes"),
        (3600, "1 hour"),
        (36 * 3600, "36 hours"),
    ];
    for (secs, text) in table.into_iter().chain([(2 * DAY_SECS, "2 days")]) {
        assert_eq!(span(secs), text);
    }
}
