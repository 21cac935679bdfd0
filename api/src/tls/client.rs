//! TLS of the HTTP client: libcrypto's, with the certificates that the machine trusts, or as somebody whom this service knows.

use std::io;
use std::pin::Pin;

use hyper_openssl::SslStream;
use hyper_openssl::client::legacy::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use openssl::error::ErrorStack;
use openssl::pkcs12::{ParsedPkcs12_2, Pkcs12};
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslConnector, SslConnectorBuilder, SslMethod, SslVersion};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use tokio::net::TcpStream;

use semper_ttp::crypto::Passphrase;

use super::TlsFault;
use crate::notices::Resolver;

/// Why a `.p12` is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFault {
    /// Not PKCS#12, or under another passphrase.
    #[error("it does not open: another passphrase, or no PKCS#12 file")]
    NotOpened,
    /// There is no certificate with its key in it.
    #[error("there is no certificate with its private key in it")]
    NoKey,
    /// It does not say whom the service's own certificates are by.
    #[error("there is no root in it, by which the server would be known")]
    NoRoot,
}

/// As whom a client comes: certificate, key and issuers of the `.p12` that `semper init` and the registration hand out. The root in
/// it is the one by which the server is known.
#[derive(Clone)]
pub struct ClientIdentity {
    certificate: X509,
    key: PKey<Private>,
    between: Vec<X509>,
    root: ClientTrust,
}

/// By which root a service is known.
#[derive(Clone)]
pub struct ClientTrust(X509);

impl ClientTrust {
    /// From its certificate, DER.
    ///
    /// # Errors
    /// [`IdentityFault::NoRoot`].
    pub fn from_der(der: &[u8]) -> Result<Self, IdentityFault> {
        X509::from_der(der).map(Self).map_err(|_| IdentityFault::NoRoot)
    }
}

impl std::fmt::Debug for ClientTrust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientTrust({:?})", self.0.subject_name())
    }
}

impl ClientIdentity {
    /// Opens a `.p12`.
    ///
    /// # Errors
    /// [`IdentityFault`].
    pub fn from_p12(bytes: &[u8], passphrase: &Passphrase) -> Result<Self, IdentityFault> {
        let opened = Pkcs12::from_der(bytes).and_then(|p12| p12.parse2(passphrase.expose()));
        let ParsedPkcs12_2 { pkey, cert, ca } = opened.map_err(|_| IdentityFault::NotOpened)?;
        let (certificate, key) = cert.zip(pkey).ok_or(IdentityFault::NoKey)?;
        let issuers: Vec<_> = ca.into_iter().flatten().collect();
        let is_root = |issuer: &X509| issuer.issued(issuer) == openssl::x509::X509VerifyResult::OK;
        let root = issuers.iter().find(|issuer| is_root(issuer)).cloned().ok_or(IdentityFault::NoRoot)?;
        let between = issuers.into_iter().filter(|issuer| !is_root(issuer)).collect();
        Ok(Self { certificate, key, between, root: ClientTrust(root) })
    }

    pub(crate) const fn trust(&self) -> &ClientTrust {
        &self.root
    }
}

impl std::fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientIdentity({:?})", self.certificate.subject_name())
    }
}

/// Connects to `http` URLs as `connector` does, and to `https` URLs by TLS 1.2 or newer on top of it.
pub(crate) fn connector(
    mut connector: HttpConnector,
    trust: Option<&ClientTrust>,
    identity: Option<&ClientIdentity>,
) -> Result<HttpsConnector<HttpConnector>, ErrorStack> {
    connector.enforce_http(false);
    HttpsConnector::with_connector(connector, settings_of(trust, identity)?)
}

/// An open connection.
pub type TlsStream = TokioIo<SslStream<TokioIo<TcpStream>>>;

/// Opens connections whose octets are the caller's own. For load that is measured on the cores of its server, where [`crate::client`] would
/// cost more than what it asks for; everything else goes by that.
pub struct RawConnector(SslConnector);

impl RawConnector {
    /// For a service that is known by its root; as nobody.
    ///
    /// # Errors
    /// [`TlsFault`].
    pub fn with_trust(trust: &ClientTrust) -> Result<Self, TlsFault> {
        Ok(Self(settings_of(Some(trust), None)?.build()))
    }

    /// As somebody whom the service knows.
    ///
    /// # Errors
    /// [`TlsFault`].
    pub fn with_identity(identity: &ClientIdentity) -> Result<Self, TlsFault> {
        Ok(Self(settings_of(Some(&identity.root), Some(identity))?.build()))
    }

    /// Shakes hands with `host` over a connection to it.
    ///
    /// # Errors
    /// It is not who it should be, or the connection breaks.
    pub async fn connect(&self, stream: TcpStream, host: &str) -> io::Result<TlsStream> {
        let ssl = self.0.configure()?.into_ssl(host)?;
        let mut stream = SslStream::new(ssl, TokioIo::new(stream))?;
        Pin::new(&mut stream).connect().await.map_err(io::Error::other)?;
        Ok(TokioIo::new(stream))
    }
}

impl std::fmt::Debug for RawConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawConnector")
    }
}

fn settings_of(
    trust: Option<&ClientTrust>,
    identity: Option<&ClientIdentity>,
) -> Result<SslConnectorBuilder, ErrorStack> {
    let mut ssl = settings()?;
    if let Some(ClientIdentity { certificate, key, between, .. }) = identity {
        ssl.set_certificate(certificate)?;
        ssl.set_private_key(key)?;
        for issuer in between {
            ssl.add_extra_chain_cert(issuer.clone())?;
        }
    }
    if let Some(ClientTrust(root)) = trust {
        // This service and nobody else: what the machine trusts has no say about it.
        let mut anchors = X509StoreBuilder::new()?;
        anchors.add_cert(root.clone())?;
        ssl.set_cert_store(anchors.build());
    }
    Ok(ssl)
}

/// Connects to `https` URLs of anybody whom the machine trusts, at addresses that the connector's resolver gives.
pub(crate) fn to_strangers(
    mut connector: HttpConnector<Resolver>,
) -> Result<HttpsConnector<HttpConnector<Resolver>>, ErrorStack> {
    connector.enforce_http(false);
    HttpsConnector::with_connector(connector, settings()?)
}

/// TLS 1.2 or newer; libcrypto judges the chain and the name.
fn settings() -> Result<SslConnectorBuilder, ErrorStack> {
    let mut ssl = SslConnector::builder(SslMethod::tls_client())?;
    ssl.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    Ok(ssl)
}
