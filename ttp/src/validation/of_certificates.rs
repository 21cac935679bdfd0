//! Certificates by themselves: whether each was good at a moment, whatever it is used for (RFC 3029 §7.6, service vpkc).

use std::sync::Arc;

use super::chain::{Moment, evaluate, worst};
use super::context::{Context, Role};
use super::report::{Kind, SignatureReport};
use crate::path::{Certificate, InitialPolicies};

/// A certificate that is asked about.
#[derive(Clone, Debug)]
pub struct Target {
    /// Which.
    pub certificate: Arc<Certificate>,
    /// How its path shall be processed (RFC 5280 §6.1.1).
    pub policies: InitialPolicies,
}

/// Judges each for the validation time, in their order.
pub(super) fn judged(context: &mut Context<'_>, targets: &[Target]) -> Vec<SignatureReport> {
    let at = context.at;
    // The moment is the asker's: no proof of another one could help, so what is wrong at it is wrong for good.
    let moment = Moment { at, is_proved: true, signed_after: Some(at), binds_certificate: true };
    let one = |(place, target): (usize, &Target)| {
        let Target { certificate, policies } = target;
        // There may be no room, and then it is told.
        context.is_cut |= context.material.add_certificate(certificate).is_err();
        context.asked_policies.clone_from(policies);
        let found = evaluate(context, certificate, Role::Holder, moment);
        SignatureReport {
            conclusion: worst(&found.subs),
            signer: Some((&**certificate).into()),
            judged_at: at,
            constraints: found.answers.0,
            missing: found.missing,
            chain: found.chain,
            revocation: found.revocation,
            ..SignatureReport::new(format!("certificate {}", place + 1), Kind::Certificate, context.now)
        }
    };
    targets.iter().enumerate().map(one).collect()
}
