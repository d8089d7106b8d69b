//! From what stands in a file to the value of a column.

pub(crate) mod lines;

use super::value::Value;
use crate::plan::NUL;
use crate::reject::not_utf_8;
use crate::value::decimal::Decimal;
use crate::value::duration::DurationForm;
use crate::value::field::FieldPrefix;
use crate::value::moment::MomentForm;
use crate::value::number::{NumberForm, divided, integer, parse_plain};
use serde::de::IgnoredAny;
use sluice::spec::{Column, ColumnType, Constant, Unit};
use std::borrow::Cow;

/// What stands in a file for a column.
#[derive(Clone, Debug)]
pub(crate) enum Raw<'r> {
    /// Nothing: null, or a name or a way that is not there.
    Null,
    /// A text, in an encoding that may not be UTF-8.
    Text(Cow<'r, [u8]>),
    /// A text of a file that knows its types: dates and times are in ISO form.
    Typed(&'r [u8]),
    /// A number of a file that knows its types: with a point, and no other mark, whatever the spec says of texts.
    Numeric(&'r [u8]),
    /// A duration that is counted in a unit of its own.
    Counted(&'r [u8], Unit),
    /// A value of JSON, as it is written.
    Json(&'r str),
    /// The number of the row.
    Number(u64),
    /// What cannot be read, and why.
    Wrong(&'static str),
}

/// Fields of a row that stand in its file as they are, by their slots. `None` where there is none, or only a [`Raw`]
/// tells.
pub(crate) trait PlainFields {
    /// A field.
    fn text(&self, _slot: usize) -> Option<&[u8]> {
        None
    }

    /// The same with what follows it.
    fn prefix(&self, _slot: usize) -> Option<FieldPrefix<'_>> {
        None
    }
}

/// Reads the values of one column.
#[derive(Debug)]
pub(crate) struct ColumnReader {
    form: Form,
    trims: bool,
    null_values: Vec<String>,
    /// No text but the empty one means that there is no value.
    is_empty_null: bool,
    /// What is taken for a null, as if it stood in the file.
    if_null: Option<(String, Written)>,
    is_nullable: bool,
    /// A duration in minutes, hours or days: what it is divided by in the end, and its decimals then.
    pub(crate) division: Option<(u32, u32)>,
}

#[derive(Debug)]
enum Form {
    Text,
    Json,
    Boolean { true_values: Option<Vec<String>>, false_values: Option<Vec<String>> },
    Integer(NumberForm),
    Number(NumberForm),
    Moment(MomentForm),
    Duration(DurationForm),
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// As the spec says of its column.
    AsStated,
    /// Dates and times in ISO form.
    Iso,
    /// As a number whose marks nobody has to state.
    Number,
}

impl Written {
    /// How a constant of a spec is: a number of JSON is one.
    fn of(constant: &Constant) -> Self {
        if matches!(constant, Constant::Number(_)) { Self::Number } else { Self::AsStated }
    }
}

/// Why there is no value.
pub(crate) type Reason = Cow<'static, str>;

impl ColumnReader {
    /// Those of a column.
    ///
    /// # Errors
    /// The field of it that cannot work, and why.
    pub(crate) fn new(column: &Column) -> Result<Self, (&'static str, String)> {
        let no_zone = || {
            let what = "is none of the time zone database of this release; zones are called as in Europe/Berlin";
            ("zone", what.to_owned())
        };
        let form = match column.kind {
            ColumnType::Text => Form::Text,
            ColumnType::Json => Form::Json,
            ColumnType::Boolean => {
                Form::Boolean { true_values: column.true_values.clone(), false_values: column.false_values.clone() }
            }
            ColumnType::Integer => Form::Integer(NumberForm::new(column)),
            ColumnType::Number => Form::Number(NumberForm::new(column)),
            ColumnType::Date | ColumnType::Timestamp | ColumnType::Timestamptz => {
                Form::Moment(MomentForm::new(column).ok_or_else(no_zone)?)
            }
            ColumnType::Duration => Form::Duration(DurationForm::new(column)),
        };
        let division = column.unit.and_then(|unit| unit.seconds()).zip(column.scale);
        let null_values = column.null_values.clone().unwrap_or_else(|| vec![String::new()]);
        let reader = Self {
            form,
            trims: column.trim || !matches!(column.kind, ColumnType::Text | ColumnType::Json),
            is_empty_null: null_values.iter().all(String::is_empty),
            null_values,
            if_null: column.if_null.as_ref().map(|it| (it.text().into_owned(), Written::of(it))),
            is_nullable: column.is_nullable(),
            division,
        };
        if let Some((text, written)) = &reader.if_null {
            reader.parse(text.as_bytes(), *written).map_err(|why| ("if_null", why.into_owned()))?;
        }
        Ok(reader)
    }

    /// A constant of a condition, as a value of this column: dates and times in ISO form, durations in their unit.
    ///
    /// # Errors
    /// Why it is none.
    pub(crate) fn constant(column: &Column, constant: &Constant) -> Result<Value<'static>, Reason> {
        let text = constant.text();
        let form = match column.kind {
            ColumnType::Text | ColumnType::Json => Form::Text,
            ColumnType::Boolean => Form::Boolean { true_values: None, false_values: None },
            ColumnType::Integer => Form::Integer(NumberForm::with_mark(b'.')),
            ColumnType::Number => Form::Number(NumberForm::with_mark(b'.')),
            ColumnType::Date | ColumnType::Timestamp | ColumnType::Timestamptz => {
                Form::Moment(MomentForm::of_constants(column).ok_or("there is no such zone")?)
            }
            ColumnType::Duration => {
                let number = Decimal::parse(text.as_bytes()).map_err(|why| why.to_string())?;
                let found = DurationForm::new(column).of_unit(number).map_err(|why| why.reason())?;
                return Ok(Value::Decimal(found.trimmed()));
            }
        };
        form.parse(text.trim().as_bytes(), Written::Iso).map(|value| value.kept())
    }

    /// The value.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn read<'r>(&'r self, raw: Raw<'r>) -> Result<Value<'r>, Reason> {
        match raw {
            Raw::Null => self.null(),
            Raw::Wrong(why) => Err(why.into()),
            Raw::Counted(text, unit) => {
                let Form::Duration(form) = &self.form else {
                    return Err("a duration, not a value of this type".into());
                };
                let number = Decimal::parse(text).map_err(|why| why.to_string())?;
                let found = form.of(number, unit).map_err(|why| why.reason())?;
                Ok(Value::Decimal(found.trimmed()))
            }
            Raw::Number(number) => Ok(Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))),
            Raw::Typed(text) | Raw::Numeric(text) if self.is_null(text) => self.null(),
            Raw::Typed(text) => self.parse(text, Written::Iso),
            Raw::Numeric(text) => self.parse(text, Written::Number),
            Raw::Text(Cow::Borrowed(text)) => self.read_text(text),
            Raw::Text(Cow::Owned(text)) => self.read_text(&text).map(|value| value.kept()),
            Raw::Json(json) => self.read_json(json),
        }
    }

    /// Adds the value of a field that stands in the file as it is, where that is quickly told; `None` if it takes
    /// [`ColumnReader::read`] to tell, or there is none.
    #[inline(always)]
    pub(crate) fn read_quickly<'r>(
        &self,
        fields: &'r impl PlainFields,
        slot: usize,
        values: &mut Vec<Value<'r>>,
    ) -> Option<()> {
        if !self.is_empty_null && self.is_null(fields.text(slot)?) {
            return None;
        }
        // Each adds its own: a value that may be of any type takes longer to hand on.
        match &self.form {
            Form::Text => {
                let text = fields.text(slot)?;
                if !self.is_plain(text, fields.prefix(slot)) {
                    return None;
                }
                values.push(Value::Text(Cow::Borrowed(text)));
            }
            Form::Integer(form) => values.push(Value::Integer(integer_quickly(form, fields.prefix(slot)?)?)),
            Form::Number(form) => values.push(Value::Decimal(form.parse_quickly(fields.prefix(slot)?)?)),
            Form::Moment(form) => values.push(Value::Moment(form.parse_quickly(fields.prefix(slot)?)?)),
            Form::Json | Form::Boolean { .. } | Form::Duration(_) => return None,
        }
        Some(())
    }

    /// Whether a text surely is its own value: one that PostgreSQL can keep, not empty, and without blanks to go.
    #[inline(always)]
    fn is_plain(&self, text: &[u8], prefix: Option<FieldPrefix<'_>>) -> bool {
        let (Some(first), Some(last)) = (text.first(), text.last()) else { return false };
        let is_trimmed = !self.trims || first.is_ascii_graphic() && last.is_ascii_graphic();
        is_trimmed && (prefix.is_some_and(FieldPrefix::is_ascii_text) || is_text(text))
    }

    fn read_text<'r>(&'r self, text: &'r [u8]) -> Result<Value<'r>, Reason> {
        let text = std::str::from_utf8(text).map_err(|_| not_utf_8(text))?;
        let text = if self.trims { text.trim() } else { text };
        if self.is_null(text.as_bytes()) { self.null() } else { self.parse(text.as_bytes(), Written::AsStated) }
    }

    /// A text of JSON means what it means in any other file; a number is one already.
    fn read_json<'r>(&'r self, json: &'r str) -> Result<Value<'r>, Reason> {
        let text: Cow<'r, str> = match json.as_bytes() {
            [b'n', ..] => return self.null(),
            [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => Cow::Borrowed(&json[1..json.len() - 1]),
            // Escapes of half a character.
            [b'"', ..] => Cow::Owned(serde_json::from_str(json).map_err(|_| "not valid Unicode")?),
            [b'{' | b'[', ..] if !matches!(self.form, Form::Json) => {
                return Err(if json.starts_with('{') {
                    "an object, not a single value"
                } else {
                    "an array, not a single value"
                }
                .into());
            }
            _ => Cow::Borrowed(json),
        };
        let trimmed = if self.trims { text.trim() } else { &text };
        let is_nested = matches!(json.as_bytes().first(), Some(b'{' | b'['));
        if !is_nested && self.is_null(trimmed.as_bytes()) {
            return self.null();
        }
        if matches!(self.form, Form::Json) {
            return self.parse(json.as_bytes(), Written::AsStated);
        }
        let written = match json.as_bytes() {
            [b'-' | b'0'..=b'9', ..] => Written::Number,
            _ => Written::AsStated,
        };
        match &text {
            Cow::Borrowed(text) => {
                let text: &'r str = text;
                self.parse(if self.trims { text.trim() } else { text }.as_bytes(), written)
            }
            Cow::Owned(_) => self.parse(trimmed.as_bytes(), written).map(|value| value.kept()),
        }
    }

    fn is_null(&self, text: &[u8]) -> bool {
        self.null_values.iter().any(|null| null.as_bytes() == text)
    }

    fn null(&self) -> Result<Value<'_>, Reason> {
        match &self.if_null {
            Some((text, written)) => self.parse(text.as_bytes(), *written),
            None if self.is_nullable => Ok(Value::Null),
            None => Err("no value, and the column is not nullable".into()),
        }
    }

    fn parse<'r>(&self, text: &'r [u8], written: Written) -> Result<Value<'r>, Reason> {
        self.form.parse(text, written)
    }

    /// What a value becomes in the table, where it is not added up: a duration in its unit.
    ///
    /// # Errors
    /// It has too many digits.
    pub(crate) fn finished<'v>(&self, value: Value<'v>) -> Result<Value<'v>, Reason> {
        match (self.division, value) {
            (Some((by, scale)), Value::Decimal(number)) => {
                let found = divided(number, u64::from(by), scale).ok_or("a duration of more than 38 digits")?;
                Ok(Value::Decimal(found))
            }
            (_, value) => Ok(value),
        }
    }
}

impl Form {
    fn parse<'r>(&self, text: &'r [u8], written: Written) -> Result<Value<'r>, Reason> {
        let number = |form: &NumberForm| match written {
            Written::Number => parse_plain(text),
            Written::AsStated | Written::Iso => form.parse_trimmed(text),
        };
        match self {
            Self::Text => {
                let text = std::str::from_utf8(text).map_err(|_| not_utf_8(text))?;
                if text.contains('\0') { Err(NUL.into()) } else { Ok(Value::Text(Cow::Borrowed(text.as_bytes()))) }
            }
            Self::Json => json(text).map(|json| Value::Text(Cow::Borrowed(json.as_bytes()))),
            Self::Boolean { true_values, false_values } => {
                let is = |values: &Option<Vec<String>>, usual: &[u8]| match values {
                    Some(values) => values.iter().any(|value| value.as_bytes() == text),
                    None => text.eq_ignore_ascii_case(usual),
                };
                match (is(true_values, b"true"), is(false_values, b"false")) {
                    (true, _) => Ok(Value::Boolean(true)),
                    (false, true) => Ok(Value::Boolean(false)),
                    (false, false) => Err("neither true nor false".into()),
                }
            }
            Self::Integer(form) => {
                let number = number(form).map_err(|why| why.to_string())?;
                integer(number).map(Value::Integer).ok_or_else(|| "not a whole number of 64 bits".into())
            }
            Self::Number(form) => number(form).map(Value::Decimal).map_err(|why| why.to_string().into()),
            Self::Moment(form) => {
                let found = if written == Written::Iso { form.parse_iso(text) } else { form.parse(text) };
                found.map(Value::Moment).map_err(|why| why.reason().into())
            }
            Self::Duration(form) => {
                let found = if written == Written::Number { form.parse_number(text) } else { form.parse(text) };
                found.map(|found| Value::Decimal(found.trimmed())).map_err(|why| why.reason().into())
            }
        }
    }
}

/// The whole number of a field, where that is quickly told.
#[inline(always)]
fn integer_quickly(form: &NumberForm, prefix: FieldPrefix<'_>) -> Option<i64> {
    let Decimal { mantissa, scale } = form.parse_quickly(prefix)?;
    if scale == 0 { i64::try_from(mantissa).ok() } else { None }
}

/// Whether some bytes are a text that PostgreSQL can keep. Not inlined: that of most is told at once.
#[inline(never)]
fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok() && !bytes.contains(&0)
}

/// A text that is a value of JSON, and one that PostgreSQL can keep: it has no NUL in a text.
fn json(text: &[u8]) -> Result<&str, Reason> {
    let text = std::str::from_utf8(text).map_err(|_| not_utf_8(text))?;
    let is_json = if text.contains("\\u") {
        // Half a character is no text either.
        serde_json::from_str::<serde_json::Value>(text).is_ok()
    } else {
        serde_json::from_str::<IgnoredAny>(text).is_ok()
    };
    match is_json {
        false => Err("not JSON".into()),
        true if has_nul(text) => Err(NUL.into()),
        true => Ok(text),
    }
}

/// Whether an escape of NUL is in a text of JSON: a backslash that is not itself escaped, then `u0000`.
fn has_nul(json: &str) -> bool {
    json.match_indices("\\u0000").any(|(at, _)| {
        let before = json.as_bytes()[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
        before % 2 == 0
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use sluice::spec::Parts;

    /// A field and what follows it in its file.
    struct Alone {
        ahead: Vec<u8>,
        len: usize,
    }

    impl PlainFields for Alone {
        fn text(&self, _: usize) -> Option<&[u8]> {
            Some(&self.ahead[..self.len])
        }

        fn prefix(&self, _: usize) -> Option<FieldPrefix<'_>> {
            FieldPrefix::new(&self.ahead, self.len)
        }
    }

    pub(in crate::general) fn readers() -> Vec<ColumnReader> {
        let columns = [
            json!({}),
            json!({"trim": true, "null_values": ["", "ab", "-"]}),
            json!({"type": "integer"}),
            json!({"type": "integer", "null_values": ["0", "17"], "if_null": 5, "decimal": ","}),
            json!({"type": "number"}),
            json!({"type": "number", "decimal": ",", "group": ".", "strip": ["EUR"], "accounting": true}),
            json!({"type": "number", "strip": ["."]}),
            json!({"type": "number", "group": "' ", "null_values": ["1"]}),
            json!({"type": "date"}),
            json!({"type": "date", "format": "%d.%m.%Y", "null_values": ["01.01.1970"]}),
            json!({"type": "date", "format": "%d.%m.%Y "}),
            json!({"type": "date", "truncate": "month"}),
            json!({"type": "timestamp"}),
            json!({"type": "timestamptz", "zone": "Europe/Berlin"}),
            json!({"type": "boolean"}),
            json!({"type": "duration", "unit": "minutes", "scale": 2}),
            json!({"type": "json"}),
        ];
        let names = (0..columns.len()).map(|number| format!("c{number}"));
        let columns: serde_json::Map<_, _> = names.zip(columns).chain([("k".to_owned(), json!({}))]).collect();
        let source = json!({"suffix": ".csv", "columns": columns});
        let shape = json!({"keys": ["k"], "rows": {}});
        let spec = Parts { source, shape, target: json!({"table": "t", "on_overlap": "last_run"}) }.read().unwrap();
        spec.source.columns.values().map(|column| ColumnReader::new(column).unwrap()).collect()
    }

    /// What may stand in a file for a column of some type.
    pub(in crate::general) fn field_text() -> impl Strategy<Value = String> {
        "[ \\t]?[-+(]?[0-9]{0,9}[.,' ]?[0-9]{0,4}([.,][0-9]{0,9})?( ?EUR|[%) a])?|[.,-]?[0-9]{1,2}|\
         [0-3][0-9]{3}-[01][0-9]-[0-3][0-9]([ T][0-2][0-9]:[0-5][0-9](:[0-5][0-9]([.]5|Z)?)?)?|\
         [0-3][0-9][.][01][0-9][.][0-2][0-9]{3} ?|[ab\u{e9}\u{0} -]{0,4}"
    }

    proptest! {
        #[test]
        fn what_is_read_quickly_is_read_by_the_book(text in field_text()) {
            let field = Alone { ahead: format!("{text}1.5 and what follows, up to the length that is loaded").into(), len: text.len() };
            for reader in readers() {
                let mut found = Vec::new();
                if reader.read_quickly(&field, 0, &mut found).is_some() {
                    let expected = reader.read(Raw::Text(Cow::Borrowed(text.as_bytes())));
                    prop_assert_eq!(expected.map(|value| vec![value]), Ok(found), "{:?}", reader);
                }
            }
        }
    }
}
