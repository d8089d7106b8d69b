//! What the catalogue of one side says about its table: columns and their types, down to the types that these are made
//! of. Read anew every time, because both sides may change between two runs.

use postgres::sql_error::classify;
use sluice::{Error, Kind, Result};
use sqlx::{PgConnection, Row};
use std::collections::BTreeMap;

/// A table of one side.
#[derive(Debug)]
pub(crate) struct Table {
    /// As people know it: `schema.table`.
    pub name: String,
    /// `pg_class.oid`.
    pub oid: i64,
    /// `pg_class.relkind`.
    pub kind: String,
    /// In their order.
    pub columns: Vec<Column>,
    /// The types of the columns, and what these are made of, by OID.
    pub types: BTreeMap<i64, Type>,
    /// What the server is.
    pub server: Server,
}

/// A table, without what it is made of.
#[derive(Debug)]
pub(crate) struct Relation {
    /// As people know it: `schema.table`.
    pub name: String,
    /// `pg_class.oid`.
    pub oid: i64,
    /// `pg_class.relkind`.
    pub kind: String,
    server: Server,
}

/// A server.
#[derive(Debug)]
pub(crate) struct Server {
    /// For example 150018.
    pub version: i32,
    /// The database's encoding.
    pub encoding: String,
    /// Whether it is a replica.
    pub in_recovery: bool,
    /// What it keeps of one unit of money, in hexadecimal: a hundred of its hundredths, or just one.
    pub money: String,
}

/// A column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// Its name.
    pub name: String,
    /// `pg_attribute.attnum`: another one, if it is dropped and made anew.
    pub number: i16,
    /// The OID of its type.
    pub type_oid: i64,
    /// The modifier of its type, such as a length; -1 for none.
    pub typmod: i32,
    /// Its type as SQL has it.
    pub sql_type: String,
    /// It is certain that no row has NULL.
    pub not_null: bool,
    /// It has a default, or is an identity.
    pub has_default: bool,
    /// It is computed from others.
    pub is_generated: bool,
    /// It is an identity that takes values of others only when told to.
    pub is_identity_always: bool,
}

/// A type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Type {
    /// It comes with PostgreSQL.
    pub is_built_in: bool,
    /// Its name.
    pub name: String,
    /// `pg_type.typtype`.
    pub kind: String,
    /// The type of the elements of an array.
    pub element: Option<i64>,
    /// What a domain is made of, with its modifier.
    pub base: Option<(i64, i32)>,
    /// The type of the bounds of a range or multirange.
    pub subtype: Option<i64>,
    /// Its values have no fixed length.
    pub is_variable: bool,
    /// It has no binary form.
    pub is_text_only: bool,
    /// The extension that it belongs to, with its version.
    pub extension: Option<(String, String)>,
    /// The labels of an enum.
    pub labels: Vec<String>,
    /// The attributes of a composite type: name, type, modifier.
    pub attributes: Vec<(String, i64, i32)>,
}

impl Relation {
    /// Looks for a table.
    ///
    /// # Errors
    /// `Misconfigured` if there is none.
    pub(crate) async fn read(connection: &mut PgConnection, schema: &str, table: &str) -> Result<Self> {
        let name = format!("{schema}.{table}");
        let row = sqlx::query(
            "select c.oid::bigint, c.relkind::text, current_setting('server_version_num')::int,
                    pg_encoding_to_char(d.encoding)::text, pg_is_in_recovery(),
                    encode(cash_send(1::money), 'hex')
             from pg_class c join pg_namespace n on n.oid = c.relnamespace
             join pg_database d on d.datname = current_database()
             where n.nspname = $1 and c.relname = $2",
        )
        .bind(schema)
        .bind(table)
        .fetch_optional(connection)
        .await
        .map_err(|error| unread(&name, error))?;
        let Some(row) = row else {
            return Err(Error::new(Kind::Misconfigured, format!("{name} does not exist, or is not visible")));
        };
        let server = Server { version: row.get(2), encoding: row.get(3), in_recovery: row.get(4), money: row.get(5) };
        Ok(Self { name, oid: row.get(0), kind: row.get(1), server })
    }
}

impl Table {
    /// Reads about a table.
    ///
    /// # Errors
    /// `Misconfigured` if there is none.
    pub(crate) async fn read(connection: &mut PgConnection, schema: &str, table: &str) -> Result<Self> {
        let Relation { name, oid, kind, server } = Relation::read(connection, schema, table).await?;
        let (columns, plain_types) = read_columns(connection, oid).await.map_err(|error| unread(&name, error))?;
        let types = match columns.iter().all(|column| plain_types.contains_key(&column.type_oid)) {
            true => plain_types,
            false => read_types(connection, oid).await.map_err(|error| unread(&name, error))?,
        };
        Ok(Self { name, oid, kind, columns, types, server })
    }

    /// The column of that name.
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The type of that OID.
    pub(crate) fn type_of(&self, oid: i64) -> Type {
        self.types.get(&oid).cloned().unwrap_or_default()
    }

    /// A column's type and modifier without the domains around it.
    pub(crate) fn plain_type(&self, column: &Column) -> (i64, i32) {
        let (mut oid, mut typmod) = (column.type_oid, column.typmod);
        while let Some((base, of_domain)) = self.type_of(oid).base {
            (oid, typmod) = (base, of_domain);
        }
        (oid, typmod)
    }
}

fn unread(name: &str, error: sqlx::Error) -> Error {
    classify(format!("read the catalogue about {name}"), error)
}

/// A table's columns, and of their types those that come with PostgreSQL and are made of no others: most tables have
/// only such ones, and the query for all others costs the server more than a small window.
async fn read_columns(
    connection: &mut PgConnection,
    oid: i64,
) -> Result<(Vec<Column>, BTreeMap<i64, Type>), sqlx::Error> {
    // Only claimed is NOT NULL of a foreign table, of one that others inherit from, and, from 18 on, one not valid.
    // Objects of users have OIDs from 16384 on (FirstNormalObjectId).
    let rows = sqlx::query(
        "select a.attname::text, a.atttypid::bigint, a.atttypmod, format_type(a.atttypid, a.atttypmod),
                a.attnotnull and (c.relkind = 'p' or c.relkind = 'r' and not c.relhassubclass) and not exists (
                    select from pg_constraint n
                    where n.conrelid = c.oid and n.contype = 'n' and not n.convalidated and n.conkey = array[a.attnum]
                ),
                a.atthasdef or a.attidentity <> '', a.attgenerated <> '', a.attidentity = 'a', a.attnum,
                t.typtype = 'b' and t.typcategory <> 'A' and t.typnamespace = 'pg_catalog'::regnamespace
                    and t.oid < 16384::oid,
                t.typname::text, t.typlen = -1, t.typsend = 0
         from pg_attribute a
         join pg_class c on c.oid = a.attrelid
         join pg_type t on t.oid = a.atttypid
         where a.attrelid = $1::oid and a.attnum > 0 and not a.attisdropped
         order by a.attnum",
    )
    .bind(oid)
    .fetch_all(connection)
    .await?;
    let columns = rows.iter().map(|row| Column {
        name: row.get(0),
        type_oid: row.get(1),
        typmod: row.get(2),
        sql_type: row.get(3),
        not_null: row.get(4),
        has_default: row.get(5),
        is_generated: row.get(6),
        is_identity_always: row.get(7),
        number: row.get(8),
    });
    let plain_types = rows.iter().filter(|row| row.get(9)).map(|row| {
        let plain = Type {
            is_built_in: true,
            name: row.get(10),
            kind: "b".to_owned(),
            is_variable: row.get(11),
            is_text_only: row.get(12),
            ..Type::default()
        };
        (row.get(1), plain)
    });
    Ok((columns.collect(), plain_types.collect()))
}

async fn read_types(connection: &mut PgConnection, oid: i64) -> Result<BTreeMap<i64, Type>, sqlx::Error> {
    // `rngmultitypid` by its name, since servers before 14 do not have it.
    let rows = sqlx::query(
        "with recursive reached (oid) as (
             select a.atttypid from pg_attribute a
             where a.attrelid = $1::oid and a.attnum > 0 and not a.attisdropped
             union
             select part.oid
             from reached
             join pg_type t on t.oid = reached.oid
             cross join lateral (
                 select t.typelem where t.typelem <> 0 and t.typcategory = 'A'
                 union all
                 select t.typbasetype where t.typbasetype <> 0
                 union all
                 select r.rngsubtype from pg_range r
                 where r.rngtypid = t.oid or to_jsonb(r) ->> 'rngmultitypid' = t.oid::text
                 union all
                 select a.atttypid from pg_attribute a
                 where t.typrelid <> 0 and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
             ) part (oid)
         )
         select t.oid::bigint, n.nspname = 'pg_catalog', t.typname::text, t.typtype::text,
                case when t.typcategory = 'A' then nullif(t.typelem::bigint, 0) end,
                nullif(t.typbasetype::bigint, 0), t.typtypmod,
                (
                    select r.rngsubtype::bigint from pg_range r
                    where r.rngtypid = t.oid or to_jsonb(r) ->> 'rngmultitypid' = t.oid::text
                ),
                t.typlen = -1, t.typsend = 0, e.extname::text, e.extversion,
                array(select l.enumlabel::text from pg_enum l where l.enumtypid = t.oid order by l.enumsortorder),
                attributes.names, attributes.types, attributes.modifiers
         from reached
         join pg_type t on t.oid = reached.oid
         join pg_namespace n on n.oid = t.typnamespace
         left join pg_depend d
             on d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e'
             and d.refclassid = 'pg_extension'::regclass
         left join pg_extension e on e.oid = d.refobjid
         cross join lateral (
             select coalesce(array_agg(a.attname::text order by a.attnum), '{}'),
                    coalesce(array_agg(a.atttypid::bigint order by a.attnum), '{}'),
                    coalesce(array_agg(a.atttypmod order by a.attnum), '{}')
             from pg_attribute a
             where t.typrelid <> 0 and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
         ) attributes (names, types, modifiers)",
    )
    .bind(oid)
    .fetch_all(connection)
    .await?;
    let read = rows.iter().map(|row| {
        let base: Option<i64> = row.get(5);
        let (extension, version): (Option<String>, Option<String>) = (row.get(10), row.get(11));
        let (names, types, modifiers): (Vec<String>, Vec<i64>, Vec<i32>) = (row.get(13), row.get(14), row.get(15));
        let attributes = names.into_iter().zip(types).zip(modifiers);
        let found = Type {
            is_built_in: row.get(1),
            name: row.get(2),
            kind: row.get(3),
            element: row.get(4),
            base: base.map(|base| (base, row.get(6))),
            subtype: row.get(7),
            is_variable: row.get(8),
            is_text_only: row.get(9),
            extension: extension.zip(version),
            labels: row.get(12),
            attributes: attributes.map(|((name, oid), modifier)| (name, oid, modifier)).collect(),
        };
        (row.get(0), found)
    });
    Ok(read.collect())
}
