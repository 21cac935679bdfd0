//! `[listen]`: where the server listens, and as whom.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use semper_ttp::ca::name::{AlternativeNameFault, AlternativeNames};
use serde::Deserialize;

use super::Faults;

/// `[listen]`. Port 0 lets the system choose.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Listen {
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// What the listener's certificate names; empty for [`Listen::certificate_names`] to find by itself.
    pub(crate) https_names: Vec<String>,
    pub(crate) https_certificate_path: Option<PathBuf>,
    pub(crate) https_key_path: Option<PathBuf>,
}

impl Default for Listen {
    fn default() -> Listen {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Listen {
            http: loopback(8080),
            https: loopback(8443),
            admin: loopback(9464),
            https_names: Vec::new(),
            https_certificate_path: None,
            https_key_path: None,
        }
    }
}

impl Listen {
    pub(super) fn verify(&self, faults: &mut Faults) {
        different(("listen.https", self.https), ("listen.http", self.http), faults);
        different(("listen.admin", self.admin), ("listen.http", self.http), faults);
        different(("listen.admin", self.admin), ("listen.https", self.https), faults);
        if let Err(fault) = named(&self.https_names).check() {
            faults.add("listen.https_names", fault.to_string());
        }
        if self.https_certificate_path.is_some() != self.https_key_path.is_some() {
            faults.add("listen.https_key_path", "goes with listen.https_certificate_path: both, or neither".into());
        }
    }

    /// What the certificate names: `https_names`; without them the host of `public_url`, and where the listener is on
    /// loopback its addresses. A host that no certificate may name (a name without a dot) is left out.
    ///
    /// # Errors
    /// Nothing is left, as an empty DNS name; or a name that cannot stand in a certificate.
    pub(crate) fn certificate_names(&self, public_url: &str) -> Result<AlternativeNames, AlternativeNameFault> {
        let names = match self.https_names.is_empty() {
            false => named(&self.https_names),
            true => {
                let mut texts: Vec<String> =
                    host(public_url).into_iter().filter(|host| named([host]).check().is_ok()).collect();
                if self.https.ip().is_loopback() {
                    texts.extend([Ipv4Addr::LOCALHOST.to_string(), Ipv6Addr::LOCALHOST.to_string()]);
                }
                let mut names = named(&texts);
                names.ip.sort_unstable();
                names.ip.dedup();
                names
            }
        };
        names.check()?;
        if names.is_empty() { Err(AlternativeNameFault::Dns(String::new())) } else { Ok(names) }
    }
}

/// Two listeners cannot be at the same address, unless the system chooses the port.
pub(super) fn different(
    (key, one): (&'static str, SocketAddr),
    (other_key, other): (&str, SocketAddr),
    faults: &mut Faults,
) {
    let meet = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    if meet && one.port() == other.port() && one.port() != 0 {
        faults.add(key, format!("{one} is also {other_key}, {other}"));
    }
}

/// Addresses are told from names by their form.
fn named<'a>(texts: impl IntoIterator<Item = &'a String>) -> AlternativeNames {
    let mut names = AlternativeNames::default();
    for text in texts {
        match text.parse::<IpAddr>() {
            Ok(address) => names.ip.push(address),
            Err(_) => names.dns.push(text.clone()),
        }
    }
    names
}

/// The host of a URL, in lower case, without port and brackets.
fn host(url: &str) -> Option<String> {
    let authority = url.split_once("://")?.1.split('/').next()?;
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => authority.split(':').next()?,
    };
    Some(host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_names_where_the_listener_is() {
        let names = |listen: &Listen, url| {
            let AlternativeNames { dns, ip, .. } = listen.certificate_names(url).unwrap();
            dns.into_iter().chain(ip.into_iter().map(|ip| ip.to_string())).collect::<Vec<_>>()
        };
        let local = Listen::default();
        assert_eq!(names(&local, "http://TSA.example.org:81/x"), ["tsa.example.org", "127.0.0.1", "::1"]);
        assert_eq!(names(&local, "http://127.0.0.1:8080"), ["127.0.0.1", "::1"]);
        assert_eq!(names(&local, "http://localhost"), ["127.0.0.1", "::1"]);
        let public = Listen { https: "0.0.0.0:443".parse().unwrap(), ..Listen::default() };
        assert_eq!(names(&public, "http://[2001:db8::1]:80"), ["2001:db8::1"]);
        assert!(public.certificate_names("http://localhost").is_err(), "nothing is left");
        let stated = Listen { https_names: vec!["a.example".into(), "192.0.2.1".into()], ..public };
        assert_eq!(names(&stated, "http://b.example"), ["a.example", "192.0.2.1"]);
    }
}
