#![no_main]
//! Certificates of strangers, as anybody puts them into a signature, and the judgement of a path of two of them.
use std::sync::Arc;

use semper_ttp::path::{Anchor, Certificate, Checks, Material, Path, Settings, build, revocation, validate};
use semper_ttp::time::Timestamp;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(certificate) = Certificate::from_der(bytes) else { return };
    // What was signed stands in what was received.
    let tbs = certificate.signed().tbs();
    assert!(bytes.windows(tbs.len()).any(|window| window == tbs));
    let certificate = Arc::new(certificate);
    let Ok(anchor) = Anchor::from_certificate(certificate.clone()) else { return };
    let (anchor, mut material) = (Arc::new(anchor), Material::new());
    material.add_certificate(&certificate).expect("there is room for one");
    let at = certificate.validity().not_before;
    let (settings, mut checks) = (Settings::new(at), Checks::new(8));
    assert!(build(&certificate, &material, &[anchor.clone()], &settings.limits, &mut checks)[0].is_direct());
    let path = Path::new(anchor, vec![certificate.clone(), certificate]).expect("it has certificates");
    for problem in validate(&path, at, &settings, &mut checks).problems {
        assert!(!problem.to_string().is_empty());
    }
    let status = revocation(&path, 1, at, &material, &settings, &mut checks);
    assert!(status.looked_at.is_empty());
});
