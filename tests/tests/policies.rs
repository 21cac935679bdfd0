//! Policies of a running service: its files come into force at the next start, what was in force stays readable, and what officers
//! do is held to it, by the service and by the audit. Practice and disclosure statements say what is on.

use std::fs;

use openssl::ssl::SslConnector;
use semper_tests::http::{Connection, get};
use semper_tests::server::{Data, Server, run};
use semper_tests::tls::TlsClient;
use semper_ttp::digest::Digest;
use semper_ttp::policy::roles::{TrustedRole, TrustedRoles};
use semper_ttp::x509::Certificate;
use serde_json::Value;

fn certificate(data: &Data, name: &str) -> Certificate {
    let der = fs::read(data.path().join(format!("certs/{name}.cer"))).expect("a certificate");
    Certificate::from_der(&der).expect("a certificate")
}

fn officer(server: &Server) -> SslConnector {
    TlsClient::new(server.trust()).with_person(server.dir(), "officer").build()
}

/// Asks for the revocation of the operator's certificate.
fn revoke(server: &Server, client: &SslConnector, key: &str) -> (u16, Value) {
    let path = format!("/v1/certificates/{}/revoke", hex::encode(certificate(server.data(), "operator").serial()));
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    let mut connection = Connection::open_tls(server.https(), client).expect("a connection");
    let answer = connection.request("POST", &path, &headers, br#"{"reason":"superseded"}"#).expect("an answer");
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}")))
}

/// What is in force under a name: its digest, and the entry that says so.
fn in_force(server: &Server, name: &str) -> Option<(String, u64)> {
    let listed: Value = serde_json::from_slice(&get(server.http(), "/v1/policies").body).expect("JSON");
    let policies = listed["policies"].as_array().expect("a list");
    let found = policies.iter().find(|policy| policy["name"] == name)?;
    let text = found["sha256"].as_str().expect("a digest").to_owned();
    Some((text, found["entry"]["index"].as_u64().expect("an index")))
}

fn command(args: &[&str], data: &Data) -> semper_tests::server::Finished {
    run(&[args, &["--data", data.path().to_str().expect("a path in UTF-8")]].concat())
}

#[test]
fn roles_count_from_the_next_start_on_and_the_audit_holds_officers_to_them() {
    let data = Data::own();
    let roles = data.path().join("roles.toml");
    let granted = fs::read(&roles).expect("what init granted");
    let server = data.serve();
    let first = in_force(&server, "roles").expect("in force since init");
    assert_eq!(first.0, Digest::of(&granted).to_string());
    let client = officer(&server);
    // The officer's roles go to the operator, who is no officer: nobody may revoke any more.
    let operator = certificate(&data, "operator").digest();
    fs::write(&roles, TrustedRoles::file(&[(TrustedRole::RevocationOfficer, operator)])).expect("written");
    let _ = server.stop();

    let server = data.serve();
    let second = in_force(&server, "roles").expect("in force");
    assert!(second.0 != first.0 && second.1 > first.1);
    let (status, problem) = revoke(&server, &client, "one");
    assert_eq!((status, &problem["code"]), (403, &"auth.forbidden".into()), "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("revocation-officer")), "{problem}");
    let client = TlsClient::new(server.trust()).with_person(server.dir(), "operator").build();
    assert_eq!(revoke(&server, &client, "two").0, 403, "no grant permits what the class of the certificate forbids");
    // What was in force is there for ever.
    let old = get(server.http(), &format!("/v1/policies/{}", first.0));
    assert_eq!((old.status, old.header("content-type"), &old.body), (200, Some("application/toml"), &granted));
    let proof = get(server.http(), &format!("/ledger/proof/inclusion?index={}", first.1));
    assert!(proof.text().starts_with("c2sp.org/tlog-proof@v1\n"));
    let _ = server.stop();

    fs::write(&roles, &granted).expect("written");
    let server = data.serve();
    let (status, revoked) = revoke(&server, &officer(&server), "three");
    assert_eq!(status, 200, "{revoked}");
    assert!(in_force(&server, "roles").expect("in force").1 > second.1);
    let _ = server.stop();
    data.fsck().expect(0);
    data.audit().expect(0);

    let listed = command(&["--json", "audit", "ca"], &data);
    let lines: Vec<Value> =
        listed.expect(0).stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let (sums, certificates) = lines.split_last().expect("the sums");
    // What init issued, and responders' certificates.
    assert_eq!((certificates.len(), sums["certificates"].as_u64()), (12, Some(12)), "{sums}");
    assert_eq!((&sums["revoked"], &sums["faulty"], &sums["missing"]), (&1.into(), &0.into(), &0.into()));
    let one = certificates.iter().find(|line| line["sha256"] == operator.to_string()).expect("the operator's");
    assert_eq!((&one["revocation"]["status"], &one["profile"]), (&"revoked".into(), &"operator".into()));
    assert_eq!(one["revocation"]["entry"], revoked["revoked"]["entry"]["index"]);
    let text = command(&["audit", "ca"], &data).expect(0).stdout.clone();
    assert!(
        text.contains("\trevoked ") && text.contains("12 certificates, 1 of them revoked: each is in the ledger"),
        "{text}"
    );
}

#[test]
fn a_profile_of_the_operators_is_judged_and_comes_into_force() {
    let data = Data::own();
    let own = include_str!("../../schemas/profiles/party-legal.toml")
        .replace("name = \"party-legal\"", "name = \"party-vip\"");
    let path = data.path().join("profiles/party-vip.toml");
    let refused = |text: &str, expected: &str| {
        fs::write(&path, text).expect("written");
        let end = data.serve_to_the_end(&["--check"]);
        assert!(end.expect(64).stderr.contains(expected), "{end:#?}");
    };
    refused(&own.replace("officers = 1", "officers = 7"), "profiles/party-vip.toml: officers: 1 or 2");
    refused(&own.replace("0.4.0.2042.1.3", "0.4.0.194112.1.1"), "ca.qualified = true");
    refused(&own.replace("[\"ca-party\"]", "[\"ca-tsu\"]"), "issued by ca-party alone");
    fs::write(&path, &own).expect("written");
    // What is permitted and seldom meant is asked about.
    let (roles, terms) = (data.path().join("roles.toml"), data.path().join("terms.md"));
    let (granted, agreed) = (fs::read_to_string(&roles).expect("roles"), fs::read(&terms).expect("terms"));
    let check = || data.serve_to_the_end(&["--check"]).expect(0).stdout.clone();
    assert!(!check().contains("is that meant?"), "{}", check());
    let nobody = format!("operator = [\"{}\", ", "0".repeat(64));
    fs::write(&roles, granted.replacen("operator = [", &nobody, 1)).expect("written");
    fs::write(&terms, b"").expect("written");
    let doubts = check();
    assert!(doubts.contains("no certificate has this SHA-256") && doubts.contains("terms.md is empty"), "{doubts}");
    fs::remove_file(&roles).expect("removed");
    let doubts = check();
    assert!(
        doubts.contains("roles.toml is not there") && doubts.contains("nobody holds the role operator"),
        "{doubts}"
    );
    fs::write(&roles, granted).expect("written");
    fs::write(&terms, agreed).expect("written");
    let server = data.serve();
    assert_eq!(
        in_force(&server, "profile/party-vip").map(|(digest, _)| digest),
        Some(Digest::of(own.as_bytes()).to_string())
    );
    let known: Value = serde_json::from_slice(&get(server.http(), "/.well-known/semper").body).expect("JSON");
    let offered = known["registration"]["profiles"].as_array().expect("profiles");
    assert!(offered.iter().any(|profile| profile["name"] == "party-vip"), "{known}");
    let statement = get(server.http(), known["statements"]["practice"].as_str().expect("a path"));
    assert_eq!(statement.header("content-type"), Some("text/markdown; charset=utf-8"));
    assert!(statement.text().contains("| party-vip | "), "{statement:?}");
    let disclosure = get(server.http(), "/.well-known/semper/pds").text();
    // The command says the same, beside the server.
    let work = tempfile::tempdir().expect("a temporary folder");
    let out = work.path().join("new");
    command(&["statements", "--out", out.to_str().expect("UTF-8")], &data).expect(0);
    assert_eq!(fs::read_to_string(out.join("cps.md")).expect("written"), statement.text());
    assert_eq!(fs::read_to_string(out.join("pds.md")).expect("written"), disclosure);
    assert_eq!(
        command(&["statements"], &data).expect(0).stdout.trim_end(),
        format!("{}\n{}", statement.text(), disclosure.trim_end())
    );
    let _ = server.stop();

    fs::remove_file(&path).expect("it is there");
    let server = data.serve();
    assert_eq!(in_force(&server, "profile/party-vip"), None, "taken back");
    assert_eq!(get(server.http(), &format!("/v1/policies/{}", Digest::of(own.as_bytes()))).status, 200);
    let _ = server.stop();
    data.audit().expect(0);
}
