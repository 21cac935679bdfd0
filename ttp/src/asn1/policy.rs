//! Identifiers of policies, of timestamps and of certificates.

use std::fmt;
use std::str::FromStr;

use super::RawOid;

/// The policy of timestamps whose time nobody vouches for, and of the certificates of such a service:
/// id-TEST-certPolicyOne of RFC 7229, registered for tests, so that none of them can be taken for one under a real policy.
pub const TEST_POLICY: &str = "1.3.6.1.5.5.7.13.1";

/// The second of them: of trial answers whose time a token tells.
pub const TEST_POLICY_WITH_TOKEN: &str = "1.3.6.1.5.5.7.13.2";

/// A TSAPolicyId, held as the content octets of its OBJECT IDENTIFIER, so that arcs of any size (2.25.…) are served.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyId(Vec<u8>);

/// Not an object identifier in dotted form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a policy is an object identifier such as 1.3.6.1.4.1.99999.1")]
pub struct ParsePolicyError;

impl PolicyId {
    /// From content octets that a request or token carries; `None` if they are no object identifier.
    #[must_use]
    pub fn from_content(octets: &[u8]) -> Option<Self> {
        RawOid(octets.into()).is_well_formed().then(|| Self(octets.to_vec()))
    }

    /// As rasn's type; `None` if an arc is 2^32 or more, which rasn cannot hold.
    #[must_use]
    pub fn to_rasn(&self) -> Option<rasn::types::ObjectIdentifier> {
        rasn::der::decode(&super::der::tlv(super::der::OID, &self.0)).ok()
    }

    /// The two test policies, [`TEST_POLICY`] and [`TEST_POLICY_WITH_TOKEN`].
    pub fn tests() -> impl Iterator<Item = Self> {
        [TEST_POLICY, TEST_POLICY_WITH_TOKEN].into_iter().filter_map(|policy| policy.parse().ok())
    }

    /// True for [`PolicyId::tests`].
    #[must_use]
    pub fn is_test(&self) -> bool {
        Self::tests().any(|test| *self == test)
    }

    /// The content octets.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for PolicyId {
    type Err = ParsePolicyError;

    fn from_str(text: &str) -> Result<Self, ParsePolicyError> {
        let canonical = |arc: &str| arc == "0" || !arc.starts_with(['0', '+']);
        let arcs = text
            .split('.')
            .map(|arc| arc.parse::<u128>().ok().filter(|_| canonical(arc)))
            .collect::<Option<Vec<_>>>()
            .ok_or(ParsePolicyError)?;
        let [first, second, rest @ ..] = arcs.as_slice() else { return Err(ParsePolicyError) };
        // X.690 §8.19.4: the first two arcs share a number; below 2 the second has 40 values.
        if *first > 2 || (*first < 2 && *second >= 40) {
            return Err(ParsePolicyError);
        }
        let mut content = Vec::new();
        put_arc(&mut content, second.checked_add(40 * first).ok_or(ParsePolicyError)?);
        rest.iter().for_each(|arc| put_arc(&mut content, *arc));
        Ok(Self(content))
    }
}

fn put_arc(content: &mut Vec<u8>, arc: u128) {
    let groups = (128 - arc.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let more = if group == 0 { 0 } else { 0x80 };
        content.push((arc >> (7 * group)) as u8 & 0x7F | more);
    }
}

/// Dotted; an identifier with an arc of 2^128 or more, which no configuration can name, is shown in hex.
impl fmt::Display for PolicyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut arcs = Vec::new();
        let mut arc = 0_u128;
        for octet in &self.0 {
            if arc >> 121 != 0 {
                return write!(f, "oid:{}", hex::encode(&self.0));
            }
            arc = arc << 7 | u128::from(octet & 0x7F);
            if *octet < 0x80 {
                arcs.push(arc);
                arc = 0;
            }
        }
        let joint = arcs.first().copied().unwrap_or_default();
        let first = (joint / 40).min(2);
        write!(f, "{first}.{}", joint - first * 40)?;
        arcs.iter().skip(1).try_for_each(|arc| write!(f, ".{arc}"))
    }
}

impl fmt::Debug for PolicyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolicyId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_policy_is_known() {
        assert!(TEST_POLICY.parse::<PolicyId>().unwrap().is_test());
        assert!(TEST_POLICY_WITH_TOKEN.parse::<PolicyId>().unwrap().is_test());
        assert!(!"1.3.6.1.5.5.7.13.3".parse::<PolicyId>().unwrap().is_test());
    }

    #[test]
    fn dotted_and_octets() {
        let table = [
            ("1.3.6.1.4.1.99999.1", "2b06010401868d1f01"),
            ("0.4.0.2023.1.1", "04008f670101"),
            ("2.999.1", "883701"),
            ("0.0", "00"),
            ("2.25.340282366920938463463374607431768211455", "6983ffffffffffffffffffffffffffffffffff7f"),
        ];
        for (dotted, octets) in table {
            let policy: PolicyId = dotted.parse().unwrap();
            assert_eq!(hex::encode(policy.content()), octets);
            assert_eq!(policy.to_string(), dotted);
            assert_eq!(PolicyId::from_content(policy.content()), Some(policy));
        }
        for bad in [
            "",
            "1",
            "3.1",
            "1.40",
            "1..2",
            "1.2.",
            "1.02",
            "1.+2",
            "1.2.x",
            "2.340282366920938463463374607431768211456",
        ] {
            assert_eq!(bad.parse::<PolicyId>(), Err(ParsePolicyError), "{bad}");
        }
        let huge = [&[0x69, 0x87][..], &[0xFF; 17], &[0x7F]].concat();
        assert!(PolicyId::from_content(&huge).unwrap().to_string().starts_with("oid:69"));
    }
}
