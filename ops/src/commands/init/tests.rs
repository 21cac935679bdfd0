use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::LazyLock;

use semper_ledger::entry::{Entry, Tag, TagSpace};
use semper_ledger::merkle::sha256;
use semper_ledger::port::Verifier as _;
use semper_ttp::ca::profile::{ProfileCode, builtin};
use semper_ttp::ca::{CaFact, Crl};
use semper_ttp::crypto::{LogVerifier, Purpose, verify_chain, verify_crl};
use semper_ttp::digest::Digest;
use semper_ttp::evidence::{CaKind, Fact, Genesis, KeyId, Kind, LedgerFact, LedgerKind, OpsFact, Recorded};
use semper_ttp::policy::PolicyName;
use semper_ttp::policy::roles::{TrustedRole, TrustedRoles};
use semper_ttp::role::{Folded, decode_snapshot, fold_snapshot};
use tempfile::TempDir;

use super::*;
use crate::clock;
use crate::data::{Custody, TERMS, Trial};

struct Demo {
    dir: TempDir,
    made: Made,
}

/// A demonstration that all tests read. Its store is opened by one of them only.
static DEMO: LazyLock<Demo> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let made = init(&dir.path().join("data"), None).unwrap();
    Demo { dir, made }
});

fn args(data: &Path, config: Option<&Path>) -> cli::Init {
    cli::Init { data: data.to_owned(), config: config.map(Path::to_owned), demo: config.is_none(), believe_clock: true }
}

fn init(data: &Path, config: Option<&Path>) -> Result<Made, InitError> {
    Plan::new(&args(data, config), &OsEntropy)?.carry_out(
        data,
        Arc::new(SystemReadings::new()),
        &OsEntropy,
        &Progress::none(),
    )
}

fn demo() -> DataFolder {
    DataFolder::open(&DEMO.made.root).unwrap()
}

fn der(name: &str) -> Vec<u8> {
    demo().certificate(name).unwrap().der().to_vec()
}

const CERTIFICATES: [&str; 9] =
    ["root", "ca-party", "ca-server", "ca-tsu", "tsu-ec.1", "tsu-rsa.1", "tls.1", "operator", "officer"];

/// What `serve` loads opens the ledger, and every entry in it is what DESIGN §2 and ledger.md §3 say.
#[test]
fn the_ledger_tells_everything_that_was_made() {
    let folder = demo();
    let config = folder.config(None).unwrap();
    let loaded = folder.load(&config).unwrap();
    let log = folder.log_identity().unwrap();
    assert_eq!(*loaded.log_keys.identity(), log);
    assert_eq!(log.note_key.to_string(), DEMO.made.vkey);
    assert_eq!(loaded.units.len(), 2);
    let place = (loaded.store as _, loaded.anchor);
    let ledger = stopped::open(&folder, &config, place, loaded.log_keys, Arc::new(SystemReadings::new())).unwrap();
    let reader = ledger.reader();
    assert_eq!((reader.size(), DEMO.made.entries), (49, 49));
    // One group: no receipt is ever for a tree of one leaf.
    assert_eq!(reader.group_of(0).unwrap().unwrap().size, 49);

    let (mut kinds, mut policies) = (Vec::new(), BTreeMap::new());
    let mut last_ms = None;
    for index in 0..reader.size() {
        let entry = Entry::decode(&reader.entry(index).unwrap().unwrap()).unwrap();
        let bytes = reader.fact(index).unwrap().unwrap();
        let fact = Fact::decode(&bytes).unwrap();
        let artefact = reader.artefact(index).unwrap();
        assert_eq!(Kind::from_codes(entry.role, entry.kind), Some(fact.kind));
        assert_eq!(entry.digest, sha256(artefact.as_ref().unwrap_or(&bytes)));
        assert_eq!(fact.policy_hash, policy_hash(&config));
        assert!(fact.now.millis() <= entry.time_ms && entry.time_ms - fact.now.millis() <= 5_000);
        assert_eq!(*last_ms.get_or_insert(entry.time_ms), entry.time_ms);
        assert_eq!((fact.seq, reader.facts_of(&fact.aggregate.0, 0).unwrap()), (0, vec![bytes]));
        let issued = artefact.as_ref().filter(|_| fact.kind == Kind::Ca(CaKind::CertificateIssued));
        let tags: Vec<Tag> = issued.map(|der| Tag::new(TagSpace::Certificate, &sha256(der), 0)).into_iter().collect();
        assert_eq!(entry.tags.as_slice(), tags);
        let receipt = reader.receipt(index).unwrap().unwrap();
        assert!(!receipt.cose(&log).is_empty() && receipt.tlog_proof(&log).starts_with("c2sp.org/tlog-proof@v1\n"));
        kinds.push(fact.kind.to_string());

        match fact.kind {
            Kind::Ledger(LedgerKind::Genesis) => check_genesis(&fact, &artefact.unwrap(), &config),
            Kind::Ops(_) => match OpsFact::from_fact(&fact).unwrap() {
                OpsFact::KeyMade { key, public_key } => {
                    let (id, opened) = Custody::new(&folder, &config.keys).unwrap().newest(key.purpose).unwrap();
                    assert_eq!((id, Digest::of(opened.spki_der())), (key, public_key));
                }
                OpsFact::PolicyChanged { policy } => {
                    let document = artefact.unwrap();
                    assert_eq!((Digest::of(&document), fact.event_digest), (policy, policy));
                    policies.insert(PolicyName::of(fact.aggregate, &document).unwrap(), document);
                }
                other => panic!("init does not do this: {other:?}"),
            },
            _ => match CaFact::from_fact(&fact).unwrap() {
                CaFact::CertificateIssued { serial, .. } => {
                    let name = CERTIFICATES[kinds.iter().filter(|kind| **kind == "ca.certificate-issued").count() - 1];
                    let certificate = folder.certificate(name).unwrap();
                    assert_eq!(certificate.der(), artefact.unwrap());
                    assert_eq!(certificate.serial(), serial);
                }
                CaFact::CrlIssued { list, number, this_update, .. } => {
                    assert_eq!(verify_crl(&artefact.unwrap(), &der(&list.ca.place())), Ok(()));
                    assert_eq!(number, this_update.secs());
                    // `serve` goes on from here: the snapshot is the fold, and the next list is not due.
                    let row = reader.snapshot(&fact.aggregate.0).unwrap().unwrap();
                    assert_eq!(fold_snapshot(&[fact]).unwrap().as_ref(), Some(&row));
                    let state = decode_snapshot::<Crl>(&row).unwrap();
                    assert_eq!((state.next_seq, state.state.last.unwrap().number), (1, number));
                    assert_eq!(Crl::STATE_VERSION, 1);
                }
                other => panic!("init does not do this: {other:?}"),
            },
        }
    }
    let times = |kind: &str, times| std::iter::repeat_n(kind.to_owned(), times);
    let expected: Vec<String> = times("ledger.genesis", 1)
        .chain(times("ops.key-made", 13))
        .chain(times("ops.policy-change", 21))
        .chain(times("ca.certificate-issued", 9))
        .chain(times("ops.policy-change", 1))
        .chain(times("ca.crl-issued", 4))
        .collect();
    assert_eq!(kinds, expected);
    check_policies(&policies, &config);
}

/// The files that the operator may change are what is in force, and the first two people hold what they need and no more.
fn check_policies(policies: &BTreeMap<PolicyName, Vec<u8>>, config: &Config) {
    let root = &DEMO.made.root;
    for (name, file) in [(PolicyName::Roles, ROLES), (PolicyName::Terms, TERMS)] {
        assert_eq!(policies[&name], fs::read(root.join(file)).unwrap());
    }
    assert_eq!(policies[&PolicyName::Settings], settings(config));
    let profiles = policies.keys().filter(|name| matches!(name, PolicyName::Profile(_))).count();
    assert_eq!((profiles, policies.len()), (builtin().len(), builtin().len() + 3));
    let roles = TrustedRoles::parse(&policies[&PolicyName::Roles]).unwrap();
    let of = |name, class| roles.of(&Digest::of(&der(name)), class).collect::<Vec<_>>();
    assert_eq!(of("operator", ProfileCode::Operator), [TrustedRole::Operator]);
    let officers = [TrustedRole::RegistrationOfficer, TrustedRole::RevocationOfficer, TrustedRole::NotaryOfficer];
    assert_eq!(of("officer", ProfileCode::Officer), officers);
    assert_eq!(roles.holders(TrustedRole::Auditor), 0);
    // The next start finds nothing to change.
    let folder = demo();
    let opened = folder.open_keys(config, &Custody::new(&folder, &config.keys).unwrap()).unwrap();
    let now = clock::now();
    let trial = Trial { authorities: &opened.authorities, base_url: &opened.identity.public_url, now };
    let wanted = folder.policies(config, &trial).unwrap();
    let wanted: BTreeMap<_, _> = wanted.all().map(|policy| (policy.name.clone(), policy.bytes.clone())).collect();
    assert_eq!(wanted, *policies);
}

fn check_genesis(fact: &Fact, artefact: &[u8], config: &Config) {
    let identity = demo().identity().unwrap();
    let genesis = Genesis::decode(artefact).unwrap();
    assert_eq!((&genesis.origin, &genesis.vkey), (&identity.origin, &DEMO.made.vkey));
    assert_eq!((genesis.mmd_ms, genesis.keys.len(), genesis.policy), (5_000, 13, policy_hash(config)));
    let LedgerFact::Genesis { origin_hash, log_receipt, root_certificate, mmd_ms, formats, .. } =
        LedgerFact::from_fact(fact).unwrap()
    else {
        panic!()
    };
    assert_eq!(origin_hash, Digest::of(identity.origin.as_bytes()));
    assert_eq!((root_certificate, genesis.root_certificate), (Digest::of(&der("root")), Digest::of(&der("root"))));
    assert_eq!((mmd_ms, formats), (5_000, genesis.formats));
    assert_eq!(log_receipt, Digest::of(&hex::decode(&genesis.receipt_key).unwrap()));
    assert_eq!(genesis.keys["log-receipt.1"], log_receipt);
}

/// By libcrypto's strict verifier, each for its purpose; and by the command line of a stranger.
#[test]
fn every_certificate_leads_to_the_root() {
    LazyLock::force(&DEMO);
    let now = clock::now();
    for (name, issuer, purpose) in [
        ("ca-party", None, Purpose::Any),
        ("ca-server", None, Purpose::Any),
        ("ca-tsu", None, Purpose::Any),
        ("tsu-ec.1", Some("ca-tsu"), Purpose::Timestamping),
        ("tsu-rsa.1", Some("ca-tsu"), Purpose::Timestamping),
        ("tls.1", Some("ca-server"), Purpose::Server),
        ("operator", Some("ca-party"), Purpose::Client),
        ("officer", Some("ca-party"), Purpose::Client),
    ] {
        let middle: Vec<_> = issuer.map(der).into_iter().collect();
        assert_eq!(verify_chain(&der(name), &middle, &der("root"), now, purpose), Ok(()), "{name}");
        // The addresses that the certificate names are those that `serve` answers at.
        let text = String::from_utf8_lossy(&der(name)).into_owned();
        let issuer = issuer.unwrap_or("root");
        for address in [format!("/crl/{issuer}.crl"), format!("/ca/{issuer}.cer")] {
            assert!(text.contains(&format!("http://127.0.0.1:8080{address}")), "{name}: {address}");
        }
    }
    let trust = DEMO.made.root.join("trust");
    let verified = Command::new("openssl")
        .args(["verify", "-x509_strict", "-purpose", "timestampsign", "-show_chain", "-CAfile"])
        .arg(trust.join("root.pem"))
        .arg("-untrusted")
        .arg(trust.join("tsa-chain.pem"))
        .arg(trust.join("tsa-chain.pem"))
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

#[test]
fn the_people_can_open_their_files() {
    let names: Vec<_> = DEMO.made.people.iter().map(|person| person.name).collect();
    assert_eq!(names, ["operator", "officer"]);
    for person in &DEMO.made.people {
        let open = |passphrase: &Path| {
            let passin = format!("file:{}", passphrase.display());
            let mut openssl = Command::new("openssl");
            openssl.args(["pkcs12", "-nokeys", "-clcerts", "-passin", &passin, "-in"]);
            openssl.arg(&person.p12).output().unwrap()
        };
        let opened = open(&person.passphrase_file);
        let shown = pem::decode("CERTIFICATE", &String::from_utf8(opened.stdout).unwrap()).unwrap();
        assert_eq!(shown, [der(person.name)]);
        assert!(!open(&DEMO.made.root.join(DEMO_PASSPHRASE)).status.success());
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// No passphrase but in its own file, no private key in the clear, and nothing private that others may read.
#[test]
fn secrets_are_where_they_belong() {
    let folder = demo();
    let root = &DEMO.made.root;
    let passphrase = fs::read_to_string(root.join(DEMO_PASSPHRASE)).unwrap();
    let mut secrets = vec![(root.join(DEMO_PASSPHRASE), passphrase.trim().as_bytes().to_vec())];
    for person in &DEMO.made.people {
        let text = fs::read_to_string(&person.passphrase_file).unwrap();
        secrets.push((person.passphrase_file.clone(), text.trim().as_bytes().to_vec()));
    }
    let custody = Custody::new(&folder, &folder.config(None).unwrap().keys).unwrap();
    for (purpose, _) in Keys::PURPOSES {
        let key = custody.open_soft(KeyId::new(purpose, 1)).unwrap();
        let plain = key.to_pkcs8_der().unwrap();
        // Where the secret numbers lie: RFC 8410 §7 for Ed25519 (48 octets), RFC 5915 for P-256 (138), RFC 8017 for RSA.
        let secret = match plain.len() {
            48 => &plain[16..48],
            138 => &plain[36..68],
            _ => &plain[1_000..1_032],
        };
        secrets.push((PathBuf::new(), secret.to_vec()));
    }
    assert_eq!(secrets.len(), 16);
    let all = files(root);
    assert!(all.iter().any(|path| path.ends_with("store/CURRENT")));
    for path in &all {
        // A file of the store may go while another test has it open.
        let Ok(bytes) = fs::read(path) else { continue };
        for (home, secret) in &secrets {
            assert_eq!(contains(&bytes, secret), path == home, "{}", path.display());
        }
    }

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for name in ["keys", "people", "store"] {
        assert_eq!(mode(&root.join(name)), 0o700, "{name}");
    }
    for path in [files(&root.join("keys")), files(&root.join("people")), vec![root.join(DEMO_PASSPHRASE)]].concat() {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert_eq!(files(&root.join("keys")).len(), 13);
}

#[test]
fn nothing_is_ever_overwritten() {
    let root = &DEMO.made.root;
    let before = fs::read(root.join("identity.json")).unwrap();
    let refused = init(root, None).unwrap_err();
    assert!(matches!(refused, InitError::NotEmpty(_)) && refused.exit() == Exit::Usage, "{refused}");
    assert_eq!(fs::read(root.join("identity.json")).unwrap(), before);

    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("letter.txt"), "mine").unwrap();
    assert!(matches!(init(other.path(), None), Err(InitError::NotEmpty(_))));
    assert_eq!(files(other.path()), [other.path().join("letter.txt")]);
}

/// A configuration whose passphrase lies in `dir`; `changes` are further lines, which may replace these.
fn configuration(dir: &Path, changes: &[(&str, &str)]) -> PathBuf {
    let passphrase = dir.join("secret");
    fs::write(&passphrase, "correct horse battery staple\n").unwrap();
    fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600)).unwrap();
    let anchor = dir.join("anchor").display().to_string();
    let passphrase = passphrase.display().to_string();
    let mut settings = std::collections::BTreeMap::from([
        ("service.public_url", "http://tsa.example.org"),
        ("service.country", "SE"),
        ("service.organisation", "Étude Exemple AB"),
        ("service.organisation_identifier", "EI:SE-5567"),
        ("ledger.origin", "ledger.example.org/2026"),
        ("ledger.anchor_path", &anchor),
        ("tsa.policy_default", "1.3.6.1.4.1.99999.1"),
        ("keys.passphrase_file", &passphrase),
    ]);
    settings.extend(changes.iter().copied());
    let lines = settings.iter().filter(|(_, value)| !value.is_empty());
    let text: String = lines.map(|(key, value)| format!("{key} = \"{value}\"\n")).collect();
    let file = dir.join("semper.toml");
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn a_configuration_is_kept_as_it_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let file = configuration(dir.path(), &[]);
    let data = dir.path().join("deep/data");
    let made = init(&data, Some(&file)).unwrap();
    assert_eq!((made.origin.as_str(), &made.anchor), ("ledger.example.org/2026", &dir.path().join("anchor")));
    let folder = DataFolder::open(&data).unwrap();
    assert_eq!(fs::read(data.join("semper.toml")).unwrap(), fs::read(&file).unwrap());
    assert_eq!(folder.identity().unwrap().organisation_identifier, "EI:SE-5567");
    let next = format!("next: semper serve --data {} --config {}", data.display(), file.display());
    assert!(made.text().ends_with(&next), "{}", made.text());
    assert!(!data.join(DEMO_PASSPHRASE).exists() && made.anchor.exists() && !data.join("anchor").exists());
    let loaded = folder.load(&folder.config(None).unwrap()).unwrap();
    assert_eq!(loaded.log_keys.identity().issuer, "http://tsa.example.org");
    // A real service does not carry the test policy: 1.3.6.1.5.5.7.13.1.
    let test_policy = [0x06, 0x08, 0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x0D, 0x01];
    assert!(contains(&der("tsu-ec.1"), &test_policy));
    assert!(!contains(folder.certificate("tsu-ec.1").unwrap().der(), &test_policy));
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_made() {
    let long = "x".repeat(65);
    let table: [(&str, &str, &str); 8] = [
        ("ledger.origin", "", "the configuration must state ledger.origin (they can never change later)"),
        ("service.public_url", "https://tsa.example.org", "service.public_url must begin with http://"),
        ("keys.passphrase_file", "secret", "keys.passphrase_file must be an absolute path"),
        ("ledger.anchor_path", "anchor", "ledger.anchor_path must be an absolute path"),
        ("keys.passphrase_file", "/nowhere/secret", "cannot read the passphrase file /nowhere/secret"),
        ("init.officer", &long, "common name is empty, longer than 64 characters"),
        ("service.country", "Sweden", "service.country: must be two capital letters"),
        ("tsa.policy_default", "", "tsa.policy_default: is missing"),
    ];
    for (key, value, sentence) in table {
        let dir = tempfile::tempdir().unwrap();
        let file = configuration(dir.path(), &[(key, value)]);
        let data = dir.path().join("data");
        let refused = init(&data, Some(&file)).unwrap_err();
        assert!(refused.to_string().contains(sentence), "{key}: {refused}");
        assert_eq!(refused.exit(), Exit::Usage, "{refused}");
        assert!(!data.exists(), "{key}");
    }
    let dir = tempfile::tempdir().unwrap();
    let absent = init(dir.path(), Some(&dir.path().join("absent"))).unwrap_err();
    assert!(absent.to_string().starts_with("cannot read ") && absent.exit() == Exit::Usage, "{absent}");
}

/// Randomness that fails as soon as this file is there.
struct FailsAfter(PathBuf);

impl Entropy for FailsAfter {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyFault> {
        if self.0.exists() { Err(EntropyFault) } else { OsEntropy.fill(out) }
    }
}

/// Here randomness fails half way; a crash leaves the same.
#[test]
fn a_folder_that_was_not_finished_is_refused_by_everyone() {
    let dir = tempfile::tempdir().unwrap();
    let file = configuration(dir.path(), &[]);
    let data = dir.path().join("data");
    let plan = Plan::new(&args(&data, Some(&file)), &OsEntropy).unwrap();
    let entropy = FailsAfter(data.join("store"));
    plan.carry_out(&data, Arc::new(SystemReadings::new()), &entropy, &Progress::none()).unwrap_err();
    assert!(data.join("semper.toml").exists(), "it came this far");

    let refused = DataFolder::open(&data).unwrap_err().to_string();
    assert_eq!(
        refused,
        format!(
            "semper init, or semper restore, did not finish in {}; nothing in it was ever used: delete the folder and run the \
             command again",
            data.display()
        )
    );
    let again = init(&data, Some(&file)).unwrap_err();
    assert_eq!((again.to_string(), again.exit()), (refused, Exit::Usage));
}

/// Nothing was made when an anchor cannot be where it should, and what lies there stays.
#[test]
fn the_anchors_place_is_looked_at_first() {
    let dir = tempfile::tempdir().unwrap();
    let (taken, data) = (dir.path().join("anchor"), dir.path().join("data"));
    let refused = |file: &Path| {
        let refused = init(&data, Some(file)).unwrap_err();
        assert!(refused.exit() == Exit::Usage && !data.exists(), "{refused}");
        refused.to_string()
    };
    let file = configuration(dir.path(), &[]);
    fs::write(&taken, "another service's").unwrap();
    assert!(refused(&file).contains("the anchor of another service?"), "{}", refused(&file));
    assert_eq!(fs::read_to_string(&taken).unwrap(), "another service's");
    for place in [dir.path().join("nowhere/anchor"), taken.join("anchor")] {
        let file = configuration(dir.path(), &[("ledger.anchor_path", place.to_str().unwrap())]);
        let sentence = format!("ledger.anchor_path: no file can be made at {}: ", place.display());
        assert!(refused(&file).starts_with(&sentence), "{}", refused(&file));
    }
}

#[test]
fn a_short_passphrase_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = configuration(dir.path(), &[]);
    fs::write(dir.path().join("secret"), "sesame!\n").unwrap();
    let refused = init(&dir.path().join("data"), Some(&file)).unwrap_err();
    assert!(refused.exit() == Exit::Usage && refused.to_string().contains("fewer than 8 characters"), "{refused}");
}

/// An `init` that fails late leaves its folder, marked, and nothing outside it: not the anchor that it made, and whatever
/// lay beside that anchor.
#[test]
fn a_failed_init_takes_its_anchor_away() {
    let dir = tempfile::tempdir().unwrap();
    let anchors = dir.path().join("anchors");
    fs::create_dir(&anchors).unwrap();
    fs::write(anchors.join("other"), "another service's").unwrap();
    let anchor = anchors.join("anchor");
    let file = configuration(dir.path(), &[("ledger.anchor_path", anchor.to_str().unwrap())]);
    let data = dir.path().join("data");
    let plan = Plan::new(&args(&data, Some(&file)), &OsEntropy).unwrap();
    let run =
        |entropy: &dyn Entropy| plan.carry_out(&data, Arc::new(SystemReadings::new()), entropy, &Progress::none());
    let failed = run(&FailsAfter(anchor.clone())).unwrap_err();
    assert!(failed.exit() == Exit::Fault && failed.to_string().contains("random"), "{failed}");
    let left = |folder: &Path| -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert_eq!(left(&anchors), ["other"]);
    assert_eq!(fs::read_to_string(anchors.join("other")).unwrap(), "another service's");
    assert!(left(&data).contains(&INCOMPLETE.to_owned()) && data.join("store/CURRENT").exists(), "it came this far");
    // So the next one finds nothing in its way.
    fs::remove_dir_all(&data).unwrap();
    assert_eq!(run(&OsEntropy).unwrap().anchor, anchor);
    assert!(anchor.exists() && DataFolder::open(&data).is_ok());
}

#[test]
fn two_demonstrations_share_nothing() {
    let other = Plan::demo(&OsEntropy).unwrap();
    assert_ne!(other.identity.origin, DEMO.made.origin);
    let passphrase = fs::read_to_string(DEMO.dir.path().join("data").join(DEMO_PASSPHRASE)).unwrap();
    assert_ne!(other.passphrase.expose(), passphrase.trim());
}

#[test]
fn says_what_was_made_and_what_comes_next() {
    let text = DEMO.made.text();
    let root = DEMO.made.root.display().to_string();
    assert!(text.starts_with(&format!("made the service {} in {root}\n", DEMO.made.origin)), "{text}");
    assert!(text.ends_with(&format!("next: semper serve --data {root}")), "{text}");
    let json: serde_json::Value = serde_json::from_str(&DEMO.made.json()).unwrap();
    assert_eq!(json["vkey"], DEMO.made.vkey);
    assert_eq!(json["people"][1]["p12"], format!("{root}/people/officer.p12"));
    for shown in [text, json.to_string()] {
        for file in [&DEMO.made.people[0].passphrase_file, &DEMO.made.root.join(DEMO_PASSPHRASE)] {
            assert!(!shown.contains(fs::read_to_string(file).unwrap().trim()));
        }
    }
}

/// The checkpoint in the store is the log key's, by the key that verifiers get.
#[test]
fn the_trust_folder_is_what_a_verifier_reads() {
    let trust = |name: &str| fs::read_to_string(DEMO.made.root.join("trust").join(name)).unwrap();
    assert!(
        semper_ttp::verify::Trust::from_texts(&trust("root.pem"), &trust("tsa-chain.pem"), &trust("ledger.vkey"))
            .is_ok()
    );
    let log = demo().log_identity().unwrap();
    assert_eq!(trust("ledger.json"), format!("{{\"mmd_ms\":5000,\"origin\":\"{}\"}}\n", log.origin()));
    let none = [0; 64];
    assert!(!LogVerifier.verify(semper_ledger::port::Algorithm::Es256, &log.receipt_key, b"", &none));
    let spki = pem::decode("PUBLIC KEY", &trust("receipt.pem")).unwrap();
    let folder = demo();
    let custody = Custody::new(&folder, &folder.config(None).unwrap().keys).unwrap();
    let (_, key) = custody.newest(KeyPurpose::LogReceipt).unwrap();
    assert_eq!(spki, [key.spki_der()]);
}
