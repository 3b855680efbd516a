//! Packaging a 500 MB model, beside Info-ZIP on the same files.

use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use fs_err::File;

use super::machine::{built, machine};

/// Bytes of weights.
const WEIGHTS: usize = 500_000_000;

/// Each competitor runs that often, in turns; the table has the median.
const ROUNDS: usize = 3;

/// How often a process is asked for its memory.
const POLL: Duration = Duration::from_millis(5);

/// What one run took.
struct Run {
    seconds: f64,
    peak_kib: u64,
    bytes: u64,
}

/// Somebody who makes an archive.
struct Competitor {
    name: &'static str,
    archive: PathBuf,
    command: Box<dyn Fn() -> Command>,
    /// Whether what an earlier run left is removed before each run.
    afresh: bool,
    runs: Vec<Run>,
}

/// Measures, and writes a table in Markdown.
pub(crate) fn run() -> anyhow::Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let work = root.join("target/bench/package");
    let files = work.join("files");
    let packer = built(
        &root,
        &["--package", "mlfn-package", "--example", "pack"],
        "pack",
    )?;
    write_files(&files, &packer)?;
    let mut competitors = competitors(&work, &files, &packer);
    for round in 0..ROUNDS {
        for competitor in &mut competitors {
            let run = competitor
                .run()
                .with_context(|| format!("{}, round {round}", competitor.name))?;
            competitor.runs.push(run);
        }
    }
    let total = folder_size(&files)?;
    Ok(table(&mut competitors, total))
}

fn competitors(work: &Path, files: &Path, packer: &Path) -> Vec<Competitor> {
    let out = work.join("out");
    let mlfn = {
        let (packer, files, out) = (packer.to_owned(), files.to_owned(), out.clone());
        move || {
            let mut command = Command::new(&packer);
            command.arg(&files).arg(&out);
            command
        }
    };
    let archive = out.join("classifier.dev.aws.zip");
    let zip = |level: &'static str, name| {
        let (files, archive) = (files.to_owned(), work.join(format!("zip{level}.zip")));
        let target = archive.clone();
        let command = move || {
            let mut command = Command::new("zip");
            command
                .args(["-q", "-r", level])
                .arg(&target)
                .arg(".")
                .current_dir(&files);
            command
        };
        Competitor {
            name,
            archive,
            command: Box::new(command),
            afresh: true,
            runs: Vec::new(),
        }
    };
    vec![
        Competitor {
            name: "mlfn, first time",
            archive: archive.clone(),
            command: Box::new(mlfn.clone()),
            afresh: true,
            runs: Vec::new(),
        },
        Competitor {
            name: "mlfn, nothing changed",
            archive,
            command: Box::new(mlfn),
            afresh: false,
            runs: Vec::new(),
        },
        zip("-0", "`zip -0`"),
        zip("-6", "`zip -6`"),
    ]
}

impl Competitor {
    fn run(&self) -> anyhow::Result<Run> {
        if self.afresh && self.archive.exists() {
            fs_err::remove_file(&self.archive)?;
        }
        let start = Instant::now();
        let mut command = (self.command)();
        let child = command.spawn().with_context(|| {
            let program = command.get_program().to_string_lossy();
            format!(
                "starting {program}; on Debian and Ubuntu, `apt-get install zip` brings Info-ZIP"
            )
        })?;
        let peak_kib = wait(child)?;
        let seconds = start.elapsed().as_secs_f64();
        Ok(Run {
            seconds,
            peak_kib,
            bytes: fs_err::metadata(&self.archive)?.len(),
        })
    }
}

/// The largest resident memory that the process had.
fn wait(mut child: Child) -> anyhow::Result<u64> {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        // The file is there as long as the process is, also after it ended and until it is waited for.
        let text = fs_err::read_to_string(&status).context("memory is read from Linux's /proc")?;
        peak = peak.max(high_water_mark(&text).unwrap_or(0));
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "it ended with {status}");
            return Ok(peak);
        }
        thread::sleep(POLL);
    }
}

fn high_water_mark(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// What a package holds; the packer itself stands for the shim and for the library.
fn write_files(folder: &Path, binary: &Path) -> anyhow::Result<()> {
    fs_err::create_dir_all(folder.join("lib"))?;
    fs_err::create_dir_all(folder.join("model"))?;
    fs_err::copy(binary, folder.join("bootstrap"))?;
    fs_err::copy(binary, folder.join("lib/libonnxruntime.so"))?;
    fs_err::write(folder.join("model/model.onnx"), model("weights.bin"))?;
    let weights = folder.join("model/weights.bin");
    if fs_err::metadata(&weights).is_ok_and(|metadata| metadata.len() == WEIGHTS as u64) {
        return Ok(());
    }
    write_weights(&weights)
}

/// Numbers as training leaves them: around 0, small, no two alike. The same in each run.
fn write_weights(path: &Path) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..WEIGHTS / 4 {
        // The sum of four uniform numbers is nearly normal.
        let sum: f32 = (0..4).map(|_| uniform(&mut state)).sum();
        out.write_all(&((sum - 2.0) * 0.05).to_le_bytes())?;
    }
    Ok(out.flush()?)
}

/// From 0 to 1 in all 23 bits of a float32's fraction, by Marsaglia's xorshift.
fn uniform(state: &mut u64) -> f32 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    let fraction = u32::try_from(*state >> 41).unwrap_or(0);
    f32::from_bits(1.0_f32.to_bits() | fraction) - 1.0
}

/// The smallest ONNX model whose weights are in the file `location`.
fn model(location: &str) -> Vec<u8> {
    let entry = |key: &str, value: &str| field(13, &[text(1, key), text(2, value)].concat());
    let elements = u64::try_from(WEIGHTS / 4).unwrap_or(0);
    let weights = [
        number(1, elements),
        number(2, 1),
        text(8, "w"),
        entry("location", location),
        number(14, 1),
    ];
    let node = [text(1, "w"), text(2, "y"), text(4, "Identity")].concat();
    let float = field(
        1,
        &[number(1, 1), field(2, &field(1, &number(1, elements)))].concat(),
    );
    let output = [text(1, "y"), field(2, &float)].concat();
    let graph = [
        field(1, &node),
        text(2, "g"),
        field(5, &weights.concat()),
        field(12, &output),
    ];
    let opset = [text(1, ""), number(2, 17)].concat();
    [number(1, 8), field(7, &graph.concat()), field(8, &opset)].concat()
}

pub(super) fn text(field_number: u8, value: &str) -> Vec<u8> {
    field(field_number, value.as_bytes())
}

pub(super) fn field(field_number: u8, value: &[u8]) -> Vec<u8> {
    [
        &[field_number << 3 | 2],
        varint(value.len() as u64).as_slice(),
        value,
    ]
    .concat()
}

pub(super) fn number(field_number: u8, value: u64) -> Vec<u8> {
    [&[field_number << 3], varint(value).as_slice()].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or(0));
    out
}

fn folder_size(folder: &Path) -> anyhow::Result<u64> {
    let mut size = 0;
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        size += match entry.metadata()? {
            metadata if metadata.is_dir() => folder_size(&entry.path())?,
            metadata => metadata.len(),
        };
    }
    Ok(size)
}

fn table(competitors: &mut [Competitor], total: u64) -> String {
    let mut text = format!(
        "{} MB of files, nearly all of it float32 weights; median of {ROUNDS} runs; {}.\n\n\
         | | seconds | peak memory | archive | of the files |\n|---|---:|---:|---:|---:|\n",
        total / 1_000_000,
        machine().unwrap_or_else(|_| "unknown machine".to_owned())
    );
    for competitor in competitors {
        competitor
            .runs
            .sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        let Some(run) = competitor.runs.get(ROUNDS / 2) else {
            continue;
        };
        let peak = competitor
            .runs
            .iter()
            .map(|run| run.peak_kib)
            .max()
            .unwrap_or(0);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {:.2} | {} MiB | {} MB | {} % |",
            competitor.name,
            run.seconds,
            peak.div_ceil(1024),
            tenths(run.bytes, 1_000_000),
            tenths(run.bytes * 100, total)
        );
    }
    text
}

/// The quotient with one digit behind the point.
fn tenths(number: u64, unit: u64) -> String {
    let tenths = (number * 10 + unit / 2) / unit.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}
