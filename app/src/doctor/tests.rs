use super::*;

fn good() -> Machine {
    Machine {
        cpu: Some("AMD EPYC".to_owned()),
        kind: Some(CpuKind::X86(25, 17)),
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
        clock_driver: None,
        memory: Some(8_000_000_000),
        needed: None,
        memory_limit: None,
        read: Some(40e9),
        multiplies: Some(1e12),
        measured: None,
        took: None,
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
        (|machine| machine.cores = Some(2), ""),
        (
            |machine| {
                machine.memory = Some(600_000_000);
                machine.needed = Some(("smollm2".to_owned(), 450_000_000));
            },
            "",
        ),
        (|machine| machine.kernel = "avx2".to_owned(), "avx512_vnni"),
        (|machine| machine.threads = 8, "--threads 4"),
        (|machine| machine.threads = 2, "--threads 4"),
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
        (
            |machine| {
                machine.governor = Some("powersave".to_owned());
                machine.clock_driver = Some("acpi-cpufreq".to_owned());
            },
            "performance",
        ),
        (
            |machine| {
                machine.governor = Some("powersave".to_owned());
                machine.clock_driver = Some("intel_pstate".to_owned());
            },
            "",
        ),
        (
            |machine| {
                machine.governor = Some("powersave".to_owned());
                machine.clock_driver = Some("amd-pstate-epp".to_owned());
            },
            "",
        ),
        (
            |machine| {
                machine.memory = Some(5_000_000_000);
                machine.needed = Some(("llama3.1".to_owned(), 6_000_000_000));
            },
            "memory",
        ),
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
fn memory_is_held_against_what_such_machines_have() {
    let reading = |change: fn(&mut Machine)| {
        let mut machine = good();
        change(&mut machine);
        let findings = findings(Language::English, &machine);
        let found = findings.into_iter();
        let mut found = found.filter(|finding| finding.about == "Reading memory");
        let found = found.next().unwrap();
        (found.found, found.advice.is_some())
    };
    // Four cores on one chip.
    let told = "40.0 GB/s; as many cores of such a CPU usually have 50.0 GB/s";
    assert_eq!(reading(|_| {}), (told.to_owned(), false));
    assert!(!reading(|machine| machine.read = Some(25.1e9)).1);
    assert!(reading(|machine| machine.read = Some(24.9e9)).1);
    // What is slow for many cores is not for few.
    let few = |machine: &mut Machine| {
        (machine.read, machine.threads) = (Some(24.9e9), 2);
    };
    assert!(!reading(few).1);
    // Two cores of Zen 3 that have more than their equal part of the socket, and little for all that.
    let slow = |machine: &mut Machine| {
        (machine.kind, machine.cores) = (Some(CpuKind::X86(25, 1)), Some(2));
        machine.read = Some(14.9e9);
    };
    let told = "14.9 GB/s; as many cores of such a CPU usually have 30.0 GB/s";
    assert_eq!(reading(slow), (told.to_owned(), true));
    let quick = |machine: &mut Machine| {
        (machine.kind, machine.cores) = (Some(CpuKind::X86(25, 1)), Some(2));
        machine.read = Some(15.1e9);
    };
    assert!(!reading(quick).1);
    let unknown = |machine: &mut Machine| {
        (machine.read, machine.kind) = (Some(1e9), None);
    };
    let told = "1.00 GB/s; what such machines usually have is not known";
    assert_eq!(reading(unknown), (told.to_owned(), false));
}

#[test]
fn a_limit_of_the_container_is_told() {
    let mut machine = good();
    machine.memory_limit = Some(4_000_000_000);
    let findings = findings(Language::English, &machine);
    let found = findings
        .iter()
        .find(|finding| finding.about == "Limit of memory");
    assert_eq!(found.unwrap().found, "4.00 GB");
}

/// What is noted of a machine that does all it can.
fn notes(change: fn(&mut Machine)) -> Vec<String> {
    let mut machine = good();
    change(&mut machine);
    assert_eq!(advice(&machine), Vec::<String>::new());
    let findings = findings(Language::English, &machine).into_iter();
    findings.filter_map(|finding| finding.note).collect()
}

#[test]
fn what_no_option_changes_is_noted_and_no_fault() {
    assert_eq!(notes(|_| ()), Vec::<String>::new());
    let lacking = notes(|machine| {
        machine.kernel = "avx2".to_owned();
        machine.kernels[2].1 = false;
    });
    assert!(lacking[0].contains("`avx512_vnni`"), "{lacking:?}");
    let doubled = notes(|machine| machine.cores = Some(2));
    assert!(doubled[0].contains("--threads 2"), "{doubled:?}");
    // Two threads of one core, as `taskset -c 0,32` gives.
    let siblings = notes(|machine| {
        (machine.threads, machine.allowed) = (2, 2);
        (machine.cpus, machine.cores) = (Some(2), Some(1));
    });
    assert!(siblings[0].contains("--threads 1"), "{siblings:?}");
    let of_cores = notes(|machine| {
        machine.threads = 2;
        (machine.cpus, machine.cores) = (Some(4), Some(2));
    });
    assert_eq!(of_cores, Vec::<String>::new());
}

#[test]
fn what_is_not_known_is_not_found() {
    let findings = findings(Language::English, &Machine::default());
    let about: Vec<_> = findings.iter().map(|finding| finding.about).collect();
    assert_eq!(about, ["Kernel", "Threads"]);
}
