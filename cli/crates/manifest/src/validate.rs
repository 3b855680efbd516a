//! Rules that hold between several values of a service.

use std::collections::{BTreeMap, HashMap};

use mlfn_core::{
    EnvironmentValue, FieldPath, Function, HttpMethod, QueueTrigger, StorageTrigger, Trigger,
};

use crate::normalise::Located;
use crate::problems::{Code, Problems};
use crate::secrets;
use crate::suggest;

const REPEATED_ROUTE: Code = Code::new("repeated-route", "the same route twice");
const REPEATED_TRIGGER: Code = Code::new("repeated-trigger", "the same trigger twice");
const NOT_A_LABEL: Code = Code::new(
    "probability-not-a-label",
    "the probability of an unknown class",
);
const LOOP: Code = Code::new("trigger-loop", "a model that triggers itself");
const NO_INPUT: Code = Code::new("schedule-without-input", "a schedule without a request");
const INSTANCES: Code = Code::new(
    "instances-reversed",
    "fewer instances at most than at least",
);
const PLAIN_SECRET: Code = Code::new("plain-secret", "a secret in plain sight");

/// Checks everything that one value alone does not show.
pub(crate) fn validate(functions: &[Located], problems: &mut Problems) {
    routes(functions, problems);
    for located in functions {
        repeated_triggers(located, problems);
        for (at, trigger) in located.triggers.iter().zip(&located.function.triggers) {
            one_trigger(at, trigger, &located.function, problems);
        }
        probability(located, problems);
        instances(located, problems);
    }
}

/// All models of a service share one address.
fn routes(functions: &[Located], problems: &mut Problems) {
    let mut seen: HashMap<&str, Vec<(HttpMethod, &Located)>> = HashMap::new();
    for located in functions {
        for (at, trigger) in located.triggers.iter().zip(&located.function.triggers) {
            let Trigger::Http(http) = trigger else {
                continue;
            };
            let routes = seen.entry(&http.path).or_default();
            let overlaps = |(method, _): &&(HttpMethod, &Located)| {
                *method == http.method
                    || *method == HttpMethod::Any
                    || http.method == HttpMethod::Any
            };
            if let Some((_, other)) = routes.iter().find(overlaps) {
                let path = &http.path;
                let detail = format!(
                    "the model `{}` answers `{path}` already",
                    other.function.name
                );
                let problem = REPEATED_ROUTE.error(at, detail);
                problems.push(problem.help(
                    "the models of a service share an address; choose another path or method",
                ));
            }
            routes.push((http.method, located));
        }
    }
}

fn repeated_triggers(located: &Located, problems: &mut Problems) {
    let mut seen: Vec<String> = Vec::new();
    for (at, trigger) in located.triggers.iter().zip(&located.function.triggers) {
        let Some(source) = source(trigger) else {
            continue;
        };
        if seen.contains(&source) {
            let detail = format!("{source} triggers this model already");
            let problem = REPEATED_TRIGGER.error(at, detail);
            problems.push(problem.help("remove one of the two"));
        } else {
            seen.push(source);
        }
    }
}

/// What must be different between the triggers of a model.
fn source(trigger: &Trigger) -> Option<String> {
    match trigger {
        Trigger::Http(_) => None,
        Trigger::Schedule(schedule) => {
            let input = schedule.input.as_ref().map(ToString::to_string);
            let zone = schedule.timezone.as_deref().unwrap_or("UTC");
            let when = match &schedule.schedule {
                mlfn_core::Schedule::Every(pause) => format!("every {pause}"),
                mlfn_core::Schedule::Cron(expression) => format!("`{expression}` in {zone}"),
            };
            Some(match input {
                Some(input) => format!("a schedule {when} with {input}"),
                None => format!("a schedule {when}"),
            })
        }
        Trigger::Queue(queue) => Some(format!("the queue `{}`", queue.name)),
        Trigger::Topic(topic) => Some(format!("the topic `{}`", topic.name)),
        Trigger::Storage(storage) => {
            let objects = |text: &Option<String>| text.clone().unwrap_or_default();
            let (prefix, suffix) = (objects(&storage.prefix), objects(&storage.suffix));
            Some(format!(
                "`{prefix}*{suffix}` in the bucket `{}`",
                storage.bucket
            ))
        }
        Trigger::Stream(stream) => {
            use mlfn_core::StreamSource as Source;
            let (Source::Kinesis(name) | Source::DynamoDb(name) | Source::EventHub(name)) =
                &stream.source;
            Some(format!("the stream `{name}`"))
        }
    }
}

fn one_trigger(at: &FieldPath, trigger: &Trigger, function: &Function, problems: &mut Problems) {
    match trigger {
        Trigger::Queue(queue) => queue_loop(queue, at, problems),
        Trigger::Storage(storage) => storage_loop(storage, at, problems),
        Trigger::Schedule(schedule) if schedule.input.is_none() && function.example.is_none() => {
            let detail = "each run gets an empty request, which a model with inputs refuses";
            let problem = NO_INPUT.warning(at, detail);
            problems.push(problem.help("add `input: { features: [..] }` to the schedule"));
        }
        _ => {}
    }
}

fn queue_loop(queue: &QueueTrigger, at: &FieldPath, problems: &mut Problems) {
    if queue.output.as_ref() == Some(&queue.name) {
        let detail = format!(
            "predictions go to `{}`, where they trigger the model again",
            queue.name
        );
        let problem = LOOP.error(&at.key("output"), detail);
        problems.push(problem.help("give the predictions a queue of their own"));
    }
}

/// Whatever the names of the predictions end with, only a prefix of their own keeps them apart for
/// certain.
fn storage_loop(storage: &StorageTrigger, at: &FieldPath, problems: &mut Problems) {
    if storage.output_bucket.as_ref() != Some(&storage.bucket) {
        return;
    }
    let input = storage.prefix.as_deref().unwrap_or("");
    let output = storage.output_prefix.as_deref().unwrap_or("");
    if output.starts_with(input) || input.starts_with(output) {
        let to = match output {
            "" => storage.bucket.clone(),
            output => format!("{}/{output}", storage.bucket),
        };
        let detail = format!("predictions go to `{to}`, where they trigger the model again");
        let problem = LOOP.error(&at.key("output"), detail);
        problems.push(problem.help("choose another bucket, or prefixes such as `in/` and `out/`"));
    }
}

fn probability(located: &Located, problems: &mut Problems) {
    let output = &located.function.output;
    let Some(wanted) = &output.probability else {
        return;
    };
    if output.labels.is_empty() || output.labels.contains(wanted) {
        return;
    }
    let labels: Vec<&str> = output.labels.iter().map(String::as_str).collect();
    let detail = format!("`{wanted}` is not one of the labels");
    let problem = NOT_A_LABEL.error(&located.at.key("output").key("probability"), detail);
    problems.push(match suggest::closest(wanted, labels.iter().copied()) {
        Some(close) => problem.help(format!("did you mean `{close}`?")),
        None if labels.len() > 10 => problem.help("choose one of `labels`"),
        None => problem.help(format!("choose {}", suggest::list(&labels))),
    });
}

fn instances(located: &Located, problems: &mut Problems) {
    let Function {
        aws, azure, gcp, ..
    } = &located.function;
    let limits = [
        (
            "aws",
            "reserved_concurrency",
            aws.reserved_concurrency,
            "provisioned_concurrency",
            aws.provisioned_concurrency,
        ),
        (
            "azure",
            "max_instances",
            azure.max_instances,
            "always_ready",
            azure.always_ready,
        ),
        (
            "gcp",
            "max_instances",
            gcp.max_instances,
            "min_instances",
            gcp.min_instances,
        ),
    ];
    for (cloud, most_key, most, least_key, least) in limits {
        if let (Some(most), Some(least)) = (most, least)
            && least > most
        {
            let detail =
                format!("`{least_key}` is {least}, which is more than `{most_key}`, {most}");
            problems.push(INSTANCES.error(&located.at.key(cloud).key(least_key), detail));
        }
    }
}

/// Warns of texts that look like secrets: they would be in the package, in plans and in logs.
/// `is_written` tells whether the value stands in a file of the manifest, rather than coming from
/// the environment or the command line.
pub(crate) fn plain_secrets(
    environment: &BTreeMap<String, EnvironmentValue>,
    at: &FieldPath,
    is_written: impl Fn(&FieldPath) -> bool,
    problems: &mut Problems,
) {
    for (name, value) in environment {
        let EnvironmentValue::Plain(text) = value else {
            continue;
        };
        let at = at.key(name);
        let is_text =
            !text.is_empty() && text.parse::<f64>().is_err() && text.parse::<bool>().is_err();
        if is_text && secrets::is_secret_name(name) && is_written(&at) {
            let detail = format!("`{name}` looks like a secret, and its value stands in a file");
            let problem = PLAIN_SECRET.warning(&at, detail);
            let suggestion = name.to_ascii_lowercase().replace('_', "-");
            problems.push(problem.help(format!(
                "store it as a secret of the cloud and write `{name}: {{ secret: {suggestion} }}`"
            )));
        }
    }
}
