//! The PKI disclosure statement, in the outline of ETSI EN 319 411-1 annex A.

use semper_ttp::ca::Authority;
use semper_ttp::digest::Digest;

use super::{Known, NOT_STATED, span};
use crate::config::Identity;

/// Writes it.
pub(super) fn write(known: &Known<'_>) -> String {
    let Identity { origin, public_url, country, organisation, organisation_identifier } = known.identity;
    let stated = &known.config.statements;
    let terms = match known.policies.terms() {
        Some(terms) => format!("the terms {0} (`/v1/policies/{0}`)", Digest::of(terms)),
        None => "no terms".to_owned(),
    };
    let offline = known.is_root_offline();
    let lists = Authority::OWN.into_iter().filter(|authority| !offline || *authority != Authority::Root);
    let longest = span(lists.map(Authority::crl_life_secs).max().unwrap_or_default().into());
    let of_cas = if offline {
        " The root's key is kept offline: its lists, which alone tell of CAs, are carried by hand, and each says until when it is good."
    } else {
        " Of CAs the root's list alone tells."
    };
    [
        format!(
            "# PKI disclosure statement\n\n{}This statement is not the practice statement, which is at \
             `/.well-known/semper/cps`; it sums up \
             what holders and relying parties must know (ETSI EN 319 411-1, annex A).\n",
            known.notice()
        ),
        format!(
            "## Contact\n\n{organisation} ({organisation_identifier}, {country}), {public_url}, ledger \
             {origin}\n\n{}\n\nRevocation: {}\n",
            known.contact(),
            known.revocation_contact()
        ),
        format!(
            "## Certificate types, validation and usage\n\n{}\n\n{}\nThe identity of each applicant is recorded \
             by an officer before an approval; a profile's line says how many \
             officers approve.\n",
            known.qualified(),
            known.profile_table()
        ),
        format!(
            "## Reliance limits\n\nA certificate is good for what its key usage says, within its validity, unless \
             it was revoked. Timestamps are accurate to {} ms. \
             Financial limits: {}\n",
            known.config.tsa.accuracy_ms,
            stated.liability.as_deref().unwrap_or(NOT_STATED)
        ),
        format!("## Obligations of holders\n\nThey accept {terms} with each application. {}\n", known.notices()),
        format!(
            "## Checking the status\n\nWhoever relies on a certificate asks for its status: by OCSP at \
             `{public_url}/ocsp` (answers valid for {}) or by the list that the \
             certificate names (valid for at most {longest}; a revocation is in it after {}).{of_cas} What the status was \
             at a past moment is proven at \
             `/v1/certificates/SERIAL/status?at=TIME`.\n",
            span(semper_api::OCSP_LIFE_SECS),
            span(known.config.ca.crl_delay_secs)
        ),
        format!("## Limited warranty and liability\n\n{}\n", stated.liability.as_deref().unwrap_or(NOT_STATED)),
        format!(
            "## Applicable agreements\n\nThis statement, the practice statement, {terms}, the \
                 policies:\n\n{}",
            known.policy_list()
        ),
        "## Privacy\n\nThe public ledger holds no names. Applications and records of identity are kept privately; \
         each reading is logged.\n"
            .to_owned(),
        format!("## Refunds\n\n{NOT_STATED}\n"),
        format!("## Applicable law, complaints, disputes\n\n{}\n", stated.law.as_deref().unwrap_or(NOT_STATED)),
        format!("## Licences, trust marks, audits\n\n{}\n", stated.audits.as_deref().unwrap_or(NOT_STATED)),
    ]
    .join("\n")
}
