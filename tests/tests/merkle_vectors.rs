//! Merkle proofs judged by vectors that our code did not make: `schemas/vectors/rfc6962-*.json`.
//!
//! They come from the recursive definitions of RFC 9162, 2.1; the verifiers here are the loops of 2.1.3.2 and 2.1.4.2.

use std::fs;

use semper_ledger::{
    merkle::Hash,
    proof::{verify_consistency, verify_inclusion},
};
use serde_json::Value;

#[test]
fn inclusion_holds_exactly_where_the_vectors_say() {
    judge("rfc6962-inclusion.json", |case| {
        let (index, size) = (case["leaf_idx"].as_u64()?, case["tree_size"].as_u64()?);
        let (leaf, root, path) = (hash(&case["leaf_hash"])?, hash(&case["root"])?, path(&case["proof"])?);
        verify_inclusion(&leaf, index, size, &root, &path).ok()
    });
}

#[test]
fn consistency_holds_exactly_where_the_vectors_say() {
    judge("rfc6962-consistency.json", |case| {
        let older = (case["size1"].as_u64()?, &hash(&case["root1"])?);
        let newer = (case["size2"].as_u64()?, &hash(&case["root2"])?);
        verify_consistency(older, newer, &path(&case["proof"])?).ok()
    });
}

/// What is no hash of 32 octets cannot be said in our types and never reaches the verifier: a refusal, too.
fn hash(value: &Value) -> Option<Hash> {
    hex::decode(value.as_str()?).ok()?.try_into().ok()
}

fn path(value: &Value) -> Option<Vec<Hash>> {
    value.as_array()?.iter().map(hash).collect()
}

/// Runs every case of a file through `verify`, which gives `None` for what it refuses.
fn judge(name: &str, verify: impl Fn(&Value) -> Option<()>) {
    let file = semper_tests::source_folder().join("../schemas/vectors").join(name);
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let vectors: Value = serde_json::from_str(&text).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    let wants_error = |case: &Value| case["want_err"].as_bool().expect("every case says what it wants");
    let negative = cases.iter().filter(|case| wants_error(case)).count();
    assert!(cases.len() >= 90, "only {} cases", cases.len());
    assert!((cases.len() / 3..cases.len()).contains(&negative), "{negative} of {} are negative", cases.len());
    let wrong: Vec<_> =
        cases.iter().filter(|case| verify(case).is_none() != wants_error(case)).map(|case| &case["name"]).collect();
    assert!(wrong.is_empty(), "{name}: judged otherwise than the vectors: {wrong:#?}");
}
