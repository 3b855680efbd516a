//! Requests to AWS, judged by the models of its services: what is required, unknown, too small, too
//! large, not of the pattern or none of the values. botocore has the models with it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use crate::programs::own_file;
use crate::proxy::Request;
use crate::python::{Packages, output};

/// What the models say.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Judgement {
    /// The operations that were called (`lambda CreateFunction`), and how often.
    pub operations: BTreeMap<String, u32>,
    /// What is wrong, one thing an item, with its operation.
    pub problems: Vec<String>,
}

/// Judges requests. They have to be signed: the signature names the service.
///
/// # Panics
///
/// If they cannot be read as the protocols of AWS, or there is no Python.
pub fn judge(requests: &[Request]) -> Judgement {
    let folder = tempfile::tempdir().expect("makes a folder");
    let mut lines = String::new();
    for (number, request) in requests.iter().enumerate() {
        let Request {
            method,
            path,
            headers,
            body,
        } = request;
        lines += &json!({"method": method, "path": path, "headers": headers}).to_string();
        lines.push('\n');
        fs_err::write(folder.path().join(format!("{number}.body")), body).expect("writes");
    }
    fs_err::write(folder.path().join("requests.jsonl"), lines).expect("writes");
    let mut command = Packages::Aws.command();
    let script = command.arg(own_file("scripts/check_requests.py"));
    let told = output(script.arg(folder.path()));
    serde_json::from_str(&told).expect("is the judgement")
}
