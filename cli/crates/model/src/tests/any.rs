//! What holds for every file: weights are not read, and nothing panics.

use std::io::{self, Cursor, Read, Seek, SeekFrom, Write as _};
use std::path::Path;

use super::protobuf::{bytes, model, number, opset};
use proptest::prelude::*;

use crate::inspect::read;
use crate::{ModelError, inspect};

/// Counts the bytes that are read.
struct Counting<F> {
    inner: F,
    read: u64,
}

impl<F: Read> Read for Counting<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        Ok(read)
    }
}

impl<F: Seek> Seek for Counting<F> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

const WEIGHTS: u64 = 3 << 30;

/// A model up to its weights, which take [`WEIGHTS`] bytes.
fn start_of_large_model() -> Vec<u8> {
    let key = |number: u8| vec![(number << 3) | 2];
    // The lengths here all take five bytes.
    let length = |value: u64| number(1, value)[1..].to_vec();
    let tensor = [number(1, WEIGHTS / 4), number(2, 1), bytes(8, b"weights")].concat();
    let tensor_length = tensor.len() as u64 + 1 + 5 + WEIGHTS;
    let outputs = bytes(12, &bytes(1, b"y"));
    let graph_length = outputs.len() as u64 + 1 + 5 + tensor_length;
    let graph = [key(7), length(graph_length), outputs].concat();
    let initializer = [key(5), length(tensor_length), tensor].concat();
    [number(1, 8), graph, initializer, key(9), length(WEIGHTS)].concat()
}

#[test]
fn weights_of_gigabytes_are_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("large.onnx");
    let start = start_of_large_model();
    let mut file = fs_err::File::create(&path).expect("creates");
    file.write_all(&start).expect("writes");
    // The weights are a hole in the file.
    let weights_end = start.len() as u64 + WEIGHTS;
    file.seek(SeekFrom::Start(weights_end)).expect("seeks");
    file.write_all(&opset("", 17)).expect("writes");

    let model = inspect(&path).expect("reads");
    assert_eq!(model.parameters, WEIGHTS / 4);
    assert_eq!(model.opsets["ai.onnx"], 17, "what follows them is read");
    let inner = fs_err::File::open(&path).expect("opens");
    let mut counting = Counting { inner, read: 0 };
    read(&mut counting, model.bytes, &path).expect("reads");
    assert!(counting.read < 100_000, "{} bytes were read", counting.read);
}

/// Fails to read what lies behind the first bytes, as a broken disk does.
struct Broken(Cursor<Vec<u8>>);

impl Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.position() >= 20_000 {
            return Err(io::Error::other("the disk is broken"));
        }
        self.0.read(buffer)
    }
}

impl Seek for Broken {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match to {
            // The sample of the file's end is read well, so that the walk meets the error.
            SeekFrom::Start(_) => self.0.seek(SeekFrom::Start(0)),
            other => self.0.seek(other),
        }
    }
}

#[test]
fn an_error_of_the_disk_is_not_taken_for_a_damaged_model() {
    let nodes = bytes(1, &bytes(4, b"Relu")).repeat(10_000);
    let content = model(8, 17, &nodes);
    let length = content.len() as u64;
    let mut broken = Broken(Cursor::new(content));
    let error = read(&mut broken, length, Path::new("m.onnx")).expect_err("fails");
    assert!(matches!(error, ModelError::Io { .. }), "{error}");
}

/// Reads a file with that content, in whatever way it ends.
fn read_anything(content: Vec<u8>) {
    let length = content.len() as u64;
    let answer = read(&mut Cursor::new(content), length, Path::new("m.onnx"));
    if let Err(error) = answer {
        assert!(!error.to_string().is_empty() && !error.hint().is_empty());
    }
}

fn fixtures() -> Vec<Vec<u8>> {
    let names = ["classifier", "network", "types", "operators", "outside"];
    let names = names.iter();
    names
        .map(|name| fs_err::read(format!("tests/fixtures/{name}.onnx")).expect("reads"))
        .collect()
}

#[test]
fn models_cut_anywhere_are_never_taken_for_whole_or_garbage() {
    for whole in fixtures() {
        for length in 1..whole.len() {
            let cut = whole[..length].to_vec();
            let answer = read(&mut Cursor::new(cut), length as u64, Path::new("m.onnx"));
            let error = answer.map(drop);
            let told = match &error {
                Err(ModelError::Truncated { .. } | ModelError::Incomplete { .. }) => true,
                // The first byte alone could begin many things.
                Err(ModelError::NotOnnx { .. }) => length < 2,
                // Operator sets, metadata and functions come last: some cuts leave a whole model.
                Ok(()) => length > whole.len() / 2,
                Err(_) => false,
            };
            assert!(told, "{length} of {}: {error:?}", whole.len());
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(content in proptest::collection::vec(any::<u8>(), 1..2000)) {
        read_anything(content);
    }

    #[test]
    fn flipped_bits_do_not_panic(
        fixture in 0_usize..5,
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0_u32..8), 1..6),
        keep in any::<prop::sample::Index>(),
    ) {
        let mut content = fixtures().swap_remove(fixture);
        for (index, bit) in flips {
            let index = index.index(content.len());
            content[index] ^= 1 << bit;
        }
        read_anything(content.clone());
        content.truncate(1 + keep.index(content.len()));
        read_anything(content);
    }
}
