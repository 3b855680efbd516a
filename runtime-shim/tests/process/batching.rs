//! Requests of one moment, where an instance gets several: with `batching:` they share runs of ONNX
//! Runtime, and nobody can tell from the answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use mlfn_shim_contract::Batching;
use serde_json::{Value as Json, json};

use crate::support::{self, Package, Shim, post};

const CLIENTS: usize = 6;
const ROUNDS: usize = 40;

/// What the log says of a run for several requests.
const SHARED: &str = "requests shared a run";

fn package(model: &str) -> Package {
    let mut package = Package::of(model);
    package.config.batching = Some(Batching {
        max: 4,
        wait_us: 20_000,
        exact: true,
    });
    package
}

/// Company may change the last digits.
fn inexact(model: &str) -> Package {
    let mut package = package(model);
    if let Some(batching) = &mut package.config.batching {
        batching.exact = false;
    }
    package
}

/// On the platforms that send several requests at a time, and the path of the function there.
fn starts(package: &Package) -> [(Shim, &'static str); 2] {
    [
        ("PORT", "/predict"),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "/api/predict"),
    ]
    .map(|(port, path)| {
        let variables = [(port, "0"), ("MLFN_LOG", "debug")];
        (Shim::serving(package, &variables), path)
    })
}

/// A request that no other client sends, and no other round.
fn request(make: fn(f64) -> Json, client: usize, round: usize) -> String {
    let number = u32::try_from(client * ROUNDS + round).expect("small");
    make(f64::from(number)).to_string()
}

/// What is sent to a model, and what counts as the same answer.
#[derive(Clone, Copy)]
struct Requests {
    model: &'static str,
    make: fn(f64) -> Json,
    is_same: fn(&str, &str) -> bool,
}

impl Requests {
    /// The same answer is the same text.
    fn of(model: &'static str, make: fn(f64) -> Json) -> Self {
        let is_same = |one: &str, other: &str| one == other;
        Self {
            model,
            make,
            is_same,
        }
    }
}

/// All clients send their requests at once, again and again until `until` returns. Each must be
/// answered as in `alone`.
fn ask(
    shim: &mut Shim,
    path: &str,
    requests: Requests,
    alone: &[Vec<String>],
    until: impl FnOnce(&mut Shim),
) {
    let done = &AtomicBool::new(false);
    thread::scope(|scope| {
        for (client, alone) in alone.iter().enumerate() {
            let mut connection = shim.connect();
            scope.spawn(move || {
                let mut is_first = true;
                while is_first || !done.load(Ordering::Relaxed) {
                    is_first = false;
                    for (round, expected) in alone.iter().enumerate() {
                        let request = post(path, &[], &request(requests.make, client, round));
                        let found = connection.send(&request).body;
                        let is_same = (requests.is_same)(&found, expected);
                        assert!(is_same, "{request}: {found}, alone {expected}");
                    }
                }
            });
        }
        until(shim);
        done.store(true, Ordering::Relaxed);
    });
}

/// What every client gets for its requests when nobody else is there.
fn alone(package: &Package, requests: Requests) -> Vec<Vec<String>> {
    let shim = Shim::http(package);
    let mut connection = shim.connect();
    let mut ask = |client| {
        let rounds = 0..ROUNDS;
        let answers = rounds.map(|round| {
            let found = connection.send(&post(
                "/predict",
                &[],
                &request(requests.make, client, round),
            ));
            assert_eq!(found.status, 200, "{}", found.body);
            found.body
        });
        answers.collect()
    };
    (0..CLIENTS).map(&mut ask).collect()
}

#[track_caller]
fn check_shared(package: &Package, requests: Requests) {
    let (model, alone) = (requests.model, alone(package, requests));
    for (mut shim, path) in starts(package) {
        let mut most = 0;
        ask(&mut shim, path, requests, &alone, |shim| {
            most = shim.wait_for(SHARED)["requests"]
                .as_u64()
                .expect("a number");
        });
        for line in shim.stopped() {
            if line["message"] == SHARED {
                most = most.max(line["requests"].as_u64().expect("a number"));
            }
        }
        assert!((2..=4).contains(&most), "{model} {path}: {most}");
    }
}

#[test]
fn requests_of_one_moment_share_runs_and_get_the_bits_that_they_get_alone() {
    let all = [
        Requests::of("two_inputs", |n| json!({"a": [[n.sin(), n]], "b": [n]})),
        Requests::of("identity_float32", |n| json!({"x": [n.sin(), n.cos()]})),
        linear(),
    ];
    for requests in all {
        check_shared(&package(requests.model), requests);
    }
}

/// The same class, and the same probabilities but for their last digits.
fn is_rounded(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|text| support::json(text)["prediction"].clone());
    let classes = [&one, &other].map(|p| p["probabilities"].as_object().expect("has classes"));
    let is_close = |class: &String| {
        let [one, other] = classes.map(|of| of[class].as_f64().expect("a number"));
        (one - other).abs() < 1e-5
    };
    one["label"] == other["label"] && classes[0].keys().all(is_close)
}

#[test]
fn where_rounding_may_differ_more_models_share_runs() {
    let mut requests = linear();
    requests.is_same = is_rounded;
    check_shared(&inexact(requests.model), requests);
}

/// Requests that share no run, with `batching:` or without.
#[track_caller]
fn check_never(package: &Package, requests: Requests) {
    let (model, alone) = (requests.model, alone(package, requests));
    for (mut shim, path) in starts(package) {
        ask(&mut shim, path, requests, &alone, |_| ());
        let log = shim.stopped();
        assert!(log.iter().all(|line| line["message"] != SHARED), "{model}");
    }
}

#[test]
fn a_model_without_a_batch_dimension_runs_requests_one_by_one() {
    let requests = Requests::of("scalar", |n| json!({ "x": n }));
    check_never(&package("scalar"), requests);
}

#[test]
fn nothing_is_shared_unless_the_configuration_says_so() {
    let requests = Requests::of("identity_float32", |n| json!({"x": [n.sin(), n.cos()]}));
    check_never(&Package::of(requests.model), requests);
}

/// The sums of linear models have another order where there is more than one row.
fn linear() -> Requests {
    let make = |n: f64| json!({"features": [n.sin() * 9.0, n.cos()]});
    Requests::of("classifier_int", make)
}

#[test]
fn a_bad_request_of_a_moment_does_no_harm_to_the_others() {
    for (shim, path) in starts(&package("identity_float32")) {
        thread::scope(|scope| {
            for client in 0..6_u32 {
                let mut connection = shim.connect();
                scope.spawn(move || {
                    for round in 0..40_u32 {
                        let row = [f64::from(client), f64::from(round)];
                        let found = connection.send(&post(
                            path,
                            &[],
                            &json!({"x": [[1], row]}).to_string(),
                        ));
                        assert_eq!(found.failure(), "400 ragged");
                        let found =
                            connection.send(&post(path, &[], &json!({"x": row}).to_string()));
                        assert_eq!(support::json(&found.body), json!({ "prediction": row }));
                    }
                });
            }
        });
    }
}
