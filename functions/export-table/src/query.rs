//! What MySQL is asked. The text protocol binds nothing, so bounds and the place to go on from are part of the text;
//! all of them are checked or written in hexadecimal digits, and names are quoted.

use sluice::contract::copy_table::Mode;
use sluice::contract::mysql_to_redshift::{Form, Plan, PlannedColumn, PlannedWindow, Read};

/// The question for the rows of a window.
#[derive(Clone, Debug)]
pub struct Query {
    /// SQL. Its first column is a number: sqlx 0.9 takes a row whose first column has 16 MiB or more for the end of all
    /// rows. The columns of the plan follow.
    pub text: String,
    /// The columns by which the rows are ordered, each as its place in the plan; none if they come as they like, and
    /// cannot be gone on with.
    pub order: Vec<usize>,
}

/// A name in backquotes.
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

impl Query {
    /// The rows of a window behind a row, of which `after` has the values of the columns that order them; all rows of
    /// it without one. `None` if `after` is no place in this order.
    pub fn new(plan: &Plan, window: &PlannedWindow, after: Option<&[String]>) -> Option<Self> {
        let place = |name: &String| plan.columns.iter().position(|column| column.name == *name);
        let cursor = plan.cursor.iter().filter(|_| plan.mode != Mode::Replace);
        let mut order: Vec<usize> = Vec::new();
        if !plan.key.is_empty() {
            // By the index of the cursor, which holds the primary key too; without a window by that alone.
            for place in cursor.clone().chain(&plan.key).filter_map(place) {
                if !order.contains(&place) {
                    order.push(place);
                }
            }
        }
        let columns: Vec<String> = plan.columns.iter().map(selected).collect();
        let mut text =
            format!("select 1, {} from {}.{}", columns.join(", "), quoted(&plan.source[0]), quoted(&plan.source[1]));
        let mut conditions = Vec::new();
        if let (Some(cursor), Some([from, to])) = (plan.cursor.as_ref(), &window.bounds) {
            let cursor = quoted(cursor);
            conditions.push(format!("{cursor} >= {} and {cursor} < {}", moment(from)?, moment(to)?));
        }
        if let Some(after) = after {
            let ordered: Vec<&PlannedColumn> = order.iter().map(|place| &plan.columns[*place]).collect();
            conditions.push(behind(&ordered, after)?);
        }
        if !conditions.is_empty() {
            text.push_str(&format!(" where {}", conditions.join(" and ")));
        }
        if !order.is_empty() {
            let names: Vec<String> = order.iter().map(|place| ordered(&plan.columns[*place])).collect();
            text.push_str(&format!(" order by {}", names.join(", ")));
        }
        Some(Self { text, order })
    }
}

/// A column such that its text is exact.
fn selected(column: &PlannedColumn) -> String {
    let name = quoted(&column.name);
    match column.read {
        Read::Plain => name,
        Read::PlusZero => format!("{name} + 0"),
        Read::AsDouble => format!("{name} + 0e0"),
        Read::AsHex => format!("hex({name})"),
        Read::AsChar => format!("cast({name} as char)"),
    }
}

/// What rows are ordered and compared by. Both by the same, or rows between two calls would be lost; and such that two
/// keys are never equal: the collation of a connection takes `aB` for `Ab`, and most take no notice of blanks at the
/// end.
fn ordered(column: &PlannedColumn) -> String {
    match column.read {
        Read::AsChar => format!("cast({} as binary)", selected(column)),
        _ => quoted(&column.name),
    }
}

/// That a row comes later in the order than one with these values. Not as a comparison of tuples, for which MySQL uses
/// no index; and with the first column by itself, for which it does.
fn behind(columns: &[&PlannedColumn], after: &[String]) -> Option<String> {
    if columns.is_empty() || columns.len() != after.len() {
        return None;
    }
    let pairs: Vec<(String, String)> = columns
        .iter()
        .zip(after)
        .map(|(column, value)| Some((ordered(column), value_of(column, value)?)))
        .collect::<Option<_>>()?;
    let ways: Vec<String> = (0..pairs.len())
        .map(|last| {
            let equal = pairs[..last].iter().map(|(name, value)| format!("{name} = {value}"));
            let (name, value) = &pairs[last];
            format!("({})", equal.chain([format!("{name} > {value}")]).collect::<Vec<_>>().join(" and "))
        })
        .collect();
    let (name, value) = &pairs[0];
    Some(format!("{name} >= {value} and ({})", ways.join(" or ")))
}

/// A value as a literal; `None` if it is none of such a column.
fn value_of(column: &PlannedColumn, value: &str) -> Option<String> {
    let is_number = |text: &str| {
        let digits = text.strip_prefix('-').unwrap_or(text);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    match (column.read, column.form) {
        (Read::AsHex, _) => value.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| format!("x'{value}'")),
        (_, Form::Integer { .. } | Form::Boolean | Form::Decimal { .. }) => is_number(value).then(|| value.to_owned()),
        (_, Form::Date | Form::Timestamp | Form::Time | Form::Seconds) => moment(value),
        (_, Form::Text { .. }) => {
            let digits: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
            let character_set = if column.read == Read::AsChar { "" } else { "_utf8mb4 " };
            Some(format!("{character_set}x'{digits}'"))
        }
        (_, Form::Float | Form::Super | Form::Binary { .. }) => None,
    }
}

/// A date or time as a literal; `None` if it has other characters than such have.
fn moment(text: &str) -> Option<String> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || b"-: .".contains(&byte));
    is_plain.then(|| format!("'{text}'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice::contract::mysql_to_redshift::{Policies, Verify};

    fn plan(key: &[&str], cursor: Option<&str>) -> Plan {
        let column = |name: &str, read, form| PlannedColumn { name: name.into(), read, form };
        let integer = Form::Integer { least: 0, most: 9 };
        Plan {
            source: ["prod".into(), "n`ps".into()],
            target: ["public".into(), "nps".into()],
            mode: if cursor.is_some() { Mode::Upsert } else { Mode::Replace },
            columns: vec![
                column("id", Read::Plain, integer),
                column("created_at", Read::Plain, Form::Timestamp),
                column("f", Read::AsDouble, Form::Float),
                column("b", Read::PlusZero, Form::Boolean),
                column("x", Read::AsHex, Form::Binary { bytes: 9 }),
                column("t", Read::Plain, Form::Text { bytes: 9 }),
                column("e", Read::AsChar, Form::Text { bytes: 9 }),
            ],
            key: key.iter().map(|name| (*name).to_owned()).collect(),
            is_order_unique: true,
            version: None,
            cursor: cursor.map(ToOwned::to_owned),
            null_marker: "null".into(),
            max_shrink_percent: 50,
            policies: Policies::default(),
            deleted: None,
            settled_after_minutes: 0,
            verify: Verify::Sums,
            windows: Vec::new(),
        }
    }

    const COLUMNS: &str =
        "select 1, `id`, `created_at`, `f` + 0e0, `b` + 0, hex(`x`), `t`, cast(`e` as char) from `prod`.`n``ps`";

    fn window(bounds: Option<[&str; 2]>) -> PlannedWindow {
        PlannedWindow { bounds: bounds.map(|bounds| bounds.map(ToOwned::to_owned)), ..PlannedWindow::default() }
    }

    #[test]
    fn a_number_comes_first_and_the_window_is_half_open_on_the_bare_column() {
        let day = window(Some(["2024-01-01 00:00:00", "2024-01-02 00:00:00"]));
        let found = Query::new(&plan(&["id"], Some("created_at")), &day, None).unwrap();
        let expected = "`created_at` >= '2024-01-01 00:00:00' and `created_at` < '2024-01-02 00:00:00'";
        assert_eq!(found.text, format!("{COLUMNS} where {expected} order by `created_at`, `id`"));
        assert_eq!(found.order, [1, 0]);
        let whole = Query::new(&plan(&["id"], None), &window(None), None).unwrap();
        assert_eq!(whole.text, format!("{COLUMNS} order by `id`"));
        let keyless = Query::new(&plan(&[], None), &window(None), None).unwrap();
        assert!(keyless.text == COLUMNS && keyless.order.is_empty());
        assert!(Query::new(&plan(&[], Some("created_at")), &window(Some(["x' or 1", "2024-01-02"])), None).is_none());
    }

    #[test]
    fn it_goes_on_behind_a_row() {
        let after = |key: &[&str], values: &[&str]| {
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            let found = Query::new(&plan(key, None), &window(None), Some(&values));
            found.map(|query| query.text[COLUMNS.len()..].to_owned())
        };
        assert_eq!(after(&["id"], &["7"]).unwrap(), " where `id` >= 7 and ((`id` > 7)) order by `id`");
        let bytes = "cast(cast(`e` as char) as binary)";
        let expected = format!(" where {bytes} >= x'61' and (({bytes} > x'61')) order by {bytes}");
        assert_eq!(after(&["e"], &["a"]).unwrap(), expected);
        let expected = " where `t` >= _utf8mb4 x'6f276f' and ((`t` > _utf8mb4 x'6f276f') or (`t` = _utf8mb4 x'6f276f' and `x` > x'00')) \
                        order by `t`, `x`";
        assert_eq!(after(&["t", "x"], &["o'o", "00"]).unwrap(), expected);
        for (key, values) in
            [(vec!["id"], vec!["7 or 1=1"]), (vec!["id"], vec![]), (vec!["x"], vec!["0'"]), (vec![], vec!["7"])]
        {
            assert_eq!(after(&key, &values), None, "{values:?}");
        }
    }
}
