//! How much memory bandwidth the cores of server CPUs usually have: what so many of them read by themselves, up to what all
//! channels of their socket move at best. An equal part of the channels is no measure of few cores: two of 64 read several
//! times theirs, since the others rarely read at once. As of December 2026.
//!
//! A core reads no more than the lines that it may have on the way at a time, in the latency of memory: some 12 GB/s on
//! Intel's Xeons, whose meshes are slow, and 20 to 30 GB/s on AMD's and Arm's. The table has less, for slower clocks and
//! memory than those of the largest parts. The cores of a chip of AMD's share its link to memory, 32 bytes a cycle of the
//! fabric, of which some 42 GB/s arrive up to Milan and above 50 since Genoa: two cores on one chip of Zen 4 read 35 GB/s,
//! on two chips 60 GB/s (`engine/benches/RESULTS.md`).
//!
//! Channels, their clock and the cores of the largest part of a generation are those of Intel's product specifications
//! (ark.intel.com: Xeon Platinum 8180, 8380, 8490H, 8592+, 6980P; Xeon E5-2699 v4), AMD's (amd.com, "Server processor
//! specifications": EPYC 7601, 7742, 7763, 9654, 9754, 9755, 9965) and, for Arm, those of AWS Graviton2, 3 and 4 (the user guide
//! "AWS Graviton Technical Guide", github.com/aws/aws-graviton-getting-started). A channel moves eight bytes at a time.

use super::CpuKind;

/// What the memory of a socket is.
struct Socket {
    channels: u32,
    /// Millions of transfers a second.
    clock: u32,
    cores: usize,
    /// Gigabytes a second that one core reads at least, where nothing else does.
    core: u32,
    /// Cores of a chip that share a link to memory, and gigabytes a second of it.
    chip: Option<(usize, u32)>,
}

/// That of a kind of CPU, where it is known.
fn socket(kind: CpuKind) -> Option<Socket> {
    let (channels, clock, cores, core, chip) = match kind {
        // Broadwell; Skylake and Cascade Lake; Ice Lake; Sapphire Rapids; Emerald Rapids; Granite Rapids.
        CpuKind::X86(6, 79) => (4, 2400, 22, 10, None),
        CpuKind::X86(6, 85) => (6, 2666, 28, 10, None),
        CpuKind::X86(6, 106) => (8, 3200, 40, 10, None),
        CpuKind::X86(6, 143) => (8, 4800, 60, 12, None),
        CpuKind::X86(6, 207) => (8, 5600, 64, 12, None),
        CpuKind::X86(6, 173) => (12, 6400, 128, 12, None),
        // Naples; Rome and Milan; Genoa; Bergamo; Turin with large cores, and with small ones.
        CpuKind::X86(23, 1) => (8, 2666, 32, 15, Some((8, 40))),
        CpuKind::X86(23, 49) | CpuKind::X86(25, 1) => (8, 3200, 64, 15, Some((8, 40))),
        CpuKind::X86(25, 17) => (12, 4800, 96, 15, Some((8, 50))),
        CpuKind::X86(25, 160) => (12, 4800, 128, 15, Some((16, 50))),
        CpuKind::X86(26, 2) => (12, 6000, 128, 15, Some((8, 50))),
        CpuKind::X86(26, 17) => (12, 6000, 192, 15, Some((16, 50))),
        // Neoverse N1, V1 and V2.
        CpuKind::Arm(0x41, 0xd0c) => (8, 3200, 64, 15, None),
        CpuKind::Arm(0x41, 0xd40) => (8, 4800, 64, 15, None),
        CpuKind::Arm(0x41, 0xd4f) => (12, 5600, 96, 15, None),
        _ => return None,
    };
    Some(Socket {
        channels,
        clock,
        cores,
        core,
        chip,
    })
}

/// Bytes a second that so many cores of a kind of CPU usually have, on as few chips and sockets as hold them.
pub(super) fn usual(kind: CpuKind, cores: usize) -> Option<f64> {
    let socket = socket(kind)?;
    let gigabytes = |count: usize, each: u32| count as f64 * f64::from(each) * 1e9;
    let by_cores = gigabytes(cores, socket.core);
    let by_chips = socket
        .chip
        .map(|(of, each)| gigabytes(cores.div_ceil(of), each));
    let channels = f64::from(socket.channels) * f64::from(socket.clock) * 1e6 * 8.0;
    let by_sockets = cores.div_ceil(socket.cores) as f64 * channels;
    Some(
        by_cores
            .min(by_chips.unwrap_or(f64::INFINITY))
            .min(by_sockets),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_cores_have_what_they_can_read_and_many_what_their_sockets_move() {
        let gigabytes = |kind, cores| usual(kind, cores).map(|rate| (rate / 1e8).round() / 10.0);
        for (kind, cores, usual) in [
            (CpuKind::X86(25, 1), 1, 15.0),
            (CpuKind::X86(25, 1), 2, 30.0),
            // They share the link of a chip.
            (CpuKind::X86(25, 1), 8, 40.0),
            (CpuKind::X86(25, 1), 16, 80.0),
            (CpuKind::X86(25, 1), 64, 204.8),
            (CpuKind::X86(25, 17), 96, 460.8),
            (CpuKind::X86(25, 17), 192, 921.6),
            (CpuKind::X86(6, 143), 2, 24.0),
            (CpuKind::X86(6, 143), 60, 307.2),
            (CpuKind::Arm(0x41, 0xd40), 4, 60.0),
            (CpuKind::Arm(0x41, 0xd4f), 96, 537.6),
        ] {
            assert_eq!(gigabytes(kind, cores), Some(usual), "{kind:?} {cores}");
        }
        assert_eq!(gigabytes(CpuKind::X86(6, 1), 4), None);
    }
}
