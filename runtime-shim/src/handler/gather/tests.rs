//! Requests of many threads at once, to models whose answers tell whose they are.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use proptest::prelude::*;

use super::*;
use crate::codec::failure::Failure;
use crate::engine::echo::input;
use crate::engine::{Dim, EngineError, Signature};
use crate::handler::tests::config;
use crate::tensor::{Data, ElementType, Value};

/// A model that doubles every value, and for which a row may count for the next one.
struct Model {
    signature: Signature,
    remembers: bool,
    /// Rows of the largest run.
    most: AtomicUsize,
    runs: AtomicUsize,
}

impl Model {
    fn new(remembers: bool) -> Self {
        let inputs = vec![input("x", ElementType::Float32, vec![Dim::Any, Dim::Any])];
        Self {
            signature: Signature {
                inputs,
                outputs: vec!["y".to_owned()],
                output_kinds: Vec::new(),
            },
            remembers,
            most: AtomicUsize::new(0),
            runs: AtomicUsize::new(0),
        }
    }
}

impl Engine for Model {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Value>, EngineError> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.most.fetch_max(inputs[0].shape[0], Ordering::Relaxed);
        let Data::Float32(values) = &inputs[0].data else {
            panic!("the signature has no other type");
        };
        if values.iter().any(|value| *value < 0.0) {
            return Err(EngineError::Refused("a negative number".to_owned()));
        }
        let mut before = 0.0;
        let answers = values.iter().map(|value| {
            let memory = if self.remembers { before } else { 0.0 };
            before = *value;
            value * 2.0 + memory
        });
        let data = Data::Float32(answers.collect());
        let shape = inputs[0].shape.clone();
        Ok(vec![Value::Tensor(Tensor { shape, data })])
    }
}

fn row(values: &[f32]) -> Vec<Tensor> {
    vec![Tensor {
        shape: vec![1, values.len()],
        data: Data::Float32(values.to_vec().into()),
    }]
}

/// It is known of runs of up to 8 rows that company changes nothing.
fn proven() -> Stacking {
    let stacking = Stacking::new(&config());
    for (rows, width) in (1..9).flat_map(|rows| [(rows, 1), (rows, 2)]) {
        stacking.agree(vec![vec![rows, width]], 1000);
    }
    stacking
}

/// Lets every client send its requests, one after the other, all clients at once. Each request must
/// get what it gets alone.
fn check(model: &Model, stacking: &Stacking, most: u32, clients: &[Vec<Vec<f32>>]) {
    let batching = Batching {
        max: most,
        wait_us: 200,
        exact: true,
    };
    let gatherer = Gatherer::new(&batching);
    let barrier = Barrier::new(clients.len());
    thread::scope(|scope| {
        for requests in clients {
            let (gatherer, barrier) = (&gatherer, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for values in requests {
                    let found = gatherer.run(model, stacking, row(values));
                    let expected = model.run(row(values)).map_err(Failure::from);
                    assert_eq!(found, expected, "{values:?}");
                }
            });
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn requests_are_never_mixed_up(
        remembers: bool,
        most in 1_u32..9,
        clients in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(-1_i8..100, 1..3), 1..20),
            1..9,
        ),
    ) {
        let clients: Vec<Vec<Vec<f32>>> = clients
            .into_iter()
            .map(|requests| {
                let requests = requests.into_iter();
                requests.map(|row| row.into_iter().map(f32::from).collect()).collect()
            })
            .collect();
        check(&Model::new(remembers), &Stacking::new(&config()), most, &clients);
        check(&Model::new(false), &proven(), most, &clients);
    }
}

/// Eight clients at once, of which four at a time share a run: the runs that this takes.
#[track_caller]
fn check_runs(stacking: &Stacking, expected: usize) {
    let gatherer = patient(4);
    let model = Model::new(false);
    thread::scope(|scope| {
        for value in [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0] {
            let (gatherer, model) = (&gatherer, &model);
            scope.spawn(move || {
                let found = gatherer.run(model, stacking, row(&[value]));
                assert_eq!(
                    found,
                    Ok(row(&[value * 2.0]).into_iter().map(Value::Tensor).collect())
                );
            });
        }
    });
    assert_eq!(model.most.load(Ordering::Relaxed), 4);
    assert_eq!(model.runs.load(Ordering::Relaxed), expected);
}

#[test]
fn clients_of_one_moment_share_a_run() {
    check_runs(&proven(), 2);
    // Each run is compared with four single ones.
    check_runs(&Stacking::new(&config()), 2 + 8);
}

#[test]
fn large_requests_do_not_share_a_run() {
    let values: Vec<f32> = (0_u16..40_000).map(f32::from).collect();
    let requests = [values.clone(), values];
    let model = Model::new(false);
    let (answers, group): (Vec<_>, Vec<_>) = requests
        .map(|values| {
            let (answer, answered) = mpsc::channel();
            let request = Request {
                inputs: row(&values),
                rows: Rows::Whole,
            };
            (answered, Waiting { request, answer })
        })
        .into_iter()
        .unzip();
    answer_all(&model, &proven(), group);
    for answer in answers {
        let values = answer.recv().expect("an answer").expect("is good");
        let [Value::Tensor(tensor)] = &values[..] else {
            panic!("{values:?}")
        };
        assert_eq!(tensor.shape, [1, 40_000]);
    }
    assert_eq!(model.most.load(Ordering::Relaxed), 1);
}

/// Waits until groups are as large as they may be.
fn patient(most: u32) -> Gatherer {
    let gatherer = Gatherer::new(&Batching {
        max: most,
        wait_us: u64::from(u32::MAX),
        exact: true,
    });
    gatherer.lock().expected = usize::try_from(most).expect("is small");
    gatherer
}

#[test]
fn a_group_has_no_more_than_it_may() {
    let gatherer = patient(2);
    let sizes: BTreeSet<usize> = thread::scope(|scope| {
        let join = |value: f32| {
            let (answer, _) = mpsc::channel();
            let request = Request {
                inputs: row(&[value]),
                rows: Rows::Whole,
            };
            gatherer
                .join(Waiting { request, answer })
                .map(|group| group.len())
        };
        let threads = [1.0, 2.0].map(|value| scope.spawn(move || join(value)));
        let sizes = threads.map(|thread| thread.join().expect("no panic"));
        sizes.into_iter().flatten().collect()
    });
    assert_eq!(sizes, BTreeSet::from([2]));
}
