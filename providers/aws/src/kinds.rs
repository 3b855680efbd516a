//! Every kind of resource that a service becomes on AWS, with what the API can change in place.
//!
//! For each kind: what it is, how its remote name is made, and what a session has to know that the
//! fields do not tell. `{account}` and `{region}` in remote names stand for those of the session;
//! they are in the names of what is unique beyond a region. `tags` are the user's own; the session
//! adds `mlfn:service` and `mlfn:stage` wherever there are any.
//!
//! No field is sensitive: secrets are names here, and their values never pass through mlfn.

use mlfn_core::{FieldSpec, KindSpec, ReplaceOrder};

/// How many revisions, and how many uploaded packages, stay for rollbacks.
pub const KEPT_REVISIONS: u32 = 5;

/// The alias that everything calls.
pub const LIVE: &str = "live";

/// Every kind.
pub const KINDS: &[KindSpec] = &[
    ROLE,
    LOG_GROUP,
    DEPLOYMENT_BUCKET,
    CODE_OBJECT,
    LAYER,
    FUNCTION,
    FUNCTION_VERSION,
    ALIAS,
    PROVISIONED_CONCURRENCY,
    EVENT_INVOKE_CONFIG,
    PERMISSION,
    FUNCTION_URL,
    HTTP_API,
    HTTP_INTEGRATION,
    HTTP_AUTHORIZER,
    HTTP_ROUTE,
    HTTP_STAGE,
    SCHEDULE_GROUP,
    SCHEDULE,
    QUEUE,
    EVENT_SOURCE_MAPPING,
    TOPIC,
    SUBSCRIPTION,
    BUCKET,
    BUCKET_NOTIFICATION,
    KINESIS_STREAM,
    DYNAMODB_STREAM,
    PARAMETER,
    SECRET,
];

/// An IAM role with one inline policy. Roles belong to the account and not to a region, so their
/// names end with `{region}`.
///
/// `trust` and `policy` are policy documents as JSON objects.
pub const ROLE: KindSpec = in_place(
    "aws:role",
    &[
        FieldSpec::mutable("trust"),
        FieldSpec::mutable("policy"),
        FieldSpec::mutable("tags"),
    ],
);

/// A log group of CloudWatch Logs. Made before its function, because Lambda would make one that
/// keeps logs for ever.
pub const LOG_GROUP: KindSpec = in_place(
    "aws:log-group",
    &[
        FieldSpec::mutable("retention_days"),
        FieldSpec::mutable("tags"),
    ],
);

/// The S3 bucket for packages that are too large for a request, if the user names none. Buckets
/// have names that are unique in the world, so its name ends with `{account}-{region}`.
pub const DEPLOYMENT_BUCKET: KindSpec =
    in_place("aws:deployment-bucket", &[FieldSpec::mutable("tags")]);

/// A package or a file of a model in a deployment bucket. Its remote name is `<bucket>/<key>`, and the key has the
/// digest. In a bucket of the user's, the tags of the object tell whose it is.
pub const CODE_OBJECT: KindSpec = KindSpec {
    kind: "aws:code-object",
    fields: &[
        FieldSpec::immutable("bucket"),
        // Named by its content, which S3 does not tell in this form.
        FieldSpec::immutable("file").unread(),
        FieldSpec::mutable("tags"),
    ],
    replace: ReplaceOrder::CreateThenKeep {
        most: KEPT_REVISIONS,
    },
    volatile: &[],
};

/// A version of a layer, which holds ONNX Runtime for the functions whose packages leave it out. AWS
/// numbers versions; what finds one again is its `Description`, since layers have no tags: it names the
/// service, the stage and the digest of `content`, which is the end of the remote name
/// `<layer>@<digest>`.
///
/// `content` is a file, or only its mark if `content_bucket` and `content_key` say where it is.
/// Versions of functions keep the layers that they were published with even when these are deleted
/// (`DeleteLayerVersion`); old ones stay for `$LATEST`, which a rollback sets back, too.
pub const LAYER: KindSpec = KindSpec {
    kind: "aws:layer",
    fields: &[
        FieldSpec::immutable("architecture"),
        FieldSpec::immutable("content"),
        FieldSpec::mutable("content_bucket").unread(),
        FieldSpec::mutable("content_key").unread(),
    ],
    replace: ReplaceOrder::CreateThenKeep {
        most: KEPT_REVISIONS,
    },
    volatile: &[],
};

/// A Lambda function: its `$LATEST`, which nobody calls. `UpdateFunctionCode` changes `code` and
/// `architecture`, `PutFunctionConcurrency` changes `reserved_concurrency`, and
/// `UpdateFunctionConfiguration` the rest.
///
/// `code` is a file, or only its mark if `code_bucket` and `code_key` say where it is: both have
/// one form in plans, and `CodeSha256` of the API is its digest. `memory` and `ephemeral_storage`
/// are in MB, `timeout` is in seconds. In `environment`, a secret is its name, which AWS gets as
/// [`secret_text`](crate::lower::secret_text).
pub const FUNCTION: KindSpec = in_place(
    "aws:function",
    &[
        FieldSpec::mutable("architecture"),
        FieldSpec::mutable("code"),
        FieldSpec::mutable("code_bucket").unread(),
        FieldSpec::mutable("code_key").unread(),
        FieldSpec::mutable("environment"),
        FieldSpec::mutable("ephemeral_storage"),
        FieldSpec::mutable("handler"),
        FieldSpec::mutable("layers"),
        FieldSpec::mutable("log_group"),
        FieldSpec::mutable("memory"),
        FieldSpec::mutable("reserved_concurrency"),
        FieldSpec::mutable("role"),
        FieldSpec::mutable("runtime"),
        FieldSpec::mutable("tags"),
        FieldSpec::mutable("timeout"),
    ],
);

/// What `$LATEST` was when it was published. AWS numbers versions; what finds one again is its
/// `Description`, which is `revision`: a digest of the code and the configuration, and the end of
/// the remote name `<function>@<revision>`. Published only if `CodeSha256` is `code`.
pub const FUNCTION_VERSION: KindSpec = KindSpec {
    kind: "aws:function-version",
    fields: &[
        FieldSpec::immutable("code"),
        FieldSpec::immutable("revision"),
    ],
    replace: ReplaceOrder::CreateThenKeep {
        most: KEPT_REVISIONS,
    },
    volatile: &[],
};

/// The pointer to the version that serves: `<function>:live`.
///
/// `routing` is its `AdditionalVersionWeights`: the parts of the requests that other versions get, from
/// 0 to 1. Nobody asks for any: there are some while requests move to a new version.
pub const ALIAS: KindSpec = in_place(
    "aws:alias",
    &[FieldSpec::mutable("routing"), FieldSpec::mutable("version")],
);

/// Instances that are kept warm for an alias. Not ready until all of them are.
pub const PROVISIONED_CONCURRENCY: KindSpec = in_place(
    "aws:provisioned-concurrency",
    &[FieldSpec::mutable("instances")],
);

/// What becomes of requests to an alias that nobody waits for: `<function>:live`. `max_age` is in seconds;
/// the destinations are ARNs of queues and topics.
pub const EVENT_INVOKE_CONFIG: KindSpec = in_place(
    "aws:event-invoke-config",
    &[
        FieldSpec::mutable("max_age"),
        FieldSpec::mutable("max_retries"),
        FieldSpec::mutable("on_failure"),
        FieldSpec::mutable("on_success"),
    ],
);

/// A statement of an alias's policy, which lets another service call it:
/// `<function>:live/<statement id>`. Statements cannot be changed.
pub const PERMISSION: KindSpec = in_place(
    "aws:permission",
    &[
        FieldSpec::immutable("action"),
        FieldSpec::immutable("function_url_auth_type"),
        FieldSpec::immutable("invoked_via_function_url"),
        FieldSpec::immutable("principal"),
        FieldSpec::immutable("source_account"),
        FieldSpec::immutable("source_arn"),
    ],
);

/// The address of an alias.
pub const FUNCTION_URL: KindSpec = in_place(
    "aws:function-url",
    &[
        FieldSpec::mutable("auth_type"),
        FieldSpec::mutable("cors"),
        FieldSpec::mutable("invoke_mode"),
    ],
);

/// An HTTP API of API Gateway. Two can have one name, so its tags decide which is meant.
pub const HTTP_API: KindSpec = in_place(
    "aws:http-api",
    &[FieldSpec::mutable("cors"), FieldSpec::mutable("tags")],
);

/// How an HTTP API calls a function: `<api>/<function>`, which is its `Description`, as
/// integrations have no names.
pub const HTTP_INTEGRATION: KindSpec = in_place(
    "aws:http-integration",
    &[
        FieldSpec::mutable("function"),
        FieldSpec::mutable("payload_format"),
        FieldSpec::mutable("timeout_ms"),
    ],
);

/// Whose tokens an HTTP API accepts.
pub const HTTP_AUTHORIZER: KindSpec = in_place(
    "aws:http-authorizer",
    &[
        FieldSpec::mutable("audience"),
        FieldSpec::mutable("identity_source"),
        FieldSpec::mutable("issuer"),
    ],
);

/// A method and a path of an HTTP API: `<api>/<route key>`.
pub const HTTP_ROUTE: KindSpec = in_place(
    "aws:http-route",
    &[
        FieldSpec::mutable("authorization_type"),
        FieldSpec::mutable("authorizer"),
        FieldSpec::mutable("integration"),
    ],
);

/// The stage `$default` of an HTTP API, without which it answers nothing.
pub const HTTP_STAGE: KindSpec = in_place("aws:http-stage", &[FieldSpec::mutable("auto_deploy")]);

/// A group of EventBridge schedules. Schedules have no tags; their group has.
pub const SCHEDULE_GROUP: KindSpec = in_place("aws:schedule-group", &[FieldSpec::mutable("tags")]);

/// A schedule of EventBridge Scheduler: `<group>/<name>`. `UpdateSchedule` sets every field.
pub const SCHEDULE: KindSpec = in_place(
    "aws:schedule",
    &[
        FieldSpec::mutable("expression"),
        FieldSpec::mutable("function"),
        FieldSpec::mutable("input"),
        FieldSpec::mutable("role"),
        FieldSpec::mutable("timezone"),
    ],
);

/// An SQS queue. `visibility_timeout` and `message_retention` are in seconds; `dead_letter_queue`
/// and `max_receive_count` are its `RedrivePolicy`.
pub const QUEUE: KindSpec = in_place(
    "aws:queue",
    &[
        FieldSpec::mutable("content_based_deduplication"),
        FieldSpec::mutable("dead_letter_queue"),
        FieldSpec::immutable("fifo"),
        FieldSpec::mutable("max_receive_count"),
        FieldSpec::mutable("message_retention"),
        FieldSpec::mutable("tags"),
        FieldSpec::mutable("visibility_timeout"),
    ],
);

/// Lambda's poller of a queue or stream: `<function>:live/<service>/<name>`, or
/// `<function>:live/<ARN>`. AWS allows one for a source and an alias, so the two find it again.
pub const EVENT_SOURCE_MAPPING: KindSpec = in_place(
    "aws:event-source-mapping",
    &[
        FieldSpec::mutable("batch_size"),
        FieldSpec::mutable("bisect_on_error"),
        FieldSpec::mutable("function"),
        FieldSpec::mutable("max_retries"),
        FieldSpec::mutable("on_failure"),
        FieldSpec::mutable("report_batch_item_failures"),
        FieldSpec::immutable("source"),
        FieldSpec::immutable("starting_position"),
        FieldSpec::mutable("tags"),
        FieldSpec::mutable("window"),
    ],
);

/// An SNS topic.
pub const TOPIC: KindSpec = in_place("aws:topic", &[FieldSpec::mutable("tags")]);

/// What a topic is sent to: `<topic>/<function>:live`. Without tags: whose it is tells its
/// endpoint, an alias of ours.
pub const SUBSCRIPTION: KindSpec = in_place(
    "aws:subscription",
    &[
        FieldSpec::immutable("function"),
        FieldSpec::immutable("topic"),
    ],
);

/// An S3 bucket of the user's data, by its own name. One that the account has already is used as it
/// is and never changed or removed ([`Borrowed`](mlfn_core::Ownership::Borrowed)); else it is made, and its
/// tags tell so. That is why it has no fields.
pub const BUCKET: KindSpec = in_place("aws:bucket", &[]);

/// Our entries among the notifications of a bucket: `<bucket>/mlfn/<service>/<stage>`, with which
/// the ids of the entries begin. One resource for a bucket, since the API sets all of them at
/// once; the entries of others are read and set again.
pub const BUCKET_NOTIFICATION: KindSpec =
    in_place("aws:bucket-notification", &[FieldSpec::mutable("entries")]);

/// A Kinesis stream that exists: looked up, never made, changed or removed. One that does not
/// exist is an error of `create`.
pub const KINESIS_STREAM: KindSpec = in_place("aws:kinesis-stream", &[]);

/// The latest stream of a DynamoDB table that exists, which is looked up like [`KINESIS_STREAM`];
/// its ARN tells when it was enabled. The remote name is the table's name or ARN.
pub const DYNAMODB_STREAM: KindSpec = in_place("aws:dynamodb-stream", &[]);

/// A parameter of SSM that exists, which is looked up like [`KINESIS_STREAM`] and not read.
pub const PARAMETER: KindSpec = in_place("aws:parameter", &[]);

/// A secret of Secrets Manager that exists, which is looked up like [`KINESIS_STREAM`] and not
/// read. Its ARN has an end that AWS chooses.
pub const SECRET: KindSpec = in_place("aws:secret", &[]);

/// What a session tells about a resource of each kind, for others to refer to
/// ([`Observed::outputs`](mlfn_core::Observed::outputs)). `url` of a queue is its `QueueUrl`;
/// `execution_arn` is `arn:aws:execute-api:<region>:<account>:<id>`; `account` is the owner's.
pub const OUTPUTS: &[(&str, &[&str])] = &[
    (ROLE.kind, &["arn"]),
    (LOG_GROUP.kind, &["arn", "name"]),
    (DEPLOYMENT_BUCKET.kind, &["arn", "name"]),
    (CODE_OBJECT.kind, &["bucket", "key"]),
    (LAYER.kind, &["arn"]),
    (FUNCTION.kind, &["arn"]),
    (FUNCTION_VERSION.kind, &["version"]),
    (ALIAS.kind, &["arn"]),
    (FUNCTION_URL.kind, &["url"]),
    (HTTP_API.kind, &["id", "execution_arn", "url"]),
    (HTTP_INTEGRATION.kind, &["id"]),
    (HTTP_AUTHORIZER.kind, &["id"]),
    (SCHEDULE_GROUP.kind, &["arn"]),
    (QUEUE.kind, &["arn", "url"]),
    (TOPIC.kind, &["arn"]),
    (BUCKET.kind, &["account", "arn"]),
    (KINESIS_STREAM.kind, &["arn"]),
    (DYNAMODB_STREAM.kind, &["arn"]),
    (PARAMETER.kind, &["arn"]),
    (SECRET.kind, &["arn"]),
];

/// A kind of which two cannot stand side by side.
const fn in_place(kind: &'static str, fields: &'static [FieldSpec]) -> KindSpec {
    KindSpec {
        kind,
        fields,
        replace: ReplaceOrder::DeleteThenCreate,
        volatile: &[],
    }
}
