//! The whole way with a fake pip: a small shell script that serves a wheel of ours.

use std::cell::RefCell;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::cache::hexadecimal;
use crate::library::pinned_library;
use crate::{Candidate, FetchError, Library, Options, Origin, Pin, Platform, Progress, Tool};

const MEMBER: &str = "onnxruntime/capi/libonnxruntime.so.1.31.1";
const PLATFORM: Platform = Platform::LinuxX86_64;

/// The longest that a test waits for another thread.
const PATIENCE: Duration = Duration::from_mins(1);

/// A cache, a wheel, and a pin that fits it.
struct World {
    root: TempDir,
    pin: Pin,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let library = b"not really a library".repeat(10_000);
        let file = fs_err::File::create(root.path().join("fake.whl")).expect("creates");
        let mut wheel = ZipWriter::new(file);
        let options = SimpleFileOptions::default();
        for (name, content) in [
            ("onnxruntime/__init__.py", &b"raise"[..]),
            (MEMBER, &library),
        ] {
            wheel.start_file(name, options).expect("starts");
            wheel.write_all(content).expect("writes");
        }
        wheel.finish().expect("finishes");
        fs_err::write(root.path().join("library"), &library).expect("writes");
        let digest = sha256(&library);
        let pin = Pin {
            member: MEMBER,
            library_sha256: digest.leak(),
            library_bytes: library.len() as u64,
            ..*PLATFORM.pin()
        };
        Self { root, pin }
    }

    /// A program that counts how often it runs and then does as the script says. `$WORLD` is our
    /// folder, `$TO` the folder that the wheel or package has to go to.
    fn program(&self, name: &str, tool: Tool, script: &str) -> Candidate {
        let path = self.root.path().join(name);
        let world = self.root.path().display();
        let option = match tool {
            Tool::Pip => "--dest",
            Tool::Uv => "--target",
        };
        let text = format!(
            "WORLD='{world}'\necho \"$0 $*\" >> \"$WORLD/runs\"\n\
            while [ $# -gt 0 ]; do if [ \"$1\" = {option} ]; then TO=$2; fi; shift; done\n{script}\n"
        );
        fs_err::write(&path, text).expect("writes");
        Candidate {
            // Run by name, for a file that was just written may still be open in a forked process.
            program: "/bin/sh".into(),
            arguments: vec![path.to_str().expect("plain").to_owned()],
            tool,
        }
    }

    /// A pip that serves the wheel.
    fn pip(&self) -> Candidate {
        let script = "cp \"$WORLD/fake.whl\" \"$TO/onnxruntime-1.31.1-x.whl\"";
        self.program("pip", Tool::Pip, script)
    }

    /// A uv that installs the wheel.
    fn uv(&self) -> Candidate {
        let script =
            format!("mkdir -p \"$TO/onnxruntime/capi\" && cp \"$WORLD/library\" \"$TO/{MEMBER}\"");
        self.program("uv", Tool::Uv, &script)
    }

    fn options<'a>(
        &self,
        candidates: &[Candidate],
        progress: &'a dyn Fn(Progress<'_>),
    ) -> Options<'a> {
        Options {
            cache: self.root.path().join("cache"),
            candidates: candidates.to_vec(),
            override_path: None,
            offline: false,
            progress,
        }
    }

    fn ask(&self, candidates: &[Candidate]) -> Result<Library, FetchError> {
        pinned_library(PLATFORM, &self.pin, &self.options(candidates, &|_| {}))
    }

    /// The commands that were run.
    fn runs(&self) -> Vec<String> {
        let runs = fs_err::read_to_string(self.root.path().join("runs")).unwrap_or_default();
        runs.lines().map(ToOwned::to_owned).collect()
    }

    fn folder(&self) -> PathBuf {
        let cache = self.root.path().join("cache/onnxruntime/1.31.1");
        cache.join(PLATFORM.as_str())
    }

    /// The names in the platform's folder of the cache.
    fn cached(&self) -> Vec<String> {
        let entries = fs_err::read_dir(self.folder()).expect("reads");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

fn sha256(bytes: &[u8]) -> String {
    hexadecimal(Sha256::new_with_prefix(bytes))
}

fn absent() -> Candidate {
    Candidate {
        program: "/nowhere/pip".into(),
        arguments: vec!["-m".to_owned(), "pip".to_owned()],
        tool: Tool::Pip,
    }
}

#[track_caller]
fn check_error(error: &FetchError, message: &str, hint: &str) {
    let (found, found_hint) = (error.to_string(), error.hint());
    assert!(found.contains(message), "{found}");
    assert!(found_hint.contains(hint), "{found_hint}");
}

#[test]
fn the_library_comes_out_of_the_wheel_and_stays() {
    let world = World::new();
    let fetched = world.ask(&[world.pip()]).expect("fetches");
    assert_eq!(fetched.origin, Origin::Fetched);
    assert_eq!(fetched.path, world.folder().join("libonnxruntime.so"));
    assert_eq!(fetched.version.as_deref(), Some("1.31.1"));
    assert_eq!(fetched.sha256, world.pin.library_sha256);
    let content = fs_err::read(&fetched.path).expect("reads");
    assert_eq!(
        content,
        fs_err::read(world.root.path().join("library")).expect("reads")
    );
    assert_eq!(
        world.cached(),
        ["libonnxruntime.so", "libonnxruntime.stamp"]
    );

    let expected = Library {
        origin: Origin::Cache,
        ..fetched
    };
    assert_eq!(world.ask(&[]).expect("needs no pip"), expected);
    let offline = Options {
        offline: true,
        ..world.options(&[], &|_| panic!("nothing takes time"))
    };
    let found = pinned_library(PLATFORM, &world.pin, &offline).expect("needs no network");
    assert_eq!(found, expected);
    assert_eq!(world.runs().len(), 1);
}

#[test]
fn pip_is_told_what_is_pinned_and_no_index() {
    let world = World::new();
    let script = "cp \"$TO/requirements.txt\" \"$WORLD\"; exit 1";
    let pip = world.program("pip", Tool::Pip, script);
    world.ask(&[pip]).expect_err("fails");
    let requirements = fs_err::read_to_string(world.root.path().join("requirements.txt"));
    let hash = world.pin.wheel_sha256;
    let line = format!("onnxruntime==1.31.1 --hash=sha256:{hash}\n");
    assert_eq!(requirements.expect("reads"), line);
    let run = world.runs().remove(0);
    assert!(run.contains("--require-hashes"), "{run}");
    assert!(run.contains("--platform manylinux_2_28_x86_64"), "{run}");
    assert!(!run.contains("index"), "{run}");
}

#[test]
fn what_takes_time_is_told() {
    let world = World::new();
    let told = RefCell::new(Vec::new());
    let progress = |progress: Progress<'_>| told.borrow_mut().push(format!("{progress:?}"));
    let options = world.options(&[world.pip()], &progress);
    pinned_library(PLATFORM, &world.pin, &options).expect("fetches");
    let told = told.into_inner();
    assert!(told[0].starts_with("Fetching { version: \"1.31.1\", platform: LinuxX86_64"));
    assert!(told[1].starts_with("Extracting"));
    assert_eq!(told.len(), 2);
}

#[test]
fn programs_that_are_absent_or_too_old_are_passed_over() {
    let world = World::new();
    let candidates = [
        absent(),
        world.program(
            "no-pip",
            Tool::Pip,
            "echo /bin/python3: No module named pip >&2; exit 1",
        ),
        world.program(
            "shim",
            Tool::Pip,
            "echo pyenv: pip3: command not found >&2; exit 127",
        ),
        world.program("old", Tool::Pip, "echo no such option: --abi >&2; exit 2"),
        world.uv(),
    ];
    let library = world.ask(&candidates).expect("fetches");
    assert_eq!(library.origin, Origin::Fetched);
    assert_eq!(world.runs().len(), 4);
    let run = world.runs().remove(3);
    assert!(
        run.contains("--python-platform x86_64-manylinux_2_28"),
        "{run}"
    );
    assert_eq!(
        world.cached(),
        ["libonnxruntime.so", "libonnxruntime.stamp"]
    );
}

#[test]
fn without_pip_and_uv_it_says_what_to_install() {
    let world = World::new();
    let error = world.ask(&[absent(), absent()]).expect_err("fails");
    let message = "neither was found (tried: /nowhere/pip -m pip, /nowhere/pip -m pip)";
    check_error(&error, message, "install pip");
    check_error(&error, message, "ORT_DYLIB_PATH");
}

#[test]
fn what_pip_said_is_shown() {
    let world = World::new();
    let script = "echo 'WARNING: odd' >&2; echo 'ERROR: No matching distribution' >&2; exit 1";
    let pip = world.program("pip", Tool::Pip, script);
    let error = world.ask(&[pip, absent()]).expect_err("fails");
    let said = "\n    WARNING: odd\n    ERROR: No matching distribution";
    check_error(&error, said, "connect once");
    check_error(&error, "download --quiet", "--onnxruntime");
    assert!(
        world.cached().is_empty(),
        "nothing is left: {:?}",
        world.cached()
    );
}

#[test]
fn a_dead_network_is_not_waited_for_twice() {
    let world = World::new();
    let retry = "echo 'WARNING: Retrying (...) after connection broken by X' >&2";
    let script = format!("{retry}; {retry}; echo 'ERROR: No such version' >&2; exit 1");
    let pip = world.program("pip", Tool::Pip, &script);
    let error = world.ask(&[pip, world.uv()]).expect_err("fails");
    let once = "txt\n    WARNING: Retrying (...) after connection broken by X\n    ERROR: No such";
    check_error(&error, once, "connect once");
    assert_eq!(world.runs().len(), 1);
}

#[test]
fn a_wheel_with_another_hash_is_refused_by_pip_and_uv() {
    let got = "ff".repeat(32);
    let expected = PLATFORM.pin().wheel_sha256;
    let message = format!("its SHA-256 is {got}, not {expected}");
    let pip = format!(
        "echo 'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM X' >&2\n\
        echo '  Expected sha256 {expected}' >&2; echo '       Got        {got}' >&2; exit 1"
    );
    let uv = format!(
        "printf 'Hash mismatch for `x`\\n\\nExpected:\\n  sha256:{expected}\\n\\n\
        Computed:\\n  sha256:{got}\\n' >&2; exit 1"
    );
    for (tool, script) in [(Tool::Pip, pip), (Tool::Uv, uv)] {
        let world = World::new();
        let program = world.program("program", tool, &script);
        let error = world.ask(&[program, world.pip()]).expect_err("fails");
        check_error(&error, &message, "package index");
        assert_eq!(world.runs().len(), 1, "no other program is asked");
    }
}

#[test]
fn a_library_with_another_hash_is_refused() {
    let mut world = World::new();
    world.pin.library_sha256 = PLATFORM.pin().library_sha256;
    let error = world.ask(&[world.pip()]).expect_err("fails");
    check_error(&error, "the library `onnxruntime/capi", "package index");
    assert!(
        world.cached().is_empty(),
        "nothing is left: {:?}",
        world.cached()
    );
    // A library that is too long is not even written to its end.
    world.pin.library_bytes = 10;
    let error = world.ask(&[world.uv()]).expect_err("fails");
    check_error(&error, "the library `onnxruntime/capi", "package index");
    assert!(
        world.cached().is_empty(),
        "nothing is left: {:?}",
        world.cached()
    );
}

#[test]
fn a_wheel_that_is_none_is_an_error() {
    let world = World::new();
    let pip = world.program("pip", Tool::Pip, "echo no > \"$TO/onnxruntime.whl\"");
    let error = world.ask(&[pip]).expect_err("fails");
    check_error(&error, "cannot keep ONNX Runtime in", "permissions");
    let pip = world.program("pip", Tool::Pip, "true");
    let error = world.ask(&[pip]).expect_err("fails");
    check_error(&error, "there is no wheel", "connect once");
    assert!(
        world.cached().is_empty(),
        "nothing is left: {:?}",
        world.cached()
    );
}

#[test]
fn what_a_killed_run_left_is_cleaned_and_never_used() {
    let world = World::new();
    let left = world.folder().join(".fetch-k1LLed/.tmpA");
    fs_err::create_dir_all(&left).expect("makes");
    fs_err::write(left.join("onnxruntime-1.31.1-x.whl"), b"PK half").expect("writes");
    fs_err::write(left.join("../libonnxruntime.so"), b"half").expect("writes");
    world.ask(&[world.pip()]).expect("fetches");
    assert_eq!(
        world.cached(),
        ["libonnxruntime.so", "libonnxruntime.stamp"]
    );
}

#[test]
fn a_damaged_library_is_fetched_anew() {
    let world = World::new();
    let path = world.ask(&[world.pip()]).expect("fetches").path;
    let whole = fs_err::read(&path).expect("reads");
    let changed = [b"N", &whole[1..]].concat();
    for damaged in [&whole[..100], &changed, b""] {
        fs_err::write(&path, damaged).expect("writes");
        // The clock of file systems is coarse: what was written just before may look as old.
        let file = fs_err::File::options()
            .append(true)
            .open(&path)
            .expect("opens");
        file.file().set_modified(UNIX_EPOCH).expect("dates");
        let library = world.ask(&[world.pip()]).expect("fetches");
        assert_eq!(library.origin, Origin::Fetched);
        assert_eq!(fs_err::read(&path).expect("reads"), whole);
    }
    assert_eq!(world.runs().len(), 4);
}

#[test]
fn a_library_that_was_copied_here_without_its_stamp_is_used() {
    let world = World::new();
    let path = world.ask(&[world.pip()]).expect("fetches").path;
    fs_err::remove_file(path.with_extension("stamp")).expect("removes");
    assert_eq!(world.ask(&[]).expect("finds").origin, Origin::Cache);
    assert!(
        path.with_extension("stamp").is_file(),
        "it is not hashed again"
    );
}

#[test]
fn offline_with_an_empty_cache_says_what_to_do() {
    let world = World::new();
    let offline = Options {
        offline: true,
        ..world.options(&[world.pip()], &|_| {})
    };
    let error = pinned_library(PLATFORM, &world.pin, &offline).expect_err("fails");
    check_error(
        &error,
        "no ONNX Runtime for linux-x86_64 in the cache",
        "without --offline",
    );
    assert!(world.runs().is_empty());
}

#[test]
fn two_at_once_fetch_once() {
    let world = &World::new();
    let (fetching, is_fetching) = mpsc::channel();
    let (waiting, is_waiting) = mpsc::channel();
    thread::scope(|scope| {
        let first = scope.spawn(move || {
            // Goes on when the other one waits.
            let progress = move |progress: Progress<'_>| {
                if matches!(progress, Progress::Fetching { .. }) {
                    fetching.send(()).expect("sends");
                    is_waiting
                        .recv_timeout(PATIENCE)
                        .expect("the other one waits");
                }
            };
            pinned_library(
                PLATFORM,
                &world.pin,
                &world.options(&[world.pip()], &progress),
            )
        });
        let second = scope.spawn(move || {
            is_fetching
                .recv_timeout(PATIENCE)
                .expect("the first one fetches");
            let progress = move |progress: Progress<'_>| {
                assert!(matches!(progress, Progress::Waiting { .. }), "{progress:?}");
                waiting.send(()).expect("sends");
            };
            pinned_library(PLATFORM, &world.pin, &world.options(&[], &progress))
        });
        let origin = |library: Result<Library, FetchError>| library.expect("a library").origin;
        assert_eq!(origin(first.join().expect("ends")), Origin::Fetched);
        assert_eq!(origin(second.join().expect("ends")), Origin::Cache);
    });
    assert_eq!(world.runs().len(), 1);
}

/// An ELF header of a shared object for this machine, and the texts of an ONNX Runtime.
fn elf(machine: u8, texts: &str) -> Vec<u8> {
    let mut header = b"\x7fELF\x02\x01\x01".to_vec();
    header.resize(16, 0);
    header.extend([3, 0, machine, 0]);
    [header, vec![0; 5000], texts.as_bytes().to_vec()].concat()
}

fn ask_for(path: &Path, platform: Platform) -> Result<Library, FetchError> {
    let options = Options {
        cache: PathBuf::from("/nowhere"),
        candidates: vec![],
        override_path: Some(path.to_owned()),
        offline: true,
        progress: &|_| {},
    };
    crate::library(platform, &options)
}

#[test]
fn a_library_of_the_users_is_used_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("my.so");
    let content = elf(62, "\x003.53.1\0OrtGetApiBase\x001.29.0\x001.2.3\0");
    fs_err::write(&path, &content).expect("writes");
    let library = ask_for(&path, Platform::LinuxX86_64).expect("fits");
    let expected = Library {
        path: path.clone(),
        version: Some("1.29.0".to_owned()),
        sha256: sha256(&content),
        origin: Origin::Override,
    };
    assert_eq!(library, expected);
    fs_err::write(&path, elf(183, "\0OrtGetApiBase\0")).expect("writes");
    let library = ask_for(&path, Platform::LinuxAarch64).expect("fits");
    assert_eq!(library.version, None);
}

#[track_caller]
fn check_version(texts: &str, expected: Result<Option<&str>, &str>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("my.so");
    fs_err::write(&path, elf(62, &format!("\0OrtGetApiBase\0{texts}\0"))).expect("writes");
    match (ask_for(&path, Platform::LinuxX86_64), expected) {
        (Ok(library), Ok(version)) => assert_eq!(library.version.as_deref(), version),
        (Err(FetchError::OverrideTooOld { found, .. }), Err(version)) => assert_eq!(found, version),
        (found, expected) => panic!("{found:?} instead of {expected:?}"),
    }
}

#[test]
fn a_library_that_is_too_old_for_the_shim_is_refused() {
    check_version("VERS_1.23.2", Err("1.23.2"));
    check_version("VERS_1.9.0", Err("1.9.0"));
    check_version("VERS_0.5.1", Err("0.5.1"));
    check_version("VERS_1.24.0", Ok(Some("1.24.0")));
    check_version("VERS_2.0.0", Ok(Some("2.0.0")));
    // Without symbol versions, only a text that looks like a version can tell.
    check_version("1.2.13\x001.23.2", Err("1.23.2"));
    check_version("1.2.13\x001.24.1", Ok(Some("1.24.1")));
    check_version("1.2.13\x003.53.1\x001.10", Ok(None));
    // What the linker was told counts more.
    check_version("1.20.1\0VERS_1.31.1", Ok(Some("1.31.1")));
    check_version("VERS_next\x001.31.1", Ok(Some("1.31.1")));
}

#[test]
fn a_library_of_macos_says_its_version_in_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("my.dylib");
    let head =
        b"\xcf\xfa\xed\xfe\x0c\0\0\x01\0@rpath/libonnxruntime.1.20.1.dylib\0_OrtGetApiBase\0";
    fs_err::write(&path, head).expect("writes");
    let error = ask_for(&path, Platform::MacosArm64).expect_err("is too old");
    let expected = "is ONNX Runtime 1.20.1, and mlfn needs 1.24 or newer";
    check_error(&error, expected, "leave out --onnxruntime");
}

#[test]
fn a_universal_library_of_macos_fits_if_one_of_its_parts_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("my.dylib");
    let entry = |cpu: u8| [&[1, 0, 0, cpu][..], &[0; 16]].concat();
    let head = [
        &[0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 2][..],
        &entry(7),
        &entry(12),
    ]
    .concat();
    fs_err::write(&path, [&head[..], b"\0_OrtGetApiBase\0"].concat()).expect("writes");
    ask_for(&path, Platform::MacosArm64).expect("fits");
}

#[track_caller]
fn check_wrong(content: &[u8], platform: Platform, problem: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("my.so");
    fs_err::write(&path, content).expect("writes");
    let error = ask_for(&path, platform).expect_err("does not fit");
    let message = format!(
        "`{}` cannot be used as the ONNX Runtime library: {problem}",
        path.display()
    );
    assert_eq!(error.to_string(), message);
}

#[test]
fn a_library_of_the_users_that_does_not_fit_is_refused() {
    let linux = Platform::LinuxX86_64;
    let texts = "\0OrtGetApiBase\0";
    check_wrong(
        &elf(183, texts),
        linux,
        "it is for arm64, and x86_64 is needed",
    );
    let problem = "it is for x86_64, and arm64 is needed";
    check_wrong(&elf(62, texts), Platform::LinuxAarch64, problem);
    check_wrong(&elf(62, ""), linux, "it is a library, but not ONNX Runtime");
    check_wrong(
        b"PK\x03\x04 a wheel",
        linux,
        "it is not a 64-bit ELF library",
    );
    check_wrong(b"", linux, "it is not a 64-bit ELF library");
    let mac = Platform::MacosArm64;
    check_wrong(&elf(62, texts), mac, "it is not a 64-bit Mach-O library");
    let intel = b"\xcf\xfa\xed\xfe\x07\0\0\x01";
    check_wrong(intel, mac, "it is for x86_64, and arm64 is needed");
    let folder = tempfile::tempdir().expect("a folder");
    let error = ask_for(folder.path(), linux).expect_err("is a folder");
    check_error(&error, "it is not a file", "libonnxruntime.so");
    let error = ask_for(&folder.path().join("no.so"), linux).expect_err("is missing");
    check_error(
        &error,
        "there is no ONNX Runtime library at",
        "correct the path",
    );
}
