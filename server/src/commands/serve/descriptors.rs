//! How many files and connections the system lets this program have open.

/// For what is not a connection: files of models, the queue of events, pipes, and what comes and goes.
const FOR_FILES: usize = 128;
/// The fewest connections, however few descriptors there are.
const FEWEST: usize = 16;

/// Raises the soft limit to the hard one; how many connections of those that are wanted there can be then.
pub(super) fn connections(wanted: usize) -> usize {
    match raised() {
        Some(descriptors) => within(wanted, descriptors),
        None => wanted,
    }
}

fn within(wanted: usize, descriptors: usize) -> usize {
    let most = descriptors.saturating_sub(FOR_FILES).max(FEWEST);
    if most < wanted {
        tracing::warn!(
            "`--connections` is lowered from {wanted} to {most}: the system gives {descriptors} file descriptors, \
             `{FOR_FILES}` of which are for files"
        );
    }
    wanted.min(most)
}

#[cfg(target_os = "linux")]
fn raised() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let all = Rlimit {
            current: maximum,
            maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, all) {
            tracing::debug!(%error, "the soft limit of file descriptors stays");
        }
    }
    let limit = getrlimit(Resource::Nofile).current?;
    usize::try_from(limit).ok()
}

#[cfg(not(target_os = "linux"))]
fn raised() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_files() {
        assert_eq!(within(1024, 20_000), 1024);
        assert_eq!(within(1024, 1024), 1024 - FOR_FILES);
        assert_eq!(within(8, 1024), 8);
        assert_eq!(within(1024, 100), FEWEST);
    }
}
