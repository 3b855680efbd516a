//! Requests that AWS would refuse are found, whatever protocol they come in.

use bytes::Bytes;
use mlfn_testkit::proxy::Request;
use mlfn_testkit::requests::judge;

/// A request that is signed for a service.
fn request(service: &str, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
    let (method, path) = line.split_once(' ').expect("method and path");
    let scope = format!("AWS4-HMAC-SHA256 Credential=test/20261121/us-east-1/{service}/x, y=z");
    let headers = headers.iter().copied();
    let headers = headers.chain([("authorization", scope.as_str())]);
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: headers.map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
        body: Bytes::copy_from_slice(body),
    }
}

fn lambda(line: &str, body: &str) -> Request {
    request(
        "lambda",
        &format!("{line}2015-03-31/functions"),
        &[],
        body.as_bytes(),
    )
}

fn logs(operation: &str, body: &str) -> Request {
    let target = format!("Logs_20140328.{operation}");
    request(
        "logs",
        "POST /",
        &[("x-amz-target", &target)],
        body.as_bytes(),
    )
}

fn iam(form: &str) -> Request {
    request(
        "iam",
        "POST /",
        &[],
        format!("Version=2010-05-08&{form}").as_bytes(),
    )
}

const FUNCTION: &str = r#"{"FunctionName": "iris", "Role": "arn:aws:iam::123456789012:role/iris",
    "Code": {"ZipFile": "eA=="}, "Runtime": "provided.al2023", "Handler": "bootstrap",
    "MemorySize": 512, "Architectures": ["x86_64"], "Tags": {"team": "research"}}"#;

/// With something else in the place of a part of a good one.
fn function(part: &str, other: &str) -> Request {
    assert!(FUNCTION.contains(part), "{part}");
    lambda("POST /", &FUNCTION.replace(part, other))
}

/// A request, its operation, and how what is wrong begins; nothing is, if that is empty.
type Case = (Request, &'static str, &'static str);

const TRUST: &str = "AssumeRolePolicyDocument=%7B%7D";

fn object(line: &str, headers: &[(&str, &str)]) -> Request {
    request("s3", line, headers, b"bytes")
}

fn good() -> [Case; 6] {
    let role = format!("Action=CreateRole&RoleName=a&{TRUST}");
    let put = object(
        "PUT /things/a%20b/c?x-id=PutObject",
        &[("if-none-match", "*")],
    );
    let part = object("PUT /things/a?partNumber=1&uploadId=x", &[]);
    let group = logs("CreateLogGroup", r#"{"logGroupName": "/aws/lambda/iris"}"#);
    [
        (lambda("POST /", FUNCTION), "lambda CreateFunction", ""),
        (lambda("GET /", ""), "lambda ListFunctions", ""),
        (iam(&role), "iam CreateRole", ""),
        (put, "s3 PutObject", ""),
        (part, "s3 UploadPart", ""),
        (group, "logs CreateLogGroup", ""),
    ]
}

/// Each kind of limit, once broken.
fn bad_functions() -> Vec<Case> {
    let role = r#""Role": "arn:aws:iam::123456789012:role/iris","#;
    let long = "b".repeat(129);
    let problems = [
        (
            ("512", "64"),
            "Invalid value for parameter MemorySize, value: 64",
        ),
        (("512", "32769"), "MemorySize: 32769 is more than 32768"),
        (("512", "\"512\""), "Invalid type for parameter MemorySize"),
        ((role, ""), "Missing required parameter in input: \"Role\""),
        (
            ("arn:aws:iam", "iam"),
            "Role: 'iam::123456789012:role/iris' does not match",
        ),
        (
            ("x86_64", "x86"),
            "Architectures[0]: 'x86' is none of x86_64, arm64",
        ),
        (
            ("bootstrap", long.as_str()),
            "Handler: length 129 is more than 128",
        ),
        (
            ("\"Tags\"", "\"Labels\""),
            "Unknown parameter in input: \"Labels\"",
        ),
        (("eA==", "?"), "Invalid type for parameter Code.ZipFile"),
    ];
    let case = |((part, other), problem)| (function(part, other), "lambda CreateFunction", problem);
    problems.into_iter().map(case).collect()
}

/// In queries, forms, headers and XML.
fn bad_elsewhere() -> Vec<Case> {
    let list = |query: &str| {
        request(
            "lambda",
            &format!("GET /2015-03-31/functions?{query}"),
            &[],
            b"",
        )
    };
    let role = |form: &str| iam(&format!("Action=CreateRole&{form}"));
    let long = format!("RoleName={}&{TRUST}", "r".repeat(65));
    let tagged = format!("RoleName=a&{TRUST}&Tags.member.1.Key=a&Tags.member.1.Value=%21");
    let group = r#"{"logGroupName": "a b", "retentionInDays": 7}"#;
    let tags = b"<Tagging><TagSet><Tag><Key></Key><Value>x</Value></Tag></TagSet></Tagging>";
    vec![
        (
            list("Marked=x"),
            "lambda ListFunctions",
            "the query has Marked, which the operation does not know",
        ),
        (
            list("MaxItems=10001"),
            "lambda ListFunctions",
            "MaxItems: 10001 is more than 10000",
        ),
        (
            role(&long),
            "iam CreateRole",
            "RoleName: length 65 is more than 64",
        ),
        (
            role(&tagged),
            "iam CreateRole",
            "Tags[0].Value: '!' does not match",
        ),
        (
            role("RoleName=a"),
            "iam CreateRole",
            "Missing required parameter in input: \"AssumeRolePolicyDocument\"",
        ),
        (
            logs("PutRetentionPolicy", group),
            "logs PutRetentionPolicy",
            "logGroupName: 'a b' does not match",
        ),
        (
            object("PUT /things/a", &[("x-amz-storage-class", "COLD")]),
            "s3 PutObject",
            "StorageClass: 'COLD' is none of STANDARD",
        ),
        (
            request("s3", "PUT /things?tagging", &[], tags),
            "s3 PutBucketTagging",
            "Invalid length for parameter Tagging.TagSet[0].Key",
        ),
        (
            lambda("PATCH /", ""),
            "PATCH /2015-03-31/functions",
            "is no operation of the model",
        ),
    ]
}

#[test]
fn what_the_models_do_not_allow_is_found() {
    let cases = [good().into(), bad_functions(), bad_elsewhere()].concat();
    let requests: Vec<Request> = cases.iter().map(|(request, ..)| request.clone()).collect();
    let judgement = judge(&requests);
    let called: u32 = judgement.operations.values().sum();
    assert_eq!(called as usize, cases.len(), "{:?}", judgement.operations);
    let mut problems = judgement.problems.iter();
    for (_, operation, begin) in cases.iter().filter(|(.., begin)| !begin.is_empty()) {
        let problem = problems.next().expect("one for each");
        let begin = format!("{operation}: {begin}");
        assert!(problem.starts_with(&begin), "{problem}\nis not\n{begin}");
    }
    assert_eq!(problems.next(), None);
    for (_, operation, _) in cases {
        assert!(judgement.operations.contains_key(operation), "{operation}");
    }
}
