//! The parts of the hot path by themselves. What it costs as a whole, beside others, is measured by `cargo local
//! bench`.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use pivot::batch::Batch;
use pivot::csv::block::FastRow;
use pivot::csv::record::{RawFields, Record};
use pivot::csv::scanner::{RowSink, Scanner, TooLarge};
use pivot::frame::{self, copy};
use pivot::plan::Plan;
use pivot::reader::FileReader;
use pivot::sums::{Key, Sums};
use pivot::value::date::Date;
use pivot::value::decimal::Decimal;
use pivot::value::field::FieldPrefix;
use sluice::contract::{ColumnKind, PivotInput, SourceFile};

const ROWS: usize = 100_000;
const HEADER: &str = "Project,Duration (in minutes),Start date,End date\n";

fn main() {
    divan::main();
}

/// Rows of a thousand days, as an export has them; with every field quoted, if that is wanted.
fn file(is_quoted: bool) -> String {
    let mut text = HEADER.to_owned();
    for number in 0..ROWS {
        let fields = [
            ["Work", "Learning"][number % 2].to_owned(),
            format!("{}.{:08}", number % 90, number * 7_919 % 100_000_000),
            format!(
                "{:04}-{:02}-{:02} 09:{:02}",
                2020 + number % 3,
                1 + number / 3 % 12,
                1 + number / 36 % 28,
                number % 60
            ),
            "2024-01-01 10:00".to_owned(),
        ];
        let fields = fields.map(|field| if is_quoted { format!("\"{field}\"") } else { field });
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

fn plan() -> Plan {
    let event: PivotInput = serde_json::from_str(include_str!("../../../events/pivot.json")).expect("an event");
    let spec = event.parts.spec(&event.execution.job).expect("a spec");
    Plan::new(&spec).expect("a plan")
}

/// The lengths of fields, without parsing them.
#[derive(Default)]
struct Lengths(usize);

impl RowSink<TooLarge> for Lengths {
    fn width(&self) -> Option<usize> {
        Some(4)
    }

    fn take_row(&mut self, row: FastRow<'_>) -> Option<()> {
        self.0 += (0..3).filter_map(|position| Some(row.prefix(position)?.len)).sum::<usize>();
        Some(())
    }

    fn take_record(&mut self, record: Record<'_>) -> Result<(), TooLarge> {
        self.0 += record.len();
        Ok(())
    }
}

#[divan::bench(args = [false, true])]
fn scan(bencher: Bencher<'_, '_>, is_quoted: bool) {
    let text = file(is_quoted);
    bencher.counter(BytesCount::of_str(&text)).bench(|| {
        let mut fields = Lengths::default();
        Scanner::default().feed(black_box(text.as_bytes()), &mut fields).expect("records");
        fields.0
    });
}

/// From bytes to sums.
#[divan::bench(args = [false, true])]
fn read(bencher: Bencher<'_, '_>, is_quoted: bool) {
    let text = file(is_quoted);
    let plan = plan();
    let source = SourceFile { key: "a.csv".into(), etag: String::new(), size: 0, last_modified: String::new() };
    bencher.counter(BytesCount::of_str(&text)).bench(|| {
        let mut batch = Batch::new(&plan);
        let mut reader = FileReader::new(&source, &plan).expect("a reader");
        reader.feed(black_box(text.as_bytes()), &mut batch).expect("rows");
        reader.finish(&mut batch).expect("rows");
        batch.tally.rows_read
    });
}

const NUMBERS: [&str; 4] = ["31.88333333", "25", "-0.5", "1234.56789012345"];

#[divan::bench(args = NUMBERS)]
fn decimal(bencher: Bencher<'_, '_>, text: &str) {
    bencher.counter(ItemsCount::new(1_usize)).bench(|| Decimal::parse(black_box(text.as_bytes())));
}

#[divan::bench(args = NUMBERS)]
fn decimal_fast(bencher: Bencher<'_, '_>, text: &str) {
    let ahead = format!("{text},2024-01-01 09:00,2024-01-01 10:00");
    let field = FieldPrefix::new(ahead.as_bytes(), text.len()).expect("enough after it");
    bencher.counter(ItemsCount::new(1_usize)).bench(|| Decimal::parse_fast(black_box(field)));
}

#[divan::bench]
fn add(bencher: Bencher<'_, '_>) {
    let dates = (1..=28).filter_map(|day| Date::parse(format!("2024-01-{day:02}").as_bytes(), None).ok());
    let keys: Vec<Key<'_>> = dates.map(Key::Date).collect();
    let value = Decimal::parse(b"31.88333333").expect("a number");
    bencher
        .counter(ItemsCount::new(keys.len()))
        .with_inputs(|| Sums::new(ColumnKind::Date, 2))
        .bench_refs(|sums| keys.iter().filter(|key| sums.add(**key, 1, black_box(value)).is_ok()).count());
}

/// From sums to what COPY takes.
#[divan::bench(args = [1_000, 100_000])]
fn encode(bencher: Bencher<'_, '_>, rows: usize) {
    let plan = plan();
    let mut sums = Sums::new(ColumnKind::Date, 2);
    for number in 0..rows {
        let date = format!("{:04}-{:02}-{:02}", 1 + number / 336, 1 + number / 28 % 12, 1 + number % 28);
        let value = Decimal::parse(format!("{number}.{:04}", number % 9_973).as_bytes()).expect("a number");
        let key = Key::Date(Date::parse(date.as_bytes(), None).expect("a date"));
        sums.add(key, number % 2, value).expect("room");
    }
    let table = frame::frame(&sums, None, &plan.key.name, &plan.values).expect("a table");
    bencher.counter(ItemsCount::new(rows)).bench(|| copy::rows(black_box(&table)));
}
