//! ECDSA P-256 signatures as bytes: DER for X.509 and CMS, r ‖ s for COSE and JOSE, and the rule s ≤ n/2.
//!
//! (r, s) and (r, n − s) are both valid for the same message. We make the low one only and, in our own artefacts, accept
//! the low one only: otherwise anyone could turn a signed artefact into another with a new digest.

/// n/2 of P-256, rounded down (SEC 2 §2.4.2).
const HALF_ORDER: [u8; 32] = [
    0x7F, 0xFF, 0xFF, 0xFF, 0x80, 0x00, 0x00, 0x00, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xDE, 0x73, 0x7D,
    0x56, 0xD3, 0x8B, 0xCF, 0x42, 0x79, 0xDC, 0xE5, 0x61, 0x7E, 0x31, 0x92, 0xA8,
];

/// n of P-256 (SEC 2 §2.4.2).
const ORDER: [u8; 32] = [
    0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6, 0xFA,
    0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
];

/// n of P-384 (SEC 2 §2.5.1).
const ORDER_P384: [u8; 48] = [
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xC7, 0x63, 0x4D, 0x81, 0xF4, 0x37, 0x2D, 0xDF, 0x58, 0x1A, 0x0D, 0xB2, 0x48, 0xB0,
    0xA7, 0x7A, 0xEC, 0xEC, 0x19, 0x6A, 0xCC, 0xC5, 0x29, 0x73,
];

/// r ‖ s, 64 octets, from DER; `None` unless the DER is minimal and both numbers fit.
#[must_use]
pub fn der_to_raw(der: &[u8]) -> Option<[u8; 64]> {
    let [0x30, len, body @ ..] = der else { return None };
    // Two numbers of 33 octets make 70 octets at most, so the length is one octet.
    if usize::from(*len) != body.len() || *len >= 0x80 {
        return None;
    }
    let mut raw = [0; 64];
    let rest = take_number(body, (&mut raw[..32]).try_into().ok()?)?;
    let rest = take_number(rest, (&mut raw[32..]).try_into().ok()?)?;
    rest.is_empty().then_some(raw)
}

/// DER from r ‖ s.
#[must_use]
pub fn raw_to_der(raw: &[u8; 64]) -> Vec<u8> {
    let mut der = Vec::with_capacity(72);
    der.extend_from_slice(&[0x30, 0]);
    put_number(&mut der, &raw[..32]);
    put_number(&mut der, &raw[32..]);
    der[1] = (der.len() - 2) as u8;
    der
}

/// True if the DER signature has 0 < s ≤ n/2.
#[must_use]
pub fn is_low_s(der: &[u8]) -> bool {
    der_to_raw(der).is_some_and(|raw| raw[32..] <= HALF_ORDER[..] && raw[32..] != [0; 32])
}

/// Replaces s by n − s where s > n/2: for those who get r ‖ s from elsewhere, such as a token.
pub fn make_low_s(raw: &mut [u8; 64]) {
    if raw[32..] > HALF_ORDER[..] {
        negate_s(raw);
    }
}

/// The same for r ‖ s of P-384.
pub(super) fn make_low_s_p384(raw: &mut [u8; 96]) {
    let s = &mut raw[48..];
    let high = s.to_vec();
    negate(s, &ORDER_P384);
    // n is odd: one of s and n − s is smaller, and that is the one of at most n/2.
    if high.as_slice() <= &*s {
        s.copy_from_slice(&high);
    }
}

/// Replaces s by n − s, which verifies as well.
pub(crate) fn negate_s(raw: &mut [u8; 64]) {
    negate(&mut raw[32..], &ORDER);
}

/// The same for r ‖ s of P-384.
pub(super) fn negate_s_p384(raw: &mut [u8; 96]) {
    negate(&mut raw[48..], &ORDER_P384);
}

fn negate(s: &mut [u8], order: &[u8]) {
    let mut borrow = 0;
    for (digit, order) in s.iter_mut().zip(order).rev() {
        let (difference, first) = order.overflowing_sub(*digit);
        let (difference, second) = difference.overflowing_sub(borrow);
        *digit = difference;
        borrow = u8::from(first || second);
    }
}

fn take_number<'a>(der: &'a [u8], out: &mut [u8; 32]) -> Option<&'a [u8]> {
    let [0x02, len, rest @ ..] = der else { return None };
    let (content, rest) = rest.split_at_checked(usize::from(*len))?;
    let digits = match content {
        [] => return None,
        [first, ..] if *first >= 0x80 => return None,
        [0, second, ..] if *second < 0x80 => return None,
        [0, digits @ ..] if !digits.is_empty() => digits,
        digits => digits,
    };
    let start = 32_usize.checked_sub(digits.len())?;
    out[start..].copy_from_slice(digits);
    Some(rest)
}

fn put_number(der: &mut Vec<u8>, number: &[u8]) {
    let zeros = number.iter().take_while(|b| **b == 0).count().min(31);
    let digits = &number[zeros..];
    let sign = u8::from(digits[0] >= 0x80);
    der.extend_from_slice(&[0x02, digits.len() as u8 + sign]);
    der.extend(std::iter::repeat_n(0, sign.into()));
    der.extend_from_slice(digits);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_is_half() {
        let carry = ORDER.iter().fold((0_u8, Vec::new()), |(carry, mut out), byte| {
            out.push(byte >> 1 | carry << 7);
            (byte & 1, out)
        });
        assert_eq!(carry.1, HALF_ORDER);
    }

    #[test]
    fn high_s_becomes_low() {
        let mut raw = [0; 64];
        raw[32..].copy_from_slice(&ORDER);
        raw[63] -= 1; // s = n − 1
        assert!(!is_low_s(&raw_to_der(&raw)));
        make_low_s(&mut raw);
        assert_eq!(raw[32..63], [0; 31]);
        assert_eq!(raw[63], 1);
        assert!(is_low_s(&raw_to_der(&raw)));
        let mut half = [0; 64];
        half[32..].copy_from_slice(&HALF_ORDER);
        let before = half;
        make_low_s(&mut half);
        assert_eq!(half, before);
        assert!(is_low_s(&raw_to_der(&half)));
        assert!(!is_low_s(&raw_to_der(&[0; 64])));
    }

    #[test]
    fn high_s_of_p384_becomes_low() {
        let mut one = [0; 96];
        one[95] = 1;
        let mut raw = one;
        make_low_s_p384(&mut raw);
        assert_eq!(raw, one);
        raw[48..].copy_from_slice(&ORDER_P384);
        raw[95] -= 1; // s = n − 1
        make_low_s_p384(&mut raw);
        assert_eq!(raw, one);
    }

    #[test]
    fn other_spellings_are_refused() {
        for bad in [
            "",
            "3006020101020101ff",     // trailing
            "3007020101020101",       // length too long
            "300702020001020101",     // leading zero
            "3006020181020101",       // negative r
            "30050200020101",         // empty r
            "308106020101020101",     // long form
            "3003020101",             // one number
            "3009020101020101020101", // three numbers
        ] {
            assert_eq!(der_to_raw(&hex::decode(bad).unwrap()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn raw_goes_through_der(bytes: [u8; 32], other: [u8; 32], zeros in 0..33_usize) {
            let mut raw = [0; 64];
            raw[..32].copy_from_slice(&bytes);
            raw[32..].copy_from_slice(&other);
            raw[..zeros.min(32)].fill(0);
            prop_assert_eq!(der_to_raw(&raw_to_der(&raw)), Some(raw));
        }

        #[test]
        fn accepted_der_is_the_only_der(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(raw) = der_to_raw(&bytes) {
                prop_assert_eq!(raw_to_der(&raw), bytes);
            }
        }
    }
}
