//! What the machine can do at best, as it was measured last. It is kept in a file, with the day and with what it was measured
//! on, so that it outlives the program; what another machine left there is not told of this one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use nibble_engine::available_memory;
use nibble_engine::bench::{self, Limits};
use nibble_engine::survey::Survey;
use serde::{Deserialize, Serialize};

use super::ChatService;
use crate::store::now;

/// They are measured again after so long.
const MEASURED_FOR: i64 = 60_000;

/// Bytes that are read to measure memory: more than caches hold, and a small part of what is left.
const BYTES: u64 = 256 << 20;

/// The most records that a file keeps: one for each kind of machine, kernel and number of threads.
const KEPT: usize = 32;

/// Why limits are not measured.
#[derive(Debug)]
pub(crate) enum Refused {
    /// They were a moment ago, or are now.
    Fresh,
    /// Answers or a comparison are computed, or a model is fetched, or began to be meanwhile.
    Busy,
    /// It could not be done, for this reason.
    Failed(String),
}

/// What limits are those of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Of {
    cpu: String,
    cpus: usize,
    kernel: String,
    threads: usize,
}

/// Limits, and when they were measured, in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    of: Of,
    measured: i64,
    read_bytes_per_second: f64,
    multiplies_per_second: Option<f64>,
    took_ms: u64,
}

/// The limits that were measured.
#[derive(Default)]
pub(super) struct Measured {
    turn: tokio::sync::Mutex<()>,
    all: Mutex<Vec<Kept>>,
    file: OnceLock<PathBuf>,
}

impl Measured {
    /// From now on they are kept in a file, which is read.
    fn keep_in(&self, file: PathBuf) {
        let read = read(&file).unwrap_or_else(|error| {
            tracing::warn!("`{}` cannot be read: {error}", file.display());
            Vec::new()
        });
        if let Ok(mut all) = self.all.lock() {
            *all = read;
        }
        let _ = self.file.set(file);
    }

    fn of(&self, of: &Of) -> Option<Kept> {
        let all = self.all.lock().ok()?;
        all.iter().find(|kept| kept.of == *of).cloned()
    }

    /// In the place of those that were measured on the same before.
    fn keep(&self, kept: Kept) {
        let Ok(mut all) = self.all.lock() else {
            return;
        };
        // Another process may have measured others.
        let file = self.file.get();
        if let Some(read) = file.and_then(|file| read(file).ok()) {
            *all = read;
        }
        all.retain(|other| other.of != kept.of);
        all.insert(0, kept);
        all.truncate(KEPT);
        let written = file.map_or(Ok(()), |file| write(file, &all));
        if let Err(error) = written {
            tracing::warn!("the machine's limits are not kept: {error}");
        }
    }
}

/// None where there is no file.
fn read(file: &Path) -> io::Result<Vec<Kept>> {
    match fs::read(file) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// All or nothing: whoever reads it meanwhile has what was there before.
fn write(file: &Path, all: &[Kept]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let written = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer_pretty(&written, all)?;
    written.persist(file)?;
    Ok(())
}

impl ChatService {
    /// From now on limits are kept in a file.
    pub(crate) fn keep_limits_in(&self, file: PathBuf) {
        self.limits.keep_in(file);
    }

    /// Those of this machine, as it was surveyed, and when they were measured.
    pub(super) fn limits_on(&self, survey: &Survey) -> Option<(i64, Limits)> {
        let of = self.limits_are_of(survey);
        let kept = self.limits.of(&of)?;
        let limits = Limits {
            threads: of.threads,
            read_bytes_per_second: kept.read_bytes_per_second,
            multiplies_per_second: kept.multiplies_per_second,
            took: Duration::from_millis(kept.took_ms),
        };
        Some((kept.measured, limits))
    }

    /// They are measured by the fastest kernel, whatever the model has.
    fn limits_are_of(&self, survey: &Survey) -> Of {
        let fastest = bench::kernels().into_iter().find(|kernel| kernel.chosen);
        Of {
            cpu: survey.cpu.clone().unwrap_or_default(),
            cpus: survey.cpus.unwrap_or_default(),
            kernel: fastest
                .map(|kernel| kernel.name.to_owned())
                .unwrap_or_default(),
            threads: self.writer.models.first().info().threads,
        }
    }

    /// Measures once what the machine can do at best where that is not known of it, as soon as nothing was computed for so
    /// long, and other programs keep no more than so many CPUs `busy`. Whoever asks something meanwhile ends it, and it begins
    /// anew behind that.
    pub(crate) async fn measure_limits_when_idle(&self, quiet: Duration, busy: f64) {
        loop {
            self.idle_for(quiet).await;
            let survey = self.survey().await;
            if self.limits_on(&survey).is_some() {
                return;
            }
            if survey.busy.is_some_and(|found| found > busy) {
                continue;
            }
            match self.measure_limits().await {
                Ok(()) => return,
                Err(Refused::Fresh | Refused::Busy) => {}
                Err(Refused::Failed(error)) => {
                    tracing::warn!("the machine's limits are not measured: {error}");
                    return;
                }
            }
        }
    }

    /// Measures what the machine can do at best, at most once a minute. An answer, a comparison or a fetch that begins
    /// meanwhile ends it, and then nothing is kept.
    pub(crate) async fn measure_limits(&self) -> Result<(), Refused> {
        let Ok(_turn) = self.limits.turn.try_lock() else {
            return Err(Refused::Fresh);
        };
        let survey = self.survey().await;
        if let Some((at, _)) = self.limits_on(&survey)
            && (0..MEASURED_FOR).contains(&(now() - at))
        {
            return Err(Refused::Fresh);
        }
        let idle = self.idle().ok_or(Refused::Busy)?;
        let of = self.limits_are_of(&survey);
        let threads = of.threads;
        let bytes = available_memory().map_or(BYTES, |left| BYTES.min(left / 8));
        let bytes = usize::try_from(bytes).unwrap_or_default();
        let measure = move || {
            let limits = Limits::measure(Some(threads), bytes, &|| idle.lasts());
            (limits, idle.lasts())
        };
        let measured = tokio::task::spawn_blocking(measure).await;
        let (limits, lasted) = measured.map_err(|error| Refused::Failed(error.to_string()))?;
        let limits = limits.map_err(|error| Refused::Failed(error.to_string()))?;
        if !lasted {
            return Err(Refused::Busy);
        }
        tracing::debug!(took = ?limits.took, "the machine's limits are measured");
        self.limits.keep(Kept {
            of,
            measured: now(),
            read_bytes_per_second: limits.read_bytes_per_second,
            multiplies_per_second: limits.multiplies_per_second,
            took_ms: u64::try_from(limits.took.as_millis()).unwrap_or(u64::MAX),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(cpu: &str, measured: i64) -> Kept {
        Kept {
            of: Of {
                cpu: cpu.to_owned(),
                cpus: 2,
                kernel: "avx2".to_owned(),
                threads: 2,
            },
            measured,
            read_bytes_per_second: 20e9,
            multiplies_per_second: None,
            took_ms: 700,
        }
    }

    #[test]
    fn limits_outlive_the_program_and_are_those_of_their_machine() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cache").join("limits.json");
        let program = || {
            let limits = Measured::default();
            limits.keep_in(file.clone());
            limits
        };
        let first = program();
        let here = kept("here", 5);
        assert_eq!(first.of(&here.of), None);
        first.keep(here.clone());
        let again = program();
        assert_eq!(again.of(&here.of), Some(here.clone()));
        assert_eq!(again.of(&kept("elsewhere", 0).of), None);
        // Two programs keep what both measured, and each the last of its own.
        again.keep(kept("elsewhere", 6));
        first.keep(kept("here", 7));
        let last = program();
        assert_eq!(last.of(&here.of).unwrap().measured, 7);
        assert!(last.of(&kept("elsewhere", 0).of).is_some());
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_none_of_these_is_as_if_it_were_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("limits.json");
        fs::write(&file, "no json").unwrap();
        let limits = Measured::default();
        limits.keep_in(file.clone());
        limits.keep(kept("here", 5));
        assert_eq!(read(&file).unwrap(), [kept("here", 5)]);
    }
}
