//! Everything good is verified; everything changed is refuted, bit by bit.

use std::sync::Arc;

use proptest::prelude::*;
use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::cosignature::Cosigner;
use semper_ledger::entry::{Entry, Tag, Tags};
use semper_ledger::merkle::{Hash, leaf_hash, root_of};
use semper_ledger::note::Note;
use semper_ledger::port::Signer as _;
use semper_ledger::receipt::tlog_proof::TlogProof;
use semper_ledger::receipt::{GroupHead, LogIdentity, cose};

use super::*;
use crate::asn1::{PolicyId, TEST_POLICY, pem};
use crate::ca::certificate::Issuer;
use crate::ca::name::tests::subject;
use crate::crypto::{LogSigner, SignatureAlgorithm, Signer, SoftKey};
use crate::digest::Digest;
use crate::role::Role;
use crate::testing::{self, GEN_TIME, LOG, ORIGIN, PKI, token, trust};
use crate::time::Timestamp;
use crate::timestamp::token::prepare;
use crate::timestamp::{TimestampAuthority, TimestampEffect};

const DOCUMENT: &[u8] = b"document";

fn entry(token: &[u8]) -> Entry {
    let time_ms = GEN_TIME.millis() + 3;
    Entry { role: 2, kind: 0, time_ms, digest: Digest::of(token).0, tags: Tags::default() }
}

/// A proof of `entry` at index 1 of three entries.
fn proof(entry: &Entry) -> String {
    let bytes = entry.encode();
    let leaves: [Hash; 3] = [[1; 32], leaf_hash(&bytes), [3; 32]];
    let text = Checkpoint { origin: ORIGIN.to_owned(), size: 3, root: root_of(&leaves) }.text();
    let checkpoint = Note { signatures: vec![LOG.line(&LOG.sign(&text).unwrap())], text }.to_string();
    TlogProof { extra: Some(bytes), index: 1, path: vec![leaves[0], leaves[2]], checkpoint }.to_string()
}

fn verify(token: &[u8], proof: Option<&str>, trust: &Trust) -> Report {
    let proof = proof.map(str::as_bytes);
    verify_timestamp(&Evidence { document: Document::Bytes(DOCUMENT), token, proof }, trust)
}

/// The checks that failed.
fn failed(report: &Report) -> Vec<Check> {
    report.checks.iter().filter(|r| matches!(r.outcome, Outcome::Failed(_))).map(|r| r.check).collect()
}

#[test]
fn a_good_timestamp_is_verified() {
    let trust = trust().with_policies(vec!["1.3.6.1.4.1.99999.1".parse().unwrap()]);
    for unit in [testing::ec(), testing::rsa()] {
        for cert_req in [false, true] {
            let token = token(unit, cert_req);
            let proof = proof(&entry(&token));
            let report = verify(&token, Some(&proof), &trust);
            assert_eq!(failed(&report), []);
            assert_eq!(report.verdict, Verdict::Verified, "{}", report.to_json());
            assert_eq!(report.checks.len(), 17);
            assert!(report.checks.is_sorted_by_key(|result| result.check), "in the documented order");
            let summary = report.token.unwrap();
            assert_eq!((summary.gen_time, summary.hash), (GEN_TIME, "sha256"));
            assert_eq!(summary.nonce.as_deref(), Some("008585858585858585"));
            assert_eq!(summary.signer.as_deref(), Some(unit.tsu.key().purpose.name()));
            assert_eq!(report.entry.unwrap().index, 1);
        }
    }
    // Without a proof nothing fails, but it is not known to be logged.
    let report = verify(&token(testing::ec(), true), None, &trust);
    assert_eq!((report.verdict, failed(&report)), (Verdict::Undecided, vec![]));
}

/// The second form of a token is made with the certificate of the CA that signed, whatever else has its name.
#[test]
fn the_released_forms_of_a_unit_whose_ca_was_rolled_over() {
    let ca = |key: &SoftKey, years| {
        let signer = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
        let root = Issuer::self_signed(&subject("Root"), signer.spki_der(), signer.algorithm()).unwrap();
        testing::issue(&testing::template("issuing-ca", "TSU CA", key, years), &root, &signer)
    };
    let tokens = [false, true].map(|cert_req| token(testing::ec(), cert_req));
    let mut trust = trust();
    let before = tokens.each_ref().map(|token| released(token, &trust).unwrap());
    assert_eq!([before[0].forms[0], before[1].forms[1]], tokens.each_ref().map(|token| Digest::of(token)));
    // Another key under the same name, in front and behind.
    let other = ca(&SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap(), 10);
    trust.chain.insert(0, other.clone());
    trust.chain.push(other);
    assert_eq!(tokens.each_ref().map(|token| released(token, &trust).unwrap()), before);
    // The same key, certified twice.
    trust.chain.push(ca(&PKI.ca_key, 11));
    assert_eq!(released(&tokens[0], &trust), None);
}

#[test]
fn the_report_as_json() {
    let token = token(testing::ec(), false);
    let json: serde_json::Value = serde_json::from_str(&verify(&token, None, &trust()).to_json()).unwrap();
    assert_eq!(json["verdict"], "undecided");
    assert_eq!(json["checks"][0], serde_json::json!({"check": "token.form", "outcome": "ok"}));
    let revocation = serde_json::json!({
        "check": "certificate.revocation", "outcome": "not-checked", "reason": "this version looks at no revocation list"
    });
    assert_eq!(json["checks"][8], revocation);
    let last = serde_json::json!({"check": "entry.time", "outcome": "not-checked", "reason": "no proof was given"});
    assert_eq!(json["checks"][16], last);
    assert_eq!(json["token"]["gen_time"], "2026-03-01T12:00:00.250Z");
}

#[test]
fn each_check_fails_for_its_own_reason() {
    let unit = testing::ec();
    let good = token(unit, true);
    let good_entry = entry(&good);
    let with = |change: fn(&mut Entry)| {
        let mut entry = good_entry.clone();
        change(&mut entry);
        failed(&verify(&good, Some(&proof(&entry)), &trust()))
    };
    assert_eq!(with(|_| {}), []);
    assert_eq!(with(|e| e.digest[0] ^= 1), [Check::EntryDigest]);
    assert_eq!(with(|e| e.role = 3), [Check::EntryKind]);
    assert_eq!(with(|e| e.kind = 1), [Check::EntryKind]);
    assert_eq!(with(|e| e.tags = Tags::new(vec![Tag([1; 32])]).unwrap()), [Check::EntryKind]);
    // The interval [genTime, genTime + mmd], both ends included.
    assert_eq!(with(|e| e.time_ms = GEN_TIME.millis() - 1), [Check::EntryTime]);
    assert_eq!(with(|e| e.time_ms = GEN_TIME.millis()), []);
    assert_eq!(with(|e| e.time_ms = GEN_TIME.millis() + 5_000), []);
    assert_eq!(with(|e| e.time_ms = GEN_TIME.millis() + 5_001), [Check::EntryTime]);

    let good_proof = proof(&good_entry);
    let of = |token: &[u8], proof: &str, trust: &Trust| failed(&verify(token, Some(proof), trust));
    let strict = trust().with_policies(vec!["1.2.3".parse().unwrap()]);
    assert_eq!(of(&good, &good_proof, &strict), [Check::TokenPolicy]);
    assert_eq!(of(&good, &good_proof.replace("index 1", "index 0"), &trust()), [Check::ProofInclusion]);
    assert_eq!(of(&good, &good_proof.replace("@v1", "@v2"), &trust()), [Check::ProofForm]);
    let mut no_keys = trust();
    no_keys.log_keys.clear();
    assert_eq!(of(&good, &good_proof, &no_keys), [Check::ProofCheckpoint]);

    let other_document =
        Evidence { document: Document::Bytes(b"other"), token: &good, proof: Some(good_proof.as_bytes()) };
    assert_eq!(failed(&verify_timestamp(&other_document, &trust())), [Check::TokenImprint]);
    let imprint = Digest::of(DOCUMENT);
    for (algorithm, expected) in
        [(ImprintAlgorithm::Sha256, vec![]), (ImprintAlgorithm::Sha3_256, vec![Check::TokenImprint])]
    {
        let document = Document::Imprint { algorithm, digest: &imprint.0 };
        let evidence = Evidence { document, token: &good, proof: Some(good_proof.as_bytes()) };
        assert_eq!(failed(&verify_timestamp(&evidence, &trust())), expected);
    }
    assert_eq!(imprint_algorithm(&good), Some(ImprintAlgorithm::Sha256));
    assert_eq!(imprint_algorithm(&good[1..]), None);

    // Another root with the same name.
    let mut stranger = trust();
    stranger.root = PKI.ca.clone();
    assert_eq!(of(&good, &good_proof, &stranger), [Check::CertificateChain]);
    // No certificate in the token, none in the chain file.
    let bare = token(unit, false);
    let mut no_chain = trust();
    no_chain.chain.clear();
    assert_eq!(failed(&verify(&bare, None, &no_chain)), [Check::TokenSigner]);
}

/// The `extra` line is optional, and what it would carry is found: the proven place leaves one entry of this token.
#[test]
fn a_proof_without_its_entry_proves_as_much() {
    let good = token(testing::ec(), true);
    let bare = |entry: &Entry| TlogProof { extra: None, ..TlogProof::parse(&proof(entry)).unwrap() }.to_string();
    let at = |millis| Entry { time_ms: GEN_TIME.millis() + millis, ..entry(&good) };
    for millis in [0, 3, 5_000] {
        let report = verify(&good, Some(&bare(&at(millis))), &trust());
        assert_eq!(report.verdict, Verdict::Verified, "{}", report.to_json());
        assert_eq!(report.entry.unwrap().time, Timestamp::from_millis(at(millis).time_ms));
    }
    let other = Entry { digest: [9; 32], ..at(3) };
    for wrong in [bare(&at(5_001)), bare(&other), bare(&at(3)).replace("index 1", "index 0")] {
        let report = verify(&good, Some(&wrong), &trust());
        assert_eq!((report.verdict, failed(&report)), (Verdict::Refuted, vec![Check::ProofInclusion]));
    }
    let mut no_keys = trust();
    no_keys.log_keys.clear();
    assert_eq!(failed(&verify(&good, Some(&bare(&at(3))), &no_keys)), [Check::ProofCheckpoint]);
}

/// A verifier that asks for witnesses is content with a quorum of its own, and with nothing less.
#[test]
fn witnesses_are_weighed_by_the_verifiers_policy() {
    let cosigner = |name: &str| {
        let key = Arc::new(SoftKey::generate(SignatureAlgorithm::Ed25519).unwrap());
        Cosigner::new(name, Arc::new(LogSigner::new(key).unwrap())).unwrap()
    };
    let (a, b, stranger) = (cosigner("a"), cosigner("b"), cosigner("stranger"));
    let policy = format!("witness A {}\nwitness B {}\ngroup G all A B\nquorum G\n", a.verifier_key(), b.verifier_key());
    let asking = trust().with_witnesses(policy.as_bytes()).unwrap();
    let good = token(testing::ec(), true);
    let with = |cosigners: &[&Cosigner]| {
        let mut proof = TlogProof::parse(&proof(&entry(&good))).unwrap();
        let mut note = Note::parse(&proof.checkpoint).unwrap();
        let lines = cosigners.iter().map(|cosigner| cosigner.cosign(&note.text, 1_800_000_000).unwrap());
        note.signatures.extend(lines.collect::<Vec<_>>());
        proof.checkpoint = note.to_string();
        proof.to_string()
    };
    let outcome = |proof: &str, trust: &Trust| {
        let report = verify(&good, Some(proof), trust);
        (report.verdict, report.outcome(Check::ProofWitnesses).unwrap().clone())
    };
    assert_eq!(outcome(&with(&[&a, &b, &stranger]), &asking), (Verdict::Verified, Outcome::Ok));
    for few in [&[][..], &[&a], &[&a, &stranger]] {
        let (verdict, told) = outcome(&with(few), &asking);
        assert!(verdict == Verdict::Undecided && matches!(told, Outcome::NotChecked(_)), "{told:?}");
    }
    // Who asks for none needs none.
    let (verdict, told) = outcome(&with(&[]), &trust());
    assert!(verdict == Verdict::Verified && matches!(told, Outcome::NotChecked(_)), "{told:?}");
    let none = trust().with_witnesses(b"quorum none\n").unwrap();
    assert_eq!(outcome(&with(&[]), &none), (Verdict::Verified, Outcome::Ok));
    // A cosignature under a known name that is wrong is a forgery, however many others are good.
    let other = cosigner("a");
    let forged = format!("witness A {}\nquorum A\n", other.verifier_key());
    let mut proof = TlogProof::parse(&with(&[&other])).unwrap();
    proof.checkpoint = proof.checkpoint.trim_end().rsplit_once('\n').unwrap().0.to_owned() + "\n";
    let mut note = Note::parse(&proof.checkpoint).unwrap();
    let mut line = other.cosign(&note.text, 1_800_000_000).unwrap();
    line.signature[20] ^= 1;
    note.signatures.push(line);
    proof.checkpoint = note.to_string();
    let forging = trust().with_witnesses(forged.as_bytes()).unwrap();
    assert_eq!(outcome(&proof.to_string(), &forging).0, Verdict::Refuted);
    assert!(matches!(trust().with_witnesses(b"quorum A\n"), Err(TrustFault::Witnesses(_))));
}

/// The other form of a receipt (RFC 9942), which never carries its entry.
#[test]
fn a_cose_receipt_is_judged() {
    let key = LogSigner::new(Arc::new(SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap())).unwrap();
    let pem = |key: &LogSigner| pem::encode("PUBLIC KEY", &crate::testing::p256_spki(&key.public_key()));
    let good = token(testing::ec(), true);
    let receipt = |entry: &Entry| {
        let leaves: [Hash; 3] = [[1; 32], leaf_hash(&entry.encode()), [3; 32]];
        let identity = LogIdentity {
            note_key: LOG.verifier_key().clone(),
            issuer: "https://tsa.example".to_owned(),
            receipt_key: key.public_key(),
        };
        let (root, none) = (root_of(&leaves), [0; 64]);
        let receipt_signature = cose::sign(&identity, 3, &root, &key).unwrap();
        let head =
            GroupHead { first: 0, size: 3, root, time_ms: entry.time_ms, note_signature: none, receipt_signature };
        cose::inclusion(&identity, &head, 1, &[leaves[0], leaves[2]])
    };
    let judge = |receipt: &[u8], trust: &Trust| {
        let document = Document::Bytes(DOCUMENT);
        verify_timestamp(&Evidence { document, token: &good, proof: Some(receipt) }, trust)
    };
    let mine = trust().with_receipt_key(&pem(&key)).unwrap();
    let logged = receipt(&entry(&good));
    let report = judge(&logged, &mine);
    assert_eq!(report.verdict, Verdict::Verified, "{}", report.to_json());
    assert!(report.checks.is_sorted_by_key(|result| result.check));
    let summary = report.entry.unwrap();
    assert_eq!((summary.index, summary.tree_size, summary.time.millis()), (1, 3, entry(&good).time_ms));

    let without_key = judge(&logged, &trust());
    assert_eq!((without_key.verdict, failed(&without_key)), (Verdict::Undecided, vec![]));
    let stranger = LogSigner::new(Arc::new(SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap())).unwrap();
    let theirs = trust().with_receipt_key(&pem(&stranger)).unwrap();
    assert_eq!(failed(&judge(&logged, &theirs)), [Check::ProofCheckpoint]);
    let other = receipt(&Entry { digest: [9; 32], ..entry(&good) });
    assert_eq!(failed(&judge(&other, &mine)), [Check::ProofInclusion]);
    let (last, mut signature) = (logged.len() - 1, logged.clone());
    signature[last] ^= 1;
    assert_eq!(failed(&judge(&signature, &mine)), [Check::ProofInclusion]);
    assert_eq!(failed(&judge(&logged[..last], &mine)), [Check::ProofForm]);
    assert!(matches!(trust().with_receipt_key("no key"), Err(TrustFault::ReceiptKey)));
}

/// A trial service's token is not verified by default: it must be asked for by the name of its policy.
/// A token under this policy.
fn under(policy: &PolicyId) -> Vec<u8> {
    let unit = testing::ec();
    let (_, mut effects) = TimestampAuthority::decide(&unit.endpoint(), &testing::event(5), GEN_TIME).unwrap();
    let TimestampEffect::Sign(mut content) = effects.remove(0);
    content.policy = policy.clone();
    let tbs = prepare(&unit.tsu, &content);
    let signature = unit.key.sign(tbs.message()).unwrap();
    tbs.finish(&signature).token().to_vec()
}

#[test]
fn a_token_under_the_test_policy_is_undecided_until_it_is_asked_for() {
    let test = TEST_POLICY.parse::<PolicyId>().unwrap();
    let token = under(&test);
    let proof = proof(&entry(&token));
    let report = |trust: &Trust| verify(&token, Some(&proof), trust);

    let unasked = report(&trust());
    assert_eq!((unasked.verdict, failed(&unasked)), (Verdict::Undecided, vec![]));
    let open: Vec<_> = unasked.checks.iter().filter(|result| unasked.leaves_open(result)).collect();
    assert!(matches!(open.as_slice(), [result] if result.check == Check::TokenPolicy), "{open:?}");
    assert_eq!(report(&trust().with_policies(vec![test])).verdict, Verdict::Verified);
    let other = report(&trust().with_policies(vec!["1.2.3".parse().unwrap()]));
    assert_eq!(failed(&other), [Check::TokenPolicy]);
}

/// anyPolicy is one that a certificate may be under, and no token: it is none that anybody asked for.
#[test]
fn a_token_under_any_policy_is_under_none() {
    let token = under(&"2.5.29.32.0".parse().unwrap());
    let report = verify(&token, Some(&proof(&entry(&token))), &trust().with_policies(vec!["1.2.3".parse().unwrap()]));
    assert_eq!((report.verdict, failed(&report)), (Verdict::Refuted, vec![Check::TokenPolicy]));
}

/// Policies under an arc of one's own that is a UUID (2.25.…), which the service may be given too.
#[test]
fn a_policy_with_a_large_arc_is_read() {
    let large = "2.25.340282366920938463463374607431768211455".parse::<PolicyId>().unwrap();
    let token = under(&large);
    let report = verify(&token, Some(&proof(&entry(&token))), &trust().with_policies(vec![large.clone()]));
    assert_eq!(report.verdict, Verdict::Verified, "{}", report.to_json());
    assert_eq!(report.token.unwrap().policy, large.to_string());
}

/// How late an entry may be is the ledger's promise, which the trust folder tells.
#[test]
fn the_ledgers_promise_bounds_the_entrys_time() {
    let good = token(testing::ec(), true);
    let entry_after = |millis: u64| Entry { time_ms: GEN_TIME.millis() + millis, ..entry(&good) };
    let at = |millis, trust: &Trust| failed(&verify(&good, Some(&proof(&entry_after(millis))), trust));
    let patient = trust().with_promise(r#"{"mmd_ms": 20000, "of a later version": 1}"#).unwrap();
    assert_eq!((at(20_000, &patient), at(20_001, &patient)), (vec![], vec![Check::EntryTime]));
    let strict =
        trust().with_promise(&serde_json::to_string(&LedgerPromise { mmd_ms: 100, origin: None }).unwrap()).unwrap();
    assert_eq!((at(100, &strict), at(101, &strict)), (vec![], vec![Check::EntryTime]));
    assert!(matches!(trust().with_promise("{}"), Err(TrustFault::Promise(_))));
}

/// A unit that signs after its key's end: `decide` would refuse, so the token is made of a good one's parts.
#[test]
fn a_token_after_the_end_of_its_key_fails() {
    let unit = testing::ec();
    let mut event = testing::event(5);
    event.request.cert_req = true;
    let (_, mut effects) = TimestampAuthority::decide(&unit.endpoint(), &event, GEN_TIME).unwrap();
    let TimestampEffect::Sign(mut content) = effects.remove(0);
    for (gen_time, expected) in [
        (testing::key_period().not_after.plus_secs(1), vec![Check::CertificateKeyPeriod]),
        (testing::start().minus_millis(1000), vec![Check::CertificateChain, Check::CertificateKeyPeriod]),
    ] {
        content.gen_time = gen_time;
        let tbs = prepare(&unit.tsu, &content);
        let signature = unit.key.sign(tbs.message()).unwrap();
        assert_eq!(failed(&verify(tbs.finish(&signature).token(), None, &trust())), expected);
    }
}

/// A certificate of the right key but without the profile, put behind a token that was signed with it in mind.
#[test]
fn a_token_with_another_certificate_of_the_same_key_fails() {
    let unit = testing::ec();
    let twin = testing::reissue(unit.tsu.certificate(), |tbs| {
        tbs.validity.not_after = tbs.validity.not_before;
    });
    let mut trust = trust();
    trust.chain[0] = crate::x509::Certificate::from_der(&twin).unwrap();
    let report = verify(&token(unit, false), None, &trust);
    assert_eq!(failed(&report), [Check::TokenCertificateBinding, Check::CertificateChain]);
}

/// Every bit of a token, with certificates and without, of both kinds of key: no proof helps to find it.
#[test]
fn every_flipped_bit_of_a_token_is_refuted() {
    let trust = trust();
    for (unit, cert_req, masks) in [
        (testing::ec(), false, &[1, 2, 4, 8, 16, 32, 64, 128][..]),
        (testing::ec(), true, &[1, 128]),
        (testing::rsa(), false, &[1, 128]),
    ] {
        let good = token(unit, cert_req);
        for at in 0..good.len() {
            for mask in masks {
                let mut bad = good.clone();
                bad[at] ^= mask;
                let report = verify(&bad, None, &trust);
                assert_eq!(report.verdict, Verdict::Refuted, "octet {at} mask {mask}: {}", report.to_json());
            }
        }
        for cut in [0, 1, good.len() / 2, good.len() - 1] {
            assert_eq!(failed(&verify(&good[..cut], None, &trust)), [Check::TokenForm]);
        }
        assert_eq!(failed(&verify(&[&good[..], &[0]].concat(), None, &trust)), [Check::TokenForm]);
    }
}

#[test]
fn every_flipped_bit_of_a_proof_is_refuted() {
    let trust = trust();
    let token = token(testing::ec(), false);
    let good = proof(&entry(&token));
    for at in 0..good.len() {
        for mask in [1, 2, 4, 8, 16, 32, 64] {
            let mut bad = good.clone().into_bytes();
            bad[at] ^= mask;
            // A broken dash is no UTF-8; such a file is not even text.
            let Ok(bad) = String::from_utf8(bad) else { continue };
            let report = verify(&token, Some(&bad), &trust);
            assert_eq!(report.verdict, Verdict::Refuted, "octet {at} mask {mask}: {bad}\n{}", report.to_json());
            // Only an entry that stands in the tree has an index to tell of.
            let stands = report.outcome(Check::ProofInclusion) == Some(&Outcome::Ok);
            assert_eq!(report.entry.is_some(), stands, "octet {at} mask {mask}");
        }
    }
}

#[test]
fn every_flipped_octet_of_the_trusted_files_is_refuted_or_refused() {
    let token = token(testing::ec(), false);
    let good_proof = proof(&entry(&token));
    let good = trust();
    // root.pem and the two certificates that the token's chain needs
    for which in 0..3 {
        let der = [good.root.der(), good.chain[0].der(), good.chain[2].der()][which].to_vec();
        for at in 0..der.len() {
            let mut bad = der.clone();
            bad[at] ^= 1;
            let Ok(bad) = crate::x509::Certificate::from_der(&bad) else { continue };
            let mut trust = good.clone();
            match which {
                // A root is trusted as it is: its own signature means nothing, its key, name and profile all.
                0 => trust.root = bad,
                1 => trust.chain[0] = bad,
                _ => trust.chain[2] = bad,
            }
            let report = verify(&token, Some(&good_proof), &trust);
            let meaningless = which == 0 && root_bit_is_meaningless(&der, at);
            assert!(report.verdict == Verdict::Refuted || meaningless, "file {which} octet {at}");
        }
    }
}

/// Parts of a trust anchor that no path depends on (RFC 5280 §6.1.1 d): all but its name, key and extensions.
fn root_bit_is_meaningless(der: &[u8], at: usize) -> bool {
    let find = |part: &[u8]| der.windows(part.len()).position(|window| window == part).unwrap();
    let subject = crate::x509::encode(PKI.root.subject());
    let spki = PKI.root.spki_der();
    let spki_at = find(&spki);
    let subject_at = spki_at - subject.len();
    !(subject_at..spki_at + spki.len()).contains(&at)
}

#[test]
fn files_that_are_no_trust_are_named() {
    let root = pem::encode("CERTIFICATE", PKI.root.der());
    let fault = |root: &str, chain: &str, keys: &str| Trust::from_texts(root, chain, keys).err();
    assert_eq!(fault(&root, "", ""), None);
    assert_eq!(fault("", "", ""), Some(TrustFault::Root));
    assert_eq!(fault(&root.repeat(2), "", ""), Some(TrustFault::Root));
    assert_eq!(fault(&root, &pem::encode("CERTIFICATE", &[0x30, 0]), ""), Some(TrustFault::Chain));
    assert!(matches!(fault(&root, "", "log+00000000+AA=="), Some(TrustFault::LogKey(_))));
}

proptest! {
    #[test]
    fn garbage_never_panics(token: Vec<u8>, proof: String) {
        let report = verify(&token, Some(&proof), &trust());
        prop_assert_eq!(report.verdict, Verdict::Refuted);
    }
}
