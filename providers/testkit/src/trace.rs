//! Runs a program, counts the changes that it makes to names in folders (files that it renames,
//! links and removes), and kills it just before or just after the one that is ordered.
//!
//! mlfn replaces files as a whole, so that between two such changes nothing happens to its files
//! that anybody else could see: to kill it around each one is to kill it at every moment. The
//! kernel stops the program there (`ptrace`), so that the moment is exact, and nothing in the
//! program knows of it. Processes that the program starts are let alone.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{self, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// When a program is killed. Changes are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The change does not happen.
    Before(usize),
    /// The change is the last thing that happens.
    After(usize),
}

/// What a program did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// How it ended.
    pub end: End,
    /// The names that were changed, in order: the new one of a file that was renamed. Of a program
    /// that was killed before a change, that one is the last.
    pub changes: Vec<PathBuf>,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, with this code.
    Exited(i32),
    /// It was killed as ordered.
    Killed,
}

/// Runs `command`, counts its changes `below` a folder, and kills it at `moment`. The program's
/// streams are the command's; it gets a process group of its own.
///
/// # Panics
///
/// If the program cannot be started or traced, or is killed by somebody else.
#[expect(
    clippy::zombie_processes,
    reason = "the tracer waits for it, by its number"
)]
pub fn trace(command: &Command, below: &Path, moment: Option<Moment>) -> Traced {
    let below = below.canonicalize().expect("the folder is there");
    let mut program = stopped(command);
    let child = program.spawn().expect("the program starts");
    let leader = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    let stopped = waitpid(leader, Some(WaitPidFlag::WUNTRACED)).expect("it waits for its start");
    assert_eq!(stopped, WaitStatus::Stopped(leader, Signal::SIGSTOP));
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(leader, options).expect("a child may be traced");
    signal::kill(leader, Signal::SIGCONT).expect("it is there");
    let mut tracer = Tracer {
        leader,
        below,
        moment,
        changes: Vec::new(),
        entered: BTreeMap::new(),
    };
    let end = tracer.run();
    Traced {
        end,
        changes: tracer.changes,
    }
}

/// The same program, which stops before its first step. Variables are inherited as far as the
/// command does not say otherwise one by one.
fn stopped(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", r#"kill -STOP $$; exec "$@""#, "sh"])
        .arg(command.get_program())
        .args(command.get_args())
        .process_group(0)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    shell
}

struct Tracer {
    leader: Pid,
    below: PathBuf,
    moment: Option<Moment>,
    changes: Vec<PathBuf>,
    /// Changes that threads are about to make, by number.
    entered: BTreeMap<Pid, usize>,
}

impl Tracer {
    /// Lets the program go from one system call to the next, until it has ended.
    fn run(&mut self) -> End {
        // Its threads, and nothing else that this process may have started.
        let group = Pid::from_raw(-self.leader.as_raw());
        loop {
            let status = waitpid(group, Some(WaitPidFlag::__WALL)).expect("it has not ended");
            match status {
                WaitStatus::Exited(process, code) if process == self.leader => {
                    return End::Exited(code);
                }
                WaitStatus::Signaled(process, how, _) if process == self.leader => {
                    assert_eq!(how, Signal::SIGKILL, "killed by somebody else");
                    return End::Killed;
                }
                WaitStatus::PtraceSyscall(thread) => {
                    self.step(thread);
                    go_on(thread, None);
                }
                WaitStatus::PtraceEvent(thread, ..) => go_on(thread, None),
                WaitStatus::Stopped(thread, signal) => go_on(thread, Some(signal)),
                // A thread that has ended.
                _ => (),
            }
        }
    }

    /// At the begin or at the end of a system call.
    fn step(&mut self, thread: Pid) {
        let Ok(info) = ptrace::syscall_info(thread) else {
            // It has been killed in the meantime.
            return;
        };
        if info.op == libc::PTRACE_SYSCALL_INFO_EXIT {
            let number = self.entered.remove(&thread);
            if number.is_some() && number.map(Moment::After) == self.moment {
                self.kill();
            }
            return;
        }
        let Some(path) = renamed_or_removed(thread).filter(|path| path.starts_with(&self.below))
        else {
            return;
        };
        self.changes.push(path);
        let number = self.changes.len();
        self.entered.insert(thread, number);
        if self.moment == Some(Moment::Before(number)) {
            self.kill();
        }
    }

    fn kill(&self) {
        // All its threads end where they are; this one stands still.
        signal::kill(self.leader, Signal::SIGKILL).expect("it is there");
    }
}

fn go_on(thread: Pid, signal: Option<Signal>) {
    match ptrace::syscall(thread, signal) {
        // A thread that was killed while it stood still is there no more.
        Ok(()) | Err(Errno::ESRCH) => (),
        Err(error) => panic!("{thread} does not go on: {error}"),
    }
}

/// What a system call will change, if it is one that changes a name.
fn renamed_or_removed(thread: Pid) -> Option<PathBuf> {
    let registers = ptrace::getregs(thread).ok()?;
    let (number, arguments) = system_call(&registers);
    // The places of the folder's descriptor and of the path among the arguments.
    let (folder, path) = match number {
        libc::SYS_renameat | libc::SYS_renameat2 | libc::SYS_linkat => (Some(2), 3),
        libc::SYS_unlinkat => (Some(0), 1),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rename | libc::SYS_link => (None, 1),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_unlink | libc::SYS_rmdir => (None, 0),
        _ => return None,
    };
    let path = read_path(thread, *arguments.get(path)?).ok()?;
    let folder = folder.and_then(|place: usize| arguments.get(place));
    let folder = match folder.and_then(|descriptor| descriptor_number(*descriptor)) {
        Some(descriptor) => format!("/proc/{thread}/fd/{descriptor}"),
        None => format!("/proc/{thread}/cwd"),
    };
    let whole = fs_err::read_link(folder).unwrap_or_default().join(path);
    let parts = whole.components();
    Some(parts.filter(|part| *part != Component::CurDir).collect())
}

/// None for `AT_FDCWD`, which is negative. Descriptors are the lower half of a register.
fn descriptor_number(register: u64) -> Option<i32> {
    let low = u32::try_from(register & u64::from(u32::MAX)).ok()?;
    i32::try_from(low).ok()
}

#[cfg(target_arch = "x86_64")]
fn system_call(registers: &libc::user_regs_struct) -> (i64, [u64; 4]) {
    let number = registers.orig_rax.cast_signed();
    let arguments = [registers.rdi, registers.rsi, registers.rdx, registers.r10];
    (number, arguments)
}

#[cfg(target_arch = "aarch64")]
fn system_call(registers: &libc::user_regs_struct) -> (i64, [u64; 4]) {
    let [a, b, c, d, ..] = registers.regs;
    (registers.regs[8].cast_signed(), [a, b, c, d])
}

/// A text that ends with a zero, in the memory of the program.
fn read_path(thread: Pid, address: u64) -> io::Result<PathBuf> {
    let memory = fs_err::File::open(format!("/proc/{thread}/mem"))?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 256];
    loop {
        let at = address + bytes.len() as u64;
        // The text may end just before memory that cannot be read.
        let page_left = 4096 - usize::try_from(at % 4096).unwrap_or(0);
        let room = buffer.get_mut(..page_left.min(256)).unwrap_or_default();
        let read = memory.file().read_at(room, at)?;
        let part = buffer.get(..read).unwrap_or_default();
        let end = part.iter().position(|byte| *byte == 0);
        bytes.extend_from_slice(part.get(..end.unwrap_or(read)).unwrap_or_default());
        if end.is_some() || read == 0 {
            return Ok(OsString::from_vec(bytes).into());
        }
    }
}
