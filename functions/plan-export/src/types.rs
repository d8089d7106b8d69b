//! How a type of MySQL goes into one of Redshift. Whatever loses nothing is allowed, and what the target's column is
//! decides between the ways; all else is refused. Widths of texts are bytes in Redshift and characters in MySQL.

use sluice::contract::mysql_to_redshift::{Form, Read, SourceColumn};

/// A column in Redshift, as its catalogue has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetColumn {
    /// Its name.
    pub name: String,
    /// Its type without sizes, in small letters.
    pub data_type: String,
    /// Longest text in bytes.
    pub bytes: Option<u32>,
    /// Digits in all.
    pub precision: Option<u32>,
    /// Digits behind the point.
    pub scale: Option<u32>,
    /// May it be NULL?
    pub is_nullable: bool,
    /// Has it a value of its own where none is given?
    pub has_default: bool,
}

impl TargetColumn {
    /// Its type with sizes.
    pub fn type_name(&self) -> String {
        match (self.data_type.as_str(), self.bytes, self.precision, self.scale) {
            ("character varying", Some(bytes), ..) => format!("varchar({bytes})"),
            ("character", Some(bytes), ..) => format!("char({bytes})"),
            ("numeric", _, Some(precision), Some(scale)) => format!("decimal({precision},{scale})"),
            (name, ..) => name.to_owned(),
        }
    }
}

/// The most bytes of a VARCHAR in Redshift ("Character types").
const MAX_TEXT: u32 = 65_535;

/// The most bytes of a VARBYTE in Redshift ("VARBYTE type").
const MAX_BINARY: u32 = 1_024_000;

/// What the types of MySQL are, as far as that matters here.
enum Source {
    /// Whole numbers between these.
    Integer(i128, i128),
    /// `tinyint(1)`, by which MySQL means a truth value, though it keeps any small number in it.
    TinyOne,
    Bit(u32),
    Decimal(u32, u32),
    Float,
    Double,
    Date,
    /// A `datetime`, or a `timestamp`, which comes in UTC.
    Moment,
    Time,
    /// A text of so many characters; `None` for one whose longest is counted in bytes.
    Text(Option<u64>, u64),
    Json,
    Binary(u64),
}

fn source(column: &SourceColumn) -> Option<Source> {
    let is_unsigned = column.column_type.contains("unsigned");
    let integer = |bits: u32| match is_unsigned {
        true => Source::Integer(0, (1 << bits) - 1),
        false => Source::Integer(-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
    };
    let octets = column.octets.unwrap_or(u64::from(u32::MAX));
    Some(match column.data_type.as_str() {
        "tinyint" if column.column_type.starts_with("tinyint(1)") && !is_unsigned => Source::TinyOne,
        "tinyint" => integer(8),
        "smallint" => integer(16),
        "mediumint" => integer(24),
        "int" | "integer" => integer(32),
        "bigint" => integer(64),
        "year" => Source::Integer(0, 2_155),
        "bit" => Source::Bit(column.precision.unwrap_or(64)),
        "decimal" | "numeric" => Source::Decimal(column.precision.unwrap_or(65), column.scale.unwrap_or(0)),
        "float" => Source::Float,
        "double" | "real" => Source::Double,
        "date" => Source::Date,
        "datetime" | "timestamp" => Source::Moment,
        "time" => Source::Time,
        "char" | "varchar" | "enum" | "set" => Source::Text(column.characters, octets),
        "tinytext" | "text" | "mediumtext" | "longtext" => Source::Text(None, octets),
        // MariaDB has types for these, whose text is as exact.
        "uuid" | "inet4" | "inet6" => Source::Text(Some(45), 45),
        "json" => Source::Json,
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Source::Binary(octets),
        _ => return None,
    })
}

/// How a column goes over into the column of a table that is there.
///
/// # Errors
/// Why it cannot, naming both types.
pub fn fit(from: &SourceColumn, to: &TargetColumn) -> Result<(Read, Form), String> {
    let refused = |why: &str| {
        let (name, from, to) = (&from.name, &from.column_type, to.type_name());
        Err(format!("the column {name:?} is {from} in MySQL and {to} in Redshift{why}"))
    };
    let Some(source) = source(from) else {
        return refused(", and this type of MySQL is not exported; list the columns without it");
    };
    let bytes = to.bytes.unwrap_or(MAX_TEXT);
    let decimal = (to.precision.unwrap_or(18), to.scale.unwrap_or(0));
    let integers = |bits: u32| (-(1_i64 << (bits - 1)), i64::MAX >> (64 - bits));
    let target = match to.data_type.as_str() {
        "smallint" => Some(integers(16)),
        "integer" => Some(integers(32)),
        "bigint" => Some((i64::MIN, i64::MAX)),
        _ => None,
    };
    let decimal_form = Form::Decimal { precision: decimal.0, scale: decimal.1 };
    let is = |name: &str| to.data_type == name;
    let form = match source {
        Source::TinyOne if is("boolean") => Form::Boolean,
        Source::Bit(1) if is("boolean") => return Ok((Read::PlusZero, Form::Boolean)),
        Source::Integer(..) | Source::TinyOne | Source::Bit(_) => {
            let (low, high) = match source {
                Source::Integer(low, high) => (low, high),
                Source::Bit(bits) => (0, (1_i128 << bits) - 1),
                _ => (-128, 127),
            };
            let read = if matches!(source, Source::Bit(_)) { Read::PlusZero } else { Read::Plain };
            return match target {
                // Of all that MySQL may keep only a BIGINT UNSIGNED may be too much for what people choose: each value
                // is looked at.
                Some((least, most))
                    if (low >= i128::from(least) && high <= i128::from(most))
                        || high > i128::from(i64::MAX) && most == i64::MAX =>
                {
                    Ok((read, Form::Integer { least, most }))
                }
                None if is("numeric") && 10_i128.pow(decimal.0.saturating_sub(decimal.1)) > high => {
                    Ok((read, decimal_form))
                }
                None if is("numeric") || is("boolean") => refused(", which is narrower"),
                Some(_) => refused(", which is narrower"),
                None => refused("; make it a whole number"),
            };
        }
        Source::Decimal(precision, scale) if is("numeric") => {
            // Over 38 digits there is no type that takes all; then the values are looked at.
            let holds = decimal.1 >= scale && decimal.0 - decimal.1 >= precision - scale;
            if !holds && precision <= 38 {
                return refused(", which is narrower");
            }
            decimal_form
        }
        Source::Float if is("real") || is("double precision") => return Ok((Read::AsDouble, Form::Float)),
        Source::Double if is("double precision") => Form::Float,
        Source::Date if is("date") => Form::Date,
        Source::Moment if is("timestamp without time zone") => Form::Timestamp,
        Source::Time if is("time without time zone") => Form::Time,
        Source::Time if is("numeric") && decimal.1 >= 6 && decimal.0 - decimal.1 >= 7 => Form::Seconds,
        Source::Time if is("character varying") && bytes >= 17 => Form::Text { bytes },
        Source::Text(characters, octets) if is("character varying") => {
            let needed = characters.map_or(octets, |characters| characters * 4);
            if u64::from(bytes) < needed.min(u64::from(MAX_TEXT)) {
                let why = format!(
                    ", which is narrower: {needed} bytes may be needed, so make it varchar({})",
                    needed.min(u64::from(MAX_TEXT))
                );
                return refused(&why);
            }
            Form::Text { bytes }
        }
        Source::Text(..) if is("character") => return refused("; a char takes ASCII only, so make it a varchar"),
        Source::Text(..) | Source::Json if is("super") => Form::Super,
        Source::Json if is("character varying") && bytes == MAX_TEXT => Form::Text { bytes },
        Source::Json if is("character varying") => {
            return refused(", which is narrower: make it varchar(65535) or super");
        }
        Source::Binary(octets) if is("varbyte") || is("binary varying") => {
            let bytes = to.bytes.unwrap_or(MAX_BINARY);
            if u64::from(bytes) < octets.min(u64::from(MAX_BINARY)) {
                return refused(", which is narrower");
            }
            return Ok((Read::AsHex, Form::Binary { bytes }));
        }
        _ => return refused(&format!("; make it {}", derive(from).unwrap_or_else(|problem| problem))),
    };
    // Their rows are gone on with in the order of their texts.
    let is_sorted_otherwise = from.charset.as_ref().is_some_and(|charset| charset != "utf8mb4")
        || ["enum", "set"].contains(&from.data_type.as_str());
    let is_text = matches!(form, Form::Text { .. }) && from.data_type != "time";
    Ok((if is_text && is_sorted_otherwise { Read::AsChar } else { Read::Plain }, form))
}

/// The type that a column gets in a table that is made.
///
/// # Errors
/// Why there is none.
pub fn derive(column: &SourceColumn) -> Result<String, String> {
    let text = |bytes: u64| format!("varchar({})", bytes.clamp(1, u64::from(MAX_TEXT)));
    let name = &column.name;
    let Some(source) = source(column) else {
        return Err(format!("the column {name:?} is {}, which is not exported", column.column_type));
    };
    Ok(match source {
        Source::TinyOne => "smallint".to_owned(),
        Source::Integer(low, high) if low >= -32_768 && high <= 32_767 => "smallint".to_owned(),
        Source::Integer(low, high) if low >= i128::from(i32::MIN) && high <= i128::from(i32::MAX) => {
            "integer".to_owned()
        }
        Source::Integer(_, high) if high <= i128::from(i64::MAX) => "bigint".to_owned(),
        Source::Integer(..) => "decimal(20,0)".to_owned(),
        Source::Bit(1) => "boolean".to_owned(),
        Source::Bit(_) => "decimal(20,0)".to_owned(),
        Source::Decimal(precision, scale) if precision <= 38 => format!("decimal({precision},{scale})"),
        Source::Decimal(precision, scale) => {
            let problem = format!(
                "the column {name:?} is decimal({precision},{scale}), and Redshift has 38 digits: say in target/types which of them it keeps"
            );
            return Err(problem);
        }
        Source::Float => "real".to_owned(),
        Source::Double => "double precision".to_owned(),
        Source::Date => "date".to_owned(),
        Source::Moment => "timestamp".to_owned(),
        Source::Time => "varchar(17)".to_owned(),
        Source::Text(Some(characters), _) => text(characters * 4),
        Source::Text(None, octets) => text(octets),
        Source::Json => "super".to_owned(),
        Source::Binary(octets) => format!("varbyte({})", octets.clamp(1, u64::from(MAX_BINARY))),
    })
}

/// A type that the spec gives, such as `decimal(38,10)`, as the catalogue would have it.
///
/// # Errors
/// Why it is none.
pub fn parse(name: &str, text: &str) -> Result<TargetColumn, String> {
    let problem = || format!("{text:?} is no type of Redshift that is known here, for the column {name:?}");
    let lower = text.trim().to_ascii_lowercase();
    let (word, sizes) = match lower.split_once('(') {
        Some((word, rest)) => (word.trim(), rest.strip_suffix(')').ok_or_else(problem)?),
        None => (lower.as_str(), ""),
    };
    let sizes: Vec<u32> = match sizes {
        "" => Vec::new(),
        sizes => sizes.split(',').map(|size| size.trim().parse().map_err(|_| problem())).collect::<Result<_, _>>()?,
    };
    let mut column = TargetColumn { name: name.to_owned(), is_nullable: true, ..TargetColumn::default() };
    let data_type = match (word, sizes.as_slice()) {
        ("smallint" | "int2", []) => "smallint",
        ("integer" | "int" | "int4", []) => "integer",
        ("bigint" | "int8", []) => "bigint",
        ("boolean" | "bool", []) => "boolean",
        ("real" | "float4", []) => "real",
        ("double precision" | "float8" | "float", []) => "double precision",
        ("date", []) => "date",
        ("timestamp" | "timestamp without time zone", []) => "timestamp without time zone",
        ("time" | "time without time zone", []) => "time without time zone",
        ("super", []) => "super",
        ("varbyte", [bytes]) if (1..=MAX_BINARY).contains(bytes) => {
            column.bytes = Some(*bytes);
            "varbyte"
        }
        ("varchar" | "character varying", [bytes]) if (1..=MAX_TEXT).contains(bytes) => {
            column.bytes = Some(*bytes);
            "character varying"
        }
        ("decimal" | "numeric", [precision, scale]) if *precision <= 38 && scale <= precision && *precision > 0 => {
            (column.precision, column.scale) = (Some(*precision), Some(*scale));
            "numeric"
        }
        _ => return Err(problem()),
    };
    column.data_type = data_type.to_owned();
    Ok(column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(data_type: &str, column_type: &str, sizes: [Option<u64>; 4]) -> SourceColumn {
        let [characters, octets, precision, scale] = sizes;
        let small = |size: Option<u64>| size.map(|size| u32::try_from(size).unwrap());
        SourceColumn {
            name: "c".into(),
            data_type: data_type.into(),
            column_type: column_type.into(),
            characters,
            octets,
            precision: small(precision),
            scale: small(scale),
            is_nullable: true,
            charset: None,
        }
    }

    fn by_name(column_type: &str) -> SourceColumn {
        let sizes = |text: &str| -> Vec<u64> {
            let inner = text.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(inner, _)| inner);
            inner.split(',').filter_map(|size| size.parse().ok()).collect()
        };
        let data_type = column_type.split(['(', ' ']).next().unwrap();
        let given = sizes(column_type);
        let at = |place: usize| given.get(place).copied();
        match data_type {
            "char" | "varchar" => column(data_type, column_type, [at(0), at(0).map(|n| n * 4), None, None]),
            "binary" | "varbinary" => column(data_type, column_type, [at(0), at(0), None, None]),
            "text" | "blob" => column(data_type, column_type, [Some(65_535), Some(65_535), None, None]),
            "longtext" | "longblob" => {
                column(data_type, column_type, [Some(4_294_967_295), Some(4_294_967_295), None, None])
            }
            _ => column(data_type, column_type, [None, None, at(0), at(1)]),
        }
    }

    /// The table of the documentation, both ways: what is derived is what fits.
    #[test]
    fn what_is_derived_fits() {
        for (from, to, read, form) in [
            ("tinyint(1)", "smallint", Read::Plain, Form::Integer { least: -32_768, most: 32_767 }),
            ("tinyint(4)", "smallint", Read::Plain, Form::Integer { least: -32_768, most: 32_767 }),
            ("tinyint(3) unsigned", "smallint", Read::Plain, Form::Integer { least: -32_768, most: 32_767 }),
            ("smallint", "smallint", Read::Plain, Form::Integer { least: -32_768, most: 32_767 }),
            ("smallint unsigned", "integer", Read::Plain, Form::Integer { least: -2_147_483_648, most: 2_147_483_647 }),
            ("mediumint", "integer", Read::Plain, Form::Integer { least: -2_147_483_648, most: 2_147_483_647 }),
            (
                "mediumint unsigned",
                "integer",
                Read::Plain,
                Form::Integer { least: -2_147_483_648, most: 2_147_483_647 },
            ),
            ("int(11)", "integer", Read::Plain, Form::Integer { least: -2_147_483_648, most: 2_147_483_647 }),
            ("int unsigned", "bigint", Read::Plain, Form::Integer { least: i64::MIN, most: i64::MAX }),
            ("bigint", "bigint", Read::Plain, Form::Integer { least: i64::MIN, most: i64::MAX }),
            ("bigint(20) unsigned", "decimal(20,0)", Read::Plain, Form::Decimal { precision: 20, scale: 0 }),
            ("year(4)", "smallint", Read::Plain, Form::Integer { least: -32_768, most: 32_767 }),
            ("bit(1)", "boolean", Read::PlusZero, Form::Boolean),
            ("bit(64)", "decimal(20,0)", Read::PlusZero, Form::Decimal { precision: 20, scale: 0 }),
            ("decimal(38,10)", "decimal(38,10)", Read::Plain, Form::Decimal { precision: 38, scale: 10 }),
            ("float", "real", Read::AsDouble, Form::Float),
            ("double", "double precision", Read::Plain, Form::Float),
            ("date", "date", Read::Plain, Form::Date),
            ("datetime(6)", "timestamp", Read::Plain, Form::Timestamp),
            ("timestamp", "timestamp", Read::Plain, Form::Timestamp),
            ("time(6)", "varchar(17)", Read::Plain, Form::Text { bytes: 17 }),
            ("varchar(40)", "varchar(160)", Read::Plain, Form::Text { bytes: 160 }),
            ("varchar(20000)", "varchar(65535)", Read::Plain, Form::Text { bytes: 65_535 }),
            ("longtext", "varchar(65535)", Read::Plain, Form::Text { bytes: 65_535 }),
            ("json", "super", Read::Plain, Form::Super),
            ("varbinary(16)", "varbyte(16)", Read::AsHex, Form::Binary { bytes: 16 }),
            ("longblob", "varbyte(1024000)", Read::AsHex, Form::Binary { bytes: 1_024_000 }),
        ] {
            let column = by_name(from);
            assert_eq!(derive(&column).unwrap(), to, "{from}");
            assert_eq!(fit(&column, &parse("c", to).unwrap()), Ok((read, form)), "{from}");
        }
    }

    #[test]
    fn what_people_may_choose_instead() {
        for (from, to, form) in [
            ("bigint unsigned", "bigint", Form::Integer { least: i64::MIN, most: i64::MAX }),
            ("tinyint(1)", "boolean", Form::Boolean),
            ("int", "bigint", Form::Integer { least: i64::MIN, most: i64::MAX }),
            ("int", "decimal(10,0)", Form::Decimal { precision: 10, scale: 0 }),
            ("decimal(65,30)", "decimal(38,10)", Form::Decimal { precision: 38, scale: 10 }),
            ("decimal(10,2)", "decimal(12,4)", Form::Decimal { precision: 12, scale: 4 }),
            ("time", "time", Form::Time),
            ("time(6)", "decimal(13,6)", Form::Seconds),
            ("json", "varchar(65535)", Form::Text { bytes: 65_535 }),
            ("text", "super", Form::Super),
        ] {
            assert_eq!(fit(&by_name(from), &parse("c", to).unwrap()).unwrap().1, form, "{from} {to}");
        }
    }

    #[test]
    fn what_would_lose_something_is_refused() {
        for (from, to) in [
            ("int", "smallint"),
            ("int unsigned", "integer"),
            ("bigint", "decimal(18,0)"),
            ("tinyint", "boolean"),
            ("bit(2)", "boolean"),
            ("decimal(10,2)", "decimal(10,1)"),
            ("decimal(10,2)", "double precision"),
            ("double", "real"),
            ("datetime", "date"),
            ("timestamp", "varchar(30)"),
            ("varchar(40)", "varchar(40)"),
            ("text", "varchar(1000)"),
            ("json", "varchar(100)"),
            ("varbinary(16)", "varbyte(8)"),
            ("varbinary(16)", "varchar(32)"),
            ("geometry", "varbyte(1000)"),
            ("time", "decimal(12,6)"),
        ] {
            let refused = fit(&by_name(from), &parse("c", to).unwrap()).unwrap_err();
            assert!(refused.starts_with(&format!("the column \"c\" is {from} in MySQL")), "{refused}");
        }
        assert!(derive(&by_name("point")).unwrap_err().contains("not exported"));
        assert!(derive(&by_name("decimal(65,30)")).unwrap_err().contains("38 digits"));
        for text in
            ["varchar", "varchar(0)", "varchar(70000)", "decimal(39,0)", "text", "int; drop table x", "decimal(5,6)"]
        {
            assert!(parse("c", text).is_err(), "{text}");
        }
    }
}
