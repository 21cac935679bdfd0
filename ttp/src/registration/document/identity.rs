//! `registration/identity`: how an officer proved who the applicant is.

use std::fmt;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{DOCUMENT_BYTES_MAX, DocumentFault, check_length, present, read, write};
use crate::b64u::B64u32;
use crate::statement::{Millis, Salt};

const TAG: &str = "registration/identity";

/// Most documents of one record.
const DOCUMENTS_MAX: usize = 16;

/// Longest number of a document, characters.
const NUMBER_CHARS_MAX: usize = 64;

/// By how much the day in UTC-12 ends later than in UTC, seconds.
const WEST_SECS: u64 = 12 * 3600;

/// Longest notes, characters.
const NOTES_CHARS_MAX: usize = 2_000;

/// The identity-proofing record, schema `schemas/registration/identity.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityRecord {
    /// Fresh randomness of whoever wrote it.
    pub salt: Salt,
    /// How it was done.
    pub method: Method,
    /// What was looked at, 1 to 16 documents.
    pub documents: Vec<SeenDocument>,
    /// When the officer says that it was done.
    pub checked_at: Millis,
    /// Whatever else is to be known.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

/// How an identity was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The person stood before the officer.
    InPerson,
    /// By video.
    Video,
    /// By means of electronic identification.
    ElectronicId,
    /// By an extract of a public register.
    RegisterExtract,
    /// By anything else, which the notes tell.
    Other,
}

/// A document that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenDocument {
    /// What it is.
    pub kind: DocumentKind,
    /// Its number, 1 to 64 characters.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Who issued it: ISO 3166 alpha-2 code.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Its last day.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub expires: Option<Day>,
    /// Hash of a copy that is kept.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub sha256: Option<B64u32>,
}

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// A passport.
    Passport,
    /// An identity card.
    IdentityCard,
    /// A residence permit.
    ResidencePermit,
    /// A driving licence.
    DrivingLicence,
    /// What a means of electronic identification said.
    ElectronicId,
    /// An extract of a public register.
    RegisterExtract,
    /// A power of attorney.
    PowerOfAttorney,
    /// Anything else.
    Other,
}

/// A day, written as RFC 3339 full-date: `2031-12-31`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(NaiveDate);

impl Day {
    /// When it ends in UTC, seconds since 1970; 0 before that.
    fn end_secs(self) -> u64 {
        let next = self.0.succ_opt().unwrap_or(self.0).and_time(chrono::NaiveTime::MIN);
        next.and_utc().timestamp().try_into().unwrap_or_default()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%d"))
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.to_string()
    }
}

impl TryFrom<String> for Day {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let day = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok().map(Self);
        // chrono reads single digits, signs and spaces as well.
        day.filter(|day| text.len() == 10 && day.to_string() == text).ok_or("a day is written like 2031-12-31")
    }
}

impl IdentityRecord {
    /// Reads and judges a record.
    ///
    /// # Errors
    /// [`DocumentFault`], the first that is found.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentFault> {
        let record: Self = read(bytes, TAG)?;
        record.check()?;
        Ok(record)
    }

    /// The bytes of a record, once and for all.
    ///
    /// # Errors
    /// [`DocumentFault`]: it would not be read.
    pub fn write(&self) -> Result<Vec<u8>, DocumentFault> {
        self.check()?;
        let bytes = write(self, TAG)?;
        if bytes.len() > DOCUMENT_BYTES_MAX { Err(DocumentFault::TooLong) } else { Ok(bytes) }
    }

    /// Whether each document proved anything when it was looked at. Asked of a record that comes; one that was taken stays what it is.
    ///
    /// # Errors
    /// [`DocumentFault::Expired`].
    pub fn require_valid_documents(&self) -> Result<(), DocumentFault> {
        // Its last day ends last in the far west.
        let is_over = |day: &Day| self.checked_at.get() >= (day.end_secs() + WEST_SECS) * 1_000;
        match self.documents.iter().filter_map(|document| document.expires).find(is_over) {
            Some(day) => Err(DocumentFault::Expired { day }),
            None => Ok(()),
        }
    }

    fn check(&self) -> Result<(), DocumentFault> {
        check_length("documents", self.documents.len(), 1, DOCUMENTS_MAX)?;
        for document in &self.documents {
            if let Some(number) = &document.number {
                check_length("characters of a document's number", number.chars().count(), 1, NUMBER_CHARS_MAX)?;
                if number.chars().any(char::is_control) || number.trim() != number {
                    return Err(DocumentFault::Text { what: "a document's number" });
                }
            }
            if document.country.as_ref().is_some_and(|country| !is_country(country)) {
                return Err(DocumentFault::Country);
            }
        }
        if let Some(notes) = &self.notes {
            check_length("characters of the notes", notes.chars().count(), 1, NOTES_CHARS_MAX)?;
            // Lines of text may be several.
            if notes.chars().any(|c| c.is_control() && c != '\n') || notes.trim() != notes {
                return Err(DocumentFault::Text { what: "the notes" });
            }
        }
        Ok(())
    }
}

fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// With every member.
    fn whole() -> Value {
        json!({
            "t": "registration/identity",
            "v": 1,
            "salt": "AAECAwQFBgcICQoLDA0ODw",
            "method": "in_person",
            "documents": [{
                "kind": "passport",
                "number": "12AB34567",
                "country": "FR",
                "expires": "2031-12-31",
                "sha256": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            }],
            "checked_at": 1_772_366_400_250_u64,
            "notes": "Seen in the office.\nThe likeness is good.",
        })
    }

    fn parse(record: &Value) -> Result<IdentityRecord, DocumentFault> {
        IdentityRecord::parse(&serde_json::to_vec(record).unwrap())
    }

    #[test]
    fn a_record_is_read_as_written() {
        let record = parse(&whole()).unwrap();
        assert_eq!((record.method, record.documents[0].kind), (Method::InPerson, DocumentKind::Passport));
        let bytes = record.write().unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), whole());
        assert_eq!(IdentityRecord::parse(&bytes), Ok(record));
        let mut short = whole();
        short.as_object_mut().unwrap().remove("notes");
        short["documents"] = json!([{ "kind": "register_extract" }]);
        assert!(parse(&short).is_ok());
    }

    /// Checked on 2026-03-01 at 12:00:00.250 UTC: somewhere it is noon and the last day of February is just over.
    #[test]
    fn a_document_counts_until_its_last_day_is_over_everywhere() {
        let mut record = whole();
        for (checked_at, last, is_good) in [
            (1_772_366_400_250_u64, "2026-03-01", true),
            (1_772_366_400_250, "2026-02-28", false),
            (1_772_366_399_999, "2026-02-28", true),
            (1_772_366_399_999, "2026-02-27", false),
            (1_772_366_399_999, "1950-01-01", false),
        ] {
            record["checked_at"] = checked_at.into();
            record["documents"][0]["expires"] = last.into();
            let day = Day::try_from(last.to_owned()).unwrap();
            let due = if is_good { Ok(()) } else { Err(DocumentFault::Expired { day }) };
            assert_eq!(parse(&record).unwrap().require_valid_documents(), due, "{checked_at} {last}");
        }
    }

    #[test]
    fn what_differs_is_refused() {
        let length = |what, found, most| DocumentFault::Length { what, found, least: 1, most };
        let documents = |count: usize| Value::from(vec![whole()["documents"][0].clone(); count]);
        let (number, notes) = ("characters of a document's number", "characters of the notes");
        let table = [
            ("/t", json!("registration/application"), DocumentFault::Tag { expected: "registration/identity" }),
            ("/v", json!(0), DocumentFault::Version),
            ("/documents", documents(0), length("documents", 0, 16)),
            ("/documents", documents(17), length("documents", 17, 16)),
            ("/documents/0/number", json!(""), length(number, 0, 64)),
            ("/documents/0/number", json!("é".repeat(65)), length(number, 65, 64)),
            ("/documents/0/number", json!("a\tb"), DocumentFault::Text { what: "a document's number" }),
            ("/documents/0/number", json!(" 1"), DocumentFault::Text { what: "a document's number" }),
            ("/documents/0/country", json!("fr"), DocumentFault::Country),
            ("/documents/0/country", json!("FRA"), DocumentFault::Country),
            ("/notes", json!(""), length(notes, 0, 2_000)),
            ("/notes", json!("é".repeat(2_001)), length(notes, 2_001, 2_000)),
            ("/notes", json!("\u{1b}[2J"), DocumentFault::Text { what: "the notes" }),
        ];
        for (place, value, fault) in table {
            let mut record = whole();
            *record.pointer_mut(place).unwrap() = value.clone();
            assert_eq!(parse(&record), Err(fault), "{place}: {value}");
        }
        for (place, value) in [
            ("/salt", json!("")),
            ("/method", json!("In person")),
            ("/documents/0/kind", json!("visa")),
            ("/documents/0", json!({ "kind": "passport", "more": 1 })),
            ("/documents/0/number", Value::Null),
            ("/documents/0/expires", json!("2031-02-29")),
            ("/documents/0/expires", json!("2031-2-01")),
            ("/documents/0/expires", json!("+031-02-01")),
            ("/documents/0/expires", json!(" 2031-2-01")),
            ("/documents/0/expires", json!("2031-12-31T00:00:00Z")),
            ("/documents/0/sha256", json!("AA")),
            ("/checked_at", json!(-1)),
            ("/checked_at", json!("2026-03-01")),
            ("/notes", Value::Null),
        ] {
            let mut record = whole();
            *record.pointer_mut(place).unwrap() = value.clone();
            assert!(matches!(parse(&record), Err(DocumentFault::Member(_))), "{place}: {value}");
        }
        for name in ["salt", "method", "documents", "checked_at"] {
            let mut record = whole();
            record.as_object_mut().unwrap().remove(name);
            assert!(matches!(parse(&record), Err(DocumentFault::Member(_))), "without {name}");
        }
        let mut record = whole();
        record["more"] = json!(1);
        assert!(matches!(parse(&record), Err(DocumentFault::Member(_))));
    }

    /// The schema names the members that the code writes, and every word that it reads.
    #[test]
    fn the_schema_has_the_members_of_the_code() {
        let schema = include_str!("../../../../schemas/registration/identity.json");
        let schema: Value = serde_json::from_str(schema).unwrap();
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let (whole, properties) = (whole(), &schema["properties"]);
        assert_eq!(names(&whole), names(properties));
        let document = &properties["documents"]["items"]["properties"];
        assert_eq!(names(&whole["documents"][0]), names(document));
        assert_eq!(properties["t"]["const"], TAG);
        assert_eq!(properties["documents"]["maxItems"], DOCUMENTS_MAX);
        assert_eq!(document["number"]["maxLength"], NUMBER_CHARS_MAX);
        assert_eq!(properties["notes"]["maxLength"], NOTES_CHARS_MAX);
        let methods: Vec<Method> = serde_json::from_value(properties["method"]["enum"].clone()).unwrap();
        assert_eq!(methods.len(), 5);
        let kinds: Vec<DocumentKind> = serde_json::from_value(document["kind"]["enum"].clone()).unwrap();
        assert_eq!(kinds.len(), 8);
        let mut required: Vec<_> = schema["required"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
        required.sort_unstable();
        assert_eq!(required, ["checked_at", "documents", "method", "salt", "t", "v"]);
    }
}
