//! Whether a machine runs the model as fast as it can: a finding for each thing that decides about it, with advice where
//! something could be better. In words of the reader's language; who prints them to a terminal takes English.

use std::time::Duration;

use crate::figures::{bytes, rate_of_bytes, rate_of_products};
use crate::language::Language;

mod memory;

/// A kind of CPU, by its own numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuKind {
    /// Family and model.
    X86(u32, u32),
    /// Who designed its cores, and which.
    Arm(u32, u32),
}

/// A machine, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// What its maker calls the CPU.
    pub cpu: Option<String>,
    /// What kind it is.
    pub kind: Option<CpuKind>,
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
    /// CPUs that this program may run on.
    pub cpus: Option<usize>,
    /// The cores that these are of.
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
    /// What carries that out.
    pub clock_driver: Option<String>,
    /// Bytes of memory that are left.
    pub memory: Option<u64>,
    /// The model that is asked first and the bytes of memory that it needs, where it is not there yet.
    pub needed: Option<(String, u64)>,
    /// The most bytes of memory that a container allows.
    pub memory_limit: Option<u64>,
    /// Bytes a second that the threads read.
    pub read: Option<f64>,
    /// Multiply-accumulates a second of the threads.
    pub multiplies: Option<f64>,
    /// When these two were measured, in milliseconds since 1970.
    pub measured: Option<i64>,
    /// How long that took.
    pub took: Option<Duration>,
}

/// One thing that decides about speed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub about: &'static str,
    /// What was found.
    pub found: String,
    /// What could be done, where something of this machine is left unused or held up.
    pub advice: Option<String>,
    /// What may be better on another machine, or by trying it out: this one does what it can.
    pub note: Option<String>,
}

impl Finding {
    fn new(about: &'static str, found: impl Into<String>, advice: Option<String>) -> Self {
        Self {
            about,
            found: found.into(),
            advice,
            note: None,
        }
    }

    fn noting(self, note: Option<String>) -> Self {
        Self { note, ..self }
    }
}

/// Memory is slow that gives less than this share of what such machines usually have: others on the same chip take some.
const SLOW_MEMORY: f64 = 0.5;

/// More CPUs than these that others keep busy are more than what a quiet system does.
pub const BUSY: f64 = 0.25;

/// Drivers whose CPUs set their clock by load also as `powersave`, which with any other holds it at its lowest (Linux,
/// `Documentation/admin-guide/pm/intel_pstate.rst` and `amd-pstate.rst`). Where they leave it to the system, they have other
/// names.
const DYNAMIC: [&str; 2] = ["intel_pstate", "amd-pstate-epp"];

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
        machine.governor.as_deref().map(|clock| {
            let driver = machine.clock_driver.as_deref();
            governor(t, clock, driver)
        }),
        machine
            .memory_limit
            .map(|limit| Finding::new(t.doctor_memory_limit(), bytes(limit), None)),
        machine.memory.map(|memory| left(t, machine, memory)),
        machine.read.map(|read| reading(t, machine, read)),
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
    let advice = runs.map(|runs| t.advice_other_kernel(runs));
    let note = faster.filter(|_| runs.is_none());
    let note = note.map(|faster| t.advice_better_cpu(faster));
    Finding::new(t.kernel(), machine.kernel.clone(), advice).noting(note)
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
        None
    };
    let shared = doubled.filter(|(_, cores)| threads > *cores && advice.is_none());
    let note = shared.map(|(_, cores)| t.advice_hyper_threads(cores));
    Finding::new(t.threads_used(), found, advice).noting(note)
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

fn governor(t: Language, governor: &str, driver: Option<&str>) -> Finding {
    let is_dynamic = driver.is_some_and(|driver| DYNAMIC.contains(&driver));
    let is_slow = governor == "powersave" && !is_dynamic;
    let advice = is_slow.then(|| t.advice_governor().to_owned());
    let found: Vec<_> = [governor].into_iter().chain(driver).collect();
    Finding::new(t.doctor_governor(), found.join(" · "), advice)
}

/// Beside what the model needs that is not there yet.
fn left(t: Language, machine: &Machine, memory: u64) -> Finding {
    let Some((model, needed)) = &machine.needed else {
        return Finding::new(t.doctor_memory(), bytes(memory), None);
    };
    let found = t.doctor_memory_needed(bytes(memory), model, bytes(*needed));
    let advice = (memory < *needed).then(|| t.advice_memory().to_owned());
    Finding::new(t.doctor_memory(), found, advice)
}

/// Beside what as many cores of such a CPU usually have.
fn reading(t: Language, machine: &Machine, read: f64) -> Finding {
    let cores = machine.cores.unwrap_or(machine.threads);
    let cores = machine.threads.min(cores);
    let usual = machine.kind.and_then(|kind| memory::usual(kind, cores));
    let found = rate_of_bytes(t, read);
    let found = match usual {
        Some(usual) => t.doctor_reading_of(found, rate_of_bytes(t, usual)),
        None => t.doctor_reading_unknown(found),
    };
    let is_slow = usual.is_some_and(|usual| read < SLOW_MEMORY * usual);
    let advice = is_slow.then(|| t.advice_reading().to_owned());
    Finding::new(t.doctor_reading(), found, advice)
}

#[cfg(test)]
mod tests;
