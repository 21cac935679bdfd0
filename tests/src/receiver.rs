//! A holder's webhook receiver: HTTPS under a CA of its own, which keeps what comes and answers as a test says.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver as Lines, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use tempfile::TempDir;

use crate::process::DEADLINE;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Path and query.
    pub target: String,
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// What was posted.
    pub body: Vec<u8>,
}

impl Delivery {
    /// A header.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }
}

/// The status for the n-th request, counted from 0, to this target.
type Answers = Box<dyn FnMut(&str) -> u16 + Send>;

/// The receiver. It listens on 127.0.0.1 until the tests end.
pub struct Receiver {
    folder: TempDir,
    address: SocketAddr,
    answers: Arc<Mutex<Answers>>,
    came: Lines<Delivery>,
}

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("P-256");
    EcKey::generate(&group).and_then(PKey::from_ec_key).expect("a key")
}

/// Good for twenty years, so that servers of later times believe it.
fn certificate(name: &str, key: &PKey<Private>, by: Option<(&X509, &PKey<Private>)>) -> X509 {
    let make = || {
        let mut names = X509NameBuilder::new()?;
        names.append_entry_by_nid(Nid::COMMONNAME, name)?;
        let name = names.build();
        let mut builder = X509::builder()?;
        builder.set_version(2)?;
        builder.set_serial_number(&*BigNum::from_u32(if by.is_some() { 2 } else { 1 })?.to_asn1_integer()?)?;
        builder.set_subject_name(&name)?;
        builder.set_issuer_name(by.map_or(&*name, |(issuer, _)| issuer.subject_name()))?;
        builder.set_pubkey(key)?;
        builder.set_not_before(&*Asn1Time::from_unix(0)?)?;
        builder.set_not_after(&*Asn1Time::days_from_now(20 * 365)?)?;
        let extension = match by {
            None => BasicConstraints::new().critical().ca().build()?,
            Some((issuer, _)) => {
                let context = builder.x509v3_context(Some(issuer), None);
                SubjectAlternativeName::new().dns("localhost").ip("127.0.0.1").build(&context)?
            }
        };
        builder.append_extension(extension)?;
        builder.sign(by.map_or(key, |(_, signer)| signer), MessageDigest::sha256())?;
        Ok::<_, openssl::error::ErrorStack>(builder.build())
    };
    make().expect("a certificate")
}

impl Receiver {
    /// A receiver that takes everything.
    ///
    /// # Panics
    /// libcrypto, the disk, or there is no port.
    #[must_use]
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("semper-receiver-").expect("a temporary folder");
        let (ca_key, key) = (key(), key());
        let ca = certificate("CA of a receiver", &ca_key, None);
        let own = certificate("localhost", &key, Some((&ca, &ca_key)));
        fs::write(folder.path().join("ca.pem"), ca.to_pem().expect("PEM")).expect("a file");
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).expect("TLS");
        acceptor.set_certificate(&own).expect("the certificate");
        acceptor.set_private_key(&key).expect("the key");
        let acceptor = Arc::new(acceptor.build());
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let answers: Arc<Mutex<Answers>> = Arc::new(Mutex::new(Box::new(|_| 204)));
        let (send, came) = channel();
        let answering = answers.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (acceptor, answers, send) = (acceptor.clone(), answering.clone(), send.clone());
                thread::spawn(move || {
                    let serve = |stream: TcpStream| {
                        stream.set_read_timeout(Some(DEADLINE))?;
                        let mut stream =
                            acceptor.accept(stream).map_err(|error| io::Error::other(error.to_string()))?;
                        let delivery = read_request(&mut stream)?;
                        let status = answers.lock().unwrap_or_else(PoisonError::into_inner)(&delivery.target);
                        // Kept before it is answered: who has seen the answer finds it here.
                        let _ = send.send(delivery); // the test may be over
                        write!(
                            stream,
                            "HTTP/1.1 {status} x\r\nlocation: https://localhost:1/\r\ncontent-length: 2\r\n\r\nok"
                        )?;
                        stream.shutdown().map(drop).map_err(io::Error::other)
                    };
                    let _ = serve(stream); // whoever breaks off has nothing delivered
                });
            }
        });
        Self { folder, address, answers, came }
    }

    /// Answers like this from now on: the status for a request to this path and query.
    pub fn answer(&self, answers: impl FnMut(&str) -> u16 + Send + 'static) {
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(answers);
    }

    /// `https://localhost:PORT` and this path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    /// The file of the CA that its certificate is by.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The next that came, or comes.
    ///
    /// # Panics
    /// Nothing comes.
    #[must_use]
    pub fn next(&self) -> Delivery {
        self.came.recv_timeout(DEADLINE).expect("somebody posts something")
    }

    /// All that came and was not looked at.
    #[must_use]
    pub fn rest(&self) -> Vec<Delivery> {
        self.came.try_iter().collect()
    }
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}

fn read_request(stream: &mut impl Read) -> io::Result<Delivery> {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    let mut more = |bytes: &mut Vec<u8>| match stream.read(&mut part)? {
        0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        read => {
            bytes.extend_from_slice(&part[..read]);
            Ok(())
        }
    };
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        more(&mut bytes)?;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let headers: BTreeMap<_, _> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
    while bytes.len() < end + length {
        more(&mut bytes)?;
    }
    Ok(Delivery { target, headers, body: bytes[end..end + length].to_vec() })
}

/// Asks `is_so` again and again until it says yes.
///
/// # Panics
/// It does not, in [`DEADLINE`].
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + DEADLINE;
    while !is_so() {
        assert!(std::time::Instant::now() < deadline, "{what}");
        thread::yield_now();
    }
}
