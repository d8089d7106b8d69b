//! What an administrator of Redshift runs once for a job that may make nothing there: the tables of loads, and the
//! grants that planning and loading need, no more. Pure: it is told, not run.

use redshift::bookkeeping::{self, LOADS};
use redshift::text::{literal, quoted, table};
use sluice::contract::mysql_to_redshift::{PrepareTarget, PrepareTargetOutput};

/// Who is granted what.
#[derive(Clone, Debug)]
pub struct Users {
    /// The database user of `plan-export`.
    pub plan: String,
    /// The database user of `load-redshift`.
    pub load: String,
    /// The ARN of the role by which COPY reads the parts.
    pub copy_role: String,
    /// The database.
    pub database: String,
}

/// The statements, in their order.
pub fn prepare(users: &Users, input: &PrepareTarget) -> PrepareTargetOutput {
    let target = table(&input.schema.to_lowercase(), &input.table.to_lowercase());
    let lock = bookkeeping::lock_table(&input.job);
    let mut both = vec![users.plan.clone(), users.load.clone()];
    both.dedup();
    let to = |names: &[String]| names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    let (all, load) = (to(&both), quoted(&users.load));
    let mut statements: Vec<String> =
        bookkeeping::statements(&input.job).iter().map(|text| redshift::text::on_one_line(text)).collect();
    statements.extend([
        format!("grant usage on schema sluice to {all}"),
        format!("grant usage on schema {} to {all}", quoted(&input.schema.to_lowercase())),
        // Who may not read a table does not see it in the catalogue either.
        format!("grant select on {LOADS}, {lock}, {target} to {all}"),
        format!("grant insert on {LOADS} to {load}"),
        format!("grant insert, delete on {target} to {load}"),
        // Nobody writes it: to lock a table one has to be allowed to.
        format!("grant insert, update, delete on {lock} to {load}"),
        format!("grant temp on database {} to {load}", quoted(&users.database)),
        format!("grant assumerole on {} to {load} for copy", literal(&users.copy_role)),
    ]);
    PrepareTargetOutput { users: both, statements }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_user_or_two_are_granted_the_least() {
        let input = json!({"action": "prepare", "job": "daily-nps", "schema": "Mart", "table": "NPS"});
        let input: PrepareTarget = serde_json::from_value(input).unwrap();
        let users = |plan: &str, load: &str| Users {
            plan: plan.into(),
            load: load.into(),
            copy_role: "arn:aws:iam::1:role/dev/nps/r".into(),
            database: "dev".into(),
        };
        let output = prepare(&users("IAMR:plan", "IAMR:load"), &input);
        assert_eq!(output.users, ["IAMR:plan", "IAMR:load"]);
        let all = output.statements.join(";\n");
        for line in [
            "create table if not exists sluice.lock_daily_nps (nothing smallint)",
            "grant select on sluice.loads, sluice.lock_daily_nps, \"mart\".\"nps\" to \"IAMR:plan\", \"IAMR:load\"",
            "grant insert, delete on \"mart\".\"nps\" to \"IAMR:load\"",
            "grant assumerole on 'arn:aws:iam::1:role/dev/nps/r' to \"IAMR:load\" for copy",
        ] {
            assert!(output.statements.iter().any(|statement| statement == line), "{line} is not in\n{all}");
        }
        assert_eq!(prepare(&users("loader", "loader"), &input).users, ["loader"]);
    }
}
