"""What a user without any policy is told when it makes a queue, by the code of the error."""

import boto3
import botocore.exceptions

iam = boto3.client("iam")
iam.create_user(UserName="nobody")
key = iam.create_access_key(UserName="nobody")["AccessKey"]
session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"])
try:
    session.client("sqs").create_queue(QueueName="jobs")
except botocore.exceptions.ClientError as error:
    print(error.response["Error"]["Code"])
