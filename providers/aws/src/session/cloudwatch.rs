//! `CloudWatch`: what speaks against a new version.

use mlfn_core::{Alarm, Call, Failure, ProviderError, Watch};
use serde_json::{Value as Json, json};

use super::context::Context;
use super::function::split;
use super::signed::{Service, call};

const CLOUDWATCH: Service = Service {
    id: "CloudWatch",
    host: "monitoring",
    target: "GraniteServiceVersion20100801",
    content_type: "application/x-amz-json-1.0",
};

/// Lambda counts its calls by the minute.
const MINUTE: u64 = 60;

/// [`Session::watch`](mlfn_core::Session::watch), for an alias.
pub(super) async fn watch(
    context: &Context,
    call: &Call<'_>,
    watch: &Watch<'_>,
) -> Result<Option<String>, ProviderError> {
    match watch.alarm {
        Alarm::Errors => errors(context, call, watch).await,
        Alarm::Named(name) => alarm(context, name).await,
    }
}

/// The calls that the new version failed on, of those that came by the alias.
///
/// `ExecutedVersion` tells the versions of an alias apart
/// (<https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>).
async fn errors(
    context: &Context,
    about: &Call<'_>,
    watch: &Watch<'_>,
) -> Result<Option<String>, ProviderError> {
    let (function, _) = split(about.remote_name, ':');
    let version = about.inputs.text("version").unwrap_or_default();
    let dimension = |name: &str, value: &str| json!({"Name": name, "Value": value});
    let metric = json!({
        "Namespace": "AWS/Lambda",
        "MetricName": "Errors",
        "Dimensions": [
            dimension("FunctionName", function),
            dimension("Resource", about.remote_name),
            dimension("ExecutedVersion", &version),
        ],
    });
    let input = json!({
        "MetricDataQueries": [{
            "Id": "errors",
            "MetricStat": {"Metric": metric, "Period": MINUTE, "Stat": "Sum"},
        }],
        // The minute that has begun counts.
        "StartTime": watch.since / MINUTE * MINUTE,
        "EndTime": (watch.now / MINUTE + 1) * MINUTE,
    });
    let answer = call(context, &CLOUDWATCH, "GetMetricData", &input).await;
    let answer = answer.map_err(context.failed("cloudwatch:GetMetricData", about.remote_name))?;
    let results = answer["MetricDataResults"].as_array().into_iter().flatten();
    let values = results.flat_map(|result| result["Values"].as_array().into_iter().flatten());
    let errors: f64 = values.filter_map(Json::as_f64).sum();
    Ok((errors > 0.0).then(|| format!("version {version} failed on {errors} requests")))
}

/// Whether an alarm of the user's is on. One that does not know enough is not.
async fn alarm(context: &Context, name: &str) -> Result<Option<String>, ProviderError> {
    let types = ["CompositeAlarm", "MetricAlarm"];
    let input = json!({"AlarmNames": [name], "AlarmTypes": types});
    let answer = call(context, &CLOUDWATCH, "DescribeAlarms", &input).await;
    let answer = answer.map_err(context.failed("cloudwatch:DescribeAlarms", name))?;
    let of = |kind: &str| answer[kind].as_array().into_iter().flatten();
    let mut found = of("MetricAlarms").chain(of("CompositeAlarms"));
    let found = found.find(|alarm| alarm["AlarmName"] == name);
    let found = found.ok_or_else(|| {
        let why = format!("there is no alarm `{name}` in {}", context.identity.region);
        ProviderError::from(Failure::Rejected { why })
    })?;
    let reason = found["StateReason"].as_str().unwrap_or_default();
    let reason = if reason.is_empty() {
        "no reason is told"
    } else {
        reason
    };
    let is_on = found["StateValue"] == "ALARM";
    Ok(is_on.then(|| format!("the alarm `{name}` is on: {reason}")))
}
