use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mlfn_shim_contract::{Batching, ShimConfig};
use proptest::prelude::*;

use super::*;
use crate::codec::failure::Code;
use crate::engine::echo::input;
use crate::engine::{Dim, Engine, EngineError, Signature};
use crate::handler::stacking::ENOUGH;
use crate::handler::tests::config;
use crate::handler::together::LARGEST;
use crate::tensor::{Data, ElementType, Tensor, Value};

/// What a model makes of its only input: the values, and how many there are in a row.
type Formula = fn(&[f32], usize) -> Vec<f32>;

/// Answers each value of a row plus the row's sum.
fn row_by_row(values: &[f32], width: usize) -> Vec<f32> {
    let rows = values.chunks(width);
    let rows = rows.map(|row| (row, row.iter().sum::<f32>()));
    rows.flat_map(|(row, sum)| row.iter().map(move |value| value + sum))
        .collect()
}

/// Remembers what it has seen, as a recurrent network does along its leading dimension.
fn with_memory(values: &[f32], width: usize) -> Vec<f32> {
    let mut answer = values.to_vec();
    for at in width..answer.len() {
        answer[at] += answer[at - width];
    }
    answer
}

/// Answers as [`row_by_row`] does, but sums up in another order where there are many rows.
fn in_another_order(values: &[f32], width: usize) -> Vec<f32> {
    let sum = |row: &[f32]| match values.len() / width {
        ..51 => row.iter().sum::<f32>(),
        _ => row.iter().sum::<f32>() + 1e8 - 1e8,
    };
    let rows = values.chunks(width);
    rows.flat_map(|row| row.iter().map(move |value| value + sum(row)))
        .collect()
}

/// Answers as [`row_by_row`] does, but rounds in another way if there is more than one row, as
/// products of matrices do.
fn rounded(values: &[f32], width: usize) -> Vec<f32> {
    let answer = row_by_row(values, width).into_iter();
    if values.len() == width {
        return answer.collect();
    }
    answer.map(f32::next_up).collect()
}

/// Rounds in another way only where there are many rows, as sums over trees do.
fn rounded_late(values: &[f32], width: usize) -> Vec<f32> {
    let answer = row_by_row(values, width).into_iter();
    if values.len() <= 50 * width {
        return answer.collect();
    }
    answer.map(f32::next_up).collect()
}

/// Answers one number whatever it is given, in the shape of a row.
fn as_a_whole(values: &[f32], width: usize) -> Vec<f32> {
    vec![values.iter().sum(); width]
}

/// A model that counts its runs, and that refuses negative numbers.
struct Model {
    signature: Signature,
    formula: Formula,
    runs: Arc<AtomicUsize>,
}

impl Engine for Model {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Value>, EngineError> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        let Data::Float32(values) = &inputs[0].data else {
            panic!("the signature has no other type");
        };
        if values.iter().any(|value| *value < 0.0) {
            return Err(EngineError::Refused("a negative number".to_owned()));
        }
        let width = inputs[0].shape[1];
        let answer = (self.formula)(values, width);
        Ok(vec![Value::Tensor(Tensor {
            shape: vec![answer.len() / width, width],
            data: Data::Float32(answer.into()),
        })])
    }
}

fn handler(formula: Formula) -> (Handler, Arc<AtomicUsize>) {
    handler_of(formula, config())
}

fn handler_of(formula: Formula, config: ShimConfig) -> (Handler, Arc<AtomicUsize>) {
    let runs = Arc::default();
    let inputs = vec![input("x", ElementType::Float32, vec![Dim::Any, Dim::Any])];
    let model = Model {
        signature: Signature {
            inputs,
            output_kinds: Vec::new(),
            outputs: vec!["y".to_owned()],
        },
        formula,
        runs: Arc::clone(&runs),
    };
    (Handler::new(Box::new(model), config), runs)
}

fn many(handler: &Handler, requests: &[String]) -> Vec<Answer> {
    let bodies: Vec<&[u8]> = requests.iter().map(String::as_bytes).collect();
    handler.handle_many(&bodies, &mut Timings::default())
}

/// Each by itself, on a handler that has seen nothing.
fn single(formula: Formula, requests: &[String]) -> Vec<Answer> {
    let handle = |request: &String| {
        let (handler, _) = handler(formula);
        handler.handle(request.as_bytes(), &mut Timings::default())
    };
    requests.iter().map(handle).collect()
}

/// So many different requests of two values.
fn good(count: usize) -> Vec<String> {
    let requests = (0..count).map(|n| format!("{{\"x\": [{}.5, {n}.25]}}", n + 1));
    requests.collect()
}

/// How many runs the requests take, whose answers are checked.
#[track_caller]
fn runs(handler: &Handler, formula: Formula, count: &AtomicUsize, requests: &[String]) -> usize {
    let before = count.load(Ordering::Relaxed);
    assert_eq!(many(handler, requests), single(formula, requests));
    count.load(Ordering::Relaxed) - before
}

/// Sends the requests until that takes this many runs.
#[track_caller]
fn prove(handler: &Handler, count: &AtomicUsize, requests: &[String], expected: usize) {
    for _ in 0..=ENOUGH {
        if runs(handler, row_by_row, count, requests) == expected {
            return;
        }
    }
    panic!("more runs than {expected} each time");
}

#[test]
fn requests_become_one_run_as_soon_as_that_is_known_to_be_the_same() {
    let (handler, count) = handler(row_by_row);
    let runs = |requests: &[String]| runs(&handler, row_by_row, &count, requests);
    // One run that is compared with single ones, then none.
    assert_eq!(runs(&good(100)), 1 + 100);
    assert_eq!(runs(&good(100)), 1);
    // What is so for some number of rows need not be so for another.
    assert_eq!(runs(&good(ENOUGH)), 1 + ENOUGH);
    assert_eq!(runs(&good(ENOUGH)), 1);
    for _ in 0..ENOUGH / 2 {
        assert_eq!(runs(&good(2)), 1 + 2);
    }
    assert_eq!(runs(&good(2)), 1);
    assert_eq!(runs(&good(1)), 1);
    assert_eq!(runs(&[]), 0);
}

#[test]
fn rows_that_count_for_each_other_in_larger_runs_only_are_found_out() {
    let (handler, count) = handler(in_another_order);
    let runs = |requests: &[String]| runs(&handler, in_another_order, &count, requests);
    assert_eq!(runs(&good(50)), 1 + 50);
    assert_eq!(runs(&good(50)), 1);
    assert_eq!(runs(&good(51)), 1 + 51);
    assert_eq!(runs(&good(50)), 50);
}

#[test]
fn equal_requests_prove_nothing() {
    let (handler, count) = handler(row_by_row);
    let same = vec![good(1).remove(0); 100];
    assert_eq!(runs(&handler, row_by_row, &count, &same), 100);
    assert!(!handler.stacking.is_refuted());
    // One that differs says something of itself and its neighbours.
    let mut some = same;
    some.push("{\"x\": [7, 7]}".to_owned());
    assert_eq!(runs(&handler, row_by_row, &count, &some), 1 + 101);
    assert_eq!(runs(&handler, row_by_row, &count, &some), 1 + 101);
}

#[test]
fn a_model_whose_rows_depend_on_each_other_is_run_one_by_one() {
    for formula in [with_memory as Formula, as_a_whole] {
        let (handler, count) = handler(formula);
        assert_eq!(runs(&handler, formula, &count, &good(2)), 3);
        assert_eq!(runs(&handler, formula, &count, &good(100)), 100);
    }
}

/// Of a function that gets several records at once, so that digits have to be those of company.
fn careful(formula: Formula) -> (Handler, Arc<AtomicUsize>) {
    let config = ShimConfig {
        record_batches: true,
        ..config()
    };
    handler_of(formula, config)
}

/// What each gets in company: with another row, on a handler that has seen nothing.
fn in_company(formula: Formula, requests: &[String]) -> Vec<Answer> {
    let answer = |request: &String| {
        let (handler, _) = handler(formula);
        let body = request.replace('[', "[[").replace(']', "], [1, 2]]");
        let answer = handler.handle(body.as_bytes(), &mut Timings::default())?;
        let answer: serde_json::Value = serde_json::from_slice(&answer).expect("is JSON");
        let row = serde_json::json!({"prediction": answer["prediction"][0]});
        Ok(row.to_string().into_bytes())
    };
    requests.iter().map(answer).collect()
}

/// One request after the other, and the runs that this takes.
fn one_by_one(handler: &Handler, count: &AtomicUsize, requests: &[String]) -> (Vec<Answer>, usize) {
    let before = count.load(Ordering::Relaxed);
    let answers = requests.iter().map(|request| {
        let answer = handler.handle(request.as_bytes(), &mut Timings::default());
        answer.map(|answer| {
            let answer: serde_json::Value = serde_json::from_slice(&answer).expect("is JSON");
            answer.to_string().into_bytes()
        })
    });
    let answers = answers.collect();
    (answers, count.load(Ordering::Relaxed) - before)
}

#[test]
fn digits_that_rounding_changes_keep_requests_apart_where_no_company_was_announced() {
    let (handler, count) = handler(rounded);
    assert_eq!(runs(&handler, rounded, &count, &good(40)), 1 + 40);
    assert_eq!(runs(&handler, rounded, &count, &good(40)), 40);
}

#[test]
fn a_request_alone_gets_the_digits_of_company() {
    let (handler, count) = careful(rounded);
    let expected = in_company(rounded, &good(40));
    assert_ne!(expected, single(rounded, &good(40)));
    // The first is run once and twice, and the others as two.
    assert_eq!(
        one_by_one(&handler, &count, &good(40)),
        (expected.clone(), 1 + 40)
    );
    let runs = |requests: &[String]| {
        let before = count.load(Ordering::Relaxed);
        assert_eq!(many(&handler, requests), expected[..requests.len()]);
        count.load(Ordering::Relaxed) - before
    };
    assert_eq!(runs(&good(40)), 1 + 40);
    assert_eq!(runs(&good(40)), 1);
    assert_eq!(runs(&good(1)), 1);
}

#[test]
fn a_request_alone_is_run_as_it_is_where_company_changes_no_digit() {
    let (handler, count) = careful(row_by_row);
    let requests = good(ENOUGH + 5);
    let expected = single(row_by_row, &requests);
    // The same one says nothing new.
    let same = [requests[0].clone(), requests[0].clone()];
    let (answers, runs) = one_by_one(&handler, &count, &same);
    assert_eq!(
        (&answers[..], runs),
        (&[expected[0].clone(), expected[0].clone()][..], 2 + 1)
    );
    assert_eq!(
        one_by_one(&handler, &count, &requests[1..]),
        (expected[1..].to_vec(), 2 * (ENOUGH - 1) + 5)
    );
    assert_eq!(
        one_by_one(&handler, &count, &requests),
        (expected, requests.len())
    );
}

#[test]
fn a_model_whose_rows_depend_on_each_other_gets_no_row_twice() {
    for formula in [with_memory as Formula, as_a_whole] {
        let (handler, count) = careful(formula);
        let expected = single(formula, &good(40));
        // The first one is run once and twice, and then it is known.
        assert_eq!(one_by_one(&handler, &count, &good(40)), (expected, 1 + 40));
        assert_eq!(runs(&handler, formula, &count, &good(40)), 40);
    }
}

#[test]
fn more_company_than_changes_no_digit_is_parted() {
    let (handler, count) = careful(rounded_late);
    let expected = single(rounded_late, &good(100));
    let mut runs = Vec::new();
    for _ in 0..4 {
        let before = count.load(Ordering::Relaxed);
        assert_eq!(many(&handler, &good(100)), expected);
        runs.push(count.load(Ordering::Relaxed) - before);
    }
    // All, two dozen of them twice; two halves, and each of them alone; the halves.
    assert_eq!(runs, [1 + ENOUGH + 100, 1 + 50 + 1, 2, 2]);
}

#[test]
fn digits_that_rounding_changes_do_not_count_if_the_configuration_says_so() {
    let batching = Some(Batching {
        max: 32,
        wait_us: 0,
        exact: false,
    });
    let with = |formula| {
        handler_of(
            formula,
            ShimConfig {
                batching,
                ..config()
            },
        )
    };
    let (handler, count) = with(rounded);
    // What is compared is answered with the bits of single runs.
    assert_eq!(runs(&handler, rounded, &count, &good(40)), 1 + 40);
    let before = count.load(Ordering::Relaxed);
    let shared = many(&handler, &good(40));
    assert_eq!(count.load(Ordering::Relaxed) - before, 1);
    assert_ne!(shared, single(rounded, &good(40)));
    // More than rounding is too much.
    let (handler, count) = with(with_memory);
    assert_eq!(runs(&handler, with_memory, &count, &good(40)), 1 + 40);
    assert_eq!(runs(&handler, with_memory, &count, &good(40)), 40);
}

#[test]
fn a_bad_request_does_no_harm_to_the_others() {
    let (handler, count) = handler(row_by_row);
    let mut requests = good(5);
    requests[1] = "{".to_owned();
    requests[3] = "{\"x\": \"text\"}".to_owned();
    prove(&handler, &count, &requests, 1);
    requests[2] = "{\"x\": [1, -1]}".to_owned();
    assert_eq!(runs(&handler, row_by_row, &count, &requests), 1 + 3);
    let answers = many(&handler, &requests);
    let codes: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.map_err(|f| f.code).err())
        .collect();
    let bad = [Code::NotJson, Code::Refused, Code::WrongType].map(Some);
    assert_eq!(codes, [None, bad[0], bad[1], bad[2], None]);
}

#[test]
fn a_run_has_a_bounded_size() {
    let (handler, count) = handler(row_by_row);
    let wide = |n: usize| format!("{{\"x\": [{n}{}]}}", ", 1".repeat(LARGEST / 4));
    let requests: Vec<_> = (0..7).map(wide).collect();
    prove(&handler, &count, &requests, 3);
}

fn requests() -> impl Strategy<Value = Vec<String>> {
    let number = 1_u16..1000;
    let row = move |width| proptest::collection::vec(number.clone(), width);
    let rows = (1_usize..3).prop_flat_map(move |width| proptest::collection::vec(row(width), 1..4));
    let request = prop_oneof![
        8 => rows.clone().prop_map(|rows| format!("{{\"x\": {:?}}}", rows[0])),
        8 => rows.prop_map(|rows| format!("{{\"x\": {rows:?}}}")),
        1 => Just("{\"x\": [-1, 1]}".to_owned()),
        1 => Just("{\"x\": [[1], [2, 3]]}".to_owned()),
        1 => Just("no JSON".to_owned()),
    ];
    proptest::collection::vec(request, 0..60)
}

proptest! {
    #[test]
    fn every_request_gets_the_answer_that_it_gets_alone(batches in proptest::collection::vec(requests(), 1..4)) {
        for formula in [row_by_row as Formula, in_another_order, rounded, with_memory, as_a_whole] {
            let (handler, _) = handler(formula);
            for requests in &batches {
                let expected = single(formula, requests);
                // Compared at first, then trusted.
                for _ in 0..3 {
                    prop_assert_eq!(&many(&handler, requests), &expected);
                }
            }
        }
    }

    #[test]
    fn every_request_gets_the_answer_that_the_first_one_gets(batches in proptest::collection::vec(requests(), 1..4)) {
        for formula in [row_by_row as Formula, in_another_order, rounded, rounded_late] {
            let (handler, _) = careful(formula);
            for requests in &batches {
                let first = |request: &String| {
                    let (handler, _) = careful(formula);
                    handler.handle(request.as_bytes(), &mut Timings::default())
                };
                let expected: Vec<_> = requests.iter().map(first).collect();
                for _ in 0..3 {
                    prop_assert_eq!(&many(&handler, requests), &expected);
                    for (request, expected) in requests.iter().zip(&expected) {
                        let found = handler.handle(request.as_bytes(), &mut Timings::default());
                        prop_assert_eq!(&found, expected);
                    }
                }
            }
        }
    }
}
