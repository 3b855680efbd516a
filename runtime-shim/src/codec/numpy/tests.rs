//! Arrays with the bytes that `NumPy` 2 writes, and what must not be taken for one.

use super::*;
use crate::codec::request::Rows;
use crate::engine::echo::input;
use crate::engine::{Dim, Signature};
use crate::tensor::{Data, Element as _, ElementType};

fn signature(element: ElementType, dims: &[Dim]) -> Signature {
    Signature {
        inputs: vec![input("x", element, dims.to_vec())],
        outputs: Vec::new(),
        output_kinds: Vec::new(),
    }
}

/// A file in version 1 of the format.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = NPY_MAGIC.to_vec();
    file.extend_from_slice(&[1, 0]);
    let length = u16::try_from(header.len()).expect("is short");
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(data);
    file
}

fn read(header: &str, data: &[u8]) -> Result<Tensor, String> {
    npy::read(&file(header, data).into(), "x").map_err(|failure| failure.message)
}

#[track_caller]
fn check(header: &str, data: &[u8], shape: &[usize], expected: Data) {
    let shape = shape.to_vec();
    assert_eq!(
        read(header, data),
        Ok(Tensor {
            shape,
            data: expected
        })
    );
}

#[test]
fn arrays_of_every_layout_are_read() {
    let c = "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 2), }  \n";
    let numbers = [1, 0, 2, 0, 3, 0, 4, 0];
    check(c, &numbers, &[2, 2], Data::Int16(vec![1, 2, 3, 4].into()));
    let fortran = c.replace("False", "True");
    check(
        &fortran,
        &numbers,
        &[2, 2],
        Data::Int16(vec![1, 3, 2, 4].into()),
    );
    let big = c.replace('<', ">");
    check(
        &big,
        &numbers,
        &[2, 2],
        Data::Int16(vec![256, 512, 768, 1024].into()),
    );
    let scalar = "{'shape': (), 'descr': '|b1', 'fortran_order': False}";
    check(scalar, &[1], &[], Data::Bool(vec![true].into()));
    let texts = "{'descr': '<U2', 'fortran_order': False, 'shape': (2,), }";
    let characters = [b'a', 0, 0, 0, 0xe9, 0, 0, 0, b'b', 0, 0, 0, 0, 0, 0, 0];
    let expected = Data::String(vec!["aé".to_owned(), "b".to_owned()].into());
    check(texts, &characters, &[2], expected.clone());
    let bytes = texts.replace("<U2", "|S3");
    check(&bytes, b"a\xc3\xa9b\0\0", &[2], expected);
}

#[test]
fn what_is_no_array_is_refused() {
    let good = "{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }";
    for (header, data) in [
        (good.to_owned(), &[1, 0, 2][..]),
        (good.to_owned(), &[1, 0]),
        (good.replace("<i2", "|O8"), &[0; 16]),
        (good.replace("<i2", "<c8"), &[0; 16]),
        (good.replace("(2,)", "(99999999999, 99999999999)"), &[]),
        (good.replace("(2,)", "(-1,)"), &[]),
        (good.replace("(2,)", "(9999999999, 0)"), &[]),
        (good.replace("False", "0"), &[1, 0, 2, 0]),
        (good.replace("descr", "type"), &[1, 0, 2, 0]),
    ] {
        assert!(read(&header, data).is_err(), "{header}");
    }
    for file in [
        &b""[..],
        b"\x93NUMPY",
        b"\x93NUMPY\x01\0\xff\xff",
        b"\x93NUMPY\x09\0\x01\0a",
    ] {
        assert!(
            npy::read(&Bytes::from_static(file), "x").is_err(),
            "{file:?}"
        );
    }
}

#[test]
fn what_is_written_is_read_again() {
    for data in [
        Data::Bool(vec![true, false].into()),
        Data::Uint64(vec![1, u64::MAX].into()),
        Data::Float16(vec![half::f16::ONE, half::f16::NAN].into()),
        Data::Float64(vec![0.1, f64::INFINITY].into()),
        Data::String(vec!["aé".to_owned(), String::new()].into()),
    ] {
        let tensor = Tensor {
            shape: vec![2, 1],
            data,
        };
        let file = npy::write(&tensor);
        let read = npy::read(&file.into(), "x").expect("reads");
        // Bits count, and numbers that are none are not equal to themselves.
        assert_eq!(format!("{read:?}"), format!("{tensor:?}"));
        let archive = npz::write([("a/b", &tensor)].into_iter()).expect("writes");
        assert!(archive.starts_with(NPZ_MAGIC));
        let read = npz::read(&archive, 10_000).expect("reads");
        assert_eq!(format!("{read:?}"), format!("{:?}", [("a/b", &tensor)]));
        let large = npz::read(&archive, 20).expect_err("is too large");
        assert_eq!(large.code, Code::RequestTooLarge);
    }
    assert!(npz::read(b"PK\x03\x04 no", 100).is_err());
}

#[test]
fn arrays_become_what_the_model_takes_if_nothing_is_lost() {
    let dims = [Dim::Any, Dim::Fixed(2)];
    let doubles = |values: &[f64]| {
        let tensor = Tensor {
            shape: vec![values.len()],
            data: f64::pack(values.to_vec()),
        };
        npy::write(&tensor)
    };
    let read = |element, file: &[u8]| {
        let read = read_one(
            &Bytes::copy_from_slice(file),
            &signature(element, &dims),
            &Names::default(),
        );
        read.map_err(|failure| failure.code)
    };
    let found = read(ElementType::Float32, &doubles(&[1.0, 2.5])).expect("fits");
    assert_eq!(found.rows, Rows::One);
    assert_eq!(found.inputs[0].shape, [1, 2]);
    assert_eq!(found.inputs[0].data, Data::Float32(vec![1.0, 2.5].into()));
    assert!(read(ElementType::Int8, &doubles(&[1.0, -2.0])).is_ok());
    assert_eq!(
        read(ElementType::Int8, &doubles(&[1.0, 2.5])),
        Err(Code::WrongType)
    );
    assert_eq!(
        read(ElementType::Int8, &doubles(&[1.0, 300.0])),
        Err(Code::OutOfRange)
    );
    assert_eq!(
        read(ElementType::String, &doubles(&[1.0, 2.0])),
        Err(Code::WrongType)
    );
    assert_eq!(
        read(ElementType::Float32, &doubles(&[1.0])),
        Err(Code::WrongShape)
    );
}
