//! Two parties that are registered by the program itself, and statements that they sign.

use std::net::SocketAddr;
use std::path::Path;

use semper_api::client::Client;
use semper_api::tls::ClientIdentity;
use semper_ttp::client::party::House;
use semper_ttp::crypto::jose::{Algorithm, Key, Thumbprint};
use semper_ttp::crypto::{Entropy as _, OsEntropy, Signer as _, SoftKey};
use semper_ttp::digest::Digest;
use semper_ttp::id::PartyId;
use semper_ttp::statement::exchange::{Arbiter, Participant, Scheme};
use semper_ttp::statement::{Body, Common, Jws, Salt, Statement, Unsigned};

use super::super::Failed;
use super::super::notary::registered;
use crate::clock::now;
use crate::commands::exchange::{arbiter_of, signer_of};

/// A party with what it logs in and signs with.
pub(super) struct Side {
    pub(super) login: ClientIdentity,
    pub(super) key: SoftKey,
    /// The certificate of that key, and that of its CA.
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) participant: Participant,
}

/// Both, their arbiter, and what they know of it.
pub(super) struct Parties {
    pub(super) o: Side,
    pub(super) r: Side,
    pub(super) house: House,
    pub(super) arbiter: Arbiter,
}

/// Random octets.
///
/// # Errors
/// There are none.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Failed> {
    let mut octets = [0; N];
    OsEntropy.fill(&mut octets)?;
    Ok(octets)
}

impl Parties {
    /// Registers both at the service of a data folder; what they keep lies in `dir`.
    ///
    /// # Errors
    /// What a command said.
    pub(super) fn register(data: &Path, https: SocketAddr, dir: &Path) -> Result<Self, Failed> {
        std::fs::create_dir_all(dir)?;
        let [o, r] = ["o", "r"].map(|name| Side::register(data, https, &dir.join(name)));
        let (o, r) = (o?, r?);
        let (house, arbiter) =
            arbiter_of(&format!("https://{https}"), &o.login, &super::anchors(data)).map_err(Failed)?;
        Ok(Self { o, r, house, arbiter })
    }
}

impl Side {
    fn register(data: &Path, https: SocketAddr, dir: &Path) -> Result<Self, Failed> {
        let login = registered(data, https, dir, &["party-auth", "party-legal"])?;
        let (key, chain) = signer_of(dir).map_err(Failed)?;
        let client = Client::with_identity(&format!("https://{https}"), &login)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let me: serde_json::Value = serde_json::from_slice(&runtime.block_on(client.get_json("/v1/me"))?)?;
        let id: Option<PartyId> = me["party"].as_str().and_then(|id| id.parse().ok());
        let id = id.ok_or_else(|| Failed(format!("a party without a name: {me}")))?;
        let participant = Participant { id, scheme: Scheme::Semper, key: name_of(&key)? };
        Ok(Self { login, key, chain, participant })
    }

    /// A statement of this side.
    ///
    /// # Errors
    /// The key.
    pub(super) fn sign<B: Body>(&self, x: Option<Digest>, body: B) -> Result<Jws, Failed> {
        let salt = Salt(semper_ttp::b64u::B64u(random()?));
        let common = Common { salt, iat: now().into(), x: x.map(Into::into), shown: None };
        let unsigned = Unsigned::new(&Statement { common, body }, Algorithm::Es256, self.participant.key)?;
        let signature = self.key.sign_raw(unsigned.message())?;
        Ok(unsigned.finish(&signature)?)
    }
}

fn name_of(key: &SoftKey) -> Result<Thumbprint, Failed> {
    Ok(Key::from_spki_der(key.spki_der())?.thumbprint())
}
