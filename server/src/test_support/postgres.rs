//! A Postgres for tests, where its programs are installed: one cluster of a test's process, a database for whoever asks.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

/// Debian keeps each version in a folder of its own, outside of `PATH`.
const DEBIAN: &str = "/usr/lib/postgresql";

/// It refuses to run as root; this is nobody.
const NOBODY: u32 = 65534;

const START: Duration = Duration::from_secs(60);

/// Starts it, and ends it when the test's process is gone, however that ended: then nobody holds the pipe any more.
const KEEPER: &str = r#"
"$1/initdb" --no-sync --auth=trust --username=nibble --encoding=UTF8 --locale=C.UTF-8 --pgdata="$2/data" >"$2/log" 2>&1
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c max_connections=500 >>"$2/log" 2>&1 &
cat
kill -INT $!
wait
rm -rf "$2"
"#;

struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    databases: AtomicUsize,
    /// It ends when the pipe to it does.
    _keeper: Child,
}

/// The address of an empty database; nothing where Postgres is not installed.
pub(crate) fn database() -> Option<String> {
    static CLUSTER: LazyLock<Option<Cluster>> = LazyLock::new(Cluster::start);
    CLUSTER.as_ref().map(Cluster::database)
}

impl Cluster {
    fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!(
                "left out: there is no Postgres; server/scripts/postgres installs it on Debian"
            );
            return None;
        };
        let folder = tempfile::Builder::new()
            .prefix("nibble-postgres-")
            .tempdir();
        let folder = folder.unwrap().keep();
        let mut keeper = Command::new("sh");
        keeper.args([OsStr::new("-c"), KEEPER.as_ref(), "sh".as_ref()]);
        keeper.args([&programs, &folder]);
        if fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
        {
            chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
            keeper.uid(NOBODY).gid(NOBODY);
        }
        let keeper = keeper
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C is for the test.
            .process_group(0)
            .spawn()
            .unwrap();
        let cluster = Self {
            programs,
            folder,
            databases: AtomicUsize::new(0),
            _keeper: keeper,
        };
        cluster.wait();
        Some(cluster)
    }

    fn wait(&self) {
        let end = Instant::now() + START;
        while !self.psql("postgres", "SELECT 1") {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < end, "Postgres does not start:\n{log}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn psql(&self, database: &str, sql: &str) -> bool {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args([
            "--quiet",
            "--no-psqlrc",
            "--username=nibble",
            "--dbname",
            database,
        ]);
        psql.arg("--host")
            .arg(&self.folder)
            .args(["--command", sql]);
        psql.stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    }

    fn database(&self) -> String {
        let name = format!("nibble_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        assert!(self.psql("postgres", &format!("CREATE DATABASE {name}")));
        format!(
            "postgres://nibble@localhost/{name}?host={}",
            self.folder.display()
        )
    }
}

/// The folder of the newest version.
fn programs() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = env::split_paths(&path).collect();
    let debian = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut versions: Vec<_> = debian.map(|version| version.path().join("bin")).collect();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    let whole = |folder: &PathBuf| {
        ["initdb", "postgres", "psql"]
            .iter()
            .all(|name| is_file(folder, name))
    };
    folders.into_iter().find(whole)
}

fn is_file(folder: &Path, name: &str) -> bool {
    folder.join(name).is_file()
}
