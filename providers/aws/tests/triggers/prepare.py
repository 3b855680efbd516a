"""Makes what a service finds on its account, as its owner would: a function with an alias, streams,
a table, secrets, and buckets of others."""

import io
import sys
import zipfile

import boto3


def client(service):
    return boto3.client(service)


def function(name):
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr(zipfile.ZipInfo("bootstrap"), "#!/bin/sh\n")
    aws = client("lambda")
    aws.create_function(
        FunctionName=name,
        Runtime="provided.al2023",
        Handler="bootstrap",
        Role=role(),
        Code={"ZipFile": package.getvalue()},
        Publish=True,
    )
    aws.create_alias(FunctionName=name, Name="live", FunctionVersion="1")


def role():
    iam = client("iam")
    try:
        return iam.create_role(RoleName="any", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    except iam.exceptions.EntityAlreadyExistsException:
        return iam.get_role(RoleName="any")["Role"]["Arn"]


def table(name):
    client("dynamodb").create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )


function("iris-dev-classifier")
client("kinesis").create_stream(StreamName="clicks", ShardCount=1)
table("orders")
client("dynamodb").create_table(
    TableName="silent",
    AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    BillingMode="PAY_PER_REQUEST",
)
client("ssm").put_parameter(Name="/iris/token", Value="hush", Type="SecureString")
client("secretsmanager").create_secret(Name="token", SecretString="hush")
client("s3").create_bucket(Bucket="given")
client("sqs").create_queue(QueueName="of-others")
client("s3").create_bucket(Bucket="with-notifications")
client("s3").put_bucket_notification_configuration(
    Bucket="with-notifications",
    NotificationConfiguration={
        "EventBridgeConfiguration": {},
        "QueueConfigurations": [
            {
                "Id": "theirs-1",
                "QueueArn": "arn:aws:sqs:us-east-1:000000000000:of-others",
                "Events": ["s3:ObjectRemoved:*"],
            }
        ],
        "LambdaFunctionConfigurations": [
            {
                # Another stage whose name begins like ours.
                "Id": "mlfn/iris/dev-2/classifier/1",
                "LambdaFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:iris-dev-classifier",
                "Events": ["s3:ObjectCreated:Put"],
                "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "theirs/"}]}},
            }
        ],
    },
)
sys.stdout.write("done")
