//! TLS of the HTTP client: libcrypto's, with the certificates that the machine trusts.

use hyper_openssl::client::legacy::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use openssl::error::ErrorStack;
use openssl::ssl::{SslConnector, SslMethod, SslVersion};

/// Connects to `http` URLs as `connector` does, and to `https` URLs by TLS 1.2 or newer on top of it.
pub(crate) fn connector(mut connector: HttpConnector) -> Result<HttpsConnector<HttpConnector>, ErrorStack> {
    connector.enforce_http(false);
    let mut ssl = SslConnector::builder(SslMethod::tls_client())?;
    ssl.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    HttpsConnector::with_connector(connector, ssl)
}
