//! What an instance uses: memory, from what the kernel tells in `/proc`, and disk, by looking.
//!
//! On systems without `/proc`, nothing is known of memory, and nothing is enforced.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How old the peak may be that the kernel was last asked for. The watch looks more often, at what
/// is cheap to ask for.
const PEAK_AGE: Duration = Duration::from_millis(100);

/// The memory of one process.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    process: Mutex<Option<Pid>>,
    /// In KiB; 0 means unknown.
    peak: AtomicU64,
    asked: Mutex<Option<Instant>>,
}

impl Gauge {
    /// From now on, it is that of `process`.
    pub(super) fn watch(&self, process: Pid) {
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
    }

    /// Ends the process and what it started. Called only while it runs.
    pub(super) fn kill(&self) {
        if let Some(process) = self.process() {
            // Fails only when it has ended just now, which is what is wanted.
            let _ = kill_process_group(process, Signal::KILL);
        }
    }

    /// Stops it, or lets it go on.
    pub(super) fn hold(&self, stopped: bool) {
        if let Some(process) = self.process() {
            let signal = if stopped { Signal::STOP } else { Signal::CONT };
            // As above.
            let _ = kill_process_group(process, signal);
        }
    }

    /// How long it has run, on all processors together.
    pub(super) fn processor_time(&self) -> Option<Duration> {
        let threads = fs_err::read_dir(self.path("task")?).ok()?;
        let times = threads.flatten().filter_map(|thread| {
            // The first of three numbers, in nanoseconds.
            let times = fs_err::read_to_string(thread.path().join("schedstat")).ok()?;
            times.split(' ').next()?.parse::<u64>().ok()
        });
        Some(Duration::from_nanos(times.sum()))
    }

    /// What it uses now, in KiB.
    pub(super) fn now(&self) -> Option<u64> {
        let pages = fs_err::read_to_string(self.path("statm")?).ok()?;
        let resident: u64 = pages.split(' ').nth(1)?.parse().ok()?;
        let kib = resident * u64::try_from(rustix::param::page_size()).ok()? / 1024;
        self.peak.fetch_max(kib, Ordering::Relaxed);
        Some(kib)
    }

    /// The most that it has used, in MiB, rounded up.
    pub(super) fn peak_mib(&self) -> Option<u32> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.is_none_or(|asked| asked.elapsed() > PEAK_AGE)
            && let Some(peak) = self.high_water_mark()
        {
            *asked = Some(Instant::now());
            self.peak.fetch_max(peak, Ordering::Relaxed);
        }
        match self.peak.load(Ordering::Relaxed) {
            0 => None,
            peak => peak.div_ceil(1024).try_into().ok(),
        }
    }

    fn high_water_mark(&self) -> Option<u64> {
        let status = fs_err::read_to_string(self.path("status")?).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    }

    fn path(&self, file: &str) -> Option<PathBuf> {
        let number = self.process()?.as_raw_nonzero();
        Some(PathBuf::from(format!("/proc/{number}/{file}")))
    }

    fn process(&self) -> Option<Pid> {
        *self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The folder for an instance's temporary files, which goes with it.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes `path`.
    pub(super) fn new(path: PathBuf) -> std::io::Result<Self> {
        fs_err::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Bytes of the files in it.
    pub(super) fn size(&self) -> u64 {
        size(&self.0)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is in the folder of the twin, which its user may remove.
        let _ = fs_err::remove_dir_all(&self.0);
    }
}

fn size(folder: &Path) -> u64 {
    let Ok(entries) = fs_err::read_dir(folder) else {
        return 0;
    };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_kernel_tells_what_a_process_uses() {
        let gauge = Gauge::default();
        assert_eq!((gauge.now(), gauge.peak_mib()), (None, None));
        gauge.watch(rustix::process::getpid());
        let now = gauge.now().expect("is known");
        let peak = gauge.peak_mib().expect("is known");
        assert!(now > 100, "{now} KiB");
        assert!(u64::from(peak) * 1024 >= now, "{peak} MiB, {now} KiB");
        let time = gauge.processor_time().expect("is known");
        assert!(time > Duration::ZERO);
    }

    #[test]
    fn a_folder_has_the_size_of_all_files_in_it_and_goes() {
        let folder = tempfile::TempDir::new().expect("makes a folder");
        let path = folder.path().join("tmp");
        let scratch = Scratch::new(path.clone()).expect("makes");
        fs_err::create_dir(path.join("a")).expect("makes");
        fs_err::write(path.join("a/b"), [0; 100]).expect("writes");
        fs_err::write(path.join("c"), [0; 10]).expect("writes");
        assert_eq!(scratch.size(), 110);
        drop(scratch);
        assert!(!path.exists());
    }
}
