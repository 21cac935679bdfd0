//! The file of a proof: JSON around its exhibits.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use semper_ledger::receipt::tlog_proof::TlogProof;
use serde::{Deserialize, Serialize};

use super::{Item, Kind, Prefix, Proof, Stretch};

/// The longest file that is read, bytes: the entries of five busy seconds are some ten million.
pub const POM_BYTES_MAX: usize = 64 << 20;

/// Exhibits that a proof may have: a verdict may name a dozen outages, of which each comes as a fact and its entry.
const ITEMS_MAX: usize = 64;

const TAG: &str = "pom";
const VERSION: u32 = 1;

const CHECKPOINT: &str = "text/x.tlog.checkpoint";
const ENTRY: &str = "text/x.tlog.proof";
const PREFIX: &str = "text/x.semper.prefix";
const STRETCH: &str = "text/x.semper.stretch";
/// IANA's name for what RFC 3161 calls a TimeStampToken.
const TOKEN: &str = "application/vnd.etsi.timestamp-token";
/// A record of an act is a statement.
const ACT: &str = "application/jose";
const DVC: &str = "application/dvcs";
const CERTIFICATE: &str = "application/pkix-cert";
/// Statements of exchanges have a name of their own, as records of acts are statements, too.
const STATEMENT: &str = "text/x.semper.statement";
/// RFC 7517 §8.5.1.
const KEY: &str = "application/jwk+json";
const FACT: &str = "application/x.semper.fact";
const POLICY: &str = "application/x.semper.exchange-policy";

/// Reaches disk, and other people's hands.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    t: String,
    v: u32,
    kind: String,
    against: String,
    items: Vec<Exhibit>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exhibit {
    media: String,
    data: String,
}

/// Bytes that are no proof of misbehaviour, whatever they would prove.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAProof {
    /// Longer than [`POM_BYTES_MAX`].
    #[error("it is longer than {POM_BYTES_MAX} bytes")]
    TooLong,
    /// Not the JSON of one.
    #[error("it is not the JSON of a proof of misbehaviour: {0}")]
    Json(String),
    /// A version that this program does not read.
    #[error("it is of version {0}, which this program does not know")]
    Version(u32),
    /// A kind that this program does not know.
    #[error("its kind {0:?} is not known")]
    Kind(String),
    /// An origin that no log can have.
    #[error("what it accuses is no log's origin")]
    Against,
    /// Too many exhibits.
    #[error("it has more than {ITEMS_MAX} items")]
    Items,
    /// An exhibit that does not read.
    #[error("its item {at} ({media}) does not read")]
    Item {
        /// Counted from 0.
        at: usize,
        /// As it says.
        media: String,
    },
}

impl Proof {
    /// True if bytes claim to be such a file; a document that somebody had stamped hardly begins so.
    #[must_use]
    pub fn is_one(bytes: &[u8]) -> bool {
        #[derive(Deserialize)]
        struct Tagged {
            t: String,
        }
        let bytes = bytes.get(..POM_BYTES_MAX).unwrap_or(bytes);
        bytes.trim_ascii_start().first() == Some(&b'{')
            && serde_json::from_slice::<Tagged>(bytes).is_ok_and(|tagged| tagged.t == TAG)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`NotAProof`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NotAProof> {
        if bytes.len() > POM_BYTES_MAX {
            return Err(NotAProof::TooLong);
        }
        let file: File = serde_json::from_slice(bytes).map_err(|error| NotAProof::Json(error.to_string()))?;
        if file.t != TAG {
            return Err(NotAProof::Json(format!("its member t is {:?}", file.t)));
        }
        if file.v != VERSION {
            return Err(NotAProof::Version(file.v));
        }
        let kind = Kind::from_name(&file.kind).ok_or(NotAProof::Kind(file.kind))?;
        // It is shown to people, on terminals.
        if file.against.is_empty() || file.against.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(NotAProof::Against);
        }
        if file.items.len() > ITEMS_MAX {
            return Err(NotAProof::Items);
        }
        let item =
            |(at, exhibit): (usize, Exhibit)| read_item(&exhibit).ok_or(NotAProof::Item { at, media: exhibit.media });
        let items = file.items.into_iter().enumerate().map(item).collect::<Result<_, _>>()?;
        Ok(Self { kind, against: file.against, items })
    }

    /// The file.
    #[must_use]
    pub fn to_json(&self) -> String {
        let file = File {
            t: TAG.to_owned(),
            v: VERSION,
            kind: self.kind.name().to_owned(),
            against: self.against.clone(),
            items: self.items.iter().map(write_item).collect(),
        };
        serde_json::to_string(&file).expect("strings and a number") + "\n"
    }
}

fn read_item(exhibit: &Exhibit) -> Option<Item> {
    let data = URL_SAFE_NO_PAD.decode(&exhibit.data).ok()?;
    match exhibit.media.as_str() {
        TOKEN => return Some(Item::Token(data)),
        ACT => return Some(Item::Act(data)),
        DVC => return Some(Item::Dvc(data)),
        CERTIFICATE => return Some(Item::Certificate(data)),
        STATEMENT => return Some(Item::Statement(data)),
        KEY => return Some(Item::Key(data)),
        FACT => return Some(Item::Fact(data)),
        POLICY => return Some(Item::Policy(data)),
        _ => {}
    }
    let text = String::from_utf8(data).ok()?;
    match exhibit.media.as_str() {
        CHECKPOINT => Some(Item::Checkpoint(text)),
        ENTRY => Some(Item::Entry(TlogProof::parse(&text).ok().filter(|proof| proof.to_string() == text)?)),
        PREFIX => Some(Item::Prefix(Prefix::parse(&text).ok()?)),
        STRETCH => Some(Item::Stretch(Stretch::parse(&text).ok()?)),
        _ => None,
    }
}

fn write_item(item: &Item) -> Exhibit {
    let (media, data) = match item {
        Item::Checkpoint(note) => (CHECKPOINT, note.clone().into_bytes()),
        Item::Entry(proof) => (ENTRY, proof.to_string().into_bytes()),
        Item::Prefix(prefix) => (PREFIX, prefix.to_string().into_bytes()),
        Item::Stretch(stretch) => (STRETCH, stretch.to_string().into_bytes()),
        Item::Token(token) => (TOKEN, token.clone()),
        Item::Act(record) => (ACT, record.clone()),
        Item::Dvc(dvc) => (DVC, dvc.clone()),
        Item::Certificate(der) => (CERTIFICATE, der.clone()),
        Item::Statement(jws) => (STATEMENT, jws.clone()),
        Item::Key(jwk) => (KEY, jwk.clone()),
        Item::Fact(fact) => (FACT, fact.clone()),
        Item::Policy(document) => (POLICY, document.clone()),
    };
    Exhibit { media: media.to_owned(), data: URL_SAFE_NO_PAD.encode(data) }
}
