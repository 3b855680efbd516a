//! How instances come, go, and are held to their limits.

use std::time::Duration;

use mlfn_core::{EnvironmentValue, Memory, Seconds, SecretRef};
use mlfn_emulator::{CpuShare, Done, Ending, Exited, InvokeError, Limits};
use serde_json::{Value as Json, json};
use tokio::net::{TcpListener, TcpStream};

use crate::local::{Local, json_of};

/// Requests that wait until they are told to go on.
struct Gate(TcpListener);

impl Gate {
    async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.expect("listens"))
    }

    fn request(&self) -> Json {
        let port = self.0.local_addr().expect("has an address").port();
        json!({ "do": "wait", "port": port })
    }

    /// Waits until a request runs. It goes on when what is returned is dropped.
    async fn running(&self) -> TcpStream {
        self.0.accept().await.expect("arrives").0
    }
}

fn pid(done: &Done) -> i64 {
    assert_eq!(done.ending, Ending::Answered, "{:?}", done.body);
    json_of(&done.body)["pid"].as_i64().expect("is a number")
}

#[tokio::test]
async fn an_instance_is_used_again_and_only_its_first_request_was_cold() {
    let local = Local::new(|_| ()).await;
    let first = local.invoke(json!({"do": "pid"})).await;
    let second = local.invoke(json!({"do": "pid"})).await;
    assert_eq!(pid(&first), pid(&second));
    assert!(first.report.init.is_some() && second.report.init.is_none());
    assert!(first.report.billed() > first.report.duration);
    assert!(
        second
            .report
            .peak_mib
            .is_some_and(|peak| (1..512).contains(&peak))
    );
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn each_request_at_a_time_has_an_instance_of_its_own() {
    let local = Local::new(|_| ()).await;
    let gate = Gate::new().await;
    let request = gate.request();
    let requests = async {
        let [one, two] = [local.try_invoke(&request), local.try_invoke(&request)];
        let (one, two) = tokio::join!(one, two);
        [one.expect("is let in"), two.expect("is let in")].map(|done| pid(&done))
    };
    // Both run before either goes on.
    let open = async {
        drop((gate.running().await, gate.running().await));
    };
    let ([one, two], ()) = tokio::join!(requests, open);
    assert_ne!(one, two);
    assert_eq!(local.cloud.emulator().instances(crate::local::NAME), 2);
    local.cloud.shut_down().await;
    assert_eq!(local.cloud.emulator().instances(crate::local::NAME), 0);
}

#[tokio::test]
async fn what_is_over_the_limit_is_turned_away_with_the_reason() {
    let account = Limits {
        concurrency: 1,
        ..Limits::default()
    };
    let reserved = "ReservedFunctionConcurrentInvocationLimitExceeded";
    for (limits, set_aside, reason) in [
        (account, None, "ConcurrentInvocationLimitExceeded"),
        (Limits::default(), Some(1), reserved),
    ] {
        let local = Local::with(limits, |service| {
            service.functions[0].aws.reserved_concurrency = set_aside;
        })
        .await;
        let gate = Gate::new().await;
        let request = gate.request();
        let turned_away = async {
            let _running = gate.running().await;
            local.try_invoke(&json!({"do": "pid"})).await
        };
        let (first, second) = tokio::join!(local.invoke(request), turned_away);
        assert_eq!(first.ending, Ending::Answered);
        match second {
            Err(InvokeError::Throttled(throttled)) => assert_eq!(throttled.reason, reason),
            other => panic!("{other:?}"),
        }
        assert_eq!(
            local.invoke(json!({"do": "pid"})).await.ending,
            Ending::Answered
        );
        local.cloud.shut_down().await;
    }
}

#[tokio::test]
async fn nothing_is_let_in_where_nothing_is_set_aside() {
    let local = Local::new(|service| {
        service.functions[0].aws.reserved_concurrency = Some(0);
    })
    .await;
    let refused = local.try_invoke(&json!({"do": "pid"})).await;
    assert!(
        matches!(refused, Err(InvokeError::Throttled(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn after_a_crash_or_a_time_out_the_next_request_has_a_fresh_instance() {
    let local = Local::new(|service| service.functions[0].timeout = Seconds::new(1)).await;
    let mut last = pid(&local.invoke(json!({"do": "pid"})).await);
    for (request, ending, kind, words) in [
        (
            json!({"do": "exit", "status": 3}),
            Ending::Exited(Exited::Code(3)),
            "Runtime.ExitError",
            "Error: Runtime exited with error: exit status 3",
        ),
        (
            json!({"do": "hang"}),
            Ending::TimedOut,
            "Sandbox.Timedout",
            "Error: Task timed out after 1.00 seconds",
        ),
    ] {
        let failed = local.invoke(request).await;
        assert_eq!(failed.ending, ending);
        let body = json_of(&failed.body);
        assert_eq!(body["errorType"], kind);
        let message = body["errorMessage"].as_str().expect("is text");
        assert!(message.ends_with(words), "{message}");
        let next = pid(&local.invoke(json!({"do": "pid"})).await);
        assert_ne!(next, last);
        last = next;
    }
    local.cloud.shut_down().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_instance_gets_no_more_than_its_share_of_a_processor() {
    let limits = Limits {
        cpu_share: CpuShare::Thousandths(250),
        ..Limits::default()
    };
    let local = Local::with(limits, |_| ()).await;
    local.invoke(json!({"do": "pid"})).await;
    let done = local.invoke(json!({"do": "spin", "seconds": 0.25})).await;
    assert_eq!(done.ending, Ending::Answered);
    // A whole second at most; what it saved in its first period is less than a quarter of that.
    let took = done.report.duration;
    assert!(took > Duration::from_millis(700), "{took:?}");
    local.cloud.shut_down().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_takes_more_memory_than_it_has_is_ended_and_named() {
    let local = Local::new(|service| service.functions[0].memory = Memory::mib(128)).await;
    let request = json!({"do": "fill memory", "bytes": 200 * 1024 * 1024});
    let done = local.invoke(request).await;
    assert_eq!(done.ending, Ending::OutOfMemory);
    assert_eq!(json_of(&done.body)["errorType"], "Runtime.OutOfMemory");
    assert!(
        done.report.peak_mib.is_some_and(|peak| peak > 128),
        "{:?}",
        done.report
    );
    let tail = String::from_utf8(done.tail.expect("was wanted")).expect("is text");
    assert!(
        tail.contains("Status: error\tError Type: Runtime.OutOfMemory"),
        "{tail}"
    );
    assert_eq!(
        local.invoke(json!({"do": "pid"})).await.ending,
        Ending::Answered
    );
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn each_instance_has_its_own_folder_for_temporary_files_of_the_right_size() {
    let local = Local::new(|service| {
        service.functions[0].aws.ephemeral_storage = Some(Memory::mib(1));
    })
    .await;
    let told = json_of(&local.invoke(json!({"do": "describe"})).await.body);
    let folder = told["environment"]["TMPDIR"]
        .as_str()
        .expect("is set")
        .to_owned();
    assert!(std::path::Path::new(&folder).is_dir(), "{folder}");
    let done = local
        .invoke(json!({"do": "fill disk", "bytes": 2 * 1024 * 1024}))
        .await;
    assert_eq!(done.ending, Ending::DiskFull);
    local.cloud.shut_down().await;
    assert!(!std::path::Path::new(&folder).exists(), "{folder}");
}

#[tokio::test]
async fn provisioned_instances_are_there_before_any_request() {
    let local = Local::new(|service| {
        service.functions[0].aws.provisioned_concurrency = Some(2);
    })
    .await;
    let ready = async {
        while local.cloud.emulator().instances(crate::local::NAME) < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ready)
        .await
        .expect("are warm");
    let done = local.invoke(json!({"do": "describe"})).await;
    assert_eq!(done.report.init, None);
    let kind = &json_of(&done.body)["environment"]["AWS_LAMBDA_INITIALIZATION_TYPE"];
    assert_eq!(kind, "provisioned-concurrency");
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn an_instance_with_nothing_to_do_ends_after_a_while() {
    let limits = Limits {
        idle: Duration::from_millis(20),
        ..Limits::default()
    };
    let local = Local::with(limits, |_| ()).await;
    let first = pid(&local.invoke(json!({"do": "pid"})).await);
    let gone = async {
        while local.cloud.emulator().instances(crate::local::NAME) > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone)
        .await
        .expect("ends");
    assert_ne!(pid(&local.invoke(json!({"do": "pid"})).await), first);
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn a_start_that_fails_is_answered_as_lambda_does() {
    for (start, kind) in [
        ("crash", "Runtime.ExitError"),
        ("init-error", "broken_model"),
    ] {
        let local = Local::new(|service| {
            let start = EnvironmentValue::Plain(start.to_owned());
            service.functions[0]
                .environment
                .insert("START".to_owned(), start);
        })
        .await;
        let done = local.invoke(json!({"do": "pid"})).await;
        assert_eq!(done.ending, Ending::NotStarted);
        assert_eq!(json_of(&done.body)["errorType"], kind);
        local.cloud.shut_down().await;
    }
}

#[tokio::test]
async fn a_secret_comes_from_this_machine_and_is_written_nowhere() {
    let local = Local::new(|service| {
        let secret = EnvironmentValue::Secret(SecretRef("/iris/token".to_owned()));
        service.functions[0]
            .environment
            .insert("TOKEN".to_owned(), secret);
    })
    .await;
    let told = json_of(&local.invoke(json!({"do": "describe"})).await.body);
    assert_eq!(told["environment"]["TOKEN"], "hidden");
    let record = local.folder.path().join("cloud/cloud.json");
    let record = fs_err::read_to_string(record).expect("reads");
    assert!(
        record.contains("/iris/token") && !record.contains("hidden"),
        "{record}"
    );
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn the_log_has_the_lines_of_lambda_around_those_of_the_function() {
    let local = Local::new(|_| ()).await;
    let done = local.invoke(json!({"do": "log", "lines": 2})).await;
    let id = &done.report.request;
    let log = local.log().await;
    let start = log
        .iter()
        .position(|line| line.starts_with("START "))
        .expect("starts");
    assert_eq!(log[start], format!("START RequestId: {id} Version: 1"));
    assert!(
        log[start + 1..]
            .iter()
            .any(|line| line.starts_with("line 0 ")),
        "{log:?}"
    );
    assert!(log.contains(&format!("END RequestId: {id}")), "{log:?}");
    let report = log
        .iter()
        .find(|line| line.starts_with("REPORT "))
        .expect("reports");
    for words in [
        "Billed Duration: ",
        "Memory Size: 512 MB",
        "Max Memory Used: ",
        "Init Duration: ",
    ] {
        assert!(report.contains(words), "{report}");
    }
    let tail = String::from_utf8(done.tail.expect("was wanted")).expect("is text");
    assert!(
        tail.contains("line 1 ") && tail.ends_with(" ms\n"),
        "{tail}"
    );
    local.cloud.shut_down().await;
}
