#![no_main]
//! SignedData of a stranger: nobody's anchors, so it never passes.
use semper_ttp::path::Material;
use semper_ttp::time::Timestamp;
use semper_ttp::validation::{Indication, Inputs, Policy, Subject, validate};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (material, policy) = (Material::new(), Policy::builtin());
    let report = validate(&Inputs {
        subject: Subject::Cms { bytes, detached: Some(b"content") },
        signer_anchors: &[],
        timestamp_anchors: &[],
        material: &material,
        timestamps: &[],
        at: Timestamp::from_secs(1_772_366_400),
        now: Timestamp::from_secs(1_772_366_400),
        source: None,
        policy: &policy,
    });
    assert_ne!(report.conclusion.indication, Indication::TotalPassed);
    let _ = (report.to_json(), report.to_string());
});
