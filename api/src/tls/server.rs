//! The server's half of TLS: what the listener shows of itself, and which clients' certificates it believes.
//!
//! TLS 1.2 and 1.3 with the ciphers of Mozilla's "intermediate" recommendation, version 5; HTTP/1.1 alone in ALPN (RFC 7301).
//! A client is asked for its certificate and need not have one; one that it shows must verify, else the handshake fails.
//! Whether a certificate was revoked is not looked at here: a revocation must count at once, on connections that are open, too.
//!
//! No session is resumed, neither by a ticket (RFC 5077, RFC 8446 §2.2) nor from a cache: a resumed one carries the client's
//! certificate of the first handshake on without verifying it again, beyond its end, and the keys of tickets would have to be
//! rotated lest they open what was recorded. A whole handshake costs some 0.3 ms of one core. No renegotiation (TLS 1.2)
//! either: whose request it is must not change within a connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::rt::{Read, Write};
use hyper_openssl::SslStream;
use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    AlpnError, ErrorCode, Ssl, SslAcceptor, SslContext, SslMethod, SslOptions, SslRef, SslSessionCacheMode,
    SslVerifyMode, SslVersion, select_next_proto,
};
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{X509, X509PurposeId, X509VerifyResult};
use semper_ttp::time::Timestamp;
use semper_ttp::x509::Certificate;

use crate::metrics::TlsMetrics;

/// The only protocol above TLS, as ALPN writes it: its length, its name.
const ALPN: &[u8] = b"\x08http/1.1";

/// Why there is no listener for HTTPS.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// A certificate does not read.
    #[error("a certificate does not read")]
    Certificate,
    /// There is no certificate at all.
    #[error("there is no certificate in it")]
    NoCertificate,
    /// The key does not read; one under a passphrase does not either.
    #[error("there is no private key in it that reads without a passphrase")]
    Key,
    /// Certificate and key belong to others.
    #[error("the key is not that of the first certificate")]
    Mismatch,
    /// libssl refused.
    #[error("libssl: {0}")]
    Library(String),
}

impl From<ErrorStack> for TlsFault {
    fn from(stack: ErrorStack) -> Self {
        Self::Library(stack.to_string())
    }
}

/// What the listener shows of itself: its certificate with those that lead to the root, and its key.
#[derive(Clone)]
pub struct ServerIdentity {
    /// The listener's own first.
    chain: Vec<X509>,
    key: PKey<Private>,
}

impl ServerIdentity {
    /// From the listener's certificate and those above it, without the root, each in DER, and the key in PKCS#8 DER.
    ///
    /// # Errors
    /// [`TlsFault`]: one of them does not read, or they do not belong together.
    pub fn from_der(chain: &[&[u8]], pkcs8: &[u8]) -> Result<Self, TlsFault> {
        let chain = chain.iter().map(|der| X509::from_der(der)).collect::<Result<Vec<_>, _>>();
        let key = PKey::private_key_from_pkcs8(pkcs8).map_err(|_| TlsFault::Key)?;
        Self::new(chain.map_err(|_| TlsFault::Certificate)?, key)
    }

    /// As [`Self::from_der`] from files in PEM, as other authorities deliver them.
    ///
    /// # Errors
    /// [`TlsFault`]; also for a key that is encrypted, since nobody is there to be asked for its passphrase.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsFault> {
        let chain = X509::stack_from_pem(chain).map_err(|_| TlsFault::Certificate)?;
        // Without the callback libcrypto would ask at the terminal.
        let key = PKey::private_key_from_pem_callback(key, |_| Ok(0)).map_err(|_| TlsFault::Key)?;
        Self::new(chain, key)
    }

    fn new(chain: Vec<X509>, key: PKey<Private>) -> Result<Self, TlsFault> {
        let own = chain.first().ok_or(TlsFault::NoCertificate)?;
        let public = own.public_key().map_err(|_| TlsFault::Certificate)?;
        if public.public_eq(&key) { Ok(Self { chain, key }) } else { Err(TlsFault::Mismatch) }
    }

    /// The end of the listener's certificate; `None` for one that ends outside 1970 to 9999.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        let since = Asn1Time::from_unix(0).ok()?.diff(self.chain.first()?.not_after()).ok()?;
        let secs = i64::from(since.days) * 24 * 3600 + i64::from(since.secs);
        u64::try_from(secs).ok().map(Timestamp::from_secs)
    }
}

/// The certificate of a client, verified in the handshake of its connection; an extension of each of its requests.
#[derive(Clone, Debug)]
pub struct ClientCertificate(pub Arc<Certificate>);

/// Why a handshake came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// The client's certificate does not verify.
    Certificate,
    /// No version of TLS that both speak.
    Version,
    /// No cipher, group, signature or protocol above TLS that both know.
    Algorithms,
    /// HTTP without TLS.
    PlainHttp,
    /// The client said that it will not go on, most often since it does not know our root.
    Alert,
    /// Not finished in time.
    Timeout,
    /// The client went away.
    Closed,
    /// Anything else: no TLS, or against its rules.
    Malformed,
}

impl HandshakeFailure {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Certificate,
        Self::Version,
        Self::Algorithms,
        Self::PlainHttp,
        Self::Alert,
        Self::Timeout,
        Self::Closed,
        Self::Malformed,
    ];

    /// The label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Version => "version",
            Self::Algorithms => "algorithms",
            Self::PlainHttp => "plain-http",
            Self::Alert => "alert",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Malformed => "malformed",
        }
    }

    /// True if an alert was sent that the client has still to read.
    pub(crate) const fn has_answer(self) -> bool {
        !matches!(self, Self::Timeout | Self::Closed)
    }

    /// libssl tells by words only; what it finds in the client's certificate stands beside them.
    fn of(error: &openssl::ssl::Error, ssl: &SslRef) -> Self {
        if ssl.verify_result() != X509VerifyResult::OK {
            return Self::Certificate;
        }
        if let Some(io) = error.io_error() {
            return if io.kind() == std::io::ErrorKind::TimedOut { Self::Timeout } else { Self::Closed };
        }
        if matches!(error.code(), ErrorCode::ZERO_RETURN | ErrorCode::SYSCALL) {
            return Self::Closed;
        }
        let reason = error.ssl_error().and_then(|stack| stack.errors().first()?.reason()).unwrap_or_default();
        match reason {
            "unexpected eof while reading" => Self::Closed,
            "http request" | "https proxy request" => Self::PlainHttp,
            "unsupported protocol" | "version too low" => Self::Version,
            "no shared cipher"
            | "no suitable key share"
            | "no shared groups"
            | "no suitable groups"
            | "no suitable signature algorithm"
            | "no shared signature algorithms"
            | "no application protocol" => Self::Algorithms,
            _ if reason.contains(" alert ") => Self::Alert,
            _ => Self::Malformed,
        }
    }
}

/// Shakes hands with clients. Shared by all connections of a listener.
pub struct Acceptor {
    context: ArcSwap<SslContext>,
    /// What the context was made of.
    parts: Mutex<(ServerIdentity, Vec<X509>)>,
    handshake_timeout: Duration,
    metrics: Arc<TlsMetrics>,
}

impl Acceptor {
    /// Shows `identity` to clients, and believes the certificates that one of `client_issuers` has issued for TLS clients,
    /// given as DER: of their line no further one, and of nobody else, though it were below the same root.
    ///
    /// # Errors
    /// [`TlsFault`].
    pub fn new(
        identity: &ServerIdentity,
        client_issuers: &[&[u8]],
        handshake_timeout: Duration,
        metrics: Arc<TlsMetrics>,
    ) -> Result<Self, TlsFault> {
        let client_issuers = parsed(client_issuers)?;
        let context = ArcSwap::from_pointee(context(identity, &client_issuers)?);
        let parts = Mutex::new((identity.clone(), client_issuers));
        Ok(Self { context, parts, handshake_timeout, metrics })
    }

    /// From the next handshake on, this is shown. Connections that are open keep what they were shown.
    ///
    /// # Errors
    /// [`TlsFault`]; what was shown before is shown further.
    pub fn replace(&self, identity: &ServerIdentity) -> Result<(), TlsFault> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        self.context.store(Arc::new(context(identity, &parts.1)?));
        parts.0 = identity.clone();
        Ok(())
    }

    /// From the next handshake on, certificates by these are believed and no others.
    ///
    /// # Errors
    /// [`TlsFault`]; who was believed before is believed further.
    pub fn believe(&self, client_issuers: &[Vec<u8>]) -> Result<(), TlsFault> {
        let client_issuers = parsed(&client_issuers.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        self.context.store(Arc::new(context(&parts.0, &client_issuers)?));
        parts.1 = client_issuers;
        Ok(())
    }

    /// Shakes hands on a new connection, in bounded time. With the stream comes the client's certificate, where it has shown
    /// one. A failure is counted; then the connection is given back if an alert waits there to be read.
    pub(crate) async fn accept<S: Read + Write + Unpin>(
        &self,
        connection: S,
    ) -> Result<(SslStream<S>, Option<ClientCertificate>), Option<SslStream<S>>> {
        let started = Ssl::new(&self.context.load()).and_then(|ssl| SslStream::new(ssl, connection));
        let mut stream = match started {
            Ok(stream) => stream,
            Err(error) => {
                tracing::error!(%error, "libssl cannot begin a handshake");
                return Err(None);
            }
        };
        let shaken = tokio::time::timeout(self.handshake_timeout, std::pin::Pin::new(&mut stream).accept()).await;
        let (failure, why) = match shaken {
            Err(_) => (HandshakeFailure::Timeout, String::new()),
            Ok(Err(error)) => (HandshakeFailure::of(&error, stream.ssl()), reason(&error, stream.ssl())),
            Ok(Ok(())) => match client_certificate(stream.ssl()) {
                Ok(certificate) => return Ok((stream, certificate)),
                Err(why) => (HandshakeFailure::Certificate, why),
            },
        };
        self.metrics.handshake_failed(failure);
        tracing::debug!(failure = failure.name(), why, "a TLS handshake failed");
        Err(failure.has_answer().then_some(stream))
    }
}

fn parsed(certificates: &[&[u8]]) -> Result<Vec<X509>, TlsFault> {
    let parsed = certificates.iter().map(|der| X509::from_der(der)).collect::<Result<Vec<_>, _>>();
    parsed.map_err(|_| TlsFault::Certificate)
}

/// libcrypto's words, for the log.
fn reason(error: &openssl::ssl::Error, ssl: &SslRef) -> String {
    match ssl.verify_result() {
        X509VerifyResult::OK => error.to_string(),
        refused => refused.error_string().to_owned(),
    }
}

/// Parsed once for each connection. libssl has verified it, but reads more spellings than we do.
fn client_certificate(ssl: &SslRef) -> Result<Option<ClientCertificate>, String> {
    let Some(certificate) = ssl.peer_certificate() else { return Ok(None) };
    let der = certificate.to_der().map_err(|error| error.to_string())?;
    let certificate = Certificate::from_der(&der).map_err(|fault| fault.to_string())?;
    Ok(Some(ClientCertificate(Arc::new(certificate))))
}

fn context(identity: &ServerIdentity, client_issuers: &[X509]) -> Result<SslContext, TlsFault> {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    // Every message of HTTP/1.1 says its length, so a connection that is cut off without a farewell cuts nothing off unseen
    // (RFC 9112 §9.8), and many clients leave so.
    builder.set_options(SslOptions::NO_RENEGOTIATION | SslOptions::NO_TICKET | SslOptions::IGNORE_UNEXPECTED_EOF);
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_num_tickets(0)?;
    builder.set_alpn_select_callback(|_, client| select_next_proto(ALPN, client).ok_or(AlpnError::ALERT_FATAL));

    let (own, above) = identity.chain.split_first().ok_or(TlsFault::NoCertificate)?;
    builder.set_certificate(own)?;
    for certificate in above {
        builder.add_extra_chain_cert(certificate.clone())?;
    }
    builder.set_private_key(&identity.key)?;
    builder.check_private_key()?;
    // OCSP stapling (RFC 6066 §8) would be set here, by a status callback that gives the newest stored response.

    // The issuers themselves are the anchors, so that the path ends with them: neither what another authority of ours has
    // issued nor what they would have an authority below them issue is let in.
    let param = builder.verify_param_mut();
    param.set_flags(X509VerifyFlags::X509_STRICT | X509VerifyFlags::PARTIAL_CHAIN)?;
    param.set_purpose(X509PurposeId::SSL_CLIENT)?;
    param.set_depth(0);
    let mut anchors = X509StoreBuilder::new()?;
    let mut names = Stack::new()?;
    for issuer in client_issuers {
        anchors.add_cert(issuer.clone())?;
        names.push(issuer.subject_name().to_owned()?)?;
    }
    builder.set_verify_cert_store(anchors.build())?;
    // Told to the client, which may have several certificates.
    builder.set_client_ca_list(names);
    builder.set_verify(SslVerifyMode::PEER);
    Ok(builder.build().into_context())
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use hyper_util::rt::TokioIo;
    use openssl::asn1::Asn1Integer;
    use openssl::bn::BigNum;
    use openssl::ec::{EcGroup, EcKey};
    use openssl::hash::MessageDigest;
    use openssl::nid::Nid;
    use openssl::ssl::SslConnector;
    use openssl::symm::Cipher;

    use super::*;
    use crate::metrics::Metrics;

    const END_SECS: u32 = 2_000_000_000;

    /// A certificate that a key has signed for itself.
    fn certified() -> (PKey<Private>, X509) {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_serial_number(&Asn1Integer::from_bn(&BigNum::from_u32(7).unwrap()).unwrap()).unwrap();
        builder.set_not_before(&Asn1Time::from_unix(0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::from_unix(END_SECS.into()).unwrap()).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        (key, builder.build())
    }

    fn identity((key, certificate): &(PKey<Private>, X509)) -> Result<ServerIdentity, TlsFault> {
        ServerIdentity::from_der(&[&certificate.to_der().unwrap()], &key.private_key_to_pkcs8().unwrap())
    }

    /// The certificate that a client sees.
    async fn seen(acceptor: &Acceptor) -> Vec<u8> {
        let (near, far) = tokio::io::duplex(1 << 16);
        let mut client = SslConnector::builder(SslMethod::tls_client()).unwrap();
        client.set_verify(SslVerifyMode::NONE);
        let client = client.build().configure().unwrap().verify_hostname(false).into_ssl("tsa.example").unwrap();
        let mut client = SslStream::new(client, TokioIo::new(near)).unwrap();
        let (accepted, connected) = tokio::join!(acceptor.accept(TokioIo::new(far)), Pin::new(&mut client).connect());
        connected.unwrap();
        assert!(accepted.is_ok_and(|(_, certificate)| certificate.is_none()));
        client.ssl().peer_certificate().unwrap().to_der().unwrap()
    }

    #[tokio::test]
    async fn what_is_shown_can_be_replaced_while_it_listens() {
        let (first, second) = (certified(), certified());
        let metrics = Metrics::new("log").tls().clone();
        let acceptor = Acceptor::new(&identity(&first).unwrap(), &[], Duration::from_secs(60), metrics).unwrap();
        assert_eq!(seen(&acceptor).await, first.1.to_der().unwrap());
        acceptor.replace(&identity(&second).unwrap()).unwrap();
        assert_eq!(seen(&acceptor).await, second.1.to_der().unwrap());
    }

    #[test]
    fn certificate_and_key_belong_together_and_read() {
        let (one, other) = (certified(), certified());
        assert_eq!(identity(&one).unwrap().not_after(), Some(Timestamp::from_secs(END_SECS.into())));
        assert!(matches!(identity(&(other.0.clone(), one.1.clone())), Err(TlsFault::Mismatch)));
        let (chain, key) = (one.1.to_pem().unwrap(), one.0.private_key_to_pem_pkcs8().unwrap());
        assert!(ServerIdentity::from_pem(&chain, &key).is_ok());
        let sealed = one.0.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"secret").unwrap();
        assert!(matches!(ServerIdentity::from_pem(&chain, &sealed), Err(TlsFault::Key)));
        assert!(matches!(ServerIdentity::from_pem(b"", &key), Err(TlsFault::NoCertificate)));
        assert!(matches!(ServerIdentity::from_der(&[b"x"], &[]), Err(TlsFault::Certificate | TlsFault::Key)));
    }
}
