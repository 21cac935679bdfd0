//! Which addresses a holder's webhook may have: public ones, and those of the networks that the settings name. Otherwise whoever
//! applies for a certificate could make this service talk to what only it can reach.

use std::net::IpAddr;

use semper_ttp::address::is_public;
pub use semper_ttp::address::{Network, NotANetwork};

/// An address that is not called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not a public address, nor one of a network that this service was told to call (notices.networks_allowed)"
)]
pub struct NotPublic(pub IpAddr);

/// Networks that are called although they are not public.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl FromIterator<Network> for Networks {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        Self(networks.into_iter().collect())
    }
}

impl Networks {
    /// Whether an address may be called.
    ///
    /// # Errors
    /// [`NotPublic`].
    pub fn judge(&self, address: IpAddr) -> Result<IpAddr, NotPublic> {
        let allowed = self.0.iter().any(|network| network.contains(address));
        if allowed || is_public(address) { Ok(address) } else { Err(NotPublic(address)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_are_called_that_are_named() {
        let networks: Networks =
            ["127.0.0.0/8", "10.1.2.3/32", "fd00::/8"].map(|text| text.parse().unwrap()).into_iter().collect();
        for text in ["127.0.0.1", "127.9.9.9", "10.1.2.3", "fd12::1", "8.8.8.8"] {
            assert!(networks.judge(address(text)).is_ok(), "{text}");
        }
        for text in ["10.1.2.4", "fc00::1", "::1", "::ffff:127.0.0.1", "::7f00:1"] {
            assert!(networks.judge(address(text)).is_err(), "{text}");
        }
        let all: Networks = ["0.0.0.0/0", "::/0"].map(|text| text.parse().unwrap()).into_iter().collect();
        assert!(all.judge(address("10.0.0.1")).is_ok() && all.judge(address("::1")).is_ok());
    }
}
