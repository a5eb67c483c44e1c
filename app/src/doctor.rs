//! Whether a machine runs the model as fast as it can: a finding for each thing that decides about it, with advice where
//! something could be better. In words of the reader's language; who prints them to a terminal takes English.

use crate::figures::{bytes, rate_of_bytes, rate_of_products};
use crate::language::Language;

/// A machine, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// What its maker calls the CPU.
    pub cpu: Option<String>,
    /// The kernel in use.
    pub kernel: String,
    /// All kernels of this kind of CPU, slowest first, and whether it runs them.
    pub kernels: Vec<(String, bool)>,
    /// Features that kernels use or could use, and whether the CPU has them.
    pub features: Vec<(String, bool)>,
    /// Threads that compute.
    pub threads: usize,
    /// Threads that this program may keep busy.
    pub allowed: usize,
    /// CPUs of the system, and the cores that they are of.
    pub cpus: Option<usize>,
    /// Cores of the system.
    pub cores: Option<usize>,
    /// CPUs that a quota allows.
    pub quota: Option<f64>,
    /// Share of its periods, from 0 to 1, in which the quota ran out.
    pub throttled: Option<f64>,
    /// CPUs that others kept busy.
    pub busy: Option<f64>,
    /// Whether huge pages are given: `always`, `madvise` or `never`.
    pub huge_pages: Option<String>,
    /// How the clock of the CPUs is set.
    pub governor: Option<String>,
    /// Bytes of memory that are left.
    pub memory: Option<u64>,
    /// Bytes a second that the threads read.
    pub read: Option<f64>,
    /// Multiply-accumulates a second of the threads.
    pub multiplies: Option<f64>,
    /// When these two were measured, in milliseconds since 1970.
    pub measured: Option<i64>,
}

/// One thing that decides about speed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub about: &'static str,
    /// What was found.
    pub found: String,
    /// What could be done, where something could be better.
    pub advice: Option<String>,
}

impl Finding {
    fn new(about: &'static str, found: impl Into<String>, advice: Option<String>) -> Self {
        Self {
            about,
            found: found.into(),
            advice,
        }
    }
}

/// Fewer bytes a second are less than one channel of memory gives.
const SLOW_MEMORY: f64 = 10e9;

/// More CPUs than these that others keep busy are more than what a quiet system does.
const BUSY: f64 = 0.25;

/// Less memory than this is not enough for more than the smallest models.
const LITTLE_MEMORY: u64 = 1_000_000_000;

/// What is found at a machine; nothing of what is not known of it.
#[must_use]
pub fn findings(t: Language, machine: &Machine) -> Vec<Finding> {
    let cpu = machine.cpu.clone();
    let all = [
        cpu.map(|cpu| Finding::new(t.doctor_cpu(), cpu, None)),
        Some(kernel(t, machine)),
        Some(threads(t, machine)),
        machine.quota.map(|quota| limit(t, machine, quota)),
        machine.busy.map(|busy| load(t, busy)),
        machine.huge_pages.as_deref().map(|pages| huge(t, pages)),
        machine.governor.as_deref().map(|clock| governor(t, clock)),
        machine.memory.map(|memory| left(t, memory)),
        machine.read.map(|read| reading(t, read)),
        machine
            .multiplies
            .map(|rate| Finding::new(t.doctor_multiplies(), rate_of_products(t, rate), None)),
    ];
    all.into_iter().flatten().collect()
}

fn kernel(t: Language, machine: &Machine) -> Finding {
    let fastest = machine.kernels.iter().rev();
    let (mut faster, mut runs) = (None, None);
    for (name, supported) in fastest.take_while(|(name, _)| *name != machine.kernel) {
        match supported {
            true => runs = runs.or(Some(name)),
            false => faster = faster.or(Some(name)),
        }
    }
    let advice = match (runs, faster) {
        (Some(runs), _) => Some(t.advice_other_kernel(runs)),
        (None, Some(faster)) => Some(t.advice_better_cpu(faster)),
        (None, None) => None,
    };
    Finding::new(t.kernel(), machine.kernel.clone(), advice)
}

fn threads(t: Language, machine: &Machine) -> Finding {
    let Machine {
        threads,
        allowed,
        cpus,
        cores,
        ..
    } = *machine;
    let of_cores = cpus.zip(cores);
    let found = match of_cores {
        Some((cpus, cores)) => t.doctor_threads_of(threads, cores, cpus),
        None => t.threads(threads),
    };
    let doubled = of_cores.filter(|(cpus, cores)| cpus > cores);
    let advice = if threads > allowed {
        Some(t.advice_fewer_threads(allowed))
    } else if threads < allowed && doubled.is_none_or(|(_, cores)| threads < cores) {
        let fits = doubled.map_or(allowed, |(_, cores)| allowed.min(cores));
        Some(t.advice_more_threads(fits))
    } else {
        let shared = doubled.filter(|(_, cores)| threads > *cores);
        shared.map(|(_, cores)| t.advice_hyper_threads(cores))
    };
    Finding::new(t.threads_used(), found, advice)
}

fn limit(t: Language, machine: &Machine, quota: f64) -> Finding {
    let quota_text = format!("{quota:.1}");
    let throttled = machine.throttled.filter(|share| *share > 0.01);
    let found = match throttled {
        Some(share) => t.doctor_throttled(&quota_text, format!("{:.0}", share * 100.0)),
        None => t.doctor_quota(&quota_text),
    };
    let tight = machine.threads as f64 > quota || throttled.is_some();
    Finding::new(
        t.doctor_limit(),
        found,
        tight.then(|| t.advice_quota().to_owned()),
    )
}

fn load(t: Language, busy: f64) -> Finding {
    let found = t.doctor_busy(format!("{busy:.1}"));
    let advice = (busy > BUSY).then(|| t.advice_busy().to_owned());
    Finding::new(t.doctor_load(), found, advice)
}

fn huge(t: Language, pages: &str) -> Finding {
    let advice = (pages == "never").then(|| t.advice_huge_pages().to_owned());
    Finding::new(t.doctor_huge_pages(), pages, advice)
}

fn governor(t: Language, governor: &str) -> Finding {
    let advice = (governor == "powersave").then(|| t.advice_governor().to_owned());
    Finding::new(t.doctor_governor(), governor, advice)
}

fn left(t: Language, memory: u64) -> Finding {
    let advice = (memory < LITTLE_MEMORY).then(|| t.advice_memory().to_owned());
    Finding::new(t.doctor_memory(), bytes(memory), advice)
}

fn reading(t: Language, read: f64) -> Finding {
    let advice = (read < SLOW_MEMORY).then(|| t.advice_reading().to_owned());
    Finding::new(t.doctor_reading(), rate_of_bytes(t, read), advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Machine {
        Machine {
            cpu: Some("AMD EPYC".to_owned()),
            kernel: "avx512_vnni".to_owned(),
            kernels: ["scalar", "avx2", "avx512_vnni"]
                .map(|name| (name.to_owned(), true))
                .into(),
            features: Vec::new(),
            threads: 4,
            allowed: 4,
            cpus: Some(4),
            cores: Some(4),
            quota: None,
            throttled: None,
            busy: Some(0.02),
            huge_pages: Some("madvise".to_owned()),
            governor: None,
            memory: Some(8_000_000_000),
            read: Some(40e9),
            multiplies: Some(1e12),
            measured: None,
        }
    }

    fn advice(machine: &Machine) -> Vec<String> {
        let findings = findings(Language::English, machine);
        let advice = findings.into_iter().filter_map(|finding| finding.advice);
        advice.collect()
    }

    #[test]
    fn a_machine_that_does_all_it_can_gets_no_advice() {
        assert_eq!(advice(&good()), Vec::<String>::new());
        assert_eq!(findings(Language::English, &good()).len(), 8);
    }

    #[test]
    fn each_thing_that_slows_it_is_advised_on() {
        for (change, word) in [
            (
                (|machine| machine.kernels[2].1 = false) as fn(&mut Machine),
                "",
            ),
            (|machine| machine.kernel = "avx2".to_owned(), "avx512_vnni"),
            (|machine| machine.threads = 8, "--threads 4"),
            (|machine| machine.threads = 2, "--threads 4"),
            (|machine| machine.cores = Some(2), "--threads 2"),
            (|machine| machine.quota = Some(2.5), "limit"),
            (
                |machine| {
                    machine.quota = Some(8.0);
                    machine.throttled = Some(0.3);
                },
                "limit",
            ),
            (|machine| machine.busy = Some(1.5), "else"),
            (
                |machine| machine.huge_pages = Some("never".to_owned()),
                "transparent_hugepage",
            ),
            (
                |machine| machine.governor = Some("powersave".to_owned()),
                "performance",
            ),
            (|machine| machine.memory = Some(5_000), "memory"),
            (|machine| machine.read = Some(4e9), "memory"),
        ] {
            let mut machine = good();
            change(&mut machine);
            let advice = advice(&machine);
            match word {
                "" => assert!(advice.is_empty(), "{advice:?}"),
                word => {
                    assert_eq!(advice.len(), 1, "{advice:?}");
                    assert!(advice[0].contains(word), "{advice:?}");
                }
            }
        }
    }

    #[test]
    fn a_kernel_that_the_cpu_lacks_is_named() {
        let mut machine = good();
        machine.kernel = "avx2".to_owned();
        machine.kernels[2].1 = false;
        assert!(advice(&machine)[0].contains("`avx512_vnni`"));
    }

    #[test]
    fn what_is_not_known_is_not_found() {
        let findings = findings(Language::English, &Machine::default());
        let about: Vec<_> = findings.iter().map(|finding| finding.about).collect();
        assert_eq!(about, ["Kernel", "Threads"]);
    }
}
