//! Requests that nobody would send: whatever comes, there is an answer, and nothing panics.
//!
//! `fuzz/` feeds this with a real fuzzer; the tests here do so with its seeds, changed at random.

use std::collections::BTreeMap;

use bytes::Bytes;
use mlfn_shim_contract::{CONFIG_FORMAT, InputConfig, OutputConfig, ShimConfig};
use serde::de::IgnoredAny;

use crate::codec::content::Form;
use crate::codec::failure::{Code, Failure};
use crate::engine::echo::{Echo, input};
use crate::engine::{Dim, Input};
use crate::handler::{Handler, Timings};
use crate::log::{self, Level, Style};
use crate::platform::fuzz::{Way, answer};
use crate::tensor::ElementType;

/// Answers a request of any form. The first byte is the form, the second one the model, which
/// answers what it was given; of a binary request of the Open Inference Protocol, the third one
/// is how many bytes of the rest are JSON.
///
/// # Panics
///
/// If the shim has a fault.
pub fn request(bytes: &[u8]) {
    let [form, model, body @ ..] = bytes else {
        return;
    };
    // Lines of requests that are refused would take longer than the requests.
    log::init(Style {
        level: Level::Error,
        google: false,
    });
    let handler = handler(*model);
    let timings = &mut Timings::default();
    let all = Bytes::copy_from_slice(body);
    match form {
        b'j' => check_json(handler.handle(body, timings)),
        b'o' => check_json(handler.infer(&all, None, timings).map(|found| found.body)),
        b'b' => {
            let Some(length) = body.first() else {
                return;
            };
            let found = handler.infer(&all.slice(1..), Some(usize::from(*length)), timings);
            let json = found.map(|mut found| {
                found.body.truncate(found.json_length.unwrap_or(usize::MAX));
                found.body
            });
            check_json(json);
        }
        b'n' => check(handler.predict_in(&all, Form::Npy, Form::Json, timings)),
        b'z' => check(handler.predict_in(&all, Form::Npz, Form::Npz, timings)),
        b'l' => check_reply(Way::Lambda, &handler, body),
        b'a' => check_reply(Way::Azure, &handler, body),
        b'g' => check_reply(Way::Google, &handler, body),
        b'p' => check_reply(Way::Packed, &handler, body),
        _ => check_reply(Way::Bytes, &handler, body),
    }
}

fn check_reply(way: Way, handler: &Handler, body: &[u8]) {
    let reply = answer(way, handler, body);
    match reply.failure {
        Some(failure) => check(Err::<(), _>(failure)),
        None if reply.is_text => check_json(Ok(reply.body)),
        None => {}
    }
}

fn check_json(answer: Result<Vec<u8>, Failure>) {
    if let Ok(body) = &answer {
        let read = serde_json::from_slice::<IgnoredAny>(body);
        assert!(read.is_ok(), "{}", String::from_utf8_lossy(body));
    }
    check(answer);
}

/// What is wrong is the request, and somebody can read why.
fn check<T>(answer: Result<T, Failure>) {
    if let Err(failure) = answer {
        assert_ne!(failure.code, Code::Internal, "{failure}");
        assert!(!failure.message.is_empty());
    }
}

/// A handler of one of some models.
fn handler(model: u8) -> Handler {
    let engine = Echo::new(inputs(model));
    let names = ["a", "b"].map(str::to_owned).to_vec();
    let names = match model {
        b'0' => BTreeMap::from([("x".to_owned(), InputConfig { names })]),
        _ => BTreeMap::new(),
    };
    let config = ShimConfig {
        format: CONFIG_FORMAT,
        service: "service".to_owned(),
        stage: "dev".to_owned(),
        function: "function".to_owned(),
        model: String::new(),
        model_sha256: "00".to_owned(),
        library: String::new(),
        library_in_layer: false,
        inputs: names,
        output: OutputConfig::default(),
        example: None,
        max_request: 1 << 16,
        max_response: 1 << 20,
        timeout: 10,
        routes: Vec::new(),
        schedules: BTreeMap::new(),
        graph: None,
        batching: None,
        record_batches: false,
        steady: true,
        fetched: BTreeMap::new(),
    };
    Handler::new(Box::new(engine), config)
}

fn inputs(model: u8) -> Vec<Input> {
    let symbol = || Dim::Symbol("N".to_owned());
    match model {
        b'0' => vec![input(
            "x",
            ElementType::Float32,
            vec![symbol(), Dim::Fixed(2)],
        )],
        b'1' => vec![input("x", ElementType::Int64, vec![symbol()])],
        b'2' => vec![input(
            "x",
            ElementType::String,
            vec![Dim::Any, Dim::Fixed(1)],
        )],
        b'3' => vec![
            input("x", ElementType::Float16, vec![symbol(), Dim::Any]),
            input("y", ElementType::Bool, vec![symbol()]),
        ],
        b'4' => vec![input("x", ElementType::Float64, Vec::new())],
        _ => vec![input(
            "x",
            ElementType::Uint8,
            vec![Dim::Fixed(1), Dim::Fixed(2), Dim::Fixed(2)],
        )],
    }
}

#[cfg(test)]
mod tests;
