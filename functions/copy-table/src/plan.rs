//! Which windows an execution copies or compares, and whether the columns of both sides fit. Reads only.

use crate::bounds::Bounds;
use crate::catalogue::Table;
use crate::grid::{Boundary, Grid};
use crate::mapping::{Cursor, CursorType, Mapping, fingerprint};
use crate::missing::Asked;
use crate::parts::{Cut, Estimate};
use crate::preflight;
use crate::session::{Sessions, Side};
use crate::settle;
use crate::windows::Owner;
use postgres::identifiers::quoted;
use postgres::sql_error::classify;
use sluice::contract::Execution;
use sluice::contract::copy_table::{
    CatchUp, CursorNull, MAX_WINDOWS, Mode, Moment, Plan, PlanOutput, PlannedWindow, Purpose, Range, Settle, Spec,
    Trigger, Window, WindowIndex, Windows,
};
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, PgConnection};
use std::time::Duration;

/// What an execution is asked to do.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Which execution.
    pub execution: &'a Execution,
    /// What the job copies.
    pub spec: &'a Spec,
    /// Which database is read, as [`Database::name`](postgres::connect::Database::name) has it.
    pub origin: &'a str,
    /// What started it.
    pub trigger: &'a Trigger,
    /// A window in which PostgreSQL expects more than so many bytes is copied in parts.
    pub max_window_bytes: u64,
    /// How long planning may take.
    pub time_left: Duration,
}

/// What it will do.
#[derive(Debug)]
pub struct Planned {
    /// The answer, but for the reference to the plan.
    pub output: PlanOutput,
    /// The plan; without windows if there is nothing to do.
    pub plan: Plan,
}

/// The windows that were chosen.
#[derive(Default)]
struct Chosen {
    windows: Vec<PlannedWindow>,
    left: u64,
}

/// What is known of the target before windows are chosen.
struct Known<'a> {
    mapping: &'a Mapping,
    owner: &'a Owner<'a>,
    /// By an index that starts with the cursor.
    is_indexed: bool,
}

impl<'a> Known<'a> {
    /// Which of the windows between two boundaries are missing? Those from the boundary `counted_from` on are counted.
    fn asked(&self, grid: Grid<'a>, mode: Mode, (from, to): (i64, i64), counted_from: i64) -> Asked<'a> {
        Asked { grid, mapping: self.mapping, mode, from, to, counted_from, limit: MAX_WINDOWS, with_last: false }
    }
}

impl Request<'_> {
    /// Plans.
    ///
    /// # Errors
    /// `Misconfigured` for tables that do not fit, `InvalidEvent` for times that are no bounds of windows,
    /// `InvalidSource` for rows that belong to no window, others as [`classify`].
    pub async fn plan(&self, source: &mut PgConnection, target: &mut PgConnection) -> Result<Planned> {
        let (spec, purpose) = (self.spec, self.trigger.purpose);
        spec.check()?;
        let sessions = Sessions::planning(self.execution);
        sessions.prepare(source, Side::Source, self.time_left).await?;
        sessions.prepare(target, Side::Target, self.time_left).await?;
        let of_source = Table::read(source, &spec.source.schema, &spec.source.table).await?;
        let of_target = Table::read(target, &spec.target.schema, &spec.target.table).await?;
        let mut problems = preflight::problems(target, spec, &of_target).await?;
        if let Some(windows) = &spec.windows {
            problems.extend(settle::unseen(source, windows, &of_source).await?);
        }
        let mapping = Mapping::new(spec, &of_source, &of_target, problems)?;
        let mut columns = mapping.plan();
        let (mut warnings, mut is_indexed) = (Vec::new(), false);
        if let (Some(windows), Some(cursor)) = (&spec.windows, &mapping.cursor) {
            columns.rows_without_window = self.rows_without_window(source, &mapping, windows, cursor).await?;
            let of_sides = [
                (&of_source, "source", has_index(source, &of_source, &windows.cursor).await?),
                (&of_target, "target", has_index(target, &of_target, &windows.cursor).await?),
            ];
            is_indexed = of_sides[1].2;
            let cursor = quoted(&windows.cursor)?;
            warnings.extend(of_sides.iter().filter(|(.., has_index)| !has_index).map(|(table, side, _)| {
                format!("no index of the {side} {} starts with {cursor}: every window reads it whole", table.name)
            }));
        }
        let (name, fingerprint) = (spec.target_name(), fingerprint(spec, self.origin)?);
        let owner =
            Owner { job: &self.execution.job, target: &name, fingerprint: &fingerprint, table_oid: of_target.oid };
        let chosen = match &spec.windows {
            None => self.whole()?,
            Some(windows) => {
                let known = Known { mapping: &mapping, owner: &owner, is_indexed };
                let chosen = self.choose(target, windows, &known).await?;
                self.cut(source, target, windows, &mapping, chosen, &mut warnings).await?
            }
        };
        let cursor_is_date = mapping.cursor.as_ref().is_some_and(|cursor| cursor.source == CursorType::Date);
        let window_count = u32::try_from(chosen.windows.len()).expect("at most 1,000 windows are planned");
        let ends = |pick: fn(&Window) -> &String, planned: Option<&PlannedWindow>| {
            planned.and_then(|planned| planned.window.as_ref()).map(|window| pick(window).clone())
        };
        let mut output = PlanOutput {
            purpose,
            window_count,
            windows_left: chosen.left,
            from: ends(|window| &window.start, chosen.windows.first()),
            to: ends(|window| &window.end, chosen.windows.last()),
            windows: (0..window_count).map(|index| WindowIndex { index }).collect(),
            in_order: purpose == Purpose::Load && spec.windows.as_ref().is_some_and(|windows| windows.depends_on_past),
            plan: None,
            columns,
            rows_estimated: None,
            bytes_estimated: None,
            warnings,
        };
        if purpose == Purpose::DryRun {
            output.windows.clear();
            self.estimate(source, target, &mapping, &mut output).await?;
        }
        Ok(Planned { output, plan: Plan { purpose, windows: chosen.windows, cursor_is_date } })
    }

    /// The mode `replace` knows no windows.
    fn whole(&self) -> Result<Chosen> {
        match &self.trigger.range {
            Range::Scheduled { .. } => {
                let whole = PlannedWindow { window: None, previous: None, recheck: false };
                Ok(Chosen { windows: vec![whole], left: 0 })
            }
            Range::Between { .. } => {
                let what = "the job replaces its table whole, so from and to make no sense";
                Err(Error::new(Kind::InvalidEvent, what))
            }
        }
    }

    async fn choose(&self, target: &mut PgConnection, windows: &Windows, known: &Known<'_>) -> Result<Chosen> {
        let grid = Grid::new(windows);
        let newest = self.newest(target, windows, grid).await?;
        let (mut chosen, first) = match &self.trigger.range {
            Range::Between { from, to, only_missing } => {
                let (from, to) = self.bounds(target, grid, [from, to], newest).await?;
                let found = match only_missing {
                    true => {
                        let asked = known.asked(grid, self.spec.target.mode, (from, to), from);
                        asked.missing(target, known.owner).await?.0
                    }
                    false => grid.between(target, from, to).await?,
                };
                (planned(found, false), from)
            }
            Range::Scheduled { .. } if newest <= 0 => return Ok(Chosen::default()),
            Range::Scheduled { .. } if self.trigger.purpose == Purpose::Verify => {
                let from = (newest - i64::from(windows.recheck_windows.max(1))).max(0);
                (planned(grid.between(target, from, newest).await?, false), from)
            }
            Range::Scheduled { .. } => self.scheduled(target, windows, known, newest).await?,
        };
        self.refuse_ambiguous(target, windows, known.mapping, (first.min(0), newest)).await?;
        if windows.depends_on_past {
            self.add_previous(target, grid, first, &mut chosen).await?;
        }
        Ok(chosen)
    }

    /// A row that the source has by its instant is at the target by what a clock shows. Where a clock is set back over
    /// the end of a window, it shows the same for rows of two windows, so that a copy would miss some in the one and
    /// delete them with the other.
    async fn refuse_ambiguous(
        &self,
        target: &mut PgConnection,
        windows: &Windows,
        mapping: &Mapping,
        (from, newest): (i64, i64),
    ) -> Result<()> {
        let types = mapping.cursor.as_ref().map(|cursor| (cursor.source, cursor.target));
        if types != Some((CursorType::Timestamptz, CursorType::Timestamp)) {
            return Ok(());
        }
        // Also of those that are to come: a job should not begin what it has to give up in autumn.
        match Grid::new(windows).ambiguous(target, from, newest + 400).await? {
            None => Ok(()),
            Some(time) => {
                let Windows { cursor, zone, .. } = windows;
                let what = format!(
                    "the cursor {cursor:?} has a time zone at the source and none at the target, but in {zone} the clock is set \
                     back over {time}, where a window begins, so that rows of two windows have the same times there; let the \
                     target have a timestamptz, or cut the windows by a zone such as UTC"
                );
                Err(Error::new(Kind::Misconfigured, what))
            }
        }
    }

    /// In parts, where one call could not copy a window.
    async fn cut(
        &self,
        source: &mut PgConnection,
        target: &mut PgConnection,
        windows: &Windows,
        mapping: &Mapping,
        chosen: Chosen,
        warnings: &mut Vec<String>,
    ) -> Result<Chosen> {
        let Some(cursor) = &mapping.cursor else { return Ok(chosen) };
        let cut = Cut { mapping, cursor, windows, max_bytes: self.max_window_bytes };
        let count = chosen.windows.len();
        let (windows, told) = cut.run(source, target, chosen.windows).await?;
        warnings.extend(told);
        let parts = windows.len();
        if u32::try_from(parts).is_ok_and(|parts| parts <= MAX_WINDOWS) {
            return Ok(Chosen { windows, left: chosen.left });
        }
        let what = format!(
            "{count} windows are too large to be copied by one call each, and {parts} parts of them are more than an execution \
             can have, {MAX_WINDOWS}; choose fewer windows, by from and to or by max_windows"
        );
        Err(Error::new(Kind::InvalidEvent, what))
    }

    /// What is missing, the newest window and else the oldest first, and of the newest windows those that are to be
    /// compared; and the number of the first boundary that was looked at.
    async fn scheduled(
        &self,
        target: &mut PgConnection,
        windows: &Windows,
        known: &Known<'_>,
        newest: i64,
    ) -> Result<(Chosen, i64)> {
        let (grid, owner) = (Grid::new(windows), known.owner);
        let oldest = match windows.catch_up {
            CatchUp::Missed => 0,
            CatchUp::None => newest - 1,
        };
        let counted_from = match known.is_indexed {
            true => oldest.max(newest - i64::from(windows.max_windows) - i64::from(windows.recheck_windows)),
            false => oldest,
        };
        let asked = Asked {
            limit: windows.max_windows,
            // However much there is to catch up with, yesterday is there today; unless it depends on all of that.
            with_last: !windows.depends_on_past,
            ..known.asked(grid, self.spec.target.mode, (oldest, newest), counted_from)
        };
        let (missing, total) = asked.missing(target, owner).await?;
        let first_compared = (newest - 1 - i64::from(windows.recheck_windows)).max(0);
        let mut compared = grid.between(target, first_compared, newest - 1).await?;
        compared.retain(|window| !missing.contains(window));
        let is_recorded = match crate::windows::exists(target).await? {
            true => {
                let asked: Vec<_> = compared.iter().cloned().map(Some).collect();
                owner.recorded_of(target, &asked).await?
            }
            false => vec![false; compared.len()],
        };
        let compared = compared.into_iter().zip(is_recorded).filter(|(_, is_recorded)| *is_recorded);
        let compared = compared.map(|(window, _)| window).collect();
        let left = total - missing.len() as u64;
        let mut all = planned(missing, false).windows;
        all.extend(planned(compared, true).windows);
        all.sort_by(|one, other| one.window.cmp(&other.window));
        Ok((Chosen { windows: all, left }, oldest.min(first_compared)))
    }

    /// The number of the boundary at which the newest window ends that is over.
    async fn newest(&self, target: &mut PgConnection, windows: &Windows, grid: Grid<'_>) -> Result<i64> {
        let at = match &self.trigger.range {
            Range::Scheduled { at: Some(at) } => at.as_str(),
            Range::Scheduled { at: None } => &self.execution.started_at,
            Range::Between { .. } => &self.execution.started_at,
        };
        // Else a scheduled run would only wait for its newest window.
        let lag = match windows.settle {
            Settle::Lag => windows.lag_minutes,
            Settle::Transactions => 0,
        };
        let at: String = sqlx::query_scalar("select ($1::timestamptz - make_interval(mins => $2))::text")
            .bind(at)
            .bind(i32::try_from(lag).unwrap_or(i32::MAX))
            .fetch_one(&mut *target)
            .await
            .map_err(|error| classify("compute the newest window", error))?;
        Ok(grid.boundary_at(target, &at).await?.number)
    }

    /// The numbers of the boundaries that somebody asked for.
    async fn bounds(
        &self,
        target: &mut PgConnection,
        grid: Grid<'_>,
        moments: [&Moment; 2],
        newest: i64,
    ) -> Result<(i64, i64)> {
        let refused = |what: String| Err(Error::new(Kind::InvalidEvent, what));
        let mut numbers = [0, 0];
        for ((number, moment), name) in numbers.iter_mut().zip(moments).zip(["from", "to"]) {
            let instant = grid.instant(target, moment).await?;
            let Boundary { number: found, instant: nearest, is_exact } = grid.boundary_at(target, &instant).await?;
            if !is_exact {
                let next = grid.between(target, found, found + 1).await?;
                let next = next.first().map_or("", |window| &window.end);
                return refused(format!(
                    "{name} is {instant}, where no window begins; {nearest} and {next} are next to it"
                ));
            }
            *number = found;
        }
        let [from, to] = numbers;
        if from >= to {
            return refused("from is not before to".to_owned());
        }
        if to > newest {
            let last = grid.between(target, newest - 1, newest).await?;
            let last = last.first().map_or("", |window| &window.end);
            return refused(format!("to is beyond {last}, the end of the last window that is over"));
        }
        let count = to - from;
        if count > i64::from(MAX_WINDOWS) {
            let middle = grid.between(target, from, from + i64::from(MAX_WINDOWS)).await?;
            let [first, last] = [middle.first(), middle.last()].map(|window| window.map(ToString::to_string));
            let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
            let (start, end) = (first.split('/').next(), last.split('/').nth(1));
            return refused(format!(
                "{count} windows are more than an execution can have, {MAX_WINDOWS}; begin with from {} to {}, and go on from \
                 there",
                start.unwrap_or_default(),
                end.unwrap_or_default()
            ));
        }
        Ok((from, to))
    }

    /// Says of each window which one is before it; before the first one of all there is none.
    async fn add_previous(
        &self,
        target: &mut PgConnection,
        grid: Grid<'_>,
        first: i64,
        chosen: &mut Chosen,
    ) -> Result<()> {
        let Some(last) = chosen.windows.last().and_then(|planned| planned.window.as_ref()) else { return Ok(()) };
        let last = grid.boundary_at(target, &last.end).await?.number;
        // A backfill may begin before the start, which has nothing before it that it could depend on.
        let all = grid.between(target, (first - 1).max(0).min(first), last).await?;
        for planned in &mut chosen.windows {
            let start = planned.window.as_ref().map(|window| &window.start);
            planned.previous = all.iter().find(|window| Some(&window.end) == start).cloned();
        }
        Ok(())
    }

    /// Counts rows whose cursor is NULL or infinite.
    async fn rows_without_window(
        &self,
        source: &mut PgConnection,
        mapping: &Mapping,
        windows: &Windows,
        cursor: &Cursor,
    ) -> Result<u64> {
        let (table, name) = (&mapping.source, &cursor.name);
        // Each by itself, so that an index serves it.
        let nulls = match cursor.is_nullable {
            true => format!("(select count(*) from {table} where {name} is null)"),
            false => "0".to_owned(),
        };
        let query = format!(
            "select {nulls}::bigint,
                    (select count(*) from {table} where {name} = 'infinity')
                    + (select count(*) from {table} where {name} = '-infinity')"
        );
        let (nulls, infinite): (i64, i64) = sqlx::query_as(AssertSqlSafe(query))
            .fetch_one(source)
            .await
            .map_err(|error| classify("count the rows that belong to no window", error))?;
        if windows.cursor_null == CursorNull::Fail && nulls + infinite > 0 {
            let what = format!(
                "{} has {nulls} rows in which {:?} is NULL and {infinite} in which it is infinite, so they belong to no window; \
                 correct them, or set cursor_null to ignore",
                self.spec.source_name(),
                windows.cursor
            );
            return Err(Error::new(Kind::InvalidSource, what));
        }
        Ok((nulls + infinite).unsigned_abs())
    }

    /// What PostgreSQL expects of the source.
    async fn estimate(
        &self,
        source: &mut PgConnection,
        target: &mut PgConnection,
        mapping: &Mapping,
        output: &mut PlanOutput,
    ) -> Result<()> {
        let condition = match (&output.from, &output.to, &self.spec.windows, &mapping.cursor) {
            (Some(start), Some(end), Some(windows), Some(cursor)) => {
                let window = Window { start: start.clone(), end: end.clone() };
                let bounds = Bounds::read(target, &window, &windows.zone).await?;
                bounds.of_source(cursor)
            }
            (_, _, None, _) => "true".to_owned(),
            _ => return Ok(()),
        };
        let estimate = Estimate::read(source, mapping, &condition).await?;
        (output.rows_estimated, output.bytes_estimated) = (Some(estimate.rows), Some(estimate.bytes));
        Ok(())
    }
}

fn planned(windows: Vec<Window>, recheck: bool) -> Chosen {
    let planned = |window| PlannedWindow { window: Some(window), previous: None, recheck };
    Chosen { windows: windows.into_iter().map(planned).collect(), left: 0 }
}

/// Whether an index starts with the cursor: else each window reads the whole table.
async fn has_index(connection: &mut PgConnection, table: &Table, cursor: &str) -> Result<bool> {
    // Of what is not a table nobody knows.
    if !["r", "p"].contains(&table.kind.as_str()) {
        return Ok(true);
    }
    sqlx::query_scalar(
        "select exists (
             select from pg_index i
             join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
             where i.indrelid = $1::oid and i.indisvalid and i.indpred is null and a.attname = $2
         )",
    )
    .bind(table.oid)
    .bind(cursor)
    .fetch_one(connection)
    .await
    .map_err(|error| classify("look for an index", error))
}
