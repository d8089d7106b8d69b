//! One object: what it has under three names, whatever else it holds skipped.
//!
//! A value's text is taken as it is in the file, whether it is a JSON number or a JSON string, so that it stays exact.

use memchr::{memchr, memchr3};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The values under these names in the object that is all of `json`; none where there is no name.
///
/// # Errors
/// Those of the parser.
pub(super) fn read<'l>(json: &'l str, names: [Option<&str>; 3]) -> serde_json::Result<[JsonValue<'l>; 3]> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let cells = ObjectSeed { names }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(cells)
}

/// Why a text is not an object, in the words of the parser, which quote no value of it.
pub(crate) fn not_an_object(json: &[u8], error: &serde_json::Error) -> String {
    let what = match json.first() {
        Some(b'{') => error.to_string(),
        Some(b'[') => return "an array, expected a JSON object".to_owned(),
        Some(b',') => return "a comma between objects that are not in an array".to_owned(),
        Some(b'"') => return "a text, expected a JSON object".to_owned(),
        Some(b'-' | b'0'..=b'9') => return "a number, expected a JSON object".to_owned(),
        _ if !json.contains(&b'}') && memchr3(b',', b';', b'\t', json).is_some() => {
            return "not a JSON object; is the file CSV? Then its name has to end with .csv".to_owned();
        }
        _ => return "not a JSON object".to_owned(),
    };
    let place = format!(" at line {} column {}", error.line(), error.column());
    let what = what.strip_suffix(&place).unwrap_or(&what);
    let within = match error.line() {
        1 => String::new(),
        line => format!(" of its line {line}"),
    };
    format!("not a JSON object: {what}, at byte {}{within}", error.column())
}

/// What an object has for one of the spec's columns.
#[derive(Clone, Copy, Debug)]
pub(super) enum JsonValue<'l> {
    /// None.
    Missing,
    /// A value as it is in the line.
    Json(&'l str),
    /// More than one.
    Twice,
}

impl<'l> JsonValue<'l> {
    /// The text of a string, a number or a boolean; of a null, or of nothing, the empty one, as in CSV.
    pub(super) fn text(self) -> Result<Cow<'l, [u8]>, &'static str> {
        let json = match self {
            JsonValue::Json(json) => json,
            JsonValue::Missing => return Ok(Cow::Borrowed(&[])),
            JsonValue::Twice => return Err("the object has this key twice"),
        };
        match json.as_bytes() {
            [b'"', inner @ .., b'"'] if memchr(b'\\', inner).is_none() => Ok(Cow::Borrowed(inner)),
            [b'"', ..] => match serde_json::from_str::<String>(json) {
                Ok(text) => Ok(Cow::Owned(text.into_bytes())),
                // Escapes of half a character.
                Err(_) => Err("not valid Unicode"),
            },
            [b'n', ..] => Ok(Cow::Borrowed(&[])),
            [b'{', ..] => Err("an object, expected a text or a number"),
            [b'[', ..] => Err("an array, expected a text or a number"),
            number_or_boolean => Ok(Cow::Borrowed(number_or_boolean)),
        }
    }
}

/// An object of which the values under three names are wanted.
#[derive(Clone, Copy)]
struct ObjectSeed<'n> {
    names: [Option<&'n str>; 3],
}

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_> {
    type Value = [JsonValue<'de>; 3];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_> {
    type Value = [JsonValue<'de>; 3];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut cells = [JsonValue::Missing; 3];
        while let Some(is_wanted) = map.next_key_seed(KeySeed { names: self.names })? {
            if is_wanted == [false; 3] {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let json = map.next_value::<&'de RawValue>()?.get();
            for (cell, is_wanted) in cells.iter_mut().zip(is_wanted) {
                if is_wanted {
                    *cell = if matches!(cell, JsonValue::Missing) { JsonValue::Json(json) } else { JsonValue::Twice };
                }
            }
        }
        Ok(cells)
    }
}

/// A key: which of three names it is.
struct KeySeed<'n> {
    names: [Option<&'n str>; 3],
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = [bool; 3];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = [bool; 3];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.names.map(|name| name == Some(key)))
    }
}
