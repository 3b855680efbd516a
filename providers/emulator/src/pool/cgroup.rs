//! Limits that the kernel enforces, by control groups
//! (<https://docs.kernel.org/admin-guide/cgroup-v2.html>), where mlfn may make them: as root of a
//! machine or container of its own, or when started with
//! `systemd-run --user --scope --property=Delegate=yes`.

use std::io;
use std::path::{Path, PathBuf};

use mlfn_core::Memory;
use rustix::process::Pid;

use super::share::{CpuShare, PERIOD};

/// A group that mlfn may make groups in.
#[derive(Debug)]
pub(crate) struct Groups {
    root: PathBuf,
    share: CpuShare,
}

impl Groups {
    /// In the group that this process is in; the error says why that cannot be.
    pub(crate) fn own(share: CpuShare) -> io::Result<Self> {
        let groups = fs_err::read_to_string("/proc/self/cgroup")?;
        let path = groups.lines().find_map(|line| line.strip_prefix("0::"));
        let path = path.ok_or_else(|| io::Error::other("there are no control groups (v2)"))?;
        let root = Path::new("/sys/fs/cgroup").join(path.trim_start_matches('/'));
        Self::within(root, share)
    }

    /// In the group `root`, whose processes move into a group inside of it: the kernel shares out
    /// among groups only, or among processes only.
    fn within(root: PathBuf, share: CpuShare) -> io::Result<Self> {
        let controllers = fs_err::read_to_string(root.join("cgroup.controllers"))?;
        let has = |name: &str| controllers.split_whitespace().any(|found| found == name);
        if !has("memory") || !has("cpu") {
            return Err(io::Error::other(
                "its group has no memory and cpu to share out",
            ));
        }
        let own = root.join("mlfn");
        fs_err::create_dir_all(&own)?;
        let shared = fs_err::write(own.join("cgroup.procs"), "0")
            .and_then(|()| fs_err::write(root.join("cgroup.subtree_control"), "+memory +cpu"));
        if let Err(error) = shared {
            // Back to where it was; if that fails, too, nothing is lost.
            let _ = fs_err::write(root.join("cgroup.procs"), "0");
            let _ = fs_err::remove_dir(&own);
            return Err(error);
        }
        Ok(Self { root, share })
    }

    /// A group for one process, which it moves into.
    pub(super) fn confine(&self, process: Pid, memory: Memory) -> io::Result<Group> {
        let name = format!("mlfn-{}", process.as_raw_nonzero());
        let group = Group(self.root.join(name));
        fs_err::create_dir_all(&group.0)?;
        let bytes = u64::from(memory.as_mib()) * 1024 * 1024;
        group.set("memory.max", &bytes.to_string())?;
        group.set("memory.swap.max", "0")?;
        if let Some(quota) = self.share.quota(memory) {
            let [quota, period] = [quota, PERIOD].map(|time| time.as_micros());
            group.set("cpu.max", &format!("{quota} {period}"))?;
        }
        group.set("cgroup.procs", &process.as_raw_nonzero().to_string())?;
        Ok(group)
    }
}

/// The group of one instance. It goes when this is dropped.
#[derive(Debug)]
pub(super) struct Group(PathBuf);

impl Group {
    /// Whether the kernel ended something in it because there was no memory left.
    pub(super) fn ran_out_of_memory(&self) -> bool {
        let events = fs_err::read_to_string(self.0.join("memory.events")).unwrap_or_default();
        let kills = events
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "));
        kills.is_some_and(|kills| kills.trim() != "0")
    }

    fn set(&self, file: &str, value: &str) -> io::Result<()> {
        fs_err::write(self.0.join(file), value)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Works once the processes are gone; an empty group that stays costs nothing.
        let _ = fs_err::remove_dir(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A folder with the files that the kernel has in a group.
    fn fake(controllers: &str) -> TempDir {
        let root = TempDir::new().expect("makes a folder");
        fs_err::write(root.path().join("cgroup.controllers"), controllers).expect("writes");
        root
    }

    #[test]
    fn an_instance_gets_the_memory_and_the_share_of_a_processor_that_goes_with_it() {
        let root = fake("cpuset cpu io memory pids\n");
        let groups = Groups::within(root.path().to_owned(), CpuShare::Lambda).expect("may");
        let read = |path: &str| fs_err::read_to_string(root.path().join(path)).expect("is set");
        assert_eq!(read("cgroup.subtree_control"), "+memory +cpu");
        assert_eq!(read("mlfn/cgroup.procs"), "0");
        let process = Pid::from_raw(7).expect("is a pid");
        let group = groups.confine(process, Memory::mib(1769)).expect("may");
        assert_eq!(read("mlfn-7/memory.max"), "1854930944");
        assert_eq!(read("mlfn-7/cpu.max"), "100000 100000");
        assert_eq!(read("mlfn-7/cgroup.procs"), "7");
        assert!(!group.ran_out_of_memory());
        for (events, expected) in [("oom 3\noom_kill 0\n", false), ("oom_kill 1\n", true)] {
            fs_err::write(root.path().join("mlfn-7/memory.events"), events).expect("writes");
            assert_eq!(group.ran_out_of_memory(), expected, "{events}");
        }
        let small = groups.confine(process, Memory::mib(128)).expect("may");
        assert_eq!(read("mlfn-7/cpu.max"), "7235 100000");
        drop((group, small));
    }

    #[test]
    fn without_a_share_the_processor_is_everybodys() {
        let root = fake("cpu memory");
        let groups = Groups::within(root.path().to_owned(), CpuShare::Off).expect("may");
        let process = Pid::from_raw(7).expect("is a pid");
        let _group = groups.confine(process, Memory::mib(128)).expect("may");
        assert!(!root.path().join("mlfn-7/cpu.max").exists());
    }

    #[test]
    fn a_group_that_may_not_share_out_memory_is_of_no_use() {
        let root = fake("cpu pids");
        let error = Groups::within(root.path().to_owned(), CpuShare::Off).expect_err("may not");
        assert!(error.to_string().contains("no memory and cpu"), "{error}");
    }
}
