//! For each kind, the actions that its operations need, and on what: as the Service Authorization
//! Reference names them. The names of actions are those that the errors of the session tell.

use mlfn_core::KindSpec;

use crate::kinds;

/// Some actions on some things.
#[derive(Debug)]
pub(super) struct Need {
    /// E.g. `sqs:CreateQueue`.
    pub(super) actions: &'static [&'static str],
    /// ARNs with placeholders.
    pub(super) on: &'static [&'static str],
}

/// What a kind needs.
#[derive(Debug)]
pub(super) struct Needs {
    /// The name of the kind.
    pub(super) kind: &'static str,
    /// To look whether it is there and how it is: always.
    pub(super) read: &'static [Need],
    /// Beyond that, to make it.
    pub(super) create: &'static [Need],
    /// To change it.
    pub(super) update: &'static [Need],
    /// To remove it.
    pub(super) delete: &'static [Need],
    /// To try what it shall point to.
    pub(super) probe: &'static [Need],
}

/// Of a kind that is only looked up.
const fn looked_up(kind: KindSpec, read: &'static [Need]) -> Needs {
    Needs {
        kind: kind.kind,
        read,
        create: &[],
        update: &[],
        delete: &[],
        probe: &[],
    }
}

const fn need(actions: &'static [&'static str], on: &'static [&'static str]) -> Need {
    Need { actions, on }
}

const ROLE: &[&str] = &["arn:{partition}:iam::{account}:role/{name}"];
const PASSED_ROLE: &[&str] = &["arn:{partition}:iam::{account}:role/{role}"];
const LOG_GROUPS: &[&str] = &["arn:{partition}:logs:{region}:{account}:log-group:*"];
const LOG_GROUP: &[&str] = &[
    "arn:{partition}:logs:{region}:{account}:log-group:{name}",
    "arn:{partition}:logs:{region}:{account}:log-group:{name}:*",
];
/// With its versions and aliases.
const FUNCTION: &[&str] = &[
    "arn:{partition}:lambda:{region}:{account}:function:{function}",
    "arn:{partition}:lambda:{region}:{account}:function:{function}:*",
];
const LAYER: &[&str] = &["arn:{partition}:lambda:{region}:{account}:layer:{function}"];
const LAYER_VERSIONS: &[&str] = &["arn:{partition}:lambda:{region}:{account}:layer:{function}:*"];
const MAPPINGS: &[&str] = &["arn:{partition}:lambda:{region}:{account}:event-source-mapping:*"];
const BUCKET: &[&str] = &["arn:{partition}:s3:::{bucket}"];
const OBJECT: &[&str] = &["arn:{partition}:s3:::{name}"];
const OBJECTS: &[&str] = &["arn:{partition}:s3:::{bucket}/*"];
const QUEUE: &[&str] = &["arn:{partition}:sqs:{region}:{account}:{name}"];
const TOPIC: &[&str] = &["arn:{partition}:sns:{region}:{account}:{name}"];
const TOPIC_OF: &[&str] = &["arn:{partition}:sns:{region}:{account}:{head}"];
const GROUP: &[&str] = &["arn:{partition}:scheduler:{region}:{account}:schedule-group/{name}"];
const GROUP_OF: &[&str] = &["arn:{partition}:scheduler:{region}:{account}:schedule-group/{head}"];
const SCHEDULE: &[&str] = &["arn:{partition}:scheduler:{region}:{account}:schedule/{name}"];
/// API Gateway chooses the ids, so that nobody knows them before.
const APIS: &[&str] = &["arn:{partition}:apigateway:{region}::/apis"];
const IN_APIS: &[&str] = &["arn:{partition}:apigateway:{region}::/apis/*"];
const API_TAGS: &[&str] = &["arn:{partition}:apigateway:{region}::/tags/*"];
const STREAM: &[&str] = &["arn:{partition}:kinesis:{region}:{account}:stream/{name}"];
const TABLE_STREAMS: &[&str] =
    &["arn:{partition}:dynamodb:{region}:{account}:table/{table}/stream/*"];
const SECRET: &[&str] = &["arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-??????"];
/// Where IAM knows no less.
const EVERYTHING: &[&str] = &["*"];

const READ_APIS: &[Need] = &[
    need(&["apigateway:GET"], APIS),
    need(&["apigateway:GET"], IN_APIS),
];
const ADD_TO_APIS: &[Need] = &[need(&["apigateway:POST"], IN_APIS)];
const CHANGE_APIS: &[Need] = &[need(&["apigateway:PATCH"], IN_APIS)];
const CLEAR_APIS: &[Need] = &[need(&["apigateway:DELETE"], IN_APIS)];

/// Metrics have no ARNs.
pub(super) const SEES_ERRORS: &[Need] = &[need(&["cloudwatch:GetMetricData"], EVERYTHING)];

/// Whoever may see less than all alarms is told of no composite ones.
pub(super) const SEES_ALARMS: &[Need] = &[need(&["cloudwatch:DescribeAlarms"], EVERYTHING)];

/// One for each kind.
pub(super) const NEEDS: &[Needs] = &[
    Needs {
        kind: kinds::ROLE.kind,
        read: &[need(&["iam:GetRole", "iam:GetRolePolicy"], ROLE)],
        create: &[need(
            &["iam:CreateRole", "iam:PutRolePolicy", "iam:TagRole"],
            ROLE,
        )],
        update: &[need(
            &[
                "iam:PutRolePolicy",
                "iam:TagRole",
                "iam:UntagRole",
                "iam:UpdateAssumeRolePolicy",
            ],
            ROLE,
        )],
        delete: &[need(&["iam:DeleteRole", "iam:DeleteRolePolicy"], ROLE)],
        probe: &[],
    },
    Needs {
        kind: kinds::LOG_GROUP.kind,
        read: &[
            need(&["logs:DescribeLogGroups"], LOG_GROUPS),
            need(&["logs:ListTagsForResource"], LOG_GROUP),
        ],
        create: &[need(
            &[
                "logs:CreateLogGroup",
                "logs:PutRetentionPolicy",
                "logs:TagResource",
            ],
            LOG_GROUP,
        )],
        update: &[need(
            &[
                "logs:DeleteRetentionPolicy",
                "logs:PutRetentionPolicy",
                "logs:TagResource",
                "logs:UntagResource",
            ],
            LOG_GROUP,
        )],
        delete: &[need(&["logs:DeleteLogGroup"], LOG_GROUP)],
        probe: &[],
    },
    Needs {
        kind: kinds::DEPLOYMENT_BUCKET.kind,
        read: &[need(&["s3:GetBucketTagging", "s3:ListBucket"], BUCKET)],
        create: &[need(
            &["s3:CreateBucket", "s3:PutBucketTagging", "s3:TagResource"],
            BUCKET,
        )],
        update: &[need(&["s3:PutBucketTagging"], BUCKET)],
        delete: &[
            need(&["s3:DeleteBucket"], BUCKET),
            need(&["s3:DeleteObject"], OBJECTS),
        ],
        probe: &[],
    },
    Needs {
        kind: kinds::CODE_OBJECT.kind,
        read: &[need(&["s3:GetObjectTagging"], OBJECT)],
        create: &[
            need(&["s3:ListBucketMultipartUploads"], BUCKET),
            // Lambda reads a package as whoever names it.
            need(
                &[
                    "s3:GetObject",
                    "s3:ListMultipartUploadParts",
                    "s3:PutObject",
                    "s3:PutObjectTagging",
                ],
                OBJECT,
            ),
        ],
        update: &[need(&["s3:PutObjectTagging"], OBJECT)],
        delete: &[need(&["s3:DeleteObject"], OBJECT)],
        probe: &[],
    },
    Needs {
        kind: kinds::LAYER.kind,
        read: &[
            need(&["lambda:ListLayerVersions"], EVERYTHING),
            // Whoever gives a layer to a function must be able to read it, too.
            need(&["lambda:GetLayerVersion"], LAYER_VERSIONS),
        ],
        create: &[need(&["lambda:PublishLayerVersion"], LAYER)],
        update: &[],
        delete: &[need(&["lambda:DeleteLayerVersion"], LAYER_VERSIONS)],
        probe: &[],
    },
    Needs {
        kind: kinds::FUNCTION.kind,
        read: &[need(&["lambda:GetFunction", "lambda:ListTags"], FUNCTION)],
        create: &[
            need(
                &[
                    "lambda:CreateFunction",
                    "lambda:PutFunctionConcurrency",
                    "lambda:TagResource",
                ],
                FUNCTION,
            ),
            need(&["iam:PassRole"], PASSED_ROLE),
        ],
        update: &[
            need(
                &[
                    "lambda:DeleteFunctionConcurrency",
                    "lambda:PutFunctionConcurrency",
                    "lambda:TagResource",
                    "lambda:UntagResource",
                    "lambda:UpdateFunctionCode",
                    "lambda:UpdateFunctionConfiguration",
                ],
                FUNCTION,
            ),
            need(&["iam:PassRole"], PASSED_ROLE),
        ],
        delete: &[need(&["lambda:DeleteFunction"], FUNCTION)],
        probe: &[],
    },
    Needs {
        kind: kinds::FUNCTION_VERSION.kind,
        read: &[need(
            &["lambda:GetFunction", "lambda:ListVersionsByFunction"],
            FUNCTION,
        )],
        create: &[need(
            &[
                "lambda:PublishVersion",
                "lambda:UpdateFunctionConfiguration",
            ],
            FUNCTION,
        )],
        update: &[],
        delete: &[need(&["lambda:DeleteFunction"], FUNCTION)],
        probe: &[],
    },
    Needs {
        kind: kinds::ALIAS.kind,
        read: &[need(&["lambda:GetAlias", "lambda:GetFunction"], FUNCTION)],
        create: &[need(&["lambda:CreateAlias"], FUNCTION)],
        update: &[need(&["lambda:UpdateAlias"], FUNCTION)],
        delete: &[need(&["lambda:DeleteAlias"], FUNCTION)],
        probe: &[need(&["lambda:InvokeFunction"], FUNCTION)],
    },
    Needs {
        kind: kinds::PROVISIONED_CONCURRENCY.kind,
        read: &[need(
            &[
                "lambda:GetProvisionedConcurrencyConfig",
                "lambda:GetFunction",
            ],
            FUNCTION,
        )],
        create: &[need(&["lambda:PutProvisionedConcurrencyConfig"], FUNCTION)],
        update: &[need(&["lambda:PutProvisionedConcurrencyConfig"], FUNCTION)],
        delete: &[need(
            &["lambda:DeleteProvisionedConcurrencyConfig"],
            FUNCTION,
        )],
        probe: &[],
    },
    Needs {
        kind: kinds::EVENT_INVOKE_CONFIG.kind,
        read: &[need(
            &["lambda:GetFunction", "lambda:GetFunctionEventInvokeConfig"],
            FUNCTION,
        )],
        create: &[need(&["lambda:PutFunctionEventInvokeConfig"], FUNCTION)],
        update: &[need(&["lambda:PutFunctionEventInvokeConfig"], FUNCTION)],
        delete: &[need(&["lambda:DeleteFunctionEventInvokeConfig"], FUNCTION)],
        probe: &[],
    },
    Needs {
        kind: kinds::PERMISSION.kind,
        read: &[need(&["lambda:GetPolicy", "lambda:GetFunction"], FUNCTION)],
        create: &[need(&["lambda:AddPermission"], FUNCTION)],
        update: &[],
        delete: &[need(&["lambda:RemovePermission"], FUNCTION)],
        probe: &[],
    },
    Needs {
        kind: kinds::FUNCTION_URL.kind,
        read: &[need(
            &["lambda:GetFunctionUrlConfig", "lambda:GetFunction"],
            FUNCTION,
        )],
        create: &[need(&["lambda:CreateFunctionUrlConfig"], FUNCTION)],
        update: &[need(&["lambda:UpdateFunctionUrlConfig"], FUNCTION)],
        delete: &[need(&["lambda:DeleteFunctionUrlConfig"], FUNCTION)],
        probe: &[],
    },
    Needs {
        kind: kinds::HTTP_API.kind,
        read: READ_APIS,
        create: &[
            need(&["apigateway:POST", "apigateway:TagResource"], APIS),
            need(&["apigateway:POST"], API_TAGS),
        ],
        update: &[
            need(&["apigateway:DELETE", "apigateway:PATCH"], IN_APIS),
            need(
                &["apigateway:DELETE", "apigateway:POST", "apigateway:PUT"],
                API_TAGS,
            ),
        ],
        delete: CLEAR_APIS,
        probe: &[],
    },
    in_api(kinds::HTTP_INTEGRATION),
    in_api(kinds::HTTP_AUTHORIZER),
    in_api(kinds::HTTP_ROUTE),
    in_api(kinds::HTTP_STAGE),
    Needs {
        kind: kinds::SCHEDULE_GROUP.kind,
        read: &[need(
            &[
                "scheduler:GetScheduleGroup",
                "scheduler:ListTagsForResource",
            ],
            GROUP,
        )],
        create: &[need(
            &["scheduler:CreateScheduleGroup", "scheduler:TagResource"],
            GROUP,
        )],
        update: &[need(
            &["scheduler:TagResource", "scheduler:UntagResource"],
            GROUP,
        )],
        delete: &[need(&["scheduler:DeleteScheduleGroup"], GROUP)],
        probe: &[],
    },
    Needs {
        kind: kinds::SCHEDULE.kind,
        read: &[
            need(&["scheduler:GetSchedule"], SCHEDULE),
            need(&["scheduler:ListTagsForResource"], GROUP_OF),
        ],
        create: &[
            need(&["scheduler:CreateSchedule"], SCHEDULE),
            need(&["iam:PassRole"], PASSED_ROLE),
        ],
        update: &[
            need(&["scheduler:UpdateSchedule"], SCHEDULE),
            need(&["iam:PassRole"], PASSED_ROLE),
        ],
        delete: &[need(&["scheduler:DeleteSchedule"], SCHEDULE)],
        probe: &[],
    },
    Needs {
        kind: kinds::QUEUE.kind,
        read: &[need(
            &[
                "sqs:GetQueueAttributes",
                "sqs:GetQueueUrl",
                "sqs:ListQueueTags",
            ],
            QUEUE,
        )],
        create: &[need(&["sqs:CreateQueue", "sqs:TagQueue"], QUEUE)],
        update: &[need(
            &["sqs:SetQueueAttributes", "sqs:TagQueue", "sqs:UntagQueue"],
            QUEUE,
        )],
        delete: &[need(&["sqs:DeleteQueue"], QUEUE)],
        probe: &[],
    },
    Needs {
        kind: kinds::EVENT_SOURCE_MAPPING.kind,
        read: &[
            need(&["lambda:ListEventSourceMappings"], EVERYTHING),
            need(&["lambda:ListTags"], MAPPINGS),
        ],
        create: &[
            need(&["lambda:CreateEventSourceMapping"], EVERYTHING),
            need(&["lambda:TagResource"], MAPPINGS),
        ],
        update: &[need(
            &[
                "lambda:TagResource",
                "lambda:UntagResource",
                "lambda:UpdateEventSourceMapping",
            ],
            MAPPINGS,
        )],
        delete: &[need(&["lambda:DeleteEventSourceMapping"], MAPPINGS)],
        probe: &[],
    },
    Needs {
        kind: kinds::TOPIC.kind,
        read: &[need(&["sns:ListTagsForResource"], TOPIC)],
        create: &[need(&["sns:CreateTopic", "sns:TagResource"], TOPIC)],
        update: &[need(&["sns:TagResource", "sns:UntagResource"], TOPIC)],
        delete: &[need(&["sns:DeleteTopic"], TOPIC)],
        probe: &[],
    },
    Needs {
        kind: kinds::SUBSCRIPTION.kind,
        read: &[need(
            &[
                "sns:GetSubscriptionAttributes",
                "sns:ListSubscriptionsByTopic",
            ],
            TOPIC_OF,
        )],
        create: &[need(&["sns:Subscribe"], TOPIC_OF)],
        update: &[],
        delete: &[need(&["sns:Unsubscribe"], TOPIC_OF)],
        probe: &[],
    },
    Needs {
        kind: kinds::BUCKET.kind,
        read: &[need(&["s3:GetBucketTagging", "s3:ListBucket"], BUCKET)],
        create: &[need(&["s3:CreateBucket", "s3:TagResource"], BUCKET)],
        update: &[],
        delete: &[need(&["s3:DeleteBucket"], BUCKET)],
        probe: &[],
    },
    Needs {
        kind: kinds::BUCKET_NOTIFICATION.kind,
        read: &[need(&["s3:GetBucketNotification"], BUCKET)],
        create: &[need(&["s3:PutBucketNotification"], BUCKET)],
        update: &[need(&["s3:PutBucketNotification"], BUCKET)],
        delete: &[need(&["s3:PutBucketNotification"], BUCKET)],
        probe: &[],
    },
    looked_up(
        kinds::KINESIS_STREAM,
        &[need(&["kinesis:DescribeStreamSummary"], STREAM)],
    ),
    looked_up(
        kinds::DYNAMODB_STREAM,
        &[need(
            &["dynamodb:DescribeStream", "dynamodb:ListStreams"],
            TABLE_STREAMS,
        )],
    ),
    looked_up(
        kinds::PARAMETER,
        &[need(&["ssm:DescribeParameters"], EVERYTHING)],
    ),
    looked_up(
        kinds::SECRET,
        &[need(&["secretsmanager:DescribeSecret"], SECRET)],
    ),
];

/// What is in an API is found through it.
const fn in_api(kind: KindSpec) -> Needs {
    Needs {
        kind: kind.kind,
        read: READ_APIS,
        create: ADD_TO_APIS,
        update: CHANGE_APIS,
        delete: CLEAR_APIS,
        probe: &[],
    }
}
