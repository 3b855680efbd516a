//! Events as data, for a model that answers the rows of two numbers that it is given.
//!
//! Each `.json` file in `tests/events` is an event; the `.txt` file beside it tells what becomes of
//! its records, which predictions go where (`> `), and what the function answers (`< `). `UPDATE_EXPECT=1` writes what is said today.

use std::cell::RefCell;
use std::path::PathBuf;

use expect_test::expect_file;
use mlfn_shim_contract::InputConfig;

use super::cloud::Delivery;
use super::*;
use crate::engine::Dim;
use crate::engine::echo::{Echo, input};
use crate::handler::tests::{config, echo};
use crate::platform::aws::objects::Content;
use crate::platform::outputs::Outputs;
use crate::tensor::ElementType;

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/events");

fn files() -> Vec<PathBuf> {
    let entries = fs_err::read_dir(FILES).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let is_event = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    };
    let mut files: Vec<_> = paths.filter(is_event).collect();
    files.sort();
    files
}

/// Where predictions go: those of two queues and of one bucket.
const OUTPUTS: &str = r#"[
    {"source": "arn:aws:sqs:eu-central-1:210987654321:answered", "queue": "https://queues.example/1/results"},
    {"source": "arn:aws:sqs:eu-central-1:210987654321:answered.fifo", "queue": "https://queues.example/1/results.fifo"},
    {"source": "arn:aws:s3:::uploads", "source_prefix": "in/", "source_suffix": "", "bucket": "predictions", "prefix": "out/"}
]"#;

/// A cloud with a few objects, which takes every prediction but some. What it took is kept.
struct Few {
    outputs: Outputs,
    taken: RefCell<Vec<Delivery>>,
}

impl Few {
    fn new() -> Self {
        Self {
            outputs: Outputs::parse(Some(OUTPUTS)).expect("good outputs"),
            taken: RefCell::default(),
        }
    }
}

impl Cloud for Few {
    fn outputs(&self) -> Result<&Outputs, Failure> {
        Ok(&self.outputs)
    }

    fn capacity(&self) -> usize {
        1000
    }

    fn fetch(&self, objects: Vec<Object>) -> Vec<Result<Content, Failure>> {
        let sizes = objects.iter().filter_map(|object| object.size);
        assert!(sizes.sum::<u64>() <= 1000, "{objects:?}");
        let content = |object: Object| {
            let (kind, body) = match object.key.as_str() {
                "in/missing.json" => return Err(Failure::new(Code::ObjectNotRead, "not here")),
                "in/photo.png" => (Some("image/png"), "PNG"),
                "in/bad.json" => (Some("image/png"), "{\"x\": 1}"),
                "in/unwritable.json" => (None, "{\"x\": [9, 9]}"),
                "in/plain.bin" => (Some("binary/octet-stream"), "{\"x\": [5, 6]}"),
                "in/größe 1+1.json" => (Some("application/json"), "{\"x\": [7, 8]}"),
                _ => (Some("text/plain"), "{\"x\": [1, 2]}"),
            };
            Ok(Content {
                body: body.into(),
                kind: kind.map(str::to_owned),
            })
        };
        objects.into_iter().map(content).collect()
    }

    fn deliver(&self, deliveries: Vec<Delivery>) -> Vec<Result<(), Failure>> {
        let take = |delivery: Delivery| {
            if delivery.body.starts_with(b"{\"prediction\":[9.0") {
                return Err(Failure::new(Code::NotDelivered, "there is no room"));
            }
            self.taken.borrow_mut().push(delivery);
            Ok(())
        };
        deliveries.into_iter().map(take).collect()
    }
}

fn show_taken(cloud: &Few) -> String {
    let taken = cloud.taken.take();
    let lines = taken.iter().map(|delivery| {
        let body = String::from_utf8_lossy(&delivery.body);
        let group = delivery.group.as_deref();
        let group = group.map(|group| format!(" [{group}]")).unwrap_or_default();
        let (address, source) = (delivery.place.uri(), &delivery.source);
        format!("> {address} ({source}){group}: {body}\n")
    });
    lines.collect()
}

fn show_record(record: &Record<'_>, outcome: &Outcome) -> String {
    let outcome = match outcome {
        Outcome::Predicted(answer) => String::from_utf8_lossy(answer).into_owned(),
        Outcome::Delivered(address) => format!("to {address}"),
        Outcome::Skipped => "skipped".to_owned(),
        Outcome::Failed(failure) => format!("{}: {failure}", failure.code.name()),
        Outcome::HeldBack => "held back".to_owned(),
    };
    format!("{}: {outcome}\n", record.id)
}

fn show(event: &[u8]) -> String {
    let (handler, cloud) = (echo(), Few::new());
    let mut timings = Timings::default();
    let mut text = String::new();
    if let Ok(Some(event)) = Event::read(&handler, event) {
        let outcomes = outcomes(&handler, &mut timings, &cloud, &event);
        let outcomes = outcomes.expect("the outputs are good");
        let records = event.records.iter().zip(&outcomes);
        text.extend(records.map(|(record, outcome)| show_record(record, outcome)));
    }
    text += &show_taken(&cloud);
    let answer = match answer(&handler, &mut timings, &cloud, "request-1", event) {
        Ok(answer) => String::from_utf8(answer).expect("answers are text"),
        Err(failure) => format!("{}: {failure}", failure.code.name()),
    };
    format!("{text}< {answer}\n")
}

#[test]
fn events_get_the_answers_in_the_files() {
    let files = files();
    assert!(files.len() >= 26, "{files:?}");
    for path in files {
        let event = fs_err::read(&path).expect("a file");
        expect_file![path.with_extension("txt")].assert_eq(&show(&event));
    }
}

/// A model with one feature of this name.
fn named(name: &str) -> Handler {
    let dims = vec![Dim::Any, Dim::Fixed(1)];
    let names = vec![name.to_owned()];
    let mut config = config();
    config.inputs.insert("x".to_owned(), InputConfig { names });
    let engine = Echo::new(vec![input("x", ElementType::String, dims)]);
    Handler::new(Box::new(engine), config)
}

#[test]
fn a_feature_may_be_called_like_a_part_of_an_event() {
    for name in ["Records", "Message", "detail"] {
        let (handler, mut timings) = (named(name), Timings::default());
        let request = format!("{{\"{name}\": \"text\"}}");
        let expected = handler.handle(request.as_bytes(), &mut timings);
        let found = answer(&handler, &mut timings, &Few::new(), "1", request.as_bytes());
        assert_eq!(found.expect("an answer"), expected.expect("an answer"));
    }
}

/// The request in a change of a table.
fn plain(handler: &Handler, change: &str) -> String {
    let record =
        format!(r#"{{"eventName": "INSERT", "dynamodb": {{"SequenceNumber": "1", {change}}}}}"#);
    let record = RawValue::from_string(record).expect("JSON");
    let record = dynamodb::read(handler, &record).expect("a change");
    match record.request {
        Ok(Request::Body(body)) => String::from_utf8(body.into_owned()).expect("text"),
        Ok(Request::Nothing | Request::Object(_)) => panic!("it has a request"),
        Err(failure) => failure.message,
    }
}

#[test]
fn the_key_of_an_item_is_no_input_unless_the_model_says_so() {
    let change = r#""Keys": {"id": {"S": "k"}}, "NewImage": {"id": {"S": "k"}, "x": {"N": "1"}}"#;
    assert_eq!(plain(&echo(), change), r#"{"x":1}"#);
    assert_eq!(plain(&named("id"), change), r#"{"id":"k","x":1}"#);
}

#[track_caller]
fn check_item(image: &str, expected: &str) {
    assert_eq!(plain(&echo(), &format!("\"NewImage\": {image}")), expected);
}

#[test]
fn attributes_of_tables_become_plain_json() {
    check_item(r#"{"a": {"S": "Größe \"\n"}}"#, r#"{"a":"Größe \"\n"}"#);
    check_item(r#"{"a": {"N": "-1.25E+2"}}"#, r#"{"a":-1.25E+2}"#);
    check_item(
        r#"{"a": {"N": "12345678901234567890123456789012345678"}}"#,
        r#"{"a":12345678901234567890123456789012345678}"#,
    );
    check_item(
        r#"{"a": {"BOOL": true}, "b": {"NULL": true}}"#,
        r#"{"a":true,"b":null}"#,
    );
    check_item(
        r#"{"a": {"L": [{"N": "1"}, {"M": {"b": {"SS": ["c"]}}}, {"L": []}]}}"#,
        r#"{"a":[1,{"b":["c"]},[]]}"#,
    );
    check_item(r#"{"a": {"NS": ["1", "2"]}}"#, r#"{"a":[1,2]}"#);
    check_item(
        r#"{"a": {"B": "AAE="}, "b": {"BS": []}}"#,
        r#"{"a":"AAE=","b":[]}"#,
    );
    check_item(
        r#"{"a": {"N": ""}}"#,
        "the new item is not of the form that DynamoDB gives it: `` is no number (line 1, column 15)",
    );
    check_item(
        r#"{"a": {"X": 1}}"#,
        "the new item is not of the form that DynamoDB gives it: unknown variant `X`, expected one of `B`, `S`, `N`, `BOOL`, `NULL`, `L`, `M`, `BS`, `SS`, `NS` (line 1, column 10)",
    );
}
