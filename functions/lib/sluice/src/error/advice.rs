//! What to do about an error, for people: the tables of the README, which shows the same texts, and what the page says
//! of a run that failed. The texts are Markdown, of which only `` ` `` is used.

/// A row of a table of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The names that it is about, each between `` ` ``, and by what texts these are told apart.
    pub error: &'static str,
    /// What it means; empty where the table does not say.
    pub means: &'static str,
    /// What the state machine does about it; empty where the table does not say.
    pub happens: &'static str,
    /// What a person does about it.
    pub to_do: &'static str,
}

impl Advice {
    /// Whether it is about the error of this name.
    pub fn is_about(&self, name: &str) -> bool {
        self.error.split('`').skip(1).step_by(2).any(|known| known == name)
    }

    /// What it says beyond the error's name: when it holds, such as `names a file`; empty if always.
    pub fn condition(&self) -> &'static str {
        let behind = self.error.rsplit('`').next().unwrap_or_default();
        behind.trim_start_matches([':', ' ']).trim_end_matches("and the like").trim()
    }
}

const fn row(error: &'static str, means: &'static str, happens: &'static str, to_do: &'static str) -> Advice {
    Advice { error, means, happens, to_do }
}

const fn todo_of(error: &'static str, to_do: &'static str) -> Advice {
    Advice { error, means: "", happens: "", to_do }
}

/// Our own errors, in the order of [`Kind::ALL`](super::Kind::ALL): section "Errors" of the README.
pub const OURS: [Advice; 7] = [
    row(
        "`TransientFailure`",
        "a timeout, throttling, a lost connection, a deadlock",
        "retried with growing pauses",
        "if it ends a run: look at the service it names; the next run takes up the work",
    ),
    row(
        "`LockHeld`",
        "another execution of this job runs, and this one was started by hand",
        "retried about every half minute, for about an hour",
        "nothing, or look at the execution that it names",
    ),
    row(
        "`InvalidEvent`",
        "the input of the execution is not understood",
        "fails",
        "correct the input or the rule that sends it",
    ),
    row(
        "`InvalidSource`",
        "a file cannot be read as the spec says, or the table refuses what it says: a constraint, or a trigger \
         that raises an error",
        "fails, nothing is loaded",
        "correct the file and upload it again, or change the spec, or the table's rule; the bad rows are in \
         `quarantine/`",
    ),
    row(
        "`Misconfigured`",
        "the spec, a change of it that needs `{\"reload\": true}`, a permission, a setting, the target table, a \
         trigger of it that fails itself",
        "fails, nothing is loaded",
        "the cause lists everything that is wrong",
    ),
    row(
        "`StaleRun`",
        "a run that detected its files later is already loaded; or a file was overwritten or deleted while a \
         reload was reading; or a source changed while a run made tables of it",
        "fails, changes nothing",
        "start a new run rather than redriving an old one",
    ),
    row("`InvariantBroken`", "a bug of ours", "fails", "report it, with the cause"),
];

/// Errors of the services around: the second table of section "Errors".
pub const OF_SERVICES: [Advice; 5] = [
    row(
        "`Runtime.ExitError`, `Sandbox.Timedout`",
        "a function was killed, or ran out of time; retried",
        "",
        "if it ends a run: more memory for that function",
    ),
    row(
        "`Lambda.TooManyRequestsException`",
        "the account's quota of concurrent functions is used up; retried for a quarter of an hour",
        "",
        "a higher quota (new accounts have 10), or a smaller `PivotConcurrency`",
    ),
    row(
        "`Lambda.ResourceNotReadyException` and the like",
        "Lambda put a function in the VPC to sleep that was idle for weeks, and wakes it up; retried for a \
         quarter of an hour",
        "",
        "nothing",
    ),
    row(
        "`Lambda.ServiceException` and the like, `States.Timeout`",
        "Lambda has trouble, or does not answer; retried",
        "",
        "start a run later",
    ),
    row(
        "`States.Runtime`, `States.DataLimitExceeded`",
        "a bug of ours in the state machine; nothing catches these",
        "",
        "report it; in toggle mode the watchdog closes the database",
    ),
];

/// Of the kind `copy-table`: section "When a window fails".
pub const OF_COPIES: [Advice; 5] = [
    row(
        "`LockHeld`",
        "a window is not settled: the cause names the process that holds a transaction open, and its user; or \
         another run copies it, or writes a row of it. The function looks again every five seconds, for about an \
         hour in all; in a run that has copied nothing for an hour, no window is waited for any longer",
        "",
        "end that transaction, or choose `settle` `lag`",
    ),
    row(
        "`InvalidSource`",
        "the target refuses a row by a constraint that is named, in the end or [on the \
         way](#constraints-of-the-target); rows without a time; or `verify` found a difference, with the counts of \
         both sides",
        "",
        "correct the rows; for a difference, run a backfill of that range",
    ),
    row(
        "`Misconfigured`",
        "columns or types that do not fit, rights, triggers, no key; the cause lists all. Or a row that is longer \
         than the function's memory can take, or a window that was not copied within a function's 15 minutes, with \
         the rate it had and what would fit",
        "",
        "shorter windows, more memory for the function, or `CopyConcurrency`",
    ),
    row(
        "`StaleRun`",
        "with `depends_on_past`, the window before is missing; or a window was copied, but the table no longer holds \
         as many rows of it as were recorded: at the source some moved to another window meanwhile, or somebody else \
         wrote into the target",
        "",
        "run that one; run the range again with `only_missing`",
    ),
    row(
        "`InvariantBroken`",
        "what was stored is not what was sent, twice; nothing was committed",
        "",
        "look whether something else writes to the target at that time; report it",
    ),
];

/// Of the kind `mysql-to-redshift`: section "When something is wrong".
pub const FROM_MYSQL: [Advice; 5] = [
    todo_of(
        "`InvalidSource`",
        "the cause names table, key column and rule, or what `sys_load_error_detail` says; correct the source, or \
         let the spec say what becomes of such values",
    ),
    todo_of(
        "`Misconfigured`",
        "the cause says what an operator has to do: a grant or a column that is missing, a role that Redshift may \
         not take on or that may not read the parts, an unknown workgroup; a key that is in the target more than \
         once, written there by another way: delete the rows that are too many. Nothing was loaded",
    ),
    todo_of(
        "`StaleRun`",
        "a later reading of the same window is in: nothing to do. Or, with `deleted`, one of a window that was not \
         over then: the cause says so, start the same range again. Or, with `depends_on_past`, the window before is \
         not: the cause names it, load it first",
    ),
    todo_of(
        "`InvariantBroken`",
        "what came is not what was read; nothing was loaded. Start the same range again; if it comes again, tell \
         us",
    ),
    todo_of(
        "`TransientFailure`",
        "it was tried again and still fails; start the same range again: what is in stays as it is",
    ),
];

/// Of the kind `athena-elt`: section "When it goes wrong".
pub const BY_SQL: [Advice; 10] = [
    todo_of("`InvalidSource` names a file", "correct or remove it, start a run: every run makes all of it anew"),
    todo_of(
        "`InvalidSource`: a Parquet file has no column, or another type",
        "have it written with the others' columns, or say in `Sources` what all of them have",
    ),
    todo_of("`InvalidSource`: no row", "is the variable's value one that there is? What was published stays"),
    todo_of(
        "`StaleRun`: files changed while they were read",
        "the error names the first three that were changed, that are new and that are gone: start a run when they no \
         longer change; for a source that never rests, have whoever writes it put finished files only",
    ),
    todo_of(
        "`StaleRun`: somebody changed or dropped the table of a source while it was read",
        "start a run, which reads it as it is then; see who changes tables in `Database`: best it is the job's own",
    ),
    todo_of(
        "`Misconfigured`: bytes scanned limit",
        "read less (fewer columns do not help with CSV), or raise `BytesScannedCutoff`",
    ),
    todo_of(
        "`Misconfigured`: a table or a file is not of this job",
        "choose another name or another `to`, or drop or move what is there: nothing of somebody else's is replaced",
    ),
    todo_of(
        "`StaleRun`: another cause",
        "a newer run has published, or this one lost its lock, or had ended when it started a query, as a run that is \
         redriven has: start a new one in place of a redrive; nothing else to do",
    ),
    todo_of(
        "`LockHeld`, after an hour or two",
        "another run is still at work: see it in the console, stop it if it must end (a rule stops its query), start \
         yours again",
    ),
    todo_of(
        "`TransientFailure`: attempt 3 of 3",
        "Athena failed the query by its own fault three times: start a run later; if it stays so, the SELECT may need \
         too much memory",
    ),
];

/// What to do about the error of this name in a job of a kind, such as `copy-table`: what is said of the kind, without
/// that what is said of all; nothing of a name that is not known.
pub fn advice(kind: &str, name: &str) -> Vec<&'static Advice> {
    let of_kind: &[Advice] = match kind {
        "copy-table" => &OF_COPIES,
        "mysql-to-redshift" => &FROM_MYSQL,
        "athena-elt" => &BY_SQL,
        _ => &[],
    };
    let about = |rows: &'static [Advice]| rows.iter().filter(|row| row.is_about(name)).collect::<Vec<_>>();
    let found = about(of_kind);
    if !found.is_empty() {
        return found;
    }
    let found = about(&OURS);
    if found.is_empty() { about(&OF_SERVICES) } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    const README: &str = include_str!("../../../../../README.md");

    #[test]
    fn each_kind_of_error_has_a_row_in_its_order() {
        for (kind, row) in Kind::ALL.into_iter().zip(OURS) {
            assert!(row.is_about(kind.name()), "{kind}: {}", row.error);
        }
    }

    /// The README is the other half: a row that is changed in one of the two fails here.
    #[test]
    fn the_readme_shows_the_same_texts() {
        let tables: [&[Advice]; 5] = [&OURS, &OF_SERVICES, &OF_COPIES, &FROM_MYSQL, &BY_SQL];
        for row in tables.into_iter().flatten() {
            let cells = [row.error, row.means, row.happens, row.to_do];
            let cells: Vec<&str> = cells.into_iter().filter(|cell| !cell.is_empty()).collect();
            let line = format!("| {} |", cells.join(" | "));
            assert!(README.lines().any(|known| known == line), "README.md lacks the line {line}");
        }
        // And it has no error that is not here.
        let names = README.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        for (name, rest) in names.filter(|(name, _)| Kind::ALL.iter().any(|kind| kind.name() == *name)) {
            let known = tables.into_iter().flatten().any(|row| row.error.starts_with(&format!("`{name}`")));
            assert!(known, "{name}{rest}");
        }
    }

    #[test]
    fn a_kind_s_own_advice_goes_before_that_of_all() {
        let to_do = |kind, name| advice(kind, name).iter().map(|row| row.to_do).collect::<Vec<_>>().join(" / ");
        assert!(to_do("copy-table", "InvalidSource").contains("run a backfill"));
        assert!(to_do("transform-and-upsert", "InvalidSource").contains("`quarantine/`"));
        assert!(to_do("copy-table", "TransientFailure").contains("the next run"));
        assert!(to_do("athena-elt", "Lambda.TooManyRequestsException").contains("quota"));
        assert_eq!(advice("athena-elt", "InvalidSource")[0].condition(), "names a file");
        assert!(advice("copy-table", "Custom").is_empty());
    }
}
