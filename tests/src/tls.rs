//! A client's half of TLS: whom it believes, and what it shows of itself.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use openssl::ssl::{
    HandshakeError, SslConnector, SslConnectorBuilder, SslMethod, SslStream, SslVerifyMode, SslVersion,
};
use openssl::x509::X509;

/// A client. It believes the root of one service and nobody else.
pub struct TlsClient(SslConnectorBuilder);

impl TlsClient {
    /// Without a certificate, for the service whose trust anchors lie in this folder.
    ///
    /// # Panics
    /// They do not read.
    #[must_use]
    pub fn new(trust: &Path) -> Self {
        let mut builder = SslConnector::builder(SslMethod::tls_client()).expect("a client");
        builder.set_ca_file(trust.join("root.pem")).expect("the root");
        Self(builder)
    }

    /// With the certificate of `operator` or `officer`, which `semper init` has left in the data folder.
    ///
    /// # Panics
    /// It does not open.
    #[must_use]
    pub fn with_person(mut self, data: &Path, name: &str) -> Self {
        let file = |ending: &str| fs::read(data.join(format!("people/{name}.{ending}"))).expect("the file of a person");
        let passphrase = String::from_utf8(file("passphrase")).expect("text");
        let opened = Pkcs12::from_der(&file("p12")).and_then(|p12| p12.parse2(passphrase.trim())).expect("a .p12");
        self.0.set_certificate(&opened.cert.expect("a certificate")).expect("the certificate");
        self.0.set_private_key(&opened.pkey.expect("a key")).expect("the key");
        self
    }

    /// With a certificate and its private key (PKCS #8), both DER.
    ///
    /// # Panics
    /// They do not read, or do not belong together.
    #[must_use]
    pub fn with_key(mut self, certificate: &[u8], key: &[u8]) -> Self {
        self.0.set_certificate(&X509::from_der(certificate).expect("a certificate")).expect("the certificate");
        self.0.set_private_key(&PKey::private_key_from_pkcs8(key).expect("a key")).expect("the key");
        self
    }

    /// With one version of TLS only.
    ///
    /// # Panics
    /// libssl does not know it.
    #[must_use]
    pub fn only(mut self, version: SslVersion) -> Self {
        self.0.set_security_level(0); // the old ones are refused by the server, not by ourselves
        self.0.set_min_proto_version(Some(version)).expect("a version");
        self.0.set_max_proto_version(Some(version)).expect("a version");
        self
    }

    /// Offers these protocols above TLS, each with its length in front.
    ///
    /// # Panics
    /// They are not so written.
    #[must_use]
    pub fn offering(mut self, protocols: &[u8]) -> Self {
        self.0.set_alpn_protos(protocols).expect("protocols");
        self
    }

    /// Shakes hands with any server: of interest is what that one says.
    #[must_use]
    pub fn believing_anybody(mut self) -> Self {
        self.0.set_verify(SslVerifyMode::NONE);
        self
    }

    /// Ready to connect.
    #[must_use]
    pub fn build(self) -> SslConnector {
        self.0.build()
    }
}

/// Shakes hands on a connection; the certificate must name the address.
///
/// # Errors
/// The handshake failed: libssl's words.
pub fn shake_hands(client: &SslConnector, host: SocketAddr, stream: TcpStream) -> io::Result<SslStream<TcpStream>> {
    client.connect(&host.ip().to_string(), stream).map_err(|error| match error {
        HandshakeError::SetupFailure(error) => io::Error::other(error),
        HandshakeError::Failure(middle) | HandshakeError::WouldBlock(middle) => {
            io::Error::other(middle.error().to_string())
        }
    })
}
