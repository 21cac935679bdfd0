//! One notice to one receiver: HTTPS to an address that may be called.
//!
//! The URL was chosen by whoever applied, so nothing of it is trusted. Its name is looked up here, each address is judged, and the
//! connection goes to one of those that were found good: a name that means something else a moment later changes nothing. Redirects
//! are answers like any other that is not 2xx. Of an answer the status counts, and its body is not even read.
//!
//! The path and query of the URL may be what lets somebody post to a receiver, so neither an error nor the log has them.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, USER_AGENT};
use http::uri::Scheme;
use http::{HeaderName, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper_openssl::client::legacy::HttpsConnector;
use hyper_util::client::legacy::{
    self,
    connect::{HttpConnector, dns::Name},
};
use hyper_util::rt::TokioExecutor;

use super::address::{Networks, NotPublic};
use crate::client::root_cause;
use crate::tls;

/// Longest wait for a connection, and for the status of an answer, connection included.
const CONNECT_SECS: u64 = 5;
const ANSWER_SECS: u64 = 15;

/// Longest headers of an answer, and how many.
const HEAD_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 64;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Where a holder wants to be told.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    uri: Uri,
    host: String,
}

/// Without path and query.
impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Webhook({})", self.host)
    }
}

/// Why a webhook is not called at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookFault {
    /// Not such a URL.
    #[error("it is not an https URL with a host, and without user and fragment")]
    Url,
    /// A host of digits that is no address in its one spelling, which some resolvers take for one.
    #[error("its host ends in a number and is not an IPv4 address in four parts")]
    Number,
    /// The address in it.
    #[error(transparent)]
    NotPublic(#[from] NotPublic),
}

impl Webhook {
    /// Reads a URL, and judges the address in it if there is one. What a name means is judged when it is called.
    ///
    /// # Errors
    /// [`WebhookFault`].
    pub fn read(url: &str, networks: &Networks) -> Result<Self, WebhookFault> {
        let uri = Uri::from_str(url).map_err(|_| WebhookFault::Url)?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.filter(|_| uri.scheme() == Some(&Scheme::HTTPS)).ok_or(WebhookFault::Url)?;
        let name = authority.host();
        if name.is_empty() || url.contains('#') {
            return Err(WebhookFault::Url);
        }
        match name.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => drop(networks.judge(address)?),
            Err(_) if ends_in_number(name) => return Err(WebhookFault::Number),
            Err(_) => {}
        }
        let host = format!("{}:{}", name.to_ascii_lowercase(), authority.port_u16().unwrap_or(443));
        Ok(Self { uri, host })
    }

    /// Host and port, which may be told.
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// As URLs are read by browsers (WHATWG URL §3.5): such a host is an address or nothing.
fn ends_in_number(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(last) || hexadecimal.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Why a notice was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryFault {
    /// No address of its name may be called; this is one of them.
    #[error(transparent)]
    NotPublic(#[from] NotPublic),
    /// No connection: no such name, refused, no route, TLS that does not verify.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// It ended before there was an answer.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// Too slow.
    #[error("no answer within {ANSWER_SECS} s")]
    TimedOut,
    /// An answer, and not 2xx.
    #[error("it answered {0}")]
    Status(u16),
    /// libcrypto gives no TLS, or no request could be made.
    #[error("{0}")]
    Ours(String),
}

impl DeliveryFault {
    /// True if the receiver says that it wants no more of them (Standard Webhooks: 410 Gone).
    pub fn is_final(&self) -> bool {
        *self == Self::Status(StatusCode::GONE.as_u16())
    }
}

/// The name of an address of which none may be called, or there is none.
#[derive(Debug, thiserror::Error)]
enum LookUp {
    #[error(transparent)]
    NotPublic(#[from] NotPublic),
    #[error("no such name")]
    None,
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Looks names up and gives the addresses that may be called.
#[derive(Clone, Debug)]
pub(crate) struct Resolver(Arc<Networks>);

impl tower::Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let networks = self.0.clone();
        Box::pin(async move {
            // The port comes later.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(LookUp::Io)?;
            Ok(judged(found, &networks)?.into_iter())
        })
    }
}

fn judged(found: impl Iterator<Item = SocketAddr>, networks: &Networks) -> Result<Vec<SocketAddr>, LookUp> {
    let (mut good, mut refused) = (Vec::new(), LookUp::None);
    for address in found {
        match networks.judge(address.ip()) {
            Ok(_) => good.push(address),
            Err(fault) => refused = fault.into(),
        }
    }
    if good.is_empty() { Err(refused) } else { Ok(good) }
}

/// Calls webhooks. Each try has a connection of its own: receivers are many, and tries few.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    http: legacy::Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    networks: Arc<Networks>,
}

/// A notice as it is sent.
pub(super) struct Signed<'a> {
    pub(super) id: &'a str,
    pub(super) secs: u64,
    pub(super) signature: &'a str,
    pub(super) body: Bytes,
}

impl Caller {
    /// # Errors
    /// [`DeliveryFault::Ours`]: libcrypto gives no TLS.
    pub(super) fn new(networks: Networks) -> Result<Self, DeliveryFault> {
        let networks = Arc::new(networks);
        let mut connector = HttpConnector::new_with_resolver(Resolver(networks.clone()));
        connector.set_connect_timeout(Some(Duration::from_secs(CONNECT_SECS)));
        let connector = tls::client::to_strangers(connector).map_err(|fault| DeliveryFault::Ours(fault.to_string()))?;
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .retry_canceled_requests(false)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .http1_max_headers(HEADERS_MAX)
            .build(connector);
        Ok(Self { http, networks })
    }

    /// Posts a notice once.
    ///
    /// # Errors
    /// [`DeliveryFault`].
    pub(super) async fn post(&self, to: &Webhook, signed: Signed<'_>) -> Result<(), DeliveryFault> {
        // Addresses in URLs do not pass the resolver.
        if let Ok(address) = to.uri.host().unwrap_or_default().trim_matches(['[', ']']).parse::<IpAddr>() {
            self.networks.judge(address)?;
        }
        let request = Request::builder()
            .method(Method::POST)
            .uri(to.uri.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("semper/", env!("CARGO_PKG_VERSION")))
            .header(CONNECTION, "close")
            .header(ID, signed.id)
            .header(TIMESTAMP, signed.secs)
            .header(SIGNATURE, signed.signature)
            .body(Full::from(signed.body));
        let request = request.map_err(|fault| DeliveryFault::Ours(fault.to_string()))?;
        let answer = tokio::time::timeout(Duration::from_secs(ANSWER_SECS), self.http.request(request)).await;
        let answer = answer.map_err(|_| DeliveryFault::TimedOut)?.map_err(|error| fault_of(&error))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(DeliveryFault::Status(status.as_u16())),
        }
    }
}

fn fault_of(error: &legacy::Error) -> DeliveryFault {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(found) = cause {
        if let Some(LookUp::NotPublic(fault)) = found.downcast_ref() {
            return (*fault).into();
        }
        cause = found.source();
    }
    let why = root_cause(error);
    if error.is_connect() { DeliveryFault::Unreachable(why) } else { DeliveryFault::Broken(why) }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn networks(text: &str) -> Networks {
        [text.parse().unwrap()].into_iter().collect()
    }

    fn public(url: &str) -> Result<Webhook, WebhookFault> {
        Webhook::read(url, &Networks::default())
    }

    #[test]
    fn urls_are_judged_when_they_are_read() {
        for (url, host) in [
            ("https://hooks.example/a?token=secret", "hooks.example:443"),
            ("https://Hooks.example:8443", "hooks.example:8443"),
            ("https://1.1.1.1/x", "1.1.1.1:443"),
            ("https://[2606:4700:4700::1111]/", "[2606:4700:4700::1111]:443"),
            ("https://localhost/", "localhost:443"),
            ("https://a1.example2/", "a1.example2:443"),
        ] {
            let webhook = public(url).unwrap();
            assert_eq!(webhook.host(), host);
            assert_eq!(format!("{webhook:?}"), format!("Webhook({host})"), "no secret is shown");
        }
        for url in
            ["http://hooks.example/", "https://", "https://a@hooks.example/", "hooks.example", "https://a.example/#x"]
        {
            assert_eq!(public(url), Err(WebhookFault::Url), "{url}");
        }
        for url in ["https://127.1/", "https://2130706433/", "https://0x7f.0x1/", "https://10.0.0.1./", "https://a.0X/"]
        {
            assert_eq!(public(url), Err(WebhookFault::Number), "{url}");
        }
        for (url, address) in [
            ("https://127.0.0.1:8443/", "127.0.0.1"),
            ("https://169.254.169.254/latest", "169.254.169.254"),
            ("https://[::1]/", "::1"),
            ("https://[::ffff:10.0.0.1]/", "::ffff:10.0.0.1"),
        ] {
            assert_eq!(public(url), Err(NotPublic(address.parse().unwrap()).into()), "{url}");
        }
        assert!(Webhook::read("https://127.0.0.1:8443/", &networks("127.0.0.0/8")).is_ok());
    }

    #[test]
    fn of_several_addresses_the_good_ones_are_called() {
        let found = |texts: &[&str]| {
            let found: Vec<SocketAddr> = texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect();
            judged(found.into_iter(), &Networks::default())
        };
        assert_eq!(found(&["10.0.0.1", "1.1.1.1", "::1"]).unwrap(), ["1.1.1.1:0".parse().unwrap()]);
        assert!(matches!(found(&["10.0.0.1"]), Err(LookUp::NotPublic(_))));
        assert!(matches!(found(&[]), Err(LookUp::None)));
    }

    async fn post(networks: Networks, url: &str) -> Result<(), DeliveryFault> {
        // Read by other settings than those by which it is called: those may have changed since.
        let everywhere = ["0.0.0.0/0", "::/0"].map(|text| text.parse().unwrap()).into_iter().collect();
        let webhook = Webhook::read(url, &everywhere).unwrap();
        let signed = Signed { id: "msg_1", secs: 7, signature: "v1a,AA==", body: Bytes::from_static(b"{}") };
        Caller::new(networks).unwrap().post(&webhook, signed).await
    }

    /// Nobody is connected to: a listener would see it.
    #[tokio::test]
    async fn what_is_not_public_is_not_called() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost"] {
            let refused = post(Networks::default(), &format!("https://{host}:{port}/")).await.unwrap_err();
            assert!(
                matches!(refused, DeliveryFault::NotPublic(NotPublic(address)) if address.is_loopback()),
                "{refused}"
            );
        }
        // Once it is allowed, somebody comes, who wants TLS.
        let heard = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut first = [0; 1];
            stream.read_exact(&mut first).await.unwrap();
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            first
        });
        let refused = post(networks("127.0.0.0/8"), &format!("https://localhost:{port}/")).await.unwrap_err();
        assert!(matches!(refused, DeliveryFault::Unreachable(_)), "{refused}");
        assert_eq!(heard.await.unwrap(), [0x16], "a TLS handshake");
    }

    #[test]
    fn gone_is_final_and_nothing_else() {
        assert!(DeliveryFault::Status(410).is_final());
        for fault in [DeliveryFault::Status(404), DeliveryFault::Status(500), DeliveryFault::TimedOut] {
            assert!(!fault.is_final());
        }
    }
}
