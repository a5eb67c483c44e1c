//! How much memory bandwidth the cores of server CPUs usually have: an equal part of what all channels of their socket move
//! at best, which is what a cloud lets an instance count on. As of November 2026.
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
    cores: u32,
}

/// That of a kind of CPU, where it is known.
fn socket(kind: CpuKind) -> Option<Socket> {
    let (channels, clock, cores) = match kind {
        // Broadwell; Skylake and Cascade Lake; Ice Lake; Sapphire Rapids; Emerald Rapids; Granite Rapids.
        CpuKind::X86(6, 79) => (4, 2400, 22),
        CpuKind::X86(6, 85) => (6, 2666, 28),
        CpuKind::X86(6, 106) => (8, 3200, 40),
        CpuKind::X86(6, 143) => (8, 4800, 60),
        CpuKind::X86(6, 207) => (8, 5600, 64),
        CpuKind::X86(6, 173) => (12, 6400, 128),
        // Naples; Rome and Milan; Genoa; Bergamo; Turin with large cores, and with small ones.
        CpuKind::X86(23, 1) => (8, 2666, 32),
        CpuKind::X86(23, 49) | CpuKind::X86(25, 1) => (8, 3200, 64),
        CpuKind::X86(25, 17) => (12, 4800, 96),
        CpuKind::X86(25, 160) => (12, 4800, 128),
        CpuKind::X86(26, 2) => (12, 6000, 128),
        CpuKind::X86(26, 17) => (12, 6000, 192),
        // Neoverse N1, V1 and V2.
        CpuKind::Arm(0x41, 0xd0c) => (8, 3200, 64),
        CpuKind::Arm(0x41, 0xd40) => (8, 4800, 64),
        CpuKind::Arm(0x41, 0xd4f) => (12, 5600, 96),
        _ => return None,
    };
    Some(Socket {
        channels,
        clock,
        cores,
    })
}

/// Bytes a second that so many cores of a kind of CPU usually have.
pub(super) fn usual(kind: CpuKind, cores: usize) -> Option<f64> {
    let socket = socket(kind)?;
    let all = f64::from(socket.channels) * f64::from(socket.clock) * 1e6 * 8.0;
    #[allow(clippy::cast_precision_loss, reason = "few")]
    let part = cores as f64 / f64::from(socket.cores);
    Some(all * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_socket_has_that_part_of_its_memory() {
        let gigabytes = |kind, cores| usual(kind, cores).map(|rate| (rate / 1e8).round() / 10.0);
        assert_eq!(gigabytes(CpuKind::Arm(0x41, 0xd4f), 96), Some(537.6));
        assert_eq!(gigabytes(CpuKind::Arm(0x41, 0xd40), 4), Some(19.2));
        assert_eq!(gigabytes(CpuKind::X86(25, 17), 2), Some(9.6));
        assert_eq!(gigabytes(CpuKind::X86(6, 143), 60), Some(307.2));
        assert_eq!(gigabytes(CpuKind::X86(6, 1), 4), None);
    }
}
