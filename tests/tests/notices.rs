//! Holders are told before their certificates end: by a real server, to a receiver behind TLS, judged by a stranger's verifier. Over
//! failures, crashes and restarts; and never at an address that is not public.

use std::fs;
use std::path::PathBuf;

use semper_tests::http::get;
use semper_tests::process::{Finished, run};
use semper_tests::realtime::Realtime;
use semper_tests::receiver::{Delivery, Receiver, wait_until};
use semper_tests::server::{Data, Server};
use semper_tests::strangers::{folder, judge, python, run as run_stranger};
use semper_tests::vault::{Vault, anchor_of};
use serde_json::Value;

/// A certificate of ten days: of the usual notices those of the last week and of the last day are for it.
const PROFILE: &str = include_str!("../../schemas/profiles/party-legal.toml");

struct World {
    data: Data,
    receiver: Receiver,
    realtime: Realtime,
    work: tempfile::TempDir,
}

impl World {
    /// With a server in whose settings `networks` are called.
    fn new(networks: &str) -> Self {
        let (data, work) = (Data::own(), tempfile::tempdir().expect("a temporary folder"));
        let short = PROFILE.replace("name = \"party-legal\"", "name = \"party-short\"");
        let short = short.replace("life_days = 730", "life_days = 10");
        fs::write(data.path().join("profiles/party-short.toml"), short).expect("a profile");
        data.set("notices.networks_allowed", networks);
        Self { data, receiver: Receiver::new(), realtime: Realtime::new(), work }
    }

    /// A server so much later than now.
    fn serve(&self, later: &str) -> Server {
        self.realtime.set(later);
        let ca = self.receiver.ca_file();
        self.realtime.start_with(&self.data, &[("SSL_CERT_FILE", ca.to_str().expect("UTF-8"))])
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    fn officer(&self, server: &Server, args: &[&str]) -> Value {
        let identity = self.data.path().join("people/officer.p12").display().to_string();
        let url = format!("https://{}", server.https());
        json(run(&[&["party"], args, &["--url", &url, "--identity", &identity, "--json"]].concat()).expect(0))
    }

    fn apply(&self, server: &Server, name: &str, webhook: &str) -> Finished {
        let (url, trust) = (format!("https://{}", server.https()), server.trust().display().to_string());
        let stranger = ["--url", &url, "--trust", &trust, "--json"];
        let terms = json(run(&[&["party", "terms"], &stranger[..]].concat()).expect(0))["sha256"].clone();
        let (dir, common_name) = (self.dir(name).display().to_string(), format!("common_name={name}"));
        let mut args = vec!["party", "apply", "--dir", &dir, "--profile", "party-short", "--contact-webhook", webhook];
        args.extend(["--accept-terms", terms.as_str().expect("a digest"), "--subject", &common_name]);
        for attribute in ["country=FR", "organization=Étude", "organization_identifier=NTRFR-123456789"] {
            args.extend(["--subject", attribute]);
        }
        run(&[&args[..], &stranger].concat())
    }

    /// A holder of a certificate; gives its serial number.
    fn holder(&self, server: &Server, name: &str, webhook: &str) -> String {
        let applied = json(self.apply(server, name, webhook).expect(0));
        let id = applied["id"].as_str().expect("a name");
        self.officer(server, &["identify", id, "--method", "register_extract", "--document", "register_extract,FR,1"]);
        let approved = self.officer(server, &["approve", id]);
        approved["certificates"][0]["serial"].as_str().unwrap_or_else(|| panic!("{approved}")).to_owned()
    }

    /// The signature verifies under the key that the service publishes, in the eyes of a stranger; and a changed body does not.
    fn judge(&self, server: &Server, delivery: &Delivery) {
        let described: Value = serde_json::from_slice(&get(server.http(), "/.well-known/semper").body).expect("JSON");
        let key = described["webhooks"]["public_key"].as_str().unwrap_or_else(|| panic!("{described}")).to_owned();
        let file = self.work.path().join("body");
        let check = |body: &[u8]| {
            fs::write(&file, body).expect("a file");
            let mut command = python();
            command.arg(folder().join("webhook_check.py")).arg(&key);
            let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"];
            command.args(headers.map(|name| delivery.header(name))).arg(&file);
            command
        };
        judge(&mut check(&delivery.body));
        assert!(!run_stranger(&mut check(&[&delivery.body[..], b" "].concat())).status.success());
    }
}

fn json(done: &Finished) -> Value {
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

fn body(delivery: &Delivery) -> Value {
    serde_json::from_slice(&delivery.body).unwrap_or_else(|error| panic!("{error}: {delivery:?}"))
}

/// Waits until a metric says so.
fn wait_for(server: &Server, line: &str) {
    wait_until(line, || get(server.admin(), "/metrics").text().lines().any(|found| found == line));
}

#[test]
fn a_holder_is_told_before_its_certificate_ends() {
    let world = World::new("[\"127.0.0.0/8\"]");
    let receiver = &world.receiver;
    let server = world.serve("+0");
    let serial = world.holder(&server, "told", &receiver.url("/told?token=secret"));
    world.holder(&server, "late", &receiver.url("/late"));
    let revoked = world.holder(&server, "revoked", &receiver.url("/revoked"));
    let identity = world.data.path().join("people/officer.p12").display().to_string();
    let url = format!("https://{}", server.https());
    let words =
        ["party", "revoke", "--serial", &revoked, "--reason", "superseded", "--url", &url, "--identity", &identity];
    run(&words).expect(0);
    wait_for(&server, "semper_notices_pending 0");
    drop(server.stop());
    assert!(receiver.rest().is_empty(), "nothing is due yet");

    // A week is left, less a day. The first try of one fails, and all of the other; neither follows a redirection.
    let mut failures = [500, 302].into_iter();
    receiver.answer(move |target| if target == "/late" { 503 } else { failures.next().unwrap_or(204) });
    let server = world.serve("+4d");
    let (mut told, mut late) = (Vec::new(), Vec::new());
    while told.len() < 3 || late.is_empty() {
        let delivery = receiver.next();
        match &*delivery.target {
            "/told?token=secret" => told.push(delivery),
            "/late" => late.push(delivery),
            other => panic!("nobody is to be told at {other}"),
        }
    }
    let ids: Vec<_> = told.iter().map(|delivery| delivery.header("webhook-id")).collect();
    assert!(ids.iter().all(|id| *id == ids[0]) && late[0].header("webhook-id") != ids[0], "{ids:?}");
    assert!(told.iter().all(|delivery| delivery.body == told[0].body));
    told.iter().chain(&late).for_each(|delivery| world.judge(&server, delivery));
    let notice = body(&told[0]);
    assert_eq!((&notice["type"], &notice["data"]["serial"]), (&"certificate.expiring".into(), &serial.as_str().into()));
    assert_eq!(notice["data"]["days_before"], 7);
    assert_eq!((&notice["data"]["issuer"], &notice["data"]["profile"]), (&"ca-party".into(), &"party-short".into()));
    assert_eq!(notice["data"]["status"], format!("/v1/certificates/{serial}/status"));
    assert!(!notice.to_string().contains("Étude") && !notice.to_string().contains("told"), "no name: {notice}");

    // Killed, it does not tell again what was taken, and goes on with what was not, under the same id.
    wait_for(&server, "semper_notices_total{outcome=\"told\"} 1");
    let log = server.stderr();
    drop(server.kill9());
    drop(receiver.rest());
    receiver.answer(|_| 204);
    let server = world.serve("+4d");
    let again = receiver.next();
    assert_eq!((&*again.target, again.header("webhook-id")), ("/late", late[0].header("webhook-id")));
    wait_for(&server, "semper_notices_total{outcome=\"told\"} 1");
    wait_for(&server, "semper_notices_pending 0");
    assert!(receiver.rest().is_empty(), "told twice");
    // What the path of a URL is, no log tells.
    for log in [log, server.stderr()] {
        assert!(log.contains("a holder was told") && !log.contains("secret") && !log.contains("/late"), "{log}");
    }

    // The last day, with another key.
    let identity = world.data.path().join("people/operator.p12").display().to_string();
    let url = format!("https://{}", server.https());
    run(&["keys", "rotate", "webhook", "--url", &url, "--identity", &identity]).expect(0);
    drop(server.stop());
    let server = world.serve("+9d");
    let mut last = [receiver.next(), receiver.next()];
    last.sort_by(|one, other| one.target.cmp(&other.target));
    assert_eq!(last.each_ref().map(|delivery| &*delivery.target), ["/late", "/told?token=secret"]);
    for delivery in &last {
        assert_eq!(body(delivery)["data"]["days_before"], 1);
        world.judge(&server, delivery);
    }
    assert_ne!(last[1].header("webhook-id"), ids[0]);
    wait_for(&server, "semper_notices_total{outcome=\"told\"} 2");
    drop(server.stop());
    world.data.fsck().expect(0);
    world.data.audit().expect(0);

    // What was told goes along with a backup; a file that does not read is noticed.
    let vault = Vault::new();
    vault.backup_at_rest(&world.data);
    vault.restore(&world.data, "new", &["--anchor", &anchor_of(&world.data)]).expect(0);
    let new = vault.restored(&world.data, "new");
    let told = fs::read(new.path().join("notices")).expect("it was restored");
    assert_eq!(told, fs::read(world.data.path().join("notices")).expect("it is there"));
    new.fsck().expect(0);
    fs::write(new.path().join("notices"), "what is this").expect("written");
    assert!(new.fsck().expect(1).stdout.contains("notices"));
}

#[test]
fn only_public_addresses_are_called() {
    let world = World::new("[]");
    let server = world.serve("+0");
    for (name, webhook) in [("loopback", "https://127.0.0.1:1/hook"), ("number", "https://2130706433/hook")] {
        let refused = world.apply(&server, name, webhook);
        assert!(refused.expect(64).stdout.contains("registration.webhook"), "{refused:?}");
    }
    // What a name means is not known before it is looked up.
    world.holder(&server, "name", &world.receiver.url("/hook"));
    drop(server.stop());
    let server = world.serve("+4d");
    wait_until("a try fails", || {
        let text = get(server.admin(), "/metrics").text();
        let count = |outcome: &str| {
            let line = format!("semper_notices_total{{outcome=\"{outcome}\"}} ");
            text.lines().find_map(|found| found.strip_prefix(&line)?.parse::<u64>().ok())
        };
        assert_eq!(count("told"), Some(0));
        count("failed") >= Some(2)
    });
    assert!(server.stderr().contains("127.0.0.1 is not a public address"), "{}", server.stderr());
    drop(server.stop());
    assert!(world.receiver.rest().is_empty());
    // By the word of the operator, it is.
    world.data.set("notices.networks_allowed", "[\"127.0.0.1/32\"]");
    let server = world.serve("+4d");
    assert_eq!(world.receiver.next().target, "/hook");
    drop(server.stop());
}
