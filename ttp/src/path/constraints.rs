//! Name constraints (RFC 5280 §4.2.1.10, §6.1.3 (b), (c), §6.1.4 (g)).

use super::fields::only;
use super::name::GeneralName;
use crate::asn1::der;
use crate::asn1::read::Reader;

/// Subtrees in which names may or may not lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameConstraints {
    /// permittedSubtrees.
    pub permitted: Vec<GeneralName>,
    /// excludedSubtrees.
    pub excluded: Vec<GeneralName>,
}

impl NameConstraints {
    /// Reads the value of the extension; `None` for what is malformed, and for minimum and maximum other than the only
    /// ones that the profile permits: 0 and none.
    #[must_use]
    pub fn from_der(value: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(only(value, der::SEQUENCE)?.content);
        let mut subtrees = |tag| match fields.take(tag) {
            Some(list) => subtrees(list.content),
            None => Some(Vec::new()),
        };
        let constraints = Self { permitted: subtrees(0xA0)?, excluded: subtrees(0xA1)? };
        (fields.is_at_end() && constraints != Self::default()).then_some(constraints)
    }
}

fn subtrees(content: &[u8]) -> Option<Vec<GeneralName>> {
    let mut list = Reader::new(content);
    let mut bases = Vec::new();
    while !list.is_at_end() {
        let mut fields = Reader::new(list.take(der::SEQUENCE)?.content);
        bases.push(GeneralName::read(&mut fields)?);
        if fields.take(0x80).is_some_and(|minimum| minimum.content != [0]) || !fields.is_at_end() {
            return None;
        }
    }
    (!bases.is_empty()).then_some(bases)
}
