//! The requests of `tests/requests` through the real binary and ONNX Runtime: each gets the answer
//! that is in the file, and after each bad one, a good one works.

use std::path::Path;

use crate::support::{Package, Shim, json, post};

/// A request and its answer, as the file has them: JSON, or `400 code: message`.
struct Case {
    request: String,
    answer: String,
}

impl Case {
    fn is_bad(&self) -> bool {
        !self.answer.starts_with('{')
    }
}

/// The cases of a file, and the names of the features if it has some.
fn read(file: &str) -> (Vec<Case>, Vec<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/requests");
    let text = fs_err::read_to_string(folder.join(format!("{file}.txt"))).expect("a file");
    let names = text
        .lines()
        .find_map(|line| line.strip_prefix("names features "));
    let names = names.map_or_else(Vec::new, |names| {
        names.split(", ").map(str::to_owned).collect()
    });
    let requests = text.lines().filter_map(|line| line.strip_prefix('>'));
    let answers = text.lines().filter_map(|line| line.strip_prefix("< "));
    let case = |(request, answer): (&str, &str)| Case {
        request: request.to_owned(),
        answer: answer.to_owned(),
    };
    (requests.zip(answers).map(case).collect(), names)
}

/// Sends a request, and shows the answer as the files have it.
fn ask(shim: &Shim, request: &str) -> String {
    let answer = shim.connect().send(&post("/predict", &[], request));
    if answer.status == 200 {
        return answer.body;
    }
    let error = &json(&answer.body)["error"];
    let text = |key: &str| error[key].as_str().expect("a text").to_owned();
    let (code, message) = (text("code"), text("message"));
    format!("{} {code}: {message}", answer.status)
}

/// How many bad requests there are in a file.
#[track_caller]
fn check(file: &str) -> usize {
    let (cases, names) = read(file);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let shim = Shim::http(&Package::of(&format!("requests_{file}")).names(&names));
    let good = cases
        .iter()
        .find(|case| !case.is_bad())
        .expect("a good one");
    let bad = cases.iter().filter(|case| case.is_bad());
    for case in &cases {
        assert_eq!(ask(&shim, &case.request), case.answer, "{}", case.request);
        if case.is_bad() {
            let after = ask(&shim, &good.request);
            assert_eq!(after, good.answer, "after {}", case.request);
        }
    }
    shim.stopped();
    bad.count()
}

#[test]
fn bad_requests_are_explained_and_good_ones_work_after_them() {
    let bad: usize = ["floats", "int64", "names", "string"]
        .map(check)
        .iter()
        .sum();
    assert!(bad >= 90, "{bad} bad requests are too few");
}
