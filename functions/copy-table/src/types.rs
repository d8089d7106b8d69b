//! May a column go over in the binary format? That format carries no types: bytes of one type are silently taken for
//! another, or refused. Pure.
//!
//! - The same type on both sides goes as it is, whatever its OIDs: built-in types, enums whose labels the target has,
//!   domains, composites, arrays and ranges of such, and types of an extension that both sides have.
//! - A few others are cast at the source, to a type that loses nothing.
//! - Types that are names of something else (`regclass`), types without a binary form, types of an extension that is
//!   of another version on the other side, and arrays and composites that name the OID of a part which is another one
//!   there make the whole table go as text. The server would take such an array, but then the bytes that are read back
//!   are not those that were sent.
//! - All else is refused.

use crate::catalogue::{Column, Table, Type};

/// How a column goes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fit {
    /// What stands behind the column in the source's SELECT; empty if it goes as it is.
    pub cast: String,
    /// The table has to go as text.
    pub needs_text: bool,
}

/// Built-in types whose binary form is an OID of the source.
const NAMES_OF_OBJECTS: [&str; 14] = [
    "regproc",
    "regprocedure",
    "regoper",
    "regoperator",
    "regclass",
    "regtype",
    "regrole",
    "regnamespace",
    "regconfig",
    "regdictionary",
    "regcollation",
    "regdatabase",
    "aclitem",
    "refcursor",
];

/// From 14 on, arrays and composites take elements whose type has another OID.
const TAKES_OTHER_OIDS: i32 = 140_000;

/// From 17 on, an interval may be infinite. An older server would take the same bytes for millions of years, but
/// refuses the word.
const HAS_INFINITE_INTERVALS: i32 = 170_000;

/// What a column of the source needs to become one of the target; `zone` is the spec's time zone.
///
/// # Errors
/// Why it cannot be, naming both types.
pub(crate) fn fit(source: (&Table, &Column), target: (&Table, &Column), zone: Option<&str>) -> Result<Fit, String> {
    let refused = |why: &str| {
        let (name, from, to) = (&source.1.name, &source.1.sql_type, &target.1.sql_type);
        format!("the column {name:?} is {from} at the source and {to} at the target{why}")
    };
    let (from_oid, from_typmod) = source.0.plain_type(source.1);
    let (to_oid, to_typmod) = target.0.plain_type(target.1);
    let (from, to) = (source.0.type_of(from_oid), target.0.type_of(to_oid));
    let sides = Sides { source: source.0, target: target.0 };
    if source.0.server.money != target.0.server.money && is_made_of(source.0, from_oid, &|part| part.is("money")) {
        return Err(refused(", and lc_monetary has other decimals there"));
    }
    if sides.are_same(from_oid, to_oid) {
        let (name, suffix) = match from.element {
            Some(element) => (source.0.type_of(element).name, "[]"),
            None => (from.name.clone(), ""),
        };
        let cast = match to_typmod == -1 || from_typmod == to_typmod {
            true => String::new(),
            false => widened(&name, from_typmod, to_typmod)
                .ok_or_else(|| refused(", which is narrower"))
                .map(|cast| if cast.is_empty() { cast } else { format!("{cast}{suffix}") })?,
        };
        return Ok(Fit { cast, needs_text: sides.needs_text(from_oid) || sides.have_other_forms(from_oid, to_oid) });
    }
    if !from.is_built_in || !to.is_built_in {
        return Err(refused(sides.difference(&from, &to)));
    }
    match cast(&from.name, from_typmod, &to.name, to_typmod, zone) {
        Some(cast) => Ok(Fit { cast, needs_text: false }),
        None => Err(refused("; make them one type")),
    }
}

/// What makes a value of a wider modifier, byte by byte as the target would store it; `None` if it is narrower, which
/// would round, cut or fail.
fn widened(name: &str, from: i32, to: i32) -> Option<String> {
    match name {
        "numeric" => {
            let ((precision, scale), (of_source, source_scale)) = (numeric(to), numeric(from));
            let is_wider = from != -1 && scale >= source_scale && precision - scale >= of_source - source_scale;
            // The target would fill up the decimals, so the source does it before the checksum.
            is_wider.then(|| format!("::pg_catalog.numeric({precision}, {scale})"))
        }
        "varchar" | "varbit" => (from != -1 && to >= from).then(String::new),
        "bpchar" => (from != -1 && to >= from).then(|| format!("::pg_catalog.bpchar({})", to - 4)),
        "timestamp" | "timestamptz" | "time" | "timetz" => {
            let decimals = |typmod| if typmod == -1 { MAX_DECIMALS } else { typmod };
            (decimals(to) >= decimals(from)).then(String::new)
        }
        _ => None,
    }
}

/// Of seconds.
const MAX_DECIMALS: i32 = 6;

/// Precision and scale of a modifier of `numeric` (`numeric_typmod_scale` of PostgreSQL's source: eleven bits, signed).
fn numeric(typmod: i32) -> (i32, i32) {
    let packed = typmod - 4;
    ((packed >> 16) & 0xffff, ((packed & 0x7ff) ^ 1024) - 1024)
}

/// The casts that lose nothing.
fn cast(from: &str, from_typmod: i32, to: &str, to_typmod: i32, zone: Option<&str>) -> Option<String> {
    let digits = match from {
        "int2" => 5,
        "int4" => 10,
        "int8" => 19,
        _ => 0,
    };
    match (from, to) {
        ("int2", "int4" | "int8") | ("int4", "int8") | ("float4", "float8") => Some(format!("::pg_catalog.{to}")),
        ("int2" | "int4" | "int8", "numeric") => {
            if to_typmod == -1 {
                return Some("::pg_catalog.numeric".to_owned());
            }
            let (precision, scale) = numeric(to_typmod);
            (scale >= 0 && precision - scale >= digits).then(|| format!("::pg_catalog.numeric({precision}, {scale})"))
        }
        ("varchar" | "bpchar" | "name", "text") => Some("::pg_catalog.text".to_owned()),
        ("date", "timestamp") => Some("::pg_catalog.timestamp".to_owned()),
        ("json", "jsonb") => Some("::pg_catalog.jsonb".to_owned()),
        ("timestamp", "timestamptz") | ("timestamptz", "timestamp") => {
            widened("timestamp", from_typmod, to_typmod)?;
            zone.map(|zone| format!(" at time zone {}", literal(zone)))
        }
        _ => None,
    }
}

/// A text as SQL has it.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Whether something holds for a type, or for any that it is made of.
fn is_made_of(table: &Table, oid: i64, what: &dyn Fn(&Type) -> bool) -> bool {
    let found = table.type_of(oid);
    let parts = found.element.into_iter().chain(found.subtype).chain(found.base.map(|(base, _)| base));
    what(&found)
        || parts.chain(found.attributes.iter().map(|(_, oid, _)| *oid)).any(|part| is_made_of(table, part, what))
}

impl Type {
    /// Whether it is the type of that name that comes with PostgreSQL.
    fn is(&self, name: &str) -> bool {
        self.is_built_in && self.name == name
    }
}

/// The tables whose types are compared.
struct Sides<'a> {
    source: &'a Table,
    target: &'a Table,
}

impl Sides<'_> {
    /// Whether two types have one binary form, and one meaning.
    fn are_same(&self, from_oid: i64, to_oid: i64) -> bool {
        let (from, to) = (self.source.type_of(from_oid), self.target.type_of(to_oid));
        let is_user_defined = !from.is_built_in;
        if from.kind != to.kind || from.name.is_empty() || from.is_built_in != to.is_built_in {
            return false;
        }
        // Vectors have elements, too, and a form of their own.
        let is_vector = |one: &Type| one.is("int2vector") || one.is("oidvector");
        if is_vector(&from) || is_vector(&to) {
            return from.name == to.name;
        }
        if let (Some(from), Some(to)) = (from.element, to.element) {
            return (!is_user_defined || self.takes_other_oids()) && self.are_same(from, to);
        }
        if from.name != to.name || from.element.is_some() != to.element.is_some() {
            return false;
        }
        match from.kind.as_str() {
            "e" => from.labels.iter().all(|label| to.labels.contains(label)),
            "d" => match (from.base, to.base) {
                (Some((from, from_typmod)), Some((to, to_typmod))) => {
                    (to_typmod == -1 || from_typmod == to_typmod) && self.are_same(from, to)
                }
                _ => false,
            },
            "c" => {
                let is_same = |(from, to): (&(String, i64, i32), &(String, i64, i32))| {
                    from.0 == to.0 && from.2 == to.2 && self.are_same(from.1, to.1)
                };
                from.attributes.len() == to.attributes.len()
                    && self.takes_other_oids()
                    && from.attributes.iter().zip(&to.attributes).all(is_same)
            }
            "r" | "m" if is_user_defined => match (from.subtype, to.subtype) {
                (Some(from), Some(to)) => self.are_same(from, to),
                _ => false,
            },
            _ if is_user_defined => {
                let name = |side: &Type| side.extension.clone().map(|(name, _)| name);
                name(&from).is_some() && name(&from) == name(&to) && self.takes_other_oids()
            }
            _ => true,
        }
    }

    /// Whether the binary form of a type means something at its own server only.
    fn needs_text(&self, oid: i64) -> bool {
        let is_older = self.target.server.version < HAS_INFINITE_INTERVALS;
        let may_be_infinite = is_older && self.source.server.version >= HAS_INFINITE_INTERVALS;
        is_made_of(self.source, oid, &|part| {
            let is_name = part.is_built_in && NAMES_OF_OBJECTS.contains(&part.name.as_str());
            is_name || part.is_text_only || (may_be_infinite && part.is("interval"))
        })
    }

    /// Whether the binary form of a type that is the same on both sides names OIDs that are not, or is one of another
    /// version.
    fn have_other_forms(&self, from_oid: i64, to_oid: i64) -> bool {
        let (from, to) = (self.source.type_of(from_oid), self.target.type_of(to_oid));
        let named = from
            .element
            .zip(to.element)
            .into_iter()
            .chain(from.attributes.iter().zip(&to.attributes).map(|((_, from, _), (_, to, _))| (*from, *to)));
        let unnamed = from.base.zip(to.base).map(|((from, _), (to, _))| (from, to));
        let mut unnamed = unnamed.into_iter().chain(from.subtype.zip(to.subtype));
        from.extension != to.extension
            || named.into_iter().any(|(from, to)| from != to || self.have_other_forms(from, to))
            || unnamed.any(|(from, to)| self.have_other_forms(from, to))
    }

    fn takes_other_oids(&self) -> bool {
        self.target.server.version >= TAKES_OTHER_OIDS
    }

    /// Why types of the same name are not the same.
    fn difference(&self, from: &Type, to: &Type) -> &'static str {
        match (from.kind.as_str(), to.kind.as_str()) {
            ("e", "e") if from.name == to.name => ", which lacks a label",
            ("c", "c") if from.name == to.name => ", whose attributes differ",
            ("d", "d") if from.name == to.name => ", whose bases differ",
            _ if from.extension != to.extension => ", of another extension",
            _ => "; make them one type",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Server;

    /// As PostgreSQL packs it.
    fn typmod(precision: i32, scale: i32) -> i32 {
        ((precision << 16) | (scale & 0x7ff)) + 4
    }

    #[test]
    fn modifiers_may_only_become_wider() {
        for (precision, scale) in [(9, 2), (9, 0), (3, -2), (3, 5), (1000, 1000), (1000, -1000)] {
            assert_eq!(numeric(typmod(precision, scale)), (precision, scale));
        }
        for (name, from, to, expected) in [
            ("numeric", typmod(9, 2), typmod(12, 3), Some("::pg_catalog.numeric(12, 3)")),
            ("numeric", typmod(9, 2), typmod(12, 1), None),
            ("numeric", typmod(9, 2), typmod(9, 3), None),
            ("numeric", -1, typmod(1000, 0), None),
            ("varchar", 9 + 4, 10 + 4, Some("")),
            ("varchar", 9 + 4, 8 + 4, None),
            ("varchar", -1, 8 + 4, None),
            ("bpchar", 5 + 4, 7 + 4, Some("::pg_catalog.bpchar(7)")),
            ("bpchar", 5 + 4, 4 + 4, None),
            ("timestamptz", 3, 6, Some("")),
            ("timestamptz", -1, 6, Some("")),
            ("timestamptz", -1, 3, None),
            ("interval", 1, 2, None),
            ("bit", 3, 4, None),
        ] {
            assert_eq!(widened(name, from, to).as_deref(), expected, "{name} {from} {to}");
        }
    }

    #[test]
    fn casts_are_those_that_lose_nothing() {
        let zone = Some("Asia/O'Higgins");
        for (from, to, to_typmod, expected) in [
            ("int2", "int8", -1, Some("::pg_catalog.int8")),
            ("int8", "int4", -1, None),
            ("int4", "float8", -1, None),
            ("int8", "numeric", -1, Some("::pg_catalog.numeric")),
            ("int8", "numeric", typmod(21, 2), Some("::pg_catalog.numeric(21, 2)")),
            ("int8", "numeric", typmod(20, 2), None),
            ("float8", "float4", -1, None),
            ("float8", "numeric", -1, None),
            ("text", "varchar", -1, None),
            ("text", "json", -1, None),
            ("jsonb", "json", -1, None),
            ("uuid", "bytea", -1, None),
            ("timestamp", "timestamptz", -1, Some(" at time zone 'Asia/O''Higgins'")),
            ("timestamptz", "timestamp", 3, None),
            ("timestamp", "date", -1, None),
        ] {
            assert_eq!(cast(from, -1, to, to_typmod, zone).as_deref(), expected, "{from} {to}");
        }
        assert_eq!(cast("timestamp", -1, "timestamptz", -1, None), None);
    }

    /// A server of that version, and a table with one column of a built-in type, or of an extension's.
    fn table(version: i32, money: &str, name: &str, extension: Option<&str>) -> Table {
        let column = Column {
            name: "c".into(),
            number: 1,
            type_oid: 1,
            typmod: -1,
            sql_type: name.into(),
            not_null: false,
            has_default: false,
            is_generated: false,
            is_identity_always: false,
        };
        let found = Type {
            is_built_in: extension.is_none(),
            name: name.into(),
            kind: "b".into(),
            extension: extension.map(|version| ("an_extension".into(), version.into())),
            ..Type::default()
        };
        let server = Server { version, encoding: "UTF8".into(), in_recovery: false, money: money.into() };
        let columns = vec![column];
        Table { name: "t".into(), oid: 1, kind: "r".into(), columns, types: [(1, found)].into(), server }
    }

    /// What the same type means depends on the server.
    #[test]
    fn a_type_that_means_something_else_there_is_not_taken_for_the_same() {
        let fits = |source: &Table, target: &Table| {
            fit((source, &source.columns[0]), (target, &target.columns[0]), None).map(|fit| fit.needs_text)
        };
        let (hundredths, whole) = ("0000000000000064", "0000000000000001");
        let of = |version, money, name| table(version, money, name, None);
        assert_eq!(fits(&of(15, hundredths, "money"), &of(15, hundredths, "money")), Ok(false));
        let refused = fits(&of(15, whole, "money"), &of(15, hundredths, "money")).unwrap_err();
        assert!(refused.contains("lc_monetary"), "{refused}");
        assert_eq!(fits(&of(15, whole, "int4"), &of(15, hundredths, "int4")), Ok(false));
        for (source, target, needs_text) in
            [(150_000, 180_000, false), (180_000, 150_000, true), (170_000, 170_000, false), (140_000, 150_000, false)]
        {
            let fits = fits(&of(source, whole, "interval"), &of(target, whole, "interval"));
            assert_eq!(fits, Ok(needs_text), "{source} to {target}");
        }
        for (source, target, needs_text) in [("1.6", "1.6", false), ("1.6", "1.8", true)] {
            let of = |version| table(150_000, whole, "citext", Some(version));
            assert_eq!(fits(&of(source), &of(target)), Ok(needs_text), "{source} to {target}");
        }
    }
}
