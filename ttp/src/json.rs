//! Strict JSON (RFC 8259) of strangers: the subset of I-JSON (RFC 7493) in which every reader sees the same values.
//!
//! What others leave open is refused: a member that appears twice (at any depth, also if one of the two is spelled with
//! escapes), a byte order mark, other encodings than UTF-8, fractions and exponents, integers of 2^53 and more, deep
//! nesting. Out of scope: canonical JSON. We hash bytes as received and never need one.

use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Integers are below 2^53 in absolute value, as RFC 7493 §2.2 wants it: beyond it, readers that use binary64 round.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// How many objects and arrays may stand in each other, the outermost counted.
pub const DEPTH_MAX: usize = 16;

/// Why bytes are not JSON as we read it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// Another encoding, or none.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// U+FEFF at the start (RFC 8259 §8.1).
    #[error("it begins with a byte order mark")]
    ByteOrderMark,
    /// No JSON, or more than one value.
    #[error("it is not JSON: {0}")]
    Syntax(String),
    /// Another value than an object.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// A member of one name twice in one object.
    #[error("the member {0:?} appears twice")]
    Duplicate(String),
    /// Deeper than [`DEPTH_MAX`].
    #[error("it is nested more than {DEPTH_MAX} deep")]
    Depth,
    /// A fraction, an exponent, or more than [`INTEGER_MAX`].
    #[error("a number in it is not an integer below 2^53")]
    Number,
}

/// Reads one object. The caller has bounded the length of `bytes`.
///
/// # Errors
/// [`JsonFault`].
pub fn read_object(bytes: &[u8]) -> Result<Map<String, Value>, JsonFault> {
    let text = std::str::from_utf8(bytes).map_err(|_| JsonFault::NotUtf8)?;
    if text.starts_with('\u{FEFF}') {
        return Err(JsonFault::ByteOrderMark);
    }
    let mut fault = None;
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Walk { depth: DEPTH_MAX, fault: &mut fault }.deserialize(&mut reader);
    match read.and_then(|value| reader.end().map(|()| value)) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(JsonFault::NotAnObject),
        Err(error) => Err(fault.unwrap_or_else(|| JsonFault::Syntax(error.to_string()))),
    }
}

/// Shortens what a stranger wrote, for an error that shows it.
#[must_use]
pub fn shown(name: &str) -> String {
    const CHARS_MAX: usize = 40;
    name.chars().take(CHARS_MAX).collect()
}

/// Reads one value that may be `depth` deep, and says which of our own rules it breaks: serde's errors are only text.
struct Walk<'f> {
    depth: usize,
    fault: &'f mut Option<JsonFault>,
}

impl Walk<'_> {
    fn inner(&mut self) -> Walk<'_> {
        Walk { depth: self.depth - 1, fault: self.fault }
    }

    fn refuse<T, E: serde::de::Error>(&mut self, fault: JsonFault) -> Result<T, E> {
        let error = E::custom(&fault);
        *self.fault = Some(fault);
        Err(error)
    }

    fn integer<E: serde::de::Error>(&mut self, magnitude: u64, value: Value) -> Result<Value, E> {
        if magnitude > INTEGER_MAX { self.refuse(JsonFault::Number) } else { Ok(value) }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: serde::de::Error>(mut self, value: u64) -> Result<Value, E> {
        self.integer(value, value.into())
    }

    fn visit_i64<E: serde::de::Error>(mut self, value: i64) -> Result<Value, E> {
        self.integer(value.unsigned_abs(), value.into())
    }

    /// serde_json gives here what has a fraction or an exponent, what 64 bits do not hold, and −0.
    fn visit_f64<E: serde::de::Error>(mut self, _: f64) -> Result<Value, E> {
        self.refuse(JsonFault::Number)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        if self.depth == 0 {
            return self.refuse(JsonFault::Depth);
        }
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self.inner())? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        if self.depth == 0 {
            return self.refuse(JsonFault::Depth);
        }
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.contains_key(&name) {
                return self.refuse(JsonFault::Duplicate(shown(&name)));
            }
            let value = map.next_value_seed(self.inner())?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn each_rule_refuses() {
        let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        let duplicate = |name: &str| JsonFault::Duplicate(name.to_owned());
        let table: Vec<(&str, Vec<u8>, JsonFault)> = vec![
            ("a lone octet", b"{\"a\":\"\xFF\"}".to_vec(), JsonFault::NotUtf8),
            ("UTF-16", b"\xFF\xFE{\0}\0".to_vec(), JsonFault::NotUtf8),
            ("a surrogate in UTF-8", b"{\"a\":\"\xED\xA0\x80\"}".to_vec(), JsonFault::NotUtf8),
            ("a byte order mark", b"\xEF\xBB\xBF{}".to_vec(), JsonFault::ByteOrderMark),
            ("an array", b"[]".to_vec(), JsonFault::NotAnObject),
            ("a string", b"\"{}\"".to_vec(), JsonFault::NotAnObject),
            ("null", b"null".to_vec(), JsonFault::NotAnObject),
            ("twice", br#"{"a":1,"a":1}"#.to_vec(), duplicate("a")),
            ("twice, once with escapes", br#"{"a":1,"\u0061":2}"#.to_vec(), duplicate("a")),
            ("twice, with another between", br#"{"a":1,"b":2,"a":3}"#.to_vec(), duplicate("a")),
            ("twice, inside", br#"{"a":{"b":[{"c":1,"c":1}]}}"#.to_vec(), duplicate("c")),
            ("17 deep", deep(17).into_bytes(), JsonFault::Depth),
            ("17 deep in objects", format!("{}1{}", r#"{"a":"#.repeat(17), "}".repeat(17)).into(), JsonFault::Depth),
            ("a fraction", br#"{"a":1.5}"#.to_vec(), JsonFault::Number),
            ("a fraction of zero", br#"{"a":1.0}"#.to_vec(), JsonFault::Number),
            ("an exponent", br#"{"a":[1e3]}"#.to_vec(), JsonFault::Number),
            ("minus zero", br#"{"a":-0}"#.to_vec(), JsonFault::Number),
            ("2^53", br#"{"a":9007199254740992}"#.to_vec(), JsonFault::Number),
            ("−2^53", br#"{"a":-9007199254740992}"#.to_vec(), JsonFault::Number),
            ("2^64", br#"{"a":18446744073709551616}"#.to_vec(), JsonFault::Number),
        ];
        for (what, bytes, fault) in table {
            assert_eq!(read_object(&bytes), Err(fault), "{what}");
        }
        for bad in [
            "",
            " ",
            "{",
            "{}{}",
            "{} x",
            "{,}",
            "{\"a\":1,}",
            "{a:1}",
            "{'a':1}",
            "{\"a\":01}",
            "{\"a\":+1}",
            "{\"a\":NaN}",
            "{\"a\":1}//",
            "{\"a\":\"\n\"}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":True}",
        ] {
            assert!(matches!(read_object(bad.as_bytes()), Err(JsonFault::Syntax(_))), "{bad}");
        }
    }

    #[test]
    fn what_is_left_reads() {
        let text = r#" {"a": [1, -2, 9007199254740991, "\ud83d\ude00 é", null, true], "b": {"a": {}}} "#;
        let expected = json!({"a": [1, -2, 9_007_199_254_740_991_u64, "😀 é", null, true], "b": {"a": {}}});
        assert_eq!(read_object(text.as_bytes()).map(Value::Object), Ok(expected));
        let sixteen = format!("{{\"a\":{}{}}}", "[".repeat(15), "]".repeat(15));
        assert!(read_object(sixteen.as_bytes()).is_ok());
    }

    #[test]
    fn long_names_are_cut() {
        let name = "n".repeat(1000);
        let text = format!(r#"{{"{name}":1,"{name}":1}}"#);
        assert_eq!(read_object(text.as_bytes()), Err(JsonFault::Duplicate("n".repeat(40))));
    }

    proptest! {
        #[test]
        fn never_panics_and_agrees_with_serde_json(text in r#"[{}\[\]:,"ab0-9.e\\u-]{0,24}"#) {
            if let Ok(members) = read_object(text.as_bytes()) {
                prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), Value::Object(members));
            }
        }
    }
}
