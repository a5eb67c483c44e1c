//! What the system says of the machine: its CPU, how many of it there are, how busy they are, and how it hands out memory.
//!
//! All of it is read from `/proc` and `/sys`. What does not stand there is absent.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::cgroup::{Cgroup, Throttling};
use super::threads::available;

/// For how long it is watched how busy the CPUs are.
const WATCHED: Duration = Duration::from_millis(300);

/// A machine as this program finds it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// What the maker calls the CPU.
    pub cpu: Option<String>,
    /// By which numbers the CPU tells what kind it is.
    pub kind: Option<CpuKind>,
    /// CPUs that this process may run on, by its affinity; two threads of a core count as two.
    pub cpus: Option<usize>,
    /// The cores that these are of.
    pub cores: Option<usize>,
    /// Threads that this process may keep busy, by its affinity and whole CPUs of a quota.
    pub allowed: usize,
    /// CPUs that a quota allows.
    pub quota: Option<f64>,
    /// CPUs that were busy while nothing was asked of this process.
    pub busy: Option<f64>,
    /// Whether the system gives huge pages to who asks: `always`, `madvise` or `never`.
    pub huge_pages: Option<String>,
    /// How the system sets the clock of the CPUs, where it does.
    pub governor: Option<String>,
    /// What carries that out, such as `acpi-cpufreq`: the same word means another thing to another.
    pub clock_driver: Option<String>,
    /// How often a quota ran out since the control group began.
    pub throttling: Option<Throttling>,
    /// The most bytes of memory that a control group allows.
    pub memory_limit: Option<u64>,
}

/// A kind of CPU, by its own numbers: clouds hide its name, and Arm's have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuKind {
    /// Family and model, each as Linux writes it, of Intel (which has family 6) and AMD.
    X86(u32, u32),
    /// Who designed its cores, and which.
    Arm(u32, u32),
}

impl Survey {
    /// Looks at the running machine, which takes 0.3 s.
    #[must_use]
    pub fn take() -> Self {
        Self {
            busy: busy(Path::new("/proc/stat"), WATCHED),
            ..Self::at_once()
        }
    }

    /// The same without how busy its CPUs are, for which nothing is waited.
    #[must_use]
    pub fn at_once() -> Self {
        let cgroup = Cgroup::of_this_process();
        Self {
            allowed: available(),
            quota: cgroup.quota(),
            throttling: cgroup.throttling(),
            memory_limit: cgroup.memory().map(|memory| memory.limit),
            ..Self::read(Path::new("/"))
        }
    }

    /// What stands in the files below a root.
    fn read(root: &Path) -> Self {
        let text = |path: &str| fs::read_to_string(root.join(path)).ok();
        let may_run_on = text("proc/self/status").and_then(|status| {
            let list = entry(&status, "Cpus_allowed_list")?;
            listed(list)
        });
        let mut cpus = cpus(&root.join("sys/devices/system/cpu"));
        if let Some(may_run_on) = may_run_on {
            cpus.retain(|cpu| number(cpu).is_some_and(|cpu| may_run_on.contains(&cpu)));
        }
        let siblings = cpus.iter().filter_map(|cpu| {
            let siblings = fs::read_to_string(cpu.join("topology/thread_siblings_list"));
            Some(siblings.ok()?.trim().to_owned())
        });
        let cores: BTreeSet<_> = siblings.collect();
        let cpuinfo = text("proc/cpuinfo").unwrap_or_default();
        let pages = text("sys/kernel/mm/transparent_hugepage/enabled");
        let clock = |name: &str| {
            text(&format!(
                "sys/devices/system/cpu/cpu0/cpufreq/scaling_{name}"
            ))
        };
        let [governor, driver] = ["governor", "driver"].map(clock);
        let word = |text: Option<String>| text.map(|text| text.trim().to_owned());
        Self {
            cpu: named(&cpuinfo),
            kind: kind(&cpuinfo),
            cpus: (!cpus.is_empty()).then_some(cpus.len()),
            cores: (!cores.is_empty()).then_some(cores.len()),
            huge_pages: pages.and_then(|pages| chosen(&pages)),
            governor: word(governor),
            clock_driver: word(driver),
            ..Self::default()
        }
    }
}

/// The folders of the CPUs that are online.
fn cpus(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let cpus = entries
        .map(|entry| entry.path())
        .filter(|path| number(path).is_some() && path.join("topology").is_dir());
    cpus.collect()
}

/// The number of the CPU of a folder.
fn number(folder: &Path) -> Option<usize> {
    let name = folder.file_name()?.to_str()?;
    name.strip_prefix("cpu")?.parse().ok()
}

/// The numbers of a list such as `0-3,8`.
fn listed(list: &str) -> Option<BTreeSet<usize>> {
    /// No system has more CPUs.
    const MOST: usize = 1 << 16;
    let mut numbers = BTreeSet::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: usize = first.trim().parse().ok()?;
        let last: usize = last.trim().parse().ok()?;
        if last >= MOST {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

/// The name in `/proc/cpuinfo`; Arm's CPUs have none there, and those of servers are known by their numbers.
fn named(cpuinfo: &str) -> Option<String> {
    let written = entry(cpuinfo, "model name").map(str::to_owned);
    let written = written.filter(|name| !name.is_empty());
    written.or_else(|| {
        let name = match kind(cpuinfo)? {
            CpuKind::Arm(0x41, 0xd0c) => "Arm Neoverse N1",
            CpuKind::Arm(0x41, 0xd40) => "Arm Neoverse V1",
            CpuKind::Arm(0x41, 0xd49) => "Arm Neoverse N2",
            CpuKind::Arm(0x41, 0xd4f) => "Arm Neoverse V2",
            _ => return None,
        };
        Some(name.to_owned())
    })
}

fn kind(cpuinfo: &str) -> Option<CpuKind> {
    let decimal = |name| entry(cpuinfo, name)?.parse().ok();
    let hexadecimal = |name| {
        let digits = entry(cpuinfo, name)?.strip_prefix("0x")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let x86 = decimal("cpu family").zip(decimal("model"));
    let arm = || hexadecimal("CPU implementer").zip(hexadecimal("CPU part"));
    let x86 = x86.map(|(family, model)| CpuKind::X86(family, model));
    x86.or_else(|| arm().map(|(by, part)| CpuKind::Arm(by, part)))
}

/// What stands behind the first line of this name.
fn entry<'a>(cpuinfo: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(found, _)| found.trim() == name)?;
    Some(value.trim())
}

/// The word between brackets.
fn chosen(choices: &str) -> Option<String> {
    let (_, rest) = choices.split_once('[')?;
    let (word, _) = rest.split_once(']')?;
    Some(word.to_owned())
}

/// How many CPUs were busy while it was waited.
fn busy(stat: &Path, wait: Duration) -> Option<f64> {
    let before = ticks(&fs::read_to_string(stat).ok()?)?;
    thread::sleep(wait);
    busy_between(before, &fs::read_to_string(stat).ok()?)
}

fn busy_between((busy, all): (u64, u64), stat: &str) -> Option<f64> {
    let cpus = stat.lines().filter(|line| {
        let number = line
            .strip_prefix("cpu")
            .and_then(|rest| rest.chars().next());
        number.is_some_and(|first| first.is_ascii_digit())
    });
    let (now_busy, now_all) = ticks(stat)?;
    let passed = now_all.checked_sub(all).filter(|passed| *passed > 0)?;
    let share = now_busy.saturating_sub(busy) as f64 / passed as f64;
    Some(share * cpus.count() as f64)
}

/// Ticks of all CPUs that were busy, and all of them.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .map(|ticks| ticks.parse().unwrap_or(0))
        .collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; what follows is in `user` already.
    let all: u64 = ticks.iter().take(8).sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    (ticks.len() >= 5).then_some((all - idle, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_read_from_its_files() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "proc/cpuinfo",
            "processor\t: 0\nmodel name\t: AMD EPYC 9R14\n",
        );
        for (cpu, siblings) in [(0, "0-1"), (1, "0-1"), (2, "2-3"), (3, "2-3")] {
            let path = format!("sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
            write(&path, &format!("{siblings}\n"));
        }
        write("sys/devices/system/cpu/cpufreq/boost", "1");
        write(
            "sys/kernel/mm/transparent_hugepage/enabled",
            "always [madvise] never\n",
        );
        write(
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
            "powersave\n",
        );
        write(
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_driver",
            "intel_pstate\n",
        );
        let survey = Survey::read(root.path());
        assert_eq!(survey.cpu.as_deref(), Some("AMD EPYC 9R14"));
        assert_eq!((survey.cpus, survey.cores), (Some(4), Some(2)));
        assert_eq!(survey.huge_pages.as_deref(), Some("madvise"));
        assert_eq!(survey.governor.as_deref(), Some("powersave"));
        assert_eq!(survey.clock_driver.as_deref(), Some("intel_pstate"));
        // Two threads of one core, as `taskset -c 2,3` gives.
        write(
            "proc/self/status",
            "Name:\tnibble\nCpus_allowed_list:\t2-3\n",
        );
        let bound = Survey::read(root.path());
        assert_eq!((bound.cpus, bound.cores), (Some(2), Some(1)));
        write("proc/self/status", "Cpus_allowed_list:\t0,3\n");
        let bound = Survey::read(root.path());
        assert_eq!((bound.cpus, bound.cores), (Some(2), Some(2)));
        let nothing = Survey::read(&root.path().join("nothing"));
        assert_eq!(nothing, Survey::default());
    }

    #[test]
    fn a_list_of_cpus_is_read_with_its_ranges() {
        let numbers = |list| listed(list).map(|numbers| numbers.into_iter().collect::<Vec<_>>());
        assert_eq!(numbers("0-2,8"), Some(vec![0, 1, 2, 8]));
        assert_eq!(numbers("5"), Some(vec![5]));
        for wrong in ["", "a", "1-", "0-99999999999", "0-70000"] {
            assert_eq!(numbers(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn cpus_are_known_by_their_numbers() {
        let x86 = "cpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n";
        assert_eq!(kind(x86), Some(CpuKind::X86(25, 17)));
        assert_eq!(named(x86).as_deref(), Some("AMD EPYC"));
        let arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd4f\n";
        assert_eq!(kind(arm), Some(CpuKind::Arm(0x41, 0xd4f)));
        assert_eq!(named(arm).as_deref(), Some("Arm Neoverse V2"));
        let other = "CPU implementer\t: 0x61\nCPU part\t: 0x022\n";
        assert_eq!(named(other), None);
        assert_eq!((kind(""), kind("model: x\n")), (None, None));
    }

    #[test]
    fn busy_cpus_are_those_that_were_not_idle_meanwhile() {
        let before = "cpu  100 0 100 1000 0 0 0 0 5 5\ncpu0 1\ncpu1 1\nintr 5\n";
        let after = "cpu  150 0 100 1030 20 0 0 0 5 5\ncpu0 1\ncpu1 1\nintr 5\n";
        assert_eq!(busy_between(ticks(before).unwrap(), after), Some(1.0));
        assert_eq!(busy_between(ticks(before).unwrap(), before), None);
        assert_eq!(ticks("cpu  1 2\n"), None);
        assert_eq!(ticks(""), None);
    }

    #[test]
    fn the_running_machine_has_threads() {
        assert!(Survey::take().allowed >= 1);
    }
}
