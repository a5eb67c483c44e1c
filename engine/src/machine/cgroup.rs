//! What the control groups of this process allow it, version 1 or 2.
//!
//! A limit may sit on any group above the process, so the tightest counts. Inside a container the path that the kernel
//! names is often not there, since the container sees its own group as the root: folders that are missing are passed
//! over.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const MOUNT: &str = "/sys/fs/cgroup";
const MEMBERSHIP: &str = "/proc/self/cgroup";
/// Version 1 writes "no limit" as the largest multiple of a page.
const NO_LIMIT: u64 = 1 << 60;

/// The control groups of a process. Where there are none, nothing is limited.
#[derive(Clone, Debug)]
pub struct Cgroup {
    mount: PathBuf,
    /// As in `/proc/self/cgroup`: `number:controllers:path`, a line for each hierarchy.
    membership: String,
}

/// The memory of the group with the least left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The most bytes that it may use.
    pub limit: u64,
    /// Bytes that it uses, without file contents, which the system drops when it needs room.
    pub used: u64,
}

impl Memory {
    /// Bytes left.
    #[must_use]
    pub fn left(self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

/// How often a CPU quota ran out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttling {
    /// Periods in which the quota was counted.
    pub periods: u64,
    /// Periods in which it ran out.
    pub throttled_periods: u64,
    /// Time that threads waited for the next period, summed over CPUs.
    pub throttled: Duration,
}

impl Cgroup {
    /// The groups of the running program.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self {
            mount: MOUNT.into(),
            membership: fs::read_to_string(MEMBERSHIP).unwrap_or_default(),
        }
    }

    /// The memory limit that leaves the least, if any is set.
    #[must_use]
    pub fn memory(&self) -> Option<Memory> {
        let version_2 = self.folders("").into_iter().filter_map(|folder| {
            let cached = stat(&folder, "memory.stat", "active_file")
                + stat(&folder, "memory.stat", "inactive_file");
            memory(&folder, ["memory.max", "memory.current"], cached)
        });
        let version_1 = self.folders("memory").into_iter().filter_map(|folder| {
            let cached = stat(&folder, "memory.stat", "total_active_file")
                + stat(&folder, "memory.stat", "total_inactive_file");
            memory(
                &folder,
                ["memory.limit_in_bytes", "memory.usage_in_bytes"],
                cached,
            )
        });
        version_2
            .chain(version_1)
            .min_by_key(|memory| memory.left())
    }

    /// CPUs that the tightest quota allows, if any is set.
    #[must_use]
    pub fn quota(&self) -> Option<f64> {
        let version_2 = self.folders("").into_iter().filter_map(|folder| {
            let text = fs::read_to_string(folder.join("cpu.max")).ok()?;
            let (quota, period) = text.trim().split_once(' ')?;
            cpus(quota, period)
        });
        let version_1 = self.folders("cpu").into_iter().filter_map(|folder| {
            let read = |name| fs::read_to_string(folder.join(name)).ok();
            cpus(&read("cpu.cfs_quota_us")?, &read("cpu.cfs_period_us")?)
        });
        version_2.chain(version_1).reduce(f64::min)
    }

    /// What the quota of the innermost group that has one did.
    #[must_use]
    pub fn throttling(&self) -> Option<Throttling> {
        let version_2 = self.folders("");
        let version_1 = self.folders("cpu");
        let mut groups = version_2.iter().chain(&version_1);
        groups.find_map(|folder| {
            let text = fs::read_to_string(folder.join("cpu.stat")).ok()?;
            let throttled = entry(&text, "throttled_usec").map(Duration::from_micros);
            Some(Throttling {
                periods: entry(&text, "nr_periods")?,
                throttled_periods: entry(&text, "nr_throttled")?,
                throttled: throttled.or_else(|| {
                    let nanoseconds = entry(&text, "throttled_time")?;
                    Some(Duration::from_nanos(nanoseconds))
                })?,
            })
        })
    }

    /// The folders of a controller's groups that exist, innermost first; without a name those of version 2.
    fn folders(&self, controller: &str) -> Vec<PathBuf> {
        let mount = self.mount.join(controller);
        let path = self.membership.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            controllers
                .split(',')
                .any(|name| name == controller)
                .then_some(path)
        });
        let groups = path
            .into_iter()
            .flat_map(|path| Path::new(path).ancestors());
        groups
            .map(|group| mount.join(group.strip_prefix("/").unwrap_or(group)))
            .filter(|folder| folder.is_dir())
            .collect()
    }
}

/// CPUs of a quota and its period, both in microseconds; without a limit the quota is `max` or negative.
fn cpus(quota: &str, period: &str) -> Option<f64> {
    let quota: u64 = quota.trim().parse().ok()?;
    let period: u64 = period.trim().parse().ok()?;
    (period > 0).then(|| quota as f64 / period as f64)
}

fn memory(folder: &Path, [limit, used]: [&str; 2], cached: u64) -> Option<Memory> {
    let number = |name| {
        fs::read_to_string(folder.join(name))
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    let limit = number(limit).filter(|limit| *limit < NO_LIMIT)?;
    let used: u64 = number(used)?;
    Some(Memory {
        limit,
        used: used.saturating_sub(cached),
    })
}

fn stat(folder: &Path, file: &str, key: &str) -> u64 {
    let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
    entry(&text, key).unwrap_or(0)
}

/// The number behind a word, one to a line.
fn entry(text: &str, key: &str) -> Option<u64> {
    let mut lines = text.lines();
    lines.find_map(|line| {
        line.strip_prefix(key)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A group tree with these files.
    fn tree(membership: &str, files: &[(&str, &str)]) -> (tempfile::TempDir, Cgroup) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let cgroup = Cgroup {
            mount: root.path().to_owned(),
            membership: membership.to_owned(),
        };
        (root, cgroup)
    }

    #[test]
    fn the_tightest_limit_above_the_process_counts_and_file_contents_do_not() {
        let (_root, cgroup) = tree(
            "0::/slice/service\n",
            &[
                ("slice/memory.max", "1000\n"),
                ("slice/memory.current", "900\n"),
                (
                    "slice/memory.stat",
                    "anon 500\ninactive_file 250\nactive_file 50\n",
                ),
                ("slice/service/memory.max", "max\n"),
                ("slice/service/memory.current", "800\n"),
            ],
        );
        let memory = cgroup.memory().unwrap();
        assert_eq!((memory.limit, memory.used, memory.left()), (1000, 600, 400));
    }

    #[test]
    fn version_1_inside_a_container_is_read_at_the_root() {
        let (_root, cgroup) = tree(
            "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/\n",
            &[
                ("memory/memory.limit_in_bytes", "5000\n"),
                ("memory/memory.usage_in_bytes", "2000\n"),
                (
                    "memory/memory.stat",
                    "total_inactive_file 400\ntotal_active_file 100\n",
                ),
                (
                    "cpu/cpu.stat",
                    "nr_periods 10\nnr_throttled 4\nthrottled_time 2500000\n",
                ),
            ],
        );
        assert_eq!(cgroup.memory().unwrap().left(), 3500);
        let throttling = cgroup.throttling().unwrap();
        assert_eq!((throttling.periods, throttling.throttled_periods), (10, 4));
        assert_eq!(throttling.throttled, Duration::from_micros(2500));
    }

    #[test]
    fn version_2_tells_how_often_the_quota_ran_out() {
        let stat = "usage_usec 9\nnr_periods 7\nnr_throttled 2\nthrottled_usec 30\n";
        let (_root, cgroup) = tree("0::/\n", &[("cpu.stat", stat)]);
        let throttling = cgroup.throttling().unwrap();
        assert_eq!((throttling.periods, throttling.throttled_periods), (7, 2));
        assert_eq!(throttling.throttled, Duration::from_micros(30));
    }

    #[test]
    fn the_tightest_quota_counts() {
        let (_root, cgroup) = tree(
            "0::/a/b\n",
            &[
                ("a/cpu.max", "150000 100000\n"),
                ("a/b/cpu.max", "max 100000\n"),
            ],
        );
        assert_eq!(cgroup.quota(), Some(1.5));
        let (_root, cgroup) = tree(
            "4:cpu,cpuacct:/\n",
            &[
                ("cpu/cpu.cfs_quota_us", "-1\n"),
                ("cpu/cpu.cfs_period_us", "100000\n"),
            ],
        );
        assert_eq!(cgroup.quota(), None);
    }

    #[test]
    fn no_limit_is_none() {
        let none = "9223372036854771712\n";
        let (_root, cgroup) = tree(
            "4:memory:/\n0::/\n",
            &[
                ("memory/memory.limit_in_bytes", none),
                ("memory/memory.usage_in_bytes", "7\n"),
                ("memory.max", "max\n"),
                ("memory.current", "7\n"),
                ("cpu.stat", "usage_usec 9\n"),
            ],
        );
        assert_eq!(cgroup.memory(), None);
        assert_eq!(cgroup.throttling(), None);
        let (_root, nothing) = tree("", &[]);
        assert_eq!(nothing.memory(), None);
    }
}
