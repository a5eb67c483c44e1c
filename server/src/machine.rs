//! The machine as the pages and `nibble doctor` know it, from what the engine finds.

use nibble_app::doctor::{CpuKind, Machine};
use nibble_engine::available_memory;
use nibble_engine::bench::{self, Limits};
use nibble_engine::survey::{self, Survey};

/// The machine with a kernel and threads that compute on it; `limits` are those that were measured.
#[must_use]
pub fn machine(survey: Survey, kernel: String, threads: usize, limits: Option<Limits>) -> Machine {
    let throttling = survey
        .throttling
        .filter(|throttling| throttling.periods > 0);
    Machine {
        cpu: survey.cpu,
        kind: survey.kind.map(|kind| match kind {
            survey::CpuKind::X86(family, model) => CpuKind::X86(family, model),
            survey::CpuKind::Arm(by, part) => CpuKind::Arm(by, part),
        }),
        kernel,
        kernels: bench::kernels()
            .into_iter()
            .map(|kernel| (kernel.name.to_owned(), kernel.supported))
            .collect(),
        features: bench::cpu_features()
            .into_iter()
            .map(|(name, has)| (name.to_owned(), has))
            .collect(),
        threads,
        allowed: survey.allowed,
        cpus: survey.cpus,
        cores: survey.cores,
        quota: survey.quota,
        throttled: throttling
            .map(|throttling| throttling.throttled_periods as f64 / throttling.periods as f64),
        busy: survey.busy,
        huge_pages: survey.huge_pages,
        governor: survey.governor,
        clock_driver: survey.clock_driver,
        memory: available_memory(),
        needed: None,
        memory_limit: survey.memory_limit,
        read: limits.map(|limits| limits.read_bytes_per_second),
        multiplies: limits.and_then(|limits| limits.multiplies_per_second),
        measured: None,
        took: limits.map(|limits| limits.took),
    }
}
