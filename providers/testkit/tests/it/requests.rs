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

/// Requests, their operations, and how what is wrong begins; nothing is wrong with the first ones.
fn cases() -> Vec<(Request, &'static str, &'static str)> {
    const CREATE: &str = "lambda CreateFunction";
    const ROLE: &str = "iam CreateRole";
    let object = |line: &str, headers: &[(&str, &str)]| request("s3", line, headers, b"bytes");
    let trust = "AssumeRolePolicyDocument=%7B%7D";
    vec![
        (lambda("POST /", FUNCTION), CREATE, ""),
        (
            iam(&format!("Action=CreateRole&RoleName=a&{trust}")),
            ROLE,
            "",
        ),
        (
            object(
                "PUT /things/a%20b/c?x-id=PutObject",
                &[("if-none-match", "*")],
            ),
            "s3 PutObject",
            "",
        ),
        (
            object("PUT /things/a?partNumber=1&uploadId=x", &[]),
            "s3 UploadPart",
            "",
        ),
        (
            logs("CreateLogGroup", r#"{"logGroupName": "/aws/lambda/iris"}"#),
            "logs CreateLogGroup",
            "",
        ),
        (
            function("512", "64"),
            CREATE,
            "Invalid value for parameter MemorySize, value: 64",
        ),
        (
            function("512", "32769"),
            CREATE,
            "MemorySize: 32769 is more than 32768",
        ),
        (
            function("512", "\"512\""),
            CREATE,
            "Invalid type for parameter MemorySize",
        ),
        (
            function(r#""Role": "arn:aws:iam::123456789012:role/iris","#, ""),
            CREATE,
            "Missing required parameter in input: \"Role\"",
        ),
        (
            function("arn:aws:iam", "iam"),
            CREATE,
            "Role: 'iam::123456789012:role/iris' does not match",
        ),
        (
            function("x86_64", "x86"),
            CREATE,
            "Architectures[0]: 'x86' is none of x86_64, arm64",
        ),
        (
            function("bootstrap", &"b".repeat(129)),
            CREATE,
            "Handler: length 129 is more than 128",
        ),
        (
            function("\"Tags\"", "\"Labels\""),
            CREATE,
            "Unknown parameter in input: \"Labels\"",
        ),
        (
            function("eA==", "?"),
            CREATE,
            "Invalid type for parameter Code.ZipFile",
        ),
        (lambda("GET /", ""), "lambda ListFunctions", ""),
        (
            request("lambda", "GET /2015-03-31/functions?Marked=x", &[], b""),
            "lambda ListFunctions",
            "the query has Marked, which the operation does not know",
        ),
        (
            request(
                "lambda",
                "GET /2015-03-31/functions?MaxItems=10001",
                &[],
                b"",
            ),
            "lambda ListFunctions",
            "MaxItems: 10001 is more than 10000",
        ),
        (
            iam(&format!(
                "Action=CreateRole&RoleName={}&{trust}",
                "r".repeat(65)
            )),
            ROLE,
            "RoleName: length 65 is more than 64",
        ),
        (
            iam(&format!(
                "Action=CreateRole&RoleName=a&{trust}&Tags.member.1.Key=a&Tags.member.1.Value=%21"
            )),
            ROLE,
            "Tags[0].Value: '!' does not match",
        ),
        (
            iam("Action=CreateRole&RoleName=a"),
            ROLE,
            "Missing required parameter in input: \"AssumeRolePolicyDocument\"",
        ),
        (
            logs(
                "PutRetentionPolicy",
                r#"{"logGroupName": "a b", "retentionInDays": 7}"#,
            ),
            "logs PutRetentionPolicy",
            "logGroupName: 'a b' does not match",
        ),
        (
            object("PUT /things/a", &[("x-amz-storage-class", "COLD")]),
            "s3 PutObject",
            "StorageClass: 'COLD' is none of STANDARD",
        ),
        (
            request(
                "s3",
                "PUT /things?tagging",
                &[],
                b"<Tagging><TagSet><Tag><Key></Key><Value>x</Value></Tag></TagSet></Tagging>",
            ),
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
    let cases = cases();
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
