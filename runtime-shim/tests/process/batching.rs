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
    });
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

/// All clients send their requests at once, again and again until `until` returns. Each must be
/// answered as in `alone`.
fn ask(
    shim: &mut Shim,
    path: &str,
    make: fn(f64) -> Json,
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
                        let request = post(path, &[], &request(make, client, round));
                        let found = connection.send(&request);
                        assert_eq!(found.body, *expected, "{request}");
                    }
                }
            });
        }
        until(shim);
        done.store(true, Ordering::Relaxed);
    });
}

/// What every client gets for its requests when nobody else is there and nothing is shared.
fn alone(model: &str, make: fn(f64) -> Json) -> Vec<Vec<String>> {
    let shim = Shim::http(&Package::of(model));
    let mut connection = shim.connect();
    let mut ask = |client| {
        let rounds = 0..ROUNDS;
        let answers = rounds.map(|round| {
            let found = connection.send(&post("/predict", &[], &request(make, client, round)));
            assert_eq!(found.status, 200, "{}", found.body);
            found.body
        });
        answers.collect()
    };
    (0..CLIENTS).map(&mut ask).collect()
}

#[track_caller]
fn check_shared(model: &str, make: fn(f64) -> Json) {
    let alone = alone(model, make);
    for (mut shim, path) in starts(&package(model)) {
        let mut most = 0;
        ask(&mut shim, path, make, &alone, |shim| {
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
    check_shared("two_inputs", |n| json!({"a": [[n.sin(), n]], "b": [n]}));
    check_shared("identity_float32", |n| json!({"x": [n.sin(), n.cos()]}));
}

/// Requests that share no run, with `batching:` or without.
#[track_caller]
fn check_never(package: &Package, model: &str, make: fn(f64) -> Json) {
    let alone = alone(model, make);
    for (mut shim, path) in starts(package) {
        ask(&mut shim, path, make, &alone, |_| ());
        let log = shim.stopped();
        assert!(log.iter().all(|line| line["message"] != SHARED), "{model}");
    }
}

#[test]
fn a_model_without_a_batch_dimension_runs_requests_one_by_one() {
    check_never(&package("scalar"), "scalar", |n| json!({ "x": n }));
}

#[test]
fn nothing_is_shared_unless_the_configuration_says_so() {
    let make = |n: f64| json!({"x": [n.sin(), n.cos()]});
    check_never(&Package::of("identity_float32"), "identity_float32", make);
}

#[test]
fn bits_that_would_differ_in_company_are_those_of_single_runs() {
    // The sums of linear models have another order where there are more rows.
    let make = |n: f64| json!({"features": [n.sin() * 9.0, n.cos()]});
    let alone = alone("classifier_int", make);
    for (mut shim, path) in starts(&package("classifier_int")) {
        ask(&mut shim, path, make, &alone, |_| ());
        shim.stopped();
    }
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
