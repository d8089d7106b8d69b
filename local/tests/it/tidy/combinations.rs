//! The template under the combinations of parameters that people deploy.

use crate::executions::jobs::with_changed_second_job;
use crate::executions::sam;
use crate::support::Folder;
use crate::tidy::resolved::{Resolver, references};
use local::template;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

type Parameters = &'static [(&'static str, &'static str)];

const EXISTING_DATABASE: Parameters = &[
    ("CreateDatabase", "false"),
    ("DatabaseHost", "db.abc.eu-central-1.rds.amazonaws.com"),
    ("DatabaseResourceId", "db-ABCDEFGHIJKL01234"),
];
const EXISTING_NETWORK: Parameters = &[("VpcId", "vpc-0123456789abcdef0"), ("SubnetIds", "subnet-0a,subnet-0b")];
pub(crate) const SECRET: (&str, &str) =
    ("DatabaseSecretArn", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:database-AbCdEf");
pub(crate) const USERS: Parameters = &[
    ("UsersSourceHost", "source.abc.eu-central-1.rds.amazonaws.com"),
    ("UsersSourceResourceId", "db-MNOPQRSTUVWX56789"),
    ("UsersSourceCidr", "10.1.0.0/16"),
];
pub(crate) const USERS_BY_SECRET: Parameters = &[
    ("UsersSourceHost", "source.abc.eu-central-1.rds.amazonaws.com"),
    ("UsersSourceSecretArn", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:source-AbCdEf"),
    ("UsersSourceCidr", "10.1.0.0/16"),
];
/// With the job `nps`.
pub(crate) const MYSQL: Parameters = &[
    ("MysqlHost", "mysql.abc.eu-central-1.rds.amazonaws.com"),
    ("MysqlUser", "sluice_reader"),
    ("MysqlResourceId", "db-MNOPQRSTUVWX56789"),
    ("MysqlSecurityGroupId", "sg-0fedcba9876543210"),
    ("RedshiftWorkgroup", "warehouse"),
    ("RedshiftWorkgroupId", "01234567-89ab-cdef-0123-456789abcdef"),
];
pub(crate) const ONE_MACHINE: (&str, &str) = ("DatabaseUrl", "postgres://a:b@127.0.0.1:5432/c");

/// What people choose between: each line is one choice, of which nothing or one of its columns is taken.
fn choices() -> Vec<Vec<Vec<(&'static str, &'static str)>>> {
    let existing = |more: Parameters| [EXISTING_DATABASE, more].concat();
    let network = |more: Parameters| [EXISTING_NETWORK, more].concat();
    vec![
        vec![vec![("NetworkMode", "toggle")]],
        vec![vec![("ExistingBucketName", "somebody-elses-bucket"), ("BucketOwner", "111122223333")]],
        vec![existing(&[
            ("ExistingDatabaseInstance", "somebody-elses-database"),
            ("DatabaseSecurityGroupId", "sg-0123456789abcdef0"),
        ])],
        vec![network(&[]), network(&[("RouteTableIds", "rtb-0a,rtb-0b"), ("S3PrefixListId", "pl-0a")])],
        vec![vec![SECRET]],
        vec![
            vec![("AlarmTopicArn", "arn:aws:sns:eu-central-1:123456789012:alarms"), ("DaysWithoutSuccess", "1")],
            vec![
                ("AlarmEmail", "a@example.org"),
                ("UpsertReservedConcurrency", "1"),
                ("ScheduleState", "DISABLED"),
                ("S3TriggerState", "DISABLED"),
                ("DaysWithoutSuccess", "0"),
                ("AvailabilityZones", "eu-central-1a,eu-central-1b"),
            ],
        ],
        vec![USERS.to_vec(), USERS_BY_SECRET.to_vec()],
        vec![vec![ONE_MACHINE]],
    ]
}

/// Every way to choose.
fn combinations() -> Vec<Vec<(&'static str, &'static str)>> {
    let mut combinations = vec![Vec::new()];
    for options in choices() {
        let without = combinations.clone();
        for option in options {
            combinations.extend(without.iter().map(|chosen| [chosen.as_slice(), &option].concat()));
        }
    }
    combinations
}

/// With a second job that only another one starts.
fn both_jobs() -> Value {
    let (template, _) = with_changed_second_job(|parameters| {
        parameters["After"] = "pomodoro".into();
        parameters["TriggerOnUpload"] = "false".into();
        parameters.as_object_mut().unwrap().remove("ScheduleExpression");
    });
    template
}

fn is(chosen: &[(&str, &str)], name: &str, value: &str) -> bool {
    chosen.contains(&(name, value))
}

fn names(section: &Value) -> BTreeSet<String> {
    section.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn whatever_is_chosen_nothing_refers_to_what_is_not_there() {
    let template = both_jobs();
    let mut count = 0;
    for chosen in combinations() {
        let resolver = Resolver::new(&template, &chosen);
        let is_complete = !is(&chosen, "CreateDatabase", "false")
            || is(&chosen, "NetworkMode", "toggle")
            || chosen.iter().any(|(name, _)| ["VpcId", "DatabaseUrl"].contains(name));
        assert_eq!(resolver.broken_rules().is_empty(), is_complete, "{chosen:?}");
        if !is_complete {
            continue;
        }
        let resolved = resolver.resolve();
        let there = names(&resolved["Resources"]);
        for (id, resource) in resolved["Resources"].as_object().unwrap() {
            let missing: Vec<String> = references(resource).difference(&there).cloned().collect();
            assert!(missing.is_empty(), "{chosen:?}: {id:?} refers to {missing:?}");
            for after in resource.get("DependsOn").into_iter().filter_map(Value::as_str) {
                assert!(there.contains(after), "{chosen:?}: {id:?} waits for {after}");
            }
        }
        let missing: Vec<String> = references(&resolved["Outputs"]).difference(&there).cloned().collect();
        assert!(missing.is_empty(), "{chosen:?}: an output refers to {missing:?}");
        count += 1;
    }
    assert_eq!(count, 828, "the README says so");
}

#[test]
fn in_vpc_mode_nothing_can_make_the_database_public() {
    let template = both_jobs();
    for chosen in combinations() {
        let resolver = Resolver::new(&template, &chosen);
        if !resolver.broken_rules().is_empty() {
            continue;
        }
        let resolved = resolver.resolve();
        let text = resolved["Resources"].to_string();
        let toggles = is(&chosen, "NetworkMode", "toggle");
        assert_eq!(text.contains("rds:ModifyDBInstance"), toggles, "{chosen:?}");
        assert_eq!(names(&resolved["Resources"]).contains("Watchdog"), toggles, "{chosen:?}");
        let creates_vpc = !chosen.iter().any(|(name, _)| *name == "VpcId");
        let has_gateway = text.contains("AWS::EC2::InternetGateway");
        assert!(!has_gateway || (toggles && creates_vpc), "{chosen:?}");
        let groups = template::resources(&resolved, "AWS::EC2::SecurityGroup").into_values();
        let groups = groups.map(|group| &group["Properties"]["SecurityGroupIngress"]);
        let rules = template::resources(&resolved, "AWS::EC2::SecurityGroupIngress").into_values();
        for ingress in groups.chain(rules.map(|rule| &rule["Properties"])) {
            let ingress = ingress.to_string();
            assert!(toggles || !ingress.contains("Cidr"), "{chosen:?}: {ingress}");
        }
        for database in template::resources(&resolved, "AWS::RDS::DBInstance").values() {
            assert_eq!(database["Properties"]["PubliclyAccessible"], false);
        }
        // No password, and nothing that would take one.
        assert!(!text.contains("\"MasterUserPassword\"") && !text.contains("resolve:"), "{chosen:?}");
        assert_eq!(
            text.contains("AWS::RDS::DBInstance"),
            text.contains("\"ManageMasterUserPassword\":true"),
            "{chosen:?}"
        );
        let has_url = chosen.contains(&ONE_MACHINE);
        assert_eq!(text.contains("DATABASE_URL") || text.contains("AWS_ENDPOINT_URL"), has_url, "{chosen:?}");
    }
}

#[test]
fn what_does_not_fit_together_is_refused_with_what_is_missing() {
    let template = both_jobs();
    let cases: [(Parameters, &[&str]); 12] = [
        (
            &[("MysqlHost", "a"), ("NetworkMode", "toggle")],
            &["takes the vpc mode", "needs MysqlUser and MysqlResourceId", "needs RedshiftWorkgroup"],
        ),
        (MYSQL, &[]),
        (&[("BucketOwner", "111122223333")], &["BucketOwner goes with ExistingBucketName"]),
        (
            &[("AlarmEmail", "a@example.org"), ("AlarmTopicArn", "arn:aws:sns:eu-central-1:123456789012:alarms")],
            &["AlarmEmail goes with the stack's own topic"],
        ),
        (
            &[("CreateDatabase", "false"), ("NetworkMode", "toggle")],
            &["needs DatabaseHost", "needs DatabaseResourceId, or DatabaseSecretArn", "needs ExistingDatabaseInstance"],
        ),
        (
            &[("CreateDatabase", "false"), ("DatabaseHost", "a"), SECRET],
            &["needs its VpcId, with SubnetIds, and DatabaseSecurityGroupId"],
        ),
        (&[("VpcId", "vpc-01234567")], &["VpcId needs SubnetIds"]),
        (&[("SubnetIds", "subnet-0a,subnet-0b")], &["SubnetIds and RouteTableIds need VpcId"]),
        (
            &[("UsersSourceHost", "source")],
            &[
                "needs UsersSourceResourceId, or UsersSourceSecretArn",
                "In vpc mode UsersSourceHost needs UsersSourceCidr",
            ],
        ),
        (&[("SourceDatabaseUrl", "postgres://a:b@127.0.0.1:5432/d")], &["SourceDatabaseUrl goes with DatabaseUrl"]),
        (&[], &[]),
        (&[("CreateDatabase", "false"), ONE_MACHINE], &[]),
    ];
    for (chosen, expected) in cases {
        let broken = Resolver::new(&template, chosen).broken_rules();
        assert_eq!(broken.len(), expected.len(), "{chosen:?}: {broken:?}");
        for (broken, expected) in broken.iter().zip(expected) {
            assert!(broken.contains(expected), "{broken}");
        }
    }
}

/// With every parameter filled in, the linter's exceptions for the empty ones are not needed.
#[test]
fn the_linter_finds_nothing_in_the_combinations_that_matter() {
    let template = both_jobs();
    let folder = Folder::new("lint");
    let mut lint = sam::tool("cfn-lint", &folder.0);
    // W3002: sam build replaces the paths of code and definitions. W3691: of a major version of PostgreSQL RDS takes
    // the newest minor one.
    let ignored = ["--ignore-checks", "W3002", "W3691"];
    lint.args(["--non-zero-exit-code", "informational", "--regions", "eu-central-1"]).args(ignored).arg("--");
    let combinations = combinations();
    // One or two options at a time, and all together.
    let chosen: Vec<&Vec<(&str, &str)>> = combinations
        .iter()
        .filter(|chosen| Resolver::new(&template, chosen).broken_rules().is_empty())
        .filter(|chosen| {
            let options = chosen.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len();
            // The job users takes three by itself, and nothing else depends on it.
            let (few, many) = if chosen.contains(&USERS[0]) { (3, 21) } else { (5, 15) };
            !chosen.contains(&ONE_MACHINE) && (options <= few || options >= many)
        })
        .collect();
    assert_eq!(chosen.len(), 51, "the README says so");
    for (number, chosen) in chosen.iter().enumerate() {
        let resolved = Resolver::new(&template, chosen).resolve();
        // Named by what was chosen, for the linter says no more than the file's name.
        let values: Vec<String> = chosen.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let path = folder.0.join(format!("{number:02},{:.150}.json", values.join(",").replace(['/', ':'], "_")));
        fs::write(&path, format!("{resolved:#}")).unwrap();
        lint.arg(path);
    }
    sam::run_to_end(lint);
}
