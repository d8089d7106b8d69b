//! From what values are to the types that columns of the table have: exactly, or not at all. Only `real` and `double
//! precision` take the nearest.

use sluice::spec::{ColumnKind, SqlType};

/// A type as `format_type` has it.
pub(crate) fn format_type(kind: SqlType) -> String {
    match kind {
        SqlType::Timestamp => "timestamp without time zone".to_owned(),
        SqlType::Timestamptz => "timestamp with time zone".to_owned(),
        SqlType::Varchar { length } => format!("character varying({length})"),
        other => other.to_string(),
    }
}

/// The same of a column that the spec says nothing of.
pub(crate) fn format_kind(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Timestamp => "timestamp without time zone",
        ColumnKind::Timestamptz => "timestamp with time zone",
        other => other.sql(),
    }
}

/// How values become those of another type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cast {
    /// They are of it already.
    None,
    /// All of them can be.
    All,
    /// Those for which this holds, of `{}`.
    If(String),
}

/// From values of a kind to a column of the type that `format_type` calls so; `None` if it takes none.
pub(crate) fn cast(kind: ColumnKind, there: &str) -> Option<Cast> {
    if format_kind(kind) == there {
        return Some(Cast::None);
    }
    match kind {
        ColumnKind::Smallint | ColumnKind::Bigint | ColumnKind::Numeric => number(there),
        ColumnKind::Text => text(there),
        ColumnKind::Jsonb if there == "json" => Some(Cast::All),
        _ => None,
    }
}

fn number(there: &str) -> Option<Cast> {
    let whole = |bits: u32| {
        let limit = 1_u64 << (bits - 1);
        Some(Cast::If(format!("{{}} = trunc({{}}) and {{}} between -{limit} and {}", limit - 1)))
    };
    // A greater one would be an error of the cast; "Numeric Types" in PostgreSQL's documentation.
    let nearest = |exponent: u32| Some(Cast::If(format!("abs({{}}) < 1e{exponent}::numeric")));
    match there {
        "smallint" => whole(16),
        "integer" => whole(32),
        "bigint" => whole(64),
        "numeric" => Some(Cast::All),
        "real" => nearest(37),
        "double precision" => nearest(307),
        _ => {
            let digits = there.strip_prefix("numeric(")?.strip_suffix(')')?;
            let (precision, scale) = digits.split_once(',')?;
            let (precision, scale): (i32, i32) = (precision.parse().ok()?, scale.parse().ok()?);
            Some(Cast::If(format!(
                "{{}} = round({{}}::numeric, {scale}) and abs({{}}) < 1e{}::numeric",
                precision - scale
            )))
        }
    }
}

fn text(there: &str) -> Option<Cast> {
    match there {
        "character varying" => Some(Cast::All),
        "uuid" => Some(Cast::If(
            "{} ~ '^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$'".to_owned(),
        )),
        _ => {
            let length: u32 = there.strip_prefix("character varying(")?.strip_suffix(')')?.parse().ok()?;
            Some(Cast::If(format!("char_length({{}}) <= {length}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_holds_a_value_takes_it() {
        let condition = |text: &str| Some(Cast::If(text.to_owned()));
        for (kind, there, expected) in [
            (ColumnKind::Date, "date", Some(Cast::None)),
            (ColumnKind::Date, "timestamp without time zone", None),
            (ColumnKind::Timestamptz, "timestamp with time zone", Some(Cast::None)),
            (ColumnKind::Numeric, "text", None),
            (ColumnKind::Bigint, "numeric", Some(Cast::All)),
            (ColumnKind::Numeric, "smallint", condition("{} = trunc({}) and {} between -32768 and 32767")),
            (ColumnKind::Bigint, "bigint", Some(Cast::None)),
            (ColumnKind::Numeric, "numeric(5,2)", condition("{} = round({}::numeric, 2) and abs({}) < 1e3::numeric")),
            (ColumnKind::Text, "character varying(3)", condition("char_length({}) <= 3")),
            (ColumnKind::Text, "character(3)", None),
            (ColumnKind::Jsonb, "json", Some(Cast::All)),
            (ColumnKind::Boolean, "integer", None),
        ] {
            assert_eq!(cast(kind, there), expected, "{kind:?} {there}");
        }
    }
}
