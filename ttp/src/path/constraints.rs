//! Name constraints (RFC 5280 §4.2.1.10, §6.1.3 (b), (c), §6.1.4 (g)).

use super::certificate::Certificate;
use super::fields::only;
use super::name::GeneralName;
use super::problem::Flaw;
use crate::asn1::der;
use crate::asn1::read::Reader;

/// Comparisons of a name with a subtree in one path. A certificate has room for thousands of either.
const COMPARISONS_MAX: usize = 1 << 18;
/// Faults in the names of one certificate that are told one by one.
const FLAWS_MAX: usize = 64;

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
        let mut read = |tag| match fields.take(tag) {
            Some(list) => subtrees(list.content),
            None => Some(Vec::new()),
        };
        let constraints = Self { permitted: read(0xA0)?, excluded: read(0xA1)? };
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

/// permitted_subtrees and excluded_subtrees while a path is walked: what each certificate permits stays apart, since a name must
/// lie in a subtree of each.
pub(super) struct Subtrees<'p> {
    sets: Vec<&'p NameConstraints>,
    comparisons: usize,
}

impl<'p> Subtrees<'p> {
    pub(super) fn new(initial: &'p NameConstraints) -> Self {
        Self { sets: vec![initial], comparisons: 0 }
    }

    /// §6.1.4 (g).
    pub(super) fn add(&mut self, constraints: &'p NameConstraints) {
        self.sets.push(constraints);
    }

    /// §6.1.3 (b) and (c): everything that is wrong with the names of a certificate.
    pub(super) fn judge(&mut self, certificate: &Certificate) -> Vec<Flaw> {
        if self.sets.iter().all(|set| **set == NameConstraints::default()) {
            return Vec::new();
        }
        let mut names = Vec::new();
        if !certificate.subject().is_empty() {
            names.push(GeneralName::Directory(certificate.subject().clone()));
        }
        names.extend_from_slice(certificate.alternative_names());
        if certificate.alternative_names().is_empty() {
            // §4.2.1.10: without a subjectAltName, mail addresses in the subject are constrained.
            let unread = || GeneralName::Unread(1, b"emailAddress".to_vec());
            names.extend(
                certificate.subject().emails().into_iter().map(|text| text.map_or_else(unread, GeneralName::Email)),
            );
        }
        let mut flaws = Vec::new();
        for name in &names {
            if flaws.len() >= FLAWS_MAX {
                break;
            }
            if self.comparisons > COMPARISONS_MAX {
                flaws.push(Flaw::TooManyNames);
                break;
            }
            self.judge_name(name, &mut flaws);
        }
        flaws
    }

    fn judge_name(&mut self, name: &GeneralName, flaws: &mut Vec<Flaw>) {
        let shown = || name.to_string();
        for set in &self.sets {
            let permitted: Vec<_> = set.permitted.iter().filter(|base| base.form() == name.form()).collect();
            let excluded: Vec<_> = set.excluded.iter().filter(|base| base.form() == name.form()).collect();
            self.comparisons += set.permitted.len() + set.excluded.len();
            if permitted.is_empty() && excluded.is_empty() {
                continue;
            }
            let lies = |bases: &[&GeneralName]| bases.iter().map(|base| lies_in(name, base)).collect::<Vec<_>>();
            let (permits, excludes) = (lies(&permitted), lies(&excluded));
            if let Some(Err(why)) = permits.iter().chain(&excludes).find(|found| found.is_err()) {
                flaws.push(match why {
                    Incomparable::Name => Flaw::MalformedName { name: shown() },
                    Incomparable::Form => Flaw::UnsupportedConstraint { name: shown() },
                });
                return;
            }
            if !permitted.is_empty() && !permits.contains(&Ok(true)) {
                flaws.push(Flaw::NotPermitted { name: shown() });
            }
            let mut excluding = excluded.iter().zip(excludes);
            if let Some((base, _)) = excluding.find(|(base, within)| *within == Ok(true) || covers(name, base)) {
                flaws.push(Flaw::Excluded { name: shown(), subtree: base.to_string() });
            }
        }
    }
}

/// Why a name and a subtree of its form cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Incomparable {
    /// The name is not what its form demands.
    Name,
    /// The form, or the subtree, is not one that is compared here.
    Form,
}

/// Whether `name` lies in the subtree `base` of the same form.
fn lies_in(name: &GeneralName, base: &GeneralName) -> Result<bool, Incomparable> {
    match (name, base) {
        (GeneralName::Directory(name), GeneralName::Directory(base)) => Ok(name.is_below(base)),
        (GeneralName::Email(name), GeneralName::Email(base)) => email_in(name, base).ok_or(Incomparable::Name),
        (GeneralName::Dns(name), GeneralName::Dns(base)) => Ok(host_in(name, base, true)),
        (GeneralName::Uri(name), GeneralName::Uri(base)) => {
            host_of(name).map(|host| host_in(host, base, false)).ok_or(Incomparable::Name)
        }
        (GeneralName::Ip(name), GeneralName::Ip(base)) => match (name.len(), base.len()) {
            (4, 8) | (16, 32) => {
                let (address, mask) = base.split_at(name.len());
                Ok(name.iter().zip(address).zip(mask).all(|((a, b), mask)| a & mask == b & mask))
            }
            // The other family.
            (4, 32) | (16, 8) => Ok(false),
            (4 | 16, _) => Err(Incomparable::Form),
            _ => Err(Incomparable::Name),
        },
        (GeneralName::Unread(1 | 2 | 4 | 6 | 7, _), _) => Err(Incomparable::Name),
        _ => Err(Incomparable::Form),
    }
}

/// A mailbox, all mailboxes of a host, or of all hosts in a domain (`.example.com`); `None` for what is no mail address. Only the
/// local part depends on case (RFC 5321 §2.4).
fn email_in(name: &str, base: &str) -> Option<bool> {
    let (local, host) = name.rsplit_once('@').filter(|(local, host)| !local.is_empty() && !host.is_empty())?;
    Some(match base.rsplit_once('@') {
        Some((base_local, base_host)) => local == base_local && host.eq_ignore_ascii_case(base_host),
        None => host_in(host, base, false),
    })
}

/// Whether a host lies in `base`: with a period in front strictly below it; else it is that host, or, where `below`, one below it.
fn host_in(name: &str, base: &str, below: bool) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let base = base.strip_suffix('.').unwrap_or(base).to_ascii_lowercase();
    if base.is_empty() {
        return true;
    }
    match base.strip_prefix('.') {
        Some(_) => name.len() > base.len() && name.ends_with(&base),
        None => name == base || below && name.strip_suffix(&base).is_some_and(|front| front.ends_with('.')),
    }
}

/// Whether a wildcard in a server's name stands for one that is excluded: `*.example.com` for `a.example.com`.
fn covers(name: &GeneralName, base: &GeneralName) -> bool {
    let (GeneralName::Dns(name), GeneralName::Dns(base)) = (name, base) else { return false };
    let Some(parent) = name.strip_prefix("*.") else { return false };
    base.trim_start_matches('.').split_once('.').is_some_and(|(_, above)| above.eq_ignore_ascii_case(parent))
}

/// The host of a URI, if it is a fully qualified name (§4.2.1.10 has everything else rejected).
fn host_of(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    let name = host.contains('.') && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    (name && host.parse::<core::net::Ipv4Addr>().is_err()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_subtrees() {
        use GeneralName::{Dns, Email, Ip, RegisteredId, Uri};
        let email = |text: &str| Email(text.to_owned());
        let dns = |text: &str| Dns(text.to_owned());
        let uri = |text: &str| Uri(text.to_owned());
        let (form, name) = (Err(Incomparable::Form), Err(Incomparable::Name));
        let table = [
            (email("a@example.com"), email("A@example.com"), Ok(false)),
            (email("a@EXAMPLE.com"), email("a@example.COM"), Ok(true)),
            (email("a@example.com"), email("example.com"), Ok(true)),
            (email("a@mail.example.com"), email("example.com"), Ok(false)),
            (email("a@mail.example.com"), email(".example.com"), Ok(true)),
            (email("a@example.com"), email(".example.com"), Ok(false)),
            (email("example.com"), email("example.com"), name),
            (dns("www.example.com"), dns("example.com"), Ok(true)),
            (dns("example.com."), dns("Example.com"), Ok(true)),
            (dns("badexample.com"), dns("example.com"), Ok(false)),
            (dns("example.com"), dns(".example.com"), Ok(false)),
            (dns("anything"), dns(""), Ok(true)),
            (uri("http://a@www.example.com:80/x?y"), uri("www.example.com"), Ok(true)),
            (uri("http://www.example.com"), uri("example.com"), Ok(false)),
            (uri("ldap://www.example.com/cn=x"), uri(".example.com"), Ok(true)),
            (uri("http://10.0.0.1/"), uri(".example.com"), name),
            (uri("urn:x"), uri(".example.com"), name),
            (uri("http://[::1]/"), uri(".example.com"), name),
            (Ip(vec![10, 1, 2, 3]), Ip(vec![10, 1, 0, 0, 255, 255, 0, 0]), Ok(true)),
            (Ip(vec![10, 2, 2, 3]), Ip(vec![10, 1, 0, 0, 255, 255, 0, 0]), Ok(false)),
            (Ip(vec![1; 16]), Ip(vec![10, 1, 0, 0, 255, 255, 0, 0]), Ok(false)),
            (Ip(vec![1; 16]), Ip(vec![0; 32]), Ok(true)),
            (Ip(vec![1; 5]), Ip(vec![0; 8]), name),
            (Ip(vec![1; 4]), Ip(vec![0; 9]), form),
            (RegisteredId("1.2.3".parse().unwrap()), RegisteredId("1.2".parse().unwrap()), form),
            (GeneralName::Unread(1, vec![0xE9]), email("example.com"), name),
        ];
        for (name, base, expected) in table {
            assert_eq!(lies_in(&name, &base), expected, "{name} in {base}");
        }
        assert!(covers(&dns("*.example.com"), &dns("a.example.com")));
        assert!(!covers(&dns("*.example.com"), &dns("a.b.example.com")));
        assert!(!covers(&dns("www.example.com"), &dns("a.example.com")));
    }

    #[test]
    fn extensions_are_read_strictly() {
        let table = [
            ("3011a00f300d820b6578616d706c652e636f6d", true),
            // minimum 0 written out; minimum 1; maximum; empty; an empty list.
            ("3014a0123010820b6578616d706c652e636f6d800100", true),
            ("3014a0123010820b6578616d706c652e636f6d800101", false),
            ("3014a0123010820b6578616d706c652e636f6d810101", false),
            ("3000", false),
            ("3002a000", false),
        ];
        for (hex, good) in table {
            assert_eq!(NameConstraints::from_der(&hex::decode(hex).unwrap()).is_some(), good, "{hex}");
        }
    }
}
