//! Names that the whole web tells apart: no certificate by the rules for web servers has others (BR 4.2.2).

use crate::address::is_public;
use crate::ca::name::AlternativeNames;

/// Whether everybody means the same host by each of them.
pub(super) fn are_public(names: &AlternativeNames) -> bool {
    names.dns.iter().all(|name| is_public_name(name)) && names.ip.iter().all(|address| is_public(*address))
}

/// Below a domain that somebody has registered under a suffix that the Public Suffix List knows: its ICANN section, as BR 3.2.2.6
/// has it, since what companies list as theirs is one customer's all the same.
fn is_public_name(name: &str) -> bool {
    let base = name.strip_prefix("*.").unwrap_or(name);
    match psl::suffix(base.as_bytes()) {
        Some(suffix) if suffix.is_known() => {
            suffix.typ() == Some(psl::Type::Private) || suffix.as_bytes() != base.as_bytes()
        }
        Some(_) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_below_a_registered_domain() {
        for good in ["example.com", "*.example.com", "shop.example.co.uk", "xn--caf-dma.example.com", "a.github.io"] {
            assert!(is_public_name(good), "{good}");
        }
        for bad in
            ["intranet.local", "server.lan", "*.local", "com", "*.com", "co.uk", "*.co.uk", "mail", "host.example", ""]
        {
            assert!(!is_public_name(bad), "{bad}");
        }
    }

    #[test]
    fn addresses_that_anybody_can_reach() {
        let with =
            |address: &str| AlternativeNames { ip: vec![address.parse().unwrap()], ..AlternativeNames::default() };
        assert!(are_public(&with("9.9.9.9")) && are_public(&with("2620:fe::fe")));
        assert!(!are_public(&with("10.1.2.3")) && !are_public(&with("192.168.0.1")) && !are_public(&with("fd00::1")));
    }
}
