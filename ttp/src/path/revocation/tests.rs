//! Evidence and moments, each with the verdict.

use super::*;
use crate::asn1::der::{self, sequence, tlv};
use crate::crypto::SoftKey;
use crate::path::crl::Crl;
use crate::path::ocsp::OcspResponse;
use crate::path::testing::{
    Answer as Draw, Draft, KEYS, anchor, ca, checks, days, extension, good, list, material, purpose, revoked, settings,
    time, unknown,
};

fn keys() -> [&'static SoftKey; 5] {
    KEYS.each_ref()
}

/// The CA and its end entity, serial number 5, which ends after a year.
fn path() -> Path {
    let [root, ca_key, end, ..] = keys();
    let above = Draft::new("CA", ca_key, "Root", root).with(ca(None)).make();
    let mut target = Draft::new("Ada", end, "CA", ca_key);
    target.serial = vec![5];
    Path::new(anchor(), vec![above, target.make()]).unwrap()
}

fn with(crls: &[Arc<Crl>], responses: &[Arc<OcspResponse>]) -> Material {
    let mut all = material(&[]);
    crls.iter().for_each(|crl| all.add_crl(crl).unwrap());
    responses.iter().for_each(|response| all.add_response(response).unwrap());
    all
}

fn ask(material: &Material, at: Timestamp, change: impl FnOnce(&mut Settings)) -> Status {
    let mut settings = settings();
    change(&mut settings);
    revocation(&path(), 1, at, material, &settings, &mut checks())
}

/// One word for each verdict, with the reason or the days from noon.
fn word(status: &Status) -> String {
    let day = |at: Timestamp| (at.secs() as i64 - days(0).secs() as i64) / 86_400;
    match &status.verdict {
        Verdict::Good { later: None } => "good".to_owned(),
        Verdict::Good { later: Some(revoked) } => format!("good until {}", day(revoked.at)),
        Verdict::Revoked(revoked) => format!("{} at {}", revoked.reason_name(), day(revoked.at)),
        Verdict::NotAsked(why) => format!("{why:?}"),
        Verdict::Undetermined => {
            assert!(!status.missing.is_empty());
            let doubts = status.looked_at.iter().flat_map(|looked| &looked.doubts).map(|doubt| format!("{doubt:?}"));
            let names = doubts.map(|text| text.split([' ', '(']).next().unwrap_or_default().to_owned());
            format!("undetermined: {}", names.collect::<Vec<_>>().join(", "))
        }
    }
}

fn plain_list(issued: i64, next: Option<i64>, entries: &[(&[u8], Timestamp, u8)]) -> Arc<Crl> {
    list("CA", keys()[1], days(issued), next.map(days), entries, &[])
}

fn answer() -> Draw<'static> {
    let [_, ca_key, ..] = keys();
    Draw {
        issuer: "CA",
        issuer_key: ca_key,
        serial: vec![5],
        status: good(),
        this_update: days(-1),
        next_update: Some(days(1)),
        by: ca_key,
        certificates: Vec::new(),
        extensions: Vec::new(),
    }
}

#[test]
fn lists_and_moments() {
    use Freshness::{IssuedAfter, NextUpdate, Within};
    let entry = |at, reason| vec![(&[5_u8][..], days(at), reason)];
    let week = Within { secs: 7 * 86_400 };
    // Issued, nextUpdate, entries; asked about; how fresh.
    let rows = [
        (-1, Some(1), vec![], 0, NextUpdate, "good"),
        (-1, Some(1), vec![(&[6_u8][..], days(-9), 1)], 0, NextUpdate, "good"),
        (-1, Some(1), entry(-2, 1), 0, NextUpdate, "keyCompromise at -2"),
        (-1, Some(1), entry(-2, 1), -2, NextUpdate, "keyCompromise at -2"),
        (-1, Some(1), entry(-2, 1), -3, NextUpdate, "good until -2"),
        // Stale: not good, but what was revoked stays so, and what was suspended may not be any more.
        (-9, Some(-2), vec![], 0, NextUpdate, "undetermined: Stale"),
        (-9, Some(-2), entry(-10, 4), 0, NextUpdate, "superseded at -10"),
        (-9, Some(-2), entry(-10, 6), 0, NextUpdate, "undetermined: Stale"),
        (-1, Some(1), entry(-2, 6), 0, NextUpdate, "certificateHold at -2"),
        (-9, None, vec![], 0, NextUpdate, "undetermined: NoNextUpdate"),
        (-9, None, vec![], -10, NextUpdate, "good"),
        // By age.
        (-6, Some(-5), vec![], 0, week, "good"),
        (-8, Some(5), vec![], 0, week, "undetermined: TooOld"),
        (-1, Some(5), vec![], 0, IssuedAfter, "undetermined: TooOld"),
        (0, Some(5), vec![], 0, IssuedAfter, "good"),
        // Issued later: fresh by itself, until the certificate's end.
        (200, None, vec![], 0, IssuedAfter, "good"),
        (301, None, vec![], 0, NextUpdate, "undetermined: FromTheFuture"),
        (301, None, entry(-2, 1), 0, NextUpdate, "undetermined: FromTheFuture"),
    ];
    for (issued, next, entries, at, freshness, expected) in rows {
        let material = with(&[plain_list(issued, next, &entries)], &[]);
        let status = ask(&material, days(at), |settings| settings.freshness = freshness);
        assert_eq!(word(&status), expected, "issued {issued}, until {next:?}, asked about {at}");
    }
}

/// RFC 5280 §3.3 and expiredCertsOnCRL; RFC 6960 §4.4.4.
#[test]
fn what_has_expired_may_have_left_the_list() {
    let late = |keeps: Option<i64>| {
        let keeps = keeps.map(|day| extension(id::EXPIRED_ON_CRL, false, &time(days(day))));
        let crl = list("CA", keys()[1], days(380), None, &[], &Vec::from_iter(keeps));
        let mut response = answer();
        (response.this_update, response.next_update) = (days(380), None);
        (crl, response)
    };
    for (keeps, expected) in [(None, false), (Some(366), false), (Some(365), true), (Some(0), true)] {
        let (crl, mut response) = late(keeps);
        let cutoff = keeps.map(|day| extension(id::ARCHIVE_CUTOFF, false, &time(days(day))));
        response.extensions = Vec::from_iter(cutoff);
        for material in [with(&[crl], &[]), with(&[], &[response.make()])] {
            let status = ask(&material, days(0), |settings| settings.now = days(400));
            let (good, expired) = ("good", "undetermined: IssuedAfterExpiry");
            assert_eq!(word(&status), if expected { good } else { expired }, "{keeps:?}");
        }
    }
}

#[test]
fn several_lists() {
    let hold = plain_list(-5, Some(2), &[(&[5], days(-6), 6)]);
    let lifted = plain_list(-3, Some(2), &[]);
    let removed = plain_list(-3, Some(2), &[(&[5], days(-3), 8)]);
    let compromised = plain_list(-3, Some(2), &[(&[5], days(-4), 1)]);
    let rows = [
        (vec![&hold, &lifted], 0, "good"),
        (vec![&removed, &hold], 0, "good"),
        // Nobody knows for how long it was suspended.
        (vec![&hold, &lifted], -4, "certificateHold at -6"),
        (vec![&hold, &compromised], 0, "keyCompromise at -4"),
        (vec![&hold, &compromised], -5, "certificateHold at -6"),
        (vec![&hold, &compromised], -7, "good until -4"),
        (vec![&lifted, &compromised], 0, "keyCompromise at -4"),
    ];
    for (lists, at, expected) in rows {
        let lists: Vec<_> = lists.into_iter().cloned().collect();
        assert_eq!(word(&ask(&with(&lists, &[]), days(at), |_| ())), expected, "{at}");
    }
}

#[test]
fn what_did_not_do_and_what_is_missing() {
    let [_, _, _, other, _] = keys();
    let forged = list("CA", other, days(-1), Some(days(1)), &[], &[]);
    let foreign = list("Somebody", other, days(-1), Some(days(1)), &[], &[]);
    let mut elsewhere = answer();
    elsewhere.serial = vec![6];
    let status = ask(&with(&[forged, foreign], &[elsewhere.make()]), days(0), |_| ());
    assert_eq!(word(&status), "undetermined: OtherCertificate, Signature, OtherIssuer");
    let [missing] = &status.missing[..] else { panic!("{:?}", status.missing) };
    assert_eq!((missing.needed_for, missing.certificate), (days(0), status.certificate));
    let words =
        "a revocation list or an OCSP response that says whether CN=Ada was revoked at 2026-03-01T12:00:00.000Z";
    assert_eq!(missing.to_string(), words);
    // Nothing at all.
    let status = ask(&with(&[], &[]), days(0), |_| ());
    assert_eq!((status.looked_at.len(), status.missing.len()), (0, 1));
    // A part of the reasons: keyCompromise alone.
    let only = tlv(0x83, &[6, 0x40]);
    let point = extension(id::ISSUING_POINT, true, &sequence(&[&only]));
    let some = list("CA", keys()[1], days(-1), Some(days(1)), &[], &[point]);
    let status = ask(&with(&[some], &[]), days(0), |_| ());
    let MissingWhat::Reasons(reasons) = status.missing[0].what else { panic!("{:?}", status.missing) };
    assert_eq!((status.verdict, reasons), (Verdict::Undetermined, ReasonMask(0x1FC)));
}

#[test]
fn responders() {
    let [root, ca_key, end, other, responder_key] = keys();
    let responder = |issuer, by| {
        Draft::new("OCSP", responder_key, issuer, by).with(purpose(id::OCSP_SIGNING)).with(extension(
            id::OCSP_NO_CHECK,
            false,
            &[5, 0],
        ))
    };
    let by = |certificate: Option<Draft<'_>>| Draw {
        by: responder_key,
        certificates: certificate.iter().map(Draft::make).collect(),
        ..answer()
    };
    let short_lived = |from, to| {
        let mut draft = responder("CA", ca_key);
        (draft.from, draft.to) = (days(from), days(to));
        draft
    };
    let without_purpose = Draft::new("OCSP", responder_key, "CA", ca_key);
    let mut checked = Draft::new("OCSP", responder_key, "CA", ca_key).with(purpose(id::OCSP_SIGNING));
    checked.serial = vec![7];
    let any = Draft::new("OCSP", responder_key, "CA", ca_key).with(purpose(id::ANY_PURPOSE));
    let rows = [
        (answer(), 0, "good"),
        (Draw { status: revoked(days(-2), 1), ..answer() }, 0, "keyCompromise at -2"),
        (Draw { status: revoked(days(-2), 1), ..answer() }, -3, "good until -2"),
        (Draw { status: revoked(days(-2), 6), ..answer() }, 0, "certificateHold at -2"),
        (Draw { status: unknown(), ..answer() }, 0, "undetermined: Unknown"),
        (Draw { by: end, ..answer() }, 0, "undetermined: NoSigner"),
        (by(Some(responder("CA", ca_key))), 0, "good"),
        (by(None), 0, "undetermined: NoSigner"),
        // Of the root, or of anybody; not for OCSP by name.
        (by(Some(responder("Root", root))), 0, "undetermined: NotAuthorized"),
        (by(Some(responder("CA", other))), 0, "undetermined: SignerPath"),
        (by(Some(without_purpose)), 0, "undetermined: NotAuthorized"),
        (by(Some(any)), 0, "undetermined: NotAuthorized"),
        // Valid when it signed, which was after the moment; expired at the moment.
        (by(Some(short_lived(-2, 1))), -3, "good"),
        (by(Some(short_lived(-2, -1))), 0, "undetermined: SignerPath"),
        // Nobody says anything about the responder's own certificate.
        (by(Some(checked)), 0, "undetermined: SignerUndetermined"),
        (Draw { next_update: None, ..answer() }, 0, "undetermined: NoNextUpdate"),
        (Draw { extensions: vec![extension(&[0x2A, 3], true, &[])], ..answer() }, 0, "undetermined: UnknownCritical"),
    ];
    for (draw, at, expected) in rows {
        assert_eq!(word(&ask(&with(&[], &[draw.make()]), days(at), |_| ())), expected);
    }
}

#[test]
fn signers_of_evidence_are_asked_about() {
    let [_, ca_key, _, _, responder_key] = keys();
    let mut certificate = Draft::new("OCSP", responder_key, "CA", ca_key).with(purpose(id::OCSP_SIGNING));
    certificate.serial = vec![7];
    let by = Draw { by: responder_key, certificates: vec![certificate.make()], ..answer() }.make();
    // The list does not cover everything, so that it says nothing about Ada's.
    let cas = |serial: &[u8]| {
        let point = extension(id::ISSUING_POINT, true, &sequence(&[&tlv(0x83, &[6, 0x40])]));
        let some = list("CA", ca_key, days(-1), Some(days(1)), &[(serial, days(-3), 1)], &[point]);
        word(&ask(&with(&[some], std::slice::from_ref(&by)), days(0), |_| ()))
    };
    assert_eq!(cas(&[7]), "undetermined: SignerRevoked");
    let all = plain_list(-1, Some(1), &[(&[7], days(-3), 1)]);
    let status = ask(&with(&[all], std::slice::from_ref(&by)), days(0), |_| ());
    assert_eq!(word(&status), "good");
    assert!(status.looked_at.iter().any(|looked| matches!(looked.doubts[..], [Doubt::SignerRevoked { .. }])));
    // Who answers about themselves says nothing.
    let own = Draw { serial: vec![7], by: responder_key, certificates: vec![certificate.make()], ..answer() }.make();
    assert_eq!(
        word(&ask(&with(&[], &[by, own]), days(0), |_| ())).split(',').next().unwrap(),
        "undetermined: SignerUndetermined"
    );
}

#[test]
fn some_are_never_revoked() {
    let [root, ca_key, end, ..] = keys();
    let above = Draft::new("CA", ca_key, "Root", root).with(ca(None)).make();
    let rows = [
        (id::NO_REVOCATION, Verdict::NotAsked(WhyNotAsked::NoRevocationAvailable)),
        (id::SHORT_TERM, Verdict::NotAsked(WhyNotAsked::ShortTerm)),
        // Not a responder's.
        (id::OCSP_NO_CHECK, Verdict::Undetermined),
    ];
    for (extension_id, expected) in rows {
        let draft = Draft::new("Ada", end, "CA", ca_key).with(extension(extension_id, false, &[5, 0]));
        let path = Path::new(anchor(), vec![above.clone(), draft.make()]).unwrap();
        let status = revocation(&path, 1, days(0), &with(&[], &[]), &settings(), &mut checks());
        assert_eq!(status.verdict, expected);
    }
    let draft =
        Draft::new("CA", ca_key, "Root", root).with(ca(None)).with(extension(id::NO_REVOCATION, false, &[5, 0]));
    let path = Path::new(anchor(), vec![draft.make()]).unwrap();
    let status = revocation(&path, 0, days(0), &with(&[], &[]), &settings(), &mut checks());
    assert_eq!(status.verdict, Verdict::Undetermined, "a CA's can be");
}

#[test]
fn the_bound_on_checks_is_told() {
    let material = with(&[plain_list(-1, Some(1), &[])], &[answer().make()]);
    let status = revocation(&path(), 1, days(0), &material, &settings(), &mut Checks::new(0));
    assert_eq!(word(&status), "undetermined: TooManyChecks, TooManyChecks");
}

#[test]
fn delta_lists() {
    let number = |n: u8| extension(id::CRL_NUMBER, false, &tlv(der::INTEGER, &[n]));
    let base = |n: u8| extension(id::DELTA_INDICATOR, true, &tlv(der::INTEGER, &[n]));
    let ca_key = keys()[1];
    let complete = |issued, next, entries: &[(&[u8], Timestamp, u8)]| {
        list("CA", ca_key, days(issued), Some(days(next)), entries, &[number(3)])
    };
    let delta = |by: &SoftKey, own, of, entries: &[(&[u8], Timestamp, u8)]| {
        list("CA", by, days(-1), Some(days(1)), entries, &[number(own), base(of)])
    };
    let held: &[(&[u8], Timestamp, u8)] = &[(&[5], days(-6), 6)];
    let revoked: &[(&[u8], Timestamp, u8)] = &[(&[5], days(-2), 1)];
    let removed: &[(&[u8], Timestamp, u8)] = &[(&[5], days(-2), 8)];
    let rows = [
        (complete(-5, 5, &[]), delta(ca_key, 4, 3, revoked), "keyCompromise at -2"),
        (complete(-5, 5, held), delta(ca_key, 4, 3, removed), "good"),
        (complete(-5, 5, held), delta(ca_key, 4, 2, &[]), "certificateHold at -6"),
        // A delta makes a stale list fresh again.
        (complete(-5, -3, &[]), delta(ca_key, 4, 3, &[]), "good"),
        // Not for this base; not newer; not by the same key.
        (complete(-5, 5, &[]), delta(ca_key, 9, 4, revoked), "good"),
        (complete(-5, 5, &[]), delta(ca_key, 3, 2, revoked), "good"),
        (complete(-5, 5, &[]), delta(keys()[3], 4, 3, revoked), "good"),
    ];
    let stale = list("CA", ca_key, days(-3), Some(days(-1)), revoked, &[number(4), base(3)]);
    assert_eq!(word(&ask(&with(&[complete(-5, 5, &[]), stale], &[]), days(0), |_| ())), "keyCompromise at -2");
    for (i, (complete, delta, expected)) in rows.into_iter().enumerate() {
        let status = ask(&with(&[complete, delta], &[]), days(0), |_| ());
        assert_eq!(word(&status), expected, "row {i}");
        assert_eq!(status.looked_at.len(), 2, "each once");
    }
}
