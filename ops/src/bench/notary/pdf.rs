//! A PDF with three signatures, validated in this process with all that it brings along: certificates, CRLs, timestamps.
//!
//! pyHanko made it (`tests/strangers/bench_pdf.py`); it and its anchors lie in this binary. It is judged for the day after its last
//! timestamp, so that it stays valid.

use std::sync::Arc;
use std::time::Instant;

use semper_ttp::crypto::{Hash, SignatureScheme};
use semper_ttp::path::{Anchor, Certificate, Material};
use semper_ttp::time::Timestamp;
use semper_ttp::validation::{Indication, Inputs, Policy, Report, Subject, validate};

use super::super::sample::{quantile, rounds};
use super::{AREA, Failed, Figure, Goal};
use crate::progress::Progress;

const CONTRACT: &[u8] = include_bytes!("pdf/contract.pdf");
const ROOT: &[u8] = include_bytes!("pdf/root.der");
const TIME_ROOT: &[u8] = include_bytes!("pdf/time-root.der");
/// Whom the root has signed: what one verification takes is measured with it.
const CA: &[u8] = include_bytes!("pdf/ca.der");
/// When it is judged: 4 March 2025.
const AT: Timestamp = Timestamp::from_secs(1_741_046_400);
const SIGNERS: usize = 3;
/// Validations of one round, and verifications of one measurement of the limit.
const VALIDATIONS: usize = 101;
const VERIFICATIONS: usize = 501;

/// What the PDF is judged by.
struct World {
    signers: [Arc<Anchor>; 1],
    timestamps: [Arc<Anchor>; 1],
    material: Material,
    policy: Policy,
}

impl World {
    fn new() -> Result<Self, Failed> {
        let anchor = |der| -> Result<_, Failed> {
            Ok([Arc::new(Anchor::from_certificate(Arc::new(Certificate::from_der(der)?))?)])
        };
        let (signers, timestamps) = (anchor(ROOT)?, anchor(TIME_ROOT)?);
        Ok(Self { signers, timestamps, material: Material::new(), policy: Policy::builtin() })
    }

    fn validate(&self) -> Report {
        validate(&Inputs {
            subject: Subject::Pdf(CONTRACT),
            signer_anchors: &self.signers,
            timestamp_anchors: &self.timestamps,
            material: &self.material,
            timestamps: &[],
            at: AT,
            now: AT,
            source: None,
            policy: &self.policy,
        })
    }
}

/// Milliseconds that a validation takes, the middle one of each round.
///
/// # Errors
/// The PDF is not valid.
pub(super) fn measure(progress: &Progress) -> Result<Figure, Failed> {
    let world = World::new()?;
    let verifications = verifications(&passed(world.validate())?);
    let rounds = rounds(
        &mut (),
        |()| Ok(verification_millis()? * verifications as f64),
        |()| {
            progress.add(1);
            median_millis(VALIDATIONS, || passed(world.validate()).map(drop))
        },
    )?;
    let name = format!("PDF with {SIGNERS} signatures validated");
    let conditions = format!(
        "in this process, one thread; {} octets, made by pyHanko: {SIGNERS} signers (two P-256, one RSA), each with a timestamp, all CRLs \
         within, a document timestamp over all; TOTAL-PASSED for each at every run; {VALIDATIONS} a round",
        CONTRACT.len(),
    );
    Ok(Figure::beside(AREA, name, "ms", &rounds, Goal::AtMost(20.0))
        .against(format!("{verifications} signatures are in it; each counted as one of P-256 verified alone"))
        .under(conditions))
}

/// The report, if it is that of a PDF whose signatures all hold.
fn passed(report: Report) -> Result<Report, Failed> {
    let is_passed = |indication| indication == Indication::TotalPassed;
    let of_signers = report.signatures.iter().filter(|signature| is_passed(signature.conclusion.indication)).count();
    if of_signers == report.signatures.len() && of_signers >= SIGNERS && is_passed(report.conclusion.indication) {
        return Ok(report);
    }
    Err(Failed(format!("the PDF is not valid: {report}")))
}

/// Of each certificate but the anchors', of each list, each signer and each timestamp, once.
fn verifications(report: &Report) -> usize {
    let stamps: usize = report.signatures.iter().map(|signature| signature.timestamps.len()).sum();
    report.material.len() - 2 + report.signatures.len() + stamps
}

fn verification_millis() -> Result<f64, Failed> {
    let (root, ca) = (Certificate::from_der(ROOT)?, Certificate::from_der(CA)?);
    let unfit = || Failed("the signature of the certificate in ca.der does not hold".to_owned());
    let key = root.key()?;
    median_millis(VERIFICATIONS, || {
        let (tbs, signature) = (ca.signed().tbs(), ca.signed().signature());
        key.verify(SignatureScheme::Ecdsa(Hash::Sha256), tbs, signature).then_some(()).ok_or_else(unfit)
    })
}

fn median_millis(times: usize, mut work: impl FnMut() -> Result<(), Failed>) -> Result<f64, Failed> {
    let mut nanos = Vec::with_capacity(times);
    for _ in 0..times {
        let start = Instant::now();
        work()?;
        nanos.push(start.elapsed().as_nanos() as u64);
    }
    Ok(quantile(&mut nanos, 0.5) as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_have_signed_and_all_is_valid() {
        let world = World::new().ok().unwrap();
        let report = passed(world.validate()).ok().unwrap();
        assert_eq!(report.signatures.iter().filter(|signature| !signature.timestamps.is_empty()).count(), SIGNERS);
        assert!(verifications(&report) > 3 * SIGNERS);
        // Nobody whom it knows.
        let world = World { timestamps: world.signers.clone(), signers: world.timestamps.clone(), ..world };
        assert!(passed(world.validate()).is_err());
    }

    #[test]
    fn a_verification_is_one() {
        assert!(verification_millis().ok().unwrap() > 0.0);
    }
}
