//! Models that the package leaves out, and that a function on Lambda fetches when it starts.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::mapped::product;
use crate::support::{Aws, Package, RuntimeApi, Shim, Stock};

const PATH: &str = "/models/a%20key/model.onnx";

/// A model of 18 MiB, which are three pieces: some text follows the graph.
fn large() -> Vec<u8> {
    let text = vec![b'x'; 17 << 20];
    // Field 6 of `ModelProto` is `doc_string`; its length is a number of seven bits a byte.
    let mut length = text.len();
    let mut model = product();
    model.push(6 << 3 | 2);
    while length >= 0x80 {
        model.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
        length >>= 7;
    }
    model.push(u8::try_from(length).expect("seven bits"));
    [model, text].concat()
}

struct Lambda {
    aws: Aws,
    /// What `/tmp` is on Lambda.
    folder: TempDir,
    api: RuntimeApi,
}

impl Lambda {
    fn with(model: Vec<u8>) -> Self {
        let aws = Aws::start(Stock {
            models: BTreeMap::from([(PATH.to_owned(), model)]),
            ..Stock::default()
        });
        Self {
            aws,
            folder: TempDir::new().expect("a folder"),
            api: RuntimeApi::start(),
        }
    }

    fn start(&self, package: &Package, place: &str) -> Shim {
        let own = [
            ("AWS_LAMBDA_RUNTIME_API", self.api.address()),
            ("TMPDIR", self.folder.path().to_str().expect("text")),
            ("MLFN_MODEL", place),
        ];
        Shim::with(package, &[&own, &self.aws.variables()[..]].concat())
    }

    /// The files that were left in `/tmp`, by the ends of their paths.
    fn files(&self) -> Vec<String> {
        let folder = self.folder.path().join("mlfn-abc/model");
        let files = fs_err::read_dir(folder).into_iter().flatten();
        let mut names: Vec<String> = files
            .map(|file| {
                file.expect("a file")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }
}

fn place() -> String {
    json!([{"path": "model/model.onnx", "bucket": "models", "key": "a key/model.onnx"}]).to_string()
}

fn request() -> String {
    json!({"features": vec![0.5; 512]}).to_string()
}

#[test]
fn a_model_is_fetched_in_pieces_and_answers_the_same() {
    let mut lambda = Lambda::with(large());
    let shim = lambda.start(&Package::with(large()).mapped().apart(), &place());
    let answer = lambda.api.invoke(&request()).expect("an answer");
    let whole = Shim::http(&Package::with(large()));
    assert_eq!(answer, whole.predict(&request()).body);
    let mut ranges = lambda.aws.stock().ranges.clone();
    ranges.sort();
    let last = large().len() - 1;
    let expected = [
        "bytes=0-8388607".to_owned(),
        format!("bytes=16777216-{last}"),
        "bytes=8388608-16777215".to_owned(),
    ];
    assert_eq!(ranges, expected);
    assert_eq!(lambda.aws.stock().unsigned, 0);
    assert_eq!(lambda.files(), ["graph.onnx", "model.onnx"]);
    drop(shim);
    lambda.api = RuntimeApi::start();
    // A process that starts anew in the same place finds it.
    let _shim = lambda.start(&Package::with(large()).mapped().apart(), &place());
    lambda.api.invoke(&request()).expect("an answer");
    assert_eq!(lambda.aws.stock().ranges.len(), 3);
}

#[test]
fn a_model_that_is_in_the_package_is_not_fetched() {
    let mut lambda = Lambda::with(Vec::new());
    let _shim = lambda.start(&Package::with(product()), "no JSON");
    lambda.api.invoke(&request()).expect("an answer");
    assert!(!Path::new(&lambda.folder.path().join("mlfn-abc")).exists());
}

#[track_caller]
fn check_fails(model: Vec<u8>, place: &str, expected: &str) {
    let lambda = Lambda::with(model);
    let shim = lambda.start(&Package::with(large()).apart(), place);
    let post = lambda.api.post();
    assert_eq!(post.path, "/init/error");
    assert_eq!(post.error_type.as_deref(), Some("model_not_loaded"));
    assert!(post.body.contains(expected), "{}", post.body);
    let (status, _) = shim.ended();
    assert_eq!(status.code(), Some(1));
    assert_eq!(
        lambda.files(),
        Vec::<String>::new(),
        "nothing half-written stays"
    );
}

#[test]
fn what_cannot_be_fetched_is_said() {
    check_fails(large(), "no JSON", "MLFN_MODEL is not readable");
    check_fails(large(), "[]", "does not say where it is");
    check_fails(vec![1; 100], &place(), "bytes any more; deploy again");
}
